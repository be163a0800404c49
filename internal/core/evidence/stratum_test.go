package evidence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// tenPercent is a clustered layout with a p99 at a margin of 10 %.
func tenPercent() Layout {
	l := NewLayout(true, "outcome:correct")
	base, steps := BaseFor(0.10)
	l.Sketches = []Base{base}
	l.Tails = []Tail{{Sketch: 0, Quantile: 0.99, Steps: steps}}
	return l
}

func TestARequestIsCountedWhereItBelongs(t *testing.T) {
	t.Parallel()
	l := tenPercent()
	s := NewStratum(&l)
	s.Observe(&l, Observation{Arm: split.Candidate, Bucket: 9, Error: true, Shielded: true, Latency: time.Millisecond})
	s.Observe(&l, Observation{Arm: split.Candidate, Bucket: 9, ClientError: true})
	c, b := &s.Sides[split.Candidate], &s.Sides[split.Baseline]
	if c.Requests != 2 || c.Shielded != 1 || b.Requests != 0 {
		t.Errorf("requests %d, shielded %d, baseline %d; want 2, 1, 0", c.Requests, c.Shielded, b.Requests)
	}
	for name, want := range map[string]uint64{ErrorRate: 1, ClientErrorRate: 1} {
		i, ok := l.Rate(name)
		if tally := c.Rates[i]; !ok || tally.N != 2 || tally.K != want || tally.Buckets.N[9] != 2 || tally.Buckets.K[9] != want {
			t.Errorf("%s counts %d of %d, in its bucket %d of %d", name, tally.K, tally.N, tally.Buckets.K[9], tally.Buckets.N[9])
		}
	}
	if got := c.Latency[0].Total(); got != 1 {
		t.Errorf("%d latencies, want only the one that was given", got)
	}
	if i, _ := l.Rate("outcome:correct"); c.Rates[i].N != 0 {
		t.Errorf("a request counted as an outcome")
	}
}

func TestAnUnknownRateIsNotFound(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	if i, ok := l.Rate("outcome:none"); ok {
		t.Errorf("found at %d", i)
	}
}

func TestRequestsOfTheirOwnKeepNoBuckets(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	base, steps := BaseFor(0.1)
	l.Sketches, l.Tails = []Base{base}, []Tail{{Quantile: 0.99, Steps: steps}}
	s := NewStratum(&l)
	for range 2 * FreezeAfter {
		s.Observe(&l, Observation{Arm: split.Baseline, Latency: time.Millisecond})
	}
	if s.Freeze(&l) || s.Edges != nil {
		t.Error("edges were frozen where units do not cluster")
	}
	if s.Sides[split.Baseline].Rates[0].Buckets != nil || len(s.Sides[split.Baseline].Tails) != 0 {
		t.Error("buckets are kept where every request is a unit of its own")
	}
}

func TestEdgesFreezeOnceAfterEnoughBaselineRequests(t *testing.T) {
	t.Parallel()
	l := tenPercent()
	s := NewStratum(&l)
	observe := func(arm split.Arm, n int, latency time.Duration) {
		for range n {
			s.Observe(&l, Observation{Arm: arm, Latency: latency})
		}
	}
	observe(split.Candidate, 5*FreezeAfter, time.Second)
	observe(split.Baseline, FreezeAfter-21, 8*time.Millisecond)
	observe(split.Baseline, 20, 80*time.Millisecond)
	if s.Freeze(&l) {
		t.Fatalf("frozen after %d baseline requests", s.Sides[split.Baseline].Requests)
	}
	observe(split.Baseline, 1, 8*time.Millisecond)
	if !s.Freeze(&l) {
		t.Fatalf("not frozen after %d baseline requests", s.Sides[split.Baseline].Requests)
	}
	// 20 of 2,000 lie above the fast ones, so the edge is right above those.
	want := []int32{l.Sketches[0].Index(8*time.Millisecond) + 1}
	if d := cmp.Diff(want, s.Edges); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	observe(split.Baseline, 5*FreezeAfter, time.Second)
	if s.Freeze(&l) {
		t.Error("frozen a second time")
	}
	if d := cmp.Diff(want, s.Edges); d != "" {
		t.Errorf("edges moved (-want +got):\n%s", d)
	}
}

