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

// proofSlack is by how much the logarithm of a proof lies above what it is worth.
// Proof and threshold are the same number worked out in two ways, and a rounding
// error between them would leave a proven drift undecided for ever.
const proofSlack = 1e-9

// driftSlice is one stratum of a drift. Its counts are observations.
func (g *Gate) driftSlice(s *evidence.Stratum) Slice {
	t, c := &s.Sides[split.Candidate].Values[g.Series], &s.Sides[split.Baseline].Values[g.Series]
	out := Slice{Counts: stats.Stratum{NT: observations(t), NC: observations(c)}}
	if t.Bins != nil && len(t.Bins) == len(c.Bins) && out.Counts.NT > 0 && out.Counts.NC > 0 { // Else they cannot be compared.
		out.Bins = &stats.Drift{T: floats(t.Bins), C: floats(c.Bins)}
	}
	return out
}

// observations are those of a series; what is no number of them is none.
func observations(v *evidence.Value) float64 {
	if n := v.Moments.N; n >= 0 && n < math.MaxUint64 {
		return n
	}
	return 0
}

func floats(counts []uint64) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = float64(n)
	}
	return out
}

// distributions are those of the two arms in one stage, and the dispersion of
// what they were drawn from.
type distributions struct {
	stats.Drift
	phi float64
}

// drift is the distributions of one stage.
func (s *Sample) drift(stage int) distributions {
	out := distributions{phi: s.at(stage).Phi}
	for _, slice := range s.of(stage) {
		if b := slice.Bins; b != nil {
			out.T, out.C = plus(out.T, b.T), plus(out.C, b.C)
		}
	}
	return out
}

// bounds are the distance and what it lies between, for as many independent
// observations as there are in effect.
func (d distributions) bounds(level float64) (lower, estimate, upper float64) {
	estimate = stats.KS(d.T, d.C)
	if !(d.phi < unknownPhi) {
		return 0, estimate, 1
	}
	for _, counts := range [][]float64{d.T, d.C} {
		for i := range counts {
			counts[i] /= d.phi
		}
	}
	d.phi = 1
	lower, _, upper = d.Bounds(level)
	return lower, estimate, upper
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

// apart reports whether the distance is beyond a margin for sure, and together
// whether it is within. Most of the time the estimate alone says that it is not.
func (d distributions) apart(margin, level float64) bool {
	if !(stats.KS(d.T, d.C) > margin) {
		return false
	}
	lower, _, _ := d.bounds(level)
	return lower > margin
}

func (d distributions) together(margin, level float64) bool {
	if !(stats.KS(d.T, d.C) < margin) {
		return false
	}
	_, _, upper := d.bounds(level)
	return upper < margin
}

// weighDrift works out the e-values of a drift.
func (g *Gate) weighDrift(j *Judgement, at Place, prev *Judgement) {
	planned := at.Stages - g.From
	level := at.Alpha * g.Share / float64(planned)
	j.Pooled = nothing
	j.PerStage = g.perStage(j, at, prev.margins(), func(stage int) float64 {
		if j.Sample.drift(stage).apart(g.Margin, level) {
			return proofSlack - math.Log(level)
		}
		return nothing
	})
	// The mean over the planned stages; one that has not begun has won nothing.
	j.LogFail = stats.LogSumExp(j.PerStage) - math.Log(float64(planned))
	j.LogPass = nothing
	if j.Sample.drift(at.Stage).together(g.Margin, at.Alpha) {
		j.LogPass = PassAt(at.Alpha)
	}
}

// driftBound is the distance at the current stage with its bounds. A distance is
// neither arm's, so no arm has a level.
func (g *Gate) driftBound(j *Judgement, at Place) Bound {
	lower, estimate, _ := j.Sample.drift(at.Stage).bounds(at.Alpha * g.Share / float64(at.Stages-g.From))
	_, _, upper := j.Sample.drift(at.Stage).bounds(at.Alpha)
	return Bound{Estimate: estimate, Lower: lower, Upper: upper, Baseline: math.NaN(), Candidate: math.NaN()}
}

// driftLevels is the distance at the latest stage that has any values.
func driftLevels(j *Judgement) Bound {
	b := Bound{Estimate: math.NaN(), Baseline: math.NaN(), Candidate: math.NaN()}
	for i := len(j.Sample.Strata) - 1; i >= 0 && math.IsNaN(b.Estimate); i-- {
		d := j.Sample.drift(j.Sample.Strata[i].Stage)
		b.Estimate = stats.KS(d.T, d.C)
	}
	return b
}
