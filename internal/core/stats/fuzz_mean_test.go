package stats

import (
	"math"
	"testing"
)

func FuzzMeans(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n, mean, variance, nonZero, logC, phi float64) {
		arm := MeanArm{N: n, Mean: mean, Var: variance, NonZero: nonZero}
		fine := MeanArm{N: 500, Mean: 2, Var: 3, NonZero: 400}
		m := Means{Strata: []MeanStratum{{T: arm, C: fine}, {T: fine, C: arm}, {T: fine, C: fine}}, Phi: phi}
		possible := arm.possible() && isFinite(logC) && !(phi < 0) && isFinite(phi)
		for _, dir := range []Dir{Up, Down} {
			verdict(t, "mean", m.LogE(logC, dir, Prior3(.1)), possible)
			if b := m.Bound(ln20, dir, Prior3(.1)); math.IsNaN(b) {
				t.Error("bound is NaN")
			}
		}
		_ = m.Ratio()
		c := Covariate{N: n, X: mean, Y: variance, XX: nonZero, XY: logC, YY: phi}
		if got := c.Adjusted(logC, mean, nonZero); !got.possible() {
			t.Errorf("adjusted %+v", got)
		}
		if math.IsNaN(c.Theta()) || math.IsNaN(c.Reduction()) {
			t.Errorf("slope %v, reduction %v", c.Theta(), c.Reduction())
		}
		moments := Moments{N: n, Mean: mean, M2: variance}
		moments.Merge(Moments{N: nonZero, Mean: logC, M2: phi})
		moments.Add(logC)
		if v := moments.Variance(); math.IsNaN(v) || v < 0 {
			t.Errorf("variance %v of %+v", v, moments)
		}
	})
}

func FuzzRatioArm(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g float64) {
		y, n := make([]float64, 64), make([]float64, 64)
		for j := range y {
			y[j], n[j] = float64(j), 3
		}
		copy(y, []float64{a, b, c})
		copy(n, []float64{d, e, g})
		if arm := RatioArm(y, n, a); !arm.possible() {
			t.Errorf("arm %+v", arm)
		}
		phi := RatioPhi([]RatioBuckets{{TY: y, TN: n, CY: n, CN: n}, {TY: n, TN: n, CY: y, CN: n}}, g)
		if math.IsNaN(phi) || phi < 1 {
			t.Errorf("dispersion %v", phi)
		}
	})
}

func FuzzGauge(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g float64) {
		var x Batches
		for i := range 300 {
			x.Add([]float64{a, b, c, 1, 2, 1.5, 1.7}[i%7] + .01*math.Sin(float64(i)))
		}
		other := &Batches{Size: int(a), Full: []float64{a, b, c}, Open: c, OpenN: int(b), Count: int(d), First: a, Last: b, Sum: c, Sum2: d, Lag: e}
		for _, strata := range [][]*Batches{{&x}, {&x, other}, {other}} {
			for _, dir := range []Dir{Up, Down} {
				verdict(t, "gauge", GaugeLogE(strata, g, dir, Prior3(.1)), isFinite(g))
				if bound := GaugeBound(strata, ln20, dir, Prior3(.1)); math.IsNaN(bound) {
					t.Error("bound is NaN")
				}
			}
		}
	})
}

func FuzzDrift(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, a, b, c, d, e, alpha float64) {
		x := Drift{T: []float64{a, b, 100, 3}, C: []float64{c, d, e}}
		lower, estimate, upper := x.Bounds(alpha)
		if !(lower >= 0 && upper <= 1 && lower <= upper) {
			t.Errorf("%v to %v", lower, upper)
		}
		if possible := !math.IsNaN(sumCounts(x.T)) && sumCounts(x.C) > 0; possible != !math.IsNaN(estimate) {
			t.Errorf("estimate %v", estimate)
		}
		_ = PSI(x.T, x.C)
		if band := DKWBand(a, b); math.IsNaN(band) || band < 0 {
			t.Errorf("band %v", band)
		}
	})
}

func FuzzGrowth(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, nT, kT, nC, kC, margin, phi float64) {
		c := Counts{Strata: []Stratum{{NT: nT, KT: kT, NC: nC, KC: kC}}, Phi: phi}
		for name, g := range map[string]Growth{
			"ratio":      c.RatioGrowth(margin, Up),
			"difference": c.DiffGrowth(margin, 1, Down),
			"ignored":    c.IgnoreGrowth(margin, phi),
			"ceiling":    BernoulliGrowth(kT, nT, margin, phi, Up),
		} {
			if math.IsNaN(g.Drift) || math.IsNaN(g.Info) || g.Drift < 0 || g.Info < 0 {
				t.Errorf("%s: %+v", name, g)
			}
			if short := g.shortfall(1000, Prior3(.5)); math.IsNaN(short) || math.Abs(short) > mostShort {
				t.Errorf("%s: shortfall %v", name, short)
			}
		}
		for _, z := range []float64{c.RatioRoot(margin), c.DiffScore(margin, 1), c.DiffRoot(margin, phi)} {
			if math.IsInf(z, 0) {
				t.Errorf("distance %v", z)
			}
		}
		if info := RateInformation(nT, kT, nC); math.IsNaN(info) || info < 0 {
			t.Errorf("information %v", info)
		}
		if drift, info := RateDrift(nT, kT, nC, kC, phi); math.IsNaN(drift) || math.IsNaN(info) {
			t.Errorf("drift %v, information %v", drift, info)
		}
		if z := CriticalZ(nT, margin, Prior3(.5)); math.IsNaN(z) {
			t.Error("critical value is NaN")
		}
	})
}
