package check

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/oneshot"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// exceedance is the log ratio of a quantile by counts: in each stratum the
// baseline's durations beyond its quantile are compared with the candidate's
// beyond the margin times that (STATISTICS 3.3). Between two edges of the sketch
// the one is taken that proves less.
type exceedance struct {
	rates oneshot.Rates // of the baseline; the candidate's depend on the margin
	// latency has the candidate's durations, and edges the baseline's quantiles,
	// by stratum.
	latency  []*evidence.Histogram
	edges    []int32
	base     float64
	estimate float64
}

func newExceedance(t *trial) exceedance {
	base := t.Layout.Sketches[t.Judged.Sketch]
	e := exceedance{base: float64(base), rates: oneshot.Rates{Phi: t.counts.Phi}}
	strata := t.seen.Strata
	for i, slice := range t.counts.Strata {
		if slice.Edge == 0 || i >= len(strata) || strata[i] == nil {
			continue
		}
		e.rates.Strata = append(e.rates.Strata, slice.Counts)
		e.latency = append(e.latency, &strata[i].Sides[split.Candidate].Latency[t.Judged.Sketch])
		e.edges = append(e.edges, slice.Edge)
	}
	levels := t.Judged.Levels(t.View(t.seen), &gate.Judgement{Sample: t.counts})
	e.estimate = math.Log(levels.Candidate / levels.Baseline)
	return e
}

// P implements oneshot.Test.
func (e exceedance) P(margin float64, dir stats.Dir) float64 {
	steps := margin / e.base
	switch {
	case math.Abs(steps) > math.MaxInt32/4 || math.IsNaN(steps):
		return 1
	case dir == stats.Up:
		steps = math.Ceil(steps - 1e-9)
	default:
		steps = math.Floor(steps + 1e-9)
	}
	at := oneshot.Rates{Phi: e.rates.Phi, Strata: make([]stats.Stratum, len(e.rates.Strata))}
	for i, s := range e.rates.Strata {
		s.KT = float64(e.latency[i].Above(e.edges[i] + int32(steps)))
		at.Strata[i] = s
	}
	return at.P(0, dir)
}

// Estimate implements oneshot.Test.
func (e exceedance) Estimate() float64 {
	if math.IsInf(e.estimate, 0) {
		return math.NaN()
	}
	return e.estimate
}

// Span implements oneshot.Test.
func (e exceedance) Span() (low, high float64) { return oneshot.Rates{}.Span() }

// apart is the distance of two distributions over several strata: that of the
// farthest counts, and each stratum has its part of alpha.
type apart []oneshot.Drift

func newApart(s *gate.Sample) apart {
	phi := s.Phi
	for _, d := range s.Stages {
		phi = d.Phi
	}
	var a apart
	for _, slice := range s.Strata {
		if slice.Bins == nil {
			continue
		}
		a = append(a, oneshot.Drift{T: divided(slice.Bins.T, phi), C: divided(slice.Bins.C, phi)})
	}
	return a
}

// divided are counts of as many independent observations as there are in effect.
func divided(counts []float64, phi float64) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = n / max(phi, 1)
	}
	return out
}

// P implements oneshot.Test.
func (a apart) P(margin float64, dir stats.Dir) float64 {
	if len(a) == 0 {
		return 1
	}
	least, most := 1.0, 0.0
	for _, d := range a {
		p := sure(d.P(margin, dir))
		least, most = min(least, p), max(most, p)
	}
	if dir == stats.Up {
		return min(1, float64(len(a))*least)
	}
	return most
}

// Estimate implements oneshot.Test.
func (a apart) Estimate() float64 {
	farthest := math.NaN()
	for _, d := range a {
		if x := d.Estimate(); !(farthest >= x) && !math.IsNaN(x) {
			farthest = x
		}
	}
	return farthest
}

// Span implements oneshot.Test.
func (a apart) Span() (low, high float64) { return oneshot.Drift{}.Span() }
