package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/belay-rollouts/belay/internal/problem"
)

// explain places an error of the database and says what to do about it. Errors
// that say so already (conflicts, names in use) come back with their place
// only, and so does the end of the caller's context.
func (s *Store) explain(ctx context.Context, doing string, err error) error {
	var coded problem.Coder
	var raw *driver.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return fmt.Errorf("%s: %w", doing, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case s.closed.Load():
		return problem.New(problem.Unavailable, "%s: the store is closed", doing)
	case errors.As(err, &raw):
		return fmt.Errorf("%s: %w", doing, s.explainCode(raw))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// explainCode turns a result code of SQLite into a problem. The extended codes
// (https://www.sqlite.org/rescode.html) have the primary one in their low byte.
func (s *Store) explainCode(err *driver.Error) error {
	switch err.Code() & 0xff {
	case codes.SQLITE_FULL:
		return problem.New(problem.Unavailable, "the disk that holds %s is full (%w): free some space, the server goes on by itself", s.path, err)
	case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_CANTOPEN:
		return problem.New(problem.Unavailable, "the database %s cannot be written to (%w): give the user that runs the server the right to write the file and its directory", s.path, err)
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return problem.New(problem.Unavailable, "another program holds the database %s (%w): close it", s.path, err)
	case codes.SQLITE_IOERR:
		return problem.New(problem.Unavailable, "the disk that holds %s failed to read or write (%w): look at the disk and at its free space", s.path, err)
	case codes.SQLITE_NOMEM:
		return problem.New(problem.Unavailable, "no memory is left to use %s (%w)", s.path, err)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return damaged(s.path, err)
	}
	return err
}
