package planner

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// The cautions.
const (
	// CautionUnguarded is a stage at which nothing would roll back.
	CautionUnguarded Caution = "Unguarded"
	// CautionCeiling is a limit that the baseline is beyond itself.
	CautionCeiling Caution = "CeilingBelowBaseline"
	// CautionSamples is a stage that waits for its samples.
	CautionSamples Caution = "SamplesLate"
	// CautionNotProven is a margin that is not proven in time though nothing changed.
	CautionNotProven Caution = "MarginNotProven"
	// CautionSlow is a margin whose proof takes far longer than the dwell.
	CautionSlow Caution = "MarginSlow"
	// CautionBlind is a gate that finds no harm of a size that happens at a stage.
	CautionBlind Caution = "GateBlind"
	// CautionCritical is a critical harm that is not found while few are exposed.
	CautionCritical Caution = "CriticalHarmLate"
	// CautionRevenue is a mean of outcomes without a rate beside it.
	CautionRevenue Caution = "RevenueAlone"
)

// warnings are what the plan will not do as its author may think.
func (f *forecast) warnings(o *Outlook, r spec.Resolved) []Warning {
	w := warner{forecast: f, outlook: o, advisor: newAdvisor(r)}
	w.unguarded()
	w.ceilings()
	w.samples()
	w.margins()
	w.blind()
	w.critical()
	w.revenue()
	if w.list == nil {
		return []Warning{}
	}
	return w.list
}

// warner collects warnings.
type warner struct {
	*forecast
	outlook *Outlook
	advisor advisor
	list    []Warning
}

func (w *warner) warn(c Caution, g string, stage int, proposals []Proposal, format string, args ...any) {
	w.list = append(w.list, Warning{Caution: c, Gate: g, Stage: stage, Message: fmt.Sprintf(format, args...), Proposals: proposals})
}

// at names a stage by its weight.
func (f *forecast) at(stage int) string { return rollout.Weight(f.plan.Stages[stage].Asked()) }

func (w *warner) unguarded() {
	last := ""
	for i := range w.plan.Stages {
		why := w.plan.Unguarded(i)
		if why != "" && why != last {
			w.warn(CautionUnguarded, "", i, nil, "UNGUARDED from %s on: %s", w.at(i), why)
		}
		last = why
	}
}

// ceilings warns of limits beyond which the baseline is itself.
func (w *warner) ceilings() {
	for _, m := range w.measures {
		if m.gate.Kind == gate.Gauge || m.gate.Kind == gate.Drift {
			continue
		}
		for i, c := range m.gate.Ceilings {
			beyond := m.base > c.Limit
			if m.gate.Kind == gate.Mean {
				beyond = beyond != c.Complement
			} else {
				beyond = m.over(1, m.unchanged())[i] > c.Limit
			}
			if beyond {
				w.warn(CautionCeiling, m.gate.Name, -1, nil,
					"the baseline's %s is %s, beyond %s: a candidate without any change breaks it and is rolled back", m.gate.Name, m.baseText(), c.Text)
			}
		}
	}
}

// samples warns of stages that wait for their samples, gate by gate.
func (w *warner) samples() {
	stages := map[*measure][]int{}
	for i := range w.plan.Stages {
		s := &w.plan.Stages[i]
		if s.Weight >= split.Whole {
			continue
		}
		var worst *measure
		longest := samplesLate * s.Dwell.Seconds()
		for _, m := range w.active(i) {
			if enough := m.enough(i); enough > longest {
				longest, worst = enough, m
			}
		}
		if worst != nil {
			stages[worst] = append(stages[worst], i)
		}
	}
	for _, m := range w.measures {
		if late := stages[m]; late != nil {
			w.samplesLate(m, late)
		}
	}
}

// samplesLate is how many times its dwell a stage takes before it is said.
const samplesLate = 1.1

