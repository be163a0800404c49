package planner

import (
	"math"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Latency is the shape of the baseline's latencies: points of its distribution,
// with what lies between them interpolated so that a lognormal one stays one
// (straight lines of ln x over the normal quantile).
type Latency struct {
	// points are in the order of both coordinates; there are at least two.
	points []point
	// Absolute is false where only ratios of latencies mean something.
	Absolute bool
	// alone is set where the spread was assumed around one quantile.
	alone bool
}

// point is a quantile of a distribution: normal is its rank as a standard normal
// quantile, log the logarithm of the value in seconds.
type point struct{ normal, log float64 }

// assumedSigma is the spread of the logarithm of latencies where nothing is known
// of it: p99 at 3.2 times the median, as of a plain model server.
const assumedSigma = 0.5

// leastSigma keeps quantiles apart that were declared as the same.
const leastSigma = 0.005

// AssumedLatency is the shape that is assumed where nothing is known.
func AssumedLatency() *Latency {
	return &Latency{points: []point{{0, 0}, {1, assumedSigma}}}
}

// NewLatency makes a shape of declared quantiles: rank (0.99 for the 99th
// percentile) to value. One alone is taken for a lognormal distribution of the
// assumed spread.
func NewLatency(quantiles map[float64]time.Duration) (*Latency, error) {
	l := &Latency{Absolute: true}
	for rank, value := range quantiles {
		if !(rank > 0 && rank < 1) || value <= 0 {
			return nil, problem.New(problem.Invalid, "the %gth percentile of the latency is %v; write a rank between 0 and 100 and a time above 0", 100*rank, value)
		}
		l.points = append(l.points, point{normalQuantile(rank), math.Log(value.Seconds())})
	}
	if len(l.points) == 0 {
		return nil, problem.New(problem.Invalid, "no quantile of the latency is given")
	}
	slices.SortFunc(l.points, func(a, b point) int { return cmpFloat(a.normal, b.normal) })
	if len(l.points) == 1 {
		p := l.points[0]
		l.alone = true
		l.points = append(l.points, point{p.normal + 1, p.log + assumedSigma})
		return l, nil
	}
	for i, p := range l.points[1:] {
		if before := l.points[i]; p.log-before.log < leastSigma*(p.normal-before.normal) {
			return nil, problem.New(problem.Invalid, "the latency at rank %.3g%% is not above that at %.3g%%",
				100*(1-normalTail(p.normal)), 100*(1-normalTail(before.normal)))
		}
	}
	return l, nil
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// fewLatencies are too few to make a point of a distribution: the distance of
// single latencies in the tail says nothing of its slope.
const fewLatencies = 5

// MeasuredLatency makes a shape of a histogram: counts between logarithmic edges,
// bucket i holding the latencies from exp((lo+i)*base) nanoseconds on.
func MeasuredLatency(base float64, lo int, counts []uint64) (*Latency, error) {
	var total, below, last uint64
	for _, n := range counts {
		total += n
	}
	l := &Latency{Absolute: true}
	for i, n := range counts {
		below += n
		if below < last+fewLatencies {
			continue
		}
		last = below
		rank := (float64(below) - 0.5) / float64(total)
		l.points = append(l.points, point{normalQuantile(rank), (float64(lo)+float64(i)+1)*base - math.Log(1e9)})
	}
	if len(l.points) < 2 || !(base > 0) {
		return nil, problem.New(problem.Invalid, "%d latencies in %d buckets make no distribution", total, len(l.points))
	}
	return l, nil
}

// quantile is the logarithm of the latency of a rank.
func (l *Latency) quantile(rank float64) float64 {
	z := normalQuantile(rank)
	a, b := l.around(func(p point) bool { return p.normal > z })
	return a.log + (z-a.normal)*(b.log-a.log)/(b.normal-a.normal)
}

// above is the share of latencies above the one whose logarithm is given.
func (l *Latency) above(log float64) float64 {
	a, b := l.around(func(p point) bool { return p.log > log })
	return normalTail(a.normal + (log-a.log)*(b.normal-a.normal)/(b.log-a.log))
}

// around returns the two points around the first one that is beyond, or the two
// at an end, which stand for what lies outside.
func (l *Latency) around(beyond func(point) bool) (a, b point) {
	i := slices.IndexFunc(l.points, beyond)
	if i < 0 {
		i = len(l.points)
	}
	i = min(max(i, 1), len(l.points)-1)
	return l.points[i-1], l.points[i]
}
