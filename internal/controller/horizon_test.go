package controller_test

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
)

const agedPolicy = `  stages:
    - {weight: 50%, dwell: 1h, require: within-margin}
    - {weight: 100%, dwell: 40m, holdback: 10%}
  minSamples: 50
  gates:
    - {metric: error_rate, maxIncrease: 5pp}
    - {metric: "outcome:correct", kind: rate, per: exposure, maxDecrease: 4pp, horizon: 30m}
`

// Labels that are there after a minute are judged at the age of half an hour, also
// when the server is killed meanwhile, and every decision can be worked out again.
func TestAnOutcomeIsJudgedAtTheAgeOfItsHorizon(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wrong split.Arm
		crash bool
		phase rollout.Phase
	}{
		"a worse candidate":            {wrong: split.Candidate, phase: rollout.RolledBack},
		"a worse candidate, a crash":   {wrong: split.Candidate, crash: true, phase: rollout.RolledBack},
		"a better candidate completes": {wrong: split.Baseline, crash: true, phase: rollout.Completed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *controllertest.World) {
				w.Start(id, w.Plan("m", "request", agedPolicy))
				load := errorsAt(0.01)
				load.Rate, load.Report = 10, time.Minute
				load.Wrong[1-tt.wrong], load.Wrong[tt.wrong] = 0.05, 0.25
				drive(t, w, load)
				if tt.crash {
					time.Sleep(17 * time.Minute)
					w.Kill()
					w.Boot()
				}
				rec := until(t, w, "m-v2", 24*time.Hour)
				if rec.State.Phase != tt.phase {
					t.Errorf("ended %s by %q: %s", rec.State.Phase, rec.Last.Gate, rec.Last.Sentence)
				}
				if took := rec.State.EndedAt.Sub(rec.State.StartedAt); took < 30*time.Minute {
					t.Errorf("it was decided after %v, before any outcome had its age", took)
				}
				recompute(t, w, "m-v2")
			})
		})
	}
}
