package stats

import (
	"math"
	"testing"
)

var (
	nan  = math.NaN()
	inf  = math.Inf(1)
	some = Stratum{NT: 1000, KT: 30, NC: 9000, KC: 40}
)

// silent are counts that must give no verdict by any test of two arms.
var silent = map[string]Counts{
	"no stratum":                 {},
	"no exposure":                {Strata: []Stratum{{}}},
	"empty candidate":            {Strata: []Stratum{{NC: 1000, KC: 10}}},
	"empty baseline":             {Strata: []Stratum{{NT: 1000, KT: 10}}},
	"each arm in its own period": {Strata: []Stratum{{NT: 1000, KT: 10}, {NC: 1000, KC: 10}}},
	"NaN exposures":              {Strata: []Stratum{{NT: nan, KT: 30, NC: 9000, KC: 40}}},
	"NaN events":                 {Strata: []Stratum{{NT: 1000, KT: nan, NC: 9000, KC: 40}}},
	"NaN beside sense":           {Strata: []Stratum{some, {NT: 1000, KT: 30, NC: 9000, KC: nan}}},
	"infinite exposures":         {Strata: []Stratum{{NT: 1000, KT: 30, NC: inf, KC: 40}}},
	"infinite beside sense":      {Strata: []Stratum{some, {NT: inf, KT: inf, NC: 1, KC: 1}}},
	"negative exposures":         {Strata: []Stratum{{NT: -1000, KT: 30, NC: 9000, KC: 40}}},
	"negative events":            {Strata: []Stratum{some, {NT: 1000, KT: -1, NC: 9000, KC: 40}}},
	"NaN dispersion":             {Strata: []Stratum{some}, Phi: nan},
	"infinite dispersion":        {Strata: []Stratum{some}, Phi: inf},
	"negative dispersion":        {Strata: []Stratum{some}, Phi: -1},
}

func TestCountsThatCannotBeGiveNoVerdict(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	for name, c := range silent {
		for _, dir := range []Dir{Up, Down} {
			for test, got := range map[string]float64{
				"ratio": c.LogERatio(ln12, dir, p),
				"diff":  c.LogEDiff(.01, 1, dir, p),
				"fail":  c.LogEIgnoreFail(ln12, .001, p),
			} {
				if got != 0 {
					t.Errorf("%s: %s %s is %v, want 0", name, test, dir, got)
				}
			}
			want := math.Inf(-int(dir))
			if got := c.RatioBound(ln20, dir, p); got != want {
				t.Errorf("%s: ratio bound %s is %v, want %v", name, dir, got, want)
			}
			if got := c.DiffBound(1, ln20, dir, p); got != want {
				t.Errorf("%s: difference bound %s is %v, want %v", name, dir, got, want)
			}
		}
		if got := c.RatioMLE(); math.IsNaN(got) {
			t.Errorf("%s: ratio estimate is NaN", name)
		}
		if got := c.DiffMLE(1); math.IsNaN(got) {
			t.Errorf("%s: difference estimate is NaN", name)
		}
		if got := c.PhiFloor(); !(got > 0 && got <= 1) {
			t.Errorf("%s: floor %v", name, got)
		}
	}
}

