package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// checker collects what a document says wrongly although each field can be read.
type checker struct {
	source   *Source
	problems Problems
}

func (c *checker) report(path, message, hint string) {
	c.problems = append(c.problems, c.source.Problem(path, message, hint))
}

// empty reports whether a list was written as []; one whose items cannot be
// read is told of already.
func empty[T any](c *checker, path string, list []T) bool {
	return list != nil && len(list) == 0 && !c.source.wrote(document.Index(path, 0))
}

// checkModel checks a model by itself.
func checkModel(m Model) Problems {
	c := &checker{source: m.Source}
	if m.Serving == nil && len(m.Environments) == 0 && !m.Source.wrote("spec.serving") && !m.Source.wrote("spec.environments") {
		c.report("spec.serving", "it is missing", "write the version that serves now, such as `serving: {version: v6, url: http://localhost:9006}`")
	}
	c.version("spec.serving", m.Serving, m.Endpoint != "" || m.Source.wrote("spec.endpoint"))
	c.route("spec.route", m.Route)
	if m.Unit.Kind == UnitJSON && m.Protocol == ProtocolGRPC {
		c.report("spec.unit", fmt.Sprintf("bodies are not read as JSON under protocol %s", m.Protocol), "write a header, a cookie or a query parameter")
	}
	seen := map[string]bool{}
	for i, e := range m.Environments {
		path := document.Index("spec.environments", i)
		if seen[e.Name] && e.Name != "" {
			c.report(path+".name", fmt.Sprintf("the environment %s is written twice", value.Quote(e.Name)), "keep one of them")
		}
		seen[e.Name] = true
		c.version(path+".serving", e.Serving, m.Endpoint != "" || m.Source.wrote("spec.endpoint"))
		c.route(path+".route", e.Route)
		if e.Serving == nil && m.Serving == nil && !m.Source.wrote(path+".serving") {
			c.report(path+".serving", "it is missing", "write the version that serves there now")
		}
	}
	return c.problems
}

// version checks that it is known where a version answers.
func (c *checker) version(path string, v *Version, endpoint bool) {
	if v == nil {
		return
	}
	if v.URL == "" && !endpoint && !c.source.wrote(path+".url") {
		c.report(path+".url", "it is missing", "write where the version answers, or give the model an `endpoint`")
	}
	if empty(c, path+".run", v.Run) {
		c.report(path+".run", "the command is empty", "write its words, or leave the field out")
	}
	c.pages(path+".metrics", v.Metrics)
}

// pages checks the metrics pages of a version.
func (c *checker) pages(path string, list []string) {
	if empty(c, path, list) {
		c.report(path, "the list is empty", "write the address of a metrics page, or leave it out")
	}
	for i, page := range list {
		if slices.Contains(list[:i], page) {
			c.report(document.Index(path, i), value.Quote(page)+" is written twice", "write each server once")
		}
	}
}

func (c *checker) route(path string, r *Route) {
	if r != nil && r.Host == "" && r.PathPrefix == "" && r.Header == nil && !c.source.wrote(path+".host") &&
		!c.source.wrote(path+".pathPrefix") && !c.source.wrote(path+".header") {
		c.report(path, "the route says nothing", "write host, pathPrefix or header, or leave the route out")
	}
}

// checkPolicy checks a policy by itself.
func checkPolicy(p Policy, preset bool) Problems {
	c := &checker{source: p.Source}
	if isPreset(p.Name) && !preset {
		c.report("metadata.name", fmt.Sprintf("%s is the name of a preset", value.Quote(p.Name)), "choose another name, and extend the preset if you like it")
	}
	if p.Extends != "" && p.Extends == p.Name {
		c.report("spec.extends", "a policy cannot extend itself", "write another policy, or leave it out")
	}
	c.plan(p.Plan)
	return c.problems
}

// checkRollout checks a rollout by itself.
func checkRollout(r Rollout) Problems {
	c := &checker{source: r.Source}
	c.version("spec.candidate", r.Candidate, true)
	c.plan(r.Plan)
	return c.problems
}

// plan checks what a plan says, without what it inherits.
func (c *checker) plan(p Plan) {
	if p.Stages != nil && p.Environments != nil {
		c.report("spec.stages", "it stands beside environments", "write the stages inside an environment")
	}
	c.environments(p.Environments)
	if p.Stages != nil {
		c.stages("spec.stages", p.Stages, true)
	}
	c.gates("spec.gates", p.Gates, weightStage)
	c.segments(p.Segments)
	for i, n := range p.Notify {
		path := document.Index("spec.notify", i)
		if empty(c, path+".on", n.On) {
			c.report(path+".on", "the list is empty", "write the decisions to be told of, or leave it out")
		}
		if n.Email != nil && empty(c, path+".email.to", n.Email.To) {
			c.report(path+".email.to", "the list is empty", "write an address")
		}
	}
}

func (c *checker) environments(list []Environment) {
	if list != nil && len(list) == 0 {
		c.report("spec.environments", "the list is empty", "write an environment, or leave the field out")
	}
	seen := map[string]bool{}
	for i, e := range list {
		path := document.Index("spec.environments", i)
		if seen[e.Name] && e.Name != "" {
			c.report(path+".name", fmt.Sprintf("the environment %s is written twice", value.Quote(e.Name)), "keep one of them")
		}
		seen[e.Name] = true
		if e.Stages != nil {
			c.stages(path+".stages", e.Stages, i == len(list)-1)
		}
	}
}

