package traffictest

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// fakeWorld is a Fake with a clock that moves a second at each look.
func fakeWorld(t *testing.T) (World, *Fake) {
	t.Helper()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	f := NewFake(func() time.Time { now = now.Add(time.Second); return now })
	return World{
		Target:    f,
		Baseline:  &url.URL{Scheme: "http", Host: "baseline.example"},
		Candidate: &url.URL{Scheme: "http", Host: "candidate.example"},
		Send:      func(unit string) split.Arm { return f.Send(Model, unit, time.Millisecond) },
		Break: func(rollout uint64) {
			f.CutOff(rollout, traffic.CutOff{At: now, Reason: "CandidateFailing", Detail: "a test said so"})
		},
	}, f
}

func TestTheFakeIsATarget(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T) World {
		w, _ := fakeWorld(t)
		return w
	})
}

func TestTheFakeFailsApplyAsOftenAsItIsTold(t *testing.T) {
	t.Parallel()
	w, f := fakeWorld(t)
	down := errors.New("the fleet is away")
	f.FailApply(2, down)
	for range 2 {
		if err := f.Apply(t.Context(), w.Table(1, 1, 0, 100)); !errors.Is(err, down) {
			t.Errorf("apply: %v, want %v", err, down)
		}
	}
	if f.Table() != nil || len(f.Applied()) != 0 {
		t.Error("a failed apply left a table behind")
	}
	w.apply(t, w.Table(1, 1, 0, 100))
	if f.Attempts() != 3 || len(f.Applied()) != 1 || f.Split(1).Weight != 100 {
		t.Errorf("%d attempts, %d applied, split %+v", f.Attempts(), len(f.Applied()), f.Split(1))
	}
}

func TestADeafFakeKeepsItsTable(t *testing.T) {
	t.Parallel()
	w, f := fakeWorld(t)
	w.apply(t, w.Table(1, 1, 0, 100))
	f.Deafen(true)
	w.apply(t, w.Table(2, 1, 1, 0))
	if o := w.observe(t, 1); o.Generation != 1 || o.Weight != 100 {
		t.Errorf("generation %d at weight %d, want the old table", o.Generation, o.Weight)
	}
	f.Deafen(false)
	w.apply(t, w.Table(2, 1, 1, 0))
	if o := w.observe(t, 1); o.Generation != 2 || o.Weight != 0 {
		t.Errorf("generation %d at weight %d, want the new table", o.Generation, o.Weight)
	}
}

func TestTheFakeTellsWhatATestSays(t *testing.T) {
	t.Parallel()
	w, f := fakeWorld(t)
	w.apply(t, w.Table(1, 1, 0, 100))
	if o := w.observe(t, 1); o.Baseline.State != traffic.Ready || o.Candidate.State != traffic.Ready {
		t.Errorf("healths %v and %v, want ready until told otherwise", o.Baseline, o.Candidate)
	}
	f.SetHealth(1, split.Candidate, traffic.Health{State: traffic.Dead, Error: "refused"})
	f.SetHealth(1, split.Baseline, traffic.Health{State: traffic.Failing})
	f.Requests(1, split.Baseline, 40)
	f.EditObservation(1, func(o *traffic.Observation) { o.Rescued = 12 })
	o := w.observe(t, 1)
	if o.Candidate.State != traffic.Dead || o.Baseline.State != traffic.Failing || o.SinceCandidate != 40 || o.Rescued != 12 {
		t.Errorf("observed %+v", o)
	}
	layout := evidence.NewLayout(false)
	f.Inject(evidence.Batch{Rollout: 1, Stratum: 0, Delta: evidence.NewStratum(&layout)})
	if got, _ := w.collect(t, 1); len(got) != 1 {
		t.Errorf("collected %v, want the batch that was put in", got)
	}
}
