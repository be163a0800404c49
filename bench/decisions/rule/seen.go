package rule

import "math"

// Metric is what a rule can judge.
type Metric int

// The metrics.
const (
	Errors     Metric = iota // failed requests among all
	Latency                  // the 99th percentile, or the share of slow requests
	Conversion               // successes among reports, rare
	Revenue                  // worth of a report
	Quality                  // right answers among reports
	Metrics                  // how many there are
)

var metricNames = [Metrics]string{"errors", "latency", "conversion", "revenue", "quality"}

// String is the metric's name.
func (m Metric) String() string { return metricNames[m] }

// Up reports whether an increase of the metric is harm.
func (m Metric) Up() bool { return m == Errors || m == Latency }

// worse returns how far a lies on the worse side of b.
func (m Metric) worse(a, b float64) float64 {
	if m.Up() {
		return a - b
	}
	return b - a
}

// The arms of a window.
const (
	Baseline = iota
	Candidate
	Arms
)

// Moments are the number of observations, their sum and that of their squares.
// For a share, both sums are the number of events.
type Moments struct{ N, Sum, Squares float64 }

// Events are the moments of a share: k of n.
func Events(k, n uint64) Moments { return Moments{float64(n), float64(k), float64(k)} }

// Mean is the mean of the observations; NaN without any.
func (m Moments) Mean() float64 { return m.Sum / m.N }

// Variance is the variance of one observation.
func (m Moments) Variance() float64 {
	mean := m.Mean()
	return max(m.Squares/m.N-mean*mean, 0) * m.N / max(m.N-1, 1)
}

// events is how many observations other than zero there are: exactly so for a
// share, and as many as weigh the same for a sum (Kish's effective number).
func (m Moments) events() float64 {
	if m.Squares == 0 {
		return 0
	}
	return m.Sum * m.Sum / m.Squares
}

func (m Moments) plus(o Moments) Moments {
	return Moments{m.N + o.N, m.Sum + o.Sum, m.Squares + o.Squares}
}

func (m Moments) minus(o Moments) Moments {
	return Moments{m.N - o.N, m.Sum - o.Sum, m.Squares - o.Squares}
}

// Seen is what one arm did. The moments of Latency are those of the share of
// requests that are slower than the baseline's usual 99th percentile, for tools
// that cannot test a quantile.
type Seen struct {
	Of [Metrics]Moments
	// P99 is the 99th percentile of the latencies in seconds, of a single window
	// alone; 0 without requests.
	P99 float64
}

func (s *Seen) add(o *Seen) {
	for m := range s.Of {
		s.Of[m] = s.Of[m].plus(o.Of[m])
	}
}

func (s *Seen) drop(o *Seen) {
	for m := range s.Of {
		s.Of[m] = s.Of[m].minus(o.Of[m])
	}
}

// Window is what a minute showed.
type Window struct {
	// Minute is when the window ended, in minutes since the first traffic.
	Minute int
	Arms   [Arms]Seen
	// Slice is what a part of the baseline did that is as large as the candidate,
	// for tools that compare with no more than that.
	Slice Seen
	// Units tells how much the units of an arm differ, where a unit sends many
	// requests. It is nil where each request is a unit of its own.
	Units Units
}

// Units is what a tool that analyses by unit knows besides the totals.
type Units interface {
	// Between is the sum, over the units of an arm, of the squares of what
	// deviates from the arm's mean, as expected from the units' own means: what
	// has to be added to the variance of the sum that independent requests would
	// have. Everything since the first traffic counts.
	Between(arm int, m Metric) float64
}

// trailing keeps the sum of the last windows.
type trailing struct {
	over int
	past []([Arms]Seen)
	sum  [Arms]Seen
}

func (t *trailing) add(w *Window) {
	t.past = append(t.past, w.Arms)
	for arm := range t.sum {
		t.sum[arm].add(&w.Arms[arm])
	}
	if len(t.past) > t.over {
		for arm := range t.sum {
			t.sum[arm].drop(&t.past[0][arm])
		}
		t.past = t.past[1:]
	}
}

// safe is x, or 0 where x is no number.
func safe(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return x
}
