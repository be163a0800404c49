package controller_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

// ladder is a rollout of half-hour stages with one gate.
const ladder = `  stages:
    - {weight: 1%, dwell: 30m, require: no-harm}
    - {weight: 10%, dwell: 30m, require: no-harm}
    - {weight: 50%, dwell: 30m, require: within-margin, maxDuration: 24h}
    - {weight: 100%, dwell: 30m, holdback: 1%}
  minSamples: 500
  gates: [{metric: error_rate, maxIncrease: 1pp}]
`

const id = 7

// run runs a rollout of model m in virtual time.
func run(t *testing.T, test func(t *testing.T, w *controllertest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := controllertest.New(t)
		w.Model("m")
		test(t, w)
	})
}

// drive sends a load until the test ends.
func drive(t *testing.T, w *controllertest.World, l controllertest.Load) {
	t.Helper()
	if l.Rollout == 0 {
		l.Rollout = id
	}
	if l.Rate == 0 {
		l.Rate = 50
	}
	w.Drive(t.Context(), &l)
}

// until sleeps until the rollout is over, at most so long.
func until(t *testing.T, w *controllertest.World, name string, most time.Duration) store.Rollout {
	t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if rec := w.Record(name); rec.State.Phase.Final() {
			time.Sleep(time.Second) // The worker stores its times.
			return w.Record(name)
		}
	}
	t.Fatalf("%s is not over after %v: %s", name, most, w.Record(name).Last.Sentence)
	return store.Rollout{}
}

// errorsAt is a load whose candidate fails a share of its requests.
func errorsAt(share float64) controllertest.Load {
	l := controllertest.Load{Seed: 1}
	l.Errors[split.Baseline], l.Errors[split.Candidate] = 0.01, share
	return l
}

func TestAGoodCandidateGoesToAll(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		start := time.Now()
		w.Start(id, w.Plan("m", "request", ladder))
		drive(t, w, errorsAt(0.01))
		rec := until(t, w, "m-v2", 48*time.Hour)
		if rec.State.Phase != rollout.Completed {
			t.Fatalf("ended %s: %s", rec.State.Phase, rec.Last.Sentence)
		}
		if took := rec.State.EndedAt.Sub(start); took < 2*time.Hour || took > 3*time.Hour {
			t.Errorf("went to all after %v, want the dwells and little more", took)
		}
		if got := stagesOf(w.Log(id)); got != "0 1 2 3" {
			t.Errorf("walked through stages %s", got)
		}
		models, err := w.Store.Models(t.Context())
		if err != nil || models[0].Serving.Name != "v2" {
			t.Errorf("serving is %v (%v), want v2", models, err)
		}
		if route := w.Target.Table().Routes[0]; route.Baseline.Name != "v2" || route.Split != nil {
			t.Errorf("the table serves %s with split %v", route.Baseline.Name, route.Split)
		}
		if rec.Ending == nil || rec.Ending.ConfirmedAt.IsZero() {
			t.Errorf("ending %+v is not timed", rec.Ending)
		}
	})
}

// stagesOf lists the stages that a log walks through.
func stagesOf(log []store.Logged) string {
	var out []string
	for _, l := range log {
		if l.Entry.Kind == rollout.KindAdvance {
			out = append(out, fmt.Sprint(l.Entry.Next.Stage))
		}
	}
	return strings.Join(out, " ")
}

func TestAProvenHarmRollsBackDuringTheDwell(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		start := time.Now()
		w.Start(id, w.Plan("m", "request", ladder))
		drive(t, w, errorsAt(0.30))
		rec := until(t, w, "m-v2", time.Hour)
		if rec.State.Phase != rollout.RolledBack || rec.Last.Reason != rollout.ReasonGateFailed || rec.Last.Gate != "error_rate" {
			t.Fatalf("ended %s by %s of %q", rec.State.Phase, rec.Last.Reason, rec.Last.Gate)
		}
		if took := rec.State.EndedAt.Sub(start); took > 10*time.Minute {
			t.Errorf("rolled back after %v", took)
		}
		if w.Target.Split(id) != nil {
			t.Error("the table still names the rollout")
		}
		if w.Target.Table().Routes[0].Baseline.Name != "v1" {
			t.Error("the baseline does not serve")
		}
	})
}

