package check

import (
	"cmp"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// What of alpha is for the whole and for all segments together, where these
// guard, as in a rollout.
const (
	wholePart   = 0.8
	segmentPart = 0.2
)

// sitting is one judgement of all gates.
type sitting struct {
	plan    *plan.Plan
	read    *sample.Sample
	anytime bool
}

// judge works out all verdicts.
func (s *sitting) judge(r *Report) {
	p := s.plan
	guarded := p.Guarded && s.read.Segmented
	whole, parts := p.Alpha, p.Alpha
	if guarded {
		whole, parts = wholePart*p.Alpha, segmentPart*p.Alpha
	}
	var trials, bySegment []*trial
	for _, c := range s.read.Gates {
		trials = append(trials, newTrial(c, "", &c.Evidence))
		if c.Absent != "" || c.Judged.Kind == gate.Drift {
			continue
		}
		for _, segment := range c.Evidence.Segments {
			bySegment = append(bySegment, newTrial(c, segment.Name, &evidence.Evidence{Strata: segment.Strata}))
		}
	}
	s.weigh(trials, whole)
	s.weigh(bySegment, parts)
	for _, t := range trials {
		r.Gates = append(r.Gates, s.verdict(t))
	}
	for _, t := range bySegment {
		r.Segments = append(r.Segments, s.verdict(t))
	}
	slices.SortStableFunc(r.Segments, func(a, b Gate) int {
		return cmp.Or(cmp.Compare(a.PFail, b.PFail), strings.Compare(a.Gate, b.Gate))
	})
	r.Guarded = guarded
	r.Verdict = overall(r)
}

// family is the gates that share an alpha: as in a rollout those that would roll
// back, and those that would hold. One that only informs is a family of its own.
func family(t *trial) string {
	switch {
	case t.Judged.Info:
		return "info " + t.Judged.Name
	case t.Judged.Holds:
		return "hold"
	}
	return "rollback"
}

// weigh works out the p-values of trials that share an alpha, family by family,
// and what each of them is compared with (Holm).
func (s *sitting) weigh(trials []*trial, alpha float64) {
	families := map[string][]*trial{}
	for _, t := range trials {
		if t.Absent != sample.NotInFiles {
			families[family(t)] = append(families[family(t)], t)
		}
	}
	for _, members := range families {
		for _, t := range members {
			switch {
			case t.Absent != "":
			case s.anytime:
				t.always(alpha, 1/float64(len(members)))
			default:
				t.look()
			}
		}
		holm(members, alpha)
		for _, t := range members {
			t.safeAt = s.plan.Alpha
		}
	}
}

// holm sets at which p-value each harm of a family is proven. The smallest p-value
// of m is compared with alpha/m, the next with alpha/(m-1), and so on; from the
// first that is larger on, all are compared with what that one was compared with.
func holm(members []*trial, alpha float64) {
	order := slices.Clone(members)
	slices.SortStableFunc(order, func(a, b *trial) int { return cmp.Compare(a.harm, b.harm) })
	at := 0.0
	proven := true
	for i, t := range order {
		if proven {
			at = alpha / float64(len(order)-i)
			proven = reaches(t.harm, at)
		}
		t.harmAt = at
	}
}

// reaches reports whether a p-value is small enough, rounding aside.
func reaches(p, at float64) bool { return p <= at*(1+1e-9) }

// verdict makes the verdict of a trial.
func (s *sitting) verdict(t *trial) Gate {
	g := &t.Judged
	out := Gate{
		Gate: g.Name, Segment: t.segment, Kind: g.Kind, Worse: "up", Info: g.Info, GuardOnly: g.GuardOnly, Paired: t.paired || t.Spec.Metric == sample.Agreement,
		PFail: t.harm, PFailAt: t.harmAt, PPass: t.safe, PPassAt: t.safeAt,
	}
	if harmIsDown(g) {
		out.Worse = "down"
	}
	if t.Absent == "" || t.Absent == sample.NoColumn && g.Kind != "" {
		out.Margin, out.MarginValue = g.MarginText(), marginValue(g)
		for _, c := range g.Ceilings {
			out.Ceilings = append(out.Ceilings, c.Text)
		}
	}
	if t.Absent == "" {
		out.Baseline, out.Candidate = t.seenRows(split.Baseline), t.seenRows(split.Candidate)
	}
	out.Verdict, out.Reason = s.decide(t)
	if out.Verdict != gate.NoData && out.Verdict != gate.Off {
		out.Bound = t.bound(s.anytime)
	}
	return out
}

// seenRows is what was seen of an arm.
func (t *trial) seenRows(arm split.Arm) Rows {
	sum := total(&t.counts)
	events := sum.KC
	if arm == split.Candidate {
		events = sum.KT
	}
	out := Rows{Rows: t.rows()[arm]}
	if t.segment == "" {
		out.Silent = t.Silent[arm]
	}
	if (t.Judged.Kind == gate.Rate || t.Judged.Kind == gate.Mean) && !t.paired {
		out.Events = new(events)
	}
	if t.Judged.Kind == gate.Rate && t.paired {
		p := t.scope.Pairs
		events = p.Both + p.OnlyC
		if arm == split.Candidate {
			events = p.Both + p.OnlyT
		}
		if t.Judged.Complement {
			events = p.N - events
		}
		out.Events = new(events)
	}
	return out
}

// decide reads the p-values.
func (s *sitting) decide(t *trial) (gate.Verdict, gate.Reason) {
	n := t.rows()
	compares := t.Judged.Method != gate.None
	switch {
	case t.Absent == sample.NotInFiles:
		return gate.Off, sample.NotInFiles
	case t.Absent != "":
		return gate.NoData, t.Absent
	case n[split.Candidate] == 0:
		return gate.NoData, gate.NoCandidateData
	case n[split.Baseline] == 0 && compares:
		return gate.NoData, gate.NoBaselineData
	case t.Layout.Clustered && t.fewUnits(compares):
		return gate.Undecided, TooFewUnits
	case reaches(t.harm, t.harmAt):
		return gate.Fail, t.failReason()
	case t.segment == "" && (n[split.Candidate] < float64(s.plan.MinSamples) || compares && n[split.Baseline] < float64(s.plan.MinSamples)):
		return gate.Undecided, TooFewRows
	case t.onlySuccesses():
		return gate.Undecided, gate.OnlySuccesses
	case reaches(t.safe, t.safeAt):
		return gate.Pass, gate.MarginProven
	case s.anytime:
		return gate.Undecided, gate.NotProvenYet
	}
	return gate.Undecided, NotProven
}

// fewUnits reports whether the rows of an arm come from too few units.
func (t *trial) fewUnits(compares bool) bool {
	few := t.scope.Occupied(split.Candidate) < stats.MinBuckets
	return few || compares && t.scope.Occupied(split.Baseline) < stats.MinBuckets
}

// failReason says which claim of the gate was proven.
func (t *trial) failReason() gate.Reason {
	if t.parts == nil {
		return t.Judged.FailReason(&t.judgement, gate.Place{Stages: 1})
	}
	if t.Judged.Method == gate.None {
		return gate.CeilingBroken
	}
	margin := t.parts[0]
	if reaches(float64(len(t.parts))*sure(margin.test.P(margin.margin, margin.worse)), t.harmAt) {
		return gate.HarmProven
	}
	return gate.CeilingBroken
}

// onlySuccesses reports whether an outcome was only ever reported as a success by
// files that leave it empty in other rows: who reports successes alone looks
// perfect on both arms.
func (t *trial) onlySuccesses() bool {
	g, sum := &t.Judged, total(&t.counts)
	if t.Spec.Outcome == "" || g.Kind != gate.Rate || g.PerExposure || !harmIsDown(g) || t.Silent[split.Baseline]+t.Silent[split.Candidate] == 0 {
		return false
	}
	if g.Complement {
		return sum.KT == 0 && sum.KC == 0
	}
	return sum.KT == sum.NT && sum.KC == sum.NC
}

// harmIsDown reports whether the metric, as it is shown, is worse when it is lower.
func harmIsDown(g *gate.Gate) bool {
	if g.Method == gate.None {
		return slices.ContainsFunc(g.Ceilings, func(c gate.Ceiling) bool { return c.Complement })
	}
	return g.Complement || g.Worse == stats.Down
}

// marginValue is the margin in the unit of the change.
func marginValue(g *gate.Gate) *float64 {
	switch {
	case g.Method == gate.None:
		return nil
	case g.Method == gate.Difference && g.Complement:
		return new(-g.Margin)
	}
	return new(g.Margin)
}

// overall is the verdict of all gates together.
func overall(r *Report) gate.Verdict {
	deciding := slices.DeleteFunc(slices.Clone(r.Gates), func(g Gate) bool { return g.Info || g.Verdict == gate.Off })
	if r.Guarded {
		// Segments are guards: what is not proven there is no obstacle.
		for _, g := range r.Segments {
			if g.Verdict == gate.Fail && !g.Info {
				deciding = append(deciding, g)
			}
		}
	}
	has := func(is func(Gate) bool) bool { return slices.ContainsFunc(deciding, is) }
	switch {
	case has(func(g Gate) bool { return g.Verdict == gate.Fail }):
		return gate.Fail
	case len(deciding) == 0, has(func(g Gate) bool { return g.Verdict == gate.NoData }):
		return gate.NoData
	case has(func(g Gate) bool { return !r.meets(g) }):
		return gate.Undecided
	}
	return gate.Pass
}

// meets reports whether a gate is what is required of it.
func (r *Report) meets(g Gate) bool {
	if g.Verdict == gate.Pass {
		return true
	}
	harmless := g.Reason == NotProven || g.Reason == gate.NotProvenYet || g.Reason == gate.OnlySuccesses
	return harmless && (g.GuardOnly || r.Require == spec.NoHarm)
}
