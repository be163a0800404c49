package gate

import (
	"reflect"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Sample is the evidence of one gate, reduced to what the tests need: counts of
// the bad event per stratum. Equal samples give equal judgements.
type Sample struct {
	Strata []Slice `json:"strata"`
	// Dispersion is that of all strata together.
	Dispersion
	// Stages are the dispersions of each stage by itself, in the order of the
	// strata; none where they are that of the whole.
	Stages []Dispersion `json:"stages,omitempty"`
}

// Dispersion is how much more the counts vary, between units or between windows of
// time, than independent requests would: what the likelihoods are tempered by.
type Dispersion struct {
	// Phi is that of the comparison, PassPhi what it is for the pass e-value; 0 for
	// the same.
	Phi     float64 `json:"phi"`
	PassPhi float64 `json:"passPhi,omitempty"`
	// CeilingPhi is that of the candidate's own rate.
	CeilingPhi float64 `json:"ceilingPhi"`
	Stage      int     `json:"stage,omitempty"`
}

// Slice is one stratum of a sample.
type Slice struct {
	Stage  int           `json:"stage"` // of the plan
	Counts stats.Stratum `json:"counts"`
	// Edge is the sketch edge that the baseline's exceedances were counted at
	// (quantiles); 0 while the baseline has too few latencies for one.
	Edge int32 `json:"edge,omitempty"`
	// Over are the candidate's bad events of each ceiling.
	Over []float64 `json:"over,omitempty"`
	// Means, Gauge and Bins are what gates of those kinds compare.
	Means *stats.MeanStratum `json:"means,omitempty"`
	// Plain is the candidate as it is, where Means are adjusted by a covariate.
	Plain *stats.MeanArm  `json:"plain,omitempty"`
	Gauge *evidence.Gauge `json:"gauge,omitempty"`
	Bins  *stats.Drift    `json:"bins,omitempty"`
}

// equal reports whether two samples hold the same counts.
func (s *Sample) equal(o *Sample) bool {
	return s.Dispersion == o.Dispersion && slices.Equal(s.Stages, o.Stages) && slices.EqualFunc(s.Strata, o.Strata, Slice.equal)
}

// at returns the dispersion of one stage, or of all strata together.
func (s *Sample) at(stage int) Dispersion {
	for _, d := range s.Stages {
		if d.Stage == stage {
			return d
		}
	}
	return s.Dispersion
}

// of returns the strata of one stage. Stages never go back, so they lie together.
func (s *Sample) of(stage int) []Slice {
	first := 0
	for first < len(s.Strata) && s.Strata[first].Stage < stage {
		first++
	}
	last := first
	for last < len(s.Strata) && s.Strata[last].Stage == stage {
		last++
	}
	return s.Strata[first:last]
}

// same reports whether two samples hold the same of one stage.
func (s *Sample) same(o *Sample, stage int) bool {
	a, b := s.at(stage), o.at(stage)
	return a.Phi == b.Phi && a.PassPhi == b.PassPhi && a.CeilingPhi == b.CeilingPhi && slices.EqualFunc(s.of(stage), o.of(stage), Slice.equal)
}

// equal reports whether two slices hold the same counts.
func (s Slice) equal(o Slice) bool {
	return s.Stage == o.Stage && s.Counts == o.Counts && s.Edge == o.Edge && slices.Equal(s.Over, o.Over) &&
		same(s.Means, o.Means, func(a, b *stats.MeanStratum) bool { return *a == *b }) &&
		same(s.Plain, o.Plain, func(a, b *stats.MeanArm) bool { return *a == *b }) &&
		same(s.Gauge, o.Gauge, func(a, b *evidence.Gauge) bool { return reflect.DeepEqual(a, b) }) &&
		same(s.Bins, o.Bins, func(a, b *stats.Drift) bool { return slices.Equal(a.T, b.T) && slices.Equal(a.C, b.C) })
}

// same reports whether both are there and equal, or neither is there.
func same[T any](a, b *T, equal func(a, b *T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equal(a, b)
}

// View is the evidence of a rollout with what is needed to read it: the layout
// and the planned stage of each stratum.
type View struct {
	Layout   *evidence.Layout
	Evidence *evidence.Evidence
	Stages   []int // by stratum
}

// active calls yield for each stratum in which the gate is active.
func (v View) active(g *Gate, yield func(stage int, s *evidence.Stratum)) {
	for i, s := range v.Evidence.Strata {
		if s != nil && i < len(v.Stages) && v.Stages[i] >= g.From {
			yield(v.Stages[i], s)
		}
	}
}

// Reduce reduces the evidence to the sample of the gate.
func (g *Gate) Reduce(v View) Sample {
	var sample Sample
	grouped, slopes := g.grouped(v), g.slopes(v)
	v.active(g, func(stage int, s *evidence.Stratum) {
		slice := g.slice(v.Layout, s, grouped)
		slice.Stage = stage
		if slope := slopes[s]; slope != 0 {
			g.adjust(&slice, s, adjustment{slope: slope, grouped: grouped})
		}
		sample.Strata = append(sample.Strata, slice)
	})
	switch g.Kind {
	case Rate, Quantile:
		g.disperse(v, &sample, grouped)
		g.temper(v, &sample)
	case Drift:
		g.disperseDrift(v, &sample)
	case Mean:
		if v.Layout.Clustered {
			g.disperseMean(v, &sample)
		}
	case Gauge: // Its variance is that between windows.
	}
	return sample
}

func (g *Gate) slice(l *evidence.Layout, s *evidence.Stratum, grouped bool) Slice {
	switch g.Kind {
	case Quantile:
		return g.quantileSlice(l, s)
	case Mean:
		return g.meanSlice(s, grouped)
	case Gauge:
		return g.gaugeSlice(s)
	case Drift:
		return g.driftSlice(s)
	case Rate:
	}
	t, c := g.counted(s, split.Candidate), g.counted(s, split.Baseline)
	out := Slice{Counts: stats.Stratum{
		NT: float64(t.N), KT: events(t, g.Complement),
		NC: float64(c.N), KC: events(c, g.Complement),
	}}
	for _, ceiling := range g.Ceilings {
		out.Over = append(out.Over, events(t, ceiling.Complement))
	}
	return out
}

// counted is the tally of a rate at one arm: over what was reported, or over all
// that was exposed.
func (g *Gate) counted(s *evidence.Stratum, arm split.Arm) *evidence.Tally {
	rates := s.Sides[arm].Rates
	if !g.PerExposure {
		return &rates[g.Series]
	}
	exposed, reported := &rates[g.Exposures], &rates[g.Series]
	out := &evidence.Tally{N: exposed.N, K: reported.K}
	if exposed.Buckets != nil && reported.Buckets != nil {
		out.Buckets = &evidence.Buckets{N: exposed.Buckets.N, K: reported.Buckets.K}
	}
	return out
}

// events are the bad events of a tally. One exposure can be reported more than
// once, so there can be more events than exposures, but not less than none
// without.
func events(t *evidence.Tally, complement bool) float64 {
	switch {
	case !complement:
		return float64(t.K)
	case t.K > t.N:
		return 0
	}
	return float64(t.N - t.K)
}

// quantileSlice counts exceedances of the baseline's quantile edge in the
// baseline, and of that edge times the margin in the candidate (STATISTICS 3.3).
func (g *Gate) quantileSlice(l *evidence.Layout, s *evidence.Stratum) Slice {
	t, c := &s.Sides[split.Candidate].Latency[g.Sketch], &s.Sides[split.Baseline].Latency[g.Sketch]
	out := Slice{Counts: stats.Stratum{NT: float64(t.Total()), NC: float64(c.Total())}}
	if edge, above, ok := g.edge(c, out.Counts.NC); ok {
		out.Edge = edge
		out.Counts.KC = float64(above)
		out.Counts.KT = float64(t.Above(edge + g.Steps))
	}
	for _, ceiling := range g.Ceilings {
		edge := l.Sketches[g.Sketch].EdgeAtLeast(ceiling.Over)
		out.Over = append(out.Over, float64(t.Above(edge)))
	}
	return out
}

// edge is the baseline's quantile and its exceedances, once it has enough
// latencies for one beyond the quantile to be expected. Before, the largest of a
// few would stand for the quantile, and looking at every request would find a
// slow candidate too often (6 % of the time in simulations instead of 2 %).
//
// Of the edges with the same exceedances the highest is taken, at which the last
// of them lies. At a lower one, in the gap below, the candidate would be counted
// from one baseline latency further down.
func (g *Gate) edge(c *evidence.Histogram, total float64) (edge int32, above uint64, ok bool) {
	if tail := 1 - g.Quantile; total*tail < 1-1e-9 {
		return 0, 0, false
	}
	edge, above = c.EdgeFor(1 - g.Quantile)
	for i := int(edge - c.Lo); above > 0 && i < len(c.N) && c.N[i] == 0; i++ {
		edge++
	}
	return edge, above, true
}

// counts returns the sample's strata of one stage, or of all when stage < 0.
func (s *Sample) counts(stage int) stats.Counts {
	out := stats.Counts{Phi: s.at(stage).Phi, Strata: make([]stats.Stratum, 0, len(s.Strata))}
	for _, slice := range s.Strata {
		if stage < 0 || slice.Stage == stage {
			out.Strata = append(out.Strata, slice.Counts)
		}
	}
	return out
}

// all is every stage, for counts.
const all = -1

// over adds the candidate's bad events of a ceiling, of one stage or of all.
func (s *Sample) over(stage, ceiling int) float64 {
	var k float64
	for _, slice := range s.Strata {
		if stage < 0 || slice.Stage == stage {
			k += slice.Over[ceiling]
		}
	}
	return k
}

// total adds the sample's strata of one stage, or of all.
func (s *Sample) total(stage int) stats.Stratum {
	var sum stats.Stratum
	for _, slice := range s.Strata {
		if stage >= 0 && slice.Stage != stage {
			continue
		}
		sum.NT += slice.Counts.NT
		sum.KT += slice.Counts.KT
		sum.NC += slice.Counts.NC
		sum.KC += slice.Counts.KC
	}
	return sum
}
