package oneshot

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Test is a quantity that was measured, and how surely.
type Test interface {
	// P returns the p-value of the claim that the quantity lies beyond the margin
	// in the direction: the largest probability of evidence as strong as this
	// while the claim is wrong. It does not grow as the margin moves the other
	// way.
	P(margin float64, dir stats.Dir) float64
	// Estimate returns the quantity as measured, NaN when it was not.
	Estimate() float64
	// Span returns the smallest and the largest margin that make sense.
	Span() (low, high float64)
}

// Result is what one look says about a margin.
type Result struct {
	// Beyond and Inside are the p-values of the claims that the quantity lies
	// beyond the margin, in the direction of harm, and inside it.
	Beyond, Inside float64
	// Estimate is the quantity as measured, NaN when it was not.
	Estimate float64
	// Lower and Upper are the one-sided bounds on the quantity, each at the same
	// alpha, infinite where there is none.
	Lower, Upper float64
}

// Look judges a test by a margin. worse is the direction of harm.
func Look(t Test, margin float64, worse stats.Dir, alpha float64) Result {
	return Result{
		Beyond:   probability(t.P(margin, worse)),
		Inside:   probability(t.P(margin, -worse)),
		Estimate: t.Estimate(),
		Lower:    Bound(t, alpha, stats.Up),
		Upper:    Bound(t, alpha, stats.Down),
	}
}

// Bound returns the one-sided confidence bound at level 1-alpha: with dir Up the
// lower one, the largest margin beyond which the quantity lies for sure; with
// dir Down the upper one. It is -Inf (Up) or +Inf (Down) when there is none.
func Bound(t Test, alpha float64, dir stats.Dir) float64 {
	if i, ok := t.(Ignoring); ok {
		t = i.Rates
	}
	none := math.Inf(-int(dir))
	start := t.Estimate()
	low, high := t.Span()
	if !(alpha > 0 && alpha < 1) || math.IsNaN(start) || !(low < high) || dir != stats.Up && dir != stats.Down {
		return none
	}
	start = max(low, min(start, high))
	search := stats.Search{Start: start, Step: (high - low) / 4096, Limit: low}
	if dir == stats.Down {
		search.Limit = high
	}
	if search.Start == search.Limit {
		return none
	}
	return search.Frontier(-math.Log(alpha), func(margin float64) float64 {
		return -math.Log(max(probability(t.P(margin, dir)), 1e-300))
	})
}

// probability returns p, 1 in place of a NaN.
func probability(p float64) float64 {
	if math.IsNaN(p) {
		return 1
	}
	return max(0, min(p, 1))
}

// Holm returns the p-values of several claims corrected for their number: each
// may be compared with alpha, and the probability that any wrong claim is made
// stays at most alpha, however they depend on each other (Holm, Scandinavian
// Journal of Statistics 6, 1979). A NaN counts as 1.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	sortBy(order, func(i int) float64 { return probability(ps[i]) })
	corrected, largest := make([]float64, len(ps)), 0.0
	for rank, i := range order {
		largest = max(largest, min(1, probability(ps[i])*float64(len(ps)-rank)))
		corrected[i] = largest
	}
	return corrected
}
