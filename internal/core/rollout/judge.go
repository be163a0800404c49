package rollout

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
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
		if tolerance := p.Stages[s.Stage].Tolerance; tolerance > 0 && out[i].Verdict == gate.Undecided {
			widened := g.Widened(tolerance, &p.Layout)
			out[i].LogWithin = widened.LogWithin(v, at)
		}
		if slices.Contains(s.Failed, g.Name) && out[i].Verdict != gate.Fail {
			out[i].Verdict, out[i].Reason = gate.Fail, g.FailReason(&out[i], at)
		}
	}
	return out
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
