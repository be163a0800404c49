package stats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func randomCounts(r *rand.Rand, zeros float64) Counts {
	var c Counts
	for range 1 + r.IntN(4) {
		s := Stratum{NT: math.Floor(math.Exp(1 + 11*r.Float64())), NC: math.Floor(math.Exp(1 + 11*r.Float64()))}
		p := math.Exp(-7 * r.Float64())
		s.KT = math.Floor(s.NT * p * math.Exp(r.NormFloat64()*.3) * r.Float64() * 2)
		s.KC = math.Floor(s.NC * p * r.Float64() * 2)
		s.KT = min(s.KT, s.NT)
		s.KC = min(s.KC, s.NC)
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

func TestScratchAccuracy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	worst := map[string]float64{}
	var when = map[string]string{}
	start := time.Now()
	for i := 0; i < 3000; i++ {
		c := randomCounts(r, .3)
		dir := Dir(1)
		if r.IntN(2) == 0 {
			dir = Down
		}
		p := Prior3(math.Exp(-5 + 5*r.Float64()))
		lam0 := r.NormFloat64()
		note := func(name string, got, want float64, what any) {
			d := math.Abs(got - want)
			if math.IsNaN(d) {
				t.Errorf("%s NaN %v %v %v", name, got, want, what)
			}
			if d > worst[name] {
				worst[name] = d
				when[name] = ""
				if d > 1e-9 {
					t.Logf("%s %g (%v want %v) %+v dir %v p %v lam0 %v", name, d, got, want, what, dir, p.tau, lam0)
				}
			}
		}
		if ts, ok := c.ratioTilts(lam0, dir.sign(), nil); ok {
			note("ratio", ts.logMix(p), referenceLogMix(ts.curve(), p), c)
		}
		level := math.Exp(-7 * r.Float64())
		if ls, ok := c.lessers(lam0, level, nil); ok {
			note("lesser", ls.logMix(p), referenceLogMix(ls.curve(nil), p), []any{c, level, ls})
		}
		m, a := 1.0, math.Exp(-7*r.Float64())*.9
		if r.IntN(2) == 0 {
			m = .9
		}
		if r.IntN(4) == 0 {
			a = -m * r.Float64()
		}
		if ps, ok := c.profiles(a, m, dir.sign(), nil); ok {
			q := Prior3(math.Abs(a))
			note("diff", ps.logMix(q), referenceLogMix(ps.curve(nil), q), [3]any{c, a, m})
		}
	}
	t.Log(worst, time.Since(start))
}
