package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/belay-rollouts/belay/internal/store"
)

// outcomeRows is how many outcome ids one statement takes.
const outcomeRows = 64

const (
	outcomeNewest = `SELECT coalesce(max(n), 0) FROM outcome WHERE rollout = ?`

	outcomeInsert = `INSERT INTO outcome (rollout, id, n) VALUES (?, ?, ?)`

	outcomeRow = `, (?, ?, ?)`

	onConflictNothing = ` ON CONFLICT DO NOTHING`

	outcomeKnown = `
SELECT o.id FROM outcome o JOIN rollout r ON r.key = o.rollout WHERE r.id = ? AND o.id IN (?`

	outcomeCut = `
SELECT n FROM outcome WHERE rollout = (SELECT key FROM rollout WHERE id = ?) ORDER BY n DESC LIMIT 1 OFFSET ?`

	outcomeForget = `
DELETE FROM outcome WHERE (rollout, id) IN (
    SELECT rollout, id FROM outcome WHERE rollout = (SELECT key FROM rollout WHERE id = ?) AND n <= ? ORDER BY n LIMIT ?)`
)

var (
	outcomeInsertOne  = outcomeInsert + onConflictNothing
	outcomeInsertMany = outcomeInsert + strings.Repeat(outcomeRow, outcomeRows-1) + onConflictNothing
	outcomeKnownMany  = outcomeKnown + strings.Repeat(", ?", outcomeRows-1) + `)`
)

// keepOutcomes numbers outcome ids as they come. One that is there already
// keeps its number.
func (t *txn) keepOutcomes(key int64, ids []store.OutcomeID) error {
	if len(ids) == 0 {
		return nil
	}
	var n int64
	if err := t.row(outcomeNewest, []any{key}, &n); err != nil {
		return err
	}
	args := make([]any, 0, 3*outcomeRows)
	return batches(ids, outcomeRows, func(some []store.OutcomeID) error {
		args = args[:0]
		for i := range some {
			n++
			args = append(args, key, some[i][:], n)
		}
		if len(some) == outcomeRows {
			return t.exec(outcomeInsertMany, args...)
		}
		for ; len(args) > 0; args = args[3:] {
			if err := t.exec(outcomeInsertOne, args[:3]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// batches calls take for up to size of the items at a time.
func batches[T any](items []T, size int, take func([]T) error) error {
	for len(items) > 0 {
		n := min(size, len(items))
		if err := take(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// Known implements store.Ledger.
func (s *Store) Known(ctx context.Context, id uint64, outcomes []store.OutcomeID) ([]store.OutcomeID, error) {
	kept := map[store.OutcomeID]bool{}
	err := batches(outcomes, outcomeRows, func(some []store.OutcomeID) error {
		args := make([]any, 1, 1+outcomeRows)
		args[0] = int64(id)
		for i := range outcomeRows {
			// The statement always has the same form; the rest asks again.
			args = append(args, some[min(i, len(some)-1)][:])
		}
		return s.each(ctx, ask("look outcomes up", outcomeKnownMany, args...), func(scan scanner) error {
			body, err := bytesOf(scan)
			if err != nil || len(body) != len(store.OutcomeID{}) {
				return errors.Join(err, fmt.Errorf("look outcomes up: an id has %d bytes", len(body)))
			}
			kept[store.OutcomeID(body)] = true
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	var out []store.OutcomeID
	for _, o := range outcomes {
		if kept[o] {
			out = append(out, o)
		}
	}
	return out, nil
}
