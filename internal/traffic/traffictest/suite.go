// Package traffictest is what every traffic.Target must do, as one suite of
// tests, and a documented fake of one for tests of what stands above the port.
//
// Each adapter runs the suite against the real thing it moves; the Fake passes
// the same suite, so that what is proven above the fake holds above a router.
// The package is linked by tests only.
package traffictest

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Model is the name of the model that the suite rolls out. Its units are in
// the header UnitHeader.
const (
	Model      = "scorer"
	UnitHeader = "X-User-Id"
)

// patience bounds every wait of the suite.
const patience = 10 * time.Second

// World is a target to be tested, and the hands that a test needs around it.
type World struct {
	Target traffic.Target
	// Baseline and Candidate are where the two versions of Model are served.
	Baseline, Candidate *url.URL
	// Send sends one request of a unit to Model and reports the arm that
	// answered. When it returns, the target has counted the request.
	Send func(unit string) split.Arm
	// Break makes the candidate fail so hard that the target cuts it off by
	// itself, and returns when enough requests have been sent for that.
	Break func(rollout uint64)
}

// Run runs the suite. Each test opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	tests := map[string]func(t *testing.T, w World){
		"what was applied is in force and observed":                 inForce,
		"weight 0 takes effect at once":                             weightZero,
		"applying a table again changes nothing":                    idempotent,
		"an older table never replaces a newer one":                 older,
		"a rollout that no table names is not found":                unknown,
		"each batch is collected once":                              collectOnce,
		"evidence stays in the stratum of exposure":                 strata,
		"the candidate's silence and last moments are told":         moments,
		"a wider weight moves no unit out of the candidate":         widening,
		"units that may send many requests are told with their arm": exposures,
		"a cut-off wakes, and sends everything to the baseline":     cutOff,
		"a cancelled context is an error and changes nothing":       cancelled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Table returns a table of one model, with a rollout at a weight.
func (w World) Table(generation, rollout uint64, stratum uint8, weight uint32) *table.Table {
	layout := evidence.NewLayout(true)
	return table.Build(generation, []*table.Route{{
		Model: Model, Protocol: table.HTTP,
		Unit:     table.Unit{Source: table.UnitHeader, Name: UnitHeader},
		Baseline: table.Version{Name: "v1", URL: w.Baseline},
		Split: &table.Split{
			Rollout: rollout, Name: fmt.Sprintf("%s-%d", Model, rollout), Salt: split.Salt(rollout * 0x9e3779b97f4a7c15),
			Stratum: stratum, Weight: weight, Layout: &layout, Shield: true,
			Candidate: table.Version{Name: "v2", URL: w.Candidate},
		},
	}})
}

func (w World) apply(t *testing.T, tab *table.Table) {
	t.Helper()
	if err := w.Target.Apply(t.Context(), tab); err != nil {
		t.Fatalf("apply table %d: %v", tab.Generation, err)
	}
}

func (w World) observe(t *testing.T, rollout uint64) traffic.Observation {
	t.Helper()
	o, err := w.Target.Observe(t.Context(), rollout)
	if err != nil {
		t.Fatalf("observe rollout %d: %v", rollout, err)
	}
	return o
}

// counted is what was collected, by stratum and arm.
type counted map[uint8]*[split.Arms]uint64

func (w World) collect(t *testing.T, rollout uint64) (counted, []evidence.Exposure) {
	t.Helper()
	batches, err := w.Target.Collect(t.Context())
	if err != nil {
		t.Fatalf("collect: %v", err)
	}
	out, seen := counted{}, []evidence.Exposure(nil)
	for _, b := range batches {
		if b.Rollout != rollout {
			t.Errorf("a batch of rollout %d, which was never applied", b.Rollout)
		}
		if out[b.Stratum] == nil {
			out[b.Stratum] = &[split.Arms]uint64{}
		}
		for arm := range out[b.Stratum] {
			out[b.Stratum][arm] += b.Delta.Sides[arm].Requests
		}
		seen = append(seen, b.Exposures...)
	}
	return out, seen
}

