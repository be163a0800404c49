package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// randomCounts draws counts of one to four strata, from two requests to a
// hundred thousand, with zeros and ones among the rates as often as zeros says.
func randomCounts(r *rand.Rand, zeros float64) Counts {
	var c Counts
	for range 1 + r.IntN(4) {
		s := Stratum{NT: math.Floor(math.Exp(1 + 11*r.Float64())), NC: math.Floor(math.Exp(1 + 11*r.Float64()))}
		rate := math.Exp(-7 * r.Float64())
		s.KT = min(s.NT, math.Floor(s.NT*rate*math.Exp(.3*r.NormFloat64())*2*r.Float64()))
		s.KC = min(s.NC, math.Floor(s.NC*rate*2*r.Float64()))
		if r.Float64() < zeros {
			s.KT = 0
		}
		if r.Float64() < zeros {
			s.KC = 0
		}
		if r.Float64() < zeros/3 {
			s.KT = s.NT
		}
		if r.Float64() < zeros/3 {
			s.KC = s.NC
		}
		c.Strata = append(c.Strata, s)
	}
	if r.Float64() < .3 {
		c.Phi = 1 + 4*r.Float64()
	}
	return c
}

func TestIntegralsAgreeWithASlowReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	compare := func(name string, c curve, p Prior, tolerance float64, what ...any) {
		m := c.mixture(p, nil)
		got, want := m.log(), referenceLogMix(c, p)
		if !(math.Abs(got-want) <= tolerance*(1+1e-3*math.Abs(want))) {
			t.Errorf("%s: got %.12f, want %.12f (%+v)", name, got, want, what)
		}
		if m.splits > maxSplits/2 {
			t.Errorf("%s: halved panels %d times (%+v)", name, m.splits, what)
		}
	}
	for range 60 {
		c, lam0 := randomCounts(r, .2), r.NormFloat64()
		dir := Down
		if r.IntN(2) == 0 {
			dir = Up
		}
		p := Prior3(math.Exp(-5 + 5*r.Float64()))
		if ts, ok := c.ratioTilts(lam0, dir.sign(), nil); ok {
			compare("ratio", ts.curve(), p, 1e-9, c, lam0, dir, p)
		}
		level := math.Exp(-7 * r.Float64())
		if ls, ok := c.lessers(lam0, level, nil); ok {
			compare("ignoreBelow", ls.curve(nil), p, 1e-9, c, lam0, level, p)
		}
		m, a := 1.0, .9*math.Exp(-7*r.Float64())
		if r.IntN(2) == 0 {
			m = .9
		}
		if r.IntN(4) == 0 {
			a = -m * r.Float64()
		}
		if ps, ok := c.profiles(a, m, dir.sign(), nil); ok {
			shaped := ps.curve()
			shaped.end, shaped.kinks, shaped.bends = ps.shape(nil)
			compare("difference", shaped, Prior3(math.Abs(a)), 1e-6, c, a, m, dir)
		}
	}
}

func TestRulesIntegratePolynomialsExactly(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		n := len(r.rule.x)
		for degree := range 2 * n {
			got, want := 0.0, 0.0
			for i, x := range r.rule.x {
				got += r.rule.w[i] * math.Pow(x, float64(degree))
			}
			if degree%2 == 0 {
				want = 2 / float64(degree+1)
			}
			if math.Abs(got-want) > 1e-14 {
				t.Errorf("%d nodes, degree %d: got %v, want %v", n, degree, got, want)
			}
		}
	}
}

func TestAGaussianSideIsIntegratedByItsRule(t *testing.T) {
	t.Parallel()
	// The rules' spans are claims about a Gaussian; hold them to it.
	for _, r := range rules {
		for _, from := range []float64{0, 1, 3} {
			width := r.span * gaussSide
			got := 0.0
			for i, x := range r.rule.x {
				u := from + width/2*(1+x)
				got += r.rule.w[i] * width / 2 * math.Exp(-u*u/2)
			}
			root := math.Sqrt(math.Pi / 2)
			want := root * (math.Erf((from+width)/math.Sqrt2) - math.Erf(from/math.Sqrt2))
			if math.Abs(got-want) > 5e-10 {
				t.Errorf("%d nodes over %.2f sides from %v: error %.2g", len(r.rule.x), r.span, from, got-want)
			}
		}
	}
}

func TestAPriorWithoutAScaleFindsNoEvidence(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Prior{
		"zero": {}, "scale 0": Prior3(0), "negative": Prior1(-1), "NaN": Prior3(math.NaN()), "infinite": Prior1(math.Inf(1)),
	} {
		if got := caseC.LogERatio(0, Up, p); got != 0 {
			t.Errorf("%s: ratio %v, want 0", name, got)
		}
		if got := caseC.LogEDiff(.005, 1, Up, p); got != 0 {
			t.Errorf("%s: difference %v, want 0", name, got)
		}
		if got := LogENormalMix(5, 100, p); got != 0 {
			t.Errorf("%s: normal %v, want 0", name, got)
		}
		if got := caseC.RatioBound(ln20, Up, p); !math.IsInf(got, -1) {
			t.Errorf("%s: bound %v, want -Inf", name, got)
		}
	}
}
