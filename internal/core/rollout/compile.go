package rollout

import (
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Compile turns a resolved file into a plan. History gives the baseline's rate
// of an outcome as it was seen before, or false; it settles how a relative
// margin on a success is tested, before the first request. What the file asks
// for and this program cannot run must have been refused before
// (spec.Unsupported); Compile refuses it too, without its place in the file.
func Compile(r spec.Resolved, attempt int, history func(outcome string) (float64, bool)) (Plan, error) {
	if len(r.Environments) != 1 {
		return Plan{}, problem.New(problem.Refused, "rollout %q walks through %d environments; this version runs one", r.Rollout, len(r.Environments))
	}
	env := r.Environments[0]
	if err := refuse(r, env); err != nil {
		return Plan{}, err
	}
	c := compiler{resolved: r, env: env, history: history}
	p := Plan{
		Rollout: r.Rollout, Model: r.Model, Policy: r.Policy, Environment: env.Name,
		Baseline:  Version{Name: env.Baseline.Version, URL: env.Baseline.URL, Metrics: env.Baseline.Metrics},
		Candidate: Version{Name: env.Candidate.Version, URL: env.Candidate.URL, Metrics: env.Candidate.Metrics},
		Attempt:   attempt,
		Protocol:  table.Protocol(r.Protocol),
		Match:     table.Match{Host: env.Route.Host, PathPrefix: env.Route.PathPrefix, Header: env.Route.HeaderName, HeaderValue: env.Route.HeaderValue},
		Unit:      table.Unit{Source: table.UnitSource(r.Unit.Kind), Name: r.Unit.Key},
		AllowPin:  r.AllowPin,
		Horizon:   horizon(r.Gates),
		Alpha:     float64(r.Analysis.Alpha), OnUndecided: r.Analysis.OnUndecided,
		Faults:   Faults{NoTraffic: r.Faults.NoTraffic, SourceDown: r.Faults.SourceDown, SampleRatio: r.Faults.SampleRatioMismatch, HoldFor: r.Faults.HoldFor, Then: r.Faults.Then},
		Rollback: Restore{Auto: r.Rollback.Auto, Within: r.Rollback.Within, Shield: r.Rollback.Shield, Cooldown: r.Rollback.Cooldown},
	}
	var err error
	if p.Stages, err = c.stages(); err != nil {
		return Plan{}, err
	}
	p.Layout = evidence.NewLayout(p.Unit.Clustered())
	for _, g := range r.Gates {
		compiled, err := c.gate(&p.Layout, g)
		if err != nil {
			return Plan{}, err
		}
		p.Gates = append(p.Gates, compiled)
		p.resource(g)
	}
	p.Segments = segments(r.Segments)
	shareAlpha(p.Gates, p.Segments)
	return p, nil
}

// refuse names what would otherwise be left out in silence.
func refuse(r spec.Resolved, env spec.ResolvedEnvironment) error {
	var what string
	switch {
	case r.Protocol != spec.ProtocolV2 && r.Protocol != spec.ProtocolHTTP:
		what = "protocol " + string(r.Protocol)
	case env.DrillWithin > 0:
		what = "a required drill"
	default:
		return nil
	}
	return problem.New(problem.Refused, "rollout %q: this version cannot run %s", r.Rollout, what)
}

type compiler struct {
	resolved spec.Resolved
	env      spec.ResolvedEnvironment
	history  func(string) (float64, bool)
}

func (c compiler) stages() ([]Stage, error) {
	out := make([]Stage, len(c.env.Stages))
	for i, s := range c.env.Stages {
		if s.Kind != spec.StageWeight || s.Approval || len(s.Gates) > 0 {
			return nil, problem.New(problem.Refused, "stage %d of %q: this version runs weight stages without approval and without gates of their own", i+1, c.env.Name)
		}
		if i > 0 && uint32(s.Share()) <= out[i-1].Weight {
			return nil, problem.New(problem.Invalid, "stage %d of %q: less what is held back, %s is no more than the stage before has", i+1, c.env.Name, s.Weight)
		}
		out[i] = Stage{
			Weight: uint32(s.Share()), Holdback: uint32(s.Weight - s.Share()),
			Dwell: s.Dwell, MaxDuration: s.MaxDuration, Warmup: s.Warmup,
			MinSamples: uint64(max(s.MinSamples, 0)), Require: s.Require, Tolerance: s.Tolerance,
		}
	}
	return out, nil
}

// gate compiles one gate and makes room for it in the layout.
func (c compiler) gate(l *evidence.Layout, r spec.ResolvedGate) (gate.Gate, error) {
	g := gate.Gate{
		Name: r.Name(), Worse: stats.Up, Slope: 1, Method: gate.None,
		Holds: r.OnFail == spec.OnFailHold, GuardOnly: r.Require == spec.NoHarm, Info: r.Role == spec.RoleInfo,
		From: c.stageAt(r.From),
	}
	var err error
	switch {
	case r.Source == spec.SourceScrape && r.Kind == spec.KindGauge:
		err = gauge(&g, l, r)
	case r.Source != "":
		err = unsupported(r, "source "+string(r.Source))
	case r.Quantile > 0:
		err = quantile(&g, l, r)
	case r.Output != "":
		err = c.output(&g, l, r)
	case r.Kind == spec.KindRate:
		err = c.rate(&g, l, r)
	case r.Kind == spec.KindMean && r.Outcome != "":
		err = mean(&g, l, r)
	default:
		err = unsupported(r, string(r.Kind)+" metrics")
	}
	return g, err
}

func unsupported(r spec.ResolvedGate, what string) error {
	return problem.New(problem.Refused, "gate %q: this version cannot judge %s", r.Metric, what)
}

// stageAt is the first stage whose weight, as written, is at least from.
func (c compiler) stageAt(from spec.Weight) int {
	for i, s := range c.env.Stages {
		if s.Weight >= from {
			return i
		}
	}
	return len(c.env.Stages)
}

// rate compiles a gate on a share of requests or of reports.
func (c compiler) rate(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) error {
	g.Kind, g.Outcome = gate.Rate, r.Outcome != ""
	g.Series = series(l, r.Name())
	g.Ceilings = rateCeilings(r)
	expose(g, l, r)
	if r.Margin == nil {
		return nil
	}
	up, v := r.Harm == spec.Increase, r.Margin.Value
	switch {
	case !r.Margin.Relative:
		g.Method, g.Margin, g.Complement = gate.Difference, v, !up
	case up && r.IgnoreBelow > 0:
		g.Method, g.Margin, g.Level = gate.Ignore, v, float64(r.IgnoreBelow)
	case up:
		g.Method, g.Margin = gate.Ratio, v
	case g.PerExposure, c.rare(r):
		// What is not reported yet cancels in a ratio alone.
		g.Method, g.Margin, g.Worse = gate.Ratio, -v, stats.Down
	default:
		// A common success: compare what is missing from it.
		g.Method, g.Margin, g.Slope, g.Complement = gate.Difference, v, 1-v, true
	}
	return nil
}

// rareBelow is the rate under which a success counts as rare.
const rareBelow = 0.5

// rare reports whether the baseline's rate of success is expected to be below
// one half: by the file's word, else by what was seen before.
func (c compiler) rare(r spec.ResolvedGate) bool {
	if r.Expect > 0 {
		return r.Expect < rareBelow
	}
	if c.history == nil || r.Outcome == "" {
		return false
	}
	seen, ok := c.history(r.Outcome)
	return ok && seen < rareBelow
}

// series returns the index of a rate, adding it to the layout.
func series(l *evidence.Layout, name string) int {
	if i, ok := l.Rate(name); ok {
		return i
	}
	l.Rates = append(l.Rates, name)
	return len(l.Rates) - 1
}

func rateCeilings(r spec.ResolvedGate) []gate.Ceiling {
	var out []gate.Ceiling
	if r.Max != nil {
		out = append(out, gate.Ceiling{Limit: r.Max.Value, Text: "max " + plain(r.Max.Value)})
	}
	if r.Min != nil {
		out = append(out, gate.Ceiling{Limit: 1 - r.Min.Value, Complement: true, Text: "min " + plain(r.Min.Value)})
	}
	return out
}

// finestLatency is the least margin of a latency. Latencies are kept in buckets
// as wide as a whole part of it, and those take room.
const finestLatency = 0.01

// ceilingResolution is the margin whose sketch serves a quantile that has a
// ceiling alone.
const ceilingResolution = 0.1

// quantile compiles a gate on a latency quantile.
func quantile(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) error {
	if r.Min != nil || (r.Margin != nil && !r.Margin.Relative) {
		return unsupported(r, "a latency with min, or with a margin that is not relative")
	}
	if r.Margin != nil && r.Margin.Value < finestLatency {
		return unsupported(r, "a latency margin below "+plain(finestLatency))
	}
	g.Kind, g.Quantile = gate.Quantile, r.Quantile
	margin := ceilingResolution
	if r.Margin != nil {
		g.Method, g.Margin = gate.Ratio, r.Margin.Value
		if r.Harm == spec.Decrease {
			g.Margin, g.Worse = -r.Margin.Value, stats.Down
		}
		margin = g.Margin
	}
	base, steps := evidence.BaseFor(margin)
	g.Sketch, g.Steps = sketch(l, base), steps
	g.Tail = len(l.Tails)
	l.Tails = append(l.Tails, evidence.Tail{Sketch: g.Sketch, Quantile: r.Quantile, Steps: steps})
	if r.Max != nil {
		over := time.Duration(r.Max.Value * float64(time.Second))
		g.Ceilings = []gate.Ceiling{{Limit: 1 - r.Quantile, Over: over, Text: fmt.Sprintf("max %v", over)}}
	}
	return nil
}

// sketch returns the index of a sketch with a base, adding it to the layout.
func sketch(l *evidence.Layout, base evidence.Base) int {
	for i, b := range l.Sketches {
		if b == base {
			return i
		}
	}
	l.Sketches = append(l.Sketches, base)
	return len(l.Sketches) - 1
}

// expose makes room for the exposures that an outcome is counted over, and sets
// the age at which it counts.
func expose(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) {
	if r.Horizon > 0 {
		l.SetHorizon(r.Metric, r.Horizon)
	}
	if g.PerExposure = r.Per == spec.PerExposure; g.PerExposure {
		g.Exposures = l.AddExposures(r.Horizon)
	}
}

// mean compiles a gate on the mean of reported numbers.
func mean(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) error {
	g.Kind, g.Outcome = gate.Mean, true
	g.Series = l.AddValues(evidence.Series{Name: r.Metric, Cap: r.Cap, Covariate: r.Covariate})
	g.Ceilings = numberCeilings(r)
	expose(g, l, r)
	g.Covariate = r.Covariate
	return relative(g, r)
}

// gauge compiles a gate on a resource of the servers.
func gauge(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) error {
	g.Kind = gate.Gauge
	g.Series = l.AddGauge(r.Metric)
	g.Ceilings = numberCeilings(r)
	return relative(g, r)
}

// relative sets the margin of a level, which is always relative.
func relative(g *gate.Gate, r spec.ResolvedGate) error {
	if r.Margin == nil {
		return nil
	}
	if !r.Margin.Relative {
		return unsupported(r, "a margin that is not relative")
	}
	g.Method, g.Margin = gate.Ratio, r.Margin.Value
	if r.Harm == spec.Decrease {
		g.Margin, g.Worse = -r.Margin.Value, stats.Down
	}
	return nil
}

func numberCeilings(r spec.ResolvedGate) []gate.Ceiling {
	var out []gate.Ceiling
	if r.Max != nil {
		out = append(out, gate.Ceiling{Limit: r.Max.Value, Text: "max " + r.Max.String()})
	}
	if r.Min != nil {
		out = append(out, gate.Ceiling{Limit: r.Min.Value, Complement: true, Text: "min " + r.Min.String()})
	}
	return out
}

func segments(r spec.ResolvedSegments) *Segments {
	if len(r.By) == 0 {
		return nil
	}
	out := &Segments{Guard: r.Guard}
	for _, by := range r.By {
		out.By = append(out.By, table.Unit{Source: table.UnitSource(by.Kind), Name: by.Key})
	}
	return out
}

// shareAlpha splits alpha equally over the gates of each family: those that roll
// back and those that hold, less what is for segments. A gate that only informs
// is a family of its own.
func shareAlpha(gates []gate.Gate, s *Segments) {
	whole := 1.0
	if s.guarded() {
		whole = wholePart
	}
	var guards, holds float64
	for i := range gates {
		switch g := &gates[i]; {
		case g.Info:
		case g.Holds:
			holds++
		default:
			guards++
		}
	}
	for i := range gates {
		switch g := &gates[i]; {
		case g.Info:
			g.Share = 1
		case g.Holds:
			g.Share = whole / holds
		default:
			g.Share = whole / guards
		}
	}
}

// leastHorizon is how long outcomes count at least.
const leastHorizon = 24 * time.Hour

// horizon is how long the slowest gate waits for its outcomes.
func horizon(gates []spec.ResolvedGate) time.Duration {
	longest := leastHorizon
	for _, g := range gates {
		longest = max(longest, g.Horizon)
	}
	return longest
}
