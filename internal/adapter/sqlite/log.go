package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/belay-rollouts/belay/internal/store"
)

const logRead = `
SELECT l.previous, l.hash, l.body, e.body
FROM rollout r
JOIN log l ON l.rollout = r.key
LEFT JOIN log_evidence e ON e.rollout = l.rollout AND e.sum = l.evidence
WHERE r.id = ? AND l.seq > ?
ORDER BY l.seq LIMIT ?`

// Log implements store.Rollouts.
func (s *Store) Log(ctx context.Context, id uint64, after int64, limit int) ([]store.Logged, error) {
	r := ask("read a log", logRead, int64(id), after, bounded(limit))
	return query(ctx, s, r, func(scan scanner) (store.Logged, error) {
		l, err := scanLogged(scan)
		if err != nil {
			return l, err
		}
		if err := json.Unmarshal(l.Body, &l.Entry); err != nil {
			return l, fmt.Errorf("decode a log entry of rollout %016x: %w", id, err)
		}
		return l, nil
	})
}

// scanLogged reads a record without looking into its body.
func scanLogged(scan scanner) (l store.Logged, err error) {
	return l, scan(&l.Previous, &l.Hash, &l.Body, &l.Evidence)
}
