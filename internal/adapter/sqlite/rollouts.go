package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// listBound is how many rollouts or log entries one call returns at most.
const listBound = 1000

const (
	rolloutColumns = `
SELECT r.id, r.name, r.model, r.revision, r.salt, p.source, p.body, r.state, r.created_at, r.created_by,
    coalesce(r.head, ''), coalesce(r.ending, '')
FROM rollout r JOIN plan p ON p.rollout = r.key`

	rolloutByName = rolloutColumns + ` WHERE r.name = ?`

	rolloutByID = rolloutColumns + ` WHERE r.id = ?`

	rolloutList = rolloutColumns + ` ORDER BY r.key DESC LIMIT ?`

	rolloutListActive = rolloutColumns + ` WHERE r.active = 1 ORDER BY r.key DESC LIMIT ?`

	rolloutListModel = rolloutColumns + ` WHERE r.model = ? AND r.active >= ? ORDER BY r.key DESC LIMIT ?`

	// rolloutTaken finds what stands in the way of a new rollout.
	rolloutTaken = `
SELECT (SELECT count(*) FROM rollout WHERE name = ?), (SELECT count(*) FROM rollout WHERE id = ?),
    (SELECT count(*) FROM model WHERE name = ?)`

	rolloutActive = `SELECT name FROM rollout WHERE model = ? AND active = 1 AND id <> ?`

	rolloutInsert = `
INSERT INTO rollout (id, name, model, revision, active, state, salt, created_at, created_by)
VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)
RETURNING key`

	planInsert = `INSERT INTO plan (rollout, source, body) VALUES (?, ?, ?)`

	rolloutKey = `SELECT key FROM rollout WHERE id = ?`
)

// Create implements store.Rollouts.
func (s *Store) Create(ctx context.Context, r store.Rollout) error {
	plan, err1 := encode(r.Plan)
	state, err2 := encode(r.State)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("create rollout %q: %w", r.Name, err)
	}
	return s.write(ctx, "create rollout "+quoted(r.Name), func(tx *txn) error {
		if err := tx.mayCreate(&r); err != nil {
			return err
		}
		var key int64
		err := tx.row(rolloutInsert, []any{
			int64(r.ID), r.Name, r.Model, active(&r), state, int64(r.Salt), momentText(r.CreatedAt), r.CreatedBy,
		}, &key)
		if err != nil {
			return err
		}
		return tx.exec(planInsert, key, string(r.Source), plan)
	})
}

// active is the column that the unique index on active rollouts reads.
func active(r *store.Rollout) int {
	if r.State.Phase.Final() {
		return 0
	}
	return 1
}

func (t *txn) mayCreate(r *store.Rollout) error {
	if r.Name == "" || r.ID == 0 {
		return problem.New(problem.Invalid, "a rollout needs a name and an id that is not 0")
	}
	var names, ids, models int
	if err := t.row(rolloutTaken, []any{r.Name, int64(r.ID), r.Model}, &names, &ids, &models); err != nil {
		return err
	}
	switch {
	case names > 0:
		return problem.New(problem.Exists, "a rollout named %q exists", r.Name)
	case ids > 0:
		return problem.New(problem.Exists, "a rollout with the id %016x exists", r.ID)
	case models == 0:
		return problem.New(problem.NotFound, "no model named %q", r.Model)
	}
	return t.mayBeActive(r)
}

// mayBeActive refuses a second active rollout of a model. A unique index would
// refuse it as well; this says which one is in the way.
func (t *txn) mayBeActive(r *store.Rollout) error {
	if active(r) == 0 {
		return nil
	}
	var other string
	err := t.row(rolloutActive, []any{r.Model, int64(r.ID)}, &other)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return problem.New(problem.Conflict, "model %q has another rollout that is not over: %q", r.Model, other)
}

// key returns the short key of a rollout.
func (t *txn) key(id uint64) (key int64, err error) {
	err = t.row(rolloutKey, []any{int64(id)}, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, unknown(id)
	}
	return key, err
}

func unknown(id uint64) error {
	return problem.New(problem.NotFound, "no rollout with the id %016x", id)
}

// Rollout implements store.Rollouts.
func (s *Store) Rollout(ctx context.Context, name string) (store.Rollout, error) {
	r, found, err := first(ctx, s, ask("read rollout "+quoted(name), rolloutByName, name), scanRollout)
	if err == nil && !found {
		err = problem.New(problem.NotFound, "no rollout named %q", name)
	}
	return r, err
}

// List implements store.Rollouts.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Rollout, error) {
	r := ask("list rollouts", rolloutList, bounded(q.Limit))
	switch {
	case q.Model != "" && q.Active:
		r.sql, r.args = rolloutListModel, []any{q.Model, 1, bounded(q.Limit)}
	case q.Model != "":
		r.sql, r.args = rolloutListModel, []any{q.Model, 0, bounded(q.Limit)}
	case q.Active:
		r.sql = rolloutListActive
	}
	return query(ctx, s, r, scanRollout)
}

func bounded(limit int) int {
	if limit <= 0 || limit > listBound {
		return listBound
	}
	return limit
}

func scanRollout(scan scanner) (r store.Rollout, err error) {
	var id, salt int64
	var plan, state, head, ending string
	var created *string
	err = scan(&id, &r.Name, &r.Model, &r.Revision, &salt, &r.Source, &plan, &state, &created, &r.CreatedBy, &head, &ending)
	if err != nil {
		return r, err
	}
	r.ID, r.Salt = uint64(id), split.Salt(salt)
	if ending != "" {
		r.Ending = &store.Ending{}
	}
	r.CreatedAt, err = parseMoment(created)
	return r, errors.Join(err, decode(plan, &r.Plan), decode(state, &r.State), decode(head, &r.Last), decode(ending, r.Ending))
}
