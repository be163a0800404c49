package spec

import (
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Refusals name what is written correctly and cannot run in this version.
type Refusals []Problem

// Error returns the refusals, one a line.
func (rs Refusals) Error() string { return Problems(rs).Error() }

// ProblemCode says that the request was understood and cannot be done.
func (rs Refusals) ProblemCode() problem.Code { return problem.Refused }

// Err returns the refusals as an error, and nil when there are none.
func (rs Refusals) Err() error {
	if len(rs) == 0 {
		return nil
	}
	return rs
}

// runnableProtocols are the protocols that the router speaks.
var runnableProtocols = map[Protocol]bool{ProtocolV2: true, ProtocolHTTP: true}

// refuser collects refusals, each at its place.
type refuser struct {
	origin   Origin
	refusals Refusals
	warnings []Warning
}

func (r *refuser) at(source *Source, path, message, hint string) {
	r.refusals = append(r.refusals, source.Problem(path, message, hint))
}

// plan refuses something at a path of the plan.
func (r *refuser) plan(path, message, hint string) {
	source, at := r.place(path)
	r.at(source, at, message, hint)
}

// place finds a path of the plan in the user's files.
func (r *refuser) place(path string) (*Source, string) {
	source, at := find(r.origin.parts, path)
	if source == nil {
		source = r.origin.rollout
	}
	return source, at
}

// UnsupportedModel names what this version cannot serve of a model.
func UnsupportedModel(m Model) Refusals {
	r := &refuser{}
	s := m.Source
	if m.Protocol != "" && !runnableProtocols[m.Protocol] {
		r.at(s, "spec.protocol", fmt.Sprintf("protocol %s cannot run in this version", m.Protocol), "write v2 or http")
	}
	if m.Endpoint != "" {
		r.at(s, "spec.endpoint", "endpoints by template cannot run in this version", "write the `url` of each version")
	}
	if len(m.Environments) > 0 {
		r.at(s, "spec.environments", "several environments cannot run in this version", "write `serving` and `route` at the model itself")
	}
	if m.Serving != nil {
		r.version(s, "spec.serving", *m.Serving, m.Name)
	}
	return r.refusals
}

// version refuses what cannot be done with a version.
func (r *refuser) version(source *Source, path string, v Version, model string) {
	if len(v.Run) > 0 {
		r.at(source, path+".run", "starting servers cannot run in this version", "start the server yourself, and write its `url`")
	}
	if v.As != "" && v.As != model {
		r.at(source, path+".as", "another name at the server cannot run in this version", "serve the version under the model's name, "+model)
	}
}

// Unsupported names, field by field, what this version cannot run of a rollout.
// A rollout without refusals can be started; the warnings say what it leaves out.
func Unsupported(resolved Resolved) (Refusals, []Warning) {
	r := &refuser{origin: resolved.Origin}
	r.model(resolved)
	if len(resolved.Environments) == 0 {
		r.plan("environments", "a rollout without stages cannot run", "write `stages:`")
	}
	r.body(resolved)
	return r.refusals, r.warnings
}

// body refuses what belongs to the plan.
func (r *refuser) body(resolved Resolved) {
	if n := len(resolved.Environments); n > 1 {
		r.plan("environments", fmt.Sprintf("%d environments cannot run in this version", n), "write one environment, or `stages:` alone")
	}
	for i, e := range resolved.Environments {
		r.environment(e, i)
	}
	for i, g := range resolved.Gates {
		r.gate(document.Index("gates", i), g)
	}
	if len(resolved.Notify) > 0 {
		r.plan("notify", "notices cannot be sent by this version", "leave them out; `belay watch -o json` writes one line per change")
	}
}

// model refuses what belongs to the model and the candidate.
func (r *refuser) model(resolved Resolved) {
	m := Model{Name: resolved.Model, Protocol: resolved.Protocol, Unit: resolved.Unit, Source: r.origin.model}
	r.refusals = append(r.refusals, UnsupportedModel(m)...)
	if len(resolved.Environments) == 0 {
		return
	}
	e := resolved.Last()
	r.version(r.origin.model, "spec.serving", Version(e.Baseline), resolved.Model)
	r.version(r.origin.rollout, "spec.candidate", Version(e.Candidate), resolved.Model)
}

// environment refuses what belongs to one environment.
func (r *refuser) environment(e ResolvedEnvironment, i int) {
	path := document.Index("environments", i)
	if e.DrillWithin > 0 {
		r.plan(path+".requires.drillWithin", "drills cannot run in this version", "leave `requires` out")
	}
	if r.origin.short {
		path = ""
	} else {
		path += "."
	}
	for j, s := range e.Stages {
		r.stage(path+document.Index("stages", j), s)
	}
}

// stage refuses what belongs to one stage.
func (r *refuser) stage(path string, s ResolvedStage) {
	switch s.Kind {
	case StageCheck:
		r.plan(path+".check", fmt.Sprintf("check: %s cannot run in this version", s.Check), "leave the stage out")
		return
	case StageShadow:
		r.plan(path+".shadow", "shadow stages cannot run in this version", "begin with a small weight such as 1%")
		return
	case StageWeight:
	}
	if s.Approval {
		r.plan(path+".approval", fmt.Sprintf("approvals cannot run in this version (the stage at %s asks for one)", s.Weight),
			"write the stages without `approval`, or pause the rollout there by hand")
	}
	if len(s.Gates) > 0 {
		r.plan(path+".gates", "gates of one stage cannot run in this version", "write them in `gates`, with `from:` where they shall begin")
	}
	if s.KeepWarm == 0 {
		return
	}
	const message = "keeping the old version warm after the rollout cannot run in this version"
	if source, at := r.place(path + ".keepWarm"); source != nil && source.preset {
		r.warnings = append(r.warnings, Warning{NotKept, source.Problem(at,
			"the preset asks to keep the old version warm for "+FormatDuration(s.KeepWarm)+" after the rollout; this version does not do so yet",
			"keep its server running by yourself")})
		return
	}
	r.plan(path+".keepWarm", message, "leave it out, and keep the server running by yourself")
}

// gate refuses metrics that are not measured yet.
func (r *refuser) gate(path string, g ResolvedGate) {
	switch {
	case g.Source != "" && g.Source != SourceScrape:
		r.plan(path+".source", fmt.Sprintf("metrics by %s cannot run in this version", g.Source), "write `source: scrape`, or gate on error_rate, latency_pNN or outcome:NAME")
	case g.Source == SourceScrape && g.Kind != KindGauge:
		r.plan(path+".source", fmt.Sprintf("%s by scrape is a %s, which cannot run in this version", g.Metric, g.Kind),
			"leave kind out, and give a resource of the servers a name of its own")
	case g.Source == SourceScrape, g.Outcome != "", g.Output != "", g.Metric == "error_rate", g.Metric == "client_error_rate", strings.HasPrefix(g.Metric, "latency_p"):
	default:
		r.plan(path+".metric", g.Metric+" cannot be measured by this version", "gate on error_rate, client_error_rate, latency_pNN, outcome:NAME or output:NAME")
	}
}

// UnsupportedPolicy names what this version cannot run of a policy and of all
// that it extends. A policy that leaves its stages to others is judged by what
// it says.
func UnsupportedPolicy(p Policy, policies func(name string) (Policy, bool)) (Refusals, []Warning, error) {
	list, problems := chain(p.Name, p.Source, "metadata.name", func(name string) (Policy, bool) {
		if name == p.Name {
			return p, true
		}
		return lookup(name, policies)
	})
	if problems != nil {
		return nil, nil, problems.Err()
	}
	f := flatten(list)
	plan := fillPlan(f.Plan)
	r := &refuser{origin: Origin{rollout: p.Source, parts: f.parts, short: plan.Stages != nil}}
	resolved := Resolved{Gates: resolveGates(plan.Gates), Segments: resolveSegments(plan.Segments), Notify: resolveNotify(plan.Notify)}
	resolved.Rollback.Auto = *plan.Rollback.Auto
	for _, e := range environmentsOf(plan) {
		resolved.Environments = append(resolved.Environments, resolveEnvironment(e, plan))
	}
	r.body(resolved)
	return r.refusals, r.warnings, nil
}
