package sqlite

import (
	"context"
	"time"
)

const (
	answerRead = `SELECT body FROM answer WHERE key = ? AND until > ?`

	answerPut = `
INSERT INTO answer (key, body, until) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET body = excluded.body, until = excluded.until`

	answerExpire = `DELETE FROM answer WHERE until <= ?`

	answerCount = `SELECT count(*) FROM answer`

	answerPrune = `
DELETE FROM answer WHERE key IN (SELECT key FROM answer WHERE key <> ? ORDER BY until LIMIT ?)`
)

// Answer implements store.Answers.
func (s *Store) Answer(ctx context.Context, key string) ([]byte, error) {
	body, _, err := first(ctx, s, ask("read an answer", answerRead, key, time.Now().UnixMilli()), bytesOf)
	return body, err
}

// PutAnswer implements store.Answers. It also drops the answers whose time is
// over.
func (s *Store) PutAnswer(ctx context.Context, key string, answer []byte, until time.Time) error {
	if answer == nil {
		answer = []byte{}
	}
	return s.write(ctx, "keep an answer", func(tx *txn) error {
		if err := tx.exec(answerExpire, time.Now().UnixMilli()); err != nil {
			return err
		}
		if err := tx.exec(answerPut, key, answer, until.UnixMilli()); err != nil {
			return err
		}
		var n int
		if err := tx.row(answerCount, nil, &n); err != nil || n <= tx.w.bounds.answers {
			return err
		}
		return tx.exec(answerPrune, key, n-tx.w.bounds.answers)
	})
}
