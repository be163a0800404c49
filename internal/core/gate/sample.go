package gate

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Sample is the evidence of one gate, reduced to what the tests need: counts of
// the bad event per stratum. Equal samples give equal judgements.
type Sample struct {
	Strata []Slice `json:"strata"`
	// Phi is the dispersion between units by which the likelihood is tempered;
	// 1 where every request is a unit of its own.
	Phi float64 `json:"phi"`
	// CeilingPhi is the dispersion of the candidate's own rate.
	CeilingPhi float64 `json:"ceilingPhi"`
}

// Slice is one stratum of a sample.
type Slice struct {
	Stage  int           `json:"stage"` // of the plan
	Counts stats.Stratum `json:"counts"`
	// Edge is the sketch edge that the baseline's exceedances were counted at
	// (quantiles).
	Edge int32 `json:"edge,omitempty"`
	// Over are the candidate's bad events of each ceiling.
	Over []float64 `json:"over,omitempty"`
}

// equal reports whether two slices hold the same counts.
func (s Slice) equal(o Slice) bool {
	return s.Stage == o.Stage && s.Counts == o.Counts && s.Edge == o.Edge && slices.Equal(s.Over, o.Over)
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
		if i < len(v.Stages) && v.Stages[i] >= g.From {
			yield(v.Stages[i], s)
		}
	}
}

// Reduce reduces the evidence to the sample of the gate.
func (g *Gate) Reduce(v View) Sample {
	sample := Sample{Phi: 1, CeilingPhi: 1}
	v.active(g, func(stage int, s *evidence.Stratum) {
		slice := g.slice(v.Layout, s)
		slice.Stage = stage
		sample.Strata = append(sample.Strata, slice)
	})
	g.disperse(v, &sample)
	return sample
}

func (g *Gate) slice(l *evidence.Layout, s *evidence.Stratum) Slice {
	if g.Kind == Quantile {
		return g.quantileSlice(l, s)
	}
	t, c := &s.Sides[split.Candidate].Rates[g.Series], &s.Sides[split.Baseline].Rates[g.Series]
	out := Slice{Counts: stats.Stratum{
		NT: float64(t.N), KT: events(t, g.Complement),
		NC: float64(c.N), KC: events(c, g.Complement),
	}}
	for _, ceiling := range g.Ceilings {
		out.Over = append(out.Over, events(t, ceiling.Complement))
	}
	return out
}

func events(t *evidence.Tally, complement bool) float64 {
	if complement {
		return float64(t.N - t.K)
	}
	return float64(t.K)
}

// quantileSlice counts exceedances of the baseline's quantile edge in the
// baseline, and of that edge times the margin in the candidate (STATISTICS 3.3).
func (g *Gate) quantileSlice(l *evidence.Layout, s *evidence.Stratum) Slice {
	t, c := &s.Sides[split.Candidate].Latency[g.Sketch], &s.Sides[split.Baseline].Latency[g.Sketch]
	out := Slice{Counts: stats.Stratum{NT: float64(t.Total()), NC: float64(c.Total())}}
	if out.Counts.NC > 0 {
		edge, above := c.EdgeFor(1 - g.Quantile)
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

// counts returns the sample's strata of one stage, or of all when stage < 0.
func (s *Sample) counts(stage int) stats.Counts {
	out := stats.Counts{Phi: s.Phi, Strata: make([]stats.Stratum, 0, len(s.Strata))}
	for _, slice := range s.Strata {
		if stage < 0 || slice.Stage == stage {
			out.Strata = append(out.Strata, slice.Counts)
		}
	}
	return out
}

// all is every stage, for counts.
const all = -1

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
