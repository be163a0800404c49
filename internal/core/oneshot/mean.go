package oneshot

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// MinNonZero is the default of Means.MinNonZero: the least number of values other
// than zero in the smaller arm. A single look needs fewer of them than a watch
// does, but a t-test of a skewed value still needs some.
const MinNonZero = 30

// Means is the log ratio of two means, candidate to baseline, by Student's test
// on the linear contrast of stats.Means, whose variances a skewed metric cannot
// talk down, with the degrees of freedom of Welch and Satterthwaite.
type Means stats.Means

// P returns the p-value of the claim that the log ratio lies beyond the margin.
func (m Means) P(margin float64, dir stats.Dir) float64 {
	d, v, base := stats.Means(m).Contrast(margin)
	if !m.enough() || !(v > 0) || !(base > 0) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	return studentTail(d/math.Sqrt(v), stats.Means(m).Freedom(margin), dir)
}

// Estimate returns the log ratio, NaN when there is none.
func (m Means) Estimate() float64 { return math.Log(stats.Means(m).Ratio()) }

// Span returns the range of a log ratio.
func (m Means) Span() (low, high float64) { return -ratioSpan, ratioSpan }

func (m Means) enough() bool {
	need := m.MinNonZero
	if need == 0 {
		need = MinNonZero
	}
	candidate, baseline := 0.0, 0.0
	for _, s := range m.Strata {
		candidate += s.T.NonZero
		baseline += s.C.NonZero
	}
	return min(candidate, baseline) >= need && need > 0
}

// Shift is the mean of one sample, such as the differences between two versions
// on the same rows, by Student's test.
type Shift stats.Moments

// P returns the p-value of the claim that the mean lies beyond the margin.
func (s Shift) P(margin float64, dir stats.Dir) float64 {
	v := stats.Moments(s).Variance()
	if !(v > 0) || !isFinite(margin) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	return studentTail((s.Mean-margin)/math.Sqrt(v/s.N), s.N-1, dir)
}

// Estimate returns the mean, NaN without a value.
func (s Shift) Estimate() float64 {
	if !(s.N > 0) || !isFinite(s.Mean) {
		return math.NaN()
	}
	return s.Mean
}

// Span returns a range of a million standard errors around the mean.
func (s Shift) Span() (low, high float64) {
	v := stats.Moments(s).Variance()
	if !(v > 0) {
		return 0, 0
	}
	wide := 1e6 * math.Sqrt(v/s.N)
	return s.Mean - wide, s.Mean + wide
}

// PairedMeans is the log ratio of two means over the same rows, X being the
// baseline's value of a row and Y the candidate's, by Student's test on
// Y - exp(margin)*X. Where the baseline's mean is not surely positive, and with
// fewer than ten rows, a ratio means nothing, and there is no evidence.
type PairedMeans stats.Covariate

// surely is how many standard errors above zero a mean must lie to be taken for
// positive.
const surely = 4

// fewRows is the least number of rows for a ratio of their means.
const fewRows = 10

// P returns the p-value of the claim that the log ratio lies beyond the margin.
func (p PairedMeans) P(margin float64, dir stats.Dir) float64 {
	c := math.Exp(margin)
	arm := stats.Covariate(p).Adjusted(c, 0, 0)
	if !(arm.Var > 0) || !p.positive() || dir != stats.Up && dir != stats.Down {
		return 1
	}
	return studentTail(arm.Mean/math.Sqrt(arm.Var/arm.N), arm.N-1, dir)
}

// positive reports whether the baseline's mean surely is.
func (p PairedMeans) positive() bool {
	x := stats.Covariate{N: p.N, Y: p.X, YY: p.XX}.Adjusted(0, 0, 0)
	return x.N >= fewRows && x.Mean > surely*math.Sqrt(x.Var/x.N)
}

// Estimate returns the log ratio, NaN where a mean is not positive.
func (p PairedMeans) Estimate() float64 {
	if !(p.N > 0) || !(p.X > 0) || !(p.Y > 0) || !isFinite(p.X) || !isFinite(p.Y) {
		return math.NaN()
	}
	return math.Log(p.Y / p.X)
}

// Span returns the range of a log ratio.
func (p PairedMeans) Span() (low, high float64) { return -ratioSpan, ratioSpan }
