package spec

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Resolve merges a rollout with its model and its policy into one flat value
// with every default filled in. policies finds policies by name; presets need
// not be among them, and nil finds none.
//
// The error is a Problems. What the engine of this version cannot run is no
// error here: see Unsupported.
func Resolve(model Model, rollout Rollout, policies func(name string) (Policy, bool)) (Resolved, []Warning, error) {
	f, warnings, problems := rollout.flat(policies)
	if f == nil {
		return Resolved{}, warnings, problems.Err()
	}
	r := &resolver{model: model, rollout: rollout, flat: f, problems: problems}
	resolved := r.resolve()
	if err := r.problems.Err(); err != nil {
		return Resolved{}, sortWarnings(warnings), err
	}
	if w, ok := r.oneServer(resolved); ok {
		warnings = append(warnings, w)
	}
	return resolved, sortWarnings(warnings), nil
}

// policy returns the name of the rollout's policy.
func (r Rollout) policy() string {
	if r.Policy == "" {
		return DefaultPolicy
	}
	return r.Policy
}

// flat returns the rollout's plan with all that it inherits, or nil when a
// policy is not known.
func (r Rollout) flat(policies func(string) (Policy, bool)) (*flat, []Warning, Problems) {
	list, problems := chain(r.policy(), r.Source, "spec.policy", policies)
	if problems != nil {
		return nil, nil, problems
	}
	f := flatten(list)
	f.over(r.Plan, r.Source)
	c := &planChecker{flat: f, owner: r.Source}
	c.check()
	return f, c.warnings, c.problems
}

// resolver turns a flat plan into a Resolved.
type resolver struct {
	model    Model
	rollout  Rollout
	flat     *flat
	problems Problems
}

func (r *resolver) report(source *Source, path, message, hint string) {
	r.problems = append(r.problems, source.Problem(path, message, hint))
}

func (r *resolver) resolve() Resolved {
	p := fillPlan(r.flat.Plan)
	out := Resolved{
		Rollout:  r.rollout.Name,
		Model:    r.model.Name,
		Policy:   r.rollout.policy(),
		Protocol: r.model.Protocol,
		Unit:     r.model.Unit,
		AllowPin: *p.AllowPin && r.model.Pin != PinDeny,
		Gates:    resolveGates(p.Gates),
		Analysis: ResolvedAnalysis{*p.Analysis.Alpha, p.Analysis.OnUndecided},
		Faults:   ResolvedFaults{p.Faults.NoTraffic, p.Faults.SourceDown, p.Faults.SampleRatioMismatch, *p.Faults.HoldFor, p.Faults.Then},
		Rollback: ResolvedRollback{*p.Rollback.Auto, *p.Rollback.Within, *p.Rollback.Shield, *p.Rollback.Cooldown},
		Segments: resolveSegments(p.Segments),
		Notify:   resolveNotify(p.Notify),
		Origin:   Origin{rollout: r.rollout.Source, model: r.model.Source, parts: r.flat.parts, short: p.Stages != nil},
	}
	if out.Protocol == "" || out.Unit.Kind == "" { // A Model that was not made by Parse.
		m := r.model
		modelShape.Fill(&m)
		out.Protocol, out.Unit = m.Protocol, m.Unit
	}
	if r.rollout.Model != r.model.Name {
		r.report(r.rollout.Source, "spec.model", fmt.Sprintf("the rollout is for %s, not for %s", value.Quote(r.rollout.Model), value.Quote(r.model.Name)), "write the model's name")
	}
	for _, e := range environmentsOf(p) {
		out.Environments = append(out.Environments, r.environment(e, p))
	}
	r.outputs(out.Protocol)
	return out
}

// outputs checks that outputs are named as the model's protocol names them.
func (r *resolver) outputs(p Protocol) {
	if p == ProtocolV2 || p == ProtocolGRPC {
		return
	}
	check := func(path string, list []Gate) {
		for i, g := range list {
			if m, _ := metricOf(g); m.output == "" || value.IsPointer(m.output) {
				continue
			}
			source, at := r.flat.where(document.Index(path, i) + ".metric")
			if source == nil {
				source = r.rollout.Source
			}
			r.report(source, at, fmt.Sprintf("%s names a tensor, and under protocol %s there are none", g.Metric, p),
				"write where it is in the answer's JSON, such as output:/score")
		}
	}
	check("gates", r.flat.Gates)
	for _, l := range r.flat.ladders() {
		for i, s := range l.stages {
			check(document.Index(l.path, i)+".gates", s.Gates)
		}
	}
}

// shortName is the name of the environment that `stages:` stands for.
const shortName = "production"

// environmentsOf returns the environments of a plan, however it was written.
func environmentsOf(p Plan) []Environment {
	if p.Stages != nil {
		return []Environment{{Name: shortName, Stages: p.Stages}}
	}
	return p.Environments
}

