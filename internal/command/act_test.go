package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestActsThatNobodyCouldCarryOut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		request command.ActRequest
		code    problem.Code
		want    string
	}{
		"an act by nobody":                {command.ActRequest{Kind: rollout.ActPause}, problem.Invalid, "nobody"},
		"no act":                          {command.ActRequest{Actor: ann, Kind: "jump"}, problem.Invalid, "jump"},
		"the loop's own act":              {command.ActRequest{Actor: ann, Kind: rollout.ActRecover}, problem.Invalid, "recover"},
		"an override without a reason":    {command.ActRequest{Actor: ann, Kind: rollout.ActPromote, Override: true, Reason: " "}, problem.Invalid, "reason"},
		"an override of nothing":          {command.ActRequest{Actor: ann, Kind: rollout.ActPause, Override: true, Reason: "x"}, problem.Invalid, "only promote"},
		"an act at another revision":      {command.ActRequest{Actor: ann, Kind: rollout.ActPause, IfRevision: 99}, problem.Precondition, "99"},
		"an act on what is not there":     {command.ActRequest{Actor: ann, Kind: rollout.ActPause, Rollout: "x"}, problem.NotFound, "belay list"},
		"an act on a model without any":   {command.ActRequest{Actor: ann, Kind: rollout.ActPause, Rollout: "n"}, problem.NotFound, "belay start n"},
		"a promotion before it has begun": {command.ActRequest{Actor: ann, Kind: rollout.ActPromote}, problem.Refused, "HOLD"},
	}
	for name, tt := range tests {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *world) {
				w.apply(t, model("n", "v1"), model("m", "v1"), candidate("m-v2", "m", "v2", quick))
				time.Sleep(2 * time.Second)
				r := tt.request
				if r.Rollout == "" {
					r.Rollout = "m-v2"
				}
				_, err := w.Act(t.Context(), r)
				refused(t, err, tt.code, tt.want)
			})
		})
	}
}

func TestARolloutIsFoundByItsModel(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("first", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		w.act(t, "m", rollout.ActAbort)
		if st, err := w.Status(t.Context(), "m"); err != nil || st.Record.Name != "first" {
			t.Errorf("the latest: %q, %v", st.Record.Name, err)
		}
		time.Sleep(2 * time.Hour)
		w.apply(t, candidate("second", "m", "v3", quick))
		if st, err := w.Status(t.Context(), "m"); err != nil || st.Record.Name != "second" {
			t.Errorf("the running one: %q, %v", st.Record.Name, err)
		}
	})
}

func TestAFinalRolloutIsFinal(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		w.act(t, "m-v2", rollout.ActAbort)
		time.Sleep(time.Minute)
		for _, kind := range []rollout.ActKind{rollout.ActPause, rollout.ActResume, rollout.ActPromote, rollout.ActRollback, rollout.ActAbort} {
			_, err := w.Act(t.Context(), command.ActRequest{Actor: ann, Rollout: "m-v2", Kind: kind})
			refused(t, err, problem.Refused, "Aborted")
		}
	})
}

func TestARefusedPromotionListsAllThatIsMissing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", `  stages:
    - {weight: 50%, dwell: 1h, require: within-margin}
    - {weight: 100%, dwell: 1m, holdback: 10%}
  minSamples: 200
  gates:
    - {metric: error_rate, maxIncrease: 5pp, onFail: hold}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
    - {metric: latency_p99, maxIncrease: 1%, onFail: hold}
`))
		w.drive(t, "m-v2", 0.4)
		time.Sleep(time.Minute)
		_, err := w.Act(t.Context(), command.ActRequest{Actor: ann, Rollout: "m-v2", Kind: rollout.ActPromote})
		refused(t, err, problem.Refused, "error_rate has failed", "outcome:correct has no data", "latency_p99 is not proven within +1%", "--override")
		st, err := w.Act(t.Context(), command.ActRequest{Actor: ann, Rollout: "m-v2", Kind: rollout.ActPromote, Override: true, Reason: "known"})
		if err != nil || st.Stage.Index != 1 || st.Stage.Effective != 9000 {
			t.Errorf("with an override: stage %+v, %v", st.Stage, err)
		}
	})
}

func TestPausedAndResumed(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.01)
		time.Sleep(10 * time.Second)
		st := w.act(t, "m-v2", rollout.ActPause)
		if st.Record.State.Paused == nil || !strings.Contains(st.Next, "belay resume m-v2") {
			t.Errorf("paused: %+v, next %q", st.Record.State.Paused, st.Next)
		}
		time.Sleep(10 * time.Minute)
		if got := w.Record("m-v2").State.Stage; got != 0 {
			t.Errorf("a paused rollout went on to stage %d", got)
		}
		w.act(t, "m-v2", rollout.ActResume)
		w.ends(t, "m-v2", rollout.Completed)
	})
}

func TestAnActCanBeTriedOut(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		st, err := w.Act(t.Context(), command.ActRequest{Actor: ann, Rollout: "m-v2", Kind: rollout.ActRollback, DryRun: true})
		if err != nil || st.Record.State.Phase != rollout.RolledBack {
			t.Errorf("it would be %s, %v", st.Record.State.Phase, err)
		}
		if now, err := w.Status(t.Context(), "m-v2"); err != nil || now.Record.State.Phase.Final() {
			t.Errorf("it is %s, %v", now.Record.State.Phase, err)
		}
	})
}
