package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/belay-rollouts/belay/internal/problem"
)

// lockName is the lock file within the data directory. The lock is held by the
// operating system and ends with the process, however it ends; the file stays,
// and its text only tells a person who holds it.
const lockName = "belay.lock"

// errHeld is what lockFile returns when another process holds the lock.
var errHeld = errors.New("locked")

// lock is a held data directory.
type lock struct{ file *os.File }

// lockDir takes a data directory for this process.
func lockDir(dir string) (*lock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, dirProblem("cannot be written to", dir, err)
	}
	switch err := lockFile(f); {
	case errors.Is(err, errHeld):
		return nil, errors.Join(inUse(dir, f), f.Close())
	case err != nil:
		return nil, errors.Join(dirProblem("cannot be locked", dir, err), f.Close())
	}
	l := &lock{file: f}
	if err := l.sign(); err != nil {
		return nil, errors.Join(dirProblem("cannot be written to", dir, err), l.release())
	}
	return l, nil
}

// inUse says who holds a data directory.
func inUse(dir string, f *os.File) error {
	holder := "another process"
	if text, err := io.ReadAll(io.LimitReader(f, 256)); err == nil && len(text) > 0 {
		holder = strings.TrimSpace(string(text))
	}
	return problem.New(problem.Conflict,
		"the data directory %s is in use by %s: stop that server first, or choose another directory with --data", dir, holder)
}

// sign writes who holds the lock.
func (l *lock) sign() error {
	text := fmt.Sprintf("process %d", os.Getpid())
	if host, err := os.Hostname(); err == nil {
		text += " on " + host
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text+"\n"), 0)
	return err
}

// release gives the lock back. Closing the file is not enough: a process that
// is being started at this moment shares it until it runs its own program.
func (l *lock) release() error { return errors.Join(unlockFile(l.file), l.file.Close()) }
