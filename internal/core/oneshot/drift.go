package oneshot

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Drift is the distance of Kolmogorov and Smirnov between the outputs of the two
// arms, by the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's
// constant (Annals of Probability 18, 1990) for both of them: exact, and
// somewhat cautious.
type Drift stats.Drift

// P returns the p-value of the claim that the distance lies beyond the margin.
func (d Drift) P(margin float64, dir stats.Dir) float64 {
	distance := stats.KS(d.T, d.C)
	excess := float64(dir) * (distance - margin)
	if !(excess > 0) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	// Both bands at half of alpha: the distance errs by less than their sum.
	widths := 1/math.Sqrt(total(d.T)) + 1/math.Sqrt(total(d.C))
	return min(1, 4*math.Exp(-2*(excess/widths)*(excess/widths)))
}

// Estimate returns the distance, NaN when an arm is empty.
func (d Drift) Estimate() float64 { return stats.KS(d.T, d.C) }

// Span returns the range of a distance.
func (d Drift) Span() (low, high float64) { return 0, 1 }

func total(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	return sum
}