func TestAPausedRolloutIsGuarded(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(5 * time.Second)
		live, err := w.Controller.Act(t.Context(), id, act(rollout.ActPause))
		if err != nil || live.Record.State.Paused == nil || live.Record.State.Phase != rollout.Holding {
			t.Fatalf("paused: %+v, %v", live.Record.State, err)
		}
		drive(t, w, errorsAt(0.30))
		rec := until(t, w, "m-v2", time.Hour)
		if rec.Last.Reason != rollout.ReasonGateFailed {
			t.Errorf("ended by %s", rec.Last.Reason)
		}
	})
}

func TestTheStoreFailsDuringARollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(5 * time.Second)
		w.Store.Fail(storetest.ErrFull)
		drive(t, w, errorsAt(0.30))
		swapped := time.Time{}
		for range 600 {
			time.Sleep(time.Second)
			if s := w.Target.Split(id); s.Weight == 0 {
				swapped = time.Now()
				break
			}
		}
		if swapped.IsZero() {
			t.Fatal("the table was not swapped while the store was full")
		}
		time.Sleep(time.Minute)
		live, ok := w.Controller.Live(id)
		if !ok || !strings.Contains(live.Trouble, "full") {
			t.Errorf("the trouble with the store is not shown: %q", live.Trouble)
		}
		if rec := w.Record("m-v2"); rec.State.Phase.Final() {
			t.Errorf("a full store has the decision: %s", rec.Last.Sentence)
		}
		w.Store.Fail(nil)
		time.Sleep(10 * time.Second)
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.RolledBack {
			t.Fatalf("the decision is not stored after the store is back: %s", rec.State.Phase)
		}
		if got := rec.Ending.SwappedAt; got.After(swapped) {
			t.Errorf("swapped at %v by the record, but it was seen at %v", got, swapped)
		}
		if gap := rec.Ending.SwappedAt.Sub(rec.Ending.DecidedAt); gap > time.Millisecond {
			t.Errorf("the swap took %v of virtual time", gap)
		}
	})
}

func TestKilledBetweenSwapAndCommit(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(5 * time.Second)
		w.Store.Intercept(func(_ context.Context, op storetest.Op) error {
			if op == storetest.OpCommit {
				return errors.New("commit fails for ever")
			}
			return nil
		})
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback)); err == nil {
			t.Fatal("a rollback that cannot be stored is told as done")
		}
		w.Kill()
		w.Store.Intercept(nil)
		if rec := w.Record("m-v2"); rec.State.Phase.Final() {
			t.Fatalf("the store has %s", rec.State.Phase)
		}
		time.Sleep(time.Second)
		before := len(w.Target.Applied())
		w.Boot()
		for _, table := range w.Target.Applied()[before:] {
			for _, r := range table.Routes {
				if r.Split != nil && r.Split.Weight != 0 {
					t.Fatalf("a table after the restart gives the candidate %d", r.Split.Weight)
				}
			}
		}
		time.Sleep(2 * time.Second)
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.RolledBack || rec.Last.Reason != rollout.ReasonRecovered {
			t.Errorf("came back as %s by %s", rec.State.Phase, rec.Last.Reason)
		}
		if left, err := w.Store.Intents(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("intents left: %v, %v", left, err)
		}
	})
}

func TestANewRolloutIsLookedAtOnceTheTableNamesIt(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(10 * time.Millisecond)
		if log := w.Log(id); len(log) != 1 || log[0].Entry.Reason != rollout.ReasonStarted {
			t.Errorf("the log of a ready candidate has %d entries and begins with: %s", len(log), log[0].Entry.Sentence)
		}
	})
}

func TestANewCandidateGetsItsFirstTrafficAsSoonAsItIsReady(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		start := time.Now()
		w.Target.FailApply(1, errors.New("not now")) // At its first look, nothing is known of the candidate.
		w.Start(id, w.Plan("m", "request", ladder))
		time.Sleep(300 * time.Millisecond) // A tick is a second.
		rec := w.Record("m-v2")
		if took := rec.State.StartedAt.Sub(start); rec.State.Phase != rollout.Progressing || took <= 0 || took > 100*time.Millisecond {
			t.Errorf("it is %s, started after %v: %s", rec.State.Phase, took, rec.Last.Sentence)
		}
	})
}
