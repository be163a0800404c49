package stream

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// fineness is in how many steps the strength of an effect on the latency grows.
const fineness = 64

// maxEffects bounds the effects of a scenario.
const maxEffects = 8

// tuning is what the latencies of some requests are like: how strong each effect
// is, in steps, and by how many buckets all of them are moved.
type tuning struct {
	strength [maxEffects]uint8
	shift    int16
}

// shape is a distribution of latencies over the buckets of a sketch. What lies
// below the median of the baseline is not told apart.
type shape struct {
	body float64
	tail []float64 // by bucket, from latencies.first on
	slow float64   // the share above the baseline's usual 99th percentile
	urn  urn       // of the tail; empty until it is needed
	// cumulated are the shares from each place of the tail on.
	cumulated []float64
}

// latencies are the distributions of latency of a scenario.
type latencies struct {
	scenario.Latency
	base    evidence.Base
	effects []scenario.Effect
	median  float64
	// above are the logarithms above which the effects on the slowest act.
	above [maxEffects]float64
	first int32 // the bucket of the baseline's median
	width int
	usual int // the place in the tail where the usual 99th percentile begins
	known map[tuning]*shape
}

func newLatencies(s *scenario.Scenario, base evidence.Base) *latencies {
	l := &latencies{Latency: s.Baseline.Latency, base: base, effects: s.Effects, known: map[tuning]*shape{}}
	l.median = math.Log(float64(l.Median))
	for i := range s.Effects {
		if share := s.Effects[i].Slowest; share > 0 {
			l.above[i] = l.quantile(share)
		}
	}
	l.first = int32(math.Floor(l.quantile(0.5) / float64(base)))
	highest := 0.0
	for i := range s.Effects {
		highest += math.Abs(math.Log(s.Effects[i].Latency.Apply(1, 1)))
	}
	if u := s.Traffic.Users; u != nil {
		highest += 3 * u.Latency
	}
	l.width = int((l.quantile(1e-7)+highest)/float64(base)) - int(l.first) + 2
	l.usual = int(math.Round(l.quantile(0.01)/float64(base))) - int(l.first)
	return l
}

// survival is the chance that the logarithm of a usual latency lies above x.
func (l *latencies) survival(x float64) float64 {
	z := (x - l.median) / l.Sigma
	s := (1 - l.Slow - l.Heavy) * upper(z)
	if l.Slow > 0 {
		s += l.Slow * upper(z-math.Log(l.SlowTimes)/l.Sigma)
	}
	if l.Heavy > 0 {
		// A normal number plus an exponential one.
		a := l.HeavyIndex * l.Sigma
		s += l.Heavy * (upper(z) + math.Exp(a*a/2-a*z)*upper(a-z))
	}
	return s
}

// upper is the chance that a standard normal number lies above z.
func upper(z float64) float64 { return 0.5 * math.Erfc(z/math.Sqrt2) }

// quantile is the logarithm of the latency above which a share lies.
func (l *latencies) quantile(share float64) float64 {
	lo, hi := l.median-20, l.median+40
	for range 80 {
		middle := (lo + hi) / 2
		if l.survival(middle) > share {
			lo = middle
		} else {
			hi = middle
		}
	}
	return lo
}

// at returns the shape of a tuning.
func (l *latencies) at(t tuning) *shape {
	if s, ok := l.known[t]; ok {
		return s
	}
	s := &shape{tail: make([]float64, l.width)}
	above := l.tuned(t, l.edge(0))
	s.body = 1 - above
	for i := range s.tail {
		next := 0.0
		if i+1 < l.width {
			next = l.tuned(t, l.edge(i+1))
		}
		s.tail[i] = max(above-next, 0)
		above = next
	}
	s.finish(l.usual)
	l.known[t] = s
	return s
}

func (s *shape) finish(usual int) {
	for _, p := range s.tail[usual:] {
		s.slow += p
	}
}

// edge is the logarithm of the lower edge of a place in the tail.
func (l *latencies) edge(i int) float64 { return float64(l.first+int32(i)) * float64(l.base) }

// tuned is the chance that the logarithm of a latency lies above x. An effect on
// the slowest acts on usual latencies above a threshold, one on a portion on
// requests whose own chance lies below a share; those that coincide add up.
func (l *latencies) tuned(t tuning, x float64) float64 {
	x -= float64(t.shift) * float64(l.base)
	var parts []part
	chances, thresholds := []float64{0, 1}, []float64{math.Inf(-1), math.Inf(1)}
	for i := range l.effects {
		e := &l.effects[i]
		if e.Latency.None() || t.strength[i] == 0 {
			continue
		}
		p := part{above: math.Inf(-1), below: 1, slower: math.Log(e.Latency.Apply(1, float64(t.strength[i])/fineness))}
		if e.Slowest > 0 {
			p.above = l.above[i]
			thresholds = insert(thresholds, p.above)
		}
		if e.Portion > 0 {
			p.below = e.Portion
			chances = insert(chances, p.below)
		}
		parts = append(parts, p)
	}
	var sum float64
	for c := range len(chances) - 1 {
		for d := range len(thresholds) - 1 {
			sum += (chances[c+1] - chances[c]) * l.between(thresholds[d], thresholds[d+1], x-slower(parts, thresholds[d], chances[c]))
		}
	}
	return sum
}

// part slows those usual latencies that lie above a threshold, for requests whose
// own chance lies below a share.
type part struct{ above, below, slower float64 }

func slower(parts []part, above, chance float64) float64 {
	var sum float64
	for _, p := range parts {
		if above >= p.above && chance < p.below {
			sum += p.slower
		}
	}
	return sum
}

// between is the chance that a usual latency lies between two thresholds and
// above x.
func (l *latencies) between(lo, hi, x float64) float64 {
	if x >= hi {
		return 0
	}
	return l.survival(max(lo, x)) - l.survival(hi)
}

func insert(sorted []float64, v float64) []float64 {
	i := 0
	for i < len(sorted) && sorted[i] < v {
		i++
	}
	if i < len(sorted) && sorted[i] == v {
		return sorted
	}
	return append(sorted[:i], append([]float64{v}, sorted[i:]...)...)
}