func inForce(t *testing.T, w World) {
	w.apply(t, w.Table(3, 1, 2, split.Whole))
	o := w.observe(t, 1)
	if o.Generation != 3 || o.Stratum != 2 || o.Weight != split.Whole || o.CutOff != nil {
		t.Errorf("observed generation %d, stratum %d, weight %d, cut-off %v; want 3, 2, %d, none", o.Generation, o.Stratum, o.Weight, o.CutOff, split.Whole)
	}
	if got := w.Send("u"); got != split.Candidate {
		t.Errorf("at the whole weight a request went to the %s", got)
	}
}

func weightZero(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, split.Whole))
	w.Send("u")
	w.apply(t, w.Table(2, 1, 1, 0))
	for i := range 50 {
		if got := w.Send(fmt.Sprint("u", i)); got != split.Baseline {
			t.Fatalf("request %d after weight 0 went to the %s", i, got)
		}
	}
	if o := w.observe(t, 1); o.Weight != 0 || o.Stratum != 1 || o.InFlight != 0 {
		t.Errorf("observed weight %d, stratum %d, %d in flight; want 0, 1, none", o.Weight, o.Stratum, o.InFlight)
	}
}

func idempotent(t *testing.T, w World) {
	tab := w.Table(1, 1, 0, 5000)
	w.apply(t, tab)
	before := arms(w, 40)
	w.apply(t, tab)
	w.apply(t, w.Table(1, 1, 0, 5000))
	if after := arms(w, 40); after != before {
		t.Errorf("units moved when the same table was applied again: %s, then %s", before, after)
	}
	got, _ := w.collect(t, 1)
	if n := got[0]; n == nil || n[split.Baseline]+n[split.Candidate] != 80 {
		t.Errorf("collected %v after 80 requests", n)
	}
}

// arms spells the arms of the first n units.
func arms(w World, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = w.Send(fmt.Sprint("unit-", i)).String()[0]
	}
	return string(out)
}

func older(t *testing.T, w World) {
	w.apply(t, w.Table(7, 1, 1, 0))
	err := w.Target.Apply(t.Context(), w.Table(6, 1, 0, split.Whole))
	if !problem.Is(err, problem.Conflict) {
		t.Errorf("applying an older table: %v, want a conflict", err)
	}
	if o := w.observe(t, 1); o.Generation != 7 || o.Weight != 0 {
		t.Errorf("generation %d at weight %d is in force, want 7 at 0", o.Generation, o.Weight)
	}
	if got := w.Send("u"); got != split.Baseline {
		t.Errorf("a request followed the older table to the %s", got)
	}
}

func unknown(t *testing.T, w World) {
	_, err := w.Target.Observe(t.Context(), 99)
	if !problem.Is(err, problem.NotFound) {
		t.Errorf("before any table: %v, want not found", err)
	}
	w.apply(t, w.Table(1, 1, 0, 100))
	if _, err = w.Target.Observe(t.Context(), 99); !problem.Is(err, problem.NotFound) {
		t.Errorf("rollout 99: %v, want not found", err)
	}
}

func collectOnce(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, 5000))
	sent := [split.Arms]uint64{}
	for i := range 100 {
		sent[w.Send(fmt.Sprint("u", i))]++
	}
	got, _ := w.collect(t, 1)
	if len(got) != 1 || got[0] == nil || *got[0] != sent {
		t.Errorf("collected %v, sent %v in stratum 0", got, sent)
	}
	if again, seen := w.collect(t, 1); len(again) != 0 || len(seen) != 0 {
		t.Errorf("collected %v and %d exposures a second time", again, len(seen))
	}
}

func strata(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, split.Whole))
	arms(w, 7)
	w.apply(t, w.Table(2, 1, 1, 0))
	arms(w, 11)
	got, _ := w.collect(t, 1)
	if len(got) != 2 || got[0] == nil || got[1] == nil {
		t.Fatalf("collected strata %v, want 0 and 1", got)
	}
	if got[0][split.Candidate] != 7 || got[0][split.Baseline] != 0 {
		t.Errorf("stratum 0 has %v, want 7 at the candidate", *got[0])
	}
	if got[1][split.Baseline] != 11 || got[1][split.Candidate] != 0 {
		t.Errorf("stratum 1 has %v, want 11 at the baseline", *got[1])
	}
}

