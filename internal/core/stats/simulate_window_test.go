package stats

import (
	"math"
	"testing"
)

// windowed is a stream in windows of ten seconds: what both arms do in each.
type windowed struct {
	requests int // a window, of both arms
	weight   float64
	windows  int
	// rates are those of a window.
	rates func(d draw, window int) (candidate, baseline float64)
}

// followed is what a gate keeps of the windows: 64 at most, neighbours joined.
type followed struct {
	list []Stratum
	each int // how many of the stream's windows are in one
	open Stratum
	n    int
}

func (f *followed) add(s Stratum) {
	f.open = f.open.plus(s)
	if f.n++; f.n < f.each {
		return
	}
	f.list, f.open, f.n = append(f.list, f.open), Stratum{}, 0
	if len(f.list) <= 64 {
		return
	}
	for i := range 32 {
		f.list[i] = f.list[2*i].plus(f.list[2*i+1])
	}
	f.open, f.n = f.list[64], f.each
	f.list, f.each = f.list[:32], 2*f.each
}

// run plays the stream and looks ten times a window, as in production without the
// window that is open. It returns the window, counted from 1, in which it was
// stopped, 0 if it was never.
func (w windowed) run(d draw, look func(c *Counts, windows []Stratum) bool) int {
	f := &followed{each: 1}
	c := &Counts{Strata: make([]Stratum, 1)}
	const looks = 10
	for window := range w.windows {
		pT, pC := w.rates(d, window)
		before := c.Strata[0]
		for range looks {
			nT := d.binomial(w.requests/looks, w.weight)
			nC := w.requests/looks - nT
			c.Strata[0] = c.Strata[0].plus(Stratum{
				NT: float64(nT), KT: float64(d.binomial(nT, pT)), NC: float64(nC), KC: float64(d.binomial(nC, pC)),
			})
			if look(c, f.list) {
				return window + 1
			}
		}
		now := c.Strata[0]
		f.add(Stratum{NT: now.NT - before.NT, KT: now.KT - before.KT, NC: now.NC - before.NC, KC: now.KC - before.KC})
	}
	return 0
}

func (w windowed) replay(seed, replications int, look func(c *Counts, windows []Stratum) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = w.run(newDraw(seed, r), look)
	}
	return stops
}

// byRatio asks for harm beyond lam0, at the dispersion 1 or at that of the windows.
func byRatio(lam0 float64, tempered bool) func(c *Counts, windows []Stratum) bool {
	return func(c *Counts, windows []Stratum) bool {
		plain := Counts{Strata: c.Strata}
		if plain.ratioCeiling(lam0, Up) < ln20 {
			return false // A dispersion above its floor of 1 only lowers it.
		}
		if phi, ok := WindowPhi(windows); ok && tempered {
			plain.Phi = Dispersion(1, phi)
		}
		return plain.ratioReaches(ln20, lam0, Up, Prior3(.5))
	}
}

// bursts are windows in which one arm, as often this as that, fails more often.
func bursts(rate, factor, often float64) func(draw, int) (float64, float64) {
	return func(d draw, _ int) (float64, float64) {
		pT, pC := rate, rate
		if d.Float64() < often {
			pT *= factor
		}
		if d.Float64() < often {
			pC *= factor
		}
		return pT, pC
	}
}

func TestBurstsOfOneArmDoNotInflateTheEvidence(t *testing.T) {
	long(t)
	// Each arm has five times the errors in some of the windows, by itself, and on
	// average both have the same. Looked at from the thirtieth window on, as before
	// there is no dispersion.
	later := func(look func(*Counts, []Stratum) bool) func(*Counts, []Stratum) bool {
		return func(c *Counts, windows []Stratum) bool { return len(windows) >= MinWindows && look(c, windows) }
	}
	for name, c := range map[string]struct {
		requests                int
		often                   float64
		lam0, least, most, rest float64
	}{
		"1,000 a window, no change":   {1000, .1, ln12, 0, .05, .05},
		"10,000 a window, no change":  {10000, .1, ln12, .08, .05, 1},
		"1,000 a window, the margin":  {1000, .2, 0, .25, .2, 1},
		"10,000 a window, the margin": {10000, .2, 0, .5, .25, 1},
	} {
		s := windowed{requests: c.requests, weight: .5, windows: 360, rates: bursts(.005, 5, c.often)}
		// This guards the test: bursts taken for independent requests must go wrong.
		between(t, name+", as requests", share(s.replay(71, 120, later(byRatio(c.lam0, false)))), c.least, 1)
		between(t, name+", as windows", share(s.replay(71, 120, later(byRatio(c.lam0, true)))), 0, c.most)
	}
}

