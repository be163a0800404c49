package storetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Memory is a store.Store that keeps everything in memory: a fake, for tests of
// what stands above the port. It passes the suite of this package, so what is
// proven above the fake holds above a database; what it cannot show is what a
// crash or a slow disk does.
//
// Values go through JSON on the way in and out, as they do in a database, so
// nothing is shared with the caller and what cannot be encoded is refused. It
// starts no goroutine and no timer, tells the time by time.Now (virtual inside
// a testing/synctest bubble), and is safe for concurrent use.
type Memory struct {
	faults faults

	mu       sync.Mutex
	closed   bool
	models   map[string]store.Model
	policies map[string]store.Policy
	rollouts map[uint64]*memoryRollout
	created  []uint64 // oldest first
	intents  map[uint64]store.Intent
	secrets  map[string][]byte
	answers  map[string]memoryAnswer
}

type memoryAnswer struct {
	body  []byte
	until time.Time
}

var _ store.Store = (*Memory)(nil)

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{
		models:   map[string]store.Model{},
		policies: map[string]store.Policy{},
		rollouts: map[uint64]*memoryRollout{},
		intents:  map[uint64]store.Intent{},
		secrets:  map[string][]byte{},
		answers:  map[string]memoryAnswer{},
	}
}

// Close implements store.Store. Whatever is asked of a closed Memory fails.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Reopen makes a closed Memory answer again with all that it kept, as a
// database does for a process that comes back.
func (m *Memory) Reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
}

// Ping implements store.Store.
func (m *Memory) Ping(ctx context.Context) error {
	return m.write(ctx, OpPing, func() error { return nil })
}

// read runs do with the lock held, unless reads fail now.
func (m *Memory) read(ctx context.Context, op Op, do func() error) error {
	if err := m.faults.before(ctx, op, false); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	return do()
}

// write runs do with the lock held, unless writes fail now. What do changes, it
// changes wholly or not at all.
func (m *Memory) write(ctx context.Context, op Op, do func() error) error {
	if err := m.faults.before(ctx, op, true); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return m.faults.after()
}

func (m *Memory) usable(ctx context.Context) error {
	if m.closed {
		return problem.New(problem.Unavailable, "the store is closed")
	}
	return ctx.Err()
}

// PutModel implements store.Catalog.
func (m *Memory) PutModel(ctx context.Context, mod store.Model) (revision int64, err error) {
	err = m.write(ctx, OpPutModel, func() error {
		if err := atRevision("model", mod.Name, m.models[mod.Name].Revision, mod.Revision); err != nil {
			return err
		}
		kept, err := clone(mod)
		if err != nil {
			return err
		}
		kept.Revision++
		m.models[mod.Name], revision = kept, kept.Revision
		return nil
	})
	return revision, err
}

// Models implements store.Catalog.
func (m *Memory) Models(ctx context.Context) (out []store.Model, err error) {
	err = m.read(ctx, OpModels, func() error {
		out, err = sorted(m.models)
		return err
	})
	return out, err
}

// PutPolicy implements store.Catalog.
func (m *Memory) PutPolicy(ctx context.Context, p store.Policy) (revision int64, err error) {
	err = m.write(ctx, OpPutPolicy, func() error {
		if err := atRevision("policy", p.Name, m.policies[p.Name].Revision, p.Revision); err != nil {
			return err
		}
		kept, err := clone(p)
		if err != nil {
			return err
		}
		kept.Revision++
		m.policies[p.Name], revision = kept, kept.Revision
		return nil
	})
	return revision, err
}

// Policies implements store.Catalog.
func (m *Memory) Policies(ctx context.Context) (out []store.Policy, err error) {
	err = m.read(ctx, OpPolicies, func() error {
		out, err = sorted(m.policies)
		return err
	})
	return out, err
}

// Secret implements store.Secrets.
func (m *Memory) Secret(ctx context.Context, name string, proposed []byte) (secret []byte, err error) {
	err = m.read(ctx, OpSecret, func() error {
		secret = bytes.Clone(m.secrets[name])
		return nil
	})
	if err != nil || secret != nil {
		return secret, err
	}
	if len(proposed) == 0 {
		return nil, problem.New(problem.Invalid, "no secret %q is kept, and an empty one was proposed", name)
	}
	err = m.write(ctx, OpSecret, func() error {
		if m.secrets[name] == nil {
			m.secrets[name] = bytes.Clone(proposed)
		}
		secret = bytes.Clone(m.secrets[name])
		return nil
	})
	return secret, err
}

// Answer implements store.Answers.
func (m *Memory) Answer(ctx context.Context, key string) (answer []byte, err error) {
	err = m.read(ctx, OpAnswer, func() error {
		if a, ok := m.answers[key]; ok && time.Now().Before(a.until) {
			answer = bytes.Clone(a.body)
		}
		return nil
	})
	return answer, err
}

// PutAnswer implements store.Answers.
func (m *Memory) PutAnswer(ctx context.Context, key string, answer []byte, until time.Time) error {
	return m.write(ctx, OpPutAnswer, func() error {
		now := time.Now()
		maps.DeleteFunc(m.answers, func(_ string, a memoryAnswer) bool { return !now.Before(a.until) })
		m.answers[key] = memoryAnswer{body: bytes.Clone(answer), until: until}
		return nil
	})
}

// Intend implements store.Intents.
func (m *Memory) Intend(ctx context.Context, i store.Intent) error {
	return m.write(ctx, OpIntend, func() error {
		if _, err := m.find(i.ID); err != nil {
			return err
		}
		kept, err := clone(i)
		if err != nil {
			return err
		}
		m.intents[i.ID] = kept
		return nil
	})
}

// Intents implements store.Intents.
func (m *Memory) Intents(ctx context.Context) (out []store.Intent, err error) {
	err = m.read(ctx, OpIntents, func() error {
		out, err = sorted(m.intents)
		return err
	})
	return out, err
}

// atRevision checks the revision that the caller believes in.
func atRevision(noun, name string, kept, asked int64) error {
	switch {
	case name == "":
		return problem.New(problem.Invalid, "a %s needs a name", noun)
	case kept == asked:
		return nil
	case kept == 0:
		return problem.New(problem.Conflict, "%s %q does not exist, so it is not at revision %d", noun, name, asked)
	}
	return problem.New(problem.Conflict, "%s %q is at revision %d, not %d: read it again", noun, name, kept, asked)
}

// sorted returns copies of the values, in the order of their keys.
func sorted[K cmp.Ordered, V any](in map[K]V) ([]V, error) {
	out := make([]V, 0, len(in))
	for _, key := range slices.Sorted(maps.Keys(in)) {
		v, err := clone(in[key])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// clone copies a value as a database does: by encoding it.
func clone[T any](in T) (out T, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("encode %T: %w", in, err)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("decode %T: %w", in, err)
	}
	return out, nil
}
