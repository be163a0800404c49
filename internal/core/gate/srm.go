package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The sample-ratio test: a mismatch is an alarm at one in a thousand, split
// over the planned stages, with the concentration of its prior.
const (
	sampleRatioAlpha = 0.001
	sampleRatioKappa = 1000
)

// SampleRatio is the logarithm of the e-value, by planned stage, that units
// reach the arms at another ratio than the asked weight (Lindon & Malek,
// arXiv:2011.03567). weights are the asked weights by stratum, out of
// split.Whole. Where every request is a unit of its own, the strata of a stage
// are tests of their own and multiply. Where units return, it is the same units
// that reach the next stratum, on the same side; what they say twice is
// averaged.
func SampleRatio(v View, weights []uint32, stages int) []float64 {
	strata := make([][]float64, stages)
	for i, s := range v.Evidence.Strata {
		if s == nil || i >= len(v.Stages) || i >= len(weights) || v.Stages[i] >= stages {
			continue
		}
		w := float64(weights[i]) / split.Whole
		if w <= 0 || w >= 1 {
			continue
		}
		nT, nC := unitCounts(v.Layout, s)
		strata[v.Stages[i]] = append(strata[v.Stages[i]], stats.LogESRM(nT, nC, w, sampleRatioKappa))
	}
	logs := make([]float64, stages)
	for i, each := range strata {
		switch {
		case len(each) == 0:
		case v.Layout.Clustered:
			logs[i] = stats.LogMeanExp(each)
		default:
			for _, logE := range each {
				logs[i] += logE
			}
		}
	}
	return logs
}

// SampleRatioAt is the logarithm of the e-value at which a stage's ratio is a
// mismatch.
func SampleRatioAt(stages int) float64 {
	return -math.Log(sampleRatioAlpha) + math.Log(float64(max(stages, 1)))
}

// unitCounts returns the distinct units of the two arms, sampled alike.
func unitCounts(l *evidence.Layout, s *evidence.Stratum) (nT, nC float64) {
	t, c := &s.Sides[split.Candidate], &s.Sides[split.Baseline]
	if !l.Clustered {
		return float64(t.Requests), float64(c.Requests)
	}
	level := evidence.SampleLevel(&t.Units, &c.Units, s.Kept)
	return float64(t.Units.At(level)), float64(c.Units.At(level))
}
