package sqlite

import (
	"context"

	"github.com/belay-rollouts/belay/internal/problem"
)

const (
	secretRead = `SELECT value FROM secret WHERE name = ?`

	secretKeep = `INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`
)

// Secret implements store.Secrets.
func (s *Store) Secret(ctx context.Context, name string, proposed []byte) ([]byte, error) {
	read := ask("read secret "+quoted(name), secretRead, name)
	kept, found, err := first(ctx, s, read, bytesOf)
	if err != nil || found {
		return kept, err
	}
	if len(proposed) == 0 {
		return nil, problem.New(problem.Invalid, "no secret %q is kept, and an empty one was proposed", name)
	}
	err = s.write(ctx, "keep secret "+quoted(name), func(tx *txn) error {
		if err := tx.exec(secretKeep, name, proposed); err != nil {
			return err
		}
		// Somebody else may have been first.
		return tx.row(secretRead, []any{name}, &kept)
	})
	if err != nil {
		return nil, err
	}
	return kept, nil
}
