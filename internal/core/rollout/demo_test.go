package rollout

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

var (
	demoSeeds  = flag.Int("demo.seeds", 0, "how often each version of the demo is simulated; 0 takes a number that suits a quick test")
	demoPolicy = flag.String("demo.policy", "", "a file with another policy for the simulated demo")
	demoRate   = flag.Float64("demo.rate", 800, "requests per second of the simulated demo")
	demoNoise  = flag.Duration("demo.noise", 300*time.Microsecond, "mean of what sockets add to a latency")
	demoHiccup = flag.Float64("demo.hiccups", 0.01, "share of all time in which every request takes 10 ms more")
)

const demoModel = `
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
  policy: demo
  candidate: {version: v2, url: http://localhost:9002}
---
`

const demoPolicyText = `
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

// compiled reads a model, a rollout and its policy, and compiles them.
func compiled(t testing.TB, text string) Plan {
	t.Helper()
	f, _, err := spec.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	policies := func(name string) (spec.Policy, bool) {
		i := slices.IndexFunc(f.Policies, func(p spec.Policy) bool { return p.Name == name })
		if i < 0 {
			return spec.Policy{}, false
		}
		return f.Policies[i], true
	}
	r, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], policies)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	p, err := Compile(r, 1, nil)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return p
}

func demoPlan(t testing.TB) Plan {
	text := demoPolicyText
	if *demoPolicy != "" {
		data, err := os.ReadFile(*demoPolicy)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	return compiled(t, demoModel+text)
}

// The versions of the demo; v1 serves.
var demoV1 = behaviour{wrong: 0.06}

func TestEveryVersionOfTheDemoEndsAsItShould(t *testing.T) {
	for _, tt := range []struct {
		name  string
		is    behaviour
		phase Phase
		gate  string
	}{
		{"v2", behaviour{wrong: 0.04}, Completed, ""},
		{"v3", behaviour{wrong: 0.06, fails: 0.08}, RolledBack, "error_rate"},
		{"v4", behaviour{wrong: 0.06, slow: 0.04}, RolledBack, "latency_p99"},
		{"v5", behaviour{wrong: 0.14}, RolledBack, "outcome:correct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := demoPlan(t)
			var all []ending
			wrong := 0
			for seed := range uint64(seeds()) {
				s := simulation{plan: &p, baseline: demoV1, candidate: tt.is, rate: *demoRate, noise: *demoNoise, hiccups: *demoHiccup, labels: time.Second, limit: 3 * time.Minute}
				e := s.run(seed)
				all = append(all, e)
				if e.state.Phase != tt.phase || e.decision.Gate != tt.gate {
					wrong++
					t.Logf("seed %d ended in %s after %s (%s %s): %s", seed, e.state.Phase, e.took, e.decision.Reason, e.decision.Gate, e.decision.Sentence)
				}
			}
			t.Log(summary(tt.name, &p, all, wrong))
			if wrong > 0 {
				t.Errorf("%d of %d rollouts of %s ended otherwise", wrong, len(all), tt.name)
			}
		})
	}
}

// seeds is how often each version is simulated.
func seeds() int {
	switch {
	case *demoSeeds > 0:
		return *demoSeeds
	case testing.Short():
		return 10
	}
	return 50
}

// summary writes a row of the table of simulated endings.
func summary(name string, p *Plan, all []ending, wrong int) string {
	var took []time.Duration
	var exposed []uint64
	stages := make([]int, len(p.Stages))
	for _, e := range all {
		took, exposed = append(took, e.took), append(exposed, e.exposed)
		stages[e.state.Stage]++
	}
	slices.Sort(took)
	slices.Sort(exposed)
	text := fmt.Sprintf("%s: %d of %d as they should; took p50 %v p99 %v most %v; exposed p50 %d p99 %d; ended at", name, len(all)-wrong, len(all),
		took[len(took)/2], took[len(took)*99/100], took[len(took)-1], exposed[len(exposed)/2], exposed[len(exposed)*99/100])
	for i, n := range stages {
		if n > 0 {
			text += fmt.Sprintf(" %s: %d", Weight(p.Stages[i].Asked()), n)
		}
	}
	return text
}
