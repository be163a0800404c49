package gate

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// user adds n requests of one unit to an arm, k of them errors.
func (w *world) user(stratum int, arm split.Arm, bucket uint8, n, k int) {
	for i := range n {
		w.ev.Strata[stratum].Observe(&w.layout, evidence.Observation{Arm: arm, Bucket: bucket, Error: i < k})
	}
}

// crowdOf adds n requests without errors to an arm, one of each unit.
func (w *world) crowdOf(stratum int, arm split.Arm, n int) { w.requests(stratum, arm, n, 0) }

// One caller's poisoned requests fall to one arm by chance, and the other is
// clean. By request that is overwhelming; by unit it is the toss of a coin.
func TestOneFailingUnitIsNoHarmHoweverOftenItFails(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]Gate{"ratio": errorRatio(), "ignore": errorIgnore(), "difference": errorDifference()} {
		for _, n := range []int{10, 30, 1000} {
			w := newWorld(true, 0)
			w.crowdOf(0, split.Baseline, 5000)
			w.crowdOf(0, split.Candidate, 5000)
			w.user(0, split.Candidate, 7, n, n)
			w.user(0, split.Baseline, 9, 1, 1)
			if j := w.judge(g, at(0, 1)); j.Verdict == Fail {
				t.Errorf("%s, %d failures of one unit: %s at dispersion %.1f, log e-value %.2f", name, n, j.Verdict, j.Sample.Phi, j.LogFail)
			}
		}
	}
}

// The same unit is the baseline's at first and the candidate's when the weight
// has grown. Its scores cancel in the whole, and do not in any stage.
func TestAUnitThatChangesSidesIsOneUnitAtEveryStage(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]Gate{"ratio": errorRatio(), "ignore": errorIgnore(), "difference": errorDifference()} {
		w := newWorld(true, 0, 1)
		w.crowdOf(0, split.Baseline, 27_000)
		w.crowdOf(0, split.Candidate, 3_000)
		w.user(0, split.Baseline, 7, 170, 170)
		w.crowdOf(1, split.Baseline, 15_000)
		w.crowdOf(1, split.Candidate, 15_000)
		w.user(1, split.Candidate, 7, 170, 170)
		j := w.judge(g, at(1, 2))
		if j.Verdict == Fail || j.Sample.Phi < 50 || j.Sample.at(1).Phi < 50 {
			t.Errorf("%s: %s with dispersion %.1f, at the stage %.1f; log e-values %.2f and %.2f", name, j.Verdict, j.Sample.Phi, j.Sample.at(1).Phi, j.Pooled, j.PerStage)
		}
	}
}

func TestAUnitSeenInSeveralStrataIsOneUnit(t *testing.T) {
	t.Parallel()
	build := func(strata int) float64 {
		stages := make([]int, strata)
		w := newWorld(true, stages...)
		for i := range strata {
			w.crowdOf(i, split.Baseline, 5000)
			w.crowdOf(i, split.Candidate, 5000)
			w.user(i, split.Candidate, 7, 40, 40)
		}
		return w.judge(errorRatio(), at(0, 1)).Sample.Phi
	}
	if one, three := build(1), build(3); three < 2.5*one {
		t.Errorf("dispersion %.1f of forty failures in each of three strata, %.1f in one", three, one)
	}
}

