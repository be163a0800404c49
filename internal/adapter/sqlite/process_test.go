package sqlite_test

import (
	"context"
	"fmt"
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

// roles are what a process of its own does; it ends with the returned error.
var roles = map[string]func(ctx context.Context, dir string) error{
	"commit for ever": commitForEver,
	"hold the lock":   holdTheLock,
}

// play runs one role and returns the exit status of the process.
func play(role string) int {
	run, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", role)
		return 2
	}
	if err := run(context.Background(), os.Getenv(dirVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process returns this test binary in a role, not started yet.
func process(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// holdTheLock opens the store, says so, and waits to be killed.
func holdTheLock(ctx context.Context, dir string) error {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Println("held")
	var never chan struct{}
	<-never
	return s.Close()
}
