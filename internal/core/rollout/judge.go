package rollout

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// view is the evidence with the stages of its strata.
func view(p *Plan, s *State, ev *evidence.Evidence) gate.View {
	return gate.View{Layout: &p.Layout, Evidence: ev, Stages: s.Stages()}
}

// place is where the plan stands, for judging.
func place(p *Plan, s *State) gate.Place {
	return gate.Place{Stage: s.Stage, Stages: len(p.Stages), Alpha: p.Alpha}
}

// Judge judges every gate of the plan. It is pure; prev, the judgements of the
// tick before or nil, only saves work on finished stages. A gate that has failed
// once stays failed.
func Judge(p *Plan, s State, ev *evidence.Evidence, prev []gate.Judgement) []gate.Judgement {
	v, at := view(p, &s, ev), place(p, &s)
	out := make([]gate.Judgement, len(p.Gates))
	for i := range p.Gates {
		g := &p.Gates[i]
		var before *gate.Judgement
		if i < len(prev) && prev[i].Gate == g.Name {
			before = &prev[i]
		}
		out[i] = g.Judge(g.Reduce(v), at, before)
		if slices.Contains(s.Failed, g.Name) && out[i].Verdict != gate.Fail {
			out[i].Verdict, out[i].Reason = gate.Fail, g.FailReason(&out[i], at)
		}
	}
	return out
}

// levels are the metric of both arms, without bounds.
func levels(p *Plan, s State, ev *evidence.Evidence, i int, j *gate.Judgement) gate.Bound {
	return p.Gates[i].Levels(view(p, &s, ev), j)
}

// Bound works out the bounds of a judged gate, for people.
func Bound(p *Plan, s State, ev *evidence.Evidence, j *gate.Judgement) gate.Bound {
	for i := range p.Gates {
		if p.Gates[i].Name == j.Gate {
			return p.Gates[i].Bound(view(p, &s, ev), j, place(p, &s))
		}
	}
	return gate.Bound{}
}

// family is the gates that share one alpha: those that roll back, or those that
// hold.
type family struct {
	logE    float64 // of the weighted average
	culprit int     // index of the gate with the largest term; -1 when empty
}

// weigh averages the e-values of a family. An average of e-values is one, under
// any dependence between the gates (Vovk & Wang, arXiv:1912.06116). A gate that
// a person has waived adds nothing, and its share is lost to the others.
func weigh(p *Plan, s *State, js []gate.Judgement, holds bool) family {
	f := family{culprit: -1}
	var shares, logs []float64
	for i := range p.Gates {
		g := &p.Gates[i]
		if g.Info || g.Holds != holds || i >= len(js) || slices.Contains(s.Waived, g.Name) {
			continue
		}
		shares, logs = append(shares, g.Share), append(logs, js[i].LogFail)
		if f.culprit < 0 || larger(g, &js[i], &p.Gates[f.culprit], &js[f.culprit]) {
			f.culprit = i
		}
	}
	if f.culprit >= 0 {
		f.logE = stats.AverageLogE(shares, logs)
	}
	return f
}

func larger(a *gate.Gate, ja *gate.Judgement, b *gate.Gate, jb *gate.Judgement) bool {
	// Both thresholds are -ln(alpha*share), so at alpha 1 they compare shares.
	return ja.LogFail-a.FailAt(1) > jb.LogFail-b.FailAt(1)
}
