package controller

import (
	"context"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

// actTimeout bounds how long somebody waits for his act.
const actTimeout = 15 * time.Second

// Ask is a person's act with its conditions.
type Ask struct {
	Act rollout.Act
	// IfRevision refuses the act unless the rollout is at it; 0 accepts any.
	IfRevision int64
	// DryRun decides and changes nothing.
	DryRun bool
}

// ask is an act on its way through a worker.
type ask struct {
	Ask
	replies chan reply // room for one
}

// reply is what became of an act.
type reply struct {
	live *Live
	err  error
}

// answer answers once; later answers are lost.
func (a *ask) answer(r reply) {
	select {
	case a.replies <- r:
	default: // Answered before.
	}
}

func (a *ask) urgent() bool {
	return a.Act.Kind == rollout.ActRollback || a.Act.Kind == rollout.ActAbort
}

// Act carries out a person's act. It returns when the act is decided and stored
// and the traffic is as asked, or with an error that says what is missing. An
// act that the rollout's state does not allow is a problem.Refused error; a
// rollout that the loop does not look after is problem.NotFound.
func (c *Controller) Act(ctx context.Context, id uint64, what Ask) (Live, error) {
	w := c.worker(id)
	if w == nil {
		return Live{}, problem.New(problem.NotFound, "rollout %016x is not running", id)
	}
	a := &ask{Ask: what, replies: make(chan reply, 1)}
	queue := w.asks
	if a.urgent() {
		queue = w.urgent
	}
	ctx, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	select {
	case queue <- a:
	case <-w.done:
		return *w.live.Load(), ended(w)
	case <-ctx.Done():
		return *w.live.Load(), problem.New(problem.Unavailable, "too many acts wait for this rollout; try again")
	}
	select {
	case r := <-a.replies:
		return *r.live, r.err
	case <-w.done:
		select {
		case r := <-a.replies:
			return *r.live, r.err
		default:
			return *w.live.Load(), ended(w)
		}
	case <-ctx.Done():
		return *w.live.Load(), unfinished(w.live.Load(), what)
	}
}

// ended says that a worker has nothing more to do.
func ended(w *worker) error {
	live := w.live.Load()
	if live.Record.State.Phase.Final() {
		return problem.New(problem.Refused, "rollout %q is %s", live.Record.Name, live.Record.State.Phase)
	}
	return errStopped
}

// unfinished says how far an act has come when its time is up.
func unfinished(live *Live, what Ask) error {
	why := live.Trouble
	if why == "" {
		why = "it takes longer than usual"
	}
	if live.Record.State.Phase.Final() {
		return problem.New(problem.Unavailable, "%s is decided and the routing table is being put back; what is missing is tried again by itself: %s", what.Act.Kind, why)
	}
	return problem.New(problem.Unavailable, "%s is not seen to be carried out yet: %s", what.Act.Kind, why)
}

// act takes an act up.
func (w *worker) act(ctx context.Context, a *ask) {
	switch {
	case a.IfRevision != 0 && a.IfRevision != w.rec.Revision:
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Precondition,
			"rollout %q is at revision %d, not %d: look at it again", w.rec.Name, w.rec.Revision, a.IfRevision)})
	case w.ending != nil:
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Refused, "rollout %q is over already: %s", w.rec.Name, w.ending.decision.Sentence)})
	case !w.opened && !a.urgent():
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Unavailable, "%s", w.fault)})
	default:
		w.step(ctx, a)
	}
}

// refused answers an act that was not carried out.
func (w *worker) refused(a *ask, why string) {
	a.answer(reply{live: w.live.Load(), err: problem.New(problem.Refused, "%s", why)})
}
