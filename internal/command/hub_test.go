package command_test

import (
	"context"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/traffic"
)

func TestEveryDecisionIsTold(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), model("n", "v1"))
		ctx, cancel := context.WithCancel(t.Context())
		one, all := w.Subscribe(ctx, "m-v2"), w.Subscribe(ctx, "")
		heard := map[string]map[int64]bool{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range all {
				if heard[e.Rollout] == nil {
					heard[e.Rollout] = map[int64]bool{}
				}
				heard[e.Rollout][e.Seq] = true
			}
		}()
		got := map[command.EventType]int{}
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			for e := range one {
				got[e.Type]++
				if e.Rollout != "m-v2" || e.Missed != 0 || e.Status.Record.Name != "m-v2" {
					t.Errorf("event %s of %q, %d missed, status of %q", e.Type, e.Rollout, e.Missed, e.Status.Record.Name)
				}
			}
		}()
		w.apply(t, candidate("m-v2", "m", "v2", quick), candidate("n-v2", "n", "v2", quick))
		w.drive(t, "m-v2", 0.01)
		w.drive(t, "n-v2", 0.6)
		w.ends(t, "m-v2", rollout.Completed)
		w.ends(t, "n-v2", rollout.RolledBack)
		cancel()
		<-finished
		<-done
		if n := int(w.Record("m-v2").Last.Seq); got[command.EventDecision] < n || got[command.EventStatus] == 0 {
			t.Errorf("heard %v of %d decisions", got, n)
		}
		for _, name := range []string{"m-v2", "n-v2"} {
			for seq := range w.Record(name).Last.Seq {
				if !heard[name][seq+1] {
					t.Errorf("decision %d of %s was not told", seq+1, name)
				}
			}
		}
	})
}

func TestASlowSubscriberDelaysNoRollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow := w.Subscribe(ctx, "")
		time.Sleep(5 * time.Hour) // Nobody reads.
		id := w.Record("m-v2").ID
		w.Target.CutOff(id, traffic.CutOff{At: time.Now(), Reason: "FailedHard", Detail: "all failed"})
		time.Sleep(100 * time.Millisecond)
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.RolledBack || rec.Ending.SwappedAt.Sub(rec.Ending.DecidedAt) > time.Millisecond {
			t.Fatalf("%s, ending %+v", rec.State.Phase, rec.Ending)
		}
		missed := 0
		for range 200 {
			select {
			case e := <-slow:
				missed += e.Missed
			case <-time.After(time.Second):
			}
		}
		if missed == 0 {
			t.Error("a reader that slept for hours is not told that it missed anything")
		}
	})
}

func TestDecisionsTakeTheRoomOfStatuses(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		hub := command.NewHub()
		s := command.New(command.Options{Store: w.Store, Controller: w.Controller, Ledger: w.Ledger, Hub: hub, Preflight: w.preflight})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := s.Subscribe(ctx, "")
		for id := range uint64(500) {
			hub.Changed(controller.Change{ID: id, Rollout: "x"})
		}
		for seq := range int64(50) {
			hub.Changed(controller.Change{ID: 1, Rollout: "x", Seq: seq + 1, Decided: true})
		}
		decisions := 0
		for decisions < 50 {
			select {
			case e := <-events:
				if e.Missed != 0 {
					t.Fatalf("%d are told as missed", e.Missed)
				}
				if e.Type == command.EventDecision {
					decisions++
				}
			case <-time.After(time.Minute):
				t.Fatalf("%d of 50 decisions came", decisions)
			}
		}
	})
}