// samplesLate warns of the stages that wait for the samples of a gate.
func (w *warner) samplesLate(m *measure, late []int) {
	var times, dwells []string
	why := ""
	if m.lag > 0 {
		why = fmt.Sprintf(", which come %s after their requests", Span(m.lag))
	}
	for _, i := range late {
		s, enough := &w.plan.Stages[i], m.enough(i)
		times = append(times, fmt.Sprintf("%s instead of %s at %s", Span(enough), Span(s.Dwell.Seconds()), w.at(i)))
		if d := s.MaxDuration.Seconds(); d > 0 && enough > d && !strings.Contains(why, "Holding") {
			why += " (past maxDuration the rollout is shown as Holding)"
		}
		if dwell := niceTime(enough); dwell > 0 {
			for _, p := range w.advisor.stage(i, "", longer(dwell)) {
				dwells = append(dwells, p.YAML)
			}
		}
	}
	var ps []Proposal
	if dwells != nil {
		ps = append(ps, Proposal{Why: "say so in the file", YAML: strings.Join(dwells, "\n")})
	}
	if later := w.enoughFrom(m, late[0]); later > late[0] {
		ps = append(ps, w.advisor.from(m.gate.Name, later, "or let the gate begin where its samples come in time")...)
	}
	w.warn(CautionSamples, m.gate.Name, late[0], ps, "%s waits for its %s %s%s: %s",
		m.gate.Name, Size(float64(w.plan.Stages[late[0]].MinSamples)), m.unitName(), why, list(times))
}

// longer gives a stage a dwell.
func longer(dwell time.Duration) func(*spec.ResolvedStage) {
	return func(s *spec.ResolvedStage) { s.Dwell, s.MaxDuration = dwell, max(s.MaxDuration, 2*dwell) }
}

// enoughFrom is the first stage after one at which a gate has its samples within
// the dwell, or that one.
func (f *forecast) enoughFrom(m *measure, stage int) int {
	for i := stage + 1; i < len(f.plan.Stages); i++ {
		s := &f.plan.Stages[i]
		if s.Weight < split.Whole && m.enough(i) <= s.Dwell.Seconds() {
			return i
		}
	}
	return stage
}

// unitName is what the samples of a gate are.
func (m *measure) unitName() string {
	switch {
	case m.windowed:
		return "windows"
	case m.gate.Outcome && !m.gate.PerExposure:
		return "reports in each arm"
	}
	return "requests in each arm"
}

// margins warns of margins that are not proven in time, or take long to prove.
func (w *warner) margins() {
	if w.proving < 0 {
		return
	}
	stage, start := w.proving, w.proof[w.proving].start
	end := w.proof.end()
	dwell := w.plan.Stages[stage].Dwell.Seconds()
	for i, m := range w.measures {
		if m.gate.From > stage || m.gate.GuardOnly {
			continue
		}
		proven := w.passes[i].by(end)
		at, ok := w.passes[i].when(0.8)
		switch {
		case proven < 0.8:
			w.notProven(i, proven)
		case ok && at-start > 1.5*max(dwell, 60):
			w.slow(i, at-start)
		}
	}
}

// notProven warns of a margin that is not proven in time.
func (w *warner) notProven(i int, proven float64) {
	m, stage := w.measures[i], w.proving
	s := &w.plan.Stages[stage]
	p := w.proof[stage]
	needs := w.provenWithin(m, stage)
	takes := "it would take more than " + Span(longest)
	var ps []Proposal
	if needs < longest {
		takes = "it takes " + Span(needs)
		if limit := niceTime(needs); limit > 0 {
			ps = append(ps, w.advisor.stage(stage, "wait longer", func(s *spec.ResolvedStage) { s.MaxDuration = limit })...)
		}
	}
	ps = append(ps, w.widerProposal(m, m.look(w.proof, p, p.length), "or prove less")...)
	ps = append(ps, w.advisor.gate(m.gate.Name, "or let it guard without waiting for its proof", func(g *spec.ResolvedGate) { g.Require = spec.NoHarm })...)
	then := fmt.Sprintf("onUndecided: %s", w.plan.OnUndecided)
	w.warn(CautionNotProven, m.gate.Name, stage, ps, "%s %s is proven within the %s of the %s stage in %s of the rollouts in which nothing changed (%s in four of five); without it the rollout ends there with %s",
		m.gate.Name, m.gate.MarginText(), Span(deadline(s)), w.at(stage), shareText(proven), takes, then)
}

