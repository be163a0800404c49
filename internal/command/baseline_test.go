package command_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

// baseline returns the baseline of a model, which must be there.
func (w *world) baseline(t *testing.T, model string) command.Baseline {
	t.Helper()
	b, err := w.Baseline(t.Context(), model)
	if err != nil {
		t.Fatalf("baseline: %v", err)
	}
	return b
}

// errorsOf is what a baseline says of errors.
func errorsOf(t *testing.T, b command.Baseline) planner.SeenMetric {
	t.Helper()
	for _, m := range b.Seen.Metrics {
		if m.Name == "error_rate" {
			return m
		}
	}
	t.Fatalf("no errors in %+v", b.Seen)
	return planner.SeenMetric{}
}

func TestABaselineIsWhatTheRunningRolloutSeesOfIt(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.02)
		time.Sleep(50 * time.Second)
		b := w.baseline(t, "m")
		if b.Model != "m" || b.Version != "v1" || b.Rollout != "m-v2" || b.Watched < 45*time.Second || b.To.Sub(b.From) != b.Watched {
			t.Errorf("got %+v", b)
		}
		if rate := b.Seen.Requests / b.Watched.Seconds(); math.Abs(rate-50) > 5 {
			t.Errorf("%v requests a second, want 50", rate)
		}
		if m := errorsOf(t, b); m.Level < 0.003 || m.Level > 0.02 || m.Count >= b.Seen.Requests {
			t.Errorf("errors %+v of %v requests", m, b.Seen.Requests)
		}
		w.stopLoad()
	})
}

func TestAfterAPromotionTheBaselineIsWhatServesNow(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.04)
		w.ends(t, "m-v2", rollout.Completed)
		b := w.baseline(t, "m")
		if b.Version != "v2" || b.Rollout != "m-v2" {
			t.Errorf("got %+v", b)
		}
		if m := errorsOf(t, b); m.Level < 0.03 || m.Level > 0.05 {
			t.Errorf("the errors are those of the version before: %+v", m)
		}
	})
}

func TestAfterARollbackTheBaselineIsStillThere(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.6)
		w.ends(t, "m-v2", rollout.RolledBack)
		if b := w.baseline(t, "m"); b.Version != "v1" || errorsOf(t, b).Level > 0.05 {
			t.Errorf("got %+v", b)
		}
	})
}

func TestWithoutARolloutTheRouterIsAsked(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		routed := map[string]command.Routed{"m": {Since: time.Now().UTC(), Requests: 6000, Failed: 30}}
		s := command.New(command.Options{
			Store: w.Store, Controller: w.Controller, Ledger: w.Ledger, Hub: command.NewHub(), Preflight: w.preflight,
			Routed: func(model string) command.Routed { return routed[model] },
		})
		w.apply(t, model("m", "v1"), model("n", "v1"))
		time.Sleep(time.Minute)
		b, err := s.Baseline(t.Context(), "m")
		if err != nil || b.Rollout != "" || b.Watched != time.Minute || b.Seen.Requests != 6000 || b.Seen.Latency != nil {
			t.Errorf("got %+v, %v", b, err)
		}
		if m := errorsOf(t, b); m.Level != 0.005 {
			t.Errorf("errors %+v", m)
		}
		if _, err := s.Baseline(t.Context(), "n"); !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), "has had no traffic") {
			t.Errorf("of a model without requests: %v", err)
		}
		if _, err := w.Baseline(t.Context(), "m"); !problem.Is(err, problem.NotFound) {
			t.Errorf("without a router to ask: %v", err)
		}
		if _, err := s.Baseline(t.Context(), "nobody"); !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), `no model named "nobody"`) {
			t.Errorf("of an unknown model: %v", err)
		}
	})
}