func TestMarginsThatCannotBeGiveNoVerdict(t *testing.T) {
	t.Parallel()
	c, p := Counts{Strata: []Stratum{some}}, Prior3(.5)
	for name, got := range map[string]float64{
		"ratio, NaN":            c.LogERatio(nan, Up, p),
		"ratio, infinite":       c.LogERatio(-inf, Up, p),
		"ratio, no direction":   c.LogERatio(0, 0, p),
		"diff, NaN":             c.LogEDiff(nan, 1, Up, p),
		"diff, everything":      c.LogEDiff(1, 1, Up, p),
		"diff, nothing":         c.LogEDiff(-1, 1, Down, p),
		"diff, no slope":        c.LogEDiff(.1, 0, Up, p),
		"diff, negative slope":  c.LogEDiff(.1, -1, Up, p),
		"diff, NaN slope":       c.LogEDiff(.1, nan, Up, p),
		"diff, no direction":    c.LogEDiff(.1, 1, 0, p),
		"ignore, NaN margin":    c.LogEIgnoreFail(nan, .001, p),
		"ignore, NaN level":     c.LogEIgnoreFail(ln12, nan, p),
		"ignore, negative":      c.LogEIgnoreFail(ln12, -1, p),
		"ignore, everything":    c.LogEIgnoreFail(ln12, 1, p),
		"pass, NaN margin":      c.LogEIgnorePass(nan, .001, p),
		"pass, NaN level":       c.LogEIgnorePass(ln12, nan, p),
		"pass, everything":      c.LogEIgnorePass(ln12, 1, p),
		"one sample, NaN rate":  LogEBernoulli(3, 10, nan, 1, Up, p),
		"one sample, rate 0":    LogEBernoulli(3, 10, 0, 1, Up, p),
		"one sample, rate 1":    LogEBernoulli(3, 10, 1, 1, Down, p),
		"one sample, nothing":   LogEBernoulli(0, 0, .1, 1, Up, p),
		"one sample, too many":  LogEBernoulli(11, 10, .1, 1, Up, p),
		"one sample, NaN":       LogEBernoulli(nan, 10, .1, 1, Up, p),
		"one sample, phi NaN":   LogEBernoulli(3, 10, .1, nan, Up, p),
		"one sample, no dir":    LogEBernoulli(3, 10, .1, 1, 0, p),
		"normal, NaN":           LogENormal(nan, 100, .5),
		"normal, infinite":      LogENormal(inf, 100, .5),
		"normal, no info":       LogENormal(3, 0, .5),
		"normal, negative info": LogENormal(3, -1, .5),
		"normal, infinite info": LogENormal(3, inf, .5),
		"normal, scale 0":       LogENormal(3, 100, 0),
		"srm, NaN":              LogESRM(nan, 10, .5, 1000),
		"srm, negative":         LogESRM(10, -10, .5, 1000),
		"srm, weight 0":         LogESRM(10, 10, 0, 1000),
		"srm, weight 1":         LogESRM(10, 10, 1, 1000),
		"srm, no kappa":         LogESRM(10, 10, .5, 0),
		"srm, NaN kappa":        LogESRM(10, 10, .5, nan),
	} {
		if got != 0 {
			t.Errorf("%s: %v, want 0", name, got)
		}
	}
}

func TestMoreEventsThanExposuresGiveNoVerdictWhereRatesAreMeant(t *testing.T) {
	t.Parallel()
	c, p := Counts{Strata: []Stratum{{NT: 10, KT: 11, NC: 100, KC: 3}}}, Prior3(.5)
	if got := c.LogEDiff(.01, 1, Up, p); got != 0 {
		t.Errorf("difference %v, want 0", got)
	}
	if got := c.LogEIgnoreFail(ln12, .001, p); got != 0 {
		t.Errorf("ignoreBelow %v, want 0", got)
	}
	if got := c.LogEIgnorePass(ln12, .001, p); got != 0 {
		t.Errorf("ignoreBelow, pass %v, want 0", got)
	}
	// A ratio of counts (retries per request, say) may be above one.
	if got := c.LogERatio(0, Up, p); !(got > 3) {
		t.Errorf("ratio %v, want evidence", got)
	}
}

func TestTheRoundingOfSumsIsForgiven(t *testing.T) {
	t.Parallel()
	sum := 0.0
	for range 10 {
		sum += .1
	}
	// sum is less than 1 by rounding, although all events are exposures.
	c := Counts{Strata: []Stratum{{NT: sum, KT: 1, NC: 50, KC: 2}}}
	if got := c.LogEDiff(.01, 1, Up, Prior3(.01)); !(got > 0) {
		t.Errorf("difference %v, want evidence", got)
	}
}