// fillPlan returns a copy of a plan with the defaults of its own fields.
func fillPlan(p Plan) Plan {
	planShape.Fill(&p)
	p.Analysis = filled(analysisShape, p.Analysis)
	p.Faults = filled(faultsShape, p.Faults)
	p.Rollback = filled(rollbackShape, p.Rollback)
	if p.Segments != nil {
		p.Segments = filled(segmentsShape, p.Segments)
	}
	return p
}

// filled returns a copy of an object with its defaults.
func filled[T any](s *field.Shape, obj *T) *T {
	c := new(T)
	if obj != nil {
		*c = *obj
	}
	s.Fill(c)
	return c
}

// environment resolves one environment.
func (r *resolver) environment(e Environment, p Plan) ResolvedEnvironment {
	out := resolveEnvironment(e, p)
	serving, route, path := r.serving(e.Name)
	if serving == nil {
		r.report(r.model.Source, "spec.environments", fmt.Sprintf("the model says nothing of the environment %s, which the policy has", value.Quote(e.Name)),
			"write its serving version there")
		return out
	}
	out.Route = r.route(route)
	out.Baseline = r.version(*serving, e.Name, r.model.Source, path)
	if r.rollout.Candidate != nil {
		out.Candidate = r.version(*r.rollout.Candidate, e.Name, r.rollout.Source, "spec.candidate")
		r.apart(out)
	}
	return out
}

// resolveEnvironment resolves what an environment has without a model.
func resolveEnvironment(e Environment, p Plan) ResolvedEnvironment {
	out := ResolvedEnvironment{Name: e.Name}
	if e.Requires != nil && e.Requires.DrillWithin != nil {
		out.DrillWithin = *e.Requires.DrillWithin
	}
	promotion := lastBelowWhole(e.Stages)
	for i, s := range e.Stages {
		out.Stages = append(out.Stages, resolveStage(s, p, i == promotion))
	}
	return out
}

// serving returns the model's version and route in an environment.
func (r *resolver) serving(environment string) (*Version, *Route, string) {
	route := r.model.Route
	for i, e := range r.model.Environments {
		if e.Name != environment {
			continue
		}
		if e.Route != nil {
			route = e.Route
		}
		if e.Serving != nil {
			return e.Serving, route, document.Index("spec.environments", i) + ".serving"
		}
	}
	return r.model.Serving, route, "spec.serving"
}

// version resolves where a version answers in an environment.
func (r *resolver) version(v Version, environment string, source *Source, path string) ResolvedVersion {
	out := ResolvedVersion{Version: v.Version, URL: v.URL, Metrics: slices.Clone(v.Metrics), As: v.As, Run: slices.Clone(v.Run)}
	if out.As == "" {
		out.As = r.model.Name
	}
	if out.URL != "" {
		return out
	}
	if r.model.Endpoint == "" {
		r.report(source, path+".url", "it is missing, and the model has no endpoint", "write where the version answers")
		return out
	}
	out.URL = value.Expand(r.model.Endpoint, r.model.Name, v.Version, environment)
	if _, err := value.ParseURL(out.URL); err != nil {
		r.report(source, path+".version", fmt.Sprintf("it makes %s of the model's endpoint, which is no URL", value.Quote(out.URL)), "write the url of this version")
	}
	return out
}

