package check

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/oneshot"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// What of alpha is for the whole and for all segments together, where these
// guard, as in a rollout.
const (
	wholePart   = 0.8
	segmentPart = 0.2
)

// judge works out all verdicts.
func (s *scanner) judge(r *Report) {
	p := &s.options.Plan
	guarded := p.Guarded && len(s.segments) > 0
	whole, parts := p.Alpha, p.Alpha
	if guarded {
		whole, parts = wholePart*p.Alpha, segmentPart*p.Alpha
	}
	var trials, bySegment []*trial
	for _, c := range s.collectors {
		trials = append(trials, newTrial(c, "", &c.evidence))
		if c.absent != "" || c.gate.Kind == gate.Drift {
			continue
		}
		for _, segment := range c.evidence.Segments {
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
	case t.gate.Info:
		return "info " + t.gate.Name
	case t.gate.Holds:
		return "hold"
	}
	return "rollback"
}

// weigh works out the p-values of trials that share an alpha, family by family,
// and what each of them is compared with (Holm).
func (s *scanner) weigh(trials []*trial, alpha float64) {
	families := map[string][]*trial{}
	for _, t := range trials {
		if t.absent != NotInFiles {
			families[family(t)] = append(families[family(t)], t)
		}
	}
	for _, members := range families {
		for _, t := range members {
			switch {
			case t.absent != "":
			case s.options.Anytime:
				t.always(alpha, 1/float64(len(members)))
			default:
				t.look()
			}
		}
		holm(members, alpha)
		for _, t := range members {
			t.safeAt = s.options.Plan.Alpha
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
func (s *scanner) verdict(t *trial) Gate {
	g := &t.gate
	out := Gate{
		Gate: g.Name, Segment: t.segment, Kind: g.Kind, Worse: "up", Info: g.Info, GuardOnly: g.GuardOnly, Paired: t.paired || t.spec.Metric == agreement,
		PFail: t.harm, PFailAt: t.harmAt, PPass: t.safe, PPassAt: t.safeAt,
	}
	if harmIsDown(g) {
		out.Worse = "down"
	}
	if t.absent == "" || t.absent == NoColumn && g.Kind != "" {
		out.Margin, out.MarginValue = g.MarginText(), marginValue(g)
		for _, c := range g.Ceilings {
			out.Ceilings = append(out.Ceilings, c.Text)
		}
	}
	if t.absent == "" {
		out.Baseline, out.Candidate = t.seenRows(split.Baseline), t.seenRows(split.Candidate)
	}
	out.Verdict, out.Reason = s.decide(t)
	if out.Verdict != gate.NoData && out.Verdict != gate.Off {
		out.Bound = t.bound(s.options.Anytime)
	}
	return out
}

// seenRows is what was seen of an arm.
func (t *trial) seenRows(arm split.Arm) Rows {
	sum := total(&t.sample)
	events := sum.KC
	if arm == split.Candidate {
		events = sum.KT
	}
	out := Rows{Rows: t.rows()[arm]}
	if t.segment == "" {
		out.Silent = t.silent[arm]
	}
	if (t.gate.Kind == gate.Rate || t.gate.Kind == gate.Mean) && !t.paired {
		out.Events = new(events)
	}
	if t.gate.Kind == gate.Rate && t.paired {
		p := t.scope.pairs
		events = p.bothTC + p.onlyC
		if arm == split.Candidate {
			events = p.bothTC + p.onlyT
		}
		if t.gate.Complement {
			events = p.n - events
		}
		out.Events = new(events)
	}
	return out
}

// decide reads the p-values.
func (s *scanner) decide(t *trial) (gate.Verdict, gate.Reason) {
	n := t.rows()
	compares := t.gate.Method != gate.None
	switch {
	case t.absent == NotInFiles:
		return gate.Off, NotInFiles
	case t.absent != "":
		return gate.NoData, t.absent
	case n[split.Candidate] == 0:
		return gate.NoData, gate.NoCandidateData
	case n[split.Baseline] == 0 && compares:
		return gate.NoData, gate.NoBaselineData
	case t.layout.Clustered && t.fewUnits(compares):
		return gate.Undecided, TooFewUnits
	case reaches(t.harm, t.harmAt):
		return gate.Fail, t.failReason()
	case n[split.Candidate] < float64(s.options.Plan.MinSamples), compares && n[split.Baseline] < float64(s.options.Plan.MinSamples):
		return gate.Undecided, TooFewRows
	case t.onlySuccesses():
		return gate.Undecided, gate.OnlySuccesses
	case reaches(t.safe, t.safeAt):
		return gate.Pass, gate.MarginProven
	case s.options.Anytime:
		return gate.Undecided, gate.NotProvenYet
	}
	return gate.Undecided, NotProven
}

// fewUnits reports whether the rows of an arm come from too few units.
func (t *trial) fewUnits(compares bool) bool {
	few := t.scope.occupied(split.Candidate) < stats.MinBuckets
	return few || compares && t.scope.occupied(split.Baseline) < stats.MinBuckets
}

// failReason says which claim of the gate was proven.
func (t *trial) failReason() gate.Reason {
	if t.parts == nil {
		return t.gate.FailReason(&t.judgement, gate.Place{Stages: 1})
	}
	if t.gate.Method == gate.None {
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
	g, sum := &t.gate, total(&t.sample)
	if t.spec.Outcome == "" || g.Kind != gate.Rate || g.PerExposure || !harmIsDown(g) || t.silent[split.Baseline]+t.silent[split.Candidate] == 0 {
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
	return harmless && (g.GuardOnly || r.Require == noHarm)
}

// finite is a number that can be shown, or nothing.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// bound is what is known of the change, or of the level where there is no margin.
func (t *trial) bound(anytime bool) *Bound {
	if t.gate.Method == gate.None {
		return t.level(anytime)
	}
	if anytime {
		g := t.gate
		b := g.Bound(t.view(t.seen), &t.judgement, gate.Place{Stages: 1, Alpha: t.safeAt})
		out := &Bound{Of: Change, Relative: b.Relative, Estimate: finite(b.Estimate), Lower: finite(b.Lower), Upper: finite(b.Upper)}
		out.Baseline, out.Candidate = t.levels()
		return out
	}
	p := t.parts[0]
	fail := oneshot.Bound(p.test, t.harmAt/float64(len(t.parts)), p.worse)
	pass := oneshot.Bound(p.test, t.safeAt, -p.worse)
	out := &Bound{Of: Change, Relative: t.gate.Kind != gate.Drift && (t.gate.Method != gate.Difference || t.gate.Slope != 1)}
	out.Baseline, out.Candidate = t.levels()
	out.Estimate = t.shown(p.test.Estimate(), out.Baseline)
	if est := p.test.Estimate(); math.IsInf(est, -1) && t.gate.Method != gate.Difference {
		out.Estimate = new(-1.0) // None of the candidate's is all of it less.
	}
	out.Lower, out.Upper = t.shown(fail, out.Baseline), t.shown(pass, out.Baseline)
	if harmIsDown(&t.gate) {
		out.Lower, out.Upper = out.Upper, out.Lower
	}
	return out
}

// shown turns what a test measures into the change that people read.
func (t *trial) shown(x float64, baseline *float64) *float64 {
	g := &t.gate
	switch {
	case math.IsInf(x, 0) || math.IsNaN(x):
		return nil
	case g.Kind == gate.Drift:
		return &x
	case g.Method != gate.Difference:
		return finite(math.Expm1(x))
	case g.Slope == 1 && g.Complement:
		return new(-x)
	case g.Slope == 1:
		return &x
	case baseline == nil:
		return nil
	case t.paired:
		return finite(-x / *baseline)
	}
	// The bad event is at x + Slope*(1-baseline), so the success is at one less that.
	return finite((1-x-g.Slope*(1-*baseline)) / *baseline - 1)
}

// levels are the metric itself at both arms.
func (t *trial) levels() (baseline, candidate *float64) {
	p, sum := &t.scope.pairs, total(&t.sample)
	switch {
	case t.gate.Kind == gate.Drift:
		return nil, nil
	case t.paired && t.gate.Kind == gate.Mean:
		return finite(p.values.X / p.n), finite(p.values.Y / p.n)
	case t.paired:
		return finite((p.bothTC + p.onlyC) / p.n), finite((p.bothTC + p.onlyT) / p.n)
	}
	b := t.gate.Levels(t.view(t.seen), &gate.Judgement{Sample: t.sample, Total: sum})
	if sum.NC > 0 {
		baseline = finite(b.Baseline)
	}
	return baseline, finite(b.Candidate)
}

// level is the candidate's metric with its bounds.
func (t *trial) level(anytime bool) *Bound {
	out := &Bound{Of: Level}
	out.Baseline, out.Candidate = t.levels()
	out.Estimate = out.Candidate
	if len(t.gate.Ceilings) == 0 || t.gate.Kind == gate.Quantile {
		return out
	}
	ceiling := t.ceilings()[0]
	n := float64(len(t.gate.Ceilings))
	var fail, pass float64
	if c, ok := ceiling.test.(oneshot.Ceiling); ok && anytime {
		prior := stats.Prior3(0.5)
		fail = stats.BernoulliBound(c.K, c.N, c.Phi, -math.Log(t.harmAt/n), stats.Up, prior)
		pass = stats.BernoulliBound(c.K, c.N, c.Phi, -math.Log(t.safeAt), stats.Down, prior)
	} else if !anytime {
		fail, pass = oneshot.Bound(ceiling.test, t.harmAt/n, ceiling.worse), oneshot.Bound(ceiling.test, t.safeAt, -ceiling.worse)
	} else {
		return out
	}
	if t.gate.Kind == gate.Rate && t.gate.Ceilings[0].Complement {
		fail, pass = 1-fail, 1-pass // The bad event is that it does not happen.
	}
	out.Lower, out.Upper = finite(min(fail, pass)), finite(max(fail, pass))
	return out
}
