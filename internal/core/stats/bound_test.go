package stats

import (
	"math"
	"testing"
)

func TestTheFrontierIsFoundWhateverTheShape(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		search Search
		logE   func(x float64) float64
		want   float64
	}{
		"line to the right":   {Search{0, .1, 100}, func(x float64) float64 { return x - 7 }, 7},
		"line to the left":    {Search{0, .1, -100}, func(x float64) float64 { return -x - 7 }, -7},
		"parabola":            {Search{1, .3, 64}, func(x float64) float64 { return (x-1)*(x-1)/2 - 3 }, 1 + math.Sqrt(6)},
		"a jump":              {Search{0, .1, 10}, func(x float64) float64 { return step(x, 3.7) }, 3.7},
		"a jump at the start": {Search{0, .1, 10}, func(x float64) float64 { return step(x, 0) }, 0},
		"at the limit":        {Search{0, .1, 10}, func(x float64) float64 { return x - 10 }, 10},
		"never":               {Search{0, .1, 10}, func(x float64) float64 { return x - 10.001 }, math.Inf(1)},
		"never to the left":   {Search{0, .1, -10}, func(float64) float64 { return -1 }, math.Inf(-1)},
		"behind the start":    {Search{5, .1, 10}, func(x float64) float64 { return x - 4.2 }, 4.2},
		"everywhere":          {Search{5, .1, 10}, func(float64) float64 { return 1 }, 0},
		"a flat foot":         {Search{0, .1, 10}, func(x float64) float64 { return math.Pow(x/9, 30) - 1 }, 9},
		"NaN":                 {Search{0, .1, 10}, func(float64) float64 { return math.NaN() }, math.Inf(1)},
		"no stride":           {Search{0, 0, 10}, func(x float64) float64 { return x - 1 }, math.Inf(1)},
		"no start":            {Search{math.NaN(), 1, 10}, func(x float64) float64 { return x - 1 }, math.Inf(1)},
	} {
		calls := 0
		got := test.search.Frontier(0, func(x float64) float64 { calls++; return test.logE(x) })
		if got != test.want && !(math.Abs(got-test.want) < 1e-6) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if at := test.logE(got); !math.IsInf(got, 0) && at < 0 {
			t.Errorf("%s: on the wrong side, %v at %v", name, at, got)
		}
		if calls > 220 {
			t.Errorf("%s: %d calls", name, calls)
		}
	}
}

// step is -1 below the edge and 1 from it on.
func step(x, edge float64) float64 {
	if x < edge {
		return -1
	}
	return 1
}

func TestABoundTakesFewEvaluations(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	for name, c := range map[string]Counts{"A": caseA, "B": caseB, "C": caseC, "phi 2": caseC2} {
		calls := 0
		search := Search{Start: c.RatioMLE(), Step: .3, Limit: -64}
		search.Frontier(ln20, func(x float64) float64 { calls++; return c.LogERatio(x, Up, p) })
		if calls > 12 {
			t.Errorf("%s: %d evaluations, want at most 12", name, calls)
		}
	}
}

func TestABoundOfAGateInvertsItsWholeEvidence(t *testing.T) {
	t.Parallel()
	// What a gate shows inverts pooled and stage terms together.
	p := Prior3(.5)
	gate := func(lam0 float64) float64 {
		var perStage []float64
		for _, s := range caseC.Strata {
			perStage = append(perStage, Counts{Strata: []Stratum{s}}.LogERatio(lam0, Up, p))
		}
		return GateLogE(caseC.LogERatio(lam0, Up, p), perStage, 5)
	}
	search := Search{Start: caseC.RatioMLE(), Step: .2, Limit: -20}
	bound := search.Frontier(ln20, gate)
	if got := gate(bound); math.Abs(got-ln20) > 1e-6 {
		t.Errorf("evidence at the bound %v, want %v", got, ln20)
	}
	if pooled := caseC.RatioBound(ln20, Up, p); !(math.Abs(bound-pooled) < .1) {
		t.Errorf("bound %v, pooled alone %v", bound, pooled)
	}
}

func TestBoundsEncloseTheEstimate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Counts{"A": caseA, "B": caseB, "C": caseC, "phi 2": caseC2} {
		lo, hi := c.RatioBound(ln20, Up, Prior3(.5)), c.RatioBound(ln20, Down, Prior3(.5))
		if mle := c.RatioMLE(); !(lo < mle && mle < hi) {
			t.Errorf("%s, ratio: %v in [%v, %v]", name, mle, lo, hi)
		}
		lo, hi = c.DiffBound(1, ln20, Up, Prior3(.005)), c.DiffBound(1, ln20, Down, Prior3(.005))
		if mle := c.DiffMLE(1); !(lo < mle && mle < hi) {
			t.Errorf("%s, difference: %v in [%v, %v]", name, mle, lo, hi)
		}
		s := c.Strata[0]
		lo, hi = BernoulliBound(s.KT, s.NT, 1, ln20, Up, Prior3(.5)), BernoulliBound(s.KT, s.NT, 1, ln20, Down, Prior3(.5))
		if rate := s.KT / s.NT; !(lo < rate && rate < hi) {
			t.Errorf("%s, one sample: %v in [%v, %v]", name, rate, lo, hi)
		}
	}
}

func TestBoundsWithoutEvents(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	for name, test := range map[string]struct{ got, want float64 }{
		"no event at the candidate, lower": {caseZ.RatioBound(ln20, Up, p), math.Inf(-1)},
		"no event at the baseline, upper":  {caseZ.swapped().RatioBound(ln20, Down, p), math.Inf(1)},
		"one event only, lower":            {caseD.RatioBound(ln20, Up, p), math.Inf(-1)},
		"one sample, no event, lower":      {BernoulliBound(0, 1000, 1, ln20, Up, p), math.Inf(-1)},
		"one sample, all events, upper":    {BernoulliBound(1000, 1000, 1, ln20, Down, p), math.Inf(1)},
		"one sample, nothing":              {BernoulliBound(0, 0, 1, ln20, Down, p), math.Inf(1)},
		"estimate, no event at candidate":  {caseZ.RatioMLE(), math.Inf(-1)},
		"estimate, no event at baseline":   {caseD.RatioMLE(), math.Inf(1)},
		"estimate, no event":               {Counts{Strata: []Stratum{{NT: 5, NC: 5}}}.RatioMLE(), 0},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	// The rule of three and its kin: no event in 5,000 is below 0.1 % at 5 %.
	if got := BernoulliBound(0, 5000, 1, ln20, Down, p); !(got > .0005 && got < .001) {
		t.Errorf("no event in 5,000: at most %v, want between 0.05 %% and 0.1 %%", got)
	}
}
