package rollout

import (
	"flag"
	"math"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
)

var acceptReps = flag.Int("accept.reps", 0, "replications of each acceptance simulation; 0 takes a number that suits a quick test")

// reps is how often a simulation is repeated: n, or less under -short.
func reps(n int) int {
	switch {
	case *acceptReps > 0:
		return *acceptReps
	case testing.Short():
		return max(n/10, 10)
	}
	return n
}

// atMost fails the test unless k of n is compatible, at three standard errors,
// with a true share of no more than limit.
func atMost(t *testing.T, what string, k, n int, limit float64) {
	t.Helper()
	t.Logf("%s: %d of %d (%.1f%%)", what, k, n, 100*float64(k)/float64(n))
	if most := limit*float64(n) + 3*math.Sqrt(limit*(1-limit)*float64(n)); float64(k) > most {
		t.Errorf("%s: %d of %d, want at most %.0f", what, k, n, most)
	}
}

// atLeast fails the test unless k of n is compatible with a true share of no
// less than limit. It guards tests that would else pass whatever happens.
func atLeast(t *testing.T, what string, k, n int, limit float64) {
	t.Helper()
	t.Logf("%s: %d of %d (%.1f%%)", what, k, n, 100*float64(k)/float64(n))
	if least := limit*float64(n) - 3*math.Sqrt(limit*(1-limit)*float64(n)); float64(k) < least {
		t.Errorf("%s: %d of %d, want at least %.0f: the simulation shows nothing", what, k, n, least)
	}
}

const rampPolicyText = `
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  stages:
    - {weight: 1%, dwell: 15s, require: no-harm}
    - {weight: 10%, dwell: 15s, require: no-harm}
    - {weight: 25%, dwell: 15s, require: no-harm}
    - {weight: 50%, dwell: 15s, require: within-margin}
    - {weight: 100%, dwell: 15s, require: no-harm, holdback: 2%}
  minSamples: 20
  warmup: 0s
  gates:
`

// ramp is a plan of fifteen looks a stage with the given gates.
func ramp(t *testing.T, gates string) Plan { return compiled(t, demoModel+rampPolicyText+gates) }

const fourGates = `
    - {metric: error_rate, maxIncrease: 20%}
    - {metric: client_error_rate, maxIncrease: 1pp}
    - {metric: latency_p99, maxIncrease: 10%}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`

// A candidate exactly at the margin of all four gates is the worst that the
// error rates promise anything about.
func TestACandidateAtEveryMarginIsNeitherRolledBackNorPromoted(t *testing.T) {
	t.Parallel()
	p, n := ramp(t, fourGates), reps(80)
	rolledBack, promoted := 0, 0
	for seed := range uint64(n) {
		s := simulation{
			plan: &p, rate: 600, labels: time.Second, limit: 90 * time.Second,
			baseline:  behaviour{wrong: 0.06, fails: 0.02, rejects: 0.01},
			candidate: behaviour{wrong: 0.10, fails: 0.024, rejects: 0.02, longer: 0.1},
		}
		switch e := s.run(seed); {
		case e.state.Phase == RolledBack:
			rolledBack++
		case e.state.Stage > 3:
			promoted++
		}
	}
	atMost(t, "rolled back", rolledBack, n, 0.05)
	atMost(t, "promoted", promoted, n, 0.05)
}

func TestACandidateWithOneHarmAtItsMarginIsNotPromoted(t *testing.T) {
	t.Parallel()
	p, n := ramp(t, fourGates), reps(20)
	for name, candidate := range map[string]behaviour{
		"errors":  {wrong: 0.06, fails: 0.024, rejects: 0.01},
		"refusal": {wrong: 0.06, fails: 0.02, rejects: 0.02},
		"latency": {wrong: 0.06, fails: 0.02, rejects: 0.01, longer: 0.1},
		"labels":  {wrong: 0.10, fails: 0.02, rejects: 0.01},
	} {
		rolledBack, promoted := 0, 0
		for seed := range uint64(n) {
			s := simulation{
				plan: &p, rate: 600, labels: time.Second, limit: 80 * time.Second,
				baseline: behaviour{wrong: 0.06, fails: 0.02, rejects: 0.01}, candidate: candidate,
			}
			switch e := s.run(1e6 + seed); {
			case e.state.Phase == RolledBack:
				rolledBack++
			case e.state.Stage > 3:
				promoted++
			}
		}
		atMost(t, name+" at the margin, rolled back", rolledBack, n, 0.05)
		atMost(t, name+" at the margin, promoted", promoted, n, 0.05)
	}
}

// pooled reports whether the gates would fail if nobody had told the strata
// apart.
func pooled(p *Plan, ev *evidence.Evidence) bool {
	one := evidence.NewStratum(&p.Layout)
	for _, s := range ev.Strata {
		one.Merge(s)
	}
	alone := *p
	alone.Stages = p.Stages[:1]
	for _, j := range Judge(&alone, State{Strata: []Stratum{{}}}, &evidence.Evidence{Strata: []*evidence.Stratum{one}}, nil) {
		if j.Verdict == gate.Fail {
			return true
		}
	}
	return false
}

// stratified counts the simulated rollouts that are rolled back, and those that
// pooled totals would have rolled back.
func stratified(s simulation, n int) (rolledBack, byPooled int) {
	for seed := range uint64(n) {
		bad := false
		s.look = func(_ State, ev *evidence.Evidence) { bad = bad || pooled(s.plan, ev) }
		if e := s.run(seed); e.state.Phase == RolledBack {
			rolledBack++
		}
		if bad {
			byPooled++
		}
	}
	return rolledBack, byPooled
}

// Simpson's paradox: the baseline gets worse while the weight grows, so most of
// the candidate's requests come when everything is bad.
func TestADriftingBaselineRollsNobodyBack(t *testing.T) {
	t.Parallel()
	p, n := ramp(t, "    - {metric: error_rate, maxIncrease: 20%}\n"), reps(100)
	rolledBack, byPooled := stratified(simulation{
		plan: &p, rate: 600, baseline: behaviour{fails: 0.01}, candidate: behaviour{fails: 0.012}, limit: 60 * time.Second,
		drift: func(since time.Duration) float64 { return 1 + 9*since.Seconds()/60 },
	}, n)
	atMost(t, "rolled back", rolledBack, n, 0.05)
	atLeast(t, "rolled back by pooled totals", byPooled, n, 0.8)
}

// A right answer is known later than a wrong one. While the weight grows the
// candidate's answers are the younger ones, so they look worse, unless they are
// compared with those of the same stage.
func TestLateOutcomesRollNobodyBack(t *testing.T) {
	t.Parallel()
	p, n := ramp(t, "    - {metric: \"outcome:correct\", kind: rate, maxDecrease: 2pp}\n"), reps(100)
	rolledBack, byPooled := stratified(simulation{
		plan: &p, rate: 600, baseline: behaviour{wrong: 0.06}, candidate: behaviour{wrong: 0.06}, limit: 60 * time.Second,
		labels: time.Second, rightLate: time.Minute,
	}, n)
	atMost(t, "rolled back", rolledBack, n, 0.05)
	atLeast(t, "rolled back by pooled totals", byPooled, n, 0.8)
}
