// Package plan finds the gates that a check is made by: those of a policy, of one
// of its stages, or single ones in words.
//
// It promises that a gate means here what it means in a rollout: it is read and
// resolved by package spec, and a mistake in it is told in the same words. The
// package knows files of policies, not files of observations.
package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Plan is what a check is made by.
type Plan struct {
	// Policy and Stage say where the gates come from; empty where they were given
	// one by one.
	Policy string
	Stage  string
	Gates  []spec.ResolvedGate
	// Alpha is the chance of a false fail over all gates, and of a false pass of
	// each.
	Alpha float64
	// MinSamples is how many rows each arm must have before a gate passes or
	// counts as harmless.
	MinSamples int64
	Require    spec.Requirement
	// Guarded says that a harm in one segment fails the check.
	Guarded bool
}

// Choice says which gates are wanted.
type Choice struct {
	// Policy is the name of a policy in the file or of a preset. Empty takes the
	// only rollout of the file, or its only policy.
	Policy string
	// Stage names the stage whose gates are wanted, as its kind (shadow, dataset,
	// load, replay) or as its weight (10%). Empty takes the gates of the plan.
	Stage string
	// Gates are written one by one: `error_rate maxIncrease 20%`. They stand beside
	// those of the policy, or in place of the one on the same metric.
	Gates []string
	// Only are the gates that are kept, by name; empty keeps all.
	Only []string
}

// defaultSamples is the least number of rows where no policy says one.
const defaultSamples = 100

// Choose finds the gates among the documents of files.
func Choose(file spec.File, c Choice) (Plan, error) {
	p := Plan{Alpha: 0.05, MinSamples: defaultSamples, Require: spec.WithinMargin}
	if r, ok, err := c.rollout(file); err != nil {
		return Plan{}, err
	} else if ok {
		resolved, err := resolve(file, r)
		if err != nil {
			return Plan{}, err
		}
		p.Policy, p.Alpha, p.Guarded = resolved.Policy, float64(resolved.Analysis.Alpha), resolved.Segments.Guard
		if err := p.take(resolved, c.Stage); err != nil {
			return Plan{}, err
		}
	} else if c.Stage != "" {
		return Plan{}, problem.New(problem.Invalid, "a stage is one of a policy; name a policy too")
	}
	for _, text := range c.Gates {
		g, err := ParseGate(text)
		if err != nil {
			return Plan{}, err
		}
		p.Gates = append(slices.DeleteFunc(p.Gates, func(have spec.ResolvedGate) bool { return have.Name() == g.Name() }), g)
	}
	if err := p.only(c.Only); err != nil {
		return Plan{}, err
	}
	if len(p.Gates) == 0 {
		return Plan{}, problem.New(problem.Invalid, "there is no gate to judge by; name a file with a policy, a preset, or gates such as 'error_rate maxIncrease 20%%'")
	}
	return p, nil
}

// rollout returns the rollout that the gates are resolved for: one of the file,
// or one of no other use. It reports false where only single gates are asked for.
func (c Choice) rollout(file spec.File) (spec.Rollout, bool, error) {
	switch {
	case c.Policy != "":
		return spec.Rollout{Policy: c.Policy}, true, nil
	case len(file.Rollouts) == 1:
		return file.Rollouts[0], true, nil
	case len(file.Rollouts) > 1, len(file.Policies) > 1:
		return spec.Rollout{}, false, problem.New(problem.Invalid, "the file has %d policies and %d rollouts; name the policy that is meant", len(file.Policies), len(file.Rollouts))
	case len(file.Policies) == 1:
		return spec.Rollout{Policy: file.Policies[0].Name}, true, nil
	}
	return spec.Rollout{}, false, nil
}

