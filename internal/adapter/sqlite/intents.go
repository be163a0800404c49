package sqlite

import (
	"context"

	"github.com/belay-rollouts/belay/internal/store"
)

const (
	intentPut = `INSERT INTO intent (rollout, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`

	intents = `SELECT body FROM intent ORDER BY rollout`
)

// Intend implements store.Intents.
func (s *Store) Intend(ctx context.Context, i store.Intent) error {
	body, err := encode(i)
	if err != nil {
		return err
	}
	return s.write(ctx, "keep an intent", func(tx *txn) error {
		key, err := tx.key(i.ID)
		if err != nil {
			return err
		}
		return tx.exec(intentPut, key, body)
	})
}

// Intents implements store.Intents.
func (s *Store) Intents(ctx context.Context) ([]store.Intent, error) {
	return query(ctx, s, ask("read intents", intents), func(scan scanner) (i store.Intent, err error) {
		var body string
		if err := scan(&body); err != nil {
			return i, err
		}
		return i, decode(body, &i)
	})
}
