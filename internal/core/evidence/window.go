package evidence

import (
	"math/bits"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// MaxWindows is how many windows of time a stratum is followed in at most. When
// there are more, neighbours are joined in pairs.
const MaxWindows = 64

const (
	// firstWidth is the width of a window, in seconds, before any were joined.
	firstWidth = 10
	// farthest bounds the seconds from 1970 that a clock is believed, so that all
	// windows there can be have joined before their width is out of range.
	farthest = 1 << 60
)

// Windows are the counts of a stratum by time: of every rate, and of every tail.
//
// A window has the number of its place on the clock (seconds since 1970, divided
// by the width and rounded down), so that windows that were counted apart merge
// by their numbers. They are filled from the tallies, of which they hold a part:
// what they do not hold yet belongs to the window Open. So nothing is counted
// twice or lost, whatever a clock does: one that goes back or jumps puts what
// comes into the window that it shows.
type Windows struct {
	Width int64 `json:"width"` // in seconds
	Open  int64 `json:"open"`
	// At are the numbers of the windows, ascending; those in which nothing was
	// counted are left out.
	At    []int64    `json:"at,omitempty"`
	Rates [][]Window `json:"rates,omitempty"` // by Layout.Rates, then by At
	Tails [][]Window `json:"tails,omitempty"` // by Layout.Tails, then by At
}

// Window is what was counted of one series in one window: the exposures and the
// events of each arm.
type Window [split.Arms][2]uint64

// Of returns the exposures and the events of an arm.
func (w *Window) Of(arm split.Arm) (n, k uint64) { return w[arm][0], w[arm][1] }

func (w *Window) add(o *Window) {
	for arm := range w {
		w[arm][0] += o[arm][0]
		w[arm][1] += o[arm][1]
	}
}

// Tick says what time it is, before what came since is counted. It closes the open
// window when another has begun, and reports whether there was anything in it.
func (e *Evidence) Tick(now time.Time) (closed []int) {
	for i, s := range e.Strata {
		if s != nil && s.Tick(now) {
			closed = append(closed, i)
		}
	}
	return closed
}

// Tick is Evidence.Tick of one stratum. That of a segment has no windows.
func (s *Stratum) Tick(now time.Time) (closed bool) {
	if s.Narrow {
		return false
	}
	if s.Windows == nil {
		s.Windows = &Windows{Width: firstWidth}
	} else if s.Windows.number(now) == s.Windows.Open {
		return false
	} else {
		closed = s.closeWindow()
	}
	s.Windows.Open = s.Windows.number(now)
	return closed
}

// number is that of the window in which a moment lies.
func (w *Windows) number(now time.Time) int64 {
	second := min(max(now.Unix(), -farthest), farthest)
	at := second / w.Width
	if second%w.Width < 0 {
		at--
	}
	return at
}

// closeWindow moves what no window holds yet to the open one. It reports whether
// there was anything.
func (s *Stratum) closeWindow() bool {
	w := s.Windows
	at := -1
	for row, of := range s.windowed {
		rest := unheld(*row, of)
		if rest == (Window{}) {
			continue
		}
		if at < 0 {
			at = w.place(w.Open)
		}
		(*row)[at].add(&rest)
	}
	return at >= 0
}

// windowed calls yield for each series with its windows and its tallies.
func (s *Stratum) windowed(yield func(row *[]Window, of [split.Arms]*Tally) bool) {
	w, t, c := s.Windows, &s.Sides[split.Candidate], &s.Sides[split.Baseline]
	w.Rates = w.room(w.Rates, min(len(t.Rates), len(c.Rates)))
	for i := range w.Rates {
		if !yield(&w.Rates[i], tallies(t.Rates, c.Rates, i)) {
			return
		}
	}
	w.Tails = w.room(w.Tails, min(len(t.Tails), len(c.Tails)))
	for i := range w.Tails {
		if !yield(&w.Tails[i], tallies(t.Tails, c.Tails, i)) {
			return
		}
	}
}

func tallies(candidate, baseline []Tally, i int) (out [split.Arms]*Tally) {
	if i < len(candidate) && i < len(baseline) {
		out[split.Candidate], out[split.Baseline] = &candidate[i], &baseline[i]
	}
	return out
}

// room returns rows with room for so many series.
func (w *Windows) room(rows [][]Window, series int) [][]Window {
	for len(rows) < series {
		rows = append(rows, make([]Window, len(w.At)))
	}
	return rows
}

// unheld is what was counted of a series and is in none of its windows.
func unheld(row []Window, of [split.Arms]*Tally) (rest Window) {
	var held Window
	for i := range row {
		held.add(&row[i])
	}
	for arm, t := range of {
		if t != nil {
			rest[arm] = [2]uint64{less(t.N, held[arm][0]), less(t.K, held[arm][1])}
		}
	}
	return rest
}

// less is a-b, and 0 where there is less than nothing.
func less(a, b uint64) uint64 { return a - min(a, b) }

// place returns the place of a window by its number, making room for it: when there
// are too many, by joining others.
func (w *Windows) place(number int64) int {
	i, found := slices.BinarySearch(w.At, number)
	for !found && len(w.At) >= MaxWindows {
		w.widen()
		number >>= 1
		i, found = slices.BinarySearch(w.At, number)
	}
	if found {
		return i
	}
	w.At = slices.Insert(w.At, i, number)
	for _, rows := range [][][]Window{w.Rates, w.Tails} {
		for r := range rows {
			rows[r] = slices.Insert(rows[r], i, Window{})
		}
	}
	return i
}

// widen joins neighbours in pairs.
func (w *Windows) widen() {
	w.Width *= 2
	w.Open >>= 1
	for _, rows := range [][][]Window{w.Rates, w.Tails} {
		for r := range rows {
			rows[r] = joinRow(w.At, rows[r])
		}
	}
	for i := range w.At {
		w.At[i] >>= 1
	}
	w.At = slices.Compact(w.At)
}

// joinRow joins those windows of a series that will have the same number.
func joinRow(at []int64, row []Window) []Window {
	n := 0
	for i := range row {
		if i > 0 && at[i]>>1 == at[i-1]>>1 {
			row[n-1].add(&row[i])
			continue
		}
		row[n] = row[i]
		n++
	}
	return row[:n]
}

// mergeWindows adds the windows of another stratum, before its tallies are added.
// What comes without windows belongs to the open one.
func (s *Stratum) mergeWindows(other *Stratum) {
	if other.Windows == nil {
		return
	}
	if s.Windows == nil {
		s.Windows = other.Windows.clone()
		return
	}
	s.closeWindow()
	o := *other
	o.Windows = other.Windows.clone()
	o.closeWindow()
	from, to := o.Windows, s.Windows
	for to.Width < from.Width {
		to.widen()
	}
	for from.Width < to.Width {
		from.widen()
	}
	to.Open = max(to.Open, from.Open)
	to.Rates, to.Tails = to.room(to.Rates, len(from.Rates)), to.room(to.Tails, len(from.Tails))
	for i, number := range from.At {
		at := to.place(number >> bits.TrailingZeros64(uint64(to.Width/from.Width))) // Both are doublings of one width.
		for r := range from.Rates {
			to.Rates[r][at].add(&from.Rates[r][i])
		}
		for r := range from.Tails {
			to.Tails[r][at].add(&from.Tails[r][i])
		}
	}
}

func (w *Windows) clone() *Windows {
	out := &Windows{Width: w.Width, Open: w.Open, At: slices.Clone(w.At)}
	out.Rates, out.Tails = cloneRows(w.Rates), cloneRows(w.Tails)
	return out
}

func cloneRows(rows [][]Window) [][]Window {
	if rows == nil {
		return nil
	}
	out := make([][]Window, len(rows))
	for i := range rows {
		out[i] = slices.Clone(rows[i])
	}
	return out
}

// fitsWindows reports whether the windows can be those of the stratum's tallies.
func fitsWindows(s *Stratum) bool {
	w := s.Windows
	if w == nil {
		return true
	}
	if w.Width < firstWidth || w.Width > 2*farthest || w.Width%firstWidth != 0 || len(w.At) > MaxWindows || !w.believed(w.Open) {
		return false
	}
	if n := w.Width / firstWidth; n&(n-1) != 0 {
		return false
	}
	for i, at := range w.At {
		if !w.believed(at) || i > 0 && w.At[i-1] >= at {
			return false
		}
	}
	t, c := &s.Sides[split.Candidate], &s.Sides[split.Baseline]
	return w.fitsRows(w.Rates, t.Rates, c.Rates) && w.fitsRows(w.Tails, t.Tails, c.Tails)
}

// believed reports whether a number is that of a moment near enough.
func (w *Windows) believed(number int64) bool {
	most := farthest/w.Width + 1
	return -most <= number && number <= most
}

// fitsRows reports whether windows hold no more than was counted.
func (w *Windows) fitsRows(rows [][]Window, candidate, baseline []Tally) bool {
	if len(rows) > len(candidate) || len(rows) > len(baseline) {
		return false
	}
	for i, row := range rows {
		if len(row) != len(w.At) {
			return false
		}
		rest := Window{
			split.Candidate: {candidate[i].N, candidate[i].K},
			split.Baseline:  {baseline[i].N, baseline[i].K},
		}
		for at := range row {
			for arm, counts := range row[at] {
				if counts[0] > rest[arm][0] || counts[1] > rest[arm][1] {
					return false
				}
				rest[arm][0] -= counts[0]
				rest[arm][1] -= counts[1]
			}
		}
	}
	return true
}
