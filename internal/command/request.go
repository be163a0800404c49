package command

import (
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Actor is who asks. Name is never empty.
type Actor struct {
	Name string `json:"name"`
}

// ApplyRequest brings models, policies and rollouts of one file into being.
type ApplyRequest struct {
	Actor  Actor
	File   string // the file's name, for messages
	Data   []byte
	DryRun bool
}

// Change is what applying a document did.
type Change string

// The changes.
const (
	Created   Change = "created"
	Updated   Change = "updated"
	Unchanged Change = "unchanged"
)

// Applied is one document that was applied.
type Applied struct {
	Kind     string `json:"kind"` // Model, Policy or Rollout
	Name     string `json:"name"`
	Change   Change `json:"change"`
	Revision int64  `json:"revision"` // 0 in a dry run of something new
}

// ApplyResult says what applying a file did, in the order in which it was done.
type ApplyResult struct {
	Applied  []Applied      `json:"applied"`
	Warnings []spec.Warning `json:"warnings,omitempty"`
}

// StartRequest is the short way to a rollout of a model that is known.
type StartRequest struct {
	Actor   Actor
	Model   string
	Version string
	URL     string
	Policy  string // empty means the default
	Name    string // empty means <model>-<version>
	DryRun  bool
}

// ActRequest is a person's act on a rollout.
type ActRequest struct {
	Actor   Actor
	Rollout string // the rollout's name, or the model's where only one is meant
	Kind    rollout.ActKind
	Reason  string
	// Override promotes in spite of what is missing; it needs a Reason.
	Override bool
	// IfRevision refuses the act unless the rollout is at it; 0 accepts any.
	IfRevision int64
	DryRun     bool
}
