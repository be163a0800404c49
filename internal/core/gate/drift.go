package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A drift is judged by a band around the distance of the two distributions. The
// band holds at every look with its level's probability, so "the distance lies
// above the margin for sure" is an e-value of all or nothing: one over the level
// when that is so, and nothing before. Strata of different weights are not
// pooled, since a shift of the traffic would look like one of the model; each
// planned stage has its part of the level.

// nothing is the logarithm of an e-value of zero, as it can be stored.
const nothing = -1e9

// driftSlice is one stratum of a drift. Its counts are observations.
func (g *Gate) driftSlice(s *evidence.Stratum) Slice {
	t, c := &s.Sides[split.Candidate].Values[g.Series], &s.Sides[split.Baseline].Values[g.Series]
	out := Slice{Counts: stats.Stratum{NT: t.Moments.N, NC: c.Moments.N}}
	if t.Bins != nil && c.Bins != nil {
		out.Bins = &stats.Drift{T: floats(t.Bins), C: floats(c.Bins)}
	}
	return out
}

func floats(counts []uint64) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = float64(n)
	}
	return out
}

// drift is the distributions of one stage.
func (s *Sample) drift(stage int) stats.Drift {
	var sum stats.Drift
	for _, slice := range s.of(stage) {
		if b := slice.Bins; b != nil {
			sum.T, sum.C = plus(sum.T, b.T), plus(sum.C, b.C)
		}
	}
	return sum
}

// plus adds bins; bins of another number are those of another scale, and are
// left out.
func plus(a, b []float64) []float64 {
	if a == nil {
		a = make([]float64, len(b))
	}
	if len(a) != len(b) {
		return a
	}
	for i := range b {
		a[i] += b[i]
	}
	return a
}

// weighDrift works out the e-values of a drift.
func (g *Gate) weighDrift(j *Judgement, at Place, prev *Judgement) {
	planned := at.Stages - g.From
	level := at.Alpha * g.Share / float64(planned)
	j.Pooled = nothing
	j.PerStage = g.perStage(j, at, prev.margins(), func(stage int) float64 {
		if lower, _, _ := j.Sample.drift(stage).Bounds(level); lower > g.Margin {
			return -math.Log(level)
		}
		return nothing
	})
	// The mean over the planned stages; one that has not begun has won nothing.
	j.LogFail = stats.LogSumExp(j.PerStage) - math.Log(float64(planned))
	j.LogPass = nothing
	if _, _, upper := j.Sample.drift(at.Stage).Bounds(at.Alpha); upper < g.Margin {
		j.LogPass = PassAt(at.Alpha)
	}
}

// driftBound is the distance at the current stage with its bounds.
func (g *Gate) driftBound(j *Judgement, at Place) Bound {
	d := j.Sample.drift(at.Stage)
	lower, estimate, _ := d.Bounds(at.Alpha * g.Share / float64(at.Stages-g.From))
	_, _, upper := d.Bounds(at.Alpha)
	return Bound{Estimate: estimate, Lower: lower, Upper: upper, Baseline: math.NaN(), Candidate: estimate}
}