func (c *checker) segments(s *Segments) {
	if s == nil || s.By == nil {
		return
	}
	if empty(c, "spec.segments.by", s.By) {
		c.report("spec.segments.by", "the list is empty", "write an attribute such as header:X-Country, or leave segments out")
	}
	for i, u := range s.By {
		path := document.Index("spec.segments.by", i)
		switch {
		case u.Kind == UnitRequest:
			c.report(path, "a request is no attribute", "write a header, a cookie, a query parameter or a place in the body")
		case slices.Contains(s.By[:i], u):
			c.report(path, fmt.Sprintf("%s is written twice", u), "keep one of them")
		}
	}
}

// stages checks a ladder: each stage, and that the weights rise to 100 %.
func (c *checker) stages(path string, list []Stage, last bool) {
	for i := range list {
		c.stage(document.Index(path, i), list[i])
	}
	var before Weight
	for i, s := range list {
		at := document.Index(path, i)
		switch {
		case s.Weight == nil && c.source.wrote(at+".weight"), s.Weight == nil && s.Shadow == nil && s.Check == "":
			return // What cannot be read cannot be compared.
		case before == Whole && (s.Weight == nil || *s.Weight != Whole):
			c.report(at, "the stage comes after 100%", "end with the stage at 100%")
		case s.Weight != nil && *s.Weight <= before:
			c.report(at+".weight", fmt.Sprintf("%s is not more than the %s before it", *s.Weight, before), "let the weights rise from stage to stage")
		}
		if s.Weight != nil {
			before = max(before, *s.Weight)
		}
	}
	switch {
	case before == Whole:
	case before > 0:
		c.report(path, fmt.Sprintf("the weights end at %s", before), "end with a stage such as {weight: 100%, dwell: 2h, holdback: 1%}")
	case last:
		c.report(path, "no stage lets the candidate answer", "end with a stage such as {weight: 100%, dwell: 2h, holdback: 1%}")
	}
}

// stage checks one stage by itself.
func (c *checker) stage(path string, s Stage) {
	c.checkStage(path, s)
	if s.Weight != nil {
		c.weightStage(path, s)
	}
	if s.Weight != nil || s.Shadow != nil {
		dwell, written := defaultDwell, ""
		if s.Dwell != nil {
			dwell = *s.Dwell
		} else {
			written = ", the default"
		}
		if s.MaxDuration != nil && *s.MaxDuration < dwell && (s.Dwell != nil || !c.source.wrote(path+".dwell")) {
			c.report(path+".maxDuration", fmt.Sprintf("%s is shorter than the dwell (%s%s)", FormatDuration(*s.MaxDuration), FormatDuration(dwell), written),
				"write at least the dwell")
		}
	}
	c.gates(path+".gates", s.Gates, stageName(&s))
	for i, g := range s.Gates {
		if g.From != nil {
			c.report(document.Index(path+".gates", i)+".from", "a gate of a stage is active at that stage", "leave it out")
		}
	}
}

// defaultDwell is the table's default, for messages that need it.
const defaultDwell = 2 * time.Hour

// weightStage checks what belongs to weights, and to the last stage only.
func (c *checker) weightStage(path string, s Stage) {
	if s.Tolerance != nil && s.Require == WithinMargin {
		c.report(path+".tolerance", "a stage that requires within-margin tolerates no more than the margin", "leave it out, or write require: no-harm")
	}
	if *s.Weight != Whole {
		if s.Holdback != nil {
			c.report(path+".holdback", fmt.Sprintf("at %s the baseline answers the rest anyway", *s.Weight), "write it at the stage with 100%")
		}
		if s.KeepWarm != nil {
			c.report(path+".keepWarm", fmt.Sprintf("at %s the baseline is warm anyway", *s.Weight), "write it at the stage with 100%")
		}
		return
	}
	if s.Require == WithinMargin && (s.Holdback == nil || *s.Holdback == 0) && (s.Holdback != nil || !c.source.wrote(path+".holdback")) {
		c.report(path+".require", "at 100% without holdback nothing can be compared", "write holdback: 1%, or require it at the stage before")
	}
}

// checkStage checks that a check has what it needs.
func (c *checker) checkStage(path string, s Stage) {
	need := func(field string, set bool, example string) {
		if !set && !c.source.wrote(path+"."+field) {
			c.report(path+"."+field, fmt.Sprintf("a stage with check: %s needs it", s.Check), "write one such as `"+field+": "+example+"`")
		}
	}
	switch s.Check {
	case CheckDataset:
		need("file", s.File != "", "golden.jsonl")
	case CheckLoad:
		need("rate", s.Rate != nil, "200/s")
		need("for", s.For != nil, "2m")
	case CheckReplay:
		need("file", s.File != "", "captured.jsonl")
	case CheckCommand:
		need("run", s.Run != nil, `["./evaluate.sh"]`)
		if empty(c, path+".run", s.Run) {
			c.report(path+".run", "the command is empty", "write its words")
		}
	case CheckContract: // It needs nothing.
	}
}
