package tap

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// scored is a layout with an output of which the distribution is followed.
func scored(clustered bool) *evidence.Layout {
	l := layout(clustered)
	at := l.AddOutput("score")
	l.Outputs[at].Value = l.AddValues(evidence.Series{Name: "output:score", Bins: 4, Grouped: true})
	l.AddClass(at, "1", "output:score=1")
	return l
}

// edged is a scale that has been learned.
var edged = []evidence.Scale{{Cap: 100, Edges: []float64{0, 1, 2}}}

func reading(values ...float64) []evidence.Reading {
	var out []evidence.Reading
	for _, v := range values {
		out = append(out, evidence.Reading{Kind: evidence.Number, Value: v})
	}
	return out
}

func TestOutputsWaitForTheirScaleAndNoLonger(t *testing.T) {
	t.Parallel()
	tap := New()
	is := Stratum{Rollout: 1, Layout: scored(false)}
	r := tap.Open(is)
	r.Record(evidence.Observation{Outputs: reading(0.5)}, known(1, noon))
	b := tap.Collect()[0].Delta
	if len(b.Raw) != 1 || b.Sides[split.Baseline].Outputs[0].Values != 1 {
		t.Errorf("before: %d wait, %+v", len(b.Raw), b.Sides[split.Baseline].Outputs)
	}
	is.Scales = edged
	late := tap.Open(is)
	if late != r {
		t.Fatal("another recorder")
	}
	is.Scales = slices.Clone(edged[:0]) // Of another layout.
	tap.Open(is)
	for unit := range uint64(64) {
		r.Record(evidence.Observation{Arm: split.Candidate, Outputs: reading(1.5)}, known(unit<<32, noon))
	}
	b = tap.Collect()[0].Delta
	v := b.Sides[split.Candidate].Values[0]
	if diff := cmp.Diff([]uint64{0, 0, 64, 0}, v.Bins); diff != "" || len(b.Raw) != 0 || v.Spread != nil {
		t.Errorf("after: %d wait, bins (-want +got):\n%s", len(b.Raw), diff)
	}
	tap.Keep(nil)
	tap.Collect()
	r.Record(evidence.Observation{Outputs: reading(1.5)}, known(1, noon))
	if b = tap.Collect()[0].Delta; len(b.Raw) != 0 {
		t.Error("a late value waits for a scale that is known")
	}
}

func TestASegmentHasNoDistribution(t *testing.T) {
	t.Parallel()
	tap := New()
	is := Stratum{Rollout: 1, Layout: scored(true), Scales: edged}
	r := tap.Open(is)
	o := evidence.Observation{Outputs: reading(1.5)}
	r.Record(o, known(1, noon))
	r.Segment("X=a").Record(o, Sighting{})
	for _, b := range tap.Collect() {
		v := b.Delta.Sides[split.Baseline].Values[0]
		if whole := b.Segment == ""; (v.Bins != nil) != whole || (v.Spread != nil) != whole || v.Moments.N != 1 || b.Delta.Narrow == whole {
			t.Errorf("segment %q: %v values, bins %v", b.Segment, v.Moments.N, v.Bins)
		}
	}
}

func TestRecordingOutputsAllocatesNothing(t *testing.T) {
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: scored(true), Edges: []int32{1200}, Scales: edged})
	o := evidence.Observation{Outputs: append(reading(0.5, 1.5, 99), evidence.Reading{})}
	unit := uint64(0)
	record := func() {
		unit += 0x9e3779b97f4a7c15
		o.Bucket = uint8(unit)
		r.Record(o, known(unit&0xff<<32, noon))
	}
	for range 1000 {
		record()
	}
	if n := testing.AllocsPerRun(10_000, record); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkTapOutputs(b *testing.B) {
	for name, n := range map[string]int{"one value": 1, "64 values": 64} {
		b.Run(name, func(b *testing.B) {
			r := New().Open(Stratum{Rollout: 1, Layout: scored(true), Edges: []int32{1200}, Scales: edged})
			o := evidence.Observation{Outputs: reading(make([]float64, n)...)}
			unit := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				unit = unit*6364136223846793005 + 1442695040888963407
				o.Bucket = uint8(unit >> 56)
				r.Record(o, known(unit&0x3fff_0000_0000, noon))
			}
		})
	}
}
