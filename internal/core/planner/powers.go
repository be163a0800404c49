package planner

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Powers relate the evidence that is expected to the evidence that chance brings.
// The margin of a pass and the scales of its prior are the same number, so the
// probability that a pass comes by an information I depends on margin*sqrt(I)
// alone, whatever the gate: with the part p80 of the samples of a moment the
// expected evidence is just enough, and with all of them four rollouts of five
// have passed.
type powers struct{ p80, p90 float64 }

// newPowers works the powers out at a level alpha, for a margin of one.
func newPowers(alpha float64) powers {
	prior, threshold := stats.Prior3(1), gate.PassAt(alpha)
	c := stats.NewCrossing(prior, threshold)
	even := evenInfo(prior, threshold)
	return powers{even / c.Time(1, 0.8), even / c.Time(1, 0.9)}
}

// evenInfo is the information at which a distance of one is just critical.
func evenInfo(p stats.Prior, threshold float64) float64 {
	low, high := 1e-3, 1e6
	for high > 1.001*low {
		middle := math.Sqrt(low * high)
		if stats.CriticalZ(middle, threshold, p) <= math.Sqrt(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
