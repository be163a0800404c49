package evidence

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// layouts draws a layout as a plan would give one.
func layouts(t *rapid.T) Layout {
	l := NewLayout(rapid.Bool().Draw(t, "clustered"), rapid.SliceOfN(rapid.SampledFrom([]string{"outcome:a", "outcome:b"}), 0, 2).Draw(t, "outcomes")...)
	for _, margin := range rapid.SliceOfN(rapid.Float64Range(0.01, 1), 0, 2).Draw(t, "margins") {
		base, steps := BaseFor(margin)
		l.Tails = append(l.Tails, Tail{Sketch: len(l.Sketches), Quantile: 0.99, Steps: steps})
		l.Sketches = append(l.Sketches, base)
	}
	return l
}

// record is anything that can be added to a stratum.
type record struct {
	Observation Observation
	Outcome     bool // an outcome of the last rate instead of a request
	Unit        uint64
	Counted     bool // the unit is new
	Lost        bool
	Kept        int // level from which on units are noted
}

func records(t *rapid.T, label string) []record {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
		return record{
			Observation: Observation{
				Arm:         split.Arm(rapid.IntRange(0, 1).Draw(t, "arm")),
				Bucket:      rapid.Byte().Draw(t, "bucket"),
				Error:       rapid.Bool().Draw(t, "error"),
				ClientError: rapid.Bool().Draw(t, "clientError"),
				Shielded:    rapid.Bool().Draw(t, "shielded"),
				Latency:     time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "latency")),
			},
			Outcome: rapid.Bool().Draw(t, "outcome"), Unit: rapid.Uint64().Draw(t, "unit"),
			Counted: rapid.Bool().Draw(t, "counted"), Lost: rapid.Bool().Draw(t, "lost"),
			Kept: rapid.IntRange(0, 3).Draw(t, "kept"),
		}
	}), 0, 12).Draw(t, label)
}

func (r record) add(l *Layout, s *Stratum) {
	if r.Outcome {
		s.ObserveOutcome(len(l.Rates)-1, r.Observation.Arm, r.Observation.Bucket, r.Observation.Error)
	} else {
		s.Observe(l, r.Observation)
	}
	if r.Counted {
		s.Sides[r.Observation.Arm].Units.Add(r.Unit)
	}
	if r.Lost {
		s.Lost++
	}
	s.Kept = max(s.Kept, r.Kept)
}

func stratumOf(l *Layout, edges []int32, records ...[]record) *Stratum {
	s := NewStratum(l)
	s.Edges = edges
	for _, part := range records {
		for _, r := range part {
			r.add(l, s)
		}
	}
	return s
}

// seen is a stratum without the room that its sketches happen to have.
func seen(s *Stratum) *Stratum {
	for arm := range s.Sides {
		for i := range s.Sides[arm].Latency {
			s.Sides[arm].Latency[i].Compact()
		}
	}
	return s
}

// differ spells the difference of two values, "" for none.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return "" // cmp.Diff walks thousands of buckets slowly.
	}
	return cmp.Diff(want, got)
}

func merged(l *Layout, parts ...*Stratum) *Stratum {
	out := NewStratum(l)
	for _, p := range parts {
		out.Merge(p)
	}
	return out
}

