package tap

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// layout is that of a rollout with sticky units and a p99 gate.
func layout(clustered bool) *evidence.Layout {
	l := evidence.NewLayout(clustered, "outcome:correct")
	base, steps := evidence.BaseFor(0.10)
	l.Sketches = []evidence.Base{base}
	l.Tails = []evidence.Tail{{Quantile: 0.99, Steps: steps}}
	return &l
}

func known(unit uint64, at time.Time) Sighting { return Sighting{Unit: unit, Known: true, Time: at} }

// count sums the requests of batches by stratum and arm.
func count(batches []evidence.Batch) map[uint8][split.Arms]uint64 {
	out := map[uint8][split.Arms]uint64{}
	for _, b := range batches {
		n := out[b.Stratum]
		for arm := range n {
			n[arm] += b.Delta.Sides[arm].Requests
		}
		out[b.Stratum] = n
	}
	return out
}

func TestWhatWasRecordedIsCollectedOnce(t *testing.T) {
	t.Parallel()
	tap := New()
	r := tap.Open(Stratum{Rollout: 7, Stratum: 3, Layout: layout(true)})
	r.Record(evidence.Observation{Arm: split.Candidate, Bucket: 4, Error: true, Shielded: true, Latency: time.Millisecond}, known(4<<56, noon))
	r.Record(evidence.Observation{Arm: split.Baseline, ClientError: true}, known(5, noon))
	got := tap.Collect()
	if len(got) != 1 || got[0].Rollout != 7 || got[0].Stratum != 3 {
		t.Fatalf("collected %+v, want one batch of rollout 7, stratum 3", got)
	}
	c, b := got[0].Delta.Sides[split.Candidate], got[0].Delta.Sides[split.Baseline]
	if c.Requests != 1 || c.Shielded != 1 || c.Rates[0].K != 1 || c.Latency[0].Total() != 1 || b.Rates[1].K != 1 {
		t.Errorf("candidate %+v, baseline %+v", c, b)
	}
	want := map[evidence.Exposure]bool{
		{Unit: 4 << 56, Arm: split.Candidate, Time: noon}: true, {Unit: 5, Arm: split.Baseline, Time: noon}: true,
	}
	for _, e := range got[0].Exposures {
		if !want[e] {
			t.Errorf("exposure %+v was never seen", e)
		}
		delete(want, e)
	}
	if len(want) != 0 {
		t.Errorf("missing exposures %v", want)
	}
	if again := tap.Collect(); len(again) != 0 {
		t.Errorf("collected %+v a second time", again)
	}
}

func TestOpenGivesTheSameRecorderWhileItIsOpen(t *testing.T) {
	t.Parallel()
	tap := New()
	s := Stratum{Rollout: 1, Stratum: 0, Layout: layout(false)}
	first := tap.Open(s)
	if again := tap.Open(s); again != first {
		t.Error("two recorders of one stratum")
	}
	other := s
	other.Stratum = 1
	if tap.Open(s) == tap.Open(other) {
		t.Error("one recorder for two strata")
	}
	if tap.Strata() != 2 {
		t.Errorf("%d strata are open, want 2", tap.Strata())
	}
}

// What finishes after its stratum has ended counts for that stratum, however
// often the others were collected meanwhile.
func TestLateRequestsCountForTheStratumOfTheirExposure(t *testing.T) {
	t.Parallel()
	tap := New()
	l := layout(true)
	old := tap.Open(Stratum{Rollout: 1, Stratum: 0, Layout: l})
	old.Record(evidence.Observation{}, known(1, noon))
	tap.Keep([]*Recorder{tap.Open(Stratum{Rollout: 1, Stratum: 1, Layout: l})})
	for round := range 3 {
		if got := count(tap.Collect())[0][split.Baseline]; got != 1 {
			t.Fatalf("round %d: %d requests of stratum 0, want 1", round, got)
		}
		if n := tap.Strata(); n != 1 {
			t.Errorf("round %d: %d strata stay open, want 1", round, n)
		}
		old.Record(evidence.Observation{}, known(1, noon)) // The old recorder was closed.
	}
	tap.Keep(nil)
	tap.Collect()
	if n := tap.Strata(); n != 0 {
		t.Errorf("%d strata stay open after all were retired and collected", n)
	}
}

