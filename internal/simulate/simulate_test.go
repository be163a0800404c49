package simulate

import (
	"context"
	"flag"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

var repsFlag = flag.Int("simulate.reps", 0, "how often each scenario is played; 0 takes a number that suits a quick test")

// reps is how often a scenario is played.
func reps(quick int) int {
	switch {
	case *repsFlag > 0:
		return *repsFlag
	case testing.Short():
		return max(quick/4, 8)
	}
	return quick
}

const model = `
apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: digits}
spec:
  unit: request
  serving: {version: v1, url: http://localhost:9001}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: digits-v2}
spec:
  model: digits
  policy: POLICY
  candidate: {version: v2, url: http://localhost:9002}
`

// demoPolicy is the policy of the simulated demo in core/rollout.
const demoPolicy = `
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  stages:
    - {weight: 1%, dwell: 3s, maxDuration: 60s, require: no-harm}
    - {weight: 10%, dwell: 3s, maxDuration: 60s, require: no-harm}
    - {weight: 25%, dwell: 3s, maxDuration: 60s, require: no-harm}
    - {weight: 50%, dwell: 3s, maxDuration: 60s, require: within-margin}
    - {weight: 100%, dwell: 3s, maxDuration: 60s, require: no-harm, holdback: 2%}
  minSamples: 20
  warmup: 0s
  rollback: {cooldown: 0s}
  gates:
    - {metric: error_rate, maxIncrease: 1pp}
    - {metric: latency_p99, maxIncrease: 50%}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`

// resolved reads a model and a rollout under a policy.
func resolved(t testing.TB, policy, more string, changes ...string) spec.Resolved {
	t.Helper()
	text := strings.NewReplacer(changes...).Replace(strings.Replace(model, "POLICY", policy, 1) + more)
	f, _, err := spec.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], func(name string) (spec.Policy, bool) {
		i := slices.IndexFunc(f.Policies, func(p spec.Policy) bool { return p.Name == name })
		if i < 0 {
			return spec.Policy{}, false
		}
		return f.Policies[i], true
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func prepared(t testing.TB, r spec.Resolved, s scenario.Scenario) *World {
	t.Helper()
	w, err := Prepare(r, s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func builtin(t testing.TB, name string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func played(t testing.TB, w *World, o Options) Result {
	t.Helper()
	r, err := w.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// demoWorld is the world of the simulated demo in core/rollout, without the noise
// of sockets.
func demoWorld(effect scenario.Effect) scenario.Scenario {
	s := scenario.Scenario{
		Name:    "demo",
		Traffic: scenario.Traffic{Rate: 800},
		Baseline: scenario.Behaviour{
			Latency:  scenario.Latency{Median: 8 * time.Millisecond, Sigma: 0.25},
			Outcomes: []scenario.Outcome{{Name: "correct", Rate: 0.94, Delay: time.Second, Spread: 0.06}},
		},
	}
	if effect.Errors.None() && effect.Latency.None() && effect.Quality.None() {
		return s
	}
	s.Effects = []scenario.Effect{effect}
	return s
}

// The simulation in core/rollout draws the same world in its own, simpler way.
// Where it ends over 400 seeds (its test with -demo.seeds=400 -demo.noise=0
// -demo.hiccups=0) is written here.
func TestTheEngineAgreesWithTheSimulationOfTheCore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		effect scenario.Effect
		ending Ending
		gate   string
		took   float64
		stages [5]float64 // in how many of 400 it ended at each
	}{
		"v2": {scenario.Effect{Quality: scenario.Plus(0.02)}, Promoted, "", 16, [5]float64{4: 400}},
		"v3": {scenario.Effect{Errors: scenario.Plus(0.08)}, RolledBack, "error_rate", 5, [5]float64{52, 347, 1}},
		"v4": {scenario.Effect{Latency: scenario.Times(4), Portion: 0.04}, RolledBack, "latency_p99", 8, [5]float64{4, 121, 258, 17}},
		"v5": {scenario.Effect{Quality: scenario.Plus(-0.08)}, RolledBack, "outcome:correct", 12, [5]float64{0, 12, 121, 267}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := prepared(t, resolved(t, "demo", demoPolicy), demoWorld(tt.effect))
			r := played(t, w, Options{Reps: reps(60), Every: time.Second})
			if c := r.Causes[0]; c.Count != r.Reps || c.Ending != tt.ending || c.Gate != tt.gate {
				t.Errorf("%+v", r.Causes)
			}
			took := r.ToRollback
			if tt.ending == Promoted {
				took = r.ToPromotion
			}
			if took == nil || math.Abs(took.P50-tt.took) > 1 {
				t.Errorf("took %+v, the core's simulation %v s", took, tt.took)
			}
			var stages [5]float64
			for i := range r.Plays {
				stages[r.Plays[i].Stage]++
			}
			n := float64(r.Reps)
			for i, k := range stages {
				p := (k + tt.stages[i]) / (n + 400)
				if sd := math.Sqrt(p * (1 - p) * (1/n + 1.0/400)); math.Abs(k/n-tt.stages[i]/400) > 4*sd+1e-9 {
					t.Errorf("%v of %v ended at stage %d, in the core's simulation %v of 400", k, n, i, tt.stages[i])
				}
			}
		})
	}
}

// atMost fails when even the lower 99 % limit of a rate lies above a bound.
func atMost(t *testing.T, what string, r Rate, reps int, bound float64) {
	t.Helper()
	if lower := NewRate(r.Count, reps, 0.02).Lower; lower > bound {
		t.Errorf("%s: %d of %d (at least %.3f), want at most %v", what, r.Count, reps, lower, bound)
	}
}

// quick is a ladder of minutes, with margins that can be proven in it.
const quickPolicy = `
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: quick}
spec:
  extends: fast
  stages:
    - {weight: 1%, dwell: 2m}
    - {weight: 10%, dwell: 2m}
    - {weight: 50%, dwell: 2m}
    - {weight: 100%, dwell: 2m, holdback: 1%}
  gates: [{metric: error_rate, maxIncrease: 100%}, {metric: latency_p99, maxIncrease: 20%}]
`

func TestAnEqualCandidateIsSeldomRolledBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"no-change", "shared-incident", "daily-cycle", "bursts", "drifting-baseline"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := builtin(t, name)
			for i := range s.Effects { // The ladder is short.
				e := &s.Effects[i]
				e.At, e.Lasts, e.Ramp = e.At/60, e.Lasts/20, e.Ramp/60
			}
			w := prepared(t, resolved(t, "quick", quickPolicy), s)
			r := played(t, w, Options{Reps: reps(16)})
			atMost(t, "rolled back", r.RolledBack, r.Reps, 0.05)
			if r.Promoted.Share < 0.9 {
				t.Errorf("promoted %+v: %+v", r.Promoted, r.Causes)
			}
			if r.Harmed.Max > 0 {
				t.Errorf("an equal candidate harmed %v requests", r.Harmed.Max)
			}
		})
	}
}

