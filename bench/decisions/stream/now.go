package stream

import (
	"math"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Now is what the last minute was expected to show of both arms.
type Now struct {
	Errors [split.Arms]float64 // shares of the requests that fail
	// Successes are shares of the reports, by outcome and arm.
	Successes [maxOutcomes][split.Arms]float64

	latencies *latencies
	shapes    [split.Arms]*shape
}

// Now returns what the minute that was drawn last was expected to show.
func (s *Stream) Now() Now {
	w, at := s.world, &s.out.condition
	n := Now{latencies: w.model.lat}
	for arm := range split.Arms {
		c := s.crowd(arm)
		total := c.total()
		n.Errors[arm] = w.errors(c, &at.arms[arm]) / total
		n.shapes[arm] = w.latency(c, &at.arms[arm])
		for i := range w.model.Baseline.Outcomes {
			n.Successes[i][arm] = w.successes(c, &at.arms[arm], i) / total
		}
	}
	return n
}

// Longer is the factor by which all latencies of the baseline would have to grow
// for as many to exceed its 99th percentile times a margin as do at the candidate.
func (n *Now) Longer(margin float64) float64 {
	baseline, candidate := n.shapes[split.Baseline], n.shapes[split.Candidate]
	edge := 0
	for edge < len(baseline.tail) && baseline.above(edge) > 0.01 {
		edge++
	}
	steps := int(math.Round(math.Log(margin) / float64(n.latencies.base)))
	above, at := candidate.above(edge+steps), 0
	for at < len(baseline.tail) && baseline.above(at) > above {
		at++
	}
	return math.Exp(float64(edge+steps-at) * float64(n.latencies.base))
}

// Quantile is a quantile of the baseline's usual latencies.
func (m *Model) Quantile(rank float64) time.Duration {
	return time.Duration(math.Exp(m.lat.quantile(1 - rank)))
}

// Expected is what the requests of an arm so far are expected to have come to.
// Like Between it is for worlds with users.
func (s *Stream) Expected(arm split.Arm, metric int) float64 {
	if s.world.people == nil {
		return 0
	}
	var sum float64
	for _, part := range s.parts(arm) {
		sum += part.requests * s.world.crowd(part.span).means[metric]
	}
	return sum
}
