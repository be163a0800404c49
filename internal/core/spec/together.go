package spec

import (
	"fmt"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// together checks what shows only when the documents of a file meet: names that
// are used twice, and plans with all that they inherit. Documents that have
// problems of their own are left out, so that one mistake is told once.
func (p *fileParser) together() {
	p.names()
	policies := map[string]Policy{}
	for _, y := range p.file.Policies {
		policies[y.Name] = y
	}
	models := map[string]Model{}
	for _, m := range p.file.Models {
		models[m.Name] = m
	}
	known := func(name string) (Policy, bool) {
		y, ok := policies[name]
		return y, ok
	}
	for _, y := range p.file.Policies {
		if !p.broken[y.Source] {
			p.policy(y, known)
		}
	}
	for _, r := range p.file.Rollouts {
		if p.broken[r.Source] {
			continue
		}
		m, ok := models[r.Model]
		p.rollout(r, m, ok && !p.broken[m.Source], known)
	}
}

// names reports documents of one kind with the same name.
func (p *fileParser) names() {
	seen := map[string]bool{}
	once := func(kind, name string, source *Source) {
		key := kind + " " + name
		if name != "" && seen[key] {
			p.keep(source, nil, Problems{source.Problem("metadata.name", fmt.Sprintf("there are two documents of kind %s with the name %s", kind, value.Quote(name)),
				"keep one of them, or rename it")})
		}
		seen[key] = true
	}
	for _, m := range p.file.Models {
		once(kindModel, m.Name, m.Source)
	}
	for _, y := range p.file.Policies {
		once(kindPolicy, y.Name, y.Source)
	}
	for _, r := range p.file.Rollouts {
		once(kindRollout, r.Name, r.Source)
	}
}

// usable reports whether a policy and all that it extends is in this file or a
// preset, and without problems of its own. Where it is not, Resolve will tell.
func (p *fileParser) usable(name string, known func(string) (Policy, bool)) bool {
	for range maxExtends + 1 {
		if name == "" || isPreset(name) {
			return true
		}
		y, ok := known(name)
		if !ok || p.broken[y.Source] {
			return false
		}
		name = y.Extends
	}
	return true
}

// policy checks a policy with what it extends.
func (p *fileParser) policy(y Policy, known func(string) (Policy, bool)) {
	if !p.usable(y.Name, known) {
		return
	}
	list, problems := chain(y.Name, y.Source, "spec.extends", known)
	if problems != nil {
		p.keep(y.Source, nil, problems)
		return
	}
	c := &planChecker{flat: flatten(list), owner: y.Source, partial: true}
	c.check()
	p.keep(y.Source, nil, c.problems)
	p.warnings = append(p.warnings, c.warnings...)
}

// rollout checks a rollout with its policy, and with its model when that is in
// the file too.
func (p *fileParser) rollout(r Rollout, m Model, found bool, known func(string) (Policy, bool)) {
	if !p.usable(r.policy(), known) {
		return
	}
	if found {
		_, warnings, err := Resolve(m, r, known)
		p.warnings = append(p.warnings, warnings...)
		if problems, ok := err.(Problems); ok { //nolint:errorlint // Resolve returns Problems, unwrapped.
			p.keep(r.Source, nil, problems)
		}
		return
	}
	f, warnings, problems := r.flat(known)
	if f != nil {
		p.warnings = append(p.warnings, warnings...)
	}
	p.keep(r.Source, nil, problems)
}
