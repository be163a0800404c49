package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// even fills buckets with Poisson-like counts: exposures n, each bad with
// probability rate, independent of the others.
func even(r *rand.Rand, n int, rate float64) (k, all []float64) {
	k, all = make([]float64, 256), make([]float64, 256)
	for range n {
		j := r.IntN(256)
		all[j]++
		if r.Float64() < rate {
			k[j]++
		}
	}
	return k, all
}

func TestIndependentRequestsHaveADispersionOfOne(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	sums := map[string]float64{}
	const reps = 40
	for range reps {
		var b Buckets
		b.KT, b.NT = even(r, 6000, .02)
		b.KC, b.NC = even(r, 14000, .02)
		sums["ratio"] += SandwichPhi([]Buckets{b}, 0)
		sums["ratio, at the margin"] += ScorePhi([]Buckets{b}, 0)
		sums["difference"] += DiffPhi([]Buckets{b}, 1)
		sums["one sample"] += BernoulliPhi(b.KT, b.NT)
	}
	for name, sum := range sums {
		// The mean of 40 has a standard error of sqrt(2/255/40) = 0.014.
		if mean := sum / reps; math.Abs(mean-1) > .045 {
			t.Errorf("%s: mean dispersion %v, want 1", name, mean)
		}
	}
}

func TestFrequentEventsAreLessDispersedThanACount(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	var b Buckets
	b.KT, b.NT = even(r, 40000, .5)
	b.KC, b.NC = even(r, 40000, .5)
	if got := SandwichPhi([]Buckets{b}, 0); math.Abs(got-.5) > .15 {
		t.Errorf("ratio: %v, want 1-p = 0.5", got)
	}
	if got := DiffPhi([]Buckets{b}, 1); math.Abs(got-1) > .3 {
		t.Errorf("difference: %v, want 1", got)
	}
	c := Counts{Strata: []Stratum{{NT: 40000, KT: 20000, NC: 40000, KC: 20000}}}
	if got := c.PhiFloor(); got != .5 {
		t.Errorf("floor %v, want 0.5", got)
	}
	rare := Counts{Strata: []Stratum{{NT: 40000, KT: 3999, NC: 40000, KC: 3999}}}
	if got := rare.PhiFloor(); got != 1 {
		t.Errorf("floor of rare events %v, want 1", got)
	}
}

// repeated returns the buckets as if each unit had made n requests that all
// went the same way.
func repeated(xs []float64, n float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = n * x
	}
	return out
}

func TestRequestsInStepMultiplyTheDispersion(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	var b Buckets
	b.KT, b.NT = even(r, 6000, .02)
	b.KC, b.NC = even(r, 6000, .02)
	ten := Buckets{KT: repeated(b.KT, 10), NT: repeated(b.NT, 10), KC: repeated(b.KC, 10), NC: repeated(b.NC, 10)}
	for name, got := range map[string]float64{
		"ratio":      SandwichPhi([]Buckets{ten}, .1) / SandwichPhi([]Buckets{b}, .1),
		"one sample": BernoulliPhi(ten.KT, ten.NT) / BernoulliPhi(b.KT, b.NT),
		"difference": DiffPhi([]Buckets{ten}, 1) / DiffPhi([]Buckets{b}, 1),
	} {
		if math.Abs(got-10) > .1 {
			t.Errorf("%s: %v times, want 10", name, got)
		}
	}
}

func TestAUnitInTwoStrataCountsOnce(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	var b Buckets
	b.KT, b.NT = even(r, 6000, .02)
	b.KC, b.NC = even(r, 6000, .02)
	// The same units in the same arms, twice: the scores add before they are
	// squared, so the dispersion doubles.
	once, twice := SandwichPhi([]Buckets{b}, 0), SandwichPhi([]Buckets{b, b}, 0)
	if math.Abs(twice/once-2) > 1e-9 {
		t.Errorf("ratio: %v and %v, want twice as much", once, twice)
	}
	// The same units with their arms exchanged: what one stratum holds against
	// the candidate, the other holds against the baseline.
	other := Buckets{KT: b.KC, NT: b.NC, KC: b.KT, NC: b.NT}
	if got := SandwichPhi([]Buckets{b, other}, 0); got > .2*once {
		t.Errorf("ratio, arms exchanged: %v, want next to nothing", got)
	}
	once, twice = DiffPhi([]Buckets{b}, 1), DiffPhi([]Buckets{b, b}, 1)
	if math.Abs(twice/once-2) > 1e-9 {
		t.Errorf("difference: %v and %v, want twice as much", once, twice)
	}
}

