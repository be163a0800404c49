package controller_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic"
)

func act(kind rollout.ActKind) controller.Ask {
	return controller.Ask{Act: rollout.Act{Kind: kind, By: "ann"}}
}

// holding is a rollout whose only gate holds when it fails.
const holding = `  stages:
    - {weight: 10%, dwell: 1m, require: no-harm}
    - {weight: 100%, dwell: 1m, holdback: 10%}
  minSamples: 50
  gates: [{metric: error_rate, maxIncrease: 5pp, onFail: hold}]
`

func TestPromoteOnAFailedGateIsRefused(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", holding))
		drive(t, w, errorsAt(0.5))
		time.Sleep(5 * time.Minute)
		_, err := w.Controller.Act(t.Context(), id, act(rollout.ActPromote))
		if !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "error_rate") {
			t.Fatalf("promote: %v, want it refused for error_rate", err)
		}
		if rec := w.Record("m-v2"); rec.State.Stage != 0 {
			t.Fatalf("it went on to stage %d", rec.State.Stage)
		}
		override := act(rollout.ActPromote)
		override.Act.Override, override.Act.Reason = true, "the errors are known"
		live, err := w.Controller.Act(t.Context(), id, override)
		if err != nil || live.Record.State.Stage != 1 || len(live.Record.State.Waived) != 1 {
			t.Fatalf("with an override: %+v, %v", live.Record.State, err)
		}
		last := live.Record.Last
		if last.Reason != rollout.ReasonPromotedByPerson || !strings.Contains(last.Sentence, "ann") || !strings.Contains(last.Sentence, "the errors are known") {
			t.Errorf("the log says %s: %s", last.Reason, last.Sentence)
		}
		if s := w.Target.Split(id); s.Weight != live.Record.State.Weight() {
			t.Errorf("told as done while the router serves %d", s.Weight)
		}
	})
}

func TestPromoteSkipsTheDwellAlone(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActPromote)); !problem.Is(err, problem.Refused) {
			t.Errorf("without samples: %v, want it refused", err)
		}
		load := errorsAt(0.01)
		load.Rate = 2000
		drive(t, w, load)
		time.Sleep(time.Minute)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActPromote)); err != nil {
			t.Errorf("with samples: %v", err)
		}
		if s := w.Target.Split(id); s.Weight != 1000 || s.Stratum != 1 {
			t.Errorf("the router serves %d in stratum %d", s.Weight, s.Stratum)
		}
	})
}

func TestPersonsEndARollout(t *testing.T) {
	t.Parallel()
	for kind, want := range map[rollout.ActKind]rollout.Phase{rollout.ActRollback: rollout.RolledBack, rollout.ActAbort: rollout.Aborted} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *controllertest.World) {
				w.Start(id, w.Plan("m", "request", ladder))
				drive(t, w, errorsAt(0.01))
				time.Sleep(time.Minute)
				what := act(kind)
				what.Act.Reason = "it rains"
				live, err := w.Controller.Act(t.Context(), id, what)
				if err != nil || live.Record.State.Phase != want || live.Record.Ending.ConfirmedAt.IsZero() {
					t.Fatalf("%s, confirmed at %v: %v", live.Record.State.Phase, live.Record.Ending, err)
				}
				rec := w.Record("m-v2")
				if rec.State.Phase != want || !strings.Contains(rec.Last.Sentence, "it rains") {
					t.Errorf("told before it was stored: %s: %s", rec.State.Phase, rec.Last.Sentence)
				}
				time.Sleep(2 * time.Second)
				if _, err := w.Controller.Act(t.Context(), id, act(kind)); err == nil {
					t.Error("a rollout that is over was ended again")
				}
				models, _ := w.Store.Models(t.Context())
				if got := models[0].CooldownUntil; !got.Equal(rec.State.EndedAt.Add(time.Hour)) {
					t.Errorf("the model cools down until %v, ended at %v", got, rec.State.EndedAt)
				}
			})
		})
	}
}

func TestARolloutWithoutTrafficLeavesNoCooldown(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Target.Deafen(true) // It stays Pending.
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Target.Deafen(false)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActAbort)); err != nil {
			t.Fatal(err)
		}
		if models, _ := w.Store.Models(t.Context()); !models[0].CooldownUntil.IsZero() {
			t.Errorf("cools down until %v", models[0].CooldownUntil)
		}
	})
}

func TestARolloutIsEndedOnceByManyAtATime(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Target.CutOff(id, traffic.CutOff{At: time.Now(), Reason: "FailedHard", Detail: "all failed"})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _ = w.Controller.Act(t.Context(), id, act(rollout.ActRollback)) })
		}
		wg.Wait()
		time.Sleep(2 * time.Second)
		n := 0
		for _, l := range w.Log(id) {
			if l.Entry.Kind == rollout.KindRollback {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d rollbacks are stored", n)
		}
	})
}

