package evidence

import (
	"math"
	"slices"
)

// ScaleOf returns the scale that observations of the baseline make of a series,
// for who has them all beforehand and need not learn on the way. It caps nothing
// where there are too few of them for a cap.
func ScaleOf(s Series, baseline []float64) Scale {
	scale := Scale{Cap: s.Cap, Edges: binEdges(slices.Clone(baseline), s.Bins)}
	if scale.Cap > 0 {
		return scale
	}
	var nonZero []float64
	for _, y := range baseline {
		if y != 0 {
			nonZero = append(nonZero, math.Abs(y))
		}
	}
	scale.Cap = capOf(nonZero)
	return scale
}
