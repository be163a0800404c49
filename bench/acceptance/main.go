// Command acceptance runs the simulations that Belay's statistics are accepted by
// in their full size, and writes docs/benchmarks/acceptance.md with every figure
// that they measured. The tests themselves have the limits; a figure beyond its
// limit fails here as it fails in `make test`, which runs the same in small.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// suite is the tests of a package and the flags that give them their full size.
type suite struct {
	Package string
	Flags   []string
}

// asGiven are the flags of packages with properties: the same cases as always, and
// no file of one that fails.
var asGiven = []string{"-rapid.seed=1", "-rapid.nofailfile"}

var suites = []suite{
	{"internal/core/stats", append([]string{"-stats.scale=10"}, asGiven...)},
	{"internal/core/gate", append([]string{"-horizon.reps=400", "-drift.scale=5"}, asGiven...)},
	{"internal/core/oneshot", append([]string{"-oneshot.scale=10"}, asGiven...)},
	{"internal/core/rollout", append([]string{"-accept.reps=400", "-demo.seeds=500"}, asGiven...)},
	{"internal/core/planner", []string{"-planner.reps=800"}},
	{"internal/simulate", append([]string{"-simulate.reps=400"}, asGiven...)},
	{"internal/check", append([]string{"-check.reps=1500"}, asGiven...)},
}

func main() {
	out := flag.String("out", "docs/benchmarks/acceptance.md", "the page to write")
	limit := flag.Duration("limit", 2*time.Hour, "when to stop")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, suites, *out, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		os.Exit(1) //nolint:forbidigo // This is a command, though not one of the product.
	}
}

// run runs the suites and writes the page. Tests that fail are on it too.
func run(ctx context.Context, suites []suite, out string, progress io.Writer) error {
	var results []result
	for _, s := range suites {
		began := time.Now()
		r, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("run the tests of %s: %w", s.Package, err)
		}
		fmt.Fprintf(progress, "%s: %d figures, %d failed, %s\n", s.Package, r.figures(), r.failed(), time.Since(began).Round(time.Second))
		results = append(results, r)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, page(results), 0o644); err != nil {
		return err
	}
	for _, r := range results {
		if r.failed() > 0 {
			return fmt.Errorf("%d tests of %s failed; they are named in %s", r.failed(), r.suite.Package, out)
		}
	}
	return nil
}

// run runs the tests and reads their events. That tests failed is no error here.
func (s suite) run(ctx context.Context) (result, error) {
	args := append([]string{"test", "-json", "-count=1", "-timeout=2h", "./" + s.Package}, s.Flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	r, readErr := read(s, events)
	err = cmd.Wait()
	var failed *exec.ExitError
	if errors.As(err, &failed) && r.failed() > 0 {
		err = nil
	}
	return r, errors.Join(readErr, err, ctx.Err())
}
