package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store"
)

// exposureRows is how many exposures one statement takes.
const exposureRows = 64

const (
	exposureInsert = `INSERT INTO exposure (rollout, unit, stratum, arm, first, last) VALUES (?, ?, ?, ?, ?, ?)`

	exposureRow = `, (?, ?, ?, ?, ?, ?)`

	exposureGrow = ` ON CONFLICT DO UPDATE SET last = excluded.last WHERE excluded.last > last`

	exposureRead = `
SELECT unit, stratum, arm, first, last
FROM exposure WHERE rollout = (SELECT key FROM rollout WHERE id = ?)`
)

var (
	exposureInsertOne  = exposureInsert + exposureGrow
	exposureInsertMany = exposureInsert + strings.Repeat(exposureRow, exposureRows-1) + exposureGrow
)

// keepExposures adds exposures; one that is there keeps its first moment and
// its arm, and its last moment only grows.
func (t *txn) keepExposures(key int64, exposures []store.Exposure) error {
	const columns = 6
	args := make([]any, 0, columns*exposureRows)
	for some := range slices.Chunk(exposures, exposureRows) {
		args = args[:0]
		for _, e := range some {
			args = append(args, key, int64(e.Unit), int64(e.Stratum), int64(e.Arm), moment(e.First), moment(e.Last))
		}
		if len(some) == exposureRows {
			if err := t.exec(exposureInsertMany, args...); err != nil {
				return err
			}
			continue
		}
		for rest := args; len(rest) > 0; rest = rest[columns:] {
			if err := t.exec(exposureInsertOne, rest[:columns]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// Exposures implements store.Ledger. It reads what was kept when it began.
func (s *Store) Exposures(ctx context.Context, id uint64, yield func(store.Exposure) error) error {
	return s.each(ctx, ask("read exposures", exposureRead, int64(id)), func(scan scanner) error {
		var unit, stratum, arm, since, last int64
		if err := scan(&unit, &stratum, &arm, &since, &last); err != nil {
			return err
		}
		return yield(store.Exposure{
			Unit: uint64(unit), Stratum: uint8(stratum), Arm: split.Arm(arm),
			First: momentOf(since), Last: momentOf(last),
		})
	})
}