func TestTheDispersionOfADifferenceByHand(t *testing.T) {
	t.Parallel()
	b := Buckets{
		KT: []float64{10, 0}, NT: []float64{100, 100},
		KC: []float64{6, 4}, NC: []float64{200, 200},
	}
	// Rates 5 % and 2.5 %; residuals +-5 of 200 and +-1 of 400.
	pT, pC := 10.5/201, 10.5/401
	v := pT*(1-pT)/200 + .25*pC*(1-pC)/400
	u := (5.0/200 - .5*1.0/400) / v
	check(t, map[string]known{
		"difference": {DiffPhi([]Buckets{b}, .5), 2 * 2 * u * u * v, 9},
		"one sample": {BernoulliPhi(b.KT, b.NT), 2 * 50 / (10 * .95), 9},
	})
}

func TestDispersionOfWhatSaysNothingIsOne(t *testing.T) {
	t.Parallel()
	zero := make([]float64, 256)
	n := repeated(zero, 0)
	for j := range n {
		n[j] = 10
	}
	clean := Buckets{KT: zero, NT: n, KC: zero, NC: n}
	for name, got := range map[string]float64{
		"no stratum":             SandwichPhi(nil, 0),
		"one bucket":             SandwichPhi([]Buckets{{KT: []float64{1}, NT: []float64{2}, KC: []float64{1}, NC: []float64{2}}}, 0),
		"no event":               SandwichPhi([]Buckets{clean}, 0),
		"no exposure":            SandwichPhi([]Buckets{{KT: zero, NT: zero, KC: zero, NC: zero}}, 0),
		"estimate is NaN":        SandwichPhi([]Buckets{clean}, math.NaN()),
		"no stratum, score":      ScorePhi(nil, 0),
		"no event, score":        ScorePhi([]Buckets{clean}, 0),
		"slices missing":         SandwichPhi([]Buckets{{KT: n, NT: n}}, 0),
		"difference, no stratum": DiffPhi(nil, 1),
		"difference, one arm":    DiffPhi([]Buckets{{KT: zero, NT: n, KC: zero, NC: zero}}, 1),
		"one sample, no event":   BernoulliPhi(zero, n),
		"one sample, all events": BernoulliPhi(n, n),
		"one sample, nothing":    BernoulliPhi(nil, nil),
	} {
		if got != 1 {
			t.Errorf("%s: %v, want 1", name, got)
		}
	}
	// No event at all is no dispersion, which the floor corrects.
	if got := Dispersion(1, DiffPhi([]Buckets{clean}, 1)); got != 1 {
		t.Errorf("difference, no event, with its floor: %v, want 1", got)
	}
}

func TestAnImpossibleBucketLeavesNoEvidence(t *testing.T) {
	t.Parallel()
	n := []float64{10, 10}
	for name, bad := range map[string]float64{"NaN": math.NaN(), "negative": -1, "infinite": math.Inf(1)} {
		b := Buckets{KT: []float64{1, bad}, NT: n, KC: n, NC: n}
		for test, phi := range map[string]float64{
			"ratio": SandwichPhi([]Buckets{b}, 0), "difference": DiffPhi([]Buckets{b}, 1),
			"one sample": BernoulliPhi(b.KT, b.NT), "floored": Dispersion(1, bad*bad, math.NaN()),
		} {
			if !math.IsInf(phi, 1) {
				t.Errorf("%s, %s: %v, want +Inf", name, test, phi)
			}
			c := Counts{Strata: caseC.Strata, Phi: phi}
			if got := c.LogERatio(0, Up, Prior3(.5)); got != 0 {
				t.Errorf("%s, %s: evidence %v, want 0", name, test, got)
			}
		}
	}
	if got := DiffPhi(nil, math.NaN()); !math.IsInf(got, 1) {
		t.Errorf("a slope that cannot be: %v, want +Inf", got)
	}
}

func TestTheEstimateIsHeldWithinItsLimits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	var b Buckets
	b.KT, b.NT = even(r, 3000, .02)
	b.KC, b.NC = even(r, 3000, .02)
	for _, beyond := range []float64{6, 100, math.Inf(1)} {
		for _, sign := range []float64{1, -1} {
			got, want := SandwichPhi([]Buckets{b}, sign*beyond), SandwichPhi([]Buckets{b}, sign*5)
			if got != want {
				t.Errorf("at %v: %v, want %v as at the limit", sign*beyond, got, want)
			}
		}
	}
}

