package planner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// Compile compiles a resolved file as a server would that has seen the traffic.
func Compile(r spec.Resolved, t Traffic) (rollout.Plan, error) {
	return rollout.Compile(r, 1, func(outcome string) (float64, bool) {
		l, ok := t.Levels["outcome:"+outcome]
		return l.Value, ok && l.CV == 0
	})
}

// Look says what is to be expected of a rollout at a traffic. Its error is a
// mistake of the file or of the traffic, with all that is wrong of it.
func Look(r spec.Resolved, t Traffic) (Outlook, error) {
	p, err := Compile(r, t)
	if err != nil {
		return Outlook{}, err
	}
	return lookAlong(&p, r, t, outlookPaths)
}

// lookAlong is Look of a compiled plan, along so many rollouts of chance.
func lookAlong(p *rollout.Plan, r spec.Resolved, t Traffic, paths int) (Outlook, error) {
	f, err := newForecast(p, t, paths)
	if err != nil {
		return Outlook{}, err
	}
	o := f.outlook()
	o.Warnings = f.warnings(&o, r)
	o.round()
	return o, nil
}

// outlook is the forecast in words and numbers, without its warnings.
func (f *forecast) outlook() Outlook {
	p := f.plan
	o := Outlook{
		SchemaVersion: SchemaVersion, Rollout: p.Rollout, Model: p.Model, Policy: p.Policy,
		Unguarded: p.Unguarded(len(p.Stages)),
		Traffic:   TrafficOutlook{RequestsPerSecond: f.traffic.Rate, Origin: f.traffic.Origin},
		Assumed:   f.assumed(), Proven: f.proven, Warnings: []Warning{},
	}
	end := f.calm.end()
	o.Complete = Times{P50: end, P80: finite(end + f.late80), P90: finite(end + f.late90)}
	if f.proven < 0.5 {
		o.Complete = Times{}
	}
	for i := range f.calm {
		o.Stages = append(o.Stages, f.stage(i))
	}
	for i, m := range f.measures {
		path := f.path(m)
		catches, proves := f.catches(m, path), f.provesAt(m)
		for s := range o.Stages {
			o.Stages[s].Gates = append(o.Stages[s].Gates, f.gateAt(i, s, catches[s], proves[s]))
		}
		o.Gates = append(o.Gates, f.gate(i, path))
	}
	o.Weakest = f.weakest()
	o.Headline = f.headline(&o)
	return o
}

// finite is x, or 0 where it is no time.
func finite(x float64) float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	return x
}

// stage is a stage when nothing is wrong.
func (f *forecast) stage(i int) StageOutlook {
	s, p := &f.plan.Stages[i], f.calm[i]
	out := StageOutlook{
		WeightPercent: 100 * float64(s.Asked()) / split.Whole, Require: string(s.Require),
		StartSeconds: p.start, DwellSeconds: s.Dwell.Seconds(), Seconds: p.length, MaxDurationSeconds: s.MaxDuration.Seconds(),
		CandidateRequests: f.exposed(f.calm, p.end()) - f.exposed(f.calm, p.start), Exposed: f.exposed(f.calm, p.end()),
		Compares: s.Weight < split.Whole, Unguarded: f.plan.Unguarded(i),
	}
	switch w := f.waits[i]; {
	case w.gate == "":
	case w.verdict:
		out.WaitsFor = "the verdict of " + w.gate
	default:
		out.WaitsFor = "samples of " + w.gate
	}
	return out
}

// gateAt is a gate at the end of a stage.
func (f *forecast) gateAt(i, stage int, catches, proves Powered) GateAt {
	m, p := f.measures[i], f.calm[stage]
	out := GateAt{Gate: m.gate.Name, Active: m.gate.From <= stage, Catches: catches, Proves: proves}
	if !out.Active {
		return out
	}
	// What has come by the end of the stage; late reports come after it.
	l := m.look(f.calm, p, p.length)
	out.Candidate, out.Baseline = l.nT[stage], l.nC[stage]
	if f.plan.Stages[stage].Weight < split.Whole {
		out.EnoughSeconds = m.enough(stage)
	}
	out.MarginProven = f.passes[i].by(p.end())
	if f.proving >= 0 && stage > f.proving {
		out.MarginProven = f.passes[i].by(f.calm[f.proving].end())
	}
	return out
}

