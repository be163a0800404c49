package controller_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
)

// recompute works every decision of a log out again from what is stored with it.
func recompute(t *testing.T, w *controllertest.World, name string) {
	t.Helper()
	rec := w.Record(name)
	log := w.Log(rec.ID)
	if len(log) == 0 {
		t.Fatal("the log is empty")
	}
	audit, err := store.NewAudit(&rec)
	if err != nil {
		t.Fatal(err)
	}
	for i := range log {
		e := &log[i].Entry
		if err := audit.Next(&log[i]); err != nil {
			t.Fatalf("entry %d: %v", e.Seq, err)
		}
		ev := &evidence.Evidence{}
		if len(log[i].Evidence) > 0 {
			if ev, err = ledger.Decode(&rec.Plan.Layout, log[i].Evidence); err != nil {
				t.Fatalf("evidence of entry %d: %v", e.Seq, err)
			}
		}
		if e.MaxGap <= 0 || e.MaxGap > 5*time.Second {
			t.Fatalf("entry %d took %v between two looks for watched", e.Seq, e.MaxGap)
		}
		judged := rollout.Judge(&rec.Plan, e.Before, ev, nil)
		if diff := cmp.Diff(e.Judgements, judged); diff != "" {
			t.Fatalf("entry %d is judged otherwise (-stored +again):\n%s", e.Seq, diff)
		}
		d := rollout.Decide(rollout.Input{
			Now: e.At, MaxGap: e.MaxGap, Plan: &rec.Plan, State: e.Before, Evidence: ev, Judgements: judged, Traffic: e.Traffic, Act: e.Act,
		})
		if d.Kind != e.Kind || d.Reason != e.Reason || d.Gate != e.Gate || d.Sentence != e.Sentence {
			t.Fatalf("entry %d was %s by %s, again it is %s by %s:\n%s\n%s", e.Seq, e.Kind, e.Reason, d.Kind, d.Reason, e.Sentence, d.Sentence)
		}
		if diff := cmp.Diff(e.Next, d.Next); diff != "" {
			t.Fatalf("entry %d leads elsewhere (-stored +again):\n%s", e.Seq, diff)
		}
	}
	if err := audit.End(rec.Last); err != nil {
		t.Error(err)
	}
}
