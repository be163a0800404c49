package oneshot

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Quantiles is the log ratio of a quantile of two samples of positive values,
// candidate to baseline. Make it with NewQuantiles.
//
// With x the baseline's value of rank r from above, the number of candidate
// values above c*x has a negative hypergeometric distribution if the candidate's
// values are the baseline's times c: the p-value is its tail, which is exact for
// any distribution of the values (the exceedance test; Gumbel and von Schelling,
// Annals of Mathematical Statistics 21, 1950; Balakrishnan and Ng, Precedence-Type
// Tests, 2006). Equal values count against the claim.
type Quantiles struct {
	t, c []float64 // ascending
	rank int       // of x among the baseline's values, from above, from 1
	tau  float64
}

// NewQuantiles returns the test of the quantile tau, as 0.99. Values that are not
// positive numbers are left out. The slices are not kept.
func NewQuantiles(t, c []float64, tau float64) Quantiles {
	q := Quantiles{t: positive(t), c: positive(c), tau: tau}
	if tau > 0 && tau < 1 {
		q.rank = len(q.c) - quantileAt(len(q.c), tau)
	}
	return q
}

// quantileAt returns the index of the quantile tau among n sorted values.
func quantileAt(n int, tau float64) int {
	at := int(math.Ceil(tau*float64(n)-1e-9)) - 1
	return max(0, min(at, n-1))
}

// positive returns the positive finite values, sorted.
func positive(values []float64) []float64 {
	kept := make([]float64, 0, len(values))
	for _, x := range values {
		if x > 0 && x < 1e100 {
			kept = append(kept, x)
		}
	}
	slices.Sort(kept)
	return kept
}

// P returns the p-value of the claim that the log ratio lies beyond the margin.
func (q Quantiles) P(margin float64, dir stats.Dir) float64 {
	if !q.possible() || !isFinite(margin) {
		return 1
	}
	nT, nC := float64(len(q.t)), float64(len(q.c))
	limit := q.edge() * math.Exp(margin)
	switch dir {
	case stats.Up:
		// Many of the candidate's above x, which is one of rank from above.
		return exceedanceTail(q.above(limit), nT, float64(q.rank), nC)
	case stats.Down:
		// Many of the candidate's below x, seen from the other end.
		return exceedanceTail(q.below(limit), nT, nC-float64(q.rank)+1, nC)
	}
	return 1
}

// Estimate returns the log ratio of the samples' quantiles, NaN when one of them
// is empty.
func (q Quantiles) Estimate() float64 {
	if !q.possible() {
		return math.NaN()
	}
	return math.Log(q.t[quantileAt(len(q.t), q.tau)] / q.edge())
}

// Span returns the range of a log ratio.
func (q Quantiles) Span() (low, high float64) { return -ratioSpan, ratioSpan }

// edge returns the baseline's quantile.
func (q Quantiles) edge() float64 { return q.c[len(q.c)-q.rank] }

// above returns how many of the candidate's values are larger.
func (q Quantiles) above(limit float64) float64 {
	at, _ := slices.BinarySearchFunc(q.t, limit, func(x, limit float64) int {
		if x <= limit {
			return -1
		}
		return 1
	})
	return float64(len(q.t) - at)
}

// below returns how many of the candidate's values are smaller.
func (q Quantiles) below(limit float64) float64 {
	at, _ := slices.BinarySearch(q.t, limit)
	return float64(at)
}

func (q Quantiles) possible() bool { return len(q.t) > 0 && len(q.c) > 0 && q.rank > 0 }

// exceedanceTail returns the probability that at least k of n values lie above
// the one of rank r from above among m others, all having the same
// distribution:
//
//	sum over j >= k of C(j+r-1, j) C(n-j+m-r, n-j) / C(n+m, n).
//
// The shorter of the two tails is added up, outwards from k.
func exceedanceTail(k, n, r, m float64) float64 {
	if k <= 0 {
		return 1
	}
	log := logChoose(k+r-1, k) + logChoose(n-k+m-r, n-k) - logChoose(n+m, n)
	// The ratio of a term to the one before it.
	ratio := func(j float64) float64 {
		return (j + r) / (j + 1) * (n - j) / (n - j + m - r)
	}
	if ratio(k) < 1 {
		sum, term := 0.0, math.Exp(log)
		for j := k; j <= n && term > sum*1e-17; j++ {
			sum += term
			term *= ratio(j)
		}
		return min(1, sum)
	}
	sum, term := 0.0, math.Exp(log)/ratio(k-1)
	for j := k - 1; j >= 0 && term > sum*1e-17; j-- {
		sum += term
		term /= ratio(j - 1)
	}
	return max(0, 1-sum)
}

// logChoose returns the logarithm of the binomial coefficient.
func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}
