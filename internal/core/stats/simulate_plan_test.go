package stats

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// foreseen plays a stream and compares when a share of the replications has
// crossed with the plan.
func foreseen(t *testing.T, name string, planned [2]float64, stops []int) {
	t.Helper()
	slices.Sort(stops)
	for i, share := range []float64{.5, .8} {
		got := float64(stops[int(share*float64(len(stops)))-1])
		if r := planned[i] / got; got == 0 || r < .75 || r > 1.25 {
			t.Errorf("%s, %v: planned %.0f, simulated %.0f", name, share, planned[i], got)
		} else {
			t.Logf("%s, %v: planned %.0f, simulated %.0f", name, share, planned[i], got)
		}
	}
}

// both plans half and four fifths.
func both(c *Crossing, g Growth) [2]float64 { return [2]float64{c.Requests(g, .5), c.Requests(g, .8)} }

// at400 is a stream of about 400 looks until four fifths have crossed.
func at400(planned [2]float64, w, pT, pC float64) stream {
	return steady(max(1, int(planned[1]/400)), 2000, w, pT, pC)
}

func TestAPlanForeseesWhenAHarmfulRateIsFound(t *testing.T) {
	long(t)
	for i, x := range []struct{ w, pT, pC float64 }{
		{.5, .01, .005}, {.5, .015, .005}, {.01, .015, .005}, {.1, .003, .001}, {.9, .04, .02},
	} {
		planned := both(rateCrossing, perRequest(x.w, x.pT, x.pC).RatioGrowth(ln12, Up))
		stops := at400(planned, x.w, x.pT, x.pC).replay(121+i, 200, func(c *Counts) bool {
			return c.ratioReaches(ln20, ln12, Up, Prior3(.5))
		})
		foreseen(t, fmt.Sprintf("%+v", x), planned, stops)
	}
}

func TestAPlanForeseesWhenADifferenceIsDecided(t *testing.T) {
	long(t)
	for i, x := range []struct {
		w, pT, pC float64
		dir       Dir
	}{
		{.5, .015, .005, Up}, {.01, .02, .005, Up}, {.5, .005, .005, Down}, {.01, .001, .001, Down},
	} {
		const delta = .005
		planned := both(diffCrossing, perRequest(x.w, x.pT, x.pC).DiffGrowth(delta, 1, x.dir))
		stops := at400(planned, x.w, x.pT, x.pC).replay(131+i, 200, func(c *Counts) bool {
			return c.diffReaches(ln20, delta, 1, x.dir)
		})
		foreseen(t, fmt.Sprintf("%+v", x), planned, stops)
	}
}

func TestAPlanForeseesWhatIsIgnoredAndWhatIsNot(t *testing.T) {
	long(t)
	const level = .0005
	for i, w := range []float64{.5, .01} {
		planned := both(rateCrossing, perRequest(w, .01, .0001).IgnoreGrowth(ln12, level))
		stops := at400(planned, w, .01, .0001).replay(141+i, 200, func(c *Counts) bool { return ignoreFails(c, level) })
		foreseen(t, fmt.Sprintf("ignored below .05 %%, w %v", w), planned, stops)
	}
}

func TestAPlanForeseesWhenACeilingIsBroken(t *testing.T) {
	long(t)
	planned := both(rateCrossing, BernoulliGrowth(.02, 1, .01, 1, Up))
	stops := at400(planned, 1, .02, 0).replay(151, 200, func(c *Counts) bool {
		s := c.Strata[0]
		return LogEBernoulli(s.KT, s.NT, .01, 1, Up, Prior3(.5)) >= ln20
	})
	foreseen(t, "ceiling of 1 %", planned, stops)
}

func TestAPlanForeseesWhenAMeanIsDecided(t *testing.T) {
	long(t)
	sigma := math.Sqrt(math.Log(2)) // a coefficient of variation of 1
	for i, x := range []struct {
		factor, margin float64
		dir            Dir
		c              *Crossing
	}{
		{.9, .98, Down, meanCrossing},
		{1, .95, Up, NewCrossing(Prior3(-math.Log(.95)), ln20)},
	} {
		info, drift := MeanInformation(1, x.margin, .5), math.Abs(x.factor-x.margin)
		planned := [2]float64{x.c.Time(drift, .5) / info, x.c.Time(drift, .8) / info}
		tau := map[Dir]float64{Down: .1, Up: -math.Log(.95)}[x.dir]
		s := spending{1, sigma, 0, x.factor, int(planned[1] / 200), steadily(.5, 1000)}
		foreseen(t, fmt.Sprintf("%v of margin %v", x.factor, x.margin), planned,
			s.replay(161+i, 100, meanReaches(x.margin, x.dir, tau)))
	}
}