func TestWindowsCostNextToNothingWithoutBursts(t *testing.T) {
	long(t)
	steady := func(ratio float64) func(draw, int) (float64, float64) {
		return func(draw, int) (float64, float64) { return .005 * ratio, .005 }
	}
	for name, s := range map[string]windowed{
		"100 requests a window, half at the candidate": {requests: 100, weight: .5, windows: 600, rates: steady(2)},
		"1,000 requests, a hundredth":                  {requests: 1000, weight: .01, windows: 900, rates: steady(2)},
	} {
		plain, tempered := s.replay(73, 100, byRatio(ln12, false)), s.replay(73, 100, byRatio(ln12, true))
		if a, b := median(plain), median(tempered); float64(b) > 1.1*float64(a) || share(tempered) < .5 {
			t.Errorf("%s: twice the errors are found in window %d, with windows in %d", name, a, b)
		} else {
			t.Logf("%s: window %d, with windows %d", name, a, b)
		}
	}
	null := windowed{requests: 1000, weight: .1, windows: 360, rates: steady(1.2)}
	between(t, "on the margin", share(null.replay(74, 120, byRatio(ln12, true))), 0, .05)
}

// A window is 80 s long after an hour, eight of those that are played.
func TestARegressionAfterAnHourOfQuietIsNoBurst(t *testing.T) {
	long(t)
	const hour, long = 360, 8
	for name, c := range map[string]struct {
		requests       int
		weight, factor float64
		most           int // windows until half are found
	}{
		"x20, 6,000 a minute, half":          {1000, .5, 20, 2},
		"x20, 60,000 a minute, a hundredth":  {10000, .01, 20, 3},
		"x5, 60,000 a minute, half":          {10000, .5, 5, 5},
		"all fail, 600 a minute, a tenth":    {100, .1, 200, 2},
		"all fail, 6,000 a minute, a tenth":  {1000, .1, 200, 1},
		"all fail, 60,000 a minute, a tenth": {10000, .1, 200, 1},
	} {
		s := windowed{requests: c.requests, weight: c.weight, windows: 2 * hour, rates: func(_ draw, window int) (float64, float64) {
			if window >= hour {
				return .005 * c.factor, .005
			}
			return .005, .005
		}}
		plain, tempered := median(s.replay(75, 30, byRatio(ln12, false))), median(s.replay(75, 30, byRatio(ln12, true)))
		if tempered > hour+c.most*long {
			t.Errorf("%s: found %d s after it began, without windows %d s", name, 10*(tempered-hour), 10*(plain-hour))
			continue
		}
		t.Logf("%s: found %d s after it began, without windows %d s", name, 10*(tempered-hour), 10*(plain-hour))
	}
}

func TestWhatBothArmsShareIsNoBurst(t *testing.T) {
	long(t)
	drift := func(w int) float64 { return .002 + .00005*float64(w) }
	incident := func(w int) float64 { return .005 + .3*float64(w/30%5/4) }
	alike := func(p float64) (float64, float64) { return p, p }
	difference := func(windows []Stratum) Bursts { return DiffBursts(windows, 1) }
	for name, c := range map[string]struct {
		rates func(d draw, window int) (candidate, baseline float64)
		of    []func([]Stratum) Bursts
	}{
		"nothing":                            {func(draw, int) (float64, float64) { return alike(.005) }, []func([]Stratum) Bursts{RatioBursts, difference}},
		"few events":                         {func(draw, int) (float64, float64) { return alike(.0005) }, []func([]Stratum) Bursts{RatioBursts, difference}},
		"a drift":                            {func(_ draw, w int) (float64, float64) { return alike(drift(w)) }, []func([]Stratum) Bursts{RatioBursts, difference}},
		"an incident":                        {func(_ draw, w int) (float64, float64) { return alike(incident(w)) }, []func([]Stratum) Bursts{RatioBursts, difference}},
		"shared bursts":                      {func(d draw, _ int) (float64, float64) { return alike(.005 * math.Exp(d.NormFloat64())) }, []func([]Stratum) Bursts{RatioBursts, difference}},
		"a drift and a ratio of 1.5":         {func(_ draw, w int) (float64, float64) { return 1.5 * drift(w), drift(w) }, []func([]Stratum) Bursts{RatioBursts}},
		"a drift and a difference of .01":    {func(_ draw, w int) (float64, float64) { return .01 + drift(w), drift(w) }, []func([]Stratum) Bursts{difference}},
		"an incident and a difference of .2": {func(_ draw, w int) (float64, float64) { return .2 + incident(w), incident(w) }, []func([]Stratum) Bursts{difference}},
	} {
		for _, weight := range []float64{.02, .5} {
			s := windowed{requests: 1000, weight: weight, windows: 400, rates: c.rates}
			sums := make([]float64, len(c.of))
			replications := 30 * *scale
			for r := range replications {
				var last []Stratum
				s.run(newDraw(76, r), func(_ *Counts, windows []Stratum) bool {
					last = windows
					return false
				})
				for i, of := range c.of {
					phi, _ := of(last).Phi()
					sums[i] += phi
				}
			}
			for i := range sums {
				if phi := sums[i] / float64(replications); !(phi > .75 && phi < 1.12) {
					t.Errorf("%s at a weight of %v: mean dispersion %.2f", name, weight, phi)
				}
			}
		}
	}
}
