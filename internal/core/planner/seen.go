package planner

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Seen is what the evidence of a rollout says of one arm: the traffic of the next
// rollout, if that arm serves then.
type Seen struct {
	// Requests are those of both arms.
	Requests float64
	Metrics  []SeenMetric
	Latency  *SeenLatency
}

// SeenMetric is what a metric of a gate was at.
type SeenMetric struct {
	Name string
	Kind gate.Kind
	// Count are the units that were seen, Events those of them with the event.
	Count, Events float64
	// Level is the rate, or the mean.
	Level float64
	// CV and NonZero are of the numbers of a mean.
	CV, NonZero float64
	// PerRequest is how many units come for one request.
	PerRequest float64
	// Dispersion is 0 where every request is a unit of its own.
	Dispersion float64
	// Spread and Correlation are those of a resource's windows, or the correlation
	// of a mean's values with their covariate.
	Spread, Correlation float64
}

// SeenLatency are latencies by logarithmic buckets: bucket i from
// exp((First+i)*Base) nanoseconds on.
type SeenLatency struct {
	Base       float64
	First      int
	Counts     []uint64
	Dispersion float64
}

// See reduces the evidence of a plan to what was seen of an arm.
func See(p *rollout.Plan, ev *evidence.Evidence, arm split.Arm) Seen {
	v := viewer{plan: p, arm: arm}
	for _, s := range ev.Strata {
		if s != nil {
			v.strata = append(v.strata, s)
		}
	}
	var out Seen
	for _, s := range v.strata {
		for a := range s.Sides {
			out.Requests += float64(s.Sides[a].Requests)
		}
	}
	names := map[string]bool{}
	for i, name := range p.Layout.Rates {
		if name == evidence.ErrorRate || name == evidence.ClientErrorRate {
			names[name] = true
			out.add(v.rate(name, i, nil))
		}
	}
	for i := range p.Gates {
		if g := &p.Gates[i]; !names[g.Name] {
			names[g.Name] = true
			out.add(v.metric(g))
		}
	}
	out.Latency = v.latency()
	return out
}

func (s *Seen) add(m SeenMetric, ok bool) {
	if ok {
		s.Metrics = append(s.Metrics, m)
	}
}

// viewer looks at one arm.
type viewer struct {
	plan   *rollout.Plan
	arm    split.Arm
	strata []*evidence.Stratum
}

// requests are those of the arm.
func (v *viewer) requests() float64 {
	n := 0.0
	for _, s := range v.strata {
		n += float64(s.Sides[v.arm].Requests)
	}
	return n
}

func (v *viewer) metric(g *gate.Gate) (SeenMetric, bool) {
	switch g.Kind {
	case gate.Rate:
		return v.rate(g.Name, g.Series, g)
	case gate.Mean:
		return v.mean(g)
	case gate.Gauge:
		return v.gauge(g)
	case gate.Quantile, gate.Drift:
	}
	return SeenMetric{}, false
}

// rate is a rate of the layout, counted as its gate does; without a gate over all
// that was reported.
func (v *viewer) rate(name string, series int, g *gate.Gate) (SeenMetric, bool) {
	var n, k float64
	var byN, byK [split.Buckets]float64
	clustered := false
	for _, s := range v.strata {
		rates := s.Sides[v.arm].Rates
		if series >= len(rates) {
			continue
		}
		over := &rates[series]
		if g != nil && g.PerExposure && g.Exposures < len(rates) {
			over = &rates[g.Exposures]
		}
		n, k = n+float64(over.N), k+float64(rates[series].K)
		if over.Buckets == nil || rates[series].Buckets == nil {
			continue
		}
		clustered = true
		for i := range byN {
			byN[i] += float64(over.Buckets.N[i])
			byK[i] += float64(rates[series].Buckets.K[i])
		}
	}
	if n == 0 {
		return SeenMetric{}, false
	}
	m := SeenMetric{Name: name, Kind: gate.Rate, Count: n, Events: k, Level: min(k/n, 1), PerRequest: n / max(v.requests(), 1)}
	if clustered {
		m.Dispersion = stats.BernoulliPhi(byK[:], byN[:])
	}
	return m, true
}

