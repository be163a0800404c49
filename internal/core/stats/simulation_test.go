package stats

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The acceptance tests in the files that simulate* share what is here. They are
// seeded: a failure is a change of the code, not bad luck. Every one watches a
// stream of requests, looks at it hundreds of times, and counts how often the
// test is wrong, or how long it takes to be right.

// long marks a test that simulates for seconds. It is left out where the tests
// are asked to be short, as under the race detector: nothing here runs at once.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a simulation of seconds")
	}
	t.Parallel()
}

// scale makes the simulations larger: -stats.scale=10 runs each of them ten
// times as often, which is their full size. The limits stay what they are.
var scale = flag.Int("stats.scale", 1, "how many times as often each simulation is run")

// draw is a source of chance for one replication.
type draw struct{ *rand.Rand }

func newDraw(seed, replication int) draw {
	return draw{rand.New(rand.NewPCG(uint64(seed), uint64(replication)))}
}

// binomial draws the number of events among n requests.
func (d draw) binomial(n int, p float64) int {
	switch {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > .5:
		return n - d.binomial(n, 1-p)
	case float64(n)*p < 12:
		// From event to event, over geometric gaps.
		log := math.Log1p(-p)
		k, at := 0, 0
		for {
			at += int(math.Log(1-d.Float64())/log) + 1
			if at > n {
				return k
			}
			k++
		}
	}
	return int(distuv.Binomial{N: float64(n), P: p, Src: d}.Rand())
}

// stage is a period of constant weight and rates.
type stage struct {
	weight  float64 // share of the candidate
	pT, pC  float64
	batches int
}

// stream is a rollout as a gate sees it: batches of requests in stages.
type stream struct {
	batch  int
	stages []stage
}

// steady is a stream at one weight.
func steady(batch, batches int, weight, pT, pC float64) stream {
	return stream{batch: batch, stages: []stage{{weight: weight, pT: pT, pC: pC, batches: batches}}}
}

// run plays the stream once and calls look after each batch until it says stop.
// It returns the number of requests seen, 0 if it was never stopped.
func (s stream) run(d draw, look func(c *Counts) (stop bool)) (requests int) {
	c := &Counts{}
	for _, st := range s.stages {
		c.Strata = append(c.Strata, Stratum{})
		now := &c.Strata[len(c.Strata)-1]
		for range st.batches {
			nT := d.binomial(s.batch, st.weight)
			now.NT += float64(nT)
			now.NC += float64(s.batch - nT)
			now.KT += float64(d.binomial(nT, st.pT))
			now.KC += float64(d.binomial(s.batch-nT, st.pC))
			requests += s.batch
			if look(c) {
				return requests
			}
		}
	}
	return 0
}

// replay runs the stream several times and returns when each was stopped.
func (s stream) replay(seed, replications int, look func(c *Counts) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = s.run(newDraw(seed, r), look)
	}
	return stops
}

// share returns how many of the replications were stopped.
func share(stops []int) float64 {
	n := 0
	for _, s := range stops {
		if s > 0 {
			n++
		}
	}
	return float64(n) / float64(len(stops))
}

// median returns when half of the replications had been stopped, a very large
// number when they were not.
func median(stops []int) int {
	sorted := slices.Clone(stops)
	for i, s := range sorted {
		if s == 0 {
			sorted[i] = math.MaxInt
		}
	}
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)/2]
}

// between fails unless the share lies within the limits.
func between(t *testing.T, name string, got, least, most float64) {
	t.Helper()
	if !(got >= least && got <= most) {
		t.Errorf("%s: %.2f %%, want %.2f %% to %.2f %%", name, 100*got, 100*least, 100*most)
		return
	}
	t.Logf("%s: %.2f %%", name, 100*got)
}

// ratioCeiling returns the largest log-likelihood ratio against lam0. No prior
// can make the log e-value larger, so a look at which it is below the threshold
// needs no integral. It makes the simulations fast and changes none of them.
func (c Counts) ratioCeiling(lam0 float64, dir Dir) float64 {
	ts, ok := c.ratioTilts(lam0, dir.sign(), make([]tilt, 0, stackStrata))
	if !ok {
		return 0
	}
	u := dir.sign() * (c.RatioMLE() - lam0)
	if u <= 0 {
		return 0
	}
	return ts.value(min(u, 60))
}

// ratioReaches reports whether LogERatio reaches the threshold.
func (c Counts) ratioReaches(threshold, lam0 float64, dir Dir, p Prior) bool {
	return c.ratioCeiling(lam0, dir) >= threshold && c.LogERatio(lam0, dir, p) >= threshold
}

// diffCeiling is ratioCeiling for differences.
func (c Counts) diffCeiling(a, m float64, dir Dir) float64 {
	ps, ok := c.profiles(a, m, dir.sign(), make([]profile, 0, stackStrata))
	if !ok {
		return 0
	}
	sum := 0.0
	for i := range ps.strata {
		r := &ps.strata[i]
		b := r.kT/(r.kT+r.fT) - m*r.kC/(r.kC+r.fC)
		if len(ps.strata) > 1 || dir.sign()*(b-a) > 0 {
			sum += r.value(b)
		}
	}
	return sum / ps.phi
}

// diffReaches reports whether LogEDiff reaches the threshold.
func (c Counts) diffReaches(threshold, a, m float64, dir Dir) bool {
	return c.diffCeiling(a, m, dir) >= threshold && c.LogEDiff(a, m, dir, Prior3(a)) >= threshold
}

func TestTheCeilingIsNeverBelowTheEvidence(t *testing.T) {
	t.Parallel()
	d := newDraw(1, 1)
	for range 500 {
		c := randomCounts(d.Rand, .2)
		for _, dir := range []Dir{Up, Down} {
			lam0 := d.NormFloat64()
			if top, got := c.ratioCeiling(lam0, dir), c.LogERatio(lam0, dir, Prior3(.5)); got > top+1e-6*(1+top) {
				t.Errorf("ratio %v above its ceiling %v: %+v at %v", got, top, c, lam0)
			}
			a := .2 * d.Float64()
			if top, got := c.diffCeiling(a, 1, dir), c.LogEDiff(a, 1, dir, Prior3(.05)); got > top+1e-6*(1+top) {
				t.Errorf("difference %v above its ceiling %v: %+v at %v", got, top, c, a)
			}
		}
	}
}

func TestBinomialDrawsHaveTheirMeanAndVariance(t *testing.T) {
	t.Parallel()
	d := newDraw(2, 2)
	for _, c := range []struct {
		n int
		p float64
	}{{100, .005}, {1000, .01}, {200, .5}, {5000, .1}, {60, .9}} {
		const draws = 20000
		sum, squares := 0.0, 0.0
		for range draws {
			k := float64(d.binomial(c.n, c.p))
			sum += k
			squares += k * k
		}
		mean, want := sum/draws, float64(c.n)*c.p
		variance := squares/draws - mean*mean
		sd := math.Sqrt(want * (1 - c.p))
		if math.Abs(mean-want) > 4*sd/math.Sqrt(draws) || math.Abs(variance/(sd*sd)-1) > .05 {
			t.Errorf("n %d, p %v: mean %v of %v, variance %v of %v", c.n, c.p, mean, want, variance, sd*sd)
		}
	}
}
