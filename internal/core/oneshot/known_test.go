package oneshot

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// near fails unless the answer agrees within the tolerance.
func near(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) && got != want {
		t.Errorf("%s: got %.9f, want %.9f", name, got, want)
	}
}

func two(nT, kT, nC, kC float64) stats.Counts {
	return stats.Counts{Strata: []stats.Stratum{{NT: nT, KT: kT, NC: nC, KC: kC}}}
}

// bound inverts a statistic.
func bound(z func(a float64) float64, from, to float64) float64 {
	for range 100 {
		mid := (from + to) / 2
		if math.Abs(z(mid)) < 1.959963985 {
			from = mid
		} else {
			to = mid
		}
	}
	return to
}

// Newcombe, Statistics in Medicine 17 (1998) 873, table II: 95 % intervals of
// methods 6 and 7 for 56/70 - 48/80 and 9/10 - 3/10.
func TestIntervalsOfADifferenceAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	large, small := two(70, 56, 80, 48), two(10, 9, 10, 3)
	score := func(c stats.Counts) func(a float64) float64 {
		return func(a float64) float64 { return c.DiffScore(a, 1) }
	}
	root := func(c stats.Counts) func(a float64) float64 {
		return func(a float64) float64 { return c.DiffRoot(a, 1) }
	}
	near(t, "score, lower", bound(score(large), .2, -.9), .0528, 5e-5)
	near(t, "score, upper", bound(score(large), .2, .9), .3382, 5e-5)
	near(t, "root, lower", bound(root(large), .2, -.9), .0547, 5e-5)
	near(t, "root, upper", bound(root(large), .2, .9), .3394, 5e-5)
	near(t, "score, few, lower", bound(score(small), .6, -.9), .1700, 5e-5)
	near(t, "score, few, upper", bound(score(small), .6, .99), .8406, 5e-5)
	near(t, "root, few, lower", bound(root(small), .6, -.9), .2055, 5e-5)
	near(t, "root, few, upper", bound(root(small), .6, .99), .8634, 5e-5)
}

func TestExactTailsAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	// Nothing in twenty: the rule that 1-.05^(1/20) cannot be excluded.
	near(t, "0 of 20", Bound(Ceiling{K: 0, N: 20}, .05, stats.Down), 1-math.Pow(.05, 1.0/20), 1e-6)
	// Clopper and Pearson for 10 of 100 at 95 %, two-sided.
	near(t, "10 of 100, lower", Bound(Ceiling{K: 10, N: 100}, .025, stats.Up), .0490, 5e-5)
	near(t, "10 of 100, upper", Bound(Ceiling{K: 10, N: 100}, .025, stats.Down), .1762, 5e-5)
	// McNemar: 10 of 12 disagreements against the candidate: 79/4096.
	near(t, "McNemar", PairedRates{N: 500, OnlyT: 10, OnlyC: 2}.P(0, stats.Up), 79.0/4096, 1e-12)
	// Given 16 events at equal exposure, 12 or more are the candidate's: 2517/65536.
	near(t, "ratio", Rates(two(1000, 12, 1000, 4)).P(0, stats.Up), 2517.0/65536, 1e-12)
	// Student with 9 degrees of freedom: 2.262 is the 97.5 % point.
	m := stats.Moments{N: 10, Mean: 2.262157163, M2: 90}
	near(t, "Student", Shift(m).P(0, stats.Up), .025, 1e-9)
	near(t, "Student, the other way", Shift(m).P(0, stats.Down), .975, 1e-9)
}

func TestHolmGivesTheKnownAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, want []float64 }{
		"four":   {[]float64{.01, .04, .03, .005}, []float64{.03, .06, .06, .02}},
		"one":    {[]float64{.04}, []float64{.04}},
		"none":   {nil, []float64{}},
		"capped": {[]float64{.6, .7}, []float64{1, 1}},
		"NaN":    {[]float64{math.NaN(), .01}, []float64{1, .02}},
	} {
		if diff := cmp.Diff(test.want, Holm(test.in), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The best probability under the margin is found by search, the statistic from
// its definition.
func TestPairedRatesMaximiseTheirLikelihood(t *testing.T) {
	t.Parallel()
	for _, p := range []PairedRates{{100, 7, 3}, {100, 0, 3}, {100, 4, 0}, {30, 12, 5}, {5000, 20, 31}} {
		for _, delta := range []float64{-.1, -.01, .002, .05, .2} {
			likelihood := func(q float64) float64 {
				return xlogy(p.OnlyT, q+delta) + xlogy(p.OnlyC, q) + xlogy(p.N-p.OnlyT-p.OnlyC, 1-2*q-delta)
			}
			low, high := max(0, -delta), (1-delta)/2
			for range 200 {
				x, y := low+(high-low)/3, high-(high-low)/3
				if likelihood(x) < likelihood(y) {
					low = x
				} else {
					high = y
				}
			}
			q := (low + high) / 2
			best := xlogy(p.OnlyT, p.OnlyT/p.N) + xlogy(p.OnlyC, p.OnlyC/p.N) +
				xlogy(p.N-p.OnlyT-p.OnlyC, 1-(p.OnlyT+p.OnlyC)/p.N)
			distance := p.OnlyT - p.OnlyC - p.N*delta
			score, root := p.against(delta)
			near(t, "score", score, distance/math.Sqrt(p.N*(2*q+delta-delta*delta)), 1e-5)
			near(t, "root", root, math.Copysign(math.Sqrt(2*(best-likelihood(q))), distance), 1e-5)
		}
	}
}

func TestOneLookCostsLessThanAWatch(t *testing.T) {
	t.Parallel()
	c := two(5000, 75, 5000, 50)
	if p := Rates(c).P(0, stats.Up); p > .05 {
		t.Errorf("one look: p %v, want evidence", p)
	}
	if e := c.LogERatio(0, stats.Up, stats.Prior3(.5)); e > math.Log(20) {
		t.Errorf("a watch: %v, want none yet", e)
	}
}

func TestAnAccuracyMayFallByAShare(t *testing.T) {
	t.Parallel()
	// Accuracy 95 %, maxDecrease 2 %: 1.9 points of failures more.
	p := PairedRates{N: 2000, OnlyT: 30, OnlyC: 20}
	near(t, "allowed", p.Allowed(.98, 100), .019, 1e-12)
	got := Look(p, p.Allowed(.98, 100), stats.Up, .05)
	if got.Inside > .001 || got.Beyond < .9 {
		t.Errorf("half a point more: %+v, want it to be inside", got)
	}
	if !math.IsNaN(p.Allowed(.98, 3000)) || !math.IsNaN(p.Allowed(0, 1)) || !math.IsNaN(PairedRates{}.Allowed(.98, 0)) {
		t.Error("what cannot be allowed something")
	}
}

func TestWhatIsIgnoredDoesNotFail(t *testing.T) {
	t.Parallel()
	// Five times the errors, all below the level.
	low := Ignoring{Rates: Rates(two(20000, 10, 20000, 2)), Level: .002}
	if p := low.P(0, stats.Up); p < .9 {
		t.Errorf("beyond: %v, want no evidence", p)
	}
	if p := low.P(0, stats.Down); p > .001 {
		t.Errorf("inside: %v, want evidence", p)
	}
	if p := low.Rates.P(0, stats.Up); p > .05 {
		t.Errorf("without a level: %v, want evidence", p)
	}
	high := Ignoring{Rates: Rates(two(20000, 100, 20000, 40)), Level: .002}
	if p := high.P(0, stats.Up); p > .001 {
		t.Errorf("above the level: %v, want evidence", p)
	}
	none := Ignoring{Rates: low.Rates}
	if a, b := none.P(0, stats.Up), low.Rates.P(0, stats.Up); a != b {
		t.Errorf("no level: %v, want %v", a, b)
	}
	clean := Ignoring{Rates: Rates(two(5000, 0, 5000, 0)), Level: .002}
	if p := clean.P(0, stats.Down); p > .001 {
		t.Errorf("no error at all: %v, want it to be inside", p)
	}
}

func TestManyEventsAreCountedAsWellAsFew(t *testing.T) {
	t.Parallel()
	// At the border between the exact tail and the approximation.
	for _, k := range []float64{500_000, 501_000, 502_000, 497_000} {
		exact, root := binomialTail(k, manyEvents, .5, stats.Up), normalTail(binomialRoot(k-.5, manyEvents, .5), stats.Up)
		if math.Abs(root/exact-1) > .01 {
			t.Errorf("%v of a million: exact %v, approximate %v", k, exact, root)
		}
	}
	if p := Rates(two(1e12, 1e9, 1e12, 1e9+3e5)).P(0, stats.Down); p > .01 {
		t.Errorf("1e9 events: %v, want evidence", p)
	}
	var values []float64
	for i := range 200_000 {
		values = append(values, 1+float64(i))
	}
	q := NewQuantiles(values, values, .99)
	if p := q.P(0, stats.Up); math.Abs(p-.5) > .05 {
		t.Errorf("the same values: %v, want about one half", p)
	}
	if p := q.P(math.Log(.99), stats.Up); p > 1e-6 {
		t.Errorf("one percent less: %v, want evidence", p)
	}
}