func TestAStratumThatComesBackIsKept(t *testing.T) {
	t.Parallel()
	tap := New()
	s := Stratum{Rollout: 1, Stratum: 0, Layout: layout(false)}
	r := tap.Open(s)
	tap.Keep(nil)
	tap.Open(s)
	tap.Collect()
	r.Record(evidence.Observation{}, Sighting{Unit: 1})
	if n := tap.Strata(); n != 1 {
		t.Errorf("%d strata open, want the one that came back", n)
	}
	if got := count(tap.Collect())[0][split.Baseline]; got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestFrozenEdgesReachEveryShard(t *testing.T) {
	t.Parallel()
	tap := New()
	s := Stratum{Rollout: 1, Stratum: 0, Layout: layout(true)}
	r := tap.Open(s)
	send := func() {
		for i := range uint64(64) {
			r.Record(evidence.Observation{Bucket: 1, Latency: 10 * time.Millisecond}, known(i<<32, noon))
		}
	}
	send()
	if got := tap.Collect(); got[0].Delta.Edges != nil || got[0].Delta.Sides[0].Tails[0].N != 0 {
		t.Errorf("edges %v before they were frozen", got[0].Delta.Edges)
	}
	s.Edges = []int32{s.Layout.Sketches[0].Index(10 * time.Millisecond)}
	tap.Open(s)
	send()
	got := tap.Collect()[0].Delta
	if d := cmp.Diff(s.Edges, got.Edges); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	if tail := got.Sides[0].Tails[0]; tail.N != 64 || tail.K != 64 {
		t.Errorf("tail counts %d of %d, want 64 of 64", tail.K, tail.N)
	}
	moved := s
	moved.Edges = []int32{1}
	tap.Open(moved)
	send()
	if d := cmp.Diff(s.Edges, tap.Collect()[0].Delta.Edges); d != "" {
		t.Errorf("frozen edges moved (-want +got):\n%s", d)
	}
}

func TestEdgesOfAnotherLayoutAreNone(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Stratum{
		"units do not cluster": {Rollout: 1, Layout: layout(false), Edges: []int32{7}},
		"too many":             {Rollout: 1, Layout: layout(true), Edges: []int32{7, 8}},
	} {
		tap := New()
		tap.Open(s).Record(evidence.Observation{Latency: time.Second}, known(1, noon))
		if got := tap.Collect(); len(got) != 1 || got[0].Delta.Edges != nil {
			t.Errorf("%s: collected %+v, want a batch without edges", name, got)
		}
	}
}

func TestALateRecorderKeepsItsEdges(t *testing.T) {
	t.Parallel()
	tap := New()
	s := Stratum{Rollout: 1, Layout: layout(true), Edges: []int32{7}}
	r := tap.Open(s)
	tap.Keep(nil)
	tap.Collect()
	r.Record(evidence.Observation{Latency: time.Second}, known(1, noon))
	if d := cmp.Diff(s.Edges, tap.Collect()[0].Delta.Edges); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
}

func TestABusyUnitIsToldOnceAMinute(t *testing.T) {
	t.Parallel()
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: layout(true)})
	told := func() int {
		n := 0
		for _, b := range tap.Collect() {
			n += len(b.Exposures)
		}
		return n
	}
	for i := range 100 {
		r.Record(evidence.Observation{}, known(42, noon.Add(time.Duration(i)*500*time.Millisecond)))
	}
	if n := told(); n != 1 {
		t.Errorf("told %d times within 50 s, want once", n)
	}
	r.Record(evidence.Observation{}, known(42, noon.Add(61*time.Second)))
	if n := told(); n != 1 {
		t.Errorf("told %d times after a minute, want once more", n)
	}
	r.Record(evidence.Observation{Arm: split.Candidate}, known(42, noon.Add(62*time.Second)))
	if n := told(); n != 1 {
		t.Errorf("told %d times after its arm changed, want once", n)
	}
}

func TestRequestsOfTheirOwnAreNoSightings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		layout *evidence.Layout
		s      Sighting
	}{
		"a model of single requests":    {layout(false), known(9, noon)},
		"a request that lacks its unit": {layout(true), Sighting{Unit: 9, Time: noon}},
	} {
		tap := New()
		tap.Open(Stratum{Rollout: 1, Layout: tt.layout}).Record(evidence.Observation{}, tt.s)
		if got := tap.Collect(); len(got) != 1 || len(got[0].Exposures) != 0 || got[0].Delta.Lost != 0 {
			t.Errorf("%s: %+v, want a request and no exposure", name, got)
		}
	}
}

func TestSightingsBeyondTheRoomAreCountedAsLost(t *testing.T) {
	t.Parallel()
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: layout(true)})
	const units = maxRoom + 1000 // All of one shard.
	for i := range uint64(units) {
		r.Record(evidence.Observation{}, known(i<<16&0xffffffff|i>>16|1, noon))
	}
	b := tap.Collect()[0]
	if len(b.Exposures) != maxRoom || b.Delta.Lost != 1000 || b.Delta.Sides[0].Requests != units {
		t.Errorf("%d told, %d lost, %d requests; want %d, 1000, %d", len(b.Exposures), b.Delta.Lost, b.Delta.Sides[0].Requests, maxRoom, units)
	}
}

