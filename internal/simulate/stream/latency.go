package stream

import (
	"math"
	"math/rand/v2"

	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// latencies draws how long answers take, as natural logarithms of nanoseconds.
type latencies struct {
	scenario.Latency
	median     float64
	slower     float64 // of the second mode
	mixed      bool    // there is a second mode or a heavy tail
	portioned  bool    // some effect slows a share of requests drawn by chance
	usual      float64 // the baseline's 99th percentile
	thresholds map[float64]float64
}

// delay is one latency at the usual behaviour, and the request's own chance.
type delay struct{ ln, chance float64 }

func newLatencies(s scenario.Scenario) latencies {
	l := latencies{Latency: s.Baseline.Latency, thresholds: map[float64]float64{}}
	l.median = math.Log(float64(l.Median))
	l.slower = math.Log(l.SlowTimes)
	l.mixed = l.Slow > 0 || l.Heavy > 0
	for i := range s.Effects {
		l.portioned = l.portioned || s.Effects[i].Portion > 0
	}
	l.usual = l.quantile(0.01)
	for i := range s.Effects {
		if share := s.Effects[i].Slowest; share > 0 {
			l.thresholds[share] = l.quantile(share)
		}
	}
	return l
}

// draw draws a latency.
func (l *latencies) draw(r *rand.Rand) delay {
	d := delay{ln: l.median + l.Sigma*r.NormFloat64()}
	if l.mixed {
		switch u := r.Float64(); {
		case u < l.Slow:
			d.ln += l.slower
		case u < l.Slow+l.Heavy:
			d.ln += r.ExpFloat64() / l.HeavyIndex
		}
	}
	if l.portioned {
		d.chance = r.Float64()
	}
	return d
}

// at is the latency at a profile.
func (d delay) at(p *profile) float64 {
	ln := d.ln + p.slower
	for i := range p.parts {
		if part := &p.parts[i]; d.ln > part.above && d.chance < part.below {
			ln += part.slower
		}
	}
	return ln
}

// above is the latency above which a share of requests lies.
func (l *latencies) above(share float64) float64 { return l.thresholds[share] }

// quantile is the latency above which a share of requests lies.
func (l *latencies) quantile(share float64) float64 {
	if !l.mixed {
		return l.median + l.Sigma*math.Sqrt2*math.Erfinv(1-2*share)
	}
	lo, hi := l.median-40*l.Sigma-math.Abs(l.slower), l.median+40*l.Sigma+math.Abs(l.slower)+700/l.HeavyIndex
	for range 100 {
		if mid := (lo + hi) / 2; l.beyond(mid) > share {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// narrow is how many times wider than the Pareto factor the body is, as logarithms,
// when that factor no longer shows.
const narrow = 20

// beyond is the share of requests whose latency lies above.
func (l *latencies) beyond(ln float64) float64 {
	z := (ln - l.median) / l.Sigma
	body := upper(z)
	tail := body
	// A normal plus an exponential variable; in logarithms the Pareto factor is one.
	if w := l.HeavyIndex * l.Sigma; w < narrow {
		tail += math.Exp(w*w/2-w*z) * upper(w-z)
	}
	return (1-l.Slow-l.Heavy)*body + l.Slow*upper(z-l.slower/l.Sigma) + l.Heavy*min(tail, 1)
}

// upper is the share of a standard normal variable that lies above.
func upper(z float64) float64 { return 0.5 * math.Erfc(z/math.Sqrt2) }
