package evidence

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// noon is a moment at which a window of every width up to an hour begins.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// visits are requests that come every ten seconds from some time on.
type visits struct {
	At      int // seconds after noon
	Times   int
	Records []record
}

func someVisits(t *rapid.T, label string) []visits {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) visits {
		return visits{
			At: rapid.IntRange(-1000, 30_000).Draw(t, "at"), Times: rapid.IntRange(1, 50).Draw(t, "times"), Records: records(t, "records"),
		}
	}), 0, 4).Draw(t, label)
}

// played is a stratum that has seen visits, and all of whose windows are closed.
func played(l *Layout, edges []int32, list ...[]visits) *Stratum {
	s := NewStratum(l)
	s.Edges = edges
	for _, part := range list {
		for _, v := range part {
			for i := range v.Times {
				s.Tick(after(v.At + 10*i))
				for _, r := range v.Records {
					r.add(l, s)
				}
			}
		}
	}
	return s
}

// closed closes what is open, and lets no window be.
func closed(s *Stratum) *Stratum {
	s.Tick(after(1 << 30))
	s.Tick(after(1 << 30))
	return s
}

func TestWindowsCountedApartMergeByTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		var edges []int32
		if l.Clustered && len(l.Tails) > 0 {
			edges = make([]int32, len(l.Tails))
		}
		a, b, c := someVisits(t, "a"), someVisits(t, "b"), someVisits(t, "c")
		of := func(list ...[]visits) *Stratum {
			s := played(&l, edges, list...)
			s.Tick(after(0)) // As all that was counted is from some window on.
			return s
		}
		want := seen(closed(of(a, b, c)))
		for name, got := range map[string]*Stratum{
			"another order":           of(c, a, b),
			"three shards":            merged(&l, of(a), of(b), of(c)),
			"three shards, backwards": merged(&l, of(c), of(b), of(a)),
			"grouped to the left":     merged(&l, merged(&l, of(a), of(b)), of(c)),
			"grouped to the right":    merged(&l, of(a), merged(&l, of(b), of(c))),
			"a clone":                 merged(&l, of(a, b, c)),
		} {
			if d := differ(want, seen(closed(got))); d != "" {
				t.Fatalf("%s (-one shard +got):\n%s", name, d)
			}
		}
		if !l.Fits(want) {
			t.Fatal("the windows do not fit their own tallies")
		}
	})
}

// Whatever the clock does, all that was counted is in some window, once.
func TestNoClockLosesACount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		s := NewStratum(&l)
		for _, part := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
			return rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 4000)).Draw(t, "second")
		}), 1, 200).Draw(t, "clock") {
			s.Tick(time.Unix(part, 0))
			s.Observe(&l, Observation{Arm: split.Arm(part & 1), Bucket: uint8(part), Error: part%3 == 0})
			if !l.Fits(s) || len(s.Windows.At) > MaxWindows {
				t.Fatalf("after second %d: %+v", part, s.Windows)
			}
		}
		s.Tick(time.Unix(math.MaxInt64, 0))
		s.Tick(time.Unix(math.MinInt64, 0))
		for i := range l.Rates {
			var sum Window
			for at := range s.Windows.Rates[i] {
				sum.add(&s.Windows.Rates[i][at])
			}
			for arm := range s.Sides {
				if n, k := sum.Of(split.Arm(arm)); n != s.Sides[arm].Rates[i].N || k != s.Sides[arm].Rates[i].K {
					t.Fatalf("%s: %d of %d in windows, %d of %d in all", l.Rates[i], k, n, s.Sides[arm].Rates[i].K, s.Sides[arm].Rates[i].N)
				}
			}
		}
	})
}

func TestWindowsAreJoinedInPairsWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	s := NewStratum(&l)
	for second := range 3600 {
		s.Tick(after(second))
		s.Observe(&l, Observation{Arm: split.Candidate, Error: second >= 1800})
		if second == 645 && (s.Windows.Width != 10 || len(s.Windows.At) != 64) {
			t.Errorf("after %d s: %d windows of %d s", second, len(s.Windows.At), s.Windows.Width)
		}
		if second == 655 && (s.Windows.Width != 20 || len(s.Windows.At) != 33) {
			t.Errorf("after %d s: %d windows of %d s", second, len(s.Windows.At), s.Windows.Width)
		}
	}
	s.Tick(after(3600))
	w := s.Windows
	if w.Width != 80 || len(w.At) != 45 {
		t.Fatalf("after an hour: %d windows of %d s", len(w.At), w.Width)
	}
	for i := range w.At {
		n, k := w.Rates[0][i].Of(split.Candidate)
		if want := uint64(80); n != want || k != 0 && k != n && i != 22 {
			t.Errorf("window %d: %d of %d", i, k, n)
		}
	}
}

func TestWhatComesBeforeTheFirstTickIsInItsWindow(t *testing.T) {
	t.Parallel()
	l := NewLayout(true, "outcome:a")
	s := NewStratum(&l)
	s.Observe(&l, Observation{Arm: split.Candidate, Error: true})
	if s.Tick(after(3)) || s.Tick(after(9)) {
		t.Error("a window was closed within its time")
	}
	s.ObserveOutcome(2, split.Baseline, 1, true)
	if !s.Tick(after(10)) {
		t.Error("no window was closed at its end")
	}
	s.Observe(&l, Observation{Arm: split.Baseline})
	want := &Windows{
		Width: 10, Open: after(10).Unix() / 10, At: []int64{noon.Unix() / 10},
		Rates: [][]Window{
			{{split.Candidate: {1, 1}}},
			{{split.Candidate: {1, 0}}},
			{{split.Baseline: {1, 1}}},
		},
	}
	if d := cmp.Diff(want, s.Windows); d != "" {
		t.Errorf("windows (-want +got):\n%s", d)
	}
	if s.Tick(after(20)); len(s.Windows.At) != 2 {
		t.Errorf("%d windows", len(s.Windows.At))
	}
	if s.Tick(after(30)) || len(s.Windows.At) != 2 {
		t.Error("an empty window was closed")
	}
}

