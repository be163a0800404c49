package gate

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// In a stage in which the machine was busy both arms were slow, which draws the
// baseline's quantile over all stages up; a quiet stage alone proves the harm.
func TestAQuantileThatFailsInAQuietStageIsBoundedBeyondItsMargin(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]float64{"a quiet machine": 1, "a busy stage": 6, "a very busy stage": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := latencyP99()
			w := newWorld(false, 0, 1)
			w.latencies(0, split.Baseline, 20_000, lognormal(busy))
			w.latencies(0, split.Candidate, 4_000, lognormal(busy*0.6))
			w.latencies(1, split.Baseline, 20_000, lognormal(1))
			w.latencies(1, split.Candidate, 4_000, lognormal(1.5))
			j := w.judge(g, at(1, 2))
			if j.Verdict != Fail {
				t.Fatalf("verdict %s, log e %.2f of %.2f", j.Verdict, j.LogFail, g.FailAt(0.05))
			}
			if b := g.Bound(w.view(), &j, at(1, 2)); !(b.Lower >= g.Margin-1e-9) {
				t.Errorf("the gate failed at margin %.3f, and its bound says at least %.3f (estimate %.3f)", g.Margin, b.Lower, b.Estimate)
			}
		})
	}
}