// resolve fills a rollout in with its policy. Where it would run is of no
// interest here.
func resolve(file spec.File, r spec.Rollout) (spec.Resolved, error) {
	find := func(name string) (spec.Policy, bool) {
		i := slices.IndexFunc(file.Policies, func(p spec.Policy) bool { return p.Name == name })
		if i < 0 {
			return spec.Policy{}, false
		}
		return file.Policies[i], true
	}
	model := spec.Model{Name: "check", Protocol: spec.ProtocolV2, Serving: &spec.Version{Version: "baseline", URL: "http://baseline.invalid"}}
	r.Name, r.Model = "check", model.Name
	r.Candidate = &spec.Version{Version: "candidate", URL: "http://candidate.invalid"}
	if r.Stages == nil && r.Environments == nil && !hasStages(r.Policy, find) {
		r.Stages = stagesFor(r, find)
	}
	resolved, _, err := spec.Resolve(model, r, find)
	return resolved, err
}

// hasStages reports whether a policy has stages, its own or those it inherits.
// What is not known is left to Resolve to tell.
func hasStages(name string, find func(string) (spec.Policy, bool)) bool {
	for range 16 { // More would be refused.
		p, ok := find(name)
		if !ok || len(p.Stages) > 0 || len(p.Environments) > 0 {
			return true
		}
		if name = p.Extends; name == "" {
			return false
		}
	}
	return true
}

// stagesFor makes a ladder for a policy that has none: one with the weights that
// its gates begin at.
func stagesFor(r spec.Rollout, find func(string) (spec.Policy, bool)) []spec.Stage {
	weights := []spec.Weight{spec.Whole}
	note := func(gates []spec.Gate) {
		for _, g := range gates {
			if g.From != nil && !slices.Contains(weights, *g.From) {
				weights = append(weights, *g.From)
			}
		}
	}
	note(r.Gates)
	for name := r.Policy; name != ""; {
		p, ok := find(name)
		if !ok {
			break
		}
		note(p.Gates)
		name = p.Extends
	}
	slices.Sort(weights)
	var stages []spec.Stage
	for _, w := range weights {
		stages = append(stages, spec.Stage{Weight: new(w), Dwell: new(longDwell)})
	}
	return stages
}

// take takes the gates of a stage, or those of the plan.
func (p *Plan) take(r spec.Resolved, stage string) error {
	if stage == "" {
		last := r.Last().Stages
		p.Gates, p.MinSamples = slices.Clone(r.Gates), last[len(last)-1].MinSamples
		return nil
	}
	var found *spec.ResolvedStage
	var names []string
	for _, e := range r.Environments {
		for _, s := range e.Stages {
			name := stageName(s)
			names = append(names, name)
			if name == stage {
				found = &s
			}
		}
	}
	if found == nil {
		return problem.New(problem.Invalid, "policy %q has no stage %q; it has %s", r.Policy, stage, strings.Join(names, ", "))
	}
	p.Stage, p.Gates = stage, slices.Clone(found.Gates)
	if found.Kind != spec.StageCheck {
		p.Require, p.MinSamples = found.Require, found.MinSamples
	}
	if found.Kind == spec.StageWeight {
		p.inherit(r.Gates, found.Weight)
	}
	if len(p.Gates) == 0 {
		return problem.New(problem.Invalid, "stage %q of policy %q has no gates of its own", stage, r.Policy)
	}
	return nil
}

// inherit adds the gates of the plan that are active at a weight and that the
// stage does not replace.
func (p *Plan) inherit(gates []spec.ResolvedGate, weight spec.Weight) {
	own := p.Gates
	p.Gates = nil
	for _, g := range gates {
		if g.From <= weight && !slices.ContainsFunc(own, func(o spec.ResolvedGate) bool { return o.Name() == g.Name() }) {
			p.Gates = append(p.Gates, g)
		}
	}
	p.Gates = append(p.Gates, own...)
}

// stageName is what a stage is called on the command line.
func stageName(s spec.ResolvedStage) string {
	switch s.Kind {
	case spec.StageCheck:
		return string(s.Check)
	case spec.StageShadow:
		return string(s.Kind)
	case spec.StageWeight:
	}
	return s.Weight.String()
}

