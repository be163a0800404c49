package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	rolloutMove = `
UPDATE rollout SET
    revision = revision + 1, active = ?, state = ?, head = coalesce(?, head), ending = coalesce(?, ending)
WHERE key = ?`

	logInsert = `INSERT INTO log (rollout, seq, previous, hash, evidence, body) VALUES (?, ?, ?, ?, ?, ?)`

	logEvidenceInsert = `INSERT INTO log_evidence (rollout, sum, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`

	intentClear = `DELETE FROM intent WHERE rollout = ?`
)

// Commit implements store.Rollouts.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	var revision int64
	err := s.write(ctx, "commit", func(tx *txn) error {
		key, err := tx.key(c.ID)
		if err != nil {
			return err
		}
		r, err := tx.rollout(c.ID)
		if err != nil {
			return err
		}
		revision = r.Revision + 1
		return tx.commit(key, &r, &c)
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// commit carries out c on the rollout r as it is kept.
func (t *txn) commit(key int64, r *store.Rollout, c *store.Commit) error {
	if r.Revision != c.Revision {
		return problem.New(problem.Conflict, "rollout %q is at revision %d, not %d", r.Name, r.Revision, c.Revision)
	}
	if c.Evidence != nil {
		if c.Evidence.ID != c.ID {
			return problem.New(problem.Internal, "rollout %q: the evidence is of rollout %016x", r.Name, c.Evidence.ID)
		}
		if err := t.keep(key, c.Evidence); err != nil {
			return err
		}
	}
	head, err := t.append(key, r, c)
	if err != nil {
		return err
	}
	if err := t.moveRollout(key, r, c, head); err != nil {
		return err
	}
	if err := t.moveModel(r.Model, c); err != nil {
		return err
	}
	if !c.ClearIntent {
		return nil
	}
	return t.exec(intentClear, key)
}

// append adds the entry of a commit to the log and returns the new head as it
// is kept; nil when there is no entry. The evidence is kept already.
func (t *txn) append(key int64, r *store.Rollout, c *store.Commit) (any, error) {
	if c.Entry == nil {
		return nil, nil //nolint:nilnil // No head is no mistake: the column stays as it is.
	}
	evidence, err := t.evidence(key)
	if err != nil {
		return nil, err
	}
	l, err := store.Seal(r, *c.Entry, evidence)
	if err != nil {
		return nil, err
	}
	var sum any
	if len(evidence) > 0 {
		sum = c.Entry.EvidenceSum
		if err := t.exec(logEvidenceInsert, key, sum, evidence); err != nil {
			return nil, err
		}
	}
	if err := t.exec(logInsert, key, c.Entry.Seq, l.Previous, l.Hash, sum, string(l.Body)); err != nil {
		return nil, err
	}
	return encode(store.HeadOf(c.Entry, l.Hash))
}

// moveRollout keeps the new state; nil leaves head and ending as they are.
func (t *txn) moveRollout(key int64, r *store.Rollout, c *store.Commit, head any) error {
	next := *r
	next.State = c.State
	if err := t.mayBeActive(&next); err != nil {
		return err
	}
	state, err := encode(c.State)
	if err != nil {
		return err
	}
	var ending any
	if c.Ending != nil {
		if ending, err = encode(c.Ending); err != nil {
			return err
		}
	}
	return t.exec(rolloutMove, active(&next), state, head, ending, key)
}

// moveModel does what a commit asks for the model; one change, one revision.
func (t *txn) moveModel(name string, c *store.Commit) error {
	if c.Serving == nil && c.CooldownUntil.IsZero() {
		return nil
	}
	var serving any
	if c.Serving != nil {
		text, err := encode(c.Serving)
		if err != nil {
			return err
		}
		serving = text
	}
	return t.exec(modelMove, serving, momentText(c.CooldownUntil), name)
}

// rollout reads a rollout as it is kept.
func (t *txn) rollout(id uint64) (store.Rollout, error) {
	r, err := scanRollout(func(dest ...any) error { return t.row(rolloutByID, []any{int64(id)}, dest...) })
	if errors.Is(err, sql.ErrNoRows) {
		return r, unknown(id)
	}
	return r, err
}
