package rollout

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Segments are the attributes by which a rollout is also looked at, part by part:
// a harm to one country is hidden in the whole by all others.
type Segments struct {
	// By are the attributes; a request belongs to one segment of each.
	By []table.Unit `json:"by"`
	// Guard lets a harm in one segment roll the rollout back. Without it segments
	// are shown and decide nothing.
	Guard bool `json:"guard,omitempty"`
}

// What of alpha is for the whole and for all segments together, where these
// guard. The k-th segment by first appearance has 1/(k(k+1)) of its part, which
// adds up to one over any number of them: nobody has to know beforehand how many
// there will be.
const (
	wholePart   = 0.8
	segmentPart = 0.2
)

func partOf(k int) float64 { return segmentPart / float64(k*(k+1)) }

// guarded reports whether segments take part in the decision.
func (s *Segments) guarded() bool { return s != nil && s.Guard }

// inSegment returns the gate as it is in the k-th segment, and false for a gate
// that is not judged there: a server's memory is nobody's in particular, and a
// distribution is not split.
func (p *Plan) inSegment(i, k int) (gate.Gate, bool) {
	g := p.Gates[i]
	if g.Info || g.Kind == gate.Gauge || g.Kind == gate.Drift {
		return g, false
	}
	whole := 1.0
	if p.Segments.guarded() {
		whole = wholePart
	}
	g.Share *= partOf(k) / whole
	g.GuardOnly = true
	return g, true
}

// JudgeSegments judges the gates of the plan in every segment. Segments are
// guards only, so nothing passes there. prev are the judgements of the tick
// before, or nil; they only save work.
func JudgeSegments(p *Plan, s State, ev *evidence.Evidence, prev []gate.Judgement) []gate.Judgement {
	if p.Segments == nil {
		return nil
	}
	at := place(p, &s)
	at.Guard = true
	out := make([]gate.Judgement, 0, len(prev))
	for k, segment := range ev.Segments {
		v := gate.View{Layout: &p.Layout, Evidence: &evidence.Evidence{Strata: segment.Strata}, Stages: s.Stages()}
		for i := range p.Gates {
			g, ok := p.inSegment(i, k+1)
			if !ok {
				continue
			}
			j := g.Judge(g.Reduce(v), at, findJudgement(prev, g.Name, segment.Name))
			j.Segment = segment.Name
			if slices.Contains(s.Failed, charge{gate: &g, judgement: &j}.name()) && j.Verdict != gate.Fail {
				j.Verdict, j.Reason = gate.Fail, g.FailReason(&j, at)
			}
			out = append(out, j)
		}
	}
	return out
}

func findJudgement(list []gate.Judgement, name, segment string) *gate.Judgement {
	for i := range list {
		if list[i].Gate == name && list[i].Segment == segment {
			return &list[i]
		}
	}
	return nil
}

// SegmentGate returns the gate of a judgement as it is in its segment.
func SegmentGate(p *Plan, ev *evidence.Evidence, j *gate.Judgement) (gate.Gate, bool) {
	k := slices.IndexFunc(ev.Segments, func(s *evidence.Segment) bool { return s.Name == j.Segment })
	i := slices.IndexFunc(p.Gates, func(g gate.Gate) bool { return g.Name == j.Gate })
	if k < 0 || i < 0 {
		return gate.Gate{}, false
	}
	return p.inSegment(i, k+1)
}

// SegmentBound works out the bounds of a gate in a segment, for people.
func SegmentBound(p *Plan, s State, ev *evidence.Evidence, j *gate.Judgement) gate.Bound {
	g, ok := SegmentGate(p, ev, j)
	if !ok {
		return gate.Bound{}
	}
	return g.Bound(charge{&g, j}.view(p, &s, ev), j, place(p, &s))
}
