package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/problem"
)

func (f *fakeEngine) Baseline(_ context.Context, model string) (command.Baseline, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if model != "fraud" {
		return command.Baseline{}, problem.New(problem.NotFound, "no model named %q", model)
	}
	return command.Baseline{
		Model: model, Version: "v6", Rollout: "fraud-v6", Watched: 100 * time.Second,
		Seen: planner.Seen{Requests: 5000, Metrics: []planner.SeenMetric{{Name: "error_rate", Kind: "rate", Count: 4000, Events: 20, Level: 0.005, PerRequest: 1}}},
	}, f.err
}

func TestABaselineIsAnsweredInTheWordsOfTheContract(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	w := h.do(t, request{method: http.MethodGet, path: "/api/v1/models/fraud/baseline"})
	got := body[api.Baseline](t, w)
	if w.Code != http.StatusOK || got.Model != "fraud" || got.Version != "v6" || got.Source != api.BaselineSourceRollout || got.RequestsPerSecond != 50 {
		t.Errorf("got %d %+v", w.Code, got)
	}
	if len(got.Metrics) != 1 || got.Metrics[0].Level != 0.005 || got.Metrics[0].Kind != api.BaselineMetricKindRate || got.Latency != nil {
		t.Errorf("metrics %+v, latency %+v", got.Metrics, got.Latency)
	}
	w = h.do(t, request{method: http.MethodGet, path: "/api/v1/models/nobody/baseline"})
	if p := body[api.Problem](t, w); w.Code != http.StatusNotFound || p.Code != "not_found" {
		t.Errorf("got %d %+v", w.Code, p)
	}
}
