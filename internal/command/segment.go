package command

import (
	"cmp"
	"slices"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

// worstSegments is how many segments a status names.
const worstSegments = 10

// SegmentStatus is how one gate stands in one segment.
type SegmentStatus struct {
	Segment string `json:"segment"`
	GateStatus
}

// segments returns the segments with the most evidence against the candidate,
// each with the gate that has it.
func segments(live *controller.Live, ev *evidence.Evidence, bounds bool) []SegmentStatus {
	plan, state := &live.Record.Plan, &live.Record.State
	worst := map[string]*gate.Judgement{}
	for i := range live.Findings.Segments {
		j := &live.Findings.Segments[i]
		if j.Verdict == gate.Off || j.Verdict == gate.NoData {
			continue
		}
		if before := worst[j.Segment]; before == nil || j.LogFail > before.LogFail {
			worst[j.Segment] = j
		}
	}
	list := make([]*gate.Judgement, 0, len(worst))
	for _, j := range worst {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *gate.Judgement) int {
		return cmp.Or(cmp.Compare(b.LogFail, a.LogFail), cmp.Compare(a.Segment, b.Segment))
	})
	out := make([]SegmentStatus, 0, worstSegments)
	for _, j := range list[:min(len(list), worstSegments)] {
		g, ok := rollout.SegmentGate(plan, ev, j)
		if !ok {
			continue
		}
		s := SegmentStatus{Segment: j.Segment, GateStatus: gateStatus(plan, state, &g, j)}
		s.GuardOnly, s.NeedSamples = true, 0
		if bounds {
			b := rollout.SegmentBound(plan, *state, ev, j)
			s.Bound = &b
		}
		out = append(out, s)
	}
	return out
}
