package rollout

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// benchScene is a rollout with five gates in the last of five stages, with the
// counts of two hours a stage at 100 requests a second.
func benchScene(clustered bool) Input {
	p := &Plan{
		Rollout: "fraud-v7", Model: "fraud", Candidate: Version{Name: "v7"}, Baseline: Version{Name: "v6"},
		Alpha: 0.05, OnUndecided: spec.UndecidedHold, Rollback: Restore{Auto: true},
		Faults: Faults{NoTraffic: spec.FaultHold, SampleRatio: spec.FaultHold, HoldFor: time.Hour, Then: spec.ThenAsk},
		Layout: evidence.NewLayout(clustered, "outcome:correct", "outcome:bought"),
	}
	base, steps := evidence.BaseFor(0.1)
	p.Layout.Sketches = []evidence.Base{base}
	p.Layout.Tails = []evidence.Tail{{Quantile: 0.99, Steps: steps}}
	p.Gates = []gate.Gate{
		{Name: "error_rate", Kind: gate.Rate, Method: gate.Ignore, Worse: stats.Up, Margin: 0.2, Level: 0.001, Slope: 1},
		{Name: "client_error_rate", Kind: gate.Rate, Series: 1, Method: gate.Difference, Worse: stats.Up, Margin: 0.01, Slope: 1},
		{Name: "latency_p99", Kind: gate.Quantile, Method: gate.Ratio, Worse: stats.Up, Margin: 0.1, Quantile: 0.99, Steps: steps, Slope: 1},
		{Name: "outcome:correct", Kind: gate.Rate, Series: 2, Outcome: true, Complement: true, Method: gate.Difference, Worse: stats.Up, Margin: 0.02, Slope: 1},
		{Name: "outcome:bought", Kind: gate.Rate, Series: 3, Outcome: true, Method: gate.Ratio, Worse: stats.Down, Margin: -0.05, Slope: 1},
	}
	s := State{Phase: Progressing, StartedAt: epoch}
	ev := &evidence.Evidence{}
	r := rand.New(rand.NewPCG(1, 2))
	for i, w := range []uint32{100, 1000, 2500, 5000, 9900} {
		p.Stages = append(p.Stages, Stage{Weight: w, Dwell: 2 * time.Hour, MaxDuration: 48 * time.Hour, MinSamples: 500, Require: spec.NoHarm})
		s.enter(p, i, epoch.Add(time.Duration(i)*2*time.Hour))
		fillStratum(r, ev.Stratum(&p.Layout, i), &p.Layout, float64(w)/split.Whole)
	}
	shareAlpha(p.Gates, nil)
	now := epoch.Add(9 * time.Hour)
	s.SeenAt = now.Add(-time.Second)
	return Input{Now: now, Plan: p, State: s, Evidence: ev, Traffic: Traffic{Known: true, Ready: true, Weight: 9900, LastRequest: now}}
}

// fillStratum adds 720,000 requests to a stratum.
func fillStratum(r *rand.Rand, s *evidence.Stratum, l *evidence.Layout, w float64) {
	const n = 720_000
	for range n {
		arm := split.Baseline
		if r.Float64() < w {
			arm = split.Candidate
		}
		bucket := uint8(r.Uint32())
		s.Observe(l, evidence.Observation{Arm: arm, Bucket: bucket, Error: r.Float64() < 0.005, ClientError: r.Float64() < 0.02, Latency: lognormalLatency(r, 0.25)})
		s.ObserveOutcome(2, arm, bucket, r.Float64() < 0.94)
		s.ObserveOutcome(3, arm, bucket, r.Float64() < 0.03)
		s.Freeze(l)
	}
}

func lognormalLatency(r *rand.Rand, sigma float64) time.Duration {
	return time.Duration(8e6 * math.Exp(sigma*r.NormFloat64()))
}

// tickBench changes the last stratum a little, as one more second of traffic does.
func tickBench(in *Input, r *rand.Rand) {
	s := in.Evidence.Strata[len(in.Evidence.Strata)-1]
	for range 5 {
		s.Observe(&in.Plan.Layout, evidence.Observation{Arm: split.Candidate, Bucket: uint8(r.Uint32()), Error: r.Float64() < 0.1, Latency: lognormalLatency(r, 0.25)})
		s.ObserveOutcome(2, split.Candidate, uint8(r.Uint32()), true)
		s.ObserveOutcome(3, split.Candidate, uint8(r.Uint32()), false)
	}
}

func BenchmarkJudge(b *testing.B) {
	for name, clustered := range map[string]bool{"requests": false, "units": true} {
		in := benchScene(clustered)
		r := rand.New(rand.NewPCG(3, 4))
		b.Run(name+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tickBench(&in, r)
				Judge(in.Plan, in.State, in.Evidence, nil)
			}
		})
		b.Run(name+"/tick", func(b *testing.B) {
			b.ReportAllocs()
			prev := Judge(in.Plan, in.State, in.Evidence, nil)
			for b.Loop() {
				tickBench(&in, r)
				prev = Judge(in.Plan, in.State, in.Evidence, prev)
			}
		})
		b.Run(name+"/still", func(b *testing.B) {
			b.ReportAllocs()
			prev := Judge(in.Plan, in.State, in.Evidence, nil)
			for b.Loop() {
				prev = Judge(in.Plan, in.State, in.Evidence, prev)
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	in := benchScene(false)
	in.Judgements = Judge(in.Plan, in.State, in.Evidence, nil)
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(in); d.Kind != KindHold {
			b.Fatalf("%s: %s", d.Kind, d.Sentence)
		}
	}
}

// BenchmarkTick judges and decides upon a hundred rollouts of five gates and five
// stages after one more second of traffic, one after another. The target is
// 50 ms on two cores, which the control loop shares out; here it is one.
func BenchmarkTick(b *testing.B) {
	for name, clustered := range map[string]bool{"requests": false, "units": true} {
		b.Run(name, func(b *testing.B) {
			in := benchScene(clustered)
			r := rand.New(rand.NewPCG(3, 4))
			prev := make([][]gate.Judgement, 100)
			for i := range prev {
				prev[i] = Judge(in.Plan, in.State, in.Evidence, nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				tickBench(&in, r)
				for i := range prev {
					prev[i] = Judge(in.Plan, in.State, in.Evidence, prev[i])
					in.Judgements = prev[i]
					if d := Decide(in); d.Kind != KindHold {
						b.Fatalf("%s: %s", d.Kind, d.Sentence)
					}
				}
			}
		})
	}
}