// DefaultMetrics returns where the server of a version tells of itself when the
// file does not say: /metrics at the host and port of its URL.
func DefaultMetrics(address string) string {
	u, err := url.Parse(address)
	if err != nil { // Not reached: the URL was read before.
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/metrics"}).String()
}

// apart checks that the two arms differ.
func (r *resolver) apart(e ResolvedEnvironment) {
	switch b, c := e.Baseline, e.Candidate; {
	case b.Version == c.Version:
		r.report(r.rollout.Source, "spec.candidate.version", fmt.Sprintf("%s is the version that serves now", value.Quote(c.Version)), "write the new version")
	case b.URL == c.URL && b.As == c.As && b.URL != "":
		r.report(r.rollout.Source, "spec.candidate.url", fmt.Sprintf("both versions answer at %s", c.URL), "write where the candidate answers")
	}
}

// route fills the default route of the protocol.
func (r *resolver) route(route *Route) ResolvedRoute {
	if route == nil {
		route = &Route{}
	}
	out := ResolvedRoute{Host: route.Host, PathPrefix: route.PathPrefix}
	if route.Header != nil {
		out.HeaderName, out.HeaderValue = route.Header.Name, route.Header.Value
	}
	if out.PathPrefix == "" {
		out.PathPrefix = DefaultPath(r.model.Protocol, r.model.Name)
	}
	return out
}

// DefaultPath returns the path prefix of a model that says none.
func DefaultPath(protocol Protocol, model string) string {
	if protocol == ProtocolV2 || protocol == "" {
		return "/v2/models/" + model
	}
	return "/"
}

// lastBelowWhole returns the index of the last stage with a weight below 100 %.
func lastBelowWhole(stages []Stage) int {
	for i, s := range slices.Backward(stages) {
		if s.Weight != nil && *s.Weight < Whole {
			return i
		}
	}
	return -1
}

// The computed defaults of a stage; the table describes them.
const (
	leastMaxDuration = 48 * time.Hour
	mostWarmup       = 2 * time.Minute
	warmupShare      = 10
)

// resolveStage fills a stage. promotion says that it is the one before 100 %.
func resolveStage(s Stage, p Plan, promotion bool) ResolvedStage {
	stageShape.Fill(&s)
	out := ResolvedStage{Kind: s.Kind(), Approval: *s.Approval, Gates: resolveGates(s.Gates)}
	switch out.Kind {
	case StageCheck:
		out.Check, out.File, out.Run = s.Check, s.File, slices.Clone(s.Run)
		out.Rate, out.For, out.Speed = float64(deref(s.Rate)), deref(s.For), deref(s.Speed)
		return out
	case StageShadow:
		out.Weight = *s.Shadow
	case StageWeight:
		out.Weight, out.Holdback, out.KeepWarm = *s.Weight, *s.Holdback, *s.KeepWarm
	}
	out.Dwell = *s.Dwell
	out.MaxDuration = max(leastMaxDuration, 2*out.Dwell)
	if s.MaxDuration != nil {
		out.MaxDuration = *s.MaxDuration
	}
	out.MinSamples = *p.MinSamples
	if s.MinSamples != nil {
		out.MinSamples = *s.MinSamples
	}
	out.Require = s.Require
	if out.Require == "" && promotion {
		out.Require = WithinMargin
	} else if out.Require == "" {
		out.Require = NoHarm
	}
	out.Tolerance = deref(s.Tolerance)
	if out.Kind == StageWeight {
		out.Warmup = min(mostWarmup, out.Dwell/warmupShare)
		if p.Warmup != nil {
			out.Warmup = *p.Warmup
		}
	}
	return out
}

// deref returns what p points to, or the zero value.
func deref[V any](p *V) V {
	if p == nil {
		var zero V
		return zero
	}
	return *p
}

// resolveGates fills gates.
func resolveGates(list []Gate) []ResolvedGate {
	var out []ResolvedGate
	for _, g := range list {
		gateShape.Fill(&g)
		m, _ := metricOf(g)
		r := ResolvedGate{
			Metric: g.Metric, Kind: m.kind, Outcome: m.outcome, Output: m.output, Class: g.Class, Quantile: m.quantile,
			Source: g.Source, Query: g.Query,
			Harm: harmOf(g, m), Margin: g.MaxIncrease, Max: g.Max, Min: g.Min,
			IgnoreBelow: deref(g.IgnoreBelow), Expect: deref(g.Expect), Cap: deref(g.Cap), Covariate: deref(g.Covariate),
			Per: g.Per, Horizon: deref(g.Horizon), From: deref(g.From),
			Require: g.Require, Role: g.Role, OnFail: onFailOf(g, m),
		}
		if m.kind == KindDrift && r.Max == nil {
			r.Max = &Bound{Unit: BoundNumber, Value: defaultDistance}
		}
		if g.MaxDecrease != nil {
			r.Margin = g.MaxDecrease
		}
		if m.outcome != "" && r.Per == "" {
			r.Per = PerReport
		}
		out = append(out, r)
	}
	return out
}

// harmOf returns the direction of change that is bad.
func harmOf(g Gate, m metric) Direction {
	switch {
	case m.harm != "":
		return m.harm
	case g.MaxDecrease != nil, g.MaxIncrease == nil && g.Min != nil && g.Max == nil:
		return Decrease
	}
	return Increase
}

func resolveSegments(s *Segments) ResolvedSegments {
	if s == nil {
		return ResolvedSegments{}
	}
	return ResolvedSegments{By: slices.Clone(s.By), Guard: deref(s.Guard)}
}

func resolveNotify(list []Notice) []ResolvedNotice {
	var out []ResolvedNotice
	for _, n := range list {
		noticeShape.Fill(&n)
		r := ResolvedNotice{On: slices.Clone(n.On)}
		for _, t := range []struct {
			name   string
			target *Target
		}{{"slack", n.Slack}, {"teams", n.Teams}, {"pagerDuty", n.PagerDuty}, {"webhook", n.Webhook}} {
			if t.target != nil {
				r.Target, r.URL, r.URLFrom = t.name, t.target.URL, t.target.URLFrom
			}
		}
		if n.Email != nil {
			r.Target, r.To = "email", slices.Clone(n.Email.To)
		}
		out = append(out, r)
	}
	return out
}
