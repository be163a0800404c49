package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/belay-rollouts/belay/internal/problem"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, each step in a transaction of its own.
// It refuses a database that a newer program has written, and leaves it as it is.
func migrate(ctx context.Context, db *sql.DB, dir string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if current > target {
		return problem.New(problem.Refused,
			"the data directory %s was written by a newer version of belay (schema %d, this program knows up to %d): run that version, or choose another directory with --data", dir, current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("from schema %d to %d: %w", current, target, err)
	}
	return nil
}