func moments(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, split.Whole))
	if o := w.observe(t, 1); !o.Started.IsZero() || !o.Finished.IsZero() || !o.LastRequest.IsZero() {
		t.Errorf("before any request: started %v, finished %v, last %v", o.Started, o.Finished, o.LastRequest)
	}
	w.Send("u")
	o := w.observe(t, 1)
	if o.Started.IsZero() || o.Finished.Before(o.Started) || o.LastRequest.IsZero() || o.SinceCandidate != 0 || o.InFlight != 0 {
		t.Errorf("after a candidate request: %+v", o)
	}
	w.apply(t, w.Table(2, 1, 1, 0))
	arms(w, 5)
	later := w.observe(t, 1)
	if later.SinceCandidate != 5 {
		t.Errorf("silence of %d requests after 5 at the baseline", later.SinceCandidate)
	}
	if !later.Started.Equal(o.Started) || !later.Finished.Equal(o.Finished) || later.LastRequest.Before(o.LastRequest) {
		t.Errorf("moments moved without the candidate: %+v, then %+v", o, later)
	}
}

func widening(t *testing.T, w World) {
	const units = 60
	before := ""
	for i, weight := range []uint32{0, 1000, 5000, 9000, split.Whole} {
		w.apply(t, w.Table(uint64(i+1), 1, uint8(i), weight))
		now := arms(w, units)
		for u := range before {
			if before[u] == 'c' && now[u] != 'c' {
				t.Fatalf("unit %d left the candidate at weight %d", u, weight)
			}
		}
		before = now
	}
}

func exposures(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, 5000))
	salt := w.Table(1, 1, 0, 5000).Routes[0].Split.Salt
	want := map[uint64]split.Arm{}
	for i := range 30 {
		unit := fmt.Sprint("unit-", i)
		for range 3 {
			want[salt.Hash(unit).Second] = w.Send(unit)
		}
	}
	_, seen := w.collect(t, 1)
	for _, e := range seen {
		if arm, ok := want[e.Unit]; !ok || arm != e.Arm || e.Time.IsZero() {
			t.Errorf("exposure %+v of a unit that was sent to the %s (sent at all: %v)", e, arm, ok)
		}
	}
	found := map[uint64]bool{}
	for _, e := range seen {
		found[e.Unit] = true
	}
	if len(found) != len(want) {
		t.Errorf("%d units were told, %d were sent", len(found), len(want))
	}
}

func cutOff(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, split.Whole))
	w.Send("u")
	w.Break(1)
	select {
	case n := <-w.Target.Wake():
		if n != 1 {
			t.Errorf("woken for rollout %d, want 1", n)
		}
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
	o := w.observe(t, 1)
	if o.CutOff == nil || o.CutOff.Reason == "" || o.CutOff.Detail == "" || o.CutOff.At.IsZero() || o.Weight != 0 {
		t.Fatalf("cut-off %+v at weight %d, want a moment, a reason, a detail and 0", o.CutOff, o.Weight)
	}
	if got := arms(w, 20); got != "bbbbbbbbbbbbbbbbbbbb" {
		t.Errorf("after the cut-off units went to %s", got)
	}
	w.apply(t, w.Table(2, 1, 1, 5000))
	if o = w.observe(t, 1); o.CutOff == nil || o.Weight != 0 {
		t.Errorf("a new table brought a candidate back that was cut off: weight %d", o.Weight)
	}
}

func cancelled(t *testing.T, w World) {
	w.apply(t, w.Table(1, 1, 0, 100))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Target.Apply(ctx, w.Table(2, 1, 1, 0)); err == nil {
		t.Error("apply succeeded")
	}
	if _, err := w.Target.Observe(ctx, 1); err == nil {
		t.Error("observe succeeded")
	}
	if _, err := w.Target.Collect(ctx); err == nil {
		t.Error("collect succeeded")
	}
	if o := w.observe(t, 1); o.Generation != 1 {
		t.Errorf("generation %d is in force, want 1", o.Generation)
	}
}
