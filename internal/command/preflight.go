package command

import (
	"context"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Preflight looks at a candidate before its rollout is created.
type Preflight interface {
	// Check asks the candidate whether it is ready, and compares what it takes
	// and gives with the baseline. The error names everything that stands
	// against the rollout; warnings say what could not be compared. It takes a
	// bounded time.
	Check(ctx context.Context, c Contract) (warnings []string, err error)
}

// Contract is what a candidate must keep: to answer to the model's name as the
// baseline does.
type Contract struct {
	Protocol  table.Protocol
	Model     string
	Baseline  rollout.Version
	Candidate rollout.Version
}