// mean is a mean of numbers.
func (v *viewer) mean(g *gate.Gate) (SeenMetric, bool) {
	var all stats.Moments
	var nonZero float64
	var sums evidence.Sums
	var known stats.Covariate
	clustered := false
	for _, s := range v.strata {
		if g.Series >= len(s.Sides[v.arm].Values) {
			continue
		}
		value := &s.Sides[v.arm].Values[g.Series]
		all.Merge(value.Moments)
		nonZero += float64(value.NonZero)
		if value.Sums != nil {
			clustered = true
			for i := range sums.N {
				sums.N[i] += value.Sums.N[i]
				sums.Y[i] += value.Sums.Y[i]
			}
		}
		if value.Covariate != nil {
			known.Merge(*value.Covariate)
		}
	}
	n := all.N
	if g.PerExposure && n > 0 {
		n = v.requests()
		all.Merge(stats.Moments{N: max(n-all.N, 0)})
	}
	variance := all.Variance()
	if n < 2 || !(all.Mean > 0) || !(variance > 0) {
		return SeenMetric{}, false
	}
	m := SeenMetric{
		Name: g.Name, Kind: gate.Mean, Count: all.N, Level: all.Mean, CV: math.Sqrt(variance) / all.Mean,
		NonZero: min(nonZero/all.N, 1), PerRequest: all.N / max(v.requests(), 1),
	}
	if clustered {
		m.Dispersion = max(1, stats.RatioArm(sums.Y[:], sums.N[:], nonZero).Var/variance)
	}
	m.Correlation = math.Sqrt(max(1-known.Reduction(), 0))
	return m, true
}

// gauge are the windows of a resource.
func (v *viewer) gauge(g *gate.Gate) (SeenMetric, bool) {
	m := SeenMetric{Name: g.Name, Kind: gate.Gauge}
	var squares, products, freedom float64
	for _, s := range v.strata {
		if g.Series >= len(s.Gauges) {
			continue
		}
		b := &s.Gauges[g.Series].Ratio
		n := b.N()
		if n < 3 {
			continue
		}
		mean := b.Sum / n
		squares += max(b.Sum2-n*mean*mean, 0)
		products += b.Lag - mean*(2*b.Sum-b.Last) + (n-1)*mean*mean // The first value less itself is 0.
		freedom += n - 1
		level := &s.Gauges[g.Series].Baseline
		if v.arm == split.Candidate {
			level = &s.Gauges[g.Series].Candidate
		}
		m.Level = (m.Level*m.Count + level.Mean()*n) / (m.Count + n)
		m.Count += n
	}
	if freedom < 2 || !(squares > 0) {
		return m, false
	}
	m.Spread = math.Sqrt(squares / freedom)
	m.Correlation = min(max(products/squares, 0), 0.98)
	return m, true
}

// latency is the finest sketch of the latencies.
func (v *viewer) latency() *SeenLatency {
	bases := v.plan.Layout.Sketches
	if len(bases) == 0 {
		return nil
	}
	finest := slices.Index(bases, slices.Min(bases))
	var all evidence.Histogram
	for _, s := range v.strata {
		if h := s.Sides[v.arm].Latency; finest < len(h) {
			all.Merge(&h[finest])
		}
	}
	all.Compact()
	if all.Total() < leastLatencies {
		return nil
	}
	return &SeenLatency{Base: float64(bases[finest]), First: int(all.Lo), Counts: all.N, Dispersion: v.tails()}
}

// leastLatencies are enough for a shape.
const leastLatencies = 100

// tails is the largest dispersion of slow requests between units; 0 where it was
// not followed.
func (v *viewer) tails() float64 {
	largest := 0.0
	for t := range v.plan.Layout.Tails {
		var n, k [split.Buckets]float64
		seen := false
		for _, s := range v.strata {
			if s.Edges == nil || t >= len(s.Sides[v.arm].Tails) || s.Sides[v.arm].Tails[t].Buckets == nil {
				continue
			}
			seen = true
			b := s.Sides[v.arm].Tails[t].Buckets
			for i := range n {
				n[i] += float64(b.N[i])
				k[i] += float64(b.K[i])
			}
		}
		if seen {
			largest = max(largest, stats.BernoulliPhi(k[:], n[:]))
		}
	}
	return largest
}
