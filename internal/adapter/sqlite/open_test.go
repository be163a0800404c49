package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/problem"
)

// raw opens the database as any other program does.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.File))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// edit changes a database that is closed, behind the store's back.
func edit(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db := raw(t, dir)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
}

// filled makes a data directory with a rollout and ten records in it.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	r := begin(t, s, "fraud", 7)
	for n := range int64(10) {
		_, err := s.Commit(t.Context(), step(r.ID, n+1))
		must(t, err)
	}
	must(t, s.Close())
	return dir
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o600))
}

func TestOpenSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		dir  func(t *testing.T) string
		code problem.Code
		says []string
	}{
		"no directory is named": {
			func(*testing.T) string { return "" }, problem.Invalid, []string{"--data"},
		},
		"the directory is a file": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, nil)
			return path
		}, problem.Invalid, []string{"is a file", "--data"}},
		"a part of the path is a file": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, nil)
			return filepath.Join(path, "data")
		}, problem.Invalid, []string{"a part of the path is a file"}},
		"the database is a directory": {func(t *testing.T) string {
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, sqlite.File), 0o700))
			return dir
		}, problem.Invalid, []string{"is a directory"}},
		"the database is something else": {func(t *testing.T) string {
			dir := t.TempDir()
			write(t, filepath.Join(dir, sqlite.File), []byte("a letter to my aunt, long enough to be read"))
			return dir
		}, problem.Internal, []string{"damaged", "backup"}},
		"the database is cut off after a few bytes": {func(t *testing.T) string {
			dir := t.TempDir()
			write(t, filepath.Join(dir, sqlite.File), []byte("SQLi"))
			return dir
		}, problem.Internal, []string{"damaged", "backup"}},
		"the database was overwritten": {func(t *testing.T) string {
			dir := filled(t)
			path := filepath.Join(dir, sqlite.File)
			data, err := os.ReadFile(path)
			must(t, err)
			for i := 16; i < len(data); i++ {
				data[i] = byte(i * 31)
			}
			write(t, path, data)
			return dir
		}, problem.Internal, []string{"damaged", "backup"}},
		"a newer program wrote the database": {func(t *testing.T) string {
			dir := filled(t)
			edit(t, dir, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (7001, 1)`)
			return dir
		}, problem.Refused, []string{"newer version", "7001"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, tt.dir(t), tt.code, tt.says...)
		})
	}
}

// wantProblem opens a store that cannot be opened.
func wantProblem(t *testing.T, dir string, code problem.Code, says ...string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	if err == nil {
		t.Fatal(errors.Join(errors.New("it was opened"), s.Close()))
	}
	if got := problem.CodeOf(err); got != code {
		t.Errorf("got %q, want %q: %v", got, code, err)
	}
	for _, part := range append(says, dir) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestADatabaseThatIsTooNewIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	edit(t, dir, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (7001, 1)`)
	before, err := os.ReadFile(filepath.Join(dir, sqlite.File))
	must(t, err)
	wantProblem(t, dir, problem.Refused)
	after, err := os.ReadFile(filepath.Join(dir, sqlite.File))
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the file has changed")
	}
}

func TestADataDirectoryBelongsToOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	wantProblem(t, dir, problem.Conflict, fmt.Sprint("process ", os.Getpid()), "stop that server")
	must(t, first.Ping(t.Context()))
	must(t, first.Close())
	must(t, open(t, dir).Ping(t.Context()))
}

func TestTheLockOfAnotherProcessIsNamedAndEndsWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := process(t, "hold the lock", dir)
	_, err := cmd.StdinPipe() // It stays open until the process has ended.
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process said %q (%v)", line, err)
	}
	wantProblem(t, dir, problem.Conflict, fmt.Sprint("process ", cmd.Process.Pid), "stop that server")
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // It was killed.
	must(t, open(t, dir).Ping(t.Context()))
}

func TestNobodyElseReadsTheData(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes there")
	}
	dir := filepath.Join(t.TempDir(), "new", "data")
	first, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	must(t, first.Close())
	must(t, os.Chmod(filepath.Join(dir, sqlite.File), 0o644)) // Somebody copied it here.
	begin(t, open(t, dir), "fraud", 1)
	want := map[string]fs.FileMode{
		"": 0o700 | fs.ModeDir, sqlite.File: 0o600, sqlite.File + "-wal": 0o600, sqlite.File + "-shm": 0o600, "belay.lock": 0o600,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode() != mode {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), mode)
		}
	}
}

func TestDirectoriesWithOddNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "50%", "what?mode=memory", "a#b", "file:x", "så&_pragma=x", `a"b'c`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" {
				t.Skip("such names are not allowed there")
			}
			dir := filepath.Join(t.TempDir(), name)
			begin(t, open(t, dir), "fraud", 1)
			if info, err := os.Stat(filepath.Join(dir, sqlite.File+"-wal")); err != nil || info.Size() == 0 {
				t.Errorf("nothing was written there: %v", err)
			}
		})
	}
}

func TestARelativeDirectoryIsFoundFromWhereTheServerStarts(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "belay-data")
	t.Chdir(t.TempDir())
	must(t, s.Ping(t.Context()))
	begin(t, s, "fraud", 1)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := sqlite.Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Fatalf("opened %v (%v) for a caller that has gone", s, err)
	}
	must(t, open(t, dir).Ping(t.Context()))
}
