// Package sqlite keeps everything that a server keeps in one SQLite database
// inside its data directory. It is the default store.
//
// What it promises: a write that was answered without an error is on the disk,
// whole, and survives the end of the process and of the machine; one that was
// answered with an error has changed nothing, unless the disk failed at the
// very commit. Writes take their turns on one connection, in the order in
// which they came, as immediate transactions in a write-ahead log that is
// synced at every commit. Reads have connections of their own and never wait
// for a write. A data directory belongs to one server: a lock file says whose
// it is. A database that a newer program has written is refused, an older one
// is brought up to date when it is opened.
//
// When the disk is full, read-only, damaged or gone, the error says so and what
// to do (package problem); nothing is retried here, and nothing has to be
// opened anew once the cause is gone. The package decides nothing about
// rollouts and logs nothing.
//
// Sizes. Only the decision log grows while a rollout runs, by the size of an
// entry and of the evidence it stands on, which entries that stand on the same
// share. An entry a minute of a rollout with five gates in its fifth stage, 6.4 KB
// each, on 20 KB of evidence each, makes 40 MiB a day; 11 MiB a day while the
// evidence does not change (BenchmarkDay). Evidence is replaced in place,
// outcome ids and exposures are bounded by whoever calls Forget, answers by
// their time and number. What is deleted leaves room in the file that
// is used again; the file itself does not shrink.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// File is the name of the database within the data directory. SQLite keeps two
// more beside it while the store is open, with -wal and -shm after the name; a
// copy of a database that is open needs all of them.
const File = "belay.db"

// readers is how many reads run at the same time.
const readers = 4

// Store is a store.Store over SQLite.
type Store struct {
	path   string
	file   os.FileInfo // what path was when the store was opened
	lock   *lock
	writer *writer
	reader *sql.DB
	sieves sieves
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a data directory, which it creates if there is none,
// and brings it up to date. Whatever stands in the way is a problem with a
// sentence for the person who starts the server.
func Open(ctx context.Context, dir string) (*Store, error) {
	dir, err := makeDir(dir)
	if err != nil {
		return nil, err
	}
	held, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{path: filepath.Join(dir, File), lock: held}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	created, err := makeFile(s.path)
	if err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err != nil {
		return fmt.Errorf("look at %s: %w", s.path, err)
	}
	if s.writer, err = openWriter(ctx, s.path); err != nil {
		return s.explain(ctx, "open the database", err)
	}
	if err := migrate(ctx, s.writer.db, filepath.Dir(s.path)); err != nil {
		return s.explain(ctx, "bring the database up to date", err)
	}
	if s.reader, err = openReader(s.path); err != nil {
		return s.explain(ctx, "open the database", err)
	}
	if created {
		return syncDir(filepath.Dir(s.path))
	}
	return nil
}

// Close ends the store and gives the data directory back. It waits for the
// write that is under way, and does nothing the second time.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	errs = append(errs, s.lock.release())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}

// probeWrite writes what nobody reads.
const probeWrite = `INSERT INTO probe (id, n) VALUES (1, 1) ON CONFLICT DO UPDATE SET n = n + 1`

// Ping implements store.Store: it writes, and looks whether the file that it
// writes to is still the one in the data directory.
func (s *Store) Ping(ctx context.Context) error {
	err := s.write(ctx, "write to the store", func(tx *txn) error { return tx.exec(probeWrite) })
	if err != nil {
		return err
	}
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(now, s.file) {
		return problem.New(problem.Unavailable,
			"the database %s was removed or replaced while the server runs, and what it writes now will be lost: put the file back, or restart the server", s.path)
	}
	return nil
}
