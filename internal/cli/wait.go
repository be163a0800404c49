package cli

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/belay-rollouts/belay/client"
)

// waiting is whether to wait for a rollout, and how long.
type waiting struct {
	on      bool
	timeout time.Duration
	fresh   bool // the rollouts begin now: tell their decisions from the first on
}

func (w *waiting) flags(f *pflag.FlagSet) {
	f.BoolVar(&w.on, "wait", false, "wait until the rollout has ended or needs a person; the exit status says which")
	f.DurationVar(&w.timeout, "timeout", 0, "with --wait, wait at most this `time`; 0 waits for as long as it takes")
}

// waitFor follows rollouts one after another until each has ended or needs a
// person, and ends with the status of the first that is not completed. Its
// decisions are prose, so they go to standard error.
func (s *session) waitFor(ctx context.Context, c *client.Client, names []string, w waiting) error {
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	worst := exitDone
	for _, name := range names {
		status, err := s.waitForOne(ctx, c, name, w.fresh)
		if err != nil {
			return err
		}
		if worst == exitDone {
			worst = status
		}
	}
	if worst != exitDone {
		return exitError{worst}
	}
	return nil
}

func (s *session) waitForOne(ctx context.Context, c *client.Client, name string, fresh bool) (int, error) {
	var last client.Rollout
	for e, err := range c.Watch(ctx, client.WatchRequest{Rollout: name, FromStart: fresh, OnBreak: s.breaks()}) {
		switch {
		case err != nil:
			return exitFailure, err
		case e.Decision != nil:
			s.say("%s", logLine(e.Rollout, e.Decision, s.now()))
		case e.Status != nil:
			last = *e.Status
			if status, done := exitOf(&last); done && !confirming(&last) {
				return status, nil
			}
		}
	}
	if context.Cause(ctx) == context.Canceled { //nolint:errorlint // The cause itself: a timeout wraps nothing.
		return exitFailure, context.Canceled
	}
	status, done := exitOf(&last)
	if !done {
		s.say("belay: %s is not finished at the timeout; it goes on by itself, and `belay watch %s` follows it", name, name)
	}
	return status, nil
}

// confirming reports whether a rollout that has ended is still on its way to
// being told: its traffic is being read back, or the decision, which is stored
// after the traffic was moved, is not stored yet. Only it says why it ended. The
// stream ends when both are done.
func confirming(r *client.Rollout) bool {
	if !client.Final(r.Phase) {
		return false
	}
	told := r.Last != nil && (r.Last.Kind == client.DecisionRollback || r.Last.Kind == client.DecisionComplete)
	return !told || r.Ending == nil || r.Ending.ConfirmedAt.IsZero()
}
