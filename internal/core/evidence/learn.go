package evidence

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/split"
)

const (
	// LearnFrom is how many observations of the baseline other than zero fix the
	// scale of a series.
	LearnFrom = 1000
	// MaxRaw is how many observations of a series wait for its scale at most.
	// Then it is fixed by what there is.
	MaxRaw = 20_000
	// capQuantile is where values are capped. A metric whose largest hundredth
	// carries most of its variance decides ten times later for the sake of what
	// hardly anybody sees (STATISTICS 3.4).
	capQuantile = 0.99
	// leastForCap is how many observations make a cap; fewer leave the series as
	// it is.
	leastForCap = 100
)

// Learn fixes the scales of those series of which the baseline has shown enough,
// for all strata alike and once for the whole rollout. What waits for its age is
// enough, too: a cap decides nothing. It reports whether it fixed one.
func (e *Evidence) Learn(l *Layout) bool {
	learned := false
	for i := range l.Values {
		if scale, ok := e.learn(l, i); ok {
			e.fix(l, i, scale)
			learned = true
		}
	}
	return learned
}

// Unscaled returns how many observations wait for their scale.
func (e *Evidence) Unscaled() int {
	n := 0
	for s := range e.counted {
		n += len(s.Raw)
	}
	return n
}

// fix sets the scale of a series in all strata.
func (e *Evidence) fix(l *Layout, series int, scale Scale) {
	e.everyStratum(func(s *Stratum) {
		scales := slices.Clone(s.Scales)
		if scales == nil {
			scales = scalesOf(l)
		}
		scales[series] = scale
		s.rescale(scales)
	})
}

// learn works out the scale of a series, once the baseline has shown enough.
func (e *Evidence) learn(l *Layout, series int) (Scale, bool) {
	var nonZero, all []float64
	waiting := 0
	for s := range e.counted {
		if s.Scales != nil && s.Scales[series].known() {
			return Scale{}, false
		}
		for _, r := range s.Raw {
			if r.Series != series {
				continue
			}
			waiting++
			if r.Arm != split.Baseline {
				continue
			}
			all = append(all, r.Value)
			if r.Value != 0 {
				nonZero = append(nonZero, math.Abs(r.Value))
			}
		}
	}
	enough := len(nonZero) >= LearnFrom || l.Values[series].Bins > 0 && len(all) >= LearnFrom
	if !enough && waiting < MaxRaw {
		return Scale{}, false
	}
	scale := Scale{Cap: l.Values[series].Cap, Edges: binEdges(all, l.Values[series].Bins)}
	if scale.Cap == 0 {
		scale.Cap = capOf(nonZero)
	}
	return scale, true
}

// capOf is the quantile at which values are capped.
func capOf(nonZero []float64) float64 {
	if len(nonZero) < leastForCap {
		return MaxValue
	}
	slices.Sort(nonZero)
	return nonZero[int(capQuantile*float64(len(nonZero)))]
}

// binEdges cuts values into bins of about equal frequency. A value as frequent as
// a bin has one of its own, and so has all that lies below or above the values: a
// class or a level that the baseline never had is none of those that it has.
func binEdges(values []float64, bins int) []float64 {
	if bins == 0 || len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	edges := make([]float64, 0, mostEdges(bins))
	add := func(at float64) {
		if last := len(edges) - 1; at <= MaxValue && (last < 0 || at > edges[last]) {
			edges = append(edges, at)
		}
	}
	for i := range bins {
		at := values[i*len(values)/bins]
		first, _ := slices.BinarySearch(values, at)
		end, _ := slices.BinarySearch(values, above(at))
		add(at)
		if (end-first)*bins >= len(values) {
			add(above(at))
		}
	}
	add(above(values[len(values)-1]))
	return edges
}

// mostEdges is how many edges so many bins have at most.
func mostEdges(bins int) int {
	if bins == 0 {
		return 0
	}
	return 2*bins + 1
}
