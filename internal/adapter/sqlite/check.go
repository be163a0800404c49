package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/belay-rollouts/belay/internal/store"
)

const (
	integrity = `PRAGMA integrity_check(1)`

	references = `PRAGMA foreign_key_check`

	rolloutsOldest = rolloutColumns + ` ORDER BY r.key`
)

// Damage is something in the store that is not as it was written.
type Damage struct {
	Rollout string // "" when it is the file itself
	Seq     int64  // the record of the rollout's log that does not fit; 0 when it is none
	What    string
}

// String says it to a person.
func (d Damage) String() string {
	switch {
	case d.Rollout == "":
		return "the database: " + d.What
	case d.Seq == 0:
		return fmt.Sprintf("rollout %q: %s", d.Rollout, d.What)
	}
	return fmt.Sprintf("rollout %q, record %d: %s", d.Rollout, d.Seq, d.What)
}

// Check looks for damage: in the file, and in the decision log of every rollout,
// whose hashes have to lead from its Genesis to its head without a gap. It
// returns the first damage of each rollout, because what follows it can no
// longer be told; none means that all is well. It sees one moment of the store,
// which may be in use meanwhile.
func (s *Store) Check(ctx context.Context) (out []Damage, err error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, s.explain(ctx, "check the database", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	c := check{s: s, tx: tx}
	if err := c.file(ctx); err != nil {
		return c.found, err
	}
	all, err := query(ctx, s, c.ask("list rollouts", rolloutsOldest), scanRollout)
	if err != nil {
		return c.found, err
	}
	for i := range all {
		if err := c.log(ctx, &all[i]); err != nil {
			return c.found, err
		}
	}
	return c.found, nil
}

// check is a check that is under way, at one moment of the store.
type check struct {
	s     *Store
	tx    *sql.Tx
	found []Damage
}

func (c *check) ask(doing, sql string, args ...any) request {
	r := ask(doing, sql, args...)
	r.in = c.tx
	return r
}

// file has SQLite look through the whole file, and at all references.
func (c *check) file(ctx context.Context) error {
	for _, pragma := range []string{integrity, references} {
		err := c.s.each(ctx, c.ask("check the database", pragma), func(scan scanner) error {
			var text string
			var rest [3]any
			err := scan(&text)
			if pragma == references {
				err = scan(&text, &rest[0], &rest[1], &rest[2])
				text = "a row of table " + text + " refers to nothing"
			}
			if text != "ok" {
				c.found = append(c.found, Damage{What: text})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// log follows the log of one rollout. The bodies are not looked into more than
// the audit does: a record that cannot be decoded is damage like any other.
func (c *check) log(ctx context.Context, r *store.Rollout) error {
	a, err := store.NewAudit(r)
	if err != nil {
		return err
	}
	var wrong error
	read := c.ask("read the log of rollout "+quoted(r.Name), logRead, int64(r.ID), math.MinInt64, math.MaxInt64)
	err = c.s.each(ctx, read, func(scan scanner) error {
		l, err := scanLogged(scan)
		if err == nil {
			wrong = a.Next(&l)
			err = wrong
		}
		return err
	})
	seq := a.Seq() + 1
	if wrong == nil {
		if err != nil {
			return err
		}
		wrong, seq = a.End(r.Last), a.Seq()
	}
	if wrong != nil {
		c.found = append(c.found, Damage{Rollout: r.Name, Seq: seq, What: wrong.Error()})
	}
	return nil
}
