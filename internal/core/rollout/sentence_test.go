package rollout

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

const wordyPolicyText = `
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  stages:
    - {weight: 1%, dwell: 10s, maxDuration: 20s}
    - {weight: 50%, dwell: 10s, maxDuration: 20s, require: within-margin}
    - {weight: 100%, dwell: 10s, holdback: 1%}
  minSamples: 20
  warmup: 0s
  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%, max: 30%}
    - {metric: client_error_rate, maxIncrease: 1pp, onFail: hold}
    - {metric: latency_p99, maxIncrease: 10%, max: 20ms}
    - {metric: latency_p50, maxIncrease: 10%, role: info}
    - {metric: "outcome:correct", maxDecrease: 4pp, from: 50%, min: 50%}
    - {metric: output:score, max: 0.2}
    - {metric: output:score, kind: mean, maxIncrease: 20%}
    - {metric: output:score, class: 1, maxIncrease: 30%}
`

// drawEvidence draws what the strata of a state have seen.
func drawEvidence(t *rapid.T, p *Plan, s *State) *evidence.Evidence {
	ev := &evidence.Evidence{}
	for i := range s.Strata {
		stratum := ev.Stratum(&p.Layout, i)
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			n := rapid.SampledFrom([]int{0, 1, 25, 400, 3000}).Draw(t, "n")
			errors, rejects, wrong := rapid.IntRange(0, n).Draw(t, "errors"), rapid.IntRange(0, n).Draw(t, "rejects"), rapid.IntRange(0, n).Draw(t, "wrong")
			latency := time.Duration(rapid.IntRange(1, 50).Draw(t, "latency")) * time.Millisecond
			shift := float64(rapid.IntRange(0, 3).Draw(t, "shift"))
			for j := range n {
				o := evidence.Observation{Arm: arm, Bucket: uint8(j), Error: j < errors, ClientError: j < rejects, Latency: latency + time.Duration(j)*time.Microsecond}
				score := shift + float64(j%7)
				o.Outputs = []evidence.Reading{{Kind: evidence.Number, Value: score}}
				if score == 1 {
					o.Outputs[0].Classes = 1
				}
				stratum.Observe(&p.Layout, o)
				stratum.ObserveOutcome(2, arm, o.Bucket, j >= wrong)
				stratum.Freeze(&p.Layout)
			}
		}
	}
	ev.Learn(&p.Layout)
	return ev
}

// Whatever the evidence, the sentence says it with numbers that are numbers, and
// harm that is proven ends the rollout.
func TestEverySentenceIsWhole(t *testing.T) {
	t.Parallel()
	plans := []Plan{
		compiled(t, demoModel+wordyPolicyText),
		compiled(t, strings.Replace(demoModel, "unit: request", "unit: header:X-User", 1)+wordyPolicyText),
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(plans).Draw(t, "plan")
		p.Rollback.Auto = rapid.Bool().Draw(t, "auto")
		p.OnUndecided = rapid.SampledFrom([]spec.OnUndecided{spec.UndecidedHold, spec.UndecidedAsk, spec.UndecidedRollback, spec.UndecidedAdvance}).Draw(t, "undecided")
		s := State{Phase: Pending}
		for stage := range rapid.IntRange(0, 3).Draw(t, "stages") {
			s.enter(&p, stage, epoch.Add(time.Duration(stage)*time.Minute))
		}
		s.Served = time.Duration(rapid.IntRange(0, 20).Draw(t, "served")) * time.Second
		if rapid.Bool().Draw(t, "latched") {
			s.Failed = []string{"client_error_rate"}
		}
		now := epoch.Add(4 * time.Minute)
		in := Input{Now: now, Plan: &p, State: s, Evidence: drawEvidence(t, &p, &s), Traffic: drawTraffic(t, &s, now), Act: drawAct(t, now)}
		in.Judgements = Judge(&p, s, in.Evidence, nil)
		d := Decide(in)
		for _, bad := range []string{"NaN", "Inf", "%!", "∞", "e+"} {
			if d.Sentence == "" || strings.Contains(d.Sentence, bad) {
				t.Fatalf("sentence %q", d.Sentence)
			}
		}
		for _, j := range in.Judgements {
			if g := p.Gates[index(&p, j.Gate)]; j.Verdict == gate.Fail && g.Guards() && p.Rollback.Auto && s.Phase != Pending && !d.Next.Phase.Final() {
				t.Fatalf("%s has failed and the decision is %s (%s)", j.Gate, d.Kind, d.Reason)
			}
		}
	})
}

func index(p *Plan, name string) int {
	for i := range p.Gates {
		if p.Gates[i].Name == name {
			return i
		}
	}
	return -1
}
