package controller

import (
	"context"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	// intendTimeout bounds the storing of an intent.
	intendTimeout = 5 * time.Second
	// drainFor is how long the candidate's last requests are waited for.
	drainFor = 30 * time.Second
	// Between looks at a traffic that is not as asked yet.
	firstLook = 10 * time.Millisecond
	lastLook  = time.Second
)

// ending is a rollout whose traffic is being put back, or handed over.
type ending struct {
	*proposal
	times    store.Ending
	intended chan struct{} // closed when the intent is durable, or given up
	asks     []*ask
	looks    int
	swapped  bool // a table without the candidate was taken
	inStore  bool // the decision is stored
	timed    bool // the measured times are stored
}

func (e *ending) confirmed() bool { return !e.times.ConfirmedAt.IsZero() }

// late reports whether the traffic is not confirmed within the time that the
// plan allows.
func (e *ending) late(within time.Duration) bool {
	return !e.confirmed() && within > 0 && now().Sub(e.times.DecidedAt) > within
}

// end takes the traffic from the candidate: the table first, the intent made
// durable beside it, and then everything else.
func (w *worker) end(ctx context.Context, p *proposal, a *ask) {
	e := &ending{proposal: p, times: store.Ending{DecidedAt: p.decided}}
	w.ending, w.state = e, p.decision.Next
	if a != nil {
		w.endAsked(a)
	}
	w.c.board.setSplit(w.rec.Model, w.split())
	if w.intent == nil {
		w.intend(ctx)
	}
	w.finish(ctx)
}

// endAsked answers an act that led to a rollback nobody asked for, and keeps the
// one who did ask waiting.
func (w *worker) endAsked(a *ask) {
	if a.urgent() {
		w.ending.asks = append(w.ending.asks, a)
		return
	}
	live := *w.live.Load()
	live.Record.State = w.state
	a.answer(reply{live: &live, err: problem.New(problem.Refused, "%s was not carried out: %s", a.Act.Kind, w.ending.decision.Sentence)})
}

// intend makes the intent durable, beside everything else.
func (w *worker) intend(ctx context.Context) {
	e := w.ending
	intent := store.Intent{ID: w.rec.ID, At: e.times.DecidedAt, Reason: e.decision.Reason, Sentence: e.decision.Sentence}
	if e.input.Act != nil {
		intent.By = e.input.Act.By
	}
	name := w.rec.Name
	e.intended = make(chan struct{})
	w.wg.Go(func() {
		defer close(e.intended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), intendTimeout)
		defer cancel()
		if err := w.c.store.Intend(ctx, intent); err != nil {
			w.c.log.ErrorContext(ctx, "the intent to roll back cannot be stored; rolling back all the same", "rollout", name, "err", err)
		}
	})
}

// intended is closed when the intent of an ending is durable; nil without one.
func (w *worker) intended() chan struct{} {
	if w.ending == nil {
		return nil
	}
	return w.ending.intended
}

// finish does what is left of an ending: the traffic first, then the store. It
// is safe to repeat.
func (w *worker) finish(ctx context.Context) {
	e := w.ending
	w.putBack(ctx)
	if !e.inStore && w.commit == nil && !w.backedOff() {
		times := e.times
		w.launch(ctx, &commit{proposal: e.proposal, ending: &times})
	}
	if e.inStore && e.confirmed() {
		w.answerEnding()
		w.close(ctx)
	}
	w.publish(now())
	if !w.over {
		w.lookAgain()
	}
}

// lookAgain sets the time of the next look: soon while the traffic is not as
// asked, and when the store is to be tried again.
func (w *worker) lookAgain() {
	e := w.ending
	at := now().Add(min(firstLook<<min(e.looks, 10), lastLook))
	e.looks++
	if e.confirmed() && !e.inStore && w.commit == nil {
		at = w.retryAt
	}
	w.wakeAt(at)
}

