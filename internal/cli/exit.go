package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/problem"
)

// The exit statuses. They are stable for ever: pipelines depend on them.
const (
	exitDone       = 0  // it was done; with --wait: the rollout is completed
	exitFailure    = 1  // it was not done
	exitUsage      = 2  // the command line or a file is wrong
	exitRolledBack = 10 // a gate, the router's cut-off or a dead candidate rolled it back
	exitUndecided  = 11 // undecided, or not finished, at the timeout
	exitApproval   = 12 // a person is asked
	exitPerson     = 13 // a person rolled it back or aborted it
	exitDataFault  = 14 // a fault in the data or the traffic
)

// statusHelp is the table as the help prints it.
const statusHelp = `Exit status:
   0  done; with --wait: the rollout is completed
   1  failure
   2  wrong usage, or a file with mistakes
  10  rolled back by a gate, the router's cut-off or a dead candidate
  11  undecided or not finished at the timeout
  12  waiting for a person's approval
  13  rolled back or aborted by a person
  14  a fault in the data or the traffic
`

// faults are the reasons that stand for a fault in the data or the traffic.
var faults = map[string]bool{
	"SampleRatioMismatch": true, "NoTraffic": true, "CandidateSilent": true, "NotAtWeight": true, "SourceDown": true,
	"NoData": true, "FaultLasted": true, "CandidateNotReady": true,
}

// exitOf is the exit status of how a rollout stands, and whether waiting any
// longer is of use. A rollback shows before its decision is stored, so a final
// phase counts only with the decision that led to it.
func exitOf(r *client.Rollout) (status int, done bool) {
	told := client.Ended(r)
	switch r.Phase {
	case client.Completed:
		return exitDone, told
	case client.Aborted:
		return exitPerson, told
	case client.RolledBack:
		return rolledBackBy(r), told
	case client.AwaitingApproval:
		if r.Fault != nil {
			return exitDataFault, true
		}
		return exitApproval, true
	case client.Pending, client.Progressing, client.Holding:
	}
	if r.Fault != nil {
		return exitDataFault, false
	}
	return exitUndecided, false
}

func rolledBackBy(r *client.Rollout) int {
	reason := ""
	if r.Last != nil {
		reason = r.Last.Reason
	}
	switch {
	case reason == "PersonRollback" || reason == "PersonAbort":
		return exitPerson
	case reason == "Undecided":
		return exitUndecided
	case faults[reason]:
		return exitDataFault
	}
	return exitRolledBack
}

// exitError ends the command with a status; what there is to say is said.
type exitError struct{ status int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// inFile reports whether an error is about a place in a file.
func inFile(e *client.Error) bool {
	return slices.ContainsFunc(e.Problems, func(p client.FileProblem) bool { return p.Line > 0 })
}

// statusOf is the exit status of an error.
func statusOf(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[exitError](err); ok {
		return e.status
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		if e.Code == client.CodeInvalid || e.Code == client.CodeTooLarge || e.Code == client.CodeRefused && inFile(e) {
			return exitUsage
		}
		return exitFailure
	}
	if code := problem.CodeOf(err); code == problem.Invalid || code == problem.TooLarge {
		return exitUsage
	}
	if errors.Is(err, context.Canceled) {
		return 130 // As a shell says it of a command that was interrupted.
	}
	return exitFailure
}
