package storetest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// listBound is how many rollouts or log entries one call returns at most.
const listBound = 1000

// memoryRollout is one rollout and all that hangs on it.
type memoryRollout struct {
	kept      store.Rollout
	log       []store.Logged
	evidence  []byte
	outcomes  map[store.OutcomeID]bool
	order     []store.OutcomeID // as they were kept, oldest first
	exposures map[exposureKey]store.Exposure
}

type exposureKey struct {
	unit    uint64
	stratum uint8
}

// find returns a rollout by its id, with the lock held.
func (m *Memory) find(id uint64) (*memoryRollout, error) {
	r := m.rollouts[id]
	if r == nil {
		return nil, problem.New(problem.NotFound, "no rollout with the id %016x", id)
	}
	return r, nil
}

// named returns a rollout by its name, or nil, with the lock held.
func (m *Memory) named(name string) *memoryRollout {
	for _, r := range m.rollouts {
		if r.kept.Name == name {
			return r
		}
	}
	return nil
}

// Create implements store.Rollouts.
func (m *Memory) Create(ctx context.Context, r store.Rollout) error {
	return m.write(ctx, OpCreate, func() error {
		if err := m.mayCreate(&r); err != nil {
			return err
		}
		kept, err := clone(r)
		if err != nil {
			return err
		}
		kept.Revision, kept.Last, kept.Ending = 1, store.Head{}, nil
		m.rollouts[r.ID] = &memoryRollout{
			kept:      kept,
			outcomes:  map[store.OutcomeID]bool{},
			exposures: map[exposureKey]store.Exposure{},
		}
		m.created = append(m.created, r.ID)
		return nil
	})
}

func (m *Memory) mayCreate(r *store.Rollout) error {
	_, known := m.models[r.Model]
	switch {
	case r.Name == "" || r.ID == 0:
		return problem.New(problem.Invalid, "a rollout needs a name and an id that is not 0")
	case m.named(r.Name) != nil:
		return problem.New(problem.Exists, "a rollout named %q exists", r.Name)
	case m.rollouts[r.ID] != nil:
		return problem.New(problem.Exists, "a rollout with the id %016x exists", r.ID)
	case !known:
		return problem.New(problem.NotFound, "no model named %q", r.Model)
	case !r.State.Phase.Final():
		return m.mayBeActive(r)
	}
	return nil
}

// mayBeActive refuses a second active rollout of a model.
func (m *Memory) mayBeActive(r *store.Rollout) error {
	for _, other := range m.rollouts {
		if other.kept.Model == r.Model && other.kept.ID != r.ID && !other.kept.State.Phase.Final() {
			return problem.New(problem.Conflict, "model %q has another rollout that is not over: %q", r.Model, other.kept.Name)
		}
	}
	return nil
}

// Rollout implements store.Rollouts.
func (m *Memory) Rollout(ctx context.Context, name string) (out store.Rollout, err error) {
	err = m.read(ctx, OpRollout, func() error {
		r := m.named(name)
		if r == nil {
			return problem.New(problem.NotFound, "no rollout named %q", name)
		}
		out, err = clone(r.kept)
		return err
	})
	return out, err
}

// List implements store.Rollouts.
func (m *Memory) List(ctx context.Context, q store.Query) (out []store.Rollout, err error) {
	err = m.read(ctx, OpList, func() error {
		limit := bounded(q.Limit)
		for i := len(m.created) - 1; i >= 0 && len(out) < limit; i-- {
			r := m.rollouts[m.created[i]]
			if q.Model != "" && r.kept.Model != q.Model || q.Active && r.kept.State.Phase.Final() {
				continue
			}
			kept, err := clone(r.kept)
			if err != nil {
				return err
			}
			out = append(out, kept)
		}
		return nil
	})
	return out, err
}

func bounded(limit int) int {
	if limit <= 0 || limit > listBound {
		return listBound
	}
	return limit
}

// Log implements store.Rollouts.
func (m *Memory) Log(ctx context.Context, id uint64, after int64, limit int) (out []store.Logged, err error) {
	err = m.read(ctx, OpLog, func() error {
		r := m.rollouts[id]
		if r == nil {
			return nil
		}
		for _, l := range r.log[min(max(after, 0), int64(len(r.log))):] {
			if len(out) == bounded(limit) {
				return nil
			}
			kept, err := clone(l)
			if err != nil {
				return err
			}
			out = append(out, kept)
		}
		return nil
	})
	return out, err
}

// Commit implements store.Rollouts.
func (m *Memory) Commit(ctx context.Context, c store.Commit) (revision int64, err error) {
	err = m.write(ctx, OpCommit, func() error {
		r, err := m.find(c.ID)
		if err != nil {
			return err
		}
		next, logged, err := m.next(r, &c)
		if err != nil {
			return fmt.Errorf("commit rollout %q: %w", r.kept.Name, err)
		}
		// Nothing below fails: what follows is the transaction.
		r.kept, revision = next, next.Revision
		if logged != nil {
			r.log = append(r.log, *logged)
		}
		if c.Evidence != nil {
			r.keep(c.Evidence)
		}
		m.moveModel(next.Model, &c)
		if c.ClearIntent {
			delete(m.intents, c.ID)
		}
		return nil
	})
	return revision, err
}

// next works out the rollout and the record that a commit leads to, and
// changes nothing.
func (m *Memory) next(r *memoryRollout, c *store.Commit) (store.Rollout, *store.Logged, error) {
	if r.kept.Revision != c.Revision {
		return store.Rollout{}, nil, problem.New(problem.Conflict, "rollout %q is at revision %d, not %d", r.kept.Name, r.kept.Revision, c.Revision)
	}
	if c.Evidence != nil && c.Evidence.ID != c.ID {
		return store.Rollout{}, nil, problem.New(problem.Internal, "the evidence is of rollout %016x", c.Evidence.ID)
	}
	next := r.kept
	next.State = c.State
	next.Revision++
	if c.Ending != nil {
		next.Ending = c.Ending
	}
	if !next.State.Phase.Final() {
		if err := m.mayBeActive(&next); err != nil {
			return store.Rollout{}, nil, err
		}
	}
	var logged *store.Logged
	if c.Entry != nil {
		l, err := store.Seal(&r.kept, *c.Entry, bytes.Clone(r.evidenceAfter(c.Evidence)))
		if err != nil {
			return store.Rollout{}, nil, err
		}
		logged, next.Last = &l, store.HeadOf(c.Entry, l.Hash)
	}
	next, err := clone(next)
	return next, logged, err
}

// moveModel does what a commit asks for the model; one change, one revision.
func (m *Memory) moveModel(name string, c *store.Commit) {
	if c.Serving == nil && c.CooldownUntil.IsZero() {
		return
	}
	mod := m.models[name]
	if c.Serving != nil {
		mod.Serving = *c.Serving
	}
	if !c.CooldownUntil.IsZero() {
		mod.CooldownUntil = c.CooldownUntil
	}
	mod.Revision++
	m.models[name] = mod
}