func TestStrataThatSayNothingChangeNothing(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	more := Counts{Strata: append([]Stratum{{}, {NT: 5000}, {NC: 90, KC: 3}}, caseC.Strata...)}
	for name, f := range map[string]func(Counts) float64{
		"ratio":  func(c Counts) float64 { return c.LogERatio(0, Up, p) },
		"diff":   func(c Counts) float64 { return c.LogEDiff(.005, 1, Down, Prior3(.005)) },
		"ignore": func(c Counts) float64 { return c.LogEIgnoreFail(0, .001, p) },
		"bound":  func(c Counts) float64 { return c.RatioBound(ln20, Up, p) },
		"mle":    func(c Counts) float64 { return c.RatioMLE() },
		"diffs":  func(c Counts) float64 { return c.DiffMLE(1) },
	} {
		if got, want := f(more), f(caseC); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestZeroEventsArePassedOnlyWhereAMarginAllowsIt(t *testing.T) {
	t.Parallel()
	clean := Counts{Strata: []Stratum{{NT: 20000, NC: 20000}}}
	if got := clean.LogERatio(ln12, Down, Prior3(ln12)); got != 0 {
		t.Errorf("a ratio of nothing to nothing: %v, want 0", got)
	}
	if got := clean.LogEDiff(.005, 1, Down, Prior3(.005)); !(got > ln20) {
		t.Errorf("a difference: %v, want a pass", got)
	}
	if got := clean.LogEIgnorePass(ln12, .001, Prior3(ln12)); !(got > ln20) {
		t.Errorf("below the level: %v, want a pass", got)
	}
	if got := clean.LogEIgnoreFail(ln12, .001, Prior3(.5)); !(got < 0) {
		t.Errorf("fail side below the level: %v, want less than 0", got)
	}
}

func TestACleanCandidatePassesAfterSixOverTheLevel(t *testing.T) {
	t.Parallel()
	passed := func(level, n float64) bool {
		c := Counts{Strata: []Stratum{{NT: n, NC: 99 * n}}}
		return c.LogEIgnorePass(ln12, level, Prior3(ln12)) >= ln20
	}
	for _, level := range []float64{.0005, .001} {
		if passed(level, 5.5/level) || !passed(level, 6.2/level) {
			t.Errorf("level %v: passed at 5.5/level %v, at 6.2/level %v", level, passed(level, 5.5/level), passed(level, 6.2/level))
		}
	}
}

func TestADifferenceNeedsRoomToBePassed(t *testing.T) {
	t.Parallel()
	p := Prior3(.01)
	// 99 % of the traffic at the candidate: the baseline is the small arm.
	short := Counts{Strata: []Stratum{{NT: 29601, NC: 299}}}
	enough := Counts{Strata: []Stratum{{NT: 29799, NC: 301}}}
	if got := short.LogEDiff(.01, 1, Down, p); got > 0 {
		t.Errorf("299 requests at the baseline: %v, want no pass", got)
	}
	if got := enough.LogEDiff(.01, 1, Down, p); !(got > 0) {
		t.Errorf("301 requests at the baseline: %v, want evidence", got)
	}
	// Dispersed counts hold fewer requests' worth.
	enough.Phi = 1.1
	if got := enough.LogEDiff(.01, 1, Down, p); got > 0 {
		t.Errorf("301 dispersed requests: %v, want no pass", got)
	}
	// The bound stops at the same floor.
	if got, want := short.DiffBound(1, math.Log(2), Down, p), 3.0/299; math.Abs(got-want) > 1e-12 {
		t.Errorf("bound %v, want %v", got, want)
	}
	// A failure needs no room.
	harmed := Counts{Strata: []Stratum{{NT: 290, KT: 40, NC: 290}}}
	if got := harmed.LogEDiff(.01, 1, Up, p); !(got > ln20) {
		t.Errorf("40 of 290 failed: %v, want a fail", got)
	}
}

func TestHugeCountsDoNotOverflow(t *testing.T) {
	t.Parallel()
	p := Prior3(.5)
	equal := Counts{Strata: []Stratum{{NT: 1e12, KT: 1e9, NC: 1e12, KC: 1e9 + 5e4}}}
	worse := Counts{Strata: []Stratum{{NT: 1e12, KT: 1.3e9, NC: 1e12, KC: 1e9}}}
	for name, ok := range map[string]bool{
		"equal passes":            equal.LogERatio(ln12, Down, Prior3(ln12)) > 1e6,
		"equal does not fail":     equal.LogERatio(0, Up, p) < ln20,
		"worse fails":             worse.LogERatio(ln12, Up, p) > 1e5,
		"worse fails, diff":       worse.LogEDiff(.0001, 1, Up, Prior3(.0001)) > 1e5,
		"equal passes, diff":      equal.LogEDiff(.0001, 1, Down, Prior3(.0001)) > 1e5,
		"worse fails, ignore":     worse.LogEIgnoreFail(ln12, .0001, p) > 1e5,
		"bound is near 1.3":       math.Abs(worse.RatioBound(ln20, Up, p)-math.Log(1.3)) < 1e-3,
		"difference is near 3e-4": math.Abs(worse.DiffBound(1, ln20, Up, Prior3(1e-4))-3e-4) < 1e-6,
		"one sample":              LogEBernoulli(1e9, 1e12, .0009, 1, Up, p) > 1e5,
		"srm, equal":              LogESRM(5e11, 5e11, .5, 1000) < -5,
		"srm, unequal":            LogESRM(5e11, 5e11+1e8, .5, 1000) > 100,
	} {
		if !ok {
			t.Errorf("%s: it does not", name)
		}
	}
}

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	c, p := benchCounts(5), Prior3(.5)
	for name, f := range map[string]func(){
		"LogERatio":      func() { sink = c.LogERatio(ln12, Up, p) },
		"LogEDiff":       func() { sink = c.LogEDiff(.005, 1, Down, p) },
		"LogEIgnoreFail": func() { sink = c.LogEIgnoreFail(ln12, .001, p) },
		"LogEIgnorePass": func() { sink = c.LogEIgnorePass(ln12, .001, p) },
		"LogEBernoulli":  func() { sink = LogEBernoulli(8, 200, .01, 1, Up, p) },
		"RatioBound":     func() { sink = c.RatioBound(ln20, Up, p) },
		"LogESRM":        func() { sink = LogESRM(60, 9940, .01, 1000) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