// widerProposal proposes the margin that is proven with 80 % power at a look.
func (w *warner) widerProposal(m *measure, l look, why string) []Proposal {
	least := m.proves(l, w.powers.p80)
	if least == 0 {
		return nil
	}
	relative := m.gate.Method != gate.Difference || m.gate.Slope != 1
	margin := niceMargin(least, relative)
	if margin == 0 || margin <= m.margin() || m.worse() < 0 && margin >= 0.9 {
		return nil
	}
	return w.advisor.wider(m.gate.Name, margin, why)
}

// provenWithin is when in a stage the margin is proven with 80 % power, by its
// expected evidence; longest where it is not by then.
func (w *warner) provenWithin(m *measure, stage int) float64 {
	p := w.proof[stage]
	p.length = longest
	t := w.proof[:stage].then(stage, longest)
	enough := func(seconds float64) bool {
		l := m.look(t, p, seconds).part(w.powers.p80)
		strata := len(l.nT)
		yT, yC := make([]float64, strata), make([]float64, strata)
		for s := range yT {
			yT[s], yC[s] = m.unchanged(), m.base
		}
		return m.begun(&l) && m.excess(&l, passing, yT, yC) >= 0
	}
	if m.gate.Kind == gate.Drift || !enough(longest) {
		return longest
	}
	low, high := 1.0, longest
	for high > 1.02*low {
		if middle := math.Sqrt(low * high); enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// slow warns of a margin whose proof takes longer than the dwell.
func (w *warner) slow(i int, takes float64) {
	m, stage := w.measures[i], w.proving
	p := w.calm[stage]
	dwell := w.plan.Stages[stage].Dwell.Seconds()
	ps := w.widerProposal(m, m.look(w.proof, w.proof[stage], min(dwell, p.length)), "prove what the dwell can prove")
	w.warn(CautionSlow, m.gate.Name, stage, ps, "the %s stage waits for the proof of %s %s: up to %s in four of five rollouts, its dwell is %s",
		w.at(stage), m.gate.Name, m.gate.MarginText(), Span(takes), Span(dwell))
}

// blind warns of gates that find no harm of a size that happens.
func (w *warner) blind() {
	for i, m := range w.measures {
		first, last := -1, -1
		var seen *Change
		for s := range w.outlook.Stages {
			at := &w.outlook.Stages[s].Gates[i]
			if !at.Active || !w.compares(m, s) {
				continue
			}
			if m.gross(at.Catches.P80) {
				if first < 0 {
					first = s
				}
				last, seen = s, at.Catches.P80
			}
		}
		if first >= 0 {
			w.blindAt(m, first, last, seen)
		}
	}
}

// gross reports whether a harm is larger than those that a rollout is there for;
// nil is one that is never found.
func (m *measure) gross(c *Change) bool {
	switch {
	case c == nil:
		return true
	case m.gate.Kind == gate.Drift:
		return false
	case c.Relative < 0:
		return c.Relative < -0.6
	case m.gate.Kind == gate.Rate:
		return c.Relative > 14 && c.Level > 0.2
	}
	return c.Relative > 3
}

func (w *warner) blindAt(m *measure, first, last int, seen *Change) {
	finds := "nothing"
	if seen != nil {
		finds = "nothing below " + seen.Text
	}
	where := w.at(first)
	if last > first {
		where += " to " + w.at(last)
	}
	var ps []Proposal
	if next := last + 1; next < len(w.plan.Stages) && w.compares(m, next) && m.gate.From < next {
		ps = w.advisor.from(m.gate.Name, next, "begin where it can see")
	}
	w.warn(CautionBlind, m.gate.Name, first, ps, "%s finds %s at %s with 80%% power", m.gate.Name, finds, where)
}

// criticalWeight is the share of the traffic by which a critical harm should be
// found.
const criticalWeight = split.Whole / 10

// criticalShare is the share of critical harms that should be found by then.
const criticalShare = 0.95

// criticalChange is the change of a metric that is critical by definition.
func (m *measure) criticalChange() (float64, bool) {
	g := m.gate
	switch {
	case g.Kind == gate.Quantile && g.Quantile >= 0.95:
		return 1, true
	case g.Kind == gate.Rate && (g.Complement || m.worse() < 0):
		return -0.3, true
	case g.Kind == gate.Rate && g.Name == "error_rate":
		return 4, true
	}
	return 0, false
}

// critical warns of critical harms that reach more than a tenth of the traffic.
func (w *warner) critical() {
	stage := -1
	for i := range w.plan.Stages {
		if w.plan.Stages[i].Weight <= criticalWeight {
			stage = i
		}
	}
	if stage < 0 {
		return
	}
	for _, m := range w.measures {
		change, is := m.criticalChange()
		if !is || m.gate.Holds || m.gate.From > stage || m.ceilingOnly() {
			continue
		}
		level := min(m.at(change), m.ceiled())
		if m.worse()*(level-m.atMargin()) <= 0 {
			continue // Five times next to nothing is no harm.
		}
		stuck := w.stuck(m, level)
		if stuck >= 0 && stuck <= stage {
			continue // It does not come past that stage without a proof.
		}
		if found := w.foundBy(m, level, stage, w.calm[stage].length); found < criticalShare {
			w.criticalLate(m, level, stage, found)
		}
	}
}

// foundBy is the probability that a harm is found by the end of a stage of a
// given length.
func (w *warner) foundBy(m *measure, level float64, stage int, length float64) float64 {
	t := w.calm[:stage].then(stage, length)
	var c course
	for _, p := range t {
		c = c.then(m.course(t, p, span{0, p.length}, failing))
	}
	return c.run(m, level, w.noise).by(t.end())
}

func (w *warner) criticalLate(m *measure, level float64, stage int, found float64) {
	var ps []Proposal
	for _, times := range []time.Duration{2, 3, 4, 6, 12, 24} {
		if dwell := times * w.plan.Stages[stage].Dwell; w.foundBy(m, level, stage, dwell.Seconds()) >= criticalShare {
			ps = w.advisor.stage(stage, "stay longer at a small weight", longer(dwell))
			break
		}
	}
	more := ""
	if ps == nil {
		more = ", and no dwell up to 24 times as long would do"
	}
	w.warn(CautionCritical, m.gate.Name, stage, ps, "%s %s is found by the end of %s in %s of the rollouts; the others go on to higher weights with it%s",
		m.gate.Name, m.change(level).Text, w.at(stage), shareText(found), more)
}

// revenue warns of a mean of outcomes without a rate beside it.
func (w *warner) revenue() {
	var mean *measure
	for _, m := range w.measures {
		switch {
		case m.gate.Outcome && m.gate.Kind == gate.Rate:
			return
		case m.gate.Outcome && m.gate.Kind == gate.Mean && m.worse() < 0:
			mean = m
		}
	}
	if mean == nil {
		return
	}
	beside := spec.ResolvedGate{
		Metric: "outcome:conversion", Outcome: "conversion", Kind: spec.KindRate, Harm: spec.Decrease, Per: spec.PerReport,
		Margin: &spec.Margin{Relative: true, Value: 0.05},
	}
	if mean.gate.From > 0 && mean.gate.From < len(w.advisor.stages) {
		beside.From = w.advisor.stages[mean.gate.From].Weight
	}
	if h := mean.horizon(); h > 0 {
		beside.Horizon = h
	}
	name := strings.TrimPrefix(mean.gate.Name, "outcome:")
	w.warn(CautionRevenue, mean.gate.Name, -1, []Proposal{{Why: "guard how often it happens, beside how much it is", YAML: gateYAML(beside)}},
		"%s is the only gate on outcomes; how often there is any %s at all is decided five to ten times sooner than its mean", mean.gate.Name, name)
}
