package rollout

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// charge is what one gate has against the candidate, in the whole or in a
// segment.
type charge struct {
	gate      *gate.Gate
	judgement *gate.Judgement
}

// name tells charges apart in State.Failed and State.Waived: the gate's, with the
// segment's behind it.
func (c charge) name() string {
	if c.judgement.Segment == "" {
		return c.gate.Name
	}
	return c.gate.Name + " in " + c.judgement.Segment
}

// charges are those of all gates that can decide, the whole before its parts.
func charges(p *Plan, whole, segments []gate.Judgement) []charge {
	out := make([]charge, 0, len(whole)+len(segments))
	for i := range p.Gates {
		if i < len(whole) && !p.Gates[i].Info {
			out = append(out, charge{&p.Gates[i], &whole[i]})
		}
	}
	if !p.Segments.guarded() {
		return out
	}
	k, name := 0, ""
	for i := range segments {
		j := &segments[i]
		if j.Segment != name {
			k, name = k+1, j.Segment
		}
		at := slices.IndexFunc(p.Gates, func(g gate.Gate) bool { return g.Name == j.Gate })
		if at < 0 {
			continue
		}
		if g, ok := p.inSegment(at, k); ok {
			out = append(out, charge{&g, j})
		}
	}
	return out
}

// view is the evidence that a charge rests on.
func (c charge) view(p *Plan, s *State, ev *evidence.Evidence) gate.View {
	v := view(p, s, ev)
	for _, segment := range ev.Segments {
		if segment.Name == c.judgement.Segment && segment.Name != "" {
			v.Evidence = &evidence.Evidence{Strata: segment.Strata}
		}
	}
	return v
}

// family is the charges that share one alpha: those that roll back, or those
// that hold.
type family struct {
	logE    float64 // of the weighted average
	culprit charge  // with the largest term; its gate is nil when the family is empty
}

// weigh averages the e-values of a family. An average of e-values is one, under
// any dependence between the gates (Vovk & Wang, arXiv:1912.06116). A charge that
// a person has waived adds nothing, and its share is lost to the others.
func weigh(s *State, all []charge, holds bool) family {
	var f family
	var shares, logs []float64
	for _, c := range all {
		if c.gate.Holds != holds || slices.Contains(s.Waived, c.name()) {
			continue
		}
		shares, logs = append(shares, c.gate.Share), append(logs, c.judgement.LogFail)
		if f.culprit.gate == nil || c.weight() > f.culprit.weight() {
			f.culprit = c
		}
	}
	if f.culprit.gate != nil {
		f.logE = stats.AverageLogE(shares, logs)
	}
	return f
}

// weight is the charge's part of the average, in logs.
func (c charge) weight() float64 {
	return c.judgement.LogFail - c.gate.FailAt(1) // -ln(share) at alpha 1.
}
