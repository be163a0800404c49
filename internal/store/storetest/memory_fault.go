package storetest

import (
	"context"
	"sync"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Op names a method of the store.
type Op string

// The operations of a store.
const (
	OpPutModel  Op = "PutModel"
	OpModels    Op = "Models"
	OpPutPolicy Op = "PutPolicy"
	OpPolicies  Op = "Policies"
	OpCreate    Op = "Create"
	OpRollout   Op = "Rollout"
	OpList      Op = "List"
	OpCommit    Op = "Commit"
	OpLog       Op = "Log"
	OpFlush     Op = "Flush"
	OpEvidence  Op = "Evidence"
	OpKnown     Op = "Known"
	OpExposures Op = "Exposures"
	OpForget    Op = "Forget"
	OpIntend    Op = "Intend"
	OpIntents   Op = "Intents"
	OpSecret    Op = "Secret"
	OpAnswer    Op = "Answer"
	OpPutAnswer Op = "PutAnswer"
	OpPing      Op = "Ping"
)

// What a real store says when it cannot write; for Memory.Fail.
var (
	ErrReadOnly error = problem.New(problem.Unavailable, "the data directory is read-only")
	ErrFull     error = problem.New(problem.Unavailable, "the disk of the data directory is full")
)

// faults is what goes wrong in a Memory, as a test says.
type faults struct {
	mu        sync.Mutex
	writes    error
	reads     error
	answers   error
	intercept func(context.Context, Op) error
	calls     map[Op]int
}

// before counts a call and says whether it fails before it has done anything.
func (f *faults) before(ctx context.Context, op Op, writes bool) error {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[Op]int{}
	}
	f.calls[op]++
	intercept, err := f.intercept, f.reads
	if writes {
		err = f.writes
	}
	f.mu.Unlock()
	if intercept != nil {
		// Without the lock: it may wait, and it may call the store.
		if err := intercept(ctx, op); err != nil {
			return err
		}
	}
	return err
}

// after says whether a write that is done is told as failed.
func (f *faults) after() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answers
}

// Fail makes every write fail with err and change nothing, as a full disk or a
// read-only one does; nil heals it. Reads still work.
func (m *Memory) Fail(err error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.writes = err
}

// FailReads makes every read fail with err; nil heals it.
func (m *Memory) FailReads(err error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.reads = err
}

// LoseAnswers makes every write take place and fail with err all the same, as
// one does whose answer is lost on the way; nil heals it. Whoever writes again
// meets what he wrote before.
func (m *Memory) LoseAnswers(err error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.answers = err
}

// Intercept calls f before every operation, which fails with the error that f
// returns, unless nil. f may wait, which makes the store slow, and may call the
// store, which then intercepts that as well. Nil takes it back.
func (m *Memory) Intercept(f func(ctx context.Context, op Op) error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.intercept = f
}

// Calls returns how often an operation was called, failures included.
func (m *Memory) Calls(op Op) int {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	return m.faults.calls[op]
}