// A quantile's edges freeze after some requests, and until as many have been
// counted at them nobody knows how few units the slow ones came from.
func TestAQuantileWaitsUntilItsUnitsAreKnown(t *testing.T) {
	t.Parallel()
	g := latencyP99()
	w := newWorld(true, 0, 1)
	slow := func(stratum, n int) {
		w.latencies(stratum, split.Baseline, n, lognormal(1))
		w.ev.Strata[stratum].Freeze(&w.layout)
		w.latencies(stratum, split.Candidate, n, lognormal(2))
	}
	slow(0, evidence.FreezeAfter)
	if j := w.judge(g, at(0, 2)); j.Verdict != Undecided || j.LogFail != 0 || j.LogPass != 0 {
		t.Errorf("before any dispersion is known: %s, log e-values %.2f and %.2f", j.Verdict, j.LogFail, j.LogPass)
	}
	if _, err := json.Marshal(w.judge(g, at(0, 2))); err != nil {
		t.Errorf("a judgement without a dispersion cannot be stored: %v", err)
	}
	slow(0, evidence.FreezeAfter)
	if j := w.judge(g, at(0, 2)); j.Verdict != Fail {
		t.Errorf("once it is known: %s, log e-value %.2f", j.Verdict, j.LogFail)
	}
	// The next stage is young, and takes the widest dispersion so far.
	w.latencies(1, split.Baseline, 500, lognormal(1))
	if j := w.judge(g, at(1, 2)); j.Sample.at(1).Phi > 2 || j.Sample.at(1).Phi < 1 {
		t.Errorf("a young stage has dispersion %.2f", j.Sample.at(1).Phi)
	}
}

func TestDispersionIsRoundedUpAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		phi := rapid.Float64Range(0.01, 1e6).Draw(t, "phi")
		if got := rounded(phi); got < phi || got > phi*(1+1.0/64) {
			t.Fatalf("%g became %g", phi, got)
		}
	})
	for _, phi := range []float64{math.Inf(1), math.NaN(), 1e300} {
		if got := rounded(phi); got != unknownPhi {
			t.Errorf("%g became %g", phi, got)
		}
	}
	if got := rounded(1); got != 1 {
		t.Errorf("1 became %g", got)
	}
}

// Ratios of frequent events vary less than rare ones, by their own frequency and
// not by that of another stage.
func TestEachStageIsJudgedByItsOwnFrequency(t *testing.T) {
	t.Parallel()
	w := newWorld(false, 0, 1)
	w.requests(0, split.Baseline, 9000, 450)
	w.requests(0, split.Candidate, 1000, 50)
	w.requests(1, split.Baseline, 50_000, 25_000)
	w.requests(1, split.Candidate, 50_000, 25_000)
	s := w.judge(errorRatio(), at(1, 2)).Sample
	if s.Phi != 1 || s.at(0).Phi != 1 || s.at(1).Phi != 0.5 {
		t.Errorf("dispersions %g together, %g and %g by stage; want 1, 1 and 0.5", s.Phi, s.at(0).Phi, s.at(1).Phi)
	}
}

func TestStrataOfAStageMultiplyOnlyWhereTheirUnitsAreOthers(t *testing.T) {
	t.Parallel()
	ratio := func(clustered bool, strata int) float64 {
		w := newWorld(clustered, make([]int, strata)...)
		weights := make([]uint32, strata)
		for i := range strata {
			weights[i] = 5000
			for u := range uint64(2000) {
				arm := split.Baseline
				if u < 1150 {
					arm = split.Candidate
				}
				w.user(i, arm, uint8(u), 1, 0)
				w.ev.Strata[i].Sides[arm].Units.Add(u<<20 | 1)
			}
		}
		return SampleRatio(w.view(), weights, 1)[0]
	}
	one := ratio(true, 1)
	if got := ratio(true, 3); math.Abs(got-one) > 1e-9 {
		t.Errorf("the same units in three strata: log e-value %.2f, in one %.2f", got, one)
	}
	if got := ratio(false, 3); math.Abs(got-3*one) > 1e-9 {
		t.Errorf("other requests in three strata: log e-value %.2f, in one %.2f", got, one)
	}
}

// Requests of the warm-up have no latency, and an edge must not rest on the few
// that come after it.
func TestTheWarmUpFreezesNoEdges(t *testing.T) {
	t.Parallel()
	w := newWorld(true, 0)
	w.crowdOf(0, split.Baseline, 2*evidence.FreezeAfter)
	w.latencies(0, split.Baseline, evidence.FreezeAfter-1, lognormal(1))
	if w.ev.Strata[0].Freeze(&w.layout) {
		t.Error("frozen one latency too early")
	}
	w.latencies(0, split.Baseline, 1, lognormal(1))
	if !w.ev.Strata[0].Freeze(&w.layout) {
		t.Error("not frozen when there are enough")
	}
}