func TestShardsMergeInAnyOrderAndGroupingToTheSameEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		var edges []int32
		if len(l.Tails) > 0 && l.Clustered && rapid.Bool().Draw(t, "frozen") {
			edges = make([]int32, len(l.Tails))
			for i, tail := range l.Tails {
				edges[i] = l.Sketches[tail.Sketch].Index(10 * time.Millisecond)
			}
		}
		a, b, c := records(t, "a"), records(t, "b"), records(t, "c")
		of := func(r ...[]record) *Stratum { return stratumOf(&l, edges, r...) }
		want := seen(of(a, b, c))
		for name, got := range map[string]*Stratum{
			"one shard, another order": of(c, a, b),
			"three shards":             merged(&l, of(a), of(b), of(c)),
			"three shards, backwards":  merged(&l, of(c), of(b), of(a)),
			"grouped to the left":      merged(&l, merged(&l, of(a), of(b)), of(c)),
			"grouped to the right":     merged(&l, of(a), merged(&l, of(b), of(c))),
			"with empty shards":        merged(&l, of(), of(a, b), of(), of(c), of()),
			"with room to spare":       merged(&l, roomy(&l, of(a)), roomy(&l, of(b, c))),
		} {
			if d := differ(want, seen(got)); d != "" {
				t.Fatalf("%s (-one shard +got):\n%s", name, d)
			}
		}
	})
}

func roomy(l *Layout, s *Stratum) *Stratum {
	s.Reserve(l)
	return s
}

func TestMergingLeavesTheOtherAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		a, b := records(t, "a"), records(t, "b")
		other := stratumOf(&l, nil, b)
		s := stratumOf(&l, nil, a)
		s.Merge(other)
		for _, r := range a {
			r.add(&l, s)
		}
		if d := differ(seen(stratumOf(&l, nil, b)), seen(other)); d != "" {
			t.Fatalf("the merged stratum changed (-before +after):\n%s", d)
		}
	})
}

func TestACloneSharesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		a := records(t, "a")
		e := &Evidence{Strata: []*Stratum{stratumOf(&l, nil, a), NewStratum(&l)}}
		clone := e.Clone(&l)
		for _, s := range e.Strata {
			for _, r := range records(t, "more") {
				r.add(&l, s)
			}
		}
		want := &Evidence{Strata: []*Stratum{seen(stratumOf(&l, nil, a)), NewStratum(&l)}}
		seen(clone.Strata[0])
		if d := differ(want, clone); d != "" {
			t.Fatalf("the clone moved with its original (-want +got):\n%s", d)
		}
	})
}

func TestACloneKeepsItsEdges(t *testing.T) {
	t.Parallel()
	l := NewLayout(true)
	e := &Evidence{Strata: []*Stratum{stratumOf(&l, []int32{7})}}
	clone := e.Clone(&l)
	e.Strata[0].Edges[0] = 8
	if d := differ([]int32{7}, clone.Strata[0].Edges); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
}

func TestResetEmptiesAndKeepsRoomAndEdges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layouts(t)
		a, b := records(t, "a"), records(t, "b")
		s := stratumOf(&l, nil, a)
		s.Reserve(&l)
		var edges []int32
		if l.Clustered && len(l.Tails) > 0 {
			edges = make([]int32, len(l.Tails))
			s.Edges = edges
		}
		s.Reset()
		if !s.Empty() {
			t.Fatal("a reset stratum is not empty")
		}
		for _, r := range b {
			r.add(&l, s)
		}
		want := stratumOf(&l, edges, b)
		if d := differ(seen(want), seen(s)); d != "" {
			t.Fatalf("after a reset the past shows (-fresh +reset):\n%s", d)
		}
	})
}

func TestAStratumWithAnythingInItIsNotEmpty(t *testing.T) {
	t.Parallel()
	l := NewLayout(true, "outcome:a")
	tests := map[string]func(s *Stratum){
		"a request":       func(s *Stratum) { s.Observe(&l, Observation{Arm: split.Candidate}) },
		"an outcome":      func(s *Stratum) { s.ObserveOutcome(2, split.Baseline, 3, false) },
		"a unit":          func(s *Stratum) { s.Sides[split.Baseline].Units.Add(12) },
		"a lost sighting": func(s *Stratum) { s.Lost = 1 },
	}
	if !NewStratum(&l).Empty() {
		t.Error("a new stratum is not empty")
	}
	for name, add := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewStratum(&l)
			if add(s); s.Empty() {
				t.Error("counted as empty")
			}
		})
	}
}
