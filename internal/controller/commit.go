package controller

import (
	"context"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// commitTimeout bounds one attempt to store a decision.
const commitTimeout = 10 * time.Second

// The store is tried again after a tenth of a second at first, and then after
// twice as long each time, up to five seconds.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// proposal is a decision with what it was made from. It belongs to one
// goroutine at a time.
type proposal struct {
	input    rollout.Input
	decision rollout.Decision
	snapshot *ledger.Snapshot // nil when the rollout's book is not open
	decided  time.Time
}

// release lets the evidence be flushed again.
func (p *proposal) release() {
	if p.snapshot != nil {
		p.snapshot.Release()
	}
}

// commit is a proposal on its way to the store.
type commit struct {
	*proposal
	asks   []*ask
	ending *store.Ending
}

// stored is what became of a commit.
type stored struct {
	commit   *commit
	revision int64
	head     store.Head
	err      error
}

// propose stores a decision, and carries it out when that is done. A hold that
// nobody asked for needs no store: it is the state from now on.
func (w *worker) propose(ctx context.Context, p *proposal, a *ask) {
	cm := &commit{proposal: p}
	if a != nil {
		cm.asks = append(cm.asks, a)
	}
	w.launch(ctx, cm)
}

// launch sends a commit to the store; its result comes back to the loop.
func (w *worker) launch(ctx context.Context, cm *commit) {
	w.commit = cm
	rec := w.rec // The goroutine reads a copy.
	intended := w.intended()
	w.wg.Go(func() {
		// What was decided is stored although the process is told to stop.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if intended != nil {
			<-intended // An intent that lands after its commit would outlive it.
		}
		w.stored <- w.c.save(ctx, &rec, cm)
	})
}

// save writes a decision with all it was made from.
func (c *Controller) save(ctx context.Context, rec *store.Rollout, cm *commit) stored {
	out := stored{commit: cm}
	out.err = unpanicked(func() error { return c.write(ctx, rec, cm, &out) })
	return out
}

func (c *Controller) write(ctx context.Context, rec *store.Rollout, cm *commit, out *stored) error {
	sc := store.Commit{ID: rec.ID, Revision: rec.Revision, State: cm.decision.Next, Ending: cm.ending}
	raw, done, err := c.evidence(ctx, rec, cm, &sc)
	if err != nil {
		return err
	}
	ok := false
	defer func() { done(ok) }()
	entry := rollout.NewEntry(rec.Last.Seq+1, cm.input, cm.decision, sumOf(raw))
	sc.Entry = &entry
	follow(&sc, rec, cm)
	if out.revision, err = c.store.Commit(ctx, sc); err != nil {
		return err
	}
	ok = true
	logged, err := store.Seal(rec, entry, raw)
	if err != nil { // Not reached: the store has sealed the same.
		return err
	}
	out.head = store.HeadOf(&entry, logged.Hash)
	return nil
}

// follow adds what follows from a decision for the model and the intent.
func follow(sc *store.Commit, rec *store.Rollout, cm *commit) {
	switch {
	case cm.decision.Kind == rollout.KindComplete:
		serving := rec.Plan.Candidate
		sc.Serving = &serving
	case ends(cm.decision):
		sc.ClearIntent = true
		if rec.State.Phase == rollout.Completed {
			// The completion was on its way to the store when the rollback was
			// decided; the traffic has never followed it.
			serving := rec.Plan.Baseline
			sc.Serving = &serving
		}
		if pause := rec.Plan.Rollback.Cooldown; pause > 0 && hasServed(&cm.decision.Next) {
			sc.CooldownUntil = cm.decision.Next.EndedAt.Add(pause)
		}
	}
}

// evidence prepares the evidence of a decision. done says whether it was stored.
func (c *Controller) evidence(ctx context.Context, rec *store.Rollout, cm *commit, sc *store.Commit) (raw []byte, done func(bool), err error) {
	if cm.snapshot == nil {
		raw, err = c.ledger.Stored(ctx, rec.ID)
		return raw, func(bool) {}, err
	}
	kept, err := cm.snapshot.Keep(ctx)
	if err != nil {
		return nil, nil, err
	}
	sc.Evidence = &kept
	return kept.Evidence, func(ok bool) { cm.snapshot.Kept(kept, ok) }, nil
}

func sumOf(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	return rollout.Sum(raw)
}

// settle takes the result of a commit.
func (w *worker) settle(ctx context.Context, s stored) {
	w.commit = nil
	if s.err != nil {
		w.notStored(ctx, s)
		return
	}
	w.storeErr, w.retries, w.retryAt = nil, 0, time.Time{}
	w.accept(ctx, s)
}

