package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/belay-rollouts/belay/internal/problem"
)

// The data directory holds secrets: nobody else reads it.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// magic is how every SQLite database begins.
var magic = []byte("SQLite format 3\x00")

// makeDir returns the data directory as an absolute path, and creates it when
// there is none.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", problem.New(problem.Invalid, "no data directory is given: choose one with --data")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", problem.New(problem.Unavailable, "the data directory %q cannot be found from here: %w", dir, err)
	}
	info, err := os.Stat(abs)
	switch {
	case err == nil && info.IsDir():
		return abs, nil
	case err == nil:
		return "", problem.New(problem.Invalid, "the data directory %s is a file: choose a directory with --data", abs)
	case !errors.Is(err, fs.ErrNotExist):
		return "", dirProblem("cannot be opened", abs, err)
	}
	if err := os.MkdirAll(abs, dirMode); err != nil {
		return "", dirProblem("cannot be created", abs, err)
	}
	return abs, nil
}

// dirProblem says why a data directory cannot be used, and what to do.
func dirProblem(what, dir string, err error) error {
	code, advice := problem.Unavailable, "choose another one with --data"
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		code, advice = problem.Invalid, "a part of the path is a file: choose another one with --data"
	case errors.Is(err, fs.ErrPermission):
		advice = "give the user that runs the server the right to write there, or choose another one with --data"
	case errors.Is(err, syscall.EROFS):
		advice = "it is on a read-only file system: choose another one with --data"
	case errors.Is(err, syscall.ENOSPC):
		advice = "its disk is full: free some space, then start again"
	}
	return problem.New(code, "the data directory %s %s (%w); %s", dir, what, err, advice)
}

// makeFile creates the database file, readable by nobody else, or checks that
// the one that is there is a database. It is called before SQLite opens the
// file: closing another descriptor of it later would drop SQLite's locks.
func makeFile(path string) (created bool, err error) {
	_, err = os.Stat(path)
	created = errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return false, fileProblem(path, err)
	}
	err = errors.Join(checkFile(path, f), f.Close())
	return created, err
}

// fileProblem says why the database file cannot be opened.
func fileProblem(path string, err error) error {
	if errors.Is(err, syscall.EISDIR) {
		return problem.New(problem.Invalid, "%s is a directory, not a database: move it away, or choose another data directory with --data", path)
	}
	return dirProblem("cannot be written to", filepath.Dir(path), err)
}

func checkFile(path string, f *os.File) error {
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case errors.Is(err, io.EOF): // New, or a crash came before the first write.
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fileProblem(path, err)
	case !bytes.Equal(head[:n], magic):
		return damaged(path, errors.New("it does not begin as a database does"))
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := f.Chmod(fileMode); err != nil {
		return fmt.Errorf("close %s to other users: %w", path, err)
	}
	return nil
}

// damaged is the problem of a database that cannot be read.
func damaged(path string, err error) error {
	return problem.New(problem.Internal,
		"the database %s is damaged (%w): stop the server, keep a copy of the file, and put a backup in its place, or move it away to start empty", path, err)
}

// syncDir makes the names in a directory durable, once files were created.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // A directory cannot be synced there.
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
