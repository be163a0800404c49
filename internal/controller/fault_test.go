package controller_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// short is a rollout of one-minute stages.
const short = `  stages:
    - {weight: 10%, dwell: 1m, require: no-harm, maxDuration: 2h}
    - {weight: 50%, dwell: 1m, require: no-harm, maxDuration: 2h}
    - {weight: 100%, dwell: 1m, holdback: 10%, maxDuration: 2h}
  minSamples: 50
  gates: [{metric: error_rate, maxIncrease: 5pp}]
`

func TestASampleRatioMismatchNeverHidesHarm(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		load := errorsAt(0.02)
		load.Rate, load.Lost = 400, 0.5
		drive(t, w, load)
		time.Sleep(10 * time.Minute)
		rec := w.Record("m-v2")
		if rec.Last.Reason != rollout.ReasonSampleRatio || rec.State.Phase != rollout.Holding {
			t.Fatalf("with half of the candidate's requests lost: %s by %s", rec.State.Phase, rec.Last.Reason)
		}
		worse := errorsAt(0.6)
		worse.Rate, worse.Lost, worse.Seed = 400, 0.5, 2
		drive(t, w, worse)
		if rec = until(t, w, "m-v2", time.Hour); rec.Last.Reason != rollout.ReasonGateFailed {
			t.Errorf("ended by %s", rec.Last.Reason)
		}
	})
}

func TestNoTrafficHoldsAndThenAsks(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		for range 600 {
			time.Sleep(10 * time.Second)
		}
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.AwaitingApproval || rec.Last.Kind != rollout.KindAsk || rec.Last.Reason != rollout.ReasonNoTraffic {
			t.Fatalf("after an hour and more without traffic: %s, %s by %s", rec.State.Phase, rec.Last.Kind, rec.Last.Reason)
		}
		if rec.State.Stage != 0 {
			t.Errorf("it went on to stage %d without any data", rec.State.Stage)
		}
	})
}

func TestARestartResumesWhereItWas(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		created := w.Start(id, w.Plan("m", "request", strings.ReplaceAll(ladder, "dwell: 30m", "dwell: 15m")))
		drive(t, w, errorsAt(0.01))
		time.Sleep(25 * time.Minute)
		before, split := w.Record("m-v2"), w.Target.Split(id)
		live, _ := w.Controller.Live(id)
		w.Kill()
		time.Sleep(time.Second)
		w.Boot()
		time.Sleep(3 * time.Second)
		after, again := w.Record("m-v2"), w.Target.Split(id)
		if after.State.Stage != 1 || after.State.Stage != before.State.Stage || len(after.State.Strata) != len(before.State.Strata) {
			t.Errorf("stage %d with %d strata, before %d with %d", after.State.Stage, len(after.State.Strata), before.State.Stage, len(before.State.Strata))
		}
		if again.Salt != created.Salt || again.Salt != split.Salt || again.Stratum != split.Stratum || again.Weight != split.Weight {
			t.Errorf("the table says %+v, before %+v", again, split)
		}
		now, _ := w.Controller.Live(id)
		lost := int64(live.Findings.Evidence.Strata[0].Sides[0].Requests) - int64(now.Findings.Evidence.Strata[0].Sides[0].Requests)
		if lost != 0 {
			t.Errorf("%d requests of a stage that was over are lost", lost)
		}
		if got, want := now.Findings.Evidence.Exposed(0), live.Findings.Evidence.Exposed(0); got+2*50 < want {
			t.Errorf("%d requests are known, %d were: more than two seconds are lost", got, want)
		}
		if served := now.Record.State.Served; served < live.Record.State.Served-3*time.Second || served > live.Record.State.Served+5*time.Second {
			t.Errorf("%v of the dwell are served, before %v", served, live.Record.State.Served)
		}
	})
}

func TestARestartIsNoSilence(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short+"  faults: {noTraffic: rollback}\n"))
		ctx, cancel := context.WithCancel(t.Context())
		load := errorsAt(0.01)
		load.Rollout, load.Rate = id, 50
		w.Drive(ctx, &load)
		time.Sleep(30 * time.Second)
		cancel()
		w.Kill()
		time.Sleep(time.Hour)
		w.Target.EditObservation(id, func(o *traffic.Observation) { o.LastRequest = time.Time{} }) // It has been away too.
		w.Boot()
		time.Sleep(4 * time.Minute)
		if rec := w.Record("m-v2"); rec.State.Phase.Final() {
			t.Fatalf("%s: %s", rec.State.Phase, rec.Last.Sentence)
		}
		rec := until(t, w, "m-v2", 5*time.Minute)
		if rec.Last.Reason != rollout.ReasonNoTraffic {
			t.Errorf("ended by %s, want no traffic for five minutes after the restart", rec.Last.Reason)
		}
	})
}

