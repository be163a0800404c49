package gate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// spend is a mean with a covariate: what a unit spent in the week before.
func spend() Gate {
	return Gate{Name: "outcome:spend", Kind: Mean, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.1, Slope: 1, Share: 1, Covariate: true}
}

// shop is evidence of units that spend much the same as before.
type shop struct {
	layout evidence.Layout
	ev     evidence.Evidence
	rng    *rand.Rand
	effect float64 // of the candidate on what is spent
}

func newShop(clustered bool, seed uint64, effect float64) *shop {
	w := &shop{layout: evidence.NewLayout(clustered), rng: rand.New(rand.NewPCG(seed, 4)), effect: effect}
	w.layout.AddValues(evidence.Series{Name: "outcome:spend", Cap: 1000, Covariate: true})
	return w
}

// sell adds n units to a stratum, whose habit explains four fifths of the variance
// of what they spend.
func (w *shop) sell(stratum, n int) {
	s := w.ev.Stratum(&w.layout, stratum)
	for range n {
		arm, habit := split.Arm(w.rng.IntN(2)), 20*w.rng.ExpFloat64()
		before, now := habit, max(0, habit+10*w.rng.NormFloat64())
		if arm == split.Candidate {
			now *= w.effect
		}
		s.ObserveValue(&w.layout, evidence.Raw{Arm: arm, Bucket: uint8(w.rng.IntN(256)), Value: now, Covariate: &before})
	}
}

func (w *shop) sample(g Gate) Sample {
	stages := make([]int, len(w.ev.Strata))
	return g.Reduce(View{Layout: &w.layout, Evidence: &w.ev, Stages: stages})
}

func TestACovariateTakesVarianceOut(t *testing.T) {
	t.Parallel()
	for name, clustered := range map[string]bool{"by request": false, "by units": true} {
		w := newShop(clustered, 1, 1)
		w.sell(0, 4000)
		w.sell(1, 20_000)
		with, without := spend(), spend()
		without.Covariate = false
		a, b := w.sample(with).Strata[1].Means, w.sample(without).Strata[1].Means
		for arm, share := range map[string]float64{"candidate": a.T.Var / b.T.Var, "baseline": a.C.Var / b.C.Var} {
			if share > 0.4 || share < 0.05 {
				t.Errorf("%s: %.2f of the %s's variance is left, want about a quarter", name, share, arm)
			}
		}
		if math.Abs(a.T.Mean-b.T.Mean) > 0.6 || math.Abs(a.C.Mean-b.C.Mean) > 0.6 || a.T.Mean == b.T.Mean {
			t.Errorf("%s: the means moved from %.3f and %.3f to %.3f and %.3f", name, b.T.Mean, b.C.Mean, a.T.Mean, a.C.Mean)
		}
	}
}

// A slope that came from the data it is applied to, or from the candidate, could
// hide what the candidate does.
func TestTheSlopeComesFromTheBaselineBefore(t *testing.T) {
	t.Parallel()
	w := newShop(false, 2, 1)
	w.sell(0, 4000)
	first := w.sample(spend()).Strata[0]
	if first.Plain != nil {
		t.Error("the first stratum is adjusted by itself")
	}
	w.sell(1, 4000)
	slopes := func() [2]float64 {
		g := spend()
		s := g.slopes(View{Layout: &w.layout, Evidence: &w.ev})
		return [2]float64{s[w.ev.Strata[0]], s[w.ev.Strata[1]]}
	}
	before := slopes()
	if before[0] != 0 || math.Abs(before[1]-1) > 0.2 {
		t.Errorf("slopes %v, want none and about one", before)
	}
	x := 5.0
	for range 3000 {
		w.ev.Strata[0].ObserveValue(&w.layout, evidence.Raw{Arm: split.Candidate, Value: 900, Covariate: &x})
		w.ev.Strata[1].ObserveValue(&w.layout, evidence.Raw{Arm: split.Baseline, Value: 900, Covariate: &x})
	}
	if after := slopes(); after != before {
		t.Errorf("the slopes moved from %v to %v", before, after)
	}
}

func TestWithoutACovariateOfAllNothingIsAdjusted(t *testing.T) {
	t.Parallel()
	w := newShop(false, 3, 1)
	w.sell(0, 4000)
	w.sell(1, 4000)
	w.ev.Strata[1].ObserveValue(&w.layout, evidence.Raw{Arm: split.Candidate, Value: 3})
	if got := w.sample(spend()).Strata[1]; got.Plain != nil {
		t.Errorf("adjusted although one observation has no covariate: %+v", got)
	}
}

// What the other arm's covariate does to the candidate's level is nothing to a
// ceiling.
func TestACeilingIsHeldAgainstThePlainMean(t *testing.T) {
	t.Parallel()
	w := newShop(false, 4, 1)
	w.sell(0, 4000)
	w.sell(1, 4000)
	s, g := w.sample(spend()), spend()
	g.Covariate = false
	unadjusted := w.sample(g)
	if got, want := s.plain(all).Strata, unadjusted.means(all).Strata; got[1].T != want[1].T {
		t.Errorf("the candidate is %+v, want %+v", got[1].T, want[1].T)
	}
}

// At the margin a candidate is found beyond it no more often than alpha allows, and
// one that is worse is found sooner than without the covariate.
func TestACovariateDecidesSoonerAndNotFalsely(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation of seconds")
	}
	t.Parallel()
	const most = 40
	run := func(seed uint64, effect float64, covariate bool) (failed, passed bool, looks int) {
		w, g := newShop(false, seed, effect), spend()
		g.Covariate = covariate
		for look := range most {
			w.sell(min(look/4, 3), 500)
			j := g.Judge(w.sample(g), Place{Stages: 1, Alpha: 0.05}, nil)
			passed = passed || j.LogPass >= PassAt(0.05)
			if j.LogFail >= g.FailAt(0.05) {
				return true, passed, look + 1
			}
		}
		return false, passed, most
	}
	n := *horizonReps
	failed, passed := 0, 0
	with, without := 0, 0
	for seed := range uint64(n) {
		f, p, _ := run(seed, 0.9, true)
		if f {
			failed++
		}
		if p {
			passed++
		}
		_, _, a := run(seed, 0.82, true)
		_, _, b := run(seed, 0.82, false)
		with, without = with+a, without+b
	}
	t.Logf("at the margin %d fail and %d pass of %d; beyond it %d looks with the covariate, %d without", failed, passed, n, with, without)
	limit := int(0.05*float64(n) + 3*math.Sqrt(0.05*0.95*float64(n)))
	if failed > limit || passed > limit {
		t.Errorf("at the margin %d fail and %d pass of %d, want at most %d", failed, passed, n, limit)
	}
	if with*5 > without*4 {
		t.Errorf("%d looks with the covariate and %d without", with, without)
	}
}
