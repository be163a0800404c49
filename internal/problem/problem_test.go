package problem_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/belay-rollouts/belay/internal/problem"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	missing := problem.New(problem.NotFound, "no rollout named %q", "a")
	tests := map[string]struct {
		err  error
		want problem.Code
	}{
		"nil carries no code":                  {nil, ""},
		"a foreign error is internal":          {io.EOF, problem.Internal},
		"a problem carries its code":           {missing, problem.NotFound},
		"wrapping keeps the code":              {fmt.Errorf("read: %w", missing), problem.NotFound},
		"the outermost code wins":              {problem.New(problem.Unavailable, "read: %w", missing), problem.Unavailable},
		"a joined list has its first code":     {problem.Join(missing, problem.New(problem.Invalid, "b")), problem.NotFound},
		"an internal fault shows in a list":    {problem.Join(missing, io.EOF), problem.Internal},
		"a wrapped list keeps its code":        {fmt.Errorf("apply: %w", problem.Join(missing, missing)), problem.NotFound},
		"the standard join shows the first":    {errors.Join(missing, io.EOF), problem.NotFound},
		"another package's error can be coded": {fmt.Errorf("parse: %w", coded{}), problem.TooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := problem.CodeOf(tt.err); got != tt.want {
				t.Errorf("CodeOf(%v) = %q, want %q", tt.err, got, tt.want)
			}
			if tt.err != nil && !problem.Is(tt.err, tt.want) {
				t.Errorf("Is(%v, %q) = false", tt.err, tt.want)
			}
		})
	}
	if problem.Is(nil, "") {
		t.Error("nil must carry no code, not even the empty one")
	}
}

type coded struct{}

func (coded) Error() string             { return "coded" }
func (coded) ProblemCode() problem.Code { return problem.TooLarge }

func TestNewKeepsEveryCause(t *testing.T) {
	t.Parallel()
	one := problem.New(problem.Unavailable, "open: %w", fs.ErrNotExist)
	two := problem.New(problem.Unavailable, "open: %w, then %w", fs.ErrNotExist, io.EOF)
	if !errors.Is(one, fs.ErrNotExist) || !errors.Is(two, fs.ErrNotExist) || !errors.Is(two, io.EOF) {
		t.Errorf("a cause was lost: %v, %v", one, two)
	}
	if got, want := two.Error(), "open: file does not exist, then EOF"; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
	if none := problem.New(problem.Invalid, "plain"); none.Unwrap() != nil {
		t.Errorf("a problem without a cause unwraps to %v", none.Unwrap())
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	a, b, c := problem.New(problem.Invalid, "a"), problem.New(problem.Invalid, "b"), problem.New(problem.Invalid, "c")
	if err := problem.Join(nil, nil); err != nil {
		t.Errorf("joining nothing = %v, want nil", err)
	}
	if err := problem.Join(nil, a); err != error(a) {
		t.Errorf("joining one = %v, want it back", err)
	}
	all := problem.Join(problem.Join(a, b), nil, c)
	if got, want := all.Error(), "a\nb\nc"; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
	if got := len(problem.List(all)); got != 3 {
		t.Errorf("List has %d problems, want 3: a nested list is flattened", got)
	}
	if !errors.Is(all, b) {
		t.Error("a joined problem cannot be found by errors.Is")
	}
	if got := problem.List(nil); got != nil {
		t.Errorf("List(nil) = %v", got)
	}
	wrapped := fmt.Errorf("apply: %w", all)
	if got := problem.List(wrapped); len(got) != 1 || got[0] != wrapped {
		t.Errorf("a wrapped list is one problem, got %v", got)
	}
}
