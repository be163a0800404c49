package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/belay-rollouts/belay/internal/store"
)

// evidenceAfter is the rollout's evidence once k is kept.
func (r *memoryRollout) evidenceAfter(k *store.Kept) []byte {
	if k == nil || len(k.Evidence) == 0 {
		return r.evidence
	}
	return k.Evidence
}

// keep takes evidence in, and what it was made of.
func (r *memoryRollout) keep(k *store.Kept) {
	r.evidence = bytes.Clone(r.evidenceAfter(k))
	for _, id := range k.Outcomes {
		if !r.outcomes[id] {
			r.outcomes[id] = true
			r.order = append(r.order, id)
		}
	}
	for _, e := range k.Exposures {
		key := exposureKey{e.Unit, e.Stratum}
		if before, ok := r.exposures[key]; ok {
			if before.Last.After(e.Last) {
				e.Last = before.Last
			}
			e.First, e.Arm = before.First, before.Arm
		}
		r.exposures[key] = e
	}
}

// Flush implements store.Ledger.
func (m *Memory) Flush(ctx context.Context, kept []store.Kept) error {
	return m.write(ctx, OpFlush, func() error {
		states := make([]*store.Rollout, len(kept))
		for i, k := range kept {
			r, err := m.find(k.ID)
			if err != nil {
				return err
			}
			if k.State == nil || k.Revision != r.kept.Revision {
				continue
			}
			next := r.kept
			next.State = *k.State
			if next, err = clone(next); err != nil {
				return err
			}
			states[i] = &next
		}
		for i, k := range kept {
			r := m.rollouts[k.ID]
			if states[i] != nil {
				r.kept = *states[i]
			}
			r.keep(&k)
		}
		return nil
	})
}

// Evidence implements store.Ledger.
func (m *Memory) Evidence(ctx context.Context, id uint64) (out []byte, err error) {
	err = m.read(ctx, OpEvidence, func() error {
		if r := m.rollouts[id]; r != nil {
			out = bytes.Clone(r.evidence)
		}
		return nil
	})
	return out, err
}

// Known implements store.Ledger.
func (m *Memory) Known(ctx context.Context, id uint64, outcomes []store.OutcomeID) (out []store.OutcomeID, err error) {
	err = m.read(ctx, OpKnown, func() error {
		r := m.rollouts[id]
		if r == nil {
			return nil
		}
		for _, o := range outcomes {
			if r.outcomes[o] {
				out = append(out, o)
			}
		}
		return nil
	})
	return out, err
}

// Exposures implements store.Ledger.
func (m *Memory) Exposures(ctx context.Context, id uint64, yield func(store.Exposure) error) error {
	var all []store.Exposure
	err := m.read(ctx, OpExposures, func() error {
		if r := m.rollouts[id]; r != nil {
			all = slices.Collect(maps.Values(r.exposures))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b store.Exposure) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Stratum, b.Stratum))
	})
	for _, e := range all {
		// Without the lock: yield may call the store.
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements store.Ledger.
func (m *Memory) Forget(ctx context.Context, id uint64, keep int) error {
	return m.write(ctx, OpForget, func() error {
		r := m.rollouts[id]
		if r == nil {
			return nil
		}
		cut := max(len(r.order)-max(keep, 0), 0)
		for _, o := range r.order[:cut] {
			delete(r.outcomes, o)
		}
		r.order = slices.Clone(r.order[cut:])
		if keep <= 0 {
			clear(r.exposures)
		}
		return nil
	})
}
