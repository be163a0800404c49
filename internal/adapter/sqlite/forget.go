package sqlite

import (
	"context"
	"fmt"
)

// forgetRows is how many rows one transaction deletes: other writes, rollbacks
// among them, take their turns in between.
const forgetRows = 5000

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

func (s *Store) forgetOutcomes(ctx context.Context, id uint64, keep int) error {
	cut, found, err := first(ctx, s, ask("count outcomes", outcomeCut, int64(id), keep), numberOf)
	if err != nil || !found {
		return err
	}
	for deleted := int64(forgetRows); deleted == forgetRows; {
		err := s.write(ctx, "forget outcomes", func(tx *txn) (err error) {
			deleted, err = tx.change(outcomeForget, int64(id), cut, forgetRows)
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
		unit, found, err := first(ctx, s, ask("count exposures", exposureCut, int64(id), forgetRows), numberOf)
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
