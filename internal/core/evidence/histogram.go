package evidence

import (
	"math"
	"slices"
	"time"
)

// Latencies are sketched between these; what lies outside counts at the edge.
const (
	MinLatency = time.Microsecond
	MaxLatency = time.Hour
)

// resolution is the widest bucket of a latency sketch: 1 %.
const resolution = 0.01

// Base is the natural logarithm of a sketch's bucket ratio: bucket i holds the
// latencies y, in nanoseconds, with exp(i*Base) <= y < exp((i+1)*Base).
type Base float64

// BaseFor returns the base of a sketch that compares quantiles at a relative
// margin, and the margin in steps of it. The margin is a whole number of
// buckets, so both a baseline edge x and x times (1+margin) are exact bucket
// edges and no exceedance count is interpolated. The margin lies above -1; a
// margin of 0 takes no steps of the widest base.
func BaseFor(margin float64) (base Base, steps int32) {
	ln := math.Log1p(margin)
	if ln == 0 {
		return Base(math.Log1p(resolution)), 0
	}
	m := math.Ceil(math.Abs(ln)/math.Log1p(resolution) - 1e-9)
	m = max(m, 1)
	return Base(math.Abs(ln) / m), int32(math.Copysign(m, ln))
}

// Index returns the bucket of a latency.
func (b Base) Index(d time.Duration) int32 {
	d = min(max(d, MinLatency), MaxLatency)
	return b.index(float64(d))
}

// index is floor(ln y / base), with y exactly on an edge counted above it in
// spite of rounding.
func (b Base) index(ns float64) int32 {
	return int32(math.Floor(math.Log(ns)/float64(b) + 1e-9))
}

// Edge returns the lower edge of bucket i.
func (b Base) Edge(i int32) time.Duration {
	return time.Duration(math.Exp(float64(i) * float64(b)))
}

// EdgeAtLeast returns the lowest edge that is not below d.
func (b Base) EdgeAtLeast(d time.Duration) int32 {
	return int32(math.Ceil(math.Log(float64(max(d, 1)))/float64(b) - 1e-9))
}

// Histogram is a latency sketch: counts per logarithmic bucket. Its zero value
// is empty.
type Histogram struct {
	Lo int32    `json:"lo"` // the bucket of N[0]
	N  []uint64 `json:"n,omitempty"`
}

// Add counts n latencies in bucket i.
func (h *Histogram) Add(i int32, n uint64) {
	if at := i - h.Lo; at >= 0 && int(at) < len(h.N) {
		h.N[at] += n
		return
	}
	h.grow(i, i)
	h.N[i-h.Lo] += n
}

// grow makes room for the buckets lo to hi.
func (h *Histogram) grow(lo, hi int32) {
	if len(h.N) == 0 {
		h.Lo, h.N = lo, make([]uint64, hi-lo+1)
		return
	}
	lo, hi = min(lo, h.Lo), max(hi, h.Lo+int32(len(h.N))-1)
	n := make([]uint64, hi-lo+1)
	copy(n[h.Lo-lo:], h.N)
	h.Lo, h.N = lo, n
}

func (h *Histogram) reserve(b Base) { h.grow(b.Index(MinLatency), b.Index(MaxLatency)) }

func (h *Histogram) reset() { clear(h.N) }

// Merge adds the counts of another histogram of the same base.
func (h *Histogram) Merge(o *Histogram) {
	first, last := o.span()
	if first > last {
		return
	}
	h.grow(o.Lo+int32(first), o.Lo+int32(last))
	for i := first; i <= last; i++ {
		h.N[o.Lo+int32(i)-h.Lo] += o.N[i]
	}
}

// span returns the first and last non-empty position; first > last when there
// is none.
func (h *Histogram) span() (first, last int) {
	last = len(h.N) - 1
	for last >= 0 && h.N[last] == 0 {
		last--
	}
	for first <= last && h.N[first] == 0 {
		first++
	}
	return first, last
}

// Total returns the number of latencies.
func (h *Histogram) Total() uint64 {
	var n uint64
	for _, c := range h.N {
		n += c
	}
	return n
}

// Above returns the number of latencies at or above an edge.
func (h *Histogram) Above(edge int32) uint64 {
	var n uint64
	for i := max(int(edge-h.Lo), 0); i < len(h.N); i++ {
		n += h.N[i]
	}
	return n
}

// EdgeFor returns the edge whose exceedance count is closest to the share p of
// all latencies, and that count. The lower edge wins a tie, also between edges
// with the same count: an edge must not jump across a gap in the latencies
// because of a rounding error in p.
func (h *Histogram) EdgeFor(p float64) (edge int32, above uint64) {
	want := p * float64(h.Total())
	var over uint64
	for i, n := range slices.Backward(h.N) {
		next := over + n
		if float64(next) >= want {
			if want-float64(over) < float64(next)-want {
				return h.lowest(i + 1), over
			}
			return h.lowest(i), next
		}
		over = next
	}
	return h.Lo, over
}

// lowest returns the lowest edge with the same count above it as edge at. Below
// all latencies that is the edge right below them.
func (h *Histogram) lowest(at int) int32 {
	down := at
	for down > 0 && h.N[down-1] == 0 {
		down--
	}
	if down == 0 {
		down = at
	}
	return h.Lo + int32(down)
}

// Quantile returns the q-quantile of the latencies, interpolated
// logarithmically within its bucket, for display. It is 0 for an empty
// histogram.
func (h *Histogram) Quantile(b Base, q float64) time.Duration {
	total := h.Total()
	if total == 0 {
		return 0
	}
	rank := q * float64(total)
	var below float64
	for i, c := range h.N {
		if c == 0 {
			continue
		}
		if below+float64(c) >= rank {
			within := (rank - below) / float64(c)
			return time.Duration(math.Exp((float64(h.Lo) + float64(i) + within) * float64(b)))
		}
		below += float64(c)
	}
	return b.Edge(h.Lo + int32(len(h.N)))
}

// Compact drops empty buckets at both ends, for storing.
func (h *Histogram) Compact() {
	first, last := h.span()
	if first > last {
		*h = Histogram{}
		return
	}
	h.Lo, h.N = h.Lo+int32(first), h.N[first:last+1:last+1]
}