func TestActsAtAnotherRevisionAreRefused(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		rec := w.Record("m-v2")
		what := act(rollout.ActPause)
		what.IfRevision = rec.Revision + 1
		if _, err := w.Controller.Act(t.Context(), id, what); !problem.Is(err, problem.Precondition) {
			t.Errorf("%v, want a precondition", err)
		}
		what.IfRevision = rec.Revision
		if _, err := w.Controller.Act(t.Context(), id, what); err != nil {
			t.Errorf("at the revision: %v", err)
		}
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		before := w.Record("m-v2")
		for kind, want := range map[rollout.ActKind]rollout.Phase{rollout.ActRollback: rollout.RolledBack, rollout.ActAbort: rollout.Aborted, rollout.ActPause: rollout.Holding} {
			what := act(kind)
			what.DryRun = true
			live, err := w.Controller.Act(t.Context(), id, what)
			if err != nil || live.Record.State.Phase != want {
				t.Errorf("%s would lead to %s (%v), want %s", kind, live.Record.State.Phase, err, want)
			}
		}
		what := act(rollout.ActPromote)
		what.DryRun = true
		if _, err := w.Controller.Act(t.Context(), id, what); !problem.Is(err, problem.Refused) {
			t.Errorf("promote would be %v, want refused", err)
		}
		if after := w.Record("m-v2"); after.Revision != before.Revision || w.Target.Split(id).Weight != 100 {
			t.Errorf("revision %d, weight %d", after.Revision, w.Target.Split(id).Weight)
		}
	})
}

func TestAnActThatCannotBeStoredIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Store.Fail(storetest.ErrReadOnly)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActPause)); !problem.Is(err, problem.Unavailable) {
			t.Errorf("%v, want unavailable", err)
		}
		if live, _ := w.Controller.Live(id); live.Record.State.Paused != nil {
			t.Error("it is paused all the same")
		}
		w.Store.Fail(nil)
	})
}

func TestAnEndingWaitsForTheLastRequests(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Target.Requests(id, split.Candidate, 1)
		started := time.Now()
		time.Sleep(time.Second)
		w.Target.EditObservation(id, func(o *traffic.Observation) { o.InFlight = 1 })
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if w.Target.Split(id) == nil {
			t.Fatal("the table forgot a candidate that still answers")
		}
		if s := w.Target.Split(id); s.Weight != 0 || s.AllowPin {
			t.Errorf("it can still be reached: %+v", s)
		}
		w.Target.EditObservation(id, nil)
		time.Sleep(3 * time.Second)
		rec := w.Record("m-v2")
		if w.Target.Split(id) != nil || !rec.Ending.LastStarted.Equal(started) {
			t.Errorf("split %v, last request at %v, want %v", w.Target.Split(id), rec.Ending.LastStarted, started)
		}
	})
}

func TestAPromotionOvertakenByHarmIsToldSo(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Target.CutOff(id, traffic.CutOff{At: time.Now(), Reason: "FailedHard", Detail: "all failed"})
		_, err := w.Controller.Act(t.Context(), id, act(rollout.ActPromote))
		if !problem.Is(err, problem.Refused) && !problem.Is(err, problem.NotFound) {
			t.Errorf("%v, want refused", err)
		}
		if rec := until(t, w, "m-v2", time.Minute); rec.State.Phase != rollout.RolledBack {
			t.Errorf("ended %s", rec.State.Phase)
		}
	})
}

func TestNothingRunsAfterStop(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		rec := w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(2 * time.Second)
		w.Stop()
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback)); err == nil {
			t.Error("an act was taken")
		}
		rec.Name, rec.ID = "other", 9
		if err := w.Controller.Add(t.Context(), rec); !problem.Is(err, problem.Unavailable) {
			t.Errorf("add: %v", err)
		}
		calls := w.Target.Attempts()
		time.Sleep(time.Hour)
		if n := w.Target.Attempts(); n != calls {
			t.Errorf("%d tables were applied", n-calls)
		}
		w.Boot()
	})
}

func TestLateLabelsAloneRollBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", `  stages:
    - {weight: 10%, dwell: 1m, require: no-harm}
    - {weight: 50%, dwell: 1m, require: within-margin}
    - {weight: 100%, dwell: 1m, holdback: 10%}
  minSamples: 50
  gates:
    - {metric: error_rate, maxIncrease: 5pp}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`))
		load := errorsAt(0.01)
		load.Report = 10 * time.Minute
		load.Wrong = [split.Arms]float64{0.06, 0.16}
		drive(t, w, load)
		rec := until(t, w, "m-v2", 24*time.Hour)
		if rec.State.Phase != rollout.RolledBack || rec.Last.Gate != "outcome:correct" {
			t.Errorf("ended %s by %q: %s", rec.State.Phase, rec.Last.Gate, rec.Last.Sentence)
		}
		if waited := rec.State.StageAt.Sub(rec.State.StartedAt); rec.State.Stage > 0 && waited < load.Report {
			t.Errorf("it reached stage %d after %v, before the first label came", rec.State.Stage, waited)
		}
		recompute(t, w, "m-v2")
	})
}