func TestTheStandardPresetCatchesAnOutageAtOnePercent(t *testing.T) {
	t.Parallel()
	w := prepared(t, resolved(t, "standard", ""), builtin(t, "errors-x10"))
	r := played(t, w, Options{Reps: reps(40)})
	if r.RolledBack.Count != r.Reps || r.Causes[0].Gate != "error_rate" || len(r.Causes) > 1 {
		t.Errorf("%+v", r.Causes)
	}
	for i, p := range r.Plays {
		if p.Stage != 0 || p.Weight != 100 {
			t.Errorf("rollout %d was caught at stage %d, weight %d", i, p.Stage, p.Weight)
		}
		if p.Harmed > p.Exposed || p.Failed != p.Harmed {
			t.Errorf("rollout %d: %+v", i, p)
		}
	}
	// Of a hundred requests 4.5 fail that would not have at the baseline; more of
	// those that were seen by the time that it is noticed.
	if share := r.Harmed.Mean / r.Exposed.Mean; share < 0.04 || share > 0.15 {
		t.Errorf("%v of the exposed requests were harmed", share)
	}
	if r.ToRollback.P90 > 3600 || r.Early.Count != r.Reps {
		t.Errorf("%+v, early %+v", r.ToRollback, r.Early)
	}
}

func TestARegressionBeyondItsMarginIsNotPromoted(t *testing.T) {
	t.Parallel()
	for name, gate := range map[string]string{"errors-x5": "error_rate", "latency-x2": "latency_p99"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := played(t, prepared(t, resolved(t, "quick", quickPolicy), builtin(t, name)), Options{Reps: reps(20)})
			if r.RolledBack.Count != r.Reps || r.Causes[0].Gate != gate {
				t.Errorf("%+v", r.Causes)
			}
		})
	}
}

