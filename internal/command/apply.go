package command

import (
	"context"
	"fmt"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Apply brings the models, policies and rollouts of one file into being. The
// whole file is checked first, against what is there and what else is in it;
// all its problems come at once, and then nothing of it is stored.
func (s *Service) Apply(ctx context.Context, r ApplyRequest) (ApplyResult, error) {
	if err := r.Actor.check(); err != nil {
		return ApplyResult{}, err
	}
	file, warnings, err := spec.Parse(r.File, r.Data)
	if err != nil {
		return ApplyResult{}, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return ApplyResult{}, err
	}
	defer unlock()
	c, err := s.catalog(ctx)
	if err != nil {
		return ApplyResult{}, err
	}
	todo := &changes{service: s, catalog: c, actor: r.Actor, warnings: warnings}
	if err := todo.check(ctx, file); err != nil {
		return ApplyResult{}, err
	}
	out := ApplyResult{Applied: todo.applied(), Warnings: dedupe(todo.warnings)}
	if r.DryRun {
		return out, nil
	}
	if err := todo.carryOut(ctx); err != nil {
		return ApplyResult{}, err
	}
	out.Applied = todo.applied()
	return out, nil
}

// changes is what a file asks for, checked against what is there.
type changes struct {
	service  *Service
	catalog  *catalog
	actor    Actor
	warnings []spec.Warning
	problems []error

	models   []modelChange
	policies []policyChange
	rollouts []rolloutChange
}

type modelChange struct {
	Applied
	kept store.Model
}

type policyChange struct {
	Applied
	kept store.Policy
}

type rolloutChange struct {
	Applied
	kept   store.Rollout
	source *spec.Source
}

// check works out what changes, and returns all that stands against it. Looking
// at candidates over the network comes last, and only for what is right so far.
func (c *changes) check(ctx context.Context, file spec.File) error {
	for _, p := range file.Policies {
		c.policy(p)
	}
	for _, m := range file.Models {
		c.model(m)
	}
	c.routes(file.Models)
	for _, r := range file.Rollouts {
		c.rollout(ctx, r)
	}
	if len(c.problems) > 0 {
		return problem.Join(c.problems...)
	}
	for i := range c.rollouts {
		if c.rollouts[i].Change == Created {
			c.look(ctx, &c.rollouts[i])
		}
	}
	return problem.Join(c.problems...)
}

func (c *changes) fault(err error) { c.problems = append(c.problems, err) }

// policy compares a policy with what is kept.
func (c *changes) policy(p spec.Policy) {
	out := policyChange{
		Applied: Applied{Kind: "Policy", Name: p.Name, Change: Created},
		kept:    store.Policy{Name: p.Name, Source: p.YAML()},
	}
	if old, ok := c.catalog.policies[p.Name]; ok {
		out.Change, out.Revision, out.kept.Revision = Updated, old.kept.Revision, old.kept.Revision
		if string(old.kept.Source) == string(out.kept.Source) {
			out.Change = Unchanged
		}
	}
	c.catalog.policies[p.Name] = knownPolicy{kept: out.kept, spec: p}
	c.policies = append(c.policies, out)
}

// applied lists the changes in the order in which they are carried out.
func (c *changes) applied() []Applied {
	var out []Applied
	for _, p := range c.policies {
		out = append(out, p.Applied)
	}
	for _, m := range c.models {
		out = append(out, m.Applied)
	}
	for _, r := range c.rollouts {
		out = append(out, r.Applied)
	}
	return out
}

// carryOut stores what has changed: policies, models, then rollouts, so that
// nothing ever names what is not there yet.
func (c *changes) carryOut(ctx context.Context) error {
	s := c.service
	for i := range c.policies {
		p := &c.policies[i]
		if p.Change == Unchanged {
			continue
		}
		revision, err := s.store.PutPolicy(ctx, p.kept)
		if err != nil {
			return fmt.Errorf("store policy %q: %w", p.Name, err)
		}
		p.Revision = revision
	}
	for i := range c.models {
		if err := c.putModel(ctx, &c.models[i]); err != nil {
			return err
		}
	}
	for i := range c.rollouts {
		if err := c.create(ctx, &c.rollouts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *changes) putModel(ctx context.Context, m *modelChange) error {
	if m.Change == Unchanged {
		return nil
	}
	s := c.service
	revision, err := s.store.PutModel(ctx, m.kept)
	if err != nil {
		return fmt.Errorf("store model %q: %w", m.Name, err)
	}
	m.Revision, m.kept.Revision = revision, revision
	s.log.InfoContext(ctx, "model applied", "model", m.Name, "version", m.kept.Serving.Name, "by", c.actor.Name)
	if err := s.controller.PutModel(ctx, m.kept); err != nil {
		// It is stored, and the loop puts the table in force when the data plane
		// takes it again.
		s.log.ErrorContext(ctx, "the data plane does not take the routing table; trying again", "model", m.Name, "err", err)
	}
	return nil
}

func (c *changes) create(ctx context.Context, r *rolloutChange) error {
	if r.Change != Created {
		return nil
	}
	s := c.service
	if err := s.store.Create(ctx, r.kept); err != nil {
		return fmt.Errorf("store rollout %q: %w", r.Name, err)
	}
	r.Revision = 1
	s.log.InfoContext(ctx, "rollout created", "rollout", r.Name, "model", r.kept.Model, "by", c.actor.Name)
	if err := s.controller.Add(ctx, r.kept); err != nil {
		return fmt.Errorf("begin rollout %q, which is stored: %w", r.Name, err)
	}
	return nil
}

// dedupe leaves each warning once.
func dedupe(ws []spec.Warning) []spec.Warning {
	seen := map[spec.Warning]bool{}
	var out []spec.Warning
	for _, w := range ws {
		if !seen[w] {
			out = append(out, w)
		}
		seen[w] = true
	}
	return out
}
