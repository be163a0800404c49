package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	modelRevision = `SELECT revision FROM model WHERE name = ?`

	modelPut = `
INSERT INTO model (name, revision, source, protocol, matching, unit, serving, cooldown_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    revision = excluded.revision, source = excluded.source, protocol = excluded.protocol, matching = excluded.matching,
    unit = excluded.unit, serving = excluded.serving, cooldown_until = excluded.cooldown_until`

	modelMove = `
UPDATE model SET
    revision = revision + 1, serving = coalesce(?, serving), cooldown_until = coalesce(?, cooldown_until)
WHERE name = ?`

	models = `
SELECT name, revision, source, protocol, matching, unit, serving, cooldown_until FROM model ORDER BY name`

	policyRevision = `SELECT revision FROM policy WHERE name = ?`

	policyPut = `
INSERT INTO policy (name, revision, source) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET revision = excluded.revision, source = excluded.source`

	policies = `SELECT name, revision, source FROM policy ORDER BY name`
)

// PutModel implements store.Catalog.
func (s *Store) PutModel(ctx context.Context, m store.Model) (int64, error) {
	matching, err1 := encode(m.Match)
	unit, err2 := encode(m.Unit)
	serving, err3 := encode(m.Serving)
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	revision := m.Revision + 1
	err := s.write(ctx, "put model "+quoted(m.Name), func(tx *txn) error {
		if err := tx.atRevision("model", m.Name, modelRevision, m.Revision); err != nil {
			return err
		}
		return tx.exec(modelPut, m.Name, revision, string(m.Source), string(m.Protocol), matching, unit, serving, momentText(m.CooldownUntil))
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// PutPolicy implements store.Catalog.
func (s *Store) PutPolicy(ctx context.Context, p store.Policy) (int64, error) {
	revision := p.Revision + 1
	err := s.write(ctx, "put policy "+quoted(p.Name), func(tx *txn) error {
		if err := tx.atRevision("policy", p.Name, policyRevision, p.Revision); err != nil {
			return err
		}
		return tx.exec(policyPut, p.Name, revision, string(p.Source))
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// atRevision checks the revision that the caller believes in.
func (t *txn) atRevision(noun, name, query string, asked int64) error {
	if name == "" {
		return problem.New(problem.Invalid, "a %s needs a name", noun)
	}
	var kept int64
	err := t.row(query, []any{name}, &kept)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case kept == asked:
		return nil
	case kept == 0:
		return problem.New(problem.Conflict, "%s %q does not exist, so it is not at revision %d", noun, name, asked)
	}
	return problem.New(problem.Conflict, "%s %q is at revision %d, not %d: read it again", noun, name, kept, asked)
}

// Models implements store.Catalog.
func (s *Store) Models(ctx context.Context) ([]store.Model, error) {
	return query(ctx, s, ask("list models", models), func(scan scanner) (m store.Model, err error) {
		var matching, unit, serving string
		var cooldown *string
		if err := scan(&m.Name, &m.Revision, &m.Source, &m.Protocol, &matching, &unit, &serving, &cooldown); err != nil {
			return m, err
		}
		m.CooldownUntil, err = parseMoment(cooldown)
		return m, errors.Join(err, decode(matching, &m.Match), decode(unit, &m.Unit), decode(serving, &m.Serving))
	})
}

// Policies implements store.Catalog.
func (s *Store) Policies(ctx context.Context) ([]store.Policy, error) {
	return query(ctx, s, ask("list policies", policies), func(scan scanner) (p store.Policy, err error) {
		return p, scan(&p.Name, &p.Revision, &p.Source)
	})
}
