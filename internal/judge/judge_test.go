package judge_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/judge"
)

// plan is a plan of one gate over two stages.
func plan() *rollout.Plan {
	return &rollout.Plan{
		Stages: []rollout.Stage{{Weight: 1000, Dwell: time.Minute}, {Weight: 5000, Dwell: time.Minute}},
		Gates:  []gate.Gate{{Name: evidence.ErrorRate, Kind: gate.Rate, Method: gate.Difference, Worse: stats.Up, Margin: 0.05, Slope: 1, Share: 1}},
		Layout: evidence.NewLayout(false), Alpha: 0.05,
	}
}

func state() rollout.State {
	return rollout.State{Phase: rollout.Progressing, Stage: 1, Strata: []rollout.Stratum{{Stage: 0, Weight: 1000}, {Stage: 1, Weight: 5000}}}
}

// serve adds n requests of an arm, of which bad fail.
func serve(p *rollout.Plan, ev *evidence.Evidence, stratum int, arm split.Arm, n, bad int) {
	s := ev.Stratum(&p.Layout, stratum)
	for i := range n {
		s.Observe(&p.Layout, evidence.Observation{Arm: arm, Error: i < bad})
	}
}

func TestTheTickBeforeOnlySavesWork(t *testing.T) {
	t.Parallel()
	p, ev := plan(), &evidence.Evidence{}
	serve(p, ev, 0, split.Baseline, 900, 9)
	serve(p, ev, 0, split.Candidate, 100, 2)
	before := judge.Verdicts(p, state(), ev.Clone(&p.Layout), nil)
	serve(p, ev, 1, split.Baseline, 500, 5)
	serve(p, ev, 1, split.Candidate, 500, 90)
	with, without := judge.Verdicts(p, state(), ev, &before), judge.Verdicts(p, state(), ev, nil)
	if diff := cmp.Diff(without.Judgements, with.Judgements); diff != "" {
		t.Errorf("judged with the tick before (-without +with):\n%s", diff)
	}
	if got := with.Judgements[0].Verdict; got != gate.Fail {
		t.Errorf("18%% of errors against 1%% are %s", got)
	}
	if with.Evidence != ev {
		t.Error("the findings are of other evidence")
	}
}

func TestTheSampleRatioIsTheWorstOfAnyStage(t *testing.T) {
	t.Parallel()
	p, ev := plan(), &evidence.Evidence{}
	logE, threshold := judge.SampleRatio(p, state(), ev)
	if logE != 0 || threshold <= 0 {
		t.Errorf("without evidence: %v of %v", logE, threshold)
	}
	serve(p, ev, 0, split.Baseline, 9000, 0)
	serve(p, ev, 0, split.Candidate, 1000, 0)
	if logE, _ = judge.SampleRatio(p, state(), ev); logE >= threshold {
		t.Errorf("at the asked ratio: %v of %v", logE, threshold)
	}
	serve(p, ev, 1, split.Baseline, 6000, 0)
	serve(p, ev, 1, split.Candidate, 4000, 0)
	if logE, _ = judge.SampleRatio(p, state(), ev); logE < threshold {
		t.Errorf("40%% where half was asked for: %v of %v", logE, threshold)
	}
	if logE, _ = judge.SampleRatio(p, rollout.State{Phase: rollout.Pending}, ev); logE != 0 {
		t.Errorf("before the first stage: %v", logE)
	}
}