func TestTimeThatNobodySawIsNoDwell(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		load := errorsAt(0.01)
		load.Rate = 5
		drive(t, w, load)
		time.Sleep(10 * time.Minute)
		w.Stop()
		time.Sleep(3 * time.Hour)
		w.Boot()
		time.Sleep(5 * time.Second)
		if rec := w.Record("m-v2"); rec.State.Stage != 0 {
			t.Errorf("it went on to stage %d", rec.State.Stage)
		}
		live, _ := w.Controller.Live(id)
		if served := live.Record.State.Served; served > 11*time.Minute {
			t.Errorf("%v are served", served)
		}
	})
}

func TestTheTableIsAppliedUntilItReadsBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5 * time.Second)
		w.Target.FailApply(7, errors.New("no"))
		w.Target.Deafen(true)
		result := make(chan error, 1)
		go func() {
			_, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback))
			result <- err
		}()
		time.Sleep(5 * time.Second)
		select {
		case err := <-result:
			t.Fatalf("told as done while the router serves %d: %v", w.Target.Split(id).Weight, err)
		default:
		}
		if rec := w.Record("m-v2"); rec.State.Phase != rollout.RolledBack || !rec.Ending.ConfirmedAt.IsZero() {
			t.Errorf("stored as %s, confirmed at %v", rec.State.Phase, rec.Ending.ConfirmedAt)
		}
		w.Target.Deafen(false)
		if err := <-result; err != nil {
			t.Errorf("after the router listens again: %v", err)
		}
		time.Sleep(time.Second)
		if e := w.Record("m-v2").Ending; e.ConfirmedAt.Sub(e.DecidedAt) < 5*time.Second || e.SwappedAt.Before(e.DecidedAt) {
			t.Errorf("ending %+v", e)
		}
	})
}

func TestNothingAdvancesBeforeItIsStored(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		drive(t, w, errorsAt(0.01))
		time.Sleep(30 * time.Second)
		w.Store.Fail(storetest.ErrReadOnly)
		time.Sleep(10 * time.Minute)
		live, _ := w.Controller.Live(id)
		if got := w.Target.Split(id).Weight; got != 1000 {
			t.Errorf("the router serves %d while no decision can be stored: %s", got, live.Decision.Sentence)
		}
		if !strings.Contains(live.Trouble, "read-only") {
			t.Errorf("trouble: %q", live.Trouble)
		}
		w.Store.Fail(nil)
		time.Sleep(10 * time.Second)
		if got := w.Target.Split(id).Weight; got != 5000 {
			t.Errorf("the router serves %d after the store is back", got)
		}
	})
}

func TestAStoreThatHangsDelaysNoRollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5 * time.Second)
		w.Store.Intercept(func(ctx context.Context, _ storetest.Op) error {
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(2 * time.Minute) // A decision is on its way to the store.
		w.Target.CutOff(id, traffic.CutOff{At: time.Now(), Reason: "FailedHard", Detail: "14 of 14 failed"})
		start := time.Now()
		for w.Target.Split(id).Weight != 0 {
			time.Sleep(time.Millisecond)
			if time.Since(start) > time.Minute {
				t.Fatal("the table was not swapped")
			}
		}
		if took := time.Since(start); took > 10*time.Millisecond {
			t.Errorf("the swap took %v", took)
		}
		w.Store.Intercept(nil)
		time.Sleep(30 * time.Second)
		if rec := w.Record("m-v2"); rec.Last.Reason != rollout.ReasonCutOff {
			t.Errorf("stored: %s", rec.Last.Reason)
		}
	})
}

func TestALostAnswerOfTheStoreLosesNoDecision(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		drive(t, w, errorsAt(0.01))
		time.Sleep(30 * time.Second)
		w.Store.LoseAnswers(errors.New("connection lost"))
		time.Sleep(10 * time.Second)
		_, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback))
		if err != nil {
			t.Logf("told as %v", err)
		}
		time.Sleep(10 * time.Second)
		w.Store.LoseAnswers(nil)
		time.Sleep(30 * time.Second)
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.RolledBack {
			t.Fatalf("stored as %s", rec.State.Phase)
		}
		rollbacks := 0
		audit, err := store.NewAudit(&rec)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range w.Log(id) {
			if err := audit.Next(&l); err != nil {
				t.Fatalf("the chain: %v", err)
			}
			if l.Entry.Kind == rollout.KindRollback {
				rollbacks++
			}
		}
		if rollbacks != 1 {
			t.Errorf("%d rollbacks are in the log", rollbacks)
		}
	})
}

