package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
)

// quantity is what a cell showed of one thing; false where it did not.
type quantity func(c *measure.Cell) (float64, bool)

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// saturated, opened, streamed and remembered read one thing of a measurement.
func saturated(read func(*measure.Saturated) float64) quantity {
	return func(c *measure.Cell) (float64, bool) {
		if c.Saturated == nil || c.Saturated.Requests == 0 {
			return 0, false
		}
		return read(c.Saturated), true
	}
}

func opened(read func(*measure.Open) float64) quantity {
	return func(c *measure.Cell) (float64, bool) {
		if c.Open == nil || c.Open.Delay.N == 0 {
			return 0, false
		}
		return read(c.Open), true
	}
}

func streamed(read func(*measure.Streams) float64) quantity {
	return func(c *measure.Cell) (float64, bool) {
		if c.Streams == nil || c.Streams.Delay.N == 0 {
			return 0, false
		}
		return read(c.Streams), true
	}
}

func remembered(read func(*measure.Memory) int64) quantity {
	return func(c *measure.Cell) (float64, bool) {
		if c.Memory == nil || read(c.Memory) == 0 {
			return 0, false
		}
		return float64(read(c.Memory)) / 1e6, true
	}
}

// The quantities, in microseconds, requests a second and megabytes.
var (
	perRequest = saturated(func(s *measure.Saturated) float64 { return micro(s.PerRequest()) })
	byTicks    = saturated(func(s *measure.Saturated) float64 { return micro(s.Ticks) / float64(s.Requests) })
	perSecond  = saturated(func(s *measure.Saturated) float64 { return float64(s.Requests) / s.Took.Seconds() })
	foreign    = saturated(func(s *measure.Saturated) float64 { return s.Foreign })
	openP50    = opened(func(o *measure.Open) float64 { return micro(o.Delay.P50) })
	openP99    = opened(func(o *measure.Open) float64 { return micro(o.Delay.P99) })
	openCPU    = opened(func(o *measure.Open) float64 { return micro(o.PerRequest()) })
	openShare  = opened(func(o *measure.Open) float64 { return 100 * float64(o.Candidate) / float64(o.Delay.N) })
	openLag    = opened(func(o *measure.Open) float64 { return micro(o.Lag.P99) })
	streamP50  = streamed(func(s *measure.Streams) float64 { return micro(s.Delay.P50) })
	streamP99  = streamed(func(s *measure.Streams) float64 { return micro(s.Delay.P99) })
	streamGap  = streamed(func(s *measure.Streams) float64 { return micro(s.Gap.P99) })
	perEvent   = streamed(func(s *measure.Streams) float64 { return micro(s.PerEvent()) })
	memStart   = remembered(func(m *measure.Memory) int64 { return m.Start })
	memIdle    = remembered(func(m *measure.Memory) int64 { return m.Idle })
	memLoaded  = remembered(func(m *measure.Memory) int64 { return m.Loaded })
)

// values are what the repetitions came to.
type values []float64

// of reads a quantity of a proxy in every repetition.
func (r *Report) of(proxy string, q quantity) values {
	var out values
	for i := range r.Results.Cells {
		if c := &r.Results.Cells[i]; c.Proxy == proxy {
			if v, ok := q(c); ok {
				out = append(out, v)
			}
		}
	}
	return out
}

// pairs joins a quantity of two proxies within each repetition.
func (r *Report) pairs(a, b string, q quantity, join func(a, b float64) float64) values {
	var out values
	for i := range r.Results.Cells {
		for k := range r.Results.Cells {
			x, y := &r.Results.Cells[i], &r.Results.Cells[k]
			if x.Proxy != a || y.Proxy != b || x.Repeat != y.Repeat {
				continue
			}
			v, one := q(x)
			w, other := q(y)
			if one && other {
				out = append(out, join(v, w))
			}
		}
	}
	return out
}

func ratio(a, b float64) float64 { return a / b }
func less(a, b float64) float64  { return a - b }

// added is what a proxy adds to the way without one.
func (r *Report) added(proxy string, q quantity) values {
	return r.pairs(proxy, measure.Direct, q, less)
}

// median is the middle value, and the mean of the two in the middle; 0 of none.
func (v values) median() float64 {
	if len(v) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(v))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// text writes the median with the least and the greatest, with some digits.
func (v values) text(digits int) string {
	if len(v) == 0 {
		return "–"
	}
	write := func(x float64) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	if len(v) == 1 {
		return write(v[0])
	}
	return fmt.Sprintf("%s (%s … %s)", write(v.median()), write(slices.Min(v)), write(slices.Max(v)))
}
