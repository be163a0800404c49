package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// everything is evidence of every kind.
func everything(clustered bool) (*evidence.Layout, *evidence.Evidence) {
	base, steps := evidence.BaseFor(0.1)
	l := evidence.NewLayout(clustered, "outcome:correct")
	l.Sketches = []evidence.Base{base}
	l.Tails = []evidence.Tail{{Quantile: 0.99, Steps: steps}}
	l.SetHorizon("outcome:correct", time.Hour)
	exposed := l.AddExposures(time.Hour)
	l.AddValues(evidence.Series{Name: "outcome:revenue"})
	l.AddValues(evidence.Series{Name: "output:class", Bins: 10})
	l.AddGauge("cpu")
	ev := &evidence.Evidence{}
	s := ev.Stratum(&l, 1)
	for i := range 1500 {
		s.Observe(&l, evidence.Observation{Arm: split.Arm(i % 2), Bucket: uint8(i), Latency: time.Millisecond})
		s.ObserveValue(&l, evidence.Raw{Series: 0, Arm: split.Arm(i % 2), Bucket: uint8(i), Value: float64(i % 5)})
		s.ObserveValue(&l, evidence.Raw{Series: 1, Arm: split.Baseline, Value: 1}) // The only class.
		s.Gauges[0].Add(2, 1)
	}
	ev.Learn(&l)
	ev.SegmentStratum(&l, `X-Country="de"`, 1).Observe(&l, evidence.Observation{Arm: split.Candidate})
	c := ev.Cohort(&l, 0, time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	c.Expose(&l, exposed, s)
	c.ObserveOutcome(&l, 2, split.Candidate, 7, true)
	c.ObserveValue(&l, evidence.Raw{Series: 0, Value: 3})
	return &l, ev
}

func TestEvidenceIsKeptAsTheJSONOfItself(t *testing.T) {
	t.Parallel()
	l, ev := everything(true)
	packed, err := Encode(l, ev)
	if err != nil {
		t.Fatal(err)
	}
	body, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := publish(l, ev, nil)
	want, err := json.Marshal(e.evidence)
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != string(want) {
		t.Errorf("kept as\n%.400s\nwant\n%.400s", body, want)
	}
	back, err := Decode(l, packed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ev.Clone(l), back); diff != "" {
		t.Errorf("read back (-was +is):\n%s", diff)
	}
}

// The bin of a metric that always shows the same counts on after a restart.
func TestTheBinOfASingleClassIsKept(t *testing.T) {
	t.Parallel()
	l, ev := everything(true)
	packed, err := Encode(l, ev)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(l, packed)
	if err != nil {
		t.Fatal(err)
	}
	s := back.Strata[1]
	before := s.Sides[split.Baseline].Values[1].Bins[1]
	s.ObserveValue(l, evidence.Raw{Series: 1, Arm: split.Baseline, Value: 1})
	if after := s.Sides[split.Baseline].Values[1].Bins[1]; before != 1500 || after != before+1 {
		t.Errorf("%d in the bin after %d and one more", after, before)
	}
}

func TestPagesThatDidNotChangeAreNotWrittenAgain(t *testing.T) {
	t.Parallel()
	l, ev := everything(true)
	first, have := publish(l, ev, nil)
	again, have := publish(l, ev, have)
	if again.strata[1] != first.strata[1] || again.cohorts[0] != first.cohorts[0] || again.segments[0][1] != first.segments[0][1] {
		t.Error("a page was made anew although nothing has changed")
	}
	ev.Mature(l, time.Now().Add(1e6*time.Hour))
	_, have = publish(l, ev, have)
	if len(have) != len(ev.Strata)+1 {
		t.Errorf("%d pages are kept of %d strata and a segment", len(have), len(ev.Strata))
	}
}

func TestWhatCannotBeKeptIsAnError(t *testing.T) {
	t.Parallel()
	many := func(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	for name, tt := range map[string]struct{ body, want string }{
		"no JSON":                     {`{`, "decode evidence"},
		"a stratum that is missing":   {`{"strata":[null]}`, "stratum 0"},
		"strata without bound":        {`{"strata":[` + many("{}", 65) + `]}`, "65 strata"},
		"segments without bound":      {`{"strata":[],"segments":[` + many("{}", 66) + `]}`, "66 segments"},
		"a segment that is missing":   {`{"strata":[],"segments":[null]}`, "segment 0"},
		"a segment of other strata":   {`{"strata":[],"segments":[{"name":"a","strata":[{}]}]}`, "segment 0"},
		"a damaged segment":           {`{"strata":[{}],"segments":[{"name":"a","strata":[{"edges":[1,2]}]}]}`, "stratum 0 of segment 0"},
		"cohorts without bound":       {`{"strata":[],"cohorts":[` + many("{}", 5000) + `]}`, "5000 cohorts"},
		"a cohort that is missing":    {`{"strata":[],"cohorts":[null]}`, "cohort 0"},
		"a cohort without evidence":   {`{"strata":[],"cohorts":[{"stratum":1,"until":"2026-11-02T09:00:00Z"}]}`, "cohort 0"},
		"observations without bound":  {fmt.Sprintf(`{"strata":[{"raw":[%s]}]}`, many("{}", 4*evidence.MaxRaw+1)), "stratum 0"},
		"an observation of no series": {`{"strata":[{"raw":[{"series":2}]}]}`, "stratum 0"},
		"a scale too many":            {`{"strata":[{"scales":[{},{},{}]}]}`, "stratum 0"},
		"a sketch out of its range":   {`{"strata":[{"sides":[{"latency":[{"lo":2147483647,"n":[1,1]}]},{}]}]}`, "stratum 0"},
		"windows out of their range":  {`{"strata":[{"gauges":[{"ratio":{"size":0,"count":5}}]}]}`, "stratum 0"},
	} {
		l, _ := everything(true)
		_, err := Decode(l, encoder.EncodeAll([]byte(tt.body), nil))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that names %q", name, err, tt.want)
		}
	}
}

// Whatever is read back can be worked with.
func FuzzDecode(f *testing.F) {
	l, ev := everything(false)
	packed, err := Encode(l, ev)
	if err != nil {
		f.Fatal(err)
	}
	body, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"strata":[{"raw":[{"series":1,"value":3}],"scales":[{"cap":1},{"cap":2,"edges":[1]}]}]}`))
	f.Add([]byte(`{"strata":[{}],"cohorts":[{"stratum":0,"until":"2026-11-02T09:00:00Z","delta":{"sides":[{"rates":[{"n":1}]},{}]}}]}`))
	f.Add([]byte(`{"strata":[{"gauges":[{"ratio":{"size":1,"count":1,"full":[0]},"candidate":{"size":1,"count":1,"full":[0]},"baseline":{"size":1,"count":1,"full":[0]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Decode(l, encoder.EncodeAll(body, nil))
		if err != nil {
			return
		}
		got.Learn(l)
		got.Mature(l, time.Now().Add(1e6*time.Hour))
		for i := range got.Strata {
			s := got.Strata[i]
			s.Observe(l, evidence.Observation{Latency: time.Second})
			s.ObserveValue(l, evidence.Raw{Series: 1, Arm: split.Candidate, Value: 4})
			s.Gauges[0].Add(1, 1)
			s.Freeze(l)
		}
		if _, err := Encode(l, got); err != nil {
			t.Fatalf("what was read back cannot be kept: %v", err)
		}
	})
}
