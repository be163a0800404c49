package gate

import (
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func withMax(g Gate) Gate {
	g.Ceilings = []Ceiling{{Limit: 0.05, Text: "max 5%"}}
	return g
}

// A long quiet past must not pay for a ceiling that is broken now.
func TestACeilingIsJudgedAtEveryStage(t *testing.T) {
	t.Parallel()
	w := newWorld(false, 0, 1)
	w.requests(0, split.Baseline, 100_000, 100)
	w.requests(0, split.Candidate, 100_000, 100)
	w.requests(1, split.Candidate, 500, 100)
	g := Gate{Name: "error_rate", Kind: Rate, Method: None, Share: 1, Ceilings: []Ceiling{{Limit: 0.05, Text: "max 5%"}}}
	j := w.judge(g, at(1, 2))
	if j.Verdict != Fail || j.Reason != CeilingBroken || len(j.CeilingStages) != 2 {
		t.Errorf("got %s (%s), log e-value %.2f by stages %.2f", j.Verdict, j.Reason, j.LogFail, j.CeilingStages)
	}
}

// The bound is on the change, and a ceiling knows nothing of that.
func TestABrokenCeilingLendsTheBoundNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(false, 0)
	w.requests(0, split.Baseline, 5000, 1000)
	w.requests(0, split.Candidate, 5000, 1000)
	for name, g := range map[string]Gate{"ratio": withMax(errorRatio()), "difference": withMax(errorDifference())} {
		j := w.judge(g, at(0, 1))
		if j.Reason != CeilingBroken {
			t.Fatalf("%s: the test shows nothing: %s", name, j.Reason)
		}
		if b := g.Bound(w.view(), &j, at(0, 1)); !(b.Lower < 0 && b.Upper > 0) {
			t.Errorf("%s: two equal arms differ by [%g, %g]", name, b.Lower, b.Upper)
		}
	}
}

// A gate that only informs may have no limit at all.
func TestAGateWithoutLimitsJudgesNothing(t *testing.T) {
	t.Parallel()
	g := Gate{Name: "client_error_rate", Kind: Rate, Series: 1, Method: None, Info: true, Share: 1}
	w := newWorld(false, 0)
	w.requests(0, split.Baseline, 1000, 0)
	w.requests(0, split.Candidate, 1000, 0)
	j := w.judge(g, at(0, 1))
	if j.Verdict != Undecided || g.MarginText() != "" {
		t.Errorf("got %s with margin %q", j.Verdict, g.MarginText())
	}
	if b := g.Bound(w.view(), &j, at(0, 1)); !math.IsInf(b.Upper, 1) {
		t.Errorf("it is bounded: %+v", b)
	}
}

// An application that reports successes alone looks perfect, however the outcome
// is compared.
func TestSuccessesAloneNeverPass(t *testing.T) {
	t.Parallel()
	rare := Gate{Name: "outcome:bought", Kind: Rate, Series: 2, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.05, Slope: 1, Share: 1}
	least := Gate{
		Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: None, Worse: stats.Up, Slope: 1, Share: 1,
		Ceilings: []Ceiling{{Limit: 0.1, Complement: true, Text: "min 90%"}},
	}
	for name, g := range map[string]Gate{"difference": correct(), "rare": rare, "min": least} {
		w := newWorld(false, 0)
		w.outcomes(0, split.Baseline, 5000, 5000)
		w.outcomes(0, split.Candidate, 5000, 5000)
		if j := w.judge(g, at(0, 1)); j.Verdict != Undecided || j.Reason != OnlySuccesses {
			t.Errorf("%s: %s (%s)", name, j.Verdict, j.Reason)
		}
		w.outcomes(0, split.Baseline, 20, 0)
		w.outcomes(0, split.Candidate, 20, 0)
		if j := w.judge(g, at(0, 1)); j.Verdict != Pass {
			t.Errorf("%s with failures: %s (%s), log e-value %.2f", name, j.Verdict, j.Reason, j.LogPass)
		}
	}
}
