package evidence

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Fits reports whether a stratum, wherever it comes from, can be merged into one
// of the layout: as many series as the layout has or fewer, and of each what can
// have been observed.
func (l *Layout) Fits(s *Stratum) bool {
	if s == nil || s.Edges != nil && len(s.Edges) != len(l.Tails) || !l.fitsScales(s.Scales) {
		return false
	}
	for arm := range s.Sides {
		if !l.fitsSide(&s.Sides[arm], s.Scales) {
			return false
		}
	}
	for _, r := range s.Raw {
		if !l.takes(r) {
			return false
		}
	}
	return l.fitsGauges(s.Gauges) && fitsWindows(s)
}

func (l *Layout) fitsSide(side *Side, scales []Scale) bool {
	tails := 0
	if l.Clustered {
		tails = len(l.Tails)
	}
	if len(side.Rates) > len(l.Rates) || len(side.Latency) > len(l.Sketches) || len(side.Tails) > tails || len(side.Values) > len(l.Values) || len(side.Outputs) > len(l.Outputs) {
		return false
	}
	if n := len(side.Units.Level); n != 0 && n != Levels {
		return false
	}
	for i := range side.Latency {
		if !l.Sketches[i].fits(&side.Latency[i]) {
			return false
		}
	}
	for i := range side.Values {
		var scale Scale
		if scales != nil {
			scale = scales[i]
		}
		if !side.Values[i].fits(scale) {
			return false
		}
	}
	return true
}

// fits reports whether all buckets of a sketch are some of the base's: others
// would need room without bound to be merged.
func (b Base) fits(h *Histogram) bool {
	n := int64(len(h.N))
	return n == 0 || h.Lo >= b.Index(MinLatency) && int64(h.Lo)+n-1 <= int64(b.Index(MaxLatency))
}

// fits reports whether the numbers can be those of a series on a scale.
func (v *Value) fits(scale Scale) bool {
	m, most := v.Moments, scale.most()
	if !(m.N >= 0 && m.N <= maxCount) || !(math.Abs(m.Mean) <= most*(1+rounding)) || !(m.M2 >= 0) || math.IsInf(m.M2, 0) {
		return false
	}
	if float64(v.NonZero) > m.N || v.Capped > v.NonZero {
		return false
	}
	if v.Spread != nil && len(v.Spread) != split.Buckets*len(v.Bins) {
		return false
	}
	return v.fitsCovariate() && (v.Bins == nil || scale.known() && len(v.Bins) == len(scale.Edges)+1)
}

// maxCount is a count that every count stays below, and rounding what a mean may
// lie beyond the largest of its values.
const (
	maxCount = 1e18
	rounding = 1e-9
)

// most is the largest value that is counted on a scale; before it is known only
// zeros are.
func (s *Scale) most() float64 { return s.Cap }

// fitsScales reports whether the scales can be those of the layout's series.
func (l *Layout) fitsScales(scales []Scale) bool {
	if scales == nil {
		return true
	}
	if len(scales) != len(l.Values) {
		return false
	}
	for i, s := range scales {
		if !(s.Cap >= 0 && s.Cap <= MaxValue) || len(s.Edges) > mostEdges(l.Values[i].Bins) || !ascending(s.Edges) {
			return false
		}
	}
	return true
}

// ascending is false for NaN, too.
func ascending(edges []float64) bool {
	for i := range edges {
		if !(math.Abs(edges[i]) <= MaxValue) || i > 0 && !(edges[i-1] < edges[i]) {
			return false
		}
	}
	return true
}

// takes reports whether a series can have shown an observation.
func (l *Layout) takes(r Raw) bool {
	if r.Covariate != nil && !(math.Abs(*r.Covariate) <= MaxValue) {
		return false
	}
	return r.Series >= 0 && r.Series < len(l.Values) && r.Arm < split.Arms && math.Abs(r.Value) <= MaxValue
}

// fitsGauges reports whether the windows can be those of the layout's gauges.
func (l *Layout) fitsGauges(gauges []Gauge) bool {
	if len(gauges) > len(l.Gauges) {
		return false
	}
	for i := range gauges {
		g := &gauges[i]
		if g.Candidate.Count != g.Ratio.Count || g.Baseline.Count != g.Ratio.Count {
			return false
		}
		if !fitsBatches(&g.Ratio) || !fitsBatches(&g.Candidate) || !fitsBatches(&g.Baseline) {
			return false
		}
	}
	return true
}

// maxBatches is what stats.Batches holds at most, once it has added a window.
const maxBatches = 64

// fitsBatches reports whether batches can have come about by adding windows.
func fitsBatches(b *stats.Batches) bool {
	if b.Count == 0 {
		return len(b.Full) == 0 && b.OpenN == 0
	}
	if b.Size < 1 || b.Size > math.MaxInt32 || b.OpenN < 0 || b.OpenN >= b.Size || len(b.Full) >= maxBatches {
		return false
	}
	return b.Count == b.Size*len(b.Full)+b.OpenN
}
