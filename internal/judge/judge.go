// Package judge gathers what a decision needs to know: the evidence of a
// rollout, judged by every gate of its plan, and the test that units reach the
// arms at the asked weight.
//
// It holds no rule. Every number comes from the pure functions of core, on a
// snapshot that does not change while it is looked at; the judgements of the
// tick before only save the work of judging finished stages again.
package judge

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

// Findings are the verdicts on one snapshot of evidence.
type Findings struct {
	Evidence   *evidence.Evidence
	Judgements []gate.Judgement // by Plan.Gates
	Segments   []gate.Judgement // by segment and gate
}

// Verdicts judges the evidence. prev are the findings of the tick before, or
// nil.
func Verdicts(p *rollout.Plan, s rollout.State, ev *evidence.Evidence, prev *Findings) Findings {
	var before Findings
	if prev != nil {
		before = *prev
	}
	return Findings{
		Evidence:   ev,
		Judgements: rollout.Judge(p, s, ev, before.Judgements),
		Segments:   rollout.JudgeSegments(p, s, ev, before.Segments),
	}
}

// SampleRatio returns the largest logarithm, over the stages, of the e-value
// that units reach the arms at another ratio than asked, and the one at which
// that is a mismatch.
func SampleRatio(p *rollout.Plan, s rollout.State, ev *evidence.Evidence) (logE, threshold float64) {
	threshold = gate.SampleRatioAt(len(p.Stages))
	v := gate.View{Layout: &p.Layout, Evidence: ev, Stages: s.Stages()}
	logs := gate.SampleRatio(v, s.Weights(), len(p.Stages))
	if len(logs) == 0 {
		return 0, threshold
	}
	return slices.Max(logs), threshold
}
