package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/belay-rollouts/belay/internal/store"
)

const (
	evidencePut = `
INSERT INTO evidence (rollout, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`

	evidenceKept = `SELECT body FROM evidence WHERE rollout = ?`

	evidenceRead = `SELECT e.body FROM evidence e JOIN rollout r ON r.key = e.rollout WHERE r.id = ?`

	stateFlush = `UPDATE rollout SET state = ?, active = ? WHERE key = ? AND revision = ?`
)

// Flush implements store.Ledger.
func (s *Store) Flush(ctx context.Context, kept []store.Kept) error {
	if len(kept) == 0 {
		return nil
	}
	return s.write(ctx, "flush evidence", func(tx *txn) error {
		for i := range kept {
			if err := tx.flush(&kept[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *txn) flush(k *store.Kept) error {
	key, err := t.key(k.ID)
	if err != nil {
		return err
	}
	if k.State != nil {
		state, err := encode(k.State)
		if err != nil {
			return err
		}
		// A rollout that has moved on is at another revision, and stays as it is.
		if err := t.exec(stateFlush, state, active(&store.Rollout{State: *k.State}), key, k.Revision); err != nil {
			return err
		}
	}
	return t.keep(key, k)
}

// keep takes evidence in, and what it was made of.
func (t *txn) keep(key int64, k *store.Kept) error {
	if len(k.Evidence) > 0 {
		if err := t.exec(evidencePut, key, k.Evidence); err != nil {
			return err
		}
	}
	if err := t.keepOutcomes(key, k.Outcomes); err != nil {
		return err
	}
	return t.keepExposures(key, k.Exposures)
}

// evidence returns what is kept of a rollout, or nil.
func (t *txn) evidence(key int64) (body []byte, err error) {
	err = t.row(evidenceKept, []any{key}, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, err
}

// Evidence implements store.Ledger.
func (s *Store) Evidence(ctx context.Context, id uint64) ([]byte, error) {
	body, _, err := first(ctx, s, ask("read evidence", evidenceRead, int64(id)), bytesOf)
	return body, err
}
