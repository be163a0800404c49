package stats

import (
	"fmt"
	"math"
	"testing"
)

// perRequest returns the counts that one request is expected to bring.
func perRequest(w, pT, pC float64) Counts {
	return Counts{Strata: []Stratum{{NT: w, KT: w * pT, NC: 1 - w, KC: (1 - w) * pC}}}
}

// The crossings that the tests share; each is some tens of milliseconds.
var (
	rateCrossing = NewCrossing(Prior3(.5), ln20)
	meanCrossing = NewCrossing(Prior3(.1), ln20)
)

func TestPlansGiveTheKnownAnswers(t *testing.T) {
	t.Parallel()
	drift, info := RateDrift(.005, 2, 1.2, .5, 1)
	check(t, map[string]known{
		"drift":            {drift, 0.523029051, 9},
		"info":             {info, 1.666666667e-3, 12},
		"info, apart":      {RateInformation(.005, 2, .5), 1.666666667e-3, 12},
		"z* info 100":      {CriticalZ(100, ln20, Prior3(.5)), 3.001778, 6},
		"z* info 1e4":      {CriticalZ(1e4, ln20, Prior3(.1)), 3.046589, 6},
		"mean info":        {MeanInformation(2, 1, .5), 1.0 / 16, 12},
		"mean info, w .01": {MeanInformation(1, .98, .01), 1 / (100 + .98*.98/.99), 12},
	})
	if _, half := RateDrift(.005, 2, 1.2, .5, 2); math.Abs(half-info/2) > 1e-15 {
		t.Errorf("dispersion 2: info %v, want half of %v", half, info)
	}
}

func TestTheRulesOfThumbOfAPlan(t *testing.T) {
	t.Parallel()
	strict := NewCrossing(Prior3(.5), math.Log(80))
	for _, test := range []struct {
		c           *Crossing
		share, want float64 // drift times the root of the information
	}{
		{rateCrossing, .5, 2.66},
		{rateCrossing, .8, 3.57},
		{rateCrossing, .9, 4.02},
		{strict, .5, 3.23},
		{strict, .8, 4.11},
		{strict, .9, 4.58},
	} {
		// The rules were made by a simulation that looked less often, which
		// finds harm later.
		if got := .5 * math.Sqrt(test.c.Time(.5, test.share)); got > test.want || got < .94*test.want {
			t.Errorf("share %v: %.3f, want a little below %.2f", test.share, got, test.want)
		}
	}
}

// The table is the one of the design, with its plan and its own simulation; this
// plan must be within 25 % of the latter.
func TestAPlanIsNearWhatWasSimulated(t *testing.T) {
	t.Parallel()
	tail := func(slower float64) float64 { // the exceedance ratio at 1.1 times the p99
		z := 2.326347874 - math.Log(slower/1.1)/.5
		return .5 * math.Erfc(z/math.Sqrt2) / .01
	}
	pass := NewCrossing(Prior3(ln12), ln20)
	conversion, conversionInfo := RateDrift(.05, .95, .98, .5, .95)
	revenue := MeanInformation(math.Sqrt(180), 1, .5)
	for _, row := range []forecast{
		foretell("error .5 to 1 %", rateCrossing, perRequest(.5, .01, .005).RatioGrowth(ln12, Up), 14_900, 27_300),
		foretell("error .5 to 5 %, w 1 %", rateCrossing, perRequest(.01, .05, .005).RatioGrowth(ln12, Up), 8_300, 15_400),
		foretell("error .5 to 20 %, w 1 %", rateCrossing, perRequest(.01, .2, .005).RatioGrowth(ln12, Up), 1_300, 2_200),
		foretell("p99 +20 %", rateCrossing, perRequest(.5, .01*tail(1.2), .01).RatioGrowth(0, Up), 10_000, 18_000),
		foretell("p99 +20 %, w 1 %", rateCrossing, perRequest(.01, .01*tail(1.2), .01).RatioGrowth(0, Up), 216_000, 432_000),
		foretell("no change passes", pass, perRequest(.5, .005, .005).RatioGrowth(ln12, Down), 163_000, 301_000),
		{"conversion", meanCrossing.Time(conversion, .5) / conversionInfo, meanCrossing.Time(conversion, .8) / conversionInfo, 640_000, 1_030_000},
		{"revenue", meanCrossing.Time(.05, .5) / revenue, meanCrossing.Time(.05, .8) / revenue, 2_280_000, 3_720_000},
		// Engine D, half a point: nothing changed, three times the margin.
		foretell("difference passes, p_C .1 %", diffCrossing, perRequest(.5, .001, .001).DiffGrowth(.005, 1, Down), 2_600, 4_000),
		foretell("difference passes, p_C .5 %", diffCrossing, perRequest(.5, .005, .005).DiffGrowth(.005, 1, Down), 6_200, 11_000),
		foretell("difference passes, w 1 %", diffCrossing, perRequest(.01, .001, .001).DiffGrowth(.005, 1, Down), 138_000, 195_000),
		foretell("difference fails, p_C 0", diffCrossing, perRequest(.5, .015, 0).DiffGrowth(.005, 1, Up), 1_700, 2_500),
		foretell("difference fails, p_C 1 %", diffCrossing, perRequest(.5, .025, .01).DiffGrowth(.005, 1, Up), 5_500, 9_000),
		foretell("difference fails, w 1 %", diffCrossing, perRequest(.01, .016, .001).DiffGrowth(.005, 1, Up), 68_000, 120_000),
		foretell("ignored below .05 %, w 1 %", rateCrossing, perRequest(.01, .01, 0).IgnoreGrowth(ln12, .0005), 26_000, 47_300),
	} {
		for _, x := range []struct {
			share     string
			got, want float64
		}{{"half", row.t50, row.wanted50}, {"four fifths", row.t80, row.wanted80}} {
			if r := x.got / x.want; r < .75 || r > 1.25 {
				t.Errorf("%s, %s: planned %.0f, simulated %.0f", row.name, x.share, x.got, x.want)
			}
		}
	}
}