// only keeps the gates that are named.
func (p *Plan) only(names []string) error {
	if len(names) == 0 {
		return nil
	}
	var kept []spec.ResolvedGate
	for _, name := range names {
		i := slices.IndexFunc(p.Gates, func(g spec.ResolvedGate) bool { return g.Name() == name || g.Metric == name })
		if i < 0 {
			have := make([]string, len(p.Gates))
			for i, g := range p.Gates {
				have[i] = g.Name()
			}
			return problem.New(problem.Invalid, "there is no gate %q; there are %s", name, strings.Join(have, ", "))
		}
		kept = append(kept, p.Gates[i])
	}
	p.Gates = kept
	return nil
}

// longDwell is longer than any horizon, so that no gate is refused for its own.
const longDwell = 90 * 24 * time.Hour

// placeOf is the stage that a gate written by itself is put into, because not all
// metrics are measured everywhere.
func placeOf(metric, gate string) string {
	const whole = "{weight: 100%, dwell: 90d, maxDuration: 180d}"
	switch metric {
	case "agreement":
		return fmt.Sprintf("stages: [{shadow: 100%%, gates: [%s]}, %s]", gate, whole)
	case "accuracy":
		return fmt.Sprintf("stages: [{check: dataset, file: check, gates: [%s]}, %s]", gate, whole)
	}
	return fmt.Sprintf("gates: [%s], stages: [%s]", gate, whole)
}

// ParseGate reads one gate: a metric and what it may do, word by word, as in
// `error_rate maxIncrease 20% ignoreBelow 0.1%`.
func ParseGate(text string) (spec.ResolvedGate, error) {
	metric, flow, err := gateFlow(text)
	if err != nil {
		return spec.ResolvedGate{}, err
	}
	const name = "gate"
	document := "apiVersion: " + spec.APIVersion + "\nkind: Policy\nmetadata: {name: " + name + "}\nspec: {" + placeOf(metric, flow) + "}\n"
	file, _, err := spec.Parse(name, []byte(document))
	if err == nil {
		var resolved spec.Resolved
		if resolved, err = resolve(file, spec.Rollout{Policy: name}); err == nil {
			return resolvedGate(resolved), nil
		}
	}
	return spec.ResolvedGate{}, gateFault(text, err)
}

// resolvedGate is the only gate of a plan.
func resolvedGate(r spec.Resolved) spec.ResolvedGate {
	if len(r.Gates) == 0 {
		return r.Last().Stages[0].Gates[0]
	}
	return r.Gates[0]
}

// gateFault tells what is wrong with a gate without a place in a file that nobody
// wrote.
func gateFault(text string, err error) error {
	problems, ok := err.(spec.Problems) //nolint:errorlint // Parse and Resolve return them unwrapped.
	if !ok || len(problems) == 0 {
		return problem.New(problem.Invalid, "gate %q: %w", text, err)
	}
	var parts []string
	for _, p := range problems {
		part := p.Message
		if at := strings.LastIndex(p.Path, "gates[0]."); at >= 0 {
			part = p.Path[at+len("gates[0]."):] + ": " + part
		}
		if p.Hint != "" {
			part += "; " + p.Hint
		}
		parts = append(parts, part)
	}
	return problem.New(problem.Invalid, "gate %q: %s", text, strings.Join(parts, "; "))
}

// gateFlow turns a gate in words into a mapping of YAML.
func gateFlow(text string) (metric, flow string, err error) {
	words := strings.Fields(strings.NewReplacer("=", " ", ": ", " ").Replace(text))
	if len(words) == 0 || len(words)%2 == 0 {
		return "", "", problem.New(problem.Invalid, "gate %q: write a metric, and then names and values in turn, such as 'error_rate maxIncrease 20%%'", text)
	}
	parts := []string{"metric: " + quoted(words[0])}
	for i := 1; i < len(words); i += 2 {
		parts = append(parts, quoted(words[i])+": "+quoted(words[i+1]))
	}
	return words[0], "{" + strings.Join(parts, ", ") + "}", nil
}

// plainWord is a word that means nothing to YAML.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.%/-]+$`)

// quoted quotes a word that means something to YAML. Numbers stay numbers.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", "''") + "'"
}
