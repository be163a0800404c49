package stats

import (
	"math"
	"testing"
)

// sketch is a logarithmic histogram with edges gamma^i, gamma = 1.1^(1/10), so
// that an edge times the margin 1.1 is again an edge, ten further.
type sketch struct {
	n   [600]float64
	all float64
}

const (
	sketchShift  = 10 // edges in a factor of 1.1
	sketchOffset = 200
)

var sketchLog = math.Log(1.1) / sketchShift

func (s *sketch) add(log float64) {
	i := int(math.Floor(log/sketchLog)) + sketchOffset
	s.n[max(0, min(i, len(s.n)-1))]++
	s.all++
}

// above returns how many values lie at or above an edge.
func (s *sketch) above(edge int) float64 {
	sum := 0.0
	for i := len(s.n) - 1; i >= edge; i-- {
		sum += s.n[i]
	}
	return sum
}

// edge returns the edge nearest to the quantile that the share p exceeds.
func (s *sketch) edge(p float64) (edge int, exceeding float64) {
	want, sum := p*s.all, 0.0
	for i := len(s.n) - 1; i >= 0; i-- {
		next := sum + s.n[i]
		if next >= want {
			if want-sum < next-want {
				return i + 1, sum
			}
			return i, next
		}
		sum = next
	}
	return 0, sum
}

// latencies plays a stream of lognormal latencies, the candidate's slower by
// the factor exp(slower), and looks at the exceedances of the baseline's
// quantile. It returns the requests seen when look said stop, 0 if never.
type latencies struct {
	weight, slower, tail float64 // tail is the share above the quantile
	batch, batches       int
}

func (l latencies) run(d draw, look func(c Counts) bool) int {
	var candidate, baseline sketch
	for b := range l.batches {
		nT := d.binomial(l.batch, l.weight)
		for range nT {
			candidate.add(.5*d.NormFloat64() + l.slower)
		}
		for range l.batch - nT {
			baseline.add(.5 * d.NormFloat64())
		}
		if baseline.all < 50 || candidate.all == 0 {
			continue
		}
		edge, kC := baseline.edge(l.tail)
		c := Counts{Strata: []Stratum{{NT: candidate.all, KT: candidate.above(edge + sketchShift), NC: baseline.all, KC: kC}}}
		// Frequent exceedances are binomial, not Poisson: 1-p for the median.
		c.Phi = Dispersion(c.PhiFloor())
		if l.tail < .1 {
			c.Phi = 1
		}
		if look(c) {
			return l.batch * (b + 1)
		}
	}
	return 0
}

func (l latencies) replay(seed, replications int, look func(c Counts) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = l.run(newDraw(seed, r), look)
	}
	return stops
}

func TestLatencyExactlyAtItsMargin(t *testing.T) {
	long(t)
	fails := func(c Counts) bool { return c.ratioReaches(ln20, 0, Up, Prior3(.5)) }
	passes := func(c Counts) bool { return c.ratioReaches(ln20, 0, Down, Prior3(.5)) }
	p99 := latencies{weight: .5, slower: ln11, tail: .01, batch: 250, batches: 120}
	between(t, "p99, rolled back", share(p99.replay(31, 300, fails)), .002, .05)
	between(t, "p99, passed", share(p99.replay(32, 300, passes)), .002, .05)
	p50 := latencies{weight: .5, slower: ln11, tail: .5, batch: 250, batches: 120}
	between(t, "p50, rolled back", share(p50.replay(33, 300, fails)), .002, .05)
}

func TestASlowerTailIsFoundInTime(t *testing.T) {
	long(t)
	slow := latencies{weight: .5, slower: ln12, tail: .01, batch: 250, batches: 160}
	stops := slow.replay(34, 200, func(c Counts) bool { return c.ratioReaches(ln20, 0, Up, Prior3(.5)) })
	if t50 := median(stops); t50 < 8_000 || t50 > 13_000 {
		t.Errorf("half are found after %d requests, want 8,000 to 13,000", t50)
	} else {
		t.Logf("half are found after %d requests", t50)
	}
}