func TestSomebodyElseMovesTheRollout(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5 * time.Second)
		rec := w.Record("m-v2")
		if _, err := w.Store.Commit(t.Context(), store.Commit{ID: id, Revision: rec.Revision, State: rec.State}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActPause)); !problem.Is(err, problem.Conflict) {
			t.Errorf("the act that meets it: %v, want a conflict", err)
		}
		if live, err := w.Controller.Act(t.Context(), id, act(rollout.ActPause)); err != nil || live.Record.State.Paused == nil {
			t.Errorf("the act after it: %v", err)
		}
	})
}

func TestADeadCandidateIsRolledBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5 * time.Second)
		w.Target.SetHealth(id, split.Candidate, traffic.Health{State: traffic.Dead, Error: "connection refused"})
		rec := until(t, w, "m-v2", time.Minute)
		if rec.Last.Reason != rollout.ReasonCandidateDead || !strings.Contains(rec.Last.Sentence, "connection refused") {
			t.Errorf("ended by %s: %s", rec.Last.Reason, rec.Last.Sentence)
		}
	})
}

func TestACandidateThatIsNotReadyGetsNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Target.Deafen(true)
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5*time.Second + 500*time.Millisecond)
		w.Target.Deafen(false)
		w.Model("n") // Its table names the rollout, between two ticks.
		w.Target.SetHealth(id, split.Candidate, traffic.Health{State: traffic.Failing, Error: "loading"})
		rec := w.Record("m-v2")
		if rec.State.Phase != rollout.Pending || rec.Last.Reason != rollout.ReasonNotReady {
			t.Fatalf("before it is ready: %s by %s", rec.State.Phase, rec.Last.Reason)
		}
		time.Sleep(5 * time.Second)
		if s := w.Target.Split(id); s == nil || s.Weight != 0 {
			t.Fatalf("split %+v, want weight 0 so that the candidate is probed", s)
		}
		w.Target.SetHealth(id, split.Candidate, traffic.Health{State: traffic.Ready})
		time.Sleep(2 * time.Second)
		if s := w.Target.Split(id); s.Weight != 1000 || s.Stratum != 0 {
			t.Errorf("once it is ready: weight %d in stratum %d", s.Weight, s.Stratum)
		}
	})
}

func TestTwoRolloutsKeepEachOthersRoutes(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Model("n")
		w.Model("quiet")
		w.Start(id, w.Plan("m", "request", short))
		w.Start(id+1, w.Plan("n", "request", short))
		drive(t, w, errorsAt(0.6))
		good := errorsAt(0.01)
		good.Rollout = id + 1
		drive(t, w, good)
		if rec := until(t, w, "m-v2", time.Hour); rec.State.Phase != rollout.RolledBack {
			t.Errorf("m-v2 ended %s", rec.State.Phase)
		}
		if rec := until(t, w, "n-v2", time.Hour); rec.State.Phase != rollout.Completed {
			t.Errorf("n-v2 ended %s", rec.State.Phase)
		}
		for _, table := range w.Target.Applied() {
			if n := len(table.Routes); n != 3 && len(w.Target.Applied()) > 3 && table.Generation > w.Target.Applied()[3].Generation {
				t.Fatalf("table %d has %d routes", table.Generation, n)
			}
		}
		serving := map[string]string{}
		for _, r := range w.Target.Table().Routes {
			serving[r.Model] = r.Baseline.Name
		}
		if diff := cmp.Diff(map[string]string{"m": "v1", "n": "v2", "quiet": "v1"}, serving); diff != "" {
			t.Errorf("serving (-want +got):\n%s", diff)
		}
	})
}

func TestAPanicInOneRolloutLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Model("n")
		broken := w.Plan("m", "request", short)
		broken.Gates[0].Series = 99 // Judging it is out of range.
		w.Start(id, broken)
		w.Start(id+1, w.Plan("n", "request", short))
		bad, good := errorsAt(0.01), errorsAt(0.01)
		good.Rollout = id + 1
		drive(t, w, bad)
		drive(t, w, good)
		if rec := until(t, w, "n-v2", time.Hour); rec.State.Phase != rollout.Completed {
			t.Errorf("n-v2 ended %s", rec.State.Phase)
		}
		live, ok := w.Controller.Live(id)
		if !ok || !strings.Contains(live.Trouble, "the control loop failed") {
			t.Errorf("the fault is not shown: %q", live.Trouble)
		}
	})
}

