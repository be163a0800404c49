package oneshot

import (
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestWhatCannotBeIsNoEvidence(t *testing.T) {
	t.Parallel()
	fine := stats.MeanArm{N: 50, Mean: 1, Var: 1, NonZero: 50}
	means := func(t, c stats.MeanArm) Test { return Means{Strata: []stats.MeanStratum{{T: t, C: c}}} }
	bad := Rates(two(100, nan, 100, 3))
	for name, x := range map[string]Test{
		"no counts":                     Rates{},
		"no events":                     Rates(two(100, 0, 100, 0)),
		"an empty arm":                  Rates(two(0, 0, 100, 3)),
		"NaN events":                    bad,
		"negative events":               Rates(two(100, -1, 100, 3)),
		"infinite exposures":            Rates(two(inf, 1, 100, 3)),
		"NaN dispersion":                Rates{Strata: two(100, 9, 100, 3).Strata, Phi: nan},
		"ignoring, NaN":                 Ignoring{Rates: bad, Level: .1},
		"ceiling, no trial":             Ceiling{},
		"ceiling, NaN":                  Ceiling{K: nan, N: 10},
		"ceiling, too many":             Ceiling{K: 11, N: 10},
		"ceiling, negative dispersion":  Ceiling{K: 1, N: 10, Phi: -1},
		"difference, no counts":         Differences{},
		"difference, more than all":     Differences{Counts: two(10, 11, 10, 3)},
		"difference, NaN":               Differences{Counts: two(10, nan, 10, 3)},
		"difference, negative slope":    Differences{Counts: two(10, 1, 10, 3), M: -1},
		"means, nothing":                Means{},
		"means, one value":              means(stats.MeanArm{N: 1, Mean: 2, NonZero: 1}, fine),
		"means, few that are not zero":  means(stats.MeanArm{N: 50, Mean: 1, Var: 1, NonZero: 29}, fine),
		"means, nothing varies":         means(stats.MeanArm{N: 50, Mean: 2, NonZero: 50}, stats.MeanArm{N: 50, Mean: 1, NonZero: 50}),
		"means, baseline of zero":       means(fine, stats.MeanArm{N: 50, Var: 1, NonZero: 50}),
		"means, NaN":                    means(fine, stats.MeanArm{N: 50, Mean: nan, Var: 1, NonZero: 50}),
		"shift, nothing":                Shift{},
		"shift, one value":              Shift{N: 1, Mean: 3},
		"shift, nothing varies":         Shift{N: 10, Mean: 3},
		"shift, NaN":                    Shift{N: 10, Mean: nan, M2: 3},
		"paired, no row":                PairedRates{},
		"paired, NaN":                   PairedRates{N: 10, OnlyT: nan},
		"paired, more than all":         PairedRates{N: 10, OnlyT: 6, OnlyC: 6},
		"paired means, nothing":         PairedMeans{},
		"paired means, baseline of 0":   PairedMeans{N: 10, Y: 5, YY: 10},
		"paired means, infinite":        PairedMeans{N: 10, X: 5, Y: inf, XX: 10, YY: 10},
		"quantiles, nothing":            NewQuantiles(nil, nil, .5),
		"quantiles, an empty arm":       NewQuantiles([]float64{1, 2}, nil, .5),
		"quantiles, no quantile":        NewQuantiles([]float64{1, 2}, []float64{1, 2}, 1),
		"quantiles, NaN":                NewQuantiles([]float64{nan, -1, inf, 0}, []float64{1, 2}, .5),
		"quantiles, not made":           Quantiles{},
		"drift, nothing":                Drift{},
		"drift, an empty arm":           Drift{T: []float64{3, 4}, C: []float64{0, 0}},
		"drift, NaN":                    Drift{T: []float64{3, nan}, C: []float64{3, 4}},
		"drift, negative":               Drift{T: []float64{3, 4}, C: []float64{-3, 4}},
		"ignoring, nothing":             Ignoring{Level: .1},
		"a row on which both are alike": PairedMeans{N: 2, X: 2, Y: 2, XX: 2, XY: 2, YY: 2},
	} {
		for _, dir := range directions {
			for _, margin := range []float64{0, .3} {
				if p := x.P(margin, dir); p < .4 {
					t.Errorf("%s, %s: p %v at %v, want no evidence", name, dir, p, margin)
				}
			}
		}
		r := Look(x, .1, stats.Up, .05)
		if !math.IsInf(r.Lower, -1) || !math.IsInf(r.Upper, 1) {
			t.Errorf("%s: bounds %v and %v, want none", name, r.Lower, r.Upper)
		}
	}
}

func TestMarginsThatCannotBeAreNoEvidence(t *testing.T) {
	t.Parallel()
	var pairs stats.Covariate
	for i := range 19 {
		pairs.Add(float64(i)+1, float64(i%3)+9)
	}
	good := stats.MeanArm{N: 90, Mean: 9, Var: 1, NonZero: 90}
	for name, x := range map[string]Test{
		"rates":        Rates(two(100, 30, 100, 3)),
		"ceiling":      Ceiling{K: 9, N: 10},
		"differences":  Differences{Counts: two(100, 90, 100, 3)},
		"means":        Means{Strata: []stats.MeanStratum{{T: good, C: stats.MeanArm{N: 90, Mean: 1, Var: 1, NonZero: 90}}}},
		"shift":        Shift{N: 10, Mean: 100, M2: 3},
		"paired":       PairedRates{N: 100, OnlyT: 40},
		"paired means": PairedMeans(pairs),
		"quantiles":    NewQuantiles([]float64{7, 8, 9, 9}, []float64{1, 2, 3}, .5),
	} {
		for _, margin := range []float64{nan} {
			for _, dir := range directions {
				if p := x.P(margin, dir); p < 1 {
					t.Errorf("%s: p %v at %v", name, p, margin)
				}
			}
		}
		if p := x.P(0, 0); p != 1 {
			t.Errorf("%s, no direction: p %v", name, p)
		}
		if got := Bound(x, .05, 0); !math.IsNaN(got) && !math.IsInf(got, 0) {
			t.Errorf("%s, no direction: bound %v", name, got)
		}
		for _, level := range []float64{0, 1, nan, -1} {
			if got := Bound(x, level, stats.Up); !math.IsInf(got, -1) {
				t.Errorf("%s, alpha %v: bound %v, want none", name, level, got)
			}
		}
		if p := x.P(-.2, stats.Up); name != "ceiling" && p > .2 {
			t.Errorf("%s: p %v, want the guard of this test to find something", name, p)
		}
	}
}

func FuzzTests(f *testing.F) {
	seeds := [][6]float64{
		{1000, 12, 99000, 495, 0, 1},
		{0, 0, 0, 0, 0, 0},
		{1e12, 1e9, 1e12, 1e9, .18, 2},
		{100, 100, 100, 0, -3, 1},
		{inf, 1, 1, 1, 1, 1},
		{nan, 1, 1, 1, 1, 1},
		{5e-324, 5e-324, 1, 1, .7, 1},
		{1e99, 1e99, 1e-300, 1e-300, -1e9, 1e-99},
		{-1, 3, 4, 5, .1, 0},
		{5e-323, 5e-324, 1, 1. / 7, .7, .6 / 7},
	}
	for _, s := range seeds {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
	f.Fuzz(func(t *testing.T, a, b, c, d, margin, phi float64) {
		counts := two(a, b, c, d)
		counts.Phi = phi
		for name, x := range map[string]Test{
			"rates":        Rates(counts),
			"ignoring":     Ignoring{Rates: Rates(counts), Level: phi},
			"ceiling":      Ceiling{K: b, N: a, Phi: phi},
			"differences":  Differences{Counts: counts, M: phi},
			"means":        Means{Strata: []stats.MeanStratum{{T: stats.MeanArm{N: a, Mean: b, Var: c, NonZero: a}, C: stats.MeanArm{N: 9, Mean: d, Var: 1, NonZero: 9}}}, MinNonZero: 1},
			"shift":        Shift{N: a, Mean: b, M2: c},
			"paired":       PairedRates{N: a, OnlyT: b, OnlyC: c},
			"paired means": PairedMeans{N: a, X: b, Y: c, XX: d, XY: phi, YY: b},
			"quantiles":    NewQuantiles([]float64{a, b, 1}, []float64{c, d, 2}, phi),
			"drift":        Drift{T: []float64{a, b}, C: []float64{c, d}},
		} {
			r := Look(x, margin, stats.Up, .05)
			for _, p := range []float64{r.Beyond, r.Inside, x.P(margin, stats.Down)} {
				if !(p >= 0 && p <= 1) {
					t.Errorf("%s: p %v", name, p)
				}
			}
			if math.IsNaN(r.Lower) || math.IsNaN(r.Upper) {
				t.Errorf("%s: bounds %v and %v", name, r.Lower, r.Upper)
			}
		}
	})
}