func TestNothingFreezesWithoutLatencies(t *testing.T) {
	t.Parallel()
	l := tenPercent()
	s := NewStratum(&l)
	for range FreezeAfter {
		s.Observe(&l, Observation{Arm: split.Baseline}) // Within the warm-up.
	}
	if s.Freeze(&l) {
		t.Error("frozen at an edge that nothing was measured at")
	}
}

func TestTailsCountTheCandidateAtTheMargin(t *testing.T) {
	t.Parallel()
	l := tenPercent()
	s := NewStratum(&l)
	base, steps := l.Sketches[0], l.Tails[0].Steps
	edge := base.Index(10 * time.Millisecond)
	s.Edges = []int32{edge}
	for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
		for _, at := range []int32{edge - 1, edge, edge + steps - 1, edge + steps} {
			// The middle of a bucket, away from its rounded edges.
			mid := (base.Edge(at) + base.Edge(at+1)) / 2
			s.Observe(&l, Observation{Arm: arm, Bucket: 200, Latency: mid})
		}
	}
	for arm, want := range map[split.Arm]uint64{split.Baseline: 3, split.Candidate: 1} {
		tail := s.Sides[arm].Tails[0]
		if tail.N != 4 || tail.K != want || tail.Buckets.K[200] != want {
			t.Errorf("%s: %d of %d above the edge, %d in the bucket; want %d of 4", arm, tail.K, tail.N, tail.Buckets.K[200], want)
		}
	}
}

func TestTheTailsSplitOverBucketsWhatTheSketchHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := tenPercent()
		edge := l.Sketches[0].Index(time.Duration(rapid.Int64Range(int64(time.Microsecond), int64(time.Minute)).Draw(t, "edge")))
		s := stratumOf(&l, []int32{edge}, records(t, "records"))
		for arm := range s.Sides {
			at := edge
			if split.Arm(arm) == split.Candidate {
				at += l.Tails[0].Steps
			}
			side := &s.Sides[arm]
			if got, want := side.Tails[0].K, side.Latency[0].Above(at); got != want {
				t.Fatalf("%s: tail counts %d above the edge, the sketch %d", split.Arm(arm), got, want)
			}
			for _, tally := range append(side.Rates, side.Tails...) {
				var n, k uint64
				for i := range tally.Buckets.N {
					n, k = n+tally.Buckets.N[i], k+tally.Buckets.K[i]
				}
				if n != tally.N || k != tally.K || k > n {
					t.Fatalf("buckets hold %d of %d, the tally %d of %d", k, n, tally.K, tally.N)
				}
			}
		}
	})
}

func TestStrataAreMadeUpToTheLimit(t *testing.T) {
	t.Parallel()
	l := NewLayout(false)
	e := &Evidence{}
	if s := e.Stratum(&l, MaxStrata-1); s == nil || len(e.Strata) != MaxStrata {
		t.Errorf("the last stratum is %v among %d", s, len(e.Strata))
	}
	for _, i := range []int{-1, MaxStrata} {
		if e.Stratum(&l, i) != nil {
			t.Errorf("stratum %d exists", i)
		}
	}
	e.Stratum(&l, 3).Observe(&l, Observation{Arm: split.Candidate})
	e.Stratum(&l, 9).Observe(&l, Observation{Arm: split.Candidate})
	if e.Exposed(split.Candidate) != 2 || e.Exposed(split.Baseline) != 0 {
		t.Errorf("exposed %d and %d, want 2 and 0", e.Exposed(split.Candidate), e.Exposed(split.Baseline))
	}
}

func TestObserveAllocatesNothingOnceThereIsRoom(t *testing.T) {
	l := tenPercent()
	s := NewStratum(&l)
	s.Reserve(&l)
	s.Edges = []int32{1200}
	latency := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		latency = (latency + 37*time.Microsecond) * 2 % (3 * time.Hour)
		s.Observe(&l, Observation{Arm: split.Candidate, Bucket: uint8(latency), Latency: latency})
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	l := tenPercent()
	s := NewStratum(&l)
	s.Reserve(&l)
	s.Edges = []int32{1200}
	b.ReportAllocs()
	for b.Loop() {
		s.Observe(&l, Observation{Arm: split.Candidate, Bucket: 17, Latency: 8 * time.Millisecond})
	}
}
