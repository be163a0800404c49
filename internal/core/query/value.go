package query

import (
	"math"
	"time"
)

// Point is one series at one moment.
type Point struct {
	// Key tells the series of one server apart, by all their labels. Two readings
	// of the same series have the same.
	Key   string
	Value float64
}

// Page is what one server said at one moment: the series of each selector. nil
// stands for a server that could not be read.
type Page [][]Point

// Reading is what all servers of a version said at one moment.
type Reading struct {
	At    time.Time
	Pages []Page // by server
}

// Missing is why a window has no value. The reasons are stable for ever.
type Missing string

// The reasons.
const (
	// Unreachable means that a server could not be read.
	Unreachable Missing = "Unreachable"
	// NoSeries means that a server has no series like that.
	NoSeries Missing = "NoSeries"
	// CounterBack means that a counter went back or was gone: its server started
	// again, or another one answered.
	CounterBack Missing = "CounterBack"
	// NotANumber means NaN or an infinity.
	NotANumber Missing = "NotANumber"
	// NotPositive means a zero or less, which has no ratio.
	NotPositive Missing = "NotPositive"
)

// Gap says where the value of a window is missing, and why.
type Gap struct {
	Why Missing
	// Server is the index of the server, Term that of the term: 0, or 1 below the
	// line.
	Server, Term int
}

// Value answers the query from the readings of one window, in the order of time.
// The first is where the window begins, and the last of the window before: a
// level is the average of the others, a rate the increase from the first to the
// last. What several servers say is averaged, so that versions with different
// numbers of servers can be compared. The second result is nil when there is a
// value; a window without two readings is Unreachable.
func (q Query) Value(window []Reading) (float64, *Gap) {
	var levels [2]float64
	for i, t := range q.terms() {
		level, gap := t.over(window, i)
		if gap != nil {
			return 0, gap
		}
		levels[i] = level
	}
	if q.Bottom == nil {
		return levels[0], nil
	}
	// Both are positive and finite, but their ratio need not be.
	return positive(levels[0]/levels[1], Gap{})
}

// over averages the term over the servers.
func (t Term) over(window []Reading, term int) (float64, *Gap) {
	if len(window) < 2 || len(window[0].Pages) == 0 {
		return 0, &Gap{Why: Unreachable, Term: term}
	}
	servers := len(window[0].Pages)
	sum := 0.0
	for server := range servers {
		where := Gap{Server: server, Term: term}
		level, why := t.at(window, where)
		if why != "" {
			where.Why = why
			return 0, &where
		}
		sum += level
	}
	return positive(sum/float64(servers), Gap{Term: term})
}

// positive refuses what has no logarithm.
func positive(x float64, where Gap) (float64, *Gap) {
	switch {
	case math.IsNaN(x), math.IsInf(x, 0):
		where.Why = NotANumber
	case x <= 0:
		where.Why = NotPositive
	default:
		return x, nil
	}
	return 0, &where
}

// at is the level or the rate of one server.
func (t Term) at(window []Reading, where Gap) (float64, Missing) {
	if t.Rate {
		return t.rate(window, where)
	}
	sum := 0.0
	for _, r := range window[1:] {
		points, why := r.points(where)
		if why == "" && len(points) == 0 {
			why = NoSeries
		}
		if why != "" {
			return 0, why
		}
		values := make([]float64, len(points))
		for i, p := range points {
			values[i] = p.Value
		}
		sum += t.reduce(values)
	}
	return finite(sum / float64(len(window)-1))
}

// points are the series of one server and term.
func (r Reading) points(where Gap) ([]Point, Missing) {
	if where.Server >= len(r.Pages) || r.Pages[where.Server] == nil || where.Term >= len(r.Pages[where.Server]) {
		return nil, Unreachable
	}
	return r.Pages[where.Server][where.Term], ""
}

// rate is the increase of each series per second, reduced. A series that appears
// within the window counts from zero, as a counter does; one that falls or goes
// away has begun again at an unknown moment, and the window is lost.
func (t Term) rate(window []Reading, where Gap) (float64, Missing) {
	seconds := window[len(window)-1].At.Sub(window[0].At).Seconds()
	if seconds <= 0 {
		return 0, NotANumber
	}
	gains := map[string]float64{}
	before, why := window[0].points(where)
	if why != "" {
		return 0, why
	}
	for _, r := range window[1:] {
		now, why := r.points(where)
		if why == "" {
			why = gain(gains, before, now)
		}
		if why != "" {
			return 0, why
		}
		before = now
	}
	if len(gains) == 0 {
		return 0, NoSeries
	}
	values := make([]float64, 0, len(gains))
	for _, p := range before { // In the order of the page, so that sums are the same each time.
		values = append(values, gains[p.Key]/seconds)
	}
	return finite(t.reduce(values))
}

// gain adds the increase of each series from one reading to the next.
func gain(gains map[string]float64, before, now []Point) Missing {
	was := make(map[string]float64, len(before))
	for _, p := range before {
		was[p.Key] = p.Value
	}
	for _, p := range now {
		up := p.Value - was[p.Key]
		if math.IsNaN(up) || math.IsInf(up, 0) {
			return NotANumber
		}
		if up < 0 {
			return CounterBack
		}
		delete(was, p.Key)
		gains[p.Key] += up
	}
	if len(was) > 0 {
		return CounterBack
	}
	return ""
}

func finite(x float64) (float64, Missing) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, NotANumber
	}
	return x, ""
}

// reduce makes one number of several.
func (t Term) reduce(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sum, largest := 0.0, math.Inf(-1)
	for _, v := range values {
		sum += v
		largest = math.Max(largest, v) // NaN stays NaN.
	}
	switch t.Reduce {
	case Avg:
		return sum / float64(len(values))
	case Max:
		return largest
	case Sum:
	}
	return sum
}