// accept carries a stored decision out.
func (w *worker) accept(ctx context.Context, s stored) {
	d := s.commit.decision
	w.rec.Revision, w.rec.State, w.rec.Last = s.revision, d.Next, s.head
	w.verdicts = verdictsOf(s.commit.input.Judgements)
	s.commit.release()
	w.c.log.InfoContext(ctx, "decided", "rollout", w.rec.Name, "seq", s.head.Seq, "kind", string(d.Kind), "reason", string(d.Reason), "gate", d.Gate, "sentence", d.Sentence)
	defer func() {
		w.c.changed(Change{ID: w.rec.ID, Rollout: w.rec.Name, Seq: s.head.Seq, Decided: true})
	}()
	if w.ending != nil {
		w.endAccepted(ctx, s)
		return
	}
	w.adopt(d.Next)
	if d.Kind == rollout.KindComplete {
		w.complete(ctx, s.commit)
		return
	}
	w.waiting = append(w.waiting, s.commit.asks...)
	w.wakeAt(d.Wake)
	w.route(ctx)
	w.publish(now())
}

// adopt makes a stored state the one in force. Time that was spent on storing a
// change of weight was served at the old one.
func (w *worker) adopt(next rollout.State) {
	if len(next.Strata) != len(w.state.Strata) {
		next = next.Resume(now())
	}
	w.state = next
}

// notStored deals with a commit that failed.
func (w *worker) notStored(ctx context.Context, s stored) {
	if problem.Is(s.err, problem.Conflict) && w.reload(ctx, s.commit) {
		return
	}
	own := w.ending != nil && s.commit.proposal == w.ending.proposal
	if w.storeErr == nil {
		w.c.log.ErrorContext(ctx, "a decision cannot be stored; trying again", "rollout", w.rec.Name, "err", s.err)
	}
	w.storeErr = s.err
	w.backOff()
	if own {
		w.finish(ctx)
		return
	}
	cm := s.commit
	cm.release()
	for _, a := range cm.asks {
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Unavailable, "%s is not carried out, because it could not be stored: %w", a.Act.Kind, s.err)})
	}
	if w.ending != nil {
		w.retryAt = time.Time{}
		w.finish(ctx)
		return
	}
	if len(cm.asks) == 0 && waits(cm.decision) {
		w.state = cm.decision.Next
	}
	w.wakeAt(w.retryAt)
	w.publish(now())
}

func (w *worker) backOff() {
	w.retries++
	wait := firstRetry << min(w.retries-1, 10)
	w.retryAt = time.Now().Add(min(wait, lastRetry))
}

// backedOff reports whether the store is not to be tried again yet.
func (w *worker) backedOff() bool { return time.Until(w.retryAt) > 0 }

// reload reads the rollout again after somebody else moved it, which is what a
// commit looks like whose answer was lost. It reports whether the store could
// be read.
func (w *worker) reload(ctx context.Context, cm *commit) bool {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	rec, err := w.c.store.Rollout(ctx, w.rec.Name)
	if err != nil {
		return false
	}
	before := w.rec
	w.rec = rec
	w.c.log.WarnContext(ctx, "the rollout was moved by somebody else", "rollout", rec.Name, "revision", rec.Revision, "expected", before.Revision)
	if w.ending != nil {
		w.reloadEnding(ctx, cm)
		return true
	}
	cm.release()
	for _, a := range cm.asks {
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Conflict, "rollout %q was moved by somebody else just now; look at it again", rec.Name)})
	}
	w.adopt(rec.State)
	w.verdicts = nil
	if rec.State.Phase == rollout.Completed {
		w.complete(ctx, cm)
		return true
	}
	if rec.State.Phase.Final() {
		w.over = true
		w.c.board.dropSplit(rec.Model, rec.ID)
	}
	w.route(ctx)
	w.publish(now())
	return true
}

// reloadEnding goes on with an ending after the rollout was read again: its
// decision is there already, or follows what is there.
func (w *worker) reloadEnding(ctx context.Context, cm *commit) {
	e := w.ending
	if cm.proposal != e.proposal {
		cm.release()
		w.overtaken(cm)
	}
	if w.rec.State.Phase == e.decision.Next.Phase && w.rec.Last.Kind == rollout.KindRollback {
		w.endStored(ctx, stored{revision: w.rec.Revision, head: w.rec.Last})
		return
	}
	w.finish(ctx)
}

// endAccepted takes a stored decision while the rollout is ending: the ending's
// own, or one that it overtook on the way.
func (w *worker) endAccepted(ctx context.Context, s stored) {
	if s.commit.proposal == w.ending.proposal {
		w.endStored(ctx, s)
		return
	}
	w.overtaken(s.commit)
	w.finish(ctx)
}

// overtaken answers acts that a rollback overtook.
func (w *worker) overtaken(cm *commit) {
	for _, a := range cm.asks {
		a.answer(reply{live: w.live.Load(), err: problem.New(problem.Refused, "%s was overtaken: %s", a.Act.Kind, w.ending.decision.Sentence)})
	}
}

// refusal is the error of an act that the rollout's state does not allow.
func refusal(d rollout.Decision) error { return problem.New(problem.Refused, "%s", d.Refused) }
