package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
)

// roleVariable tells a process of this test binary what it is there for, and
// dirVariable where.
const (
	roleVariable = "BELAY_TEST_SQLITE_ROLE"
	dirVariable  = "BELAY_TEST_SQLITE_DIR"
)

// role is what a process of its own does in a data directory. What it writes to
// say reaches the test; it ends with the returned error.
type role func(ctx context.Context, dir string, say io.Writer) error

var roles = map[string]role{
	"commit for ever": commitForEver,
	"hold the lock":   holdTheLock,
}

// play runs one role and returns the exit status of the process.
func play(name string) int {
	run, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		return 2
	}
	if err := run(context.Background(), os.Getenv(dirVariable), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process returns this test binary in a role, not started yet.
func process(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"="+name, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// holdTheLock opens the store, says so, and waits to be killed, or for the end
// of its input.
func holdTheLock(ctx context.Context, dir string, say io.Writer) error {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	_, told := fmt.Fprintln(say, "held")
	_, ended := io.Copy(io.Discard, os.Stdin)
	return errors.Join(told, ended, s.Close())
}