func TestOneUnitWithManyErrorsIsOneUnit(t *testing.T) {
	t.Parallel()
	// Thirty errors of one unit at the candidate, none at the baseline.
	b := buckets()
	for j := range b.NT {
		b.NT[j], b.NC[j] = 10, 10
	}
	b.KT[17] = 30
	c := Counts{Strata: []Stratum{{NT: 2560, KT: 30, NC: 2560}}}
	for name, phi := range map[string]float64{
		"ratio": ScorePhi([]Buckets{b}, ln12), "difference": DiffPhi([]Buckets{b}, 1), "one sample": BernoulliPhi(b.KT, b.NT),
	} {
		if phi < 25 {
			t.Errorf("%s: dispersion %v, want about 30", name, phi)
		}
	}
	// The textbook sandwich does not see it, which is why it is not judged by.
	if phi := SandwichPhi([]Buckets{b}, c.RatioMLE()); phi > 2 {
		t.Errorf("sandwich at the estimate: %v; then its doc is wrong", phi)
	}
	c.Phi = Dispersion(c.PhiFloor(), ScorePhi([]Buckets{b}, ln12))
	if got := c.LogERatio(ln12, Up, Prior3(.5)); got > 1 {
		t.Errorf("evidence of one unit: %v", got)
	}
}

func TestAtTheEstimateScoreAndSandwichAreOne(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(13, 14))
	var b Buckets
	b.KT, b.NT = even(r, 6000, .03)
	b.KC, b.NC = even(r, 6000, .02)
	s, _ := b.total()
	mle := Counts{Strata: []Stratum{s}}.RatioMLE()
	if got, want := ScorePhi([]Buckets{b}, mle), SandwichPhi([]Buckets{b}, mle); math.Abs(got-want) > 1e-9 {
		t.Errorf("score %v, sandwich %v", got, want)
	}
}

func TestTheSmallerArmIsAtLeastAsDispersed(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(15, 16))
	// The baseline's errors come from a few units; the candidate has met none of
	// them.
	var b Buckets
	b.KT, b.NT = even(r, 2000, .02)
	b.KC, b.NC = even(r, 98000, .01)
	for j := range 8 {
		b.KC[j] += 120
		b.NC[j] += 400
	}
	for name, phi := range map[string]float64{
		"ratio": ScorePhi([]Buckets{b}, 0), "difference": DiffPhi([]Buckets{b}, 1),
	} {
		if alone := BernoulliPhi(b.KT, b.NT); phi < 10 || alone > 2 {
			t.Errorf("%s: dispersion %v, that of the candidate alone %v", name, phi, alone)
		}
	}
	// What is seen of the candidate is believed when it is more than that.
	swapped := Buckets{KT: b.KC, NT: b.NC, KC: b.KT, NC: b.NT}
	if x, y := DiffPhi([]Buckets{b}, 1), DiffPhi([]Buckets{swapped}, 1); math.Abs(x-y) > 1e-9 {
		t.Errorf("difference %v, arms exchanged %v", x, y)
	}
	check(t, map[string]known{
		"as large":       {Lift(ArmSpread{100, 5, 10}, ArmSpread{100, 90, 10}), 0, 12},
		"half as large":  {Lift(ArmSpread{50, 5, 10}, ArmSpread{100, 90, 30}), 12.5, 12},
		"other way":      {Lift(ArmSpread{100, 90, 30}, ArmSpread{50, 5, 10}), 12.5, 12},
		"more dispersed": {Lift(ArmSpread{50, 50, 10}, ArmSpread{100, 90, 30}), 0, 12},
		"nothing seen":   {Lift(ArmSpread{50, 5, 0}, ArmSpread{100, 90, 30}), 0, 12},
		"no baseline":    {Lift(ArmSpread{50, 5, 10}, ArmSpread{}), 0, 12},
	})
}

func TestTheFloorIsThatOfTheRarestRate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		strata []Stratum
		want   float64
	}{
		"nothing":              {nil, 1},
		"an empty arm":         {[]Stratum{{NT: 10, KT: 5}}, 1},
		"frequent":             {[]Stratum{{100, 20, 100, 30}}, .8},
		"one arm rare":         {[]Stratum{{100, 20, 100, 9}}, 1},
		"one stage rare":       {[]Stratum{{100, 20, 100, 30}, {100, 1, 100, 30}}, 1},
		"nothing but events":   {[]Stratum{{100, 100, 100, 100}}, .5},
		"an impossible stage":  {[]Stratum{{100, 20, 100, 30}, {math.NaN(), 1, 1, 1}}, .8},
		"exactly ten per cent": {[]Stratum{{100, 10, 100, 30}}, .9},
	} {
		if got := (Counts{Strata: test.strata}).PhiFloor(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestTheLargestDispersionWins(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want float64 }{
		"floor":       {Dispersion(1, .3, .9), 1},
		"estimate":    {Dispersion(.5, .7, 2.5, 1), 2.5},
		"floor alone": {Dispersion(.6), .6},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
}
