package stats

import (
	"math"
	"testing"
)

// Fuzz targets take any numbers at all: nothing may panic, hang or be NaN, and
// numbers that cannot be must not become evidence.

// seeds are the corners from which the fuzzers start.
func seeds(f *testing.F) {
	for _, s := range [][6]float64{
		{1000, 12, 99000, 495, 0, 1},
		{0, 0, 0, 0, 0, 0},
		{1, 1, 99, 0, .2, 1},
		{1e12, 1e9, 1e12, 1e9, .18, 2},
		{100, 100, 100, 0, -3, 1},
		{3, 0, 69, 69, .01, 1},
		{5e-324, 5e-324, 1, 1, 700, 1},
		{math.Inf(1), 1, 1, 1, 1, 1},
		{math.NaN(), 1, 1, 1, 1, 1},
		{1e308, 1e308, 1e308, 1e308, 1e308, 1e308},
		{1e99, 1e99, 1e-300, 1e-300, -1e9, 1e-99},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
}

// verdict fails on a NaN, and on evidence from numbers that cannot be.
func verdict(t *testing.T, name string, got float64, possible bool) {
	t.Helper()
	if math.IsNaN(got) || math.IsInf(got, 0) {
		t.Errorf("%s is %v", name, got)
	}
	if !possible && got != 0 {
		t.Errorf("%s is %v for numbers that cannot be", name, got)
	}
}

func FuzzLogERatio(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, nT, kT, nC, kC, lam0, phi float64) {
		s := Stratum{NT: nT, KT: kT, NC: nC, KC: kC}
		c := Counts{Strata: []Stratum{s, {NT: 100, KT: 3, NC: 900, KC: 30}}, Phi: phi}
		possible := s.possible() && isFinite(lam0) && !(phi < 0) && isFinite(phi)
		for _, dir := range []Dir{Up, Down} {
			for _, p := range []Prior{Prior3(.5), Prior1(lam0)} {
				verdict(t, "ratio", c.LogERatio(lam0, dir, p), possible)
				if b := c.RatioBound(ln20, dir, p); math.IsNaN(b) {
					t.Error("bound is NaN")
				}
			}
		}
		verdict(t, "fail", c.LogEIgnoreFail(lam0, .001, Prior3(.5)), possible && s.bounded())
		verdict(t, "pass", c.LogEIgnorePass(lam0, .001, Prior3(.5)), possible && s.bounded())
		if mle := c.RatioMLE(); math.IsNaN(mle) {
			t.Error("estimate is NaN")
		}
	})
}

func FuzzLogEDiff(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, nT, kT, nC, kC, a, m float64) {
		s := Stratum{NT: nT, KT: kT, NC: nC, KC: kC}
		c := Counts{Strata: []Stratum{s, {NT: 100, KT: 3, NC: 900, KC: 30}}}
		possible := s.possible() && s.bounded() && m > 0 && a > -m && a < 1
		for _, dir := range []Dir{Up, Down} {
			for _, p := range []Prior{Prior3(.01), Prior3(math.Abs(a))} {
				verdict(t, "difference", c.LogEDiff(a, m, dir, p), possible)
				if b := c.DiffBound(m, ln20, dir, p); math.IsNaN(b) {
					t.Error("bound is NaN")
				}
			}
		}
		if mle := c.DiffMLE(m); math.IsNaN(mle) {
			t.Error("estimate is NaN")
		}
	})
}

func FuzzOneSample(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n, k, p0, phi, tau, z float64) {
		possible := isCount(n) && isCount(k) && k <= n*(1+slack) && n > 0 && p0 > 0 && p0 < 1 && !(phi < 0) && isFinite(phi)
		for _, dir := range []Dir{Up, Down} {
			for _, p := range []Prior{Prior3(.5), Prior1(tau)} {
				verdict(t, "one sample", LogEBernoulli(k, n, p0, phi, dir, p), possible)
				if b := BernoulliBound(k, n, phi, ln20, dir, p); math.IsNaN(b) || b > 1 && !math.IsInf(b, 1) {
					t.Errorf("bound is %v", b)
				}
			}
		}
		verdict(t, "normal", LogENormal(z, n, tau), isFinite(z) && isFinite(n) && tau > 0)
		verdict(t, "srm", LogESRM(n, k, p0, z), isCount(n) && isCount(k) && p0 > 0 && p0 < 1 && z > 0)
		if b := ZBoundary(n, p0, Prior3(tau)); math.IsNaN(b) {
			t.Error("critical value is NaN")
		}
	})
}

func FuzzDispersion(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, m float64) {
		strata := []Buckets{
			{KT: []float64{a, 1, 0}, NT: []float64{b, 10, 20}, KC: []float64{c, 2, 2}, NC: []float64{d, 30, 40}},
			{KT: []float64{1, e}, NT: []float64{5, e}, KC: []float64{1, 0}, NC: []float64{9, 9}},
		}
		for name, phi := range map[string]float64{
			"sandwich":   SandwichPhi(strata, m),
			"score":      ScorePhi(strata, m),
			"difference": DiffPhi(strata, m),
			"one sample": BernoulliPhi(strata[0].KT, strata[0].NT),
			"none":       SandwichPhi(nil, m),
		} {
			if math.IsNaN(phi) || phi < 0 {
				t.Errorf("%s is %v", name, phi)
			}
		}
		if phi := Dispersion(1, a, b, c, d, e, m); math.IsNaN(phi) || phi < 1 {
			t.Errorf("dispersion is %v", phi)
		}
	})
}

func FuzzAverages(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g float64) {
		if got := GateLogE(a, []float64{b, c}, int(min(max(d, -5), 50))); math.IsNaN(got) || got > CapLogE {
			t.Errorf("gate is %v", got)
		}
		if got := AverageLogE([]float64{a, .5, b}, []float64{c, d, e, g}); math.IsNaN(got) || math.IsInf(got, 1) {
			t.Errorf("average is %v", got)
		}
	})
}
