// Package command is what people and programs ask of the engine.
package command

import (
	"context"

	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Service carries out what is asked.
type Service struct{}

// Policy is a policy with its origin.
type Policy struct {
	store.Policy
	// Preset is true for the policies that are always there.
	Preset bool `json:"preset,omitempty"`
}

var errShape = problem.New(problem.Refused, "not wired up yet")

// Apply brings the documents of one file into being, all of them or none.
func (s *Service) Apply(ctx context.Context, r ApplyRequest) (ApplyResult, error) {
	return ApplyResult{}, errShape
}

// Start begins a rollout of a model that is known.
func (s *Service) Start(ctx context.Context, r StartRequest) (Status, error) {
	return Status{}, errShape
}

// Act carries out a person's act.
func (s *Service) Act(ctx context.Context, r ActRequest) (Status, error) { return Status{}, errShape }

// Status returns one rollout, by its name or by its model's where only one is meant.
func (s *Service) Status(ctx context.Context, name string) (Status, error) {
	return Status{}, errShape
}

// List returns rollouts, newest first, without bounds.
func (s *Service) List(ctx context.Context, q store.Query) ([]Status, error) { return nil, errShape }

// Log returns the decisions of a rollout after a sequence number, oldest first.
func (s *Service) Log(ctx context.Context, name string, after int64, limit int) ([]store.Logged, error) {
	return nil, errShape
}

// Models returns all models.
func (s *Service) Models(ctx context.Context) ([]store.Model, error) { return nil, errShape }

// Policies returns all policies, the presets among them.
func (s *Service) Policies(ctx context.Context) ([]Policy, error) { return nil, errShape }

// Outcomes takes reported outcomes.
func (s *Service) Outcomes(ctx context.Context, outcomes []ledger.Outcome) (ledger.Result, error) {
	return ledger.Result{}, errShape
}

// Subscribe returns the changes of a rollout, or of all with an empty name. The
// channel is closed when ctx ends.
func (s *Service) Subscribe(ctx context.Context, name string) <-chan Event { return nil }
