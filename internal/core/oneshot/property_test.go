package oneshot

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// drawTest draws one of the tests, with counts from none to a million.
func drawTest(t *rapid.T) Test {
	count := func(name string) float64 {
		return math.Floor(math.Expm1(rapid.Float64Range(0, 14).Draw(t, "ln "+name)))
	}
	events := func(n float64, name string) float64 {
		return math.Floor(n * math.Exp(rapid.Float64Range(-8, 0).Draw(t, "ln rate "+name)))
	}
	stratum := func() stats.Stratum {
		nT, nC := count("nT"), count("nC")
		return stats.Stratum{NT: nT, KT: events(nT, "T"), NC: nC, KC: events(nC, "C")}
	}
	counts := stats.Counts{Strata: []stats.Stratum{stratum()}, Phi: rapid.SampledFrom([]float64{0, 1, 2.5}).Draw(t, "phi")}
	if rapid.Bool().Draw(t, "two strata") {
		counts.Strata = append(counts.Strata, stratum())
	}
	values := rapid.SliceOfN(rapid.Float64Range(.01, 100), 1, 60)
	moments := func() (m stats.Moments) {
		for _, x := range values.Draw(t, "values") {
			m.Add(x)
		}
		return m
	}
	switch rapid.SampledFrom([]string{"rates", "ignoring", "ceiling", "differences", "means", "shift", "paired rates", "paired means", "quantiles", "drift"}).Draw(t, "test") {
	case "rates":
		return Rates(counts)
	case "ignoring":
		return Ignoring{Rates: Rates(counts), Level: .01}
	case "ceiling":
		return Ceiling{K: counts.Strata[0].KT, N: counts.Strata[0].NT, Phi: counts.Phi}
	case "differences":
		return Differences{Counts: counts, M: rapid.SampledFrom([]float64{0, 1, .98}).Draw(t, "m")}
	case "means":
		a, b := moments(), moments()
		return Means{MinNonZero: 1, Strata: []stats.MeanStratum{{
			T: stats.MeanArm{N: a.N, Mean: a.Mean, Var: a.Variance(), NonZero: a.N},
			C: stats.MeanArm{N: b.N, Mean: b.Mean, Var: b.Variance(), NonZero: b.N},
		}}}
	case "shift":
		return Shift(moments())
	case "paired rates":
		n := count("n")
		k := events(n, "disagree")
		b := math.Floor(k * rapid.Float64Range(0, 1).Draw(t, "share"))
		return PairedRates{N: n, OnlyT: b, OnlyC: k - b}
	case "paired means":
		var c stats.Covariate
		for _, x := range values.Draw(t, "x") {
			c.Add(x, x*rapid.Float64Range(.5, 2).Draw(t, "ratio"))
		}
		return PairedMeans(c)
	case "quantiles":
		return NewQuantiles(values.Draw(t, "t"), values.Draw(t, "c"), rapid.SampledFrom([]float64{.5, .9, .99}).Draw(t, "tau"))
	}
	bins := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 99), func(i int) float64 { return float64(i) }), 2, 20)
	return Drift{T: bins.Draw(t, "t"), C: bins.Draw(t, "c")}
}

// drawMargin draws a margin of the test.
func drawMargin(t *rapid.T, x Test) float64 {
	low, high := x.Span()
	if e := x.Estimate(); !math.IsNaN(e) && !math.IsInf(e, 0) {
		low, high = max(low, e-1), min(high, e+1)
	}
	return low + (high-low)*rapid.Float64Range(0, 1).Draw(t, "margin")
}

func TestAPValueIsAProbabilityAndGrowsWithTheMargin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawTest(t)
		a, b := drawMargin(t, x), drawMargin(t, x)
		if a > b {
			a, b = b, a
		}
		for _, margin := range []float64{a, b} {
			for _, dir := range directions {
				if p := x.P(margin, dir); !(p >= 0 && p <= 1) {
					t.Fatalf("%+v: p %v at %v", x, p, margin)
				}
			}
		}
		const rounding = 1e-9
		if p, q := x.P(a, stats.Up), x.P(b, stats.Up); p > q+rounding {
			t.Fatalf("%+v: beyond %v with p %v, beyond %v with p %v", x, a, p, b, q)
		}
		if p, q := x.P(a, stats.Down), x.P(b, stats.Down); q > p+rounding {
			t.Fatalf("%+v: below %v with p %v, below %v with p %v", x, a, p, b, q)
		}
	})
}

func TestABoundAndAPValueSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawTest(t)
		margin := drawMargin(t, x)
		level := rapid.SampledFrom([]float64{.2, .05, .001}).Draw(t, "alpha")
		if i, ok := x.(Ignoring); ok {
			x = i.Rates
		}
		r := Look(x, margin, stats.Up, level)
		if math.IsNaN(r.Lower) || math.IsNaN(r.Upper) {
			t.Fatalf("%+v: bounds %v and %v", x, r.Lower, r.Upper)
		}
		for name, v := range map[string]struct {
			bound, p float64
			beyond   bool
		}{"lower": {r.Lower, r.Beyond, r.Lower > margin}, "upper": {r.Upper, r.Inside, r.Upper < margin}} {
			if (v.p <= level) != v.beyond && math.Abs(v.bound-margin) > 1e-6*(1+math.Abs(margin)) {
				t.Fatalf("%+v: %s bound %v, margin %v, p %v", x, name, v.bound, margin, v.p)
			}
		}
		if r.Lower > r.Upper && level < .5 {
			t.Fatalf("%+v: from %v to %v", x, r.Lower, r.Upper)
		}
	})
}

func TestBothClaimsAreNeverMadeAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawTest(t)
		r := Look(x, drawMargin(t, x), stats.Down, .05)
		if r.Beyond < .49 && r.Inside < .49 {
			if _, both := x.(Ignoring); !both {
				t.Fatalf("%+v: beyond with p %v, inside with p %v", x, r.Beyond, r.Inside)
			}
		}
	})
}

func TestSwappingTheArmsTurnsTheClaimRound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) float64 { return float64(rapid.IntRange(1, 3000).Draw(t, name)) }
		nT, nC := n("nT"), n("nC")
		kT, kC := math.Floor(nT*rapid.Float64Range(0, 1).Draw(t, "T")), math.Floor(nC*rapid.Float64Range(0, 1).Draw(t, "C"))
		margin := rapid.Float64Range(-.9, .9).Draw(t, "margin")
		same := func(name string, a, b float64) {
			if math.Abs(a-b) > 1e-5 {
				t.Fatalf("%s: %v, swapped %v", name, a, b)
			}
		}
		same("ratio", Rates(two(nT, kT, nC, kC)).P(margin, stats.Up), Rates(two(nC, kC, nT, kT)).P(-margin, stats.Down))
		same("difference", Differences{Counts: two(nT, kT, nC, kC)}.P(margin, stats.Up),
			Differences{Counts: two(nC, kC, nT, kT)}.P(-margin, stats.Down))
		same("paired", PairedRates{N: nT, OnlyT: kT / 2, OnlyC: kT / 3}.P(margin, stats.Up),
			PairedRates{N: nT, OnlyT: kT / 3, OnlyC: kT / 2}.P(-margin, stats.Down))
	})
}

func TestTheUnitOfAValueDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(.1, 50), 5, 40)
		a, b := values.Draw(t, "t"), values.Draw(t, "c")
		unit := math.Exp(math.Ln2 * float64(rapid.IntRange(-40, 40).Draw(t, "log2 unit")))
		margin := rapid.Float64Range(-1, 1).Draw(t, "margin")
		scaled := func(list []float64) (out []float64) {
			for _, x := range list {
				out = append(out, x*unit)
			}
			return out
		}
		p, q := NewQuantiles(a, b, .9).P(margin, stats.Up), NewQuantiles(scaled(a), scaled(b), .9).P(margin, stats.Up)
		if p != q {
			t.Fatalf("quantiles: %v, in another unit %v", p, q)
		}
		var x, y stats.Covariate
		for i := range min(len(a), len(b)) {
			x.Add(b[i], a[i])
			y.Add(b[i]*unit, a[i]*unit)
		}
		if p, q := PairedMeans(x).P(margin, stats.Up), PairedMeans(y).P(margin, stats.Up); math.Abs(p-q) > 1e-9 {
			t.Fatalf("paired means: %v, in another unit %v", p, q)
		}
	})
}

func TestHolmNeverHelpsAndNeverReorders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 12).Draw(t, "p")
		corrected := Holm(ps)
		smallest := 0
		for i := range ps {
			if corrected[i] < ps[i] || corrected[i] > 1 {
				t.Fatalf("%v became %v", ps[i], corrected[i])
			}
			if ps[i] < ps[smallest] {
				smallest = i
			}
			for j := range ps {
				if ps[i] < ps[j] && corrected[i] > corrected[j] {
					t.Fatalf("%v and %v became %v and %v", ps[i], ps[j], corrected[i], corrected[j])
				}
			}
		}
		if want := min(1, ps[smallest]*float64(len(ps))); math.Abs(corrected[smallest]-want) > 1e-12 {
			t.Fatalf("the smallest of %d, %v, became %v", len(ps), ps[smallest], corrected[smallest])
		}
	})
}
