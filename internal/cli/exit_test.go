package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestHowARolloutStandsAsAnExitStatus(t *testing.T) {
	t.Parallel()
	last := func(kind client.DecisionKind, reason string) *client.DecisionHead {
		return &client.DecisionHead{Kind: kind, Reason: reason}
	}
	fault := &client.Fault{Reason: "NoTraffic"}
	tests := map[string]struct {
		rollout client.Rollout
		status  int
		done    bool
	}{
		"completed":                    {client.Rollout{Phase: client.Completed, Last: last(client.DecisionComplete, "Completed")}, 0, true},
		"rolled back by a gate":        {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "GateFailed")}, 10, true},
		"rolled back by a ceiling":     {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "CeilingBroken")}, 10, true},
		"rolled back by the router":    {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "CutOff")}, 10, true},
		"rolled back as dead":          {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "CandidateDead")}, 10, true},
		"rolled back by a person":      {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "PersonRollback")}, 13, true},
		"rolled back as undecided":     {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "Undecided")}, 11, true},
		"rolled back after a fault":    {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionRollback, "FaultLasted")}, 14, true},
		"rolled back, not stored yet":  {client.Rollout{Phase: client.RolledBack, Last: last(client.DecisionHold, "Dwelling")}, 10, false},
		"aborted":                      {client.Rollout{Phase: client.Aborted, Last: last(client.DecisionRollback, "PersonAbort")}, 13, true},
		"a person is asked":            {client.Rollout{Phase: client.AwaitingApproval}, 12, true},
		"a person is asked of a fault": {client.Rollout{Phase: client.AwaitingApproval, Fault: fault}, 14, true},
		"under way":                    {client.Rollout{Phase: client.Progressing}, 11, false},
		"holding for a fault":          {client.Rollout{Phase: client.Holding, Fault: fault}, 14, false},
		"not begun":                    {client.Rollout{Phase: client.Pending}, 11, false},
	}
	for name, tt := range tests {
		if status, done := exitOf(&tt.rollout); status != tt.status || done != tt.done {
			t.Errorf("%s: got %d, %v, want %d, %v", name, status, done, tt.status, tt.done)
		}
	}
}

func TestErrorsAsExitStatusesAndSentences(t *testing.T) {
	t.Parallel()
	inAFile := []client.FileProblem{{File: "f.yaml", Line: 3, Column: 5, Path: "spec", Message: "no", Hint: "yes"}, {File: "f.yaml", Line: 4, Column: 1, Message: "nor this"}}
	tests := map[string]struct {
		err    error
		status int
		said   string
	}{
		"nothing":               {nil, 0, ""},
		"a status":              {exitError{14}, 14, ""},
		"usage":                 {usagef("no such flag"), 2, "belay: no such flag\n"},
		"a file":                {&client.Error{Code: client.CodeInvalid, Detail: "2 problems", Problems: inAFile}, 2, "f.yaml:3:5: spec: no; yes\nf.yaml:4:1: nor this\nbelay: 2 problems; nothing was changed\n"},
		"what cannot run yet":   {&client.Error{Code: client.CodeRefused, Detail: "1 problem", Problems: inAFile[:1]}, 2, "f.yaml:3:5: spec: no; yes\nbelay: 1 problem; nothing was changed\n"},
		"no file":               {&client.Error{Code: client.CodeConflict, Detail: "1 problem", Problems: []client.FileProblem{{Path: "spec.model", Message: "has a rollout", Hint: "wait"}}}, 1, "belay: has a rollout; wait\n"},
		"refused":               {fmt.Errorf("promote: %w", &client.Error{Code: client.CodeRefused, Detail: "a failing gate"}), 1, "belay: a failing gate\n"},
		"an old revision":       {&client.Error{Code: client.CodePrecondition, Detail: "at 3, not 2"}, 1, "belay: at 3, not 2; look at it again with `belay status`\n"},
		"too large":             {&client.Error{Code: client.CodeTooLarge, Detail: "big"}, 2, "belay: big\n"},
		"no server":             {&client.Unreachable{Server: "http://x", Err: errors.New("connection refused")}, 1, "belay: no answer from http://x: connection refused; start a server with `belay serve`, or name another with --server or BELAY_SERVER\n"},
		"several at once":       {problem.Join(problem.New(problem.Invalid, "one"), problem.New(problem.Invalid, "two")), 2, "belay: one\nbelay: two\n"},
		"a conflict of our own": {problem.New(problem.Conflict, "in use"), 1, "belay: in use\n"},
		"interrupted":           {fmt.Errorf("wait: %w", context.Canceled), 130, "belay: wait: context canceled\n"},
		"anything else":         {errors.New("odd"), 1, "belay: odd\n"},
	}
	for name, tt := range tests {
		var said bytes.Buffer
		s := &session{err: &said}
		if tt.err != nil {
			s.complain(tt.err)
		}
		if got := statusOf(tt.err); got != tt.status || said.String() != tt.said {
			t.Errorf("%s: status %d, want %d; said\n%swant\n%s", name, got, tt.status, said.String(), tt.said)
		}
	}
}