// gate is a gate over the whole rollout.
func (f *forecast) gate(i int, p *path) GateOutlook {
	m := f.measures[i]
	g := m.gate
	out := GateOutlook{
		Gate: g.Name, Kind: string(g.Kind), Margin: g.MarginText(), Baseline: m.baseText(),
		Origin: f.traffic.Origin, Holds: g.Holds, Alpha: f.plan.Alpha * g.Share,
		Pass: f.passes[i].times(), Harms: f.harms(m, p),
	}
	if m.isAssumed() {
		out.Origin = "assumed"
	}
	for s := range f.plan.Stages {
		stage := &f.plan.Stages[s]
		proves := stage.Require == spec.WithinMargin && stage.Weight < split.Whole
		out.Required = out.Required || proves && g.From <= s && !g.GuardOnly
	}
	return out
}

// isAssumed reports whether the level of a gate was not known.
func (m *measure) isAssumed() bool { return len(m.assumptions) > 0 }

// baseText is what the metric is at.
func (m *measure) baseText() string {
	g := m.gate
	switch g.Kind {
	case gate.Quantile:
		if !m.shape.Absolute {
			return "not known"
		}
		return latencyText(math.Exp(m.shape.quantile(g.Quantile)))
	case gate.Rate:
		if g.Complement {
			return shareOf(1 - m.base)
		}
		return shareOf(m.base)
	case gate.Mean:
		return fmt.Sprintf("%s (cv %s)", trimmed(m.level.Value, 4), trimmed(m.level.CV, 3))
	case gate.Gauge:
		return fmt.Sprintf("±%s a window", shareOf(m.level.Spread))
	case gate.Drift:
	}
	return ""
}

// shareOf writes a share as a percentage: 0.5%.
func shareOf(x float64) string {
	if x <= smallest {
		return "0%"
	}
	return trimmed(100*x, 3) + "%"
}

// latencyText writes seconds: 120ms.
func latencyText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

// assumed are the sentences of what was not known.
func (f *forecast) assumed() []string {
	var out []string
	for _, m := range f.measures {
		for _, a := range m.assumptions {
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	if f.plan.Layout.Clustered && !f.traffic.Measured {
		independent := true
		for _, m := range f.measures {
			independent = independent && m.phi == 1
		}
		if independent {
			out = append(out, "units that come back are taken to behave like independent requests; measured dispersion (--measure) or dispersion=N makes all this later, N times")
		}
	}
	return append(out, f.traffic.Notes...)
}

// weakest is the gate that is waited for longest, or that proves least.
func (f *forecast) weakest() string {
	if f.proving >= 0 {
		a := f.awaitedAt(f.proving)
		return a.slowest()
	}
	return ""
}

// headline says how long it takes when nothing is wrong.
func (f *forecast) headline(o *Outlook) string {
	p := f.plan
	stage := ""
	if f.proving >= 0 {
		stage = rollout.Weight(p.Stages[f.proving].Asked())
	}
	switch {
	case f.proving >= 0 && f.proven < 0.5:
		return fmt.Sprintf("It does not reach 100%% by itself: of the rollouts in which nothing is wrong %s prove all margins within the %s of the %s stage; the gate that keeps them is %s. Then onUndecided says what happens: %s.",
			shareText(f.proven), Span(deadline(&p.Stages[f.proving])), stage, marginOf(f, o.Weakest), p.OnUndecided)
	case f.proving < 0:
		return fmt.Sprintf("100%% is complete after %s when nothing is wrong; no stage waits for a proof.", Span(o.Complete.P50))
	}
	text := fmt.Sprintf("100%% is complete after %s when nothing is wrong", Span(o.Complete.P50))
	if o.Complete.P80 > 1.02*o.Complete.P50 {
		text += fmt.Sprintf(" (in four of five rollouts within %s)", Span(o.Complete.P80))
	}
	if w := f.waits[f.proving]; w.verdict {
		return text + fmt.Sprintf("; the gate to wait for is %s, proven after %s at %s.", marginOf(f, w.gate), Span(f.calm[f.proving].length), stage)
	}
	return text + "; every margin is proven within the dwell."
}

// marginOf names a gate with its margin.
func marginOf(f *forecast, name string) string {
	for _, m := range f.measures {
		if m.gate.Name == name {
			return name + " " + m.gate.MarginText()
		}
	}
	return name
}
