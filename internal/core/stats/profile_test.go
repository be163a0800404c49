package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// xlogy is x*ln(y), 0 where x is 0.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}

// logLikelihood is the plain log-likelihood that a profile maximises.
func (r *profile) logLikelihood(c, b float64) float64 {
	p := b + r.m*c
	if p < 1e-15 {
		p = 0
	}
	if p > 1-1e-15 {
		p = 1
	}
	return xlogy(r.kC, c) + xlogy(r.fC, 1-c) + xlogy(r.kT, p) + xlogy(r.fT, 1-p)
}

// search maximises over c by ternary search: slow and sure, since the
// log-likelihood is concave.
func (r *profile) search(b float64) (c, v float64) {
	lo, hi := max(0, -b/r.m), min(1, (1-b)/r.m)
	best := max(r.logLikelihood(lo, b), r.logLikelihood(hi, b))
	for range 200 {
		x, y := lo+(hi-lo)/3, hi-(hi-lo)/3
		if r.logLikelihood(x, b) < r.logLikelihood(y, b) {
			lo = x
		} else {
			hi = y
		}
	}
	return lo, max(best, r.logLikelihood(lo, b))
}

// drawSmall draws counts in which zeros and ones are common.
func drawSmall(t *rapid.T) Stratum {
	n := rapid.IntRange(1, 60)
	s := Stratum{NT: float64(n.Draw(t, "nT")), NC: float64(n.Draw(t, "nC"))}
	s.KT = float64(rapid.IntRange(0, int(s.NT)).Draw(t, "kT"))
	s.KC = float64(rapid.IntRange(0, int(s.NC)).Draw(t, "kC"))
	return s
}

func TestTheConstrainedMaximumIsTheMaximum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSmall(t)
		m := rapid.SampledFrom([]float64{1, .98, .5, 2}).Draw(t, "m")
		null := rapid.Float64Range(-.9*m, .9).Draw(t, "null")
		r := newProfile(s, null, m)
		_, base := r.search(null)
		for range 4 {
			// Visited in any order: the last maximiser is only a first guess.
			b := rapid.Float64Range(-.95*m, .95).Draw(t, "b")
			_, want := r.search(b)
			if got := r.value(b); math.Abs(got-(want-base)) > 1e-6*(1+math.Abs(got)) {
				t.Fatalf("at b %v: got %v, want %v", b, got, want-base)
			}
		}
	})
}

func TestTheSlopeIsTheDerivative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSmall(t)
		m := rapid.SampledFrom([]float64{1, .98, .5, 2}).Draw(t, "m")
		r := newProfile(s, 0, m)
		b := rapid.Float64Range(-.9*m, .9).Draw(t, "b")
		for _, k := range append(r.leaves(nil), 0, 1-m) {
			if math.Abs(b-k) < 1e-3 {
				t.Skip("too near a kink for a difference quotient")
			}
		}
		const h = 1e-6
		first, second := r.slope(b)
		quotient := (r.value(b+h) - r.value(b-h)) / (2 * h)
		if math.Abs(first-quotient) > 1e-3*(1+math.Abs(first)) {
			t.Fatalf("first derivative %v, difference quotient %v", first, quotient)
		}
		up, _ := r.slope(b + h)
		down, _ := r.slope(b - h)
		if q := (up - down) / (2 * h); math.Abs(second-q) > 1e-2*(1+math.Abs(second)) {
			t.Fatalf("second derivative %v, difference quotient %v", second, q)
		}
		if second > 0 {
			t.Fatalf("second derivative %v: not concave", second)
		}
	})
}

func TestTheProfileIsConcave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newProfile(drawSmall(t), 0, 1)
		inside := rapid.Float64Range(-.99, .99)
		x, y := inside.Draw(t, "x"), inside.Draw(t, "y")
		mid, chord := r.value((x+y)/2), (r.value(x)+r.value(y))/2
		if mid < chord-1e-9*(1+math.Abs(chord)) {
			t.Fatalf("value between %v, chord %v", mid, chord)
		}
	})
}

func TestTheEndsOfADifferencesRange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		s    Stratum
		b    float64
		want float64 // the log-likelihood at the end, which is 0 or -Inf
	}{
		"all failed against none, at 1":     {Stratum{NT: 5, KT: 5, NC: 9}, 1, 0},
		"one baseline failure, at 1":        {Stratum{NT: 5, KT: 5, NC: 9, KC: 1}, 1, math.Inf(-1)},
		"one candidate success, at 1":       {Stratum{NT: 5, KT: 4, NC: 9}, 1, math.Inf(-1)},
		"none failed against all, at -1":    {Stratum{NT: 5, NC: 9, KC: 9}, -1, 0},
		"one candidate failure, at -1":      {Stratum{NT: 5, KT: 1, NC: 9, KC: 9}, -1, math.Inf(-1)},
		"none failed in either arm, at -1":  {Stratum{NT: 5, NC: 9}, -1, math.Inf(-1)},
		"rounding goes beyond the end at 1": {Stratum{NT: 5, KT: 5, NC: 9}, 1 + 1e-15, 0},
	} {
		r := newProfile(test.s, 0, 1)
		base := r.logLikelihood(r.c0, 0)
		if got := r.value(test.b) + base; !(got == test.want || math.Abs(got-test.want) < 1e-9) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestTheEstimateOfADifference(t *testing.T) {
	t.Parallel()
	one := Counts{Strata: []Stratum{{NT: 2000, KT: 140, NC: 2000, KC: 100}}}
	heavy := Counts{Strata: []Stratum{{NT: 5e6, KT: 5e4, NC: 5e6, KC: 2.5e4}, {NT: 50, KT: 25, NC: 50, KC: 5}}}
	check(t, map[string]known{
		"one stratum is plain":           {one.DiffMLE(1), .02, 10},
		"with a slope":                   {one.DiffMLE(.98), .07 - .98*.05, 10},
		"no event":                       {Counts{Strata: []Stratum{{NT: 50, NC: 70}}}.DiffMLE(1), 0, 10},
		"all of one arm":                 {Counts{Strata: []Stratum{{NT: 50, KT: 50, NC: 70}}}.DiffMLE(1), 1, 6},
		"the larger stratum has its way": {heavy.DiffMLE(1), .005, 4},
		"nothing":                        {Counts{}.DiffMLE(1), 0, 12},
	})
}
