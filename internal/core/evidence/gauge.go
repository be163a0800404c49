package evidence

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Gauge is a resource of both arms' servers, window by window: the logarithm of
// the candidate's over the baseline's in the same window, and the two by
// themselves.
//
// Windows follow upon each other in time, so unlike counts they are taken in one
// place and never split over shards.
type Gauge struct {
	Ratio     stats.Batches `json:"ratio"`
	Candidate stats.Batches `json:"candidate"`
	Baseline  stats.Batches `json:"baseline"`
}

// MinLevel and MaxLevel bound what a resource can be measured at.
const (
	MinLevel = 1e-12
	MaxLevel = 1e18
)

// Add adds a window. It reports false for a window that cannot be compared: one
// with an arm that is missing (NaN), zero, negative or without bound.
func (g *Gauge) Add(candidate, baseline float64) bool {
	if !isLevel(candidate) || !isLevel(baseline) {
		return false
	}
	g.Ratio.Add(math.Log(candidate / baseline))
	g.Candidate.Add(candidate)
	g.Baseline.Add(baseline)
	return true
}

// isLevel is false for NaN, too.
func isLevel(level float64) bool { return level >= MinLevel && level <= MaxLevel }

// Sound reports whether the windows can have come about by Add.
func (g *Gauge) Sound() bool { return g.Ratio.Sound() && g.Candidate.Sound() && g.Baseline.Sound() }

func (g *Gauge) clone() Gauge {
	out := *g
	for _, b := range []*stats.Batches{&out.Ratio, &out.Candidate, &out.Baseline} {
		b.Full = slices.Clone(b.Full)
	}
	return out
}