func TestWorkersDoNotChangeTheResult(t *testing.T) {
	const limit = 12 * time.Minute
	t.Parallel()
	s := builtin(t, "errors-x2")
	s.Traffic.Users = &scenario.Users{Count: 3000, Errors: 0.5, New: 1}
	more := strings.Replace(quickPolicy, "{metric: latency_p99, maxIncrease: 20%}", "{metric: 'outcome:revenue', kind: mean, maxDecrease: 5%}, {metric: 'outcome:conversion', kind: rate, maxDecrease: 5%}", 1)
	w := prepared(t, resolved(t, "quick", more, "unit: request", "unit: header:X-User"), s)
	one := played(t, w, Options{Reps: 6, Seed: 5, Workers: 1, Limit: limit})
	if diff := cmp.Diff(one, played(t, w, Options{Reps: 6, Seed: 5, Workers: 4, Limit: limit})); diff != "" {
		t.Errorf("1 worker, 4 workers:\n%s", diff)
	}
	longer := played(t, w, Options{Reps: 8, Seed: 5, Workers: 3, Limit: limit})
	if diff := cmp.Diff(one.Plays, longer.Plays[:6]); diff != "" {
		t.Errorf("more rollouts change the first:\n%s", diff)
	}
	if other := played(t, w, Options{Reps: 6, Seed: 6, Limit: limit}); cmp.Equal(one.Plays, other.Plays) {
		t.Error("another seed gives the same")
	}
	if one.Users == nil || one.Users.P50 == 0 || one.HarmedUsers.Max > one.Users.Max {
		t.Errorf("users %+v, harmed %+v", one.Users, one.HarmedUsers)
	}
}

func TestACancelledRunGivesWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := prepared(t, resolved(t, "quick", quickPolicy), builtin(t, "no-change"))
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r, err := w.Run(ctx, Options{Reps: 500, Workers: 2, Progress: func(done, all int) {
		if calls++; calls == 3 {
			cancel()
		}
		if done > all || all != 500 {
			t.Errorf("%d of %d", done, all)
		}
	}})
	if err != nil || r.Reps == 0 || r.Reps > 20 || r.Asked != 500 || r.Promoted.Count+r.Held.Count+r.RolledBack.Count != r.Reps {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestWhatCannotBePlayedIsRefused(t *testing.T) {
	t.Parallel()
	w := prepared(t, resolved(t, "quick", quickPolicy), builtin(t, "no-change"))
	for _, o := range []Options{{Reps: -1}, {Reps: MostReps + 1}, {Reps: 1, Every: time.Millisecond}, {Reps: 1, Limit: -time.Hour}} {
		if _, err := w.Run(t.Context(), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	s := builtin(t, "no-change")
	s.Traffic.Rate = -1
	if _, err := Prepare(resolved(t, "quick", quickPolicy), s); err == nil {
		t.Error("a negative rate is taken")
	}
}

func TestARolloutThatCannotBeDecidedIsHeld(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		effect scenario.Effect
		limit  time.Duration
		reason string
	}{
		"at its margin":       {scenario.Effect{Errors: scenario.Plus(0.01)}, 0, "Undecided"},
		"given up before":     {scenario.Effect{Errors: scenario.Plus(0.01)}, 20 * time.Second, "VerdictMissing"},
		"without any traffic": {scenario.Effect{Arm: scenario.Both, Traffic: scenario.Change{Relative: -1}}, 0, "NoTraffic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := demoWorld(scenario.Effect{Errors: scenario.Plus(0.01)})
			s.Baseline.Errors = 0.002
			s.Effects = []scenario.Effect{tt.effect}
			r := played(t, prepared(t, resolved(t, "demo", demoPolicy), s), Options{Reps: 8, Limit: tt.limit})
			if r.Held.Count < 7 || r.Causes[0].Reason != tt.reason {
				t.Errorf("%+v", r.Causes)
			}
		})
	}
}
