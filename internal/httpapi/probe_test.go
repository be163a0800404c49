package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestReadinessNamesWhatIsNotReady(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var broken error
	h.handler = New(Options{Engine: h.engine, Answers: h.answers, Metrics: h.metrics, Log: slog.New(slog.DiscardHandler), Checks: []Check{
		{Name: "store", Do: func(context.Context) error { return nil }},
		{Name: "router", Do: func(context.Context) error { return broken }},
	}})
	if w := h.do(t, request{path: "/readyz"}); w.Code != 200 || !body[api.Readiness](t, w).Ready {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	broken = errors.New("serves nothing")
	w := h.do(t, request{path: "/readyz"})
	want := api.Readiness{Checks: []api.ReadinessCheck{{Name: "store", Ready: true}, {Name: "router", Detail: "serves nothing"}}}
	if diff := cmp.Diff(want, body[api.Readiness](t, w)); diff != "" || w.Code != 503 {
		t.Errorf("not ready: %d (-want +got):\n%s", w.Code, diff)
	}
	if w := h.do(t, request{path: "/healthz"}); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("health: %d %q", w.Code, w.Body)
	}
}

func TestMetricsOfEverythingThatIsCounted(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.metrics.WatchRollouts(h.engine)
	h.metrics.WatchRouter(func() []RouterCount { return []RouterCount{{"fraud", "candidate", "5xx", 7}} })
	h.metrics.WatchOutcomes(func() uint64 { return 12 })
	h.metrics.Decided(rollout.KindRollback, rollout.ReasonGateFailed)
	h.metrics.Stored("commit", time.Millisecond, true)
	h.metrics.Ticked(time.Millisecond)
	h.do(t, request{method: "POST", path: "/api/v1/outcomes", body: `{"outcomes":[{"id":"a","metric":"m","value":1},{"id":"b","metric":"m","value":1}]}`})
	h.do(t, request{path: "/nothing"})
	page := h.do(t, request{path: "/metrics"}).Body.String()
	for _, line := range []string{
		`belay_rollouts{phase="Progressing"} 1`,
		`belay_rollouts{phase="RolledBack"} 0`,
		`belay_rollouts_unguarded 0`,
		`belay_decisions_total{kind="rollback",reason="GateFailed"} 1`,
		`belay_router_requests_total{arm="candidate",class="5xx",model="fraud"} 7`,
		`belay_outcomes_total{result="accepted"} 1`,
		`belay_outcomes_waiting 12`,
		`belay_outcomes_total{result="refused"} 1`,
		`belay_outcomes_total{result="repeated"} 0`,
		`belay_store_errors_total{operation="commit"} 1`,
		`belay_store_seconds_count{operation="commit"} 1`,
		`belay_store_errors_total{operation="flush"} 0`,
		`belay_tick_interval_seconds_count 1`,
		`belay_api_requests_total{route="POST /api/v1/outcomes",status="202"} 1`,
		`belay_api_requests_total{route="none",status="404"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("%q is missing", line)
		}
	}
	h.engine.fail(problem.New(problem.Unavailable, "the disk is full"))
	w := h.do(t, request{path: "/metrics"})
	if !strings.Contains(w.Body.String(), "belay_tick_interval_seconds_count 1") || strings.Contains(w.Body.String(), `belay_rollouts{`) {
		t.Error("want all metrics but the phases, which could not be read")
	}
}
