package command

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Store is what requests need of the store.
type Store interface {
	store.Catalog
	store.Rollouts
}

// Options are what a Service needs.
type Options struct {
	Store      Store
	Controller *controller.Controller
	Ledger     *ledger.Ledger
	// Hub is told of changes by the controller.
	Hub *Hub
	// Preflight looks at a candidate before its rollout begins.
	Preflight Preflight
	// Routed reads the router's own counts of a model; nil where there is no
	// router to ask.
	Routed func(model string) Routed
	Log    *slog.Logger
}

// Service carries out what is asked. It is safe for concurrent use.
type Service struct {
	store      Store
	controller *controller.Controller
	ledger     *ledger.Ledger
	hub        *Hub
	preflight  Preflight
	routed     func(model string) Routed
	log        *slog.Logger

	// changing is held while documents are checked and stored, so that what was
	// checked still holds when it is stored. Acts do not need it.
	changing chan struct{}
	finals   finals
}

// New returns a Service.
func New(o Options) *Service {
	s := &Service{
		store: o.Store, controller: o.Controller, ledger: o.Ledger, hub: o.Hub, preflight: o.Preflight, routed: o.Routed, log: o.Log,
		changing: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// lock waits for the turn to change the catalogue.
func (s *Service) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.changing <- struct{}{}:
		return func() { <-s.changing }, nil
	case <-ctx.Done():
		return nil, problem.New(problem.Unavailable, "another change takes long; try again: %w", ctx.Err())
	}
}

// check refuses an actor without a name.
func (a Actor) check() error {
	if strings.TrimSpace(a.Name) == "" {
		return problem.New(problem.Invalid, "nobody is named as the one who asks")
	}
	return nil
}

// Policy is a policy with where it comes from.
type Policy struct {
	store.Policy
	// Preset is true for the policies that are always there.
	Preset bool `json:"preset,omitempty"`
}

// Models returns all models, by name.
func (s *Service) Models(ctx context.Context) ([]store.Model, error) {
	models, err := s.store.Models(ctx)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	return models, nil
}

// Policies returns all policies, by name, the presets among them.
func (s *Service) Policies(ctx context.Context) ([]Policy, error) {
	kept, err := s.store.Policies(ctx)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	var out []Policy
	for _, p := range spec.Presets() {
		out = append(out, Policy{Policy: store.Policy{Name: p.Name, Source: p.YAML()}, Preset: true})
	}
	for _, p := range kept {
		out = append(out, Policy{Policy: p})
	}
	slices.SortFunc(out, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Log returns the decisions of a rollout after a sequence number, oldest first,
// at most limit of them; a negative number counts from the end.
func (s *Service) Log(ctx context.Context, name string, after int64, limit int) ([]store.Logged, error) {
	rec, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if after < 0 {
		after = max(0, rec.Last.Seq+after)
	}
	entries, err := s.store.Log(ctx, rec.ID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the log of rollout %q: %w", rec.Name, err)
	}
	return entries, nil
}

// Outcomes takes reported outcomes.
func (s *Service) Outcomes(ctx context.Context, outcomes []ledger.Outcome) (ledger.Result, error) {
	return s.ledger.Report(ctx, outcomes)
}

// find returns a rollout by its name, or by its model's: the one that runs, or
// else the latest.
func (s *Service) find(ctx context.Context, name string) (store.Rollout, error) {
	rec, err := s.store.Rollout(ctx, name)
	if err == nil || !problem.Is(err, problem.NotFound) {
		return rec, err
	}
	list, listErr := s.store.List(ctx, store.Query{Model: name})
	if listErr != nil {
		return store.Rollout{}, fmt.Errorf("list the rollouts of model %q: %w", name, listErr)
	}
	if len(list) == 0 {
		return store.Rollout{}, s.unknown(ctx, name)
	}
	for _, r := range list {
		if !r.State.Phase.Final() {
			return r, nil
		}
	}
	return list[0], nil
}

// unknown says what there is instead of a name that nothing has.
func (s *Service) unknown(ctx context.Context, name string) error {
	if models, err := s.store.Models(ctx); err == nil {
		for _, m := range models {
			if m.Name == name {
				return problem.New(problem.NotFound, "model %q has no rollout; begin one with `belay start %s --version V --url URL`", name, name)
			}
		}
	}
	return problem.New(problem.NotFound, "no rollout and no model named %q; `belay list` shows what there is", name)
}

// clock is the time as it is stored.
func clock() time.Time { return time.Now().UTC().Round(0) }
