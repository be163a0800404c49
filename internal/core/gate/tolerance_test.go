package gate

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func TestMarginsTimesATolerance(t *testing.T) {
	t.Parallel()
	w := newWorld(false, 0)
	relativeSuccess := correct()
	relativeSuccess.Margin, relativeSuccess.Slope = 0.02, 0.98
	rare := Gate{Kind: Rate, Method: Ratio, Worse: stats.Down, Margin: -0.05}
	for name, tt := range map[string]struct {
		gate          Gate
		factor        float64
		margin, slope float64
	}{
		"a relative margin":          {errorRatio(), 5, 1, 1},
		"a difference":               {errorDifference(), 5, 0.05, 1},
		"a wide difference":          {errorDifference(), 500, 0.99, 1},
		"a level that is ignored":    {errorIgnore(), 5, 1, 1},
		"a relative success":         {relativeSuccess, 5, 0.1, 0.9},
		"a decrease":                 {rare, 5, -0.25, 0},
		"a decrease of all there is": {rare, 50, -0.99, 0},
		"a mean":                     {revenue(), 4, -0.2, 0},
		"a latency":                  {latencyP99(), 5, 0.5, 1},
	} {
		got := tt.gate.Widened(tt.factor, &w.layout)
		if math.Abs(got.Margin-tt.margin) > 1e-12 || math.Abs(got.Slope-tt.slope) > 1e-12 {
			t.Errorf("%s: margin %v and slope %v, want %v and %v", name, got.Margin, got.Slope, tt.margin, tt.slope)
		}
	}
	g := latencyP99()
	steps := g.Widened(5, &w.layout).Steps
	if ratio := math.Exp(float64(steps) * float64(w.layout.Sketches[0])); math.Abs(ratio-1.5) > 0.01 {
		t.Errorf("five times +10%% compares at %.3f times the baseline", ratio)
	}
}

// A wider margin is never harder to prove.
func TestAWiderToleranceIsNeverHarderToProve(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(false, 0)
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			n := rapid.IntRange(50, 3000).Draw(t, "n")
			w.requests(0, arm, n, rapid.IntRange(0, n/20).Draw(t, "k"))
			w.latencies(0, arm, n, lognormal(1))
		}
		factor := rapid.Float64Range(1, 10).Draw(t, "factor")
		for _, g := range []Gate{errorDifference(), errorIgnore(), latencyP99()} {
			narrow, wide := g.Widened(factor, &w.layout), g.Widened(2*factor, &w.layout)
			place := Place{Stages: 1, Alpha: 0.05}
			a, b := narrow.LogWithin(w.view(), place), wide.LogWithin(w.view(), place)
			if a >= PassAt(0.05) && b < PassAt(0.05) {
				t.Fatalf("%s: proven within %g times its margin (%g) and not within %g times (%g)", g.Name, factor, a, 2*factor, b)
			}
		}
	})
}

func TestOnlyCeilingsNeedNoTolerance(t *testing.T) {
	t.Parallel()
	g := Gate{Kind: Rate, Method: None}
	if got := g.LogWithin(View{Layout: &evidence.Layout{}, Evidence: &evidence.Evidence{}}, Place{Alpha: 0.05}); got < PassAt(0.05) {
		t.Errorf("%v", got)
	}
}
