package controller_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/judge"
)

// fiveGates is a plan of five gates and five stages.
const fiveGates = `  stages:
    - {weight: 1%, dwell: 2h, require: no-harm}
    - {weight: 10%, dwell: 2h, require: no-harm}
    - {weight: 25%, dwell: 2h, require: no-harm}
    - {weight: 50%, dwell: 2h, require: within-margin}
    - {weight: 100%, dwell: 2h, holdback: 1%}
  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%}
    - {metric: client_error_rate, maxIncrease: 1pp}
    - {metric: latency_p50, maxIncrease: 10%}
    - {metric: latency_p99, maxIncrease: 10%, max: 800ms}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`

// BenchmarkTick100 judges and decides a tick of a hundred rollouts at their last
// stage, of which each has seen more requests since the tick before.
func BenchmarkTick100(b *testing.B) {
	for name, unit := range map[string]string{"unit=request": "request", "unit=header": "header:X-User-Id"} {
		b.Run(name, func(b *testing.B) { tick100(b, unit) })
	}
}

func tick100(b *testing.B, unit string) {
	plan := controllertest.Plan(b, "m", unit, fiveGates)
	rollouts := make([]*benched, 100)
	for i := range rollouts {
		rollouts[i] = newBenched(&plan, uint64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, r := range rollouts {
			r.serve(4, 100) // A second of 100 requests.
		}
		b.StartTimer()
		for _, r := range rollouts {
			r.tick()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/tick")
}

// benched is a rollout for the benchmark.
type benched struct {
	plan     *rollout.Plan
	state    rollout.State
	evidence evidence.Evidence
	findings *judge.Findings
	random   *rand.Rand
	now      time.Time
}

func newBenched(plan *rollout.Plan, seed uint64) *benched {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := &benched{plan: plan, random: rand.New(rand.NewPCG(seed, 1)), now: start}
	r.state = rollout.State{Phase: rollout.Progressing, StartedAt: start, StageAt: start, SeenAt: start, Stage: 4}
	for stage := range plan.Stages {
		r.state.Strata = append(r.state.Strata, rollout.Stratum{Stage: stage, Weight: plan.Stages[stage].Weight})
		r.serve(stage, 20_000)
	}
	return r
}

// serve adds requests to a stratum.
func (r *benched) serve(stratum, n int) {
	s := r.evidence.Stratum(&r.plan.Layout, stratum)
	weight := float64(r.plan.Stages[stratum].Weight) / split.Whole
	for range n {
		o := evidence.Observation{
			Bucket: uint8(r.random.Uint32()), Error: r.random.Float64() < 0.01, ClientError: r.random.Float64() < 0.02,
			Latency: time.Duration((0.5 + r.random.ExpFloat64()) * float64(10*time.Millisecond)),
		}
		if r.random.Float64() < weight {
			o.Arm = split.Candidate
		}
		s.Observe(&r.plan.Layout, o)
		s.ObserveOutcome(2, o.Arm, o.Bucket, r.random.Float64() < 0.95)
	}
	s.Freeze(&r.plan.Layout)
}

func (r *benched) tick() {
	r.now = r.now.Add(time.Second)
	findings := judge.Verdicts(r.plan, r.state, &r.evidence, r.findings)
	r.findings = &findings
	d := rollout.Decide(rollout.Input{
		Now: r.now, Plan: r.plan, State: r.state, Evidence: &r.evidence, Judgements: findings.Judgements,
		Traffic: rollout.Traffic{Known: true, Ready: true, Weight: r.state.Weight(), LastRequest: r.now},
	})
	if !d.Next.Phase.Final() {
		r.state = d.Next
	}
}
