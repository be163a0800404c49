package contract

import (
	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// gatesOf joins how gates stand with what the plan says of them.
func gatesOf(st *command.Status) []api.Gate {
	plan := &st.Record.Plan
	waived := map[string]bool{}
	for _, name := range st.Record.State.Waived {
		waived[name] = true
	}
	out := make([]api.Gate, len(st.Gates))
	for i := range st.Gates {
		out[i] = gateOf(plan, &st.Gates[i])
		out[i].Waived = waived[out[i].Gate]
	}
	return out
}

// segmentsOf are the worst segments.
func segmentsOf(st *command.Status) []api.SegmentGate {
	var out []api.SegmentGate
	for i := range st.Segments {
		s := &st.Segments[i]
		out = append(out, api.SegmentGate{Segment: s.Segment, Gate: gateOf(&st.Record.Plan, &s.GateStatus)})
	}
	return out
}

// gateOf is a gate as it stands, with what the plan says of it.
func gateOf(plan *rollout.Plan, s *command.GateStatus) api.Gate {
	out := api.Gate{
		Gate: s.Gate, Kind: api.GateKindRate, Verdict: api.Verdict(s.Verdict), Reason: string(s.Reason),
		Margin: s.Margin, Worse: api.GateWorseUp, Bound: boundOf(s.Bound),
		LogFail: logOf(s.LogFail), LogPass: logOf(s.LogPass), LogFailAt: logOf(s.Threshold), LogPassAt: logOf(s.PassThreshold),
		Here: countsOf(s.Here), Total: countsOf(s.Total),
		Holds: s.Holds, Info: s.Info, GuardOnly: s.GuardOnly,
		FromPercent: percent(s.From), NeedSamples: count(s.NeedSamples),
	}
	if r := s.Readings; r != nil {
		out.Readings = readingsOf(&r[split.Candidate], &r[split.Baseline])
	}
	out.Distribution = distributionOf(s.Distribution)
	if g := gateNamed(plan, s.Gate); g != nil {
		describeGate(&out, g)
		out.Caveat = plan.Caveat(g)
	}
	return out
}

func readingsOf(candidate, baseline *evidence.OutputCount) *api.Readings {
	return &api.Readings{
		CandidateValues: count(candidate.Values), CandidateMissing: count(candidate.Missing),
		BaselineValues: count(baseline.Values), BaselineMissing: count(baseline.Missing),
		Lost: count(candidate.Lost + baseline.Lost),
	}
}

// gateNamed finds a gate in a plan, or nil.
func gateNamed(p *rollout.Plan, name string) *gate.Gate {
	for i := range p.Gates {
		if p.Gates[i].Name == name {
			return &p.Gates[i]
		}
	}
	return nil
}

func describeGate(out *api.Gate, g *gate.Gate) {
	out.Share = g.Share
	if g.Kind != "" {
		out.Kind = api.GateKind(g.Kind)
	}
	if g.Complement || g.Worse == stats.Down {
		out.Worse = api.GateWorseDown
	}
	for _, c := range g.Ceilings {
		out.Ceilings = append(out.Ceilings, c.Text)
	}
	out.MarginValue = marginOf(g)
}

// marginOf is the margin on the scale of the bound: a harm towards less is
// negative. It is nil where only ceilings decide.
func marginOf(g *gate.Gate) *float64 {
	switch {
	case g.Method == gate.None:
		return nil
	case g.Method == gate.Difference && g.Complement:
		return finite(-g.Margin)
	}
	return finite(g.Margin)
}

func boundOf(b *gate.Bound) *api.Bound {
	if b == nil {
		return nil
	}
	return &api.Bound{
		Relative: b.Relative, Estimate: finite(b.Estimate), Lower: finite(b.Lower), Upper: finite(b.Upper),
		Baseline: finite(b.Baseline), Candidate: finite(b.Candidate),
	}
}

func countsOf(s stats.Stratum) api.Counts {
	return api.Counts{CandidateExposures: s.NT, CandidateEvents: s.KT, BaselineExposures: s.NC, BaselineEvents: s.KC}
}
