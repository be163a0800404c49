package sqlite

import (
	"context"
	"time"
)

// answerBound is how many answers are kept at most; those that end first go
// first. It bounds what a caller can fill the disk with.
const answerBound = 10_000

const (
	answerRead = `SELECT body FROM answer WHERE key = ? AND until > ?`

	answerPut = `
INSERT INTO answer (key, body, until) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET body = excluded.body, until = excluded.until`

	answerExpire = `DELETE FROM answer WHERE until <= ?`

	answerPrune = `
DELETE FROM answer WHERE key IN (SELECT key FROM answer WHERE key <> ? ORDER BY until DESC LIMIT -1 OFFSET ?)`
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
		return tx.exec(answerPrune, key, answerBound-1)
	})
}
