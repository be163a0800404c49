package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestLogPhiAtItsEnds(t *testing.T) {
	t.Parallel()
	check(t, map[string]known{
		"-Inf": {LogPhi(math.Inf(-1)), math.Inf(-1), 9},
		"+Inf": {LogPhi(math.Inf(1)), 0, 15},
		"0":    {LogPhi(0), -math.Ln2, 15},
		"9":    {LogPhi(9), -1.1285884059538e-19, 30},
	})
	if got := LogPhi(math.NaN()); !math.IsNaN(got) {
		t.Errorf("NaN: %v", got)
	}
	// Far out, ln Phi(x) is -x^2/2 - ln(-x) - ln(2 pi)/2 + O(x^-2).
	if got, want := LogPhi(-1e6), -0.5e12-math.Log(1e6)-halfLog2Pi; math.Abs(got-want) > 1e-3 {
		t.Errorf("-1e6: %v, want %v", got, want)
	}
}

func TestLogPhiIsSmoothWhereItsFormulasMeet(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{-30, 0} {
		const h = 1e-7
		below, at, above := LogPhi(x-h), LogPhi(x), LogPhi(x+h)
		if jump := math.Abs((at - below) - (above - at)); jump > 1e-9 {
			t.Errorf("at %v: the steps to both sides differ by %v", x, jump)
		}
	}
}

func TestMillsRatioKeepsItsDigits(t *testing.T) {
	t.Parallel()
	// A continued fraction (Laplace) for Phi(-x)/phi(x) as an independent check.
	mills := func(x float64) float64 {
		v := 0.0
		for k := 400.0; k > 0; k-- {
			v = k / (x + v)
		}
		return 1 / (x + v)
	}
	for _, x := range []float64{5, 12, 29.9, 30.1, 60, 1e3} {
		want := math.Log(mills(x)) - halfLog2Pi
		if got := logMills(-x); math.Abs(got-want) > 1e-12*(1+math.Abs(want)) {
			t.Errorf("%v: %.15f, want %.15f", x, got, want)
		}
	}
}

func TestTheNormalMixtureGrowsWithTheDistance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.Float64Range(-60, 60).Draw(t, "z")
		info := math.Exp(rapid.Float64Range(-3, 20).Draw(t, "ln info"))
		a, b := LogENormalMix(z, info, Prior3(.5)), LogENormalMix(z+.01, info, Prior3(.5))
		if b < a {
			t.Fatalf("at %v: %v, farther out %v", z, a, b)
		}
	})
}

func TestTheNormalMixtureIsFairOnItsBoundary(t *testing.T) {
	t.Parallel()
	// The integral of E against the standard normal density is 1.
	for _, info := range []float64{.1, 10, 1e4} {
		sum, const1 := 0.0, 1/math.Sqrt(2*math.Pi)
		const step = 5e-3
		for z := -40.0; z <= 40; z += step {
			sum += step * const1 * math.Exp(LogENormalMix(z, info, Prior3(.5))-z*z/2)
		}
		// The mixture reaches beyond any finite range with its widest scale.
		if info <= 100 && math.Abs(sum-1) > 1e-6 || sum > 1+1e-6 {
			t.Errorf("information %v: expectation %v, want 1", info, sum)
		}
	}
}

func TestTheExactTestsApproachTheNormalMixture(t *testing.T) {
	t.Parallel()
	// Many events, a small effect: the likelihood of the log ratio is normal.
	const n, rate = 4e8, .001
	c := Counts{Strata: []Stratum{{NT: n, KT: n * rate * 1.004, NC: n, KC: n * rate}}}
	info := 1 / (1/c.Strata[0].KT + 1/c.Strata[0].KC)
	z := c.RatioMLE() * math.Sqrt(info)
	got, want := c.LogERatio(0, Up, Prior3(.1)), LogENormalMix(z, info, Prior3(.1))
	if math.Abs(got-want) > .01 {
		t.Errorf("ratio %v, normal %v", got, want)
	}
	variance := rate * 2 / n
	d := c.Strata[0].KT/n - rate
	got, want = c.LogEDiff(0, 1, Up, Prior3(1e-5)), LogENormalMix(d/math.Sqrt(variance), 1/variance, Prior3(1e-5))
	if math.Abs(got-want) > .01 {
		t.Errorf("difference %v, normal %v", got, want)
	}
}

func TestACriticalValueBelongsToItsEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		info := math.Exp(rapid.Float64Range(0, 18).Draw(t, "ln info"))
		alpha := rapid.Float64Range(1e-6, .3).Draw(t, "alpha")
		z := ZBoundary(info, alpha, Prior3(.5))
		if got, want := LogENormalMix(z, info, Prior3(.5)), -math.Log(alpha); math.Abs(got-want) > 1e-6 {
			t.Fatalf("evidence at %v is %v, want %v", z, got, want)
		}
	})
	for name, z := range map[string]float64{
		"alpha 0": ZBoundary(100, 0, Prior3(.5)), "alpha 1": ZBoundary(100, 1, Prior3(.5)),
		"no information": ZBoundary(0, .05, Prior3(.5)), "no prior": ZBoundary(100, .05, Prior{}),
		"alpha NaN": ZBoundary(100, math.NaN(), Prior3(.5)),
	} {
		if !math.IsInf(z, 1) {
			t.Errorf("%s: %v, want +Inf", name, z)
		}
	}
}