var diffCrossing = NewCrossing(Prior3(.005), ln20)

// forecast is a row of the table.
type forecast struct {
	name               string
	t50, t80           float64 // planned
	wanted50, wanted80 float64
}

// foretell plans a row of the table.
func foretell(name string, c *Crossing, g Growth, want50, want80 float64) forecast {
	return forecast{name, c.Requests(g, .5), c.Requests(g, .8), want50, want80}
}

func TestTheSmallestErrorRateThatIsCaught(t *testing.T) {
	t.Parallel()
	// 80 % power, a share of a quarter of alpha, 1 % of the traffic.
	c := NewCrossing(Prior3(.5), math.Log(80))
	for _, test := range []struct{ p, nT, want float64 }{
		{.001, 3600, 4.4}, {.005, 3600, 2.4}, {.005, 36000, 1.56}, {.02, 600, 2.7}, {.02, 36000, 1.38},
	} {
		low, high := 1.2, 40.0
		for range 30 {
			mid := math.Sqrt(low * high)
			g := perRequest(.01, test.p*mid, test.p).RatioGrowth(ln12, Up)
			if c.Crossed(g, 100*test.nT) < .8 {
				low = mid
			} else {
				high = mid
			}
		}
		if math.Abs(high/test.want-1) > .2 {
			t.Errorf("rate %v, %v requests: %.2f times, want about %v", test.p, test.nT, high, test.want)
		}
	}
}

func TestGrowthIsTheDistanceInTheUnitsOfThePrior(t *testing.T) {
	t.Parallel()
	drift, info := RateDrift(.005, 1.5, 1.2, .5, 1)
	near := perRequest(.5, .0075, .005).RatioGrowth(ln12, Up)
	if math.Abs(near.Drift-math.Log(1.5/1.2)) > 1e-3 {
		t.Errorf("drift %v, want ln(1.5/1.2)", near.Drift)
	}
	if a, b := near.Drift*math.Sqrt(near.Info), drift*math.Sqrt(info); math.Abs(a/b-1) > 1e-3 {
		t.Errorf("distance per root of a request %v, by RateDrift %v", a, b)
	}
	if math.Abs(near.Spread-1) > .05 {
		t.Errorf("spread %v near the margin, want about 1", near.Spread)
	}
	half := perRequest(.5, .0075, .005)
	half.Phi = 2
	if g := half.RatioGrowth(ln12, Up); math.Abs(g.Info/near.Info-.5) > 1e-6 || math.Abs(g.Spread/near.Spread-1) > 1e-3 {
		t.Errorf("dispersion 2: info %v of %v, spread %v of %v", g.Info, near.Info, g.Spread, near.Spread)
	}
	diff := perRequest(.5, .05, .03).DiffGrowth(.01, 1, Up)
	if math.Abs(diff.Drift-.01) > 5e-4 {
		t.Errorf("difference: drift %v, want .01", diff.Drift)
	}
	rate := BernoulliGrowth(.02, 1, .01, 1, Up)
	if math.Abs(rate.Drift-(logit(.02)-logit(.01))) > 1e-2 {
		t.Errorf("one sample: drift %v", rate.Drift)
	}
}

