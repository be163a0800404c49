package sqlite

import (
	"context"
	"fmt"
)

const (
	outcomeEraSize = `SELECT count(*) FROM outcome WHERE rollout = ? AND era = ?`

	outcomeCut = `SELECT n FROM outcome WHERE rollout = ? AND era = ? ORDER BY n DESC LIMIT 1 OFFSET ?`

	outcomePiece = `SELECT era, id FROM outcome WHERE rollout = ? AND era < ? ORDER BY era, id LIMIT 1 OFFSET ?`

	outcomeForget = `DELETE FROM outcome WHERE rollout = ? AND (era, id) < (?, ?)`

	outcomeForgetWithin = `
DELETE FROM outcome WHERE (rollout, era, id) IN (
    SELECT rollout, era, id FROM outcome WHERE rollout = ? AND era = ? AND n <= ? LIMIT ?)`

	exposureCut = `
SELECT unit FROM exposure WHERE rollout = (SELECT key FROM rollout WHERE id = ?)
ORDER BY unit LIMIT 1 OFFSET ?`

	exposureForget = `DELETE FROM exposure WHERE rollout = (SELECT key FROM rollout WHERE id = ?) AND unit <= ?`

	exposureForgetAll = `DELETE FROM exposure WHERE rollout = (SELECT key FROM rollout WHERE id = ?)`
)

// Forget implements store.Ledger. It deletes in several transactions; one that
// is interrupted goes on where it stopped when it is called again.
func (s *Store) Forget(ctx context.Context, id uint64, keep int) error {
	if err := s.forgetOutcomes(ctx, id, max(keep, 0)); err != nil {
		return err
	}
	if keep > 0 {
		return nil
	}
	return s.forgetExposures(ctx, id)
}

// forgetOutcomes goes through the eras, newest first: those that are within
// keep stay, the one that reaches beyond it is cut, and all before it go.
func (s *Store) forgetOutcomes(ctx context.Context, id uint64, keep int) error {
	e, err := s.eras(ctx, id)
	if err != nil {
		return err
	}
	left := int64(keep)
	if (e.last-e.first+1)<<s.writer.bounds.eraBits <= left {
		return nil // Not even full eras reach beyond it.
	}
	for era := e.last; era >= e.first; era-- {
		n, _, err := first(ctx, s, ask("count outcomes", outcomeEraSize, e.key, era), numberOf)
		if err != nil {
			return err
		}
		if n <= left {
			left -= n
			continue
		}
		cut, _, err := first(ctx, s, ask("count outcomes", outcomeCut, e.key, era, left), numberOf)
		if err != nil {
			return err
		}
		s.sieves.forget(e.key, era)
		if err := s.forgetEras(ctx, e.key, era); err != nil {
			return err
		}
		return s.forgetWithin(ctx, e.key, era, cut)
	}
	return nil
}

// forgetEras deletes all eras of a rollout before one.
func (s *Store) forgetEras(ctx context.Context, key, before int64) error {
	for {
		// The id at the end of the next piece.
		era, id := before, []byte{}
		_, found, err := first(ctx, s, ask("count outcomes", outcomePiece, key, before, s.writer.bounds.forgetRows), func(scan scanner) (int, error) {
			return 0, scan(&era, &id)
		})
		if err != nil {
			return err
		}
		err = s.write(ctx, "forget outcomes", func(tx *txn) error { return tx.exec(outcomeForget, key, era, id) })
		if err != nil || !found {
			return err
		}
	}
}

// forgetWithin deletes the ids of an era up to number cut.
func (s *Store) forgetWithin(ctx context.Context, key, era, cut int64) error {
	rows := int64(s.writer.bounds.forgetRows)
	for deleted := rows; deleted == rows; {
		err := s.write(ctx, "forget outcomes", func(tx *txn) (err error) {
			deleted, err = tx.change(outcomeForgetWithin, key, era, cut, rows)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) forgetExposures(ctx context.Context, id uint64) error {
	for {
		// The unit at the end of the next piece, all of its strata included.
		unit, found, err := first(ctx, s, ask("count exposures", exposureCut, int64(id), s.writer.bounds.forgetRows), numberOf)
		if err != nil {
			return err
		}
		err = s.write(ctx, "forget exposures", func(tx *txn) error {
			if !found {
				return tx.exec(exposureForgetAll, int64(id))
			}
			return tx.exec(exposureForget, int64(id), unit)
		})
		if err != nil || !found {
			return err
		}
	}
}

func numberOf(scan scanner) (n int64, err error) {
	if err := scan(&n); err != nil {
		return 0, fmt.Errorf("read a number: %w", err)
	}
	return n, nil
}
