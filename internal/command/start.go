package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/judge"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Start begins a rollout of a model that is known, the short way: it writes the
// document that says the same and applies it.
func (s *Service) Start(ctx context.Context, r StartRequest) (Status, error) {
	if err := r.Actor.check(); err != nil {
		return Status{}, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Status{}, err
	}
	defer unlock()
	doc, err := s.document(ctx, r)
	if err != nil {
		return Status{}, err
	}
	c, err := s.catalog(ctx)
	if err != nil {
		return Status{}, err
	}
	if _, known := c.models[r.Model]; !known {
		return Status{}, problem.New(problem.NotFound, "no model named %q; apply its document first", r.Model)
	}
	todo := &changes{service: s, catalog: c, actor: r.Actor}
	if err := todo.check(ctx, spec.File{Rollouts: []spec.Rollout{doc}}); err != nil {
		return Status{}, err
	}
	change := &todo.rollouts[0]
	if change.Change == Unchanged {
		return Status{}, problem.New(problem.Exists, "a rollout named %q exists (%s); give this one another name", change.Name, change.kept.State.Phase)
	}
	if r.DryRun {
		return s.imagine(change.kept), nil
	}
	if err := todo.carryOut(ctx); err != nil {
		return Status{}, err
	}
	return s.Status(ctx, change.Name)
}

// document writes what a StartRequest means. Its problems carry no lines: nobody
// has seen the file.
func (s *Service) document(ctx context.Context, r StartRequest) (spec.Rollout, error) {
	name := r.Name
	if name == "" {
		free, err := s.freeName(ctx, r.Model, spec.RolloutName(r.Model, r.Version))
		if err != nil {
			return spec.Rollout{}, err
		}
		name = free
	}
	doc := spec.Rollout{Name: name, Model: r.Model, Policy: r.Policy, Candidate: &spec.Version{Version: r.Version, URL: r.URL}}
	file, _, err := spec.Parse("", doc.YAML())
	var problems spec.Problems
	if errors.As(err, &problems) {
		problems = forget(problems)
	}
	switch {
	case len(problems) > 0:
		return spec.Rollout{}, problems
	case len(file.Rollouts) != 1:
		return spec.Rollout{}, problem.New(problem.Invalid, "these make no rollout: model %q, version %q, url %q", r.Model, r.Version, r.URL)
	}
	doc = file.Rollouts[0]
	doc.Source = nil
	return doc, nil
}

// forget takes the places out of problems.
func forget(in spec.Problems) spec.Problems {
	out := slices.Clone(in)
	for i := range out {
		out[i].File, out[i].Line, out[i].Column = "", 0, 0
	}
	return out
}

// maxNames bounds the search for a free name.
const maxNames = 1000

// freeName returns a name, with a number after it where rollouts that are over
// have it already. That of the model's running rollout is returned as it is: to
// be refused for that.
func (s *Service) freeName(ctx context.Context, model, name string) (string, error) {
	for n := 1; n <= maxNames; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s-%d", name, n)
		}
		rec, err := s.store.Rollout(ctx, try)
		switch {
		case problem.Is(err, problem.NotFound):
			return try, nil
		case err != nil:
			return "", fmt.Errorf("read rollout %q: %w", try, err)
		case rec.Model == model && !rec.State.Phase.Final():
			return "", problem.New(problem.Conflict, "model %q has a rollout already: %q; wait for its end, or end it with `belay abort %s`", model, rec.Name, rec.Name)
		}
	}
	return "", problem.New(problem.Exists, "the names %s to %s-%d are taken; write one", name, name, maxNames)
}

// imagine is the status of a rollout that is not created.
func (s *Service) imagine(rec store.Rollout) Status {
	ev := &evidence.Evidence{}
	return s.status(&controller.Live{Record: rec, Findings: judge.Verdicts(&rec.Plan, rec.State, ev, nil)}, false)
}