func TestPlansOfWhatCannotBeAreNever(t *testing.T) {
	t.Parallel()
	fine := perRequest(.5, .01, .005)
	for name, g := range map[string]Growth{
		"inside the margin":    fine.RatioGrowth(1, Up),
		"nothing at all":       {},
		"NaN margin":           fine.RatioGrowth(nan, Up),
		"no direction":         fine.RatioGrowth(0, 0),
		"no traffic":           perRequest(0, .01, .01).RatioGrowth(0, Up),
		"NaN rate":             perRequest(.5, nan, .01).RatioGrowth(0, Up),
		"impossible slope":     fine.DiffGrowth(.01, -1, Up),
		"impossible level":     fine.IgnoreGrowth(0, 2),
		"impossible ceiling":   BernoulliGrowth(.1, 1, 1.5, 1, Up),
		"more events than all": BernoulliGrowth(2, 1, .5, 1, Up),
	} {
		if got := rateCrossing.Requests(g, .5); !math.IsInf(got, 1) {
			t.Errorf("%s: %v requests, want none to be enough", name, got)
		}
		if got := rateCrossing.Crossed(g, 1e6); got != 0 {
			t.Errorf("%s: %v have crossed", name, got)
		}
	}
	for name, got := range map[string]float64{
		"no drift":        rateCrossing.Time(0, .5),
		"NaN drift":       rateCrossing.Time(nan, .5),
		"negative drift":  rateCrossing.Time(-1, .5),
		"share 0":         rateCrossing.Time(1, 0),
		"share 1":         rateCrossing.Time(1, 1),
		"share NaN":       rateCrossing.Time(1, nan),
		"no prior":        NewCrossing(Prior{}, ln20).Time(1, .5),
		"NaN threshold":   NewCrossing(Prior3(.5), nan).Time(1, .5),
		"the zero value":  (&Crossing{}).Time(1, .5),
		"no information":  rateCrossing.Drift(0, .5),
		"NaN information": rateCrossing.Drift(nan, .5),
		"drift, share 1":  rateCrossing.Drift(10, 1),
		"z*, no info":     CriticalZ(0, ln20, Prior3(.5)),
		"z*, NaN":         CriticalZ(10, nan, Prior3(.5)),
	} {
		if !math.IsInf(got, 1) {
			t.Errorf("%s: %v, want never", name, got)
		}
	}
	for name, got := range map[string]float64{
		"weight 0":      RateInformation(.1, 1, 0),
		"weight 1":      RateInformation(.1, 1, 1),
		"rate NaN":      RateInformation(nan, 1, .5),
		"rate 0":        RateInformation(0, 1, .5),
		"cv 0":          MeanInformation(0, 1, .5),
		"cv NaN":        MeanInformation(nan, 1, .5),
		"mean weight 1": MeanInformation(1, 1, 1),
		"NaN power":     rateCrossing.Power(nan, 10),
	} {
		if got != 0 {
			t.Errorf("%s: %v, want 0", name, got)
		}
	}
	if drift, info := RateDrift(.1, 1, -1, .5, 1); drift != 0 || info != 0 {
		t.Errorf("negative margin: %v, %v", drift, info)
	}
}

func TestMoreIsFoundSooner(t *testing.T) {
	t.Parallel()
	for _, drift := range []float64{.03, .2, .5, 1.1, 4} {
		for _, share := range []float64{.1, .5, .9} {
			at := rateCrossing.Time(drift, share)
			if later := rateCrossing.Time(drift/1.2, share); later < at {
				t.Errorf("drift %v, share %v: a smaller drift crosses at %v, before %v", drift, share, later, at)
			}
			if later := rateCrossing.Time(drift, share+.05); later < at {
				t.Errorf("drift %v, share %v: more paths have crossed at %v, before %v", drift, share, later, at)
			}
			if got := rateCrossing.Power(drift, at); math.Abs(got-share) > .01 {
				t.Errorf("drift %v, share %v: at that time %v have crossed", drift, share, got)
			}
			if back := rateCrossing.Drift(at, share); math.Abs(back/drift-1) > .02 {
				t.Errorf("drift %v, share %v: the smallest drift caught by then is %v", drift, share, back)
			}
		}
	}
}

func TestACrossingDependsOnThePriorsScaleAlone(t *testing.T) {
	t.Parallel()
	small := NewCrossing(Prior3(.005), ln20)
	for _, share := range []float64{.5, .8} {
		a, b := rateCrossing.Time(.5, share), small.Time(.005, share)
		if math.Abs(b/a/1e4-1) > 1e-6 {
			t.Errorf("share %v: %v, in a hundredth of the scale %v", share, a, b)
		}
	}
}

func TestAPathWithoutADriftSeldomCrosses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*Crossing{"rates": rateCrossing, "means": meanCrossing} {
		if got := c.Power(0, lastLook*1e6); got > .056 || got < .01 {
			t.Errorf("%s: %.4f of the paths on the boundary cross, want .01 to .056", name, got)
		}
	}
}

func TestPlanningTheSameTwiceGivesTheSame(t *testing.T) {
	t.Parallel()
	again := NewCrossing(Prior3(.5), ln20)
	g := perRequest(.1, .01, .005).RatioGrowth(ln12, Up)
	if a, b := fmt.Sprint(rateCrossing.Requests(g, .8)), fmt.Sprint(again.Requests(g, .8)); a != b {
		t.Errorf("%s, then %s", a, b)
	}
}
