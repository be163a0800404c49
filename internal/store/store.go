// Package store is the port to durable state: what must be kept, stated without
// naming a database.
//
// Commit is the heart of it: a new state, the decision that led to it, the
// evidence the decision used and what follows for the model are written in one
// durable transaction, or not at all, and only if nobody else moved the rollout
// in between. Evidence alone may be a moment behind (Flush); a decision always
// has all of its own. Rollbacks leave an intent first (Intend): whoever finds
// one at start knows that the traffic was taken from the candidate, whatever
// the state says.
package store

import (
	"context"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Model is a served model as it is kept.
type Model struct {
	Name     string          `json:"name"`
	Source   []byte          `json:"source"` // the document as applied, canonical YAML
	Protocol table.Protocol  `json:"protocol"`
	Match    table.Match     `json:"match"`
	Unit     table.Unit      `json:"unit"`
	Serving  rollout.Version `json:"serving"` // the baseline; a completed rollout moves it
	// Revision grows by one with every change, those by a Commit included, so
	// that nobody overwrites what a rollout has moved.
	Revision int64 `json:"revision"`
	// CooldownUntil is when the next rollout may start after a rollback.
	CooldownUntil time.Time `json:"cooldownUntil,omitzero"`
}

// Policy is a policy as it was applied.
type Policy struct {
	Name     string `json:"name"`
	Source   []byte `json:"source"` // canonical YAML
	Revision int64  `json:"revision"`
}

// Rollout is a rollout as it is kept.
type Rollout struct {
	ID        uint64        `json:"id"` // random, never 0; names it in tokens
	Name      string        `json:"name"`
	Model     string        `json:"model"`
	Revision  int64         `json:"revision"` // grows by one with every Commit
	Salt      split.Salt    `json:"salt"`
	Source    []byte        `json:"source"` // the document as applied, canonical YAML
	Plan      rollout.Plan  `json:"plan"`
	State     rollout.State `json:"state"`
	CreatedAt time.Time     `json:"createdAt"`
	CreatedBy string        `json:"createdBy"`
	// Last is the latest log entry, without its inputs; the zero value before
	// the first.
	Last Head `json:"last"`
	// Ending is what was measured when the traffic was put back or handed over.
	Ending *Ending `json:"ending,omitempty"`
}

// Head is the end of a rollout's decision log.
type Head struct {
	Seq      int64          `json:"seq"`
	At       time.Time      `json:"at"`
	Kind     rollout.Kind   `json:"kind"`
	Reason   rollout.Reason `json:"reason"`
	Gate     string         `json:"gate,omitempty"`
	Sentence string         `json:"sentence"`
	Hash     string         `json:"hash"`
}

// Ending times the last change of a rollout's traffic.
type Ending struct {
	DecidedAt   time.Time `json:"decidedAt"`
	SwappedAt   time.Time `json:"swappedAt"`
	ConfirmedAt time.Time `json:"confirmedAt,omitzero"` // the real state was read back as asked
	// LastStarted and LastFinished are the candidate's last requests; zero when
	// it had none.
	LastStarted  time.Time `json:"lastStarted,omitzero"`
	LastFinished time.Time `json:"lastFinished,omitzero"`
}

// Logged is a stored log entry.
type Logged struct {
	Entry rollout.Entry
	// Body is the entry exactly as it was hashed; Evidence is what the decision
	// used, exactly as it was summed.
	Body     []byte
	Evidence []byte
	Previous string
	Hash     string
}

// Catalog keeps models and policies.
type Catalog interface {
	// PutModel creates or replaces a model. It returns a problem.Conflict error
	// unless the kept revision equals m.Revision (0 creates); the kept one then
	// has the next revision, which is returned.
	PutModel(ctx context.Context, m Model) (revision int64, err error)
	Models(ctx context.Context) ([]Model, error)
	PutPolicy(ctx context.Context, p Policy) (revision int64, err error)
	Policies(ctx context.Context) ([]Policy, error)
}

// Rollouts keeps rollouts and their decision logs.
type Rollouts interface {
	// Create adds a rollout at revision 1, without a log. A name or an id in use
	// is a problem.Exists error; a model with another rollout that is not final a
	// problem.Conflict; a model that is not kept a problem.NotFound.
	Create(ctx context.Context, r Rollout) error
	// Rollout returns one by name, or a problem.NotFound error.
	Rollout(ctx context.Context, name string) (Rollout, error)
	// List returns rollouts, newest first.
	List(ctx context.Context, q Query) ([]Rollout, error)
	// Commit writes c in one durable transaction. It returns a problem.Conflict
	// error and changes nothing unless the rollout is at c.Revision, and a
	// problem.Internal one for an entry that Seal refuses. A cancelled context
	// changes nothing.
	Commit(ctx context.Context, c Commit) (revision int64, err error)
	// Log returns the entries of a rollout after a sequence number, oldest
	// first, at most limit of them (0 means the store's own bound).
	Log(ctx context.Context, id uint64, after int64, limit int) ([]Logged, error)
}

// Query selects rollouts. Its zero value selects all of them.
type Query struct {
	Model  string
	Active bool // only those in a phase that is not final
	Limit  int  // 0 means the store's own bound
}

// Commit is one step of a rollout.
type Commit struct {
	ID       uint64
	Revision int64
	State    rollout.State
	// Entry is appended to the log unless nil; its hash follows from the head.
	Entry *rollout.Entry
	// Evidence is stored beside the entry and as the rollout's current evidence
	// unless nil, together with what it was made of since the last flush. Its ID
	// is that of the rollout; its State and Revision are not looked at. Without
	// it the entry stands on the evidence that is kept already.
	Evidence *Kept
	Ending   *Ending // kept unless nil
	// Serving moves the model to another version unless nil.
	Serving *rollout.Version
	// CooldownUntil holds back the model's next rollout unless zero.
	CooldownUntil time.Time
	// ClearIntent forgets the rollout's intent.
	ClearIntent bool
}

// Kept is evidence on its way to the store.
type Kept struct {
	ID       uint64
	Evidence []byte // encoded by the ledger; opaque to the store; empty leaves what is kept
	// State is kept without a new revision unless nil, so that dwell survives a
	// crash. It is ignored when the rollout has moved past Revision.
	State    *rollout.State
	Revision int64
	// Outcomes are ids of outcomes that are in the evidence now.
	Outcomes []OutcomeID
	// Exposures are units that were seen since the last flush. One that is kept
	// already keeps its First and its Arm; its Last only grows.
	Exposures []Exposure
}

// OutcomeID is the hash of an outcome's id.
type OutcomeID [16]byte

// Exposure is a unit seen by an arm in a stratum.
type Exposure struct {
	Unit    uint64
	Stratum uint8
	Arm     split.Arm
	First   time.Time
	Last    time.Time
}

// Ledger keeps evidence.
type Ledger interface {
	// Flush writes evidence of several rollouts in one durable transaction. The
	// evidence takes the place of what is kept, whatever the revision: whoever
	// flushes and commits the same rollout does so one after the other.
	Flush(ctx context.Context, kept []Kept) error
	// Evidence returns a rollout's evidence as it was last kept, or nil.
	Evidence(ctx context.Context, id uint64) ([]byte, error)
	// Known returns those of the outcome ids that were kept before, in the order
	// of the question.
	Known(ctx context.Context, id uint64, outcomes []OutcomeID) ([]OutcomeID, error)
	// Exposures calls yield for every kept exposure of a rollout.
	Exposures(ctx context.Context, id uint64, yield func(Exposure) error) error
	// Forget drops exposures and outcome ids of a rollout that needs them no more
	// (keep 0), or its outcome ids beyond the newest keep of them. It may do so
	// in pieces; one that was interrupted goes on when it is called again.
	Forget(ctx context.Context, id uint64, keep int) error
}

// Intent is the promise of a rollback whose decision is not stored yet.
type Intent struct {
	ID       uint64         `json:"id"`
	At       time.Time      `json:"at"`
	Reason   rollout.Reason `json:"reason"`
	Sentence string         `json:"sentence"`
	By       string         `json:"by,omitempty"`
}

// Intents keeps the promises of rollbacks. An intent is cleared by the Commit
// of its decision.
type Intents interface {
	// Intend makes the intent durable before it returns. It takes the place of an
	// earlier one of the same rollout.
	Intend(ctx context.Context, i Intent) error
	Intents(ctx context.Context) ([]Intent, error)
}

// Secrets keeps what must outlive the process and be known to nobody.
type Secrets interface {
	// Secret returns the named secret, or keeps and returns the proposed one,
	// which must not be empty.
	Secret(ctx context.Context, name string, proposed []byte) ([]byte, error)
}

// Answers keeps the answers to requests with an Idempotency-Key, so that a
// repeated request is not carried out twice.
type Answers interface {
	// Answer returns the kept answer of a key, or nil.
	Answer(ctx context.Context, key string) ([]byte, error)
	// PutAnswer keeps an answer until the given time.
	PutAnswer(ctx context.Context, key string, answer []byte, until time.Time) error
}

// Store is everything that a server keeps.
type Store interface {
	Catalog
	Rollouts
	Ledger
	Intents
	Secrets
	Answers
	// Ping tells whether the store can be written to now.
	Ping(ctx context.Context) error
	Close() error
}