// The tap against one plain stratum: shards and collections change nothing.
func TestShardsAndCollectionsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layout(rapid.Bool().Draw(t, "clustered"))
		tap := New()
		r := tap.Open(Stratum{Rollout: 1, Layout: l})
		want, got := evidence.NewStratum(l), evidence.NewStratum(l)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			o := evidence.Observation{
				Arm: split.Arm(rapid.IntRange(0, 1).Draw(t, "arm")), Bucket: rapid.Byte().Draw(t, "bucket"),
				Error: rapid.Bool().Draw(t, "error"), Latency: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "latency")),
			}
			want.Observe(l, o)
			r.Record(o, known(rapid.Uint64().Draw(t, "unit"), noon))
			if rapid.IntRange(0, 9).Draw(t, "collect") == 0 {
				for _, b := range tap.Collect() {
					got.Merge(b.Delta)
				}
			}
		}
		for _, b := range tap.Collect() {
			got.Merge(b.Delta)
		}
		for arm := range want.Sides {
			for i := range want.Sides[arm].Latency {
				want.Sides[arm].Latency[i].Compact()
				got.Sides[arm].Latency[i].Compact()
			}
		}
		if reflect.DeepEqual(want.Sides, got.Sides) {
			return // cmp.Diff walks thousands of buckets slowly.
		}
		if d := cmp.Diff(want.Sides, got.Sides); d != "" {
			t.Fatalf("sides (-one stratum +tap):\n%s", d)
		}
	})
}

// Recording, collecting, and strata that come and go, all at once: every
// request is collected exactly once, in its own stratum.
func TestNothingIsLostWhenAllHappensAtOnce(t *testing.T) {
	t.Parallel()
	const writers, each, strata = 8, 2000, 5
	tap := New()
	l := layout(true)
	open := func(i int) *Recorder { return tap.Open(Stratum{Rollout: 1, Stratum: uint8(i), Layout: l}) }
	var current atomic.Pointer[Recorder]
	current.Store(open(0))
	var sent [strata][split.Arms]atomic.Uint64
	got := map[uint8][split.Arms]uint64{}
	add := func() {
		for stratum, n := range count(tap.Collect()) {
			have := got[stratum]
			for arm := range have {
				have[arm] += n[arm]
			}
			got[stratum] = have
		}
	}

	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := current.Load() // It may be retired before the request ends.
				arm := split.Arm(i & 1)
				if i%64 == 0 {
					time.Sleep(50 * time.Microsecond)
				}
				r.Record(evidence.Observation{Arm: arm, Latency: time.Millisecond}, known(uint64(w*each+i)<<30, noon))
				sent[r.is.Stratum][arm].Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for i := 0; ; i++ {
		select {
		case <-done:
			add()
			for stratum := range sent {
				for arm := range sent[stratum] {
					if g, w := got[uint8(stratum)][arm], sent[stratum][arm].Load(); g != w {
						t.Errorf("stratum %d, %s: collected %d of %d", stratum, split.Arm(arm), g, w)
					}
				}
			}
			return
		default:
			next := open(i % strata)
			current.Store(next)
			tap.Keep([]*Recorder{next})
			add()
			time.Sleep(time.Millisecond)
		}
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: layout(true), Edges: []int32{1200}})
	unit := uint64(0)
	record := func() {
		unit += 0x9e3779b97f4a7c15
		r.Record(evidence.Observation{Latency: time.Duration(unit >> 30), Bucket: uint8(unit)}, known(unit&0xff<<32, noon))
	}
	for range 1000 {
		record()
	}
	if n := testing.AllocsPerRun(10_000, record); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkTap(b *testing.B) {
	for name, clustered := range map[string]bool{"requests": false, "units": true} {
		b.Run(name, func(b *testing.B) {
			tap := New()
			r := tap.Open(Stratum{Rollout: 1, Layout: layout(clustered), Edges: []int32{1200}})
			b.ReportAllocs()
			var seed atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				unit := seed.Add(1) << 40
				for pb.Next() {
					unit = unit*6364136223846793005 + 1442695040888963407
					r.Record(evidence.Observation{Arm: split.Arm(unit >> 63), Bucket: uint8(unit >> 56), Latency: 8 * time.Millisecond}, known(unit&0x3fff_0000_0000, noon))
				}
			})
		})
	}
}

func BenchmarkTapCollect(b *testing.B) {
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: layout(true)})
	for b.Loop() {
		b.StopTimer()
		for i := range uint64(1000) {
			r.Record(evidence.Observation{Latency: time.Duration(i) * time.Millisecond}, known(i<<32, noon))
		}
		b.StartTimer()
		tap.Collect()
	}
}
