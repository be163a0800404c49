package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/belay-rollouts/belay/internal/store"
)

const (
	// outcomeRows is how many outcome ids one statement takes, at most.
	outcomeRows = 4096
	// outcomeSize is the length of an outcome id.
	outcomeSize = len(store.OutcomeID{})
)

const (
	outcomeCount = `SELECT n FROM outcome_count WHERE rollout = ?`

	outcomeCountPut = `
INSERT INTO outcome_count (rollout, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = excluded.n`

	// given are the ids of parameter 1, which has them one after another: to
	// bind each of them by itself takes longer than to keep it.
	given = `
WITH RECURSIVE given (k, id) AS (
    SELECT 1, substr(?1, 1, 16)
    UNION ALL
    SELECT k + 1, substr(?1, k * 16 + 1, 16) FROM given WHERE k * 16 < length(?1)
)`

	outcomeInsert = given + `
INSERT INTO outcome (rollout, era, id, n)
SELECT ?2, (?3 + k) >> ?4, id, ?3 + k FROM given WHERE true
ON CONFLICT DO NOTHING`

	// outcomeEras names the eras of a rollout that are not forgotten.
	outcomeEras = `
SELECT r.key, coalesce((SELECT min(era) FROM outcome WHERE rollout = r.key), 0),
    coalesce((SELECT max(era) FROM outcome WHERE rollout = r.key), -1)
FROM rollout r WHERE r.id = ?`

	outcomeKnown = given + `
SELECT o.id FROM given g CROSS JOIN outcome o ON o.rollout = ?2 AND o.era = ?3 AND o.id = g.id`
)

// keepOutcomes numbers outcome ids as they come. One that is there already
// keeps its number; one that comes again after a whole era is kept as new,
// which does no harm.
func (t *txn) keepOutcomes(key int64, ids []store.OutcomeID) error {
	if len(ids) == 0 {
		return nil
	}
	var n int64
	if err := t.row(outcomeCount, []any{key}, &n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for some := range slices.Chunk(ids, outcomeRows) {
		if err := t.exec(outcomeInsert, joined(some), key, n, t.w.bounds.eraBits); err != nil {
			return err
		}
		n += int64(len(some))
	}
	return t.exec(outcomeCountPut, key, n)
}

// joined puts ids one after another.
func joined(ids []store.OutcomeID) []byte {
	out := make([]byte, 0, outcomeSize*len(ids))
	for i := range ids {
		out = append(out, ids[i][:]...)
	}
	return out
}

// eras are those of a rollout that are not forgotten; none when last < first.
type eras struct{ key, first, last int64 }

func (s *Store) eras(ctx context.Context, id uint64) (eras, error) {
	e, found, err := first(ctx, s, ask("look outcomes up", outcomeEras, int64(id)), func(scan scanner) (e eras, err error) {
		return e, scan(&e.key, &e.first, &e.last)
	})
	if !found {
		e.last = -1
	}
	return e, err
}

// Known implements store.Ledger.
func (s *Store) Known(ctx context.Context, id uint64, outcomes []store.OutcomeID) ([]store.OutcomeID, error) {
	e, err := s.eras(ctx, id)
	if err == nil {
		err = s.makeSieve(ctx, e)
	}
	if err != nil {
		return nil, err
	}
	kept := map[store.OutcomeID]bool{}
	inOrder := slices.Clone(outcomes) // of the tree: neighbours share a page
	slices.SortFunc(inOrder, func(a, b store.OutcomeID) int { return bytes.Compare(a[:], b[:]) })
	for era := e.last; era >= e.first; era-- {
		maybe := s.sieves.sift(eraKey{e.key, era}, inOrder)
		for some := range slices.Chunk(maybe, outcomeRows) {
			r := ask("look outcomes up", outcomeKnown, joined(some), e.key, era)
			if err := s.look(ctx, r, func(id store.OutcomeID) { kept[id] = true }); err != nil {
				return nil, err
			}
		}
	}
	var out []store.OutcomeID
	for _, o := range outcomes {
		if kept[o] {
			out = append(out, o)
		}
	}
	return out, nil
}

// look calls take for every id that a read finds.
func (s *Store) look(ctx context.Context, r request, take func(store.OutcomeID)) error {
	return s.each(ctx, r, func(scan scanner) error {
		var body sql.RawBytes
		if err := scan(&body); err != nil {
			return err
		}
		if len(body) != outcomeSize {
			return fmt.Errorf("%s: an id has %d bytes", r.doing, len(body))
		}
		take(store.OutcomeID(body))
		return nil
	})
}