// putBack applies the table without the candidate until the real traffic reads
// so, and notes when.
func (w *worker) putBack(ctx context.Context) {
	e := w.ending
	if !e.confirmed() {
		if !w.swap(ctx) {
			return
		}
	}
	w.observe(ctx, lookTimeout)
	gone := problem.Is(w.seen.err, problem.NotFound) // No table names it, so nothing is routed to it.
	o := w.seen.observation
	if !e.confirmed() && (gone || w.seen.err == nil && w.isBack()) {
		e.times.ConfirmedAt = now()
	}
	if w.seen.err == nil && e.decision.Kind == rollout.KindRollback {
		e.times.LastStarted, e.times.LastFinished = stamp(o.Started), stamp(o.Finished)
	}
}

// isBack reports whether the observed traffic is as the ending wants it.
func (w *worker) isBack() bool {
	return w.ending.decision.Kind == rollout.KindRollback && w.seen.observation.Weight == 0
}

// swap puts the table without the candidate in force.
func (w *worker) swap(ctx context.Context) bool {
	e := w.ending
	if _, err := w.c.board.apply(ctx); err != nil {
		w.applyFailed(ctx, err)
		return false
	}
	w.applyErr = nil
	if !e.swapped {
		e.swapped, e.times.SwappedAt = true, now()
	}
	return true
}

func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// endStored notes that the decision of an ending is stored.
func (w *worker) endStored(ctx context.Context, s stored) {
	w.ending.inStore = true
	w.rec.Revision, w.rec.Last, w.rec.State = s.revision, s.head, w.state
	w.ending.release()
	w.c.ledger.End(w.rec.ID, w.state.EndedAt)
	w.finish(ctx)
}

// complete hands the traffic over to the candidate, whose completion is stored.
func (w *worker) complete(ctx context.Context, cm *commit) {
	e := &ending{proposal: cm.proposal, times: store.Ending{DecidedAt: cm.decided}, inStore: true, asks: cm.asks}
	w.ending = e
	w.c.ledger.End(w.rec.ID, w.state.EndedAt)
	w.collectErr = w.collect(ctx, urgentBudget) // The next table does not name the rollout any more.
	w.c.board.handOver(w.rec.Model, w.rec.Plan.Candidate)
	w.finish(ctx)
}

// answerEnding answers who asked for the ending.
func (w *worker) answerEnding() {
	if len(w.ending.asks) == 0 {
		return
	}
	w.publish(now())
	for _, a := range w.ending.asks {
		a.answer(reply{live: w.live.Load()})
	}
	w.ending.asks = nil
}

// close ends the worker once the candidate's last requests are done: their
// evidence is taken over, the times are stored, and the table forgets them.
func (w *worker) close(ctx context.Context) {
	e := w.ending
	if w.seen.err == nil && w.seen.observation.InFlight > 0 && now().Sub(e.times.ConfirmedAt) < drainFor {
		return
	}
	if !e.timed {
		if w.backedOff() {
			return
		}
		w.collectErr = w.collect(ctx, lookTimeout)
		if err := w.storeTimes(ctx); err != nil {
			w.c.log.WarnContext(ctx, "the times of an ending cannot be stored; trying again", "rollout", w.rec.Name, "err", err)
			w.storeErr = err
			w.backOff()
			return
		}
		w.storeErr, e.timed = nil, true
	}
	w.c.board.dropSplit(w.rec.Model, w.rec.ID)
	if w.c.board.behind() {
		if _, err := w.c.board.apply(ctx); err != nil {
			w.applyFailed(ctx, err) // The pacer tries again; the candidate gets nothing either way.
		}
	}
	w.over = true
}

// storeTimes stores what was measured.
func (w *worker) storeTimes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	times := w.ending.times
	revision, err := w.c.store.Commit(ctx, store.Commit{
		ID: w.rec.ID, Revision: w.rec.Revision, State: w.rec.State, Ending: &times, ClearIntent: true,
	})
	if problem.Is(err, problem.Conflict) {
		rec, readErr := w.c.store.Rollout(ctx, w.rec.Name)
		if readErr == nil {
			w.rec = rec
		}
		return err
	}
	if err != nil {
		return err
	}
	w.rec.Revision, w.rec.Ending = revision, &times
	return nil
}