func TestOnlyTheWholeHasWindows(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	e := &Evidence{}
	e.SegmentStratum(&l, "de", 1).Tick(noon)
	e.Stratum(&l, 2).Observe(&l, Observation{Arm: split.Baseline})
	e.Tick(noon)
	if d := cmp.Diff([]int{2}, e.Tick(after(60))); d != "" {
		t.Errorf("closed (-want +got):\n%s", d)
	}
	if e.Segments[0].Strata[1].Windows != nil {
		t.Error("a segment is followed in windows")
	}
	if c := e.Cohort(&l, 0, noon); c.Delta.Windows != nil {
		t.Error("a cohort is followed in windows")
	} else if c.Delta.Windows = (&Windows{Width: 10}); l.FitsCohort(c) {
		t.Error("a cohort with windows fits")
	}
}

// What was stored before there were windows goes on with them.
func TestEvidenceWithoutWindowsIsReadAndFollowed(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	var old Stratum
	if err := json.Unmarshal([]byte(`{"sides":[{"requests":5,"units":{},"rates":[{"n":5,"k":1},{"n":5,"k":0}]},{"requests":3,"units":{},"rates":[{"n":3,"k":1},{"n":3,"k":0}]}]}`), &old); err != nil {
		t.Fatal(err)
	}
	if !l.Fits(&old) {
		t.Fatal("it does not fit")
	}
	s := merged(&l, &old)
	s.Tick(noon)
	s.Tick(after(10))
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Stratum
	if err := json.Unmarshal(body, &back); err != nil || !l.Fits(&back) {
		t.Fatalf("%s came back as %+v: %v", body, back.Windows, err)
	}
	if d := cmp.Diff(s.Windows, back.Windows); d != "" {
		t.Errorf("windows (-kept +read):\n%s", d)
	}
	if n, k := back.Windows.Rates[0][0].Of(split.Baseline); n+back.Sides[split.Candidate].Rates[0].N != 8 || k != 1 {
		t.Errorf("the first window has %d of %d", k, n)
	}
}

func TestWindowsThatCannotBeDoNotFit(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(w *Windows){
		"no width":                   func(w *Windows) { w.Width = 0 },
		"a width below zero":         func(w *Windows) { w.Width = -10 },
		"a width never doubled to":   func(w *Windows) { w.Width = 30 },
		"a width out of step":        func(w *Windows) { w.Width = 16 },
		"a width without bound":      func(w *Windows) { w.Width = 10 << 59 },
		"a number without bound":     func(w *Windows) { w.At[1] = math.MaxInt64 },
		"an open one without bound":  func(w *Windows) { w.Open = math.MinInt64 },
		"numbers out of order":       func(w *Windows) { w.At[1] = w.At[0] },
		"too many windows":           func(w *Windows) { w.At = make([]int64, 65) },
		"a window too few in a row":  func(w *Windows) { w.Rates[0] = w.Rates[0][1:] },
		"a series too many":          func(w *Windows) { w.Rates = append(w.Rates, w.Rates...) },
		"a tail too many":            func(w *Windows) { w.Tails = append(w.Tails, w.Tails...) },
		"more than was counted":      func(w *Windows) { w.Rates[0][0][0][0]++ },
		"more events than counted":   func(w *Windows) { w.Tails[0][1][1][1]++ },
		"counts that add up to less": func(w *Windows) { w.Rates[0][0][1][0], w.Rates[0][1][1][0] = math.MaxUint64, 2 },
	} {
		l := tenPercent()
		s := NewStratum(&l)
		s.Edges = []int32{1}
		s.Tick(noon)
		for i := range 2 {
			for arm := range s.Sides {
				s.Observe(&l, Observation{Arm: split.Arm(arm), Error: true, Latency: time.Second})
			}
			s.Tick(after(10 * (i + 1)))
		}
		if !l.Fits(s) {
			t.Fatal("what was counted does not fit")
		}
		damage(s.Windows)
		if l.Fits(s) {
			t.Errorf("%s: it fits", name)
		}
	}
}

// The windows of a series take two kilobytes.
func TestWindowsAreSmallWhateverTheTraffic(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	s := NewStratum(&l)
	for second := range 100_000 {
		s.Tick(after(second))
		s.Observe(&l, Observation{Arm: split.Arm(second & 1)})
		if len(s.Windows.At) > MaxWindows {
			t.Fatalf("%d windows", len(s.Windows.At))
		}
	}
	if got := bytesOf(reflect.ValueOf(s.Windows.Rates[0])); got > 2<<10+24 {
		t.Errorf("%d bytes", got)
	}
}

func BenchmarkTick(b *testing.B) {
	l := tenPercent()
	s := NewStratum(&l)
	b.ReportAllocs()
	second := 0
	for b.Loop() {
		s.Observe(&l, Observation{Arm: split.Candidate})
		s.Tick(after(second))
		second++
	}
}