func TestDamagedEvidenceKeepsTheCandidateWithoutTraffic(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Model("n")
		w.Start(id, w.Plan("m", "request", short))
		w.Start(id+1, w.Plan("n", "request", short))
		drive(t, w, errorsAt(0.01))
		time.Sleep(10 * time.Second)
		w.Stop()
		if err := w.Store.Flush(t.Context(), []store.Kept{{ID: id, Evidence: []byte("nonsense")}}); err != nil {
			t.Fatal(err)
		}
		w.Boot()
		time.Sleep(10 * time.Second)
		if s := w.Target.Split(id); s.Weight != 0 {
			t.Errorf("an unguarded candidate gets %d", s.Weight)
		}
		if s := w.Target.Split(id + 1); s.Weight != 1000 {
			t.Errorf("the other rollout's candidate gets %d", s.Weight)
		}
		live, _ := w.Controller.Live(id)
		if !strings.Contains(live.Trouble, "evidence cannot be read") {
			t.Errorf("trouble: %q", live.Trouble)
		}
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActAbort)); err != nil {
			t.Errorf("it cannot be given up: %v", err)
		}
		if rec := w.Record("m-v2"); rec.State.Phase != rollout.Aborted {
			t.Errorf("ended %s", rec.State.Phase)
		}
	})
}

func TestADataPlaneThatHangsDelaysNobodysRollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(5 * time.Second)
		w.Target.EditObservation(id, func(o *traffic.Observation) { o.Weight = 1234 })
		start := time.Now()
		go func() { _, _ = w.Controller.Act(t.Context(), id, act(rollout.ActRollback)) }()
		synctest.Wait()
		if s := w.Target.Split(id); s.Weight != 0 {
			t.Errorf("weight %d after %v", s.Weight, time.Since(start))
		}
		w.Target.EditObservation(id, nil)
		time.Sleep(20 * time.Second)
		if rec := w.Record("m-v2"); rec.Ending.ConfirmedAt.IsZero() {
			t.Error("never confirmed")
		}
	})
}

func TestDecisionsAreStoredWhenTheyChangeAndOnceAMinute(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", ladder))
		load := errorsAt(0.01)
		load.Rate = 5
		drive(t, w, load)
		time.Sleep(25 * time.Minute)
		log := w.Log(id)
		if n := len(log); n < 25 || n > 35 {
			t.Errorf("%d entries in 25 minutes of dwelling", n)
		}
		for i := 1; i < len(log); i++ {
			if gap := log[i].Entry.At.Sub(log[i-1].Entry.At); gap > 61*time.Second {
				t.Errorf("entry %d comes %v after the one before", log[i].Entry.Seq, gap)
			}
		}
		if n := len(w.Decided()); n != len(log) {
			t.Errorf("%d decisions were told, %d are stored", n, len(log))
		}
	})
}

func TestEveryStoredDecisionIsWorkedOutAgain(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		drive(t, w, errorsAt(0.02))
		time.Sleep(70 * time.Second)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActPause)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActResume)); err != nil {
			t.Fatal(err)
		}
		until(t, w, "m-v2", time.Hour)
		recompute(t, w, "m-v2")
	})
}

func TestFrozenEdgesReachTheTable(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "header:X-User", `  stages:
    - {weight: 10%, dwell: 1h}
    - {weight: 100%, dwell: 1h, holdback: 10%}
  gates: [{metric: latency_p99, maxIncrease: 50%}]
`))
		load := errorsAt(0.01)
		load.Units = 1000
		drive(t, w, load)
		time.Sleep(30 * time.Second)
		if s := w.Target.Split(id); s.Edges != nil {
			t.Errorf("edges %v before 2,000 baseline requests", s.Edges)
		}
		time.Sleep(30 * time.Second)
		frozen := w.Target.Split(id).Edges
		if len(frozen) != 1 {
			t.Fatalf("edges %v after 2,000 baseline requests", frozen)
		}
		w.Kill()
		time.Sleep(time.Second)
		w.Boot()
		if s := w.Target.Split(id); !cmp.Equal(s.Edges, frozen) {
			t.Errorf("edges %v after a restart, want %v", s.Edges, frozen)
		}
	})
}

func TestWhatIsKeptForLateOutcomesIsDropped(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(2 * time.Second)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActAbort)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.Stop()
		calls := w.Store.Calls(storetest.OpForget)
		time.Sleep(48 * time.Hour)
		w.Boot()
		if n := w.Store.Calls(storetest.OpForget); n != calls+1 {
			t.Errorf("dropped %d times at the start after the horizon, want once", n-calls)
		}
	})
}

func TestATrafficThatDoesNotComeBackIsTrouble(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		w.Start(id, w.Plan("m", "request", short))
		time.Sleep(2 * time.Second)
		w.Target.Deafen(true)
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback)); !problem.Is(err, problem.Unavailable) {
			t.Errorf("told as %v, want unavailable", err)
		}
		live, _ := w.Controller.Live(id)
		if !strings.Contains(live.Trouble, "not read back") {
			t.Errorf("trouble %q", live.Trouble)
		}
		w.Target.Deafen(false)
		time.Sleep(5 * time.Second)
		if rec := w.Record("m-v2"); rec.Ending.ConfirmedAt.IsZero() {
			t.Error("never confirmed")
		}
	})
}
