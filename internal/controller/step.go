package controller

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/judge"
	"github.com/belay-rollouts/belay/internal/ledger"
)

// Bounds of the talk with the data plane.
const (
	lookTimeout = time.Second
	// urgentBudget is how long a person's rollback waits for the latest evidence.
	urgentBudget = 50 * time.Millisecond
)

// everyEntry is how often a decision is stored that nothing has changed.
const everyEntry = time.Minute

// step looks at the rollout once, decides, and sets in motion what follows. a is
// a person's act, or nil.
func (w *worker) step(ctx context.Context, a *ask) {
	if w.ending != nil {
		w.finish(ctx)
		return
	}
	if !w.opened {
		w.reopen(ctx)
	}
	w.look(ctx, a)
	snapshot, ev := w.take()
	kept := false
	defer func() {
		if !kept && snapshot != nil {
			snapshot.Release()
		}
	}()
	in := w.input(ev, a)
	d := rollout.Decide(in)
	if w.intent != nil {
		d = w.recover(&in)
	}
	decided := now()
	if w.commit == nil || ends(d) {
		// What is decided beside a decision on its way only looks for harm; it
		// knows nothing of that decision, and is not shown in its place.
		w.decision = d
	}
	switch {
	case a != nil && a.DryRun:
		a.answer(w.preview(d))
		return
	case ends(d) && (w.opened || in.Act != nil):
		kept = true
		w.end(ctx, &proposal{input: in, decision: d, snapshot: snapshot, decided: decided}, a)
		return
	case a != nil && d.Refused != "":
		w.refused(a, d.Refused)
	case !w.opened, w.commit != nil:
		// Without evidence nothing goes on; with a decision on its way, this one
		// was only to see whether there is harm.
	case w.due(&in, d):
		kept = true
		w.propose(ctx, &proposal{input: in, decision: d, snapshot: snapshot, decided: decided}, a)
	case waits(d):
		w.state = d.Next
	}
	if w.commit == nil {
		w.fault = w.openFault()
	}
	w.wakeAt(w.nextLook(d, in.Now))
	w.route(ctx)
	w.publish(in.Now)
}

// A candidate is known to be ready within milliseconds of the table that first names it, so a new rollout is looked at
// more often until then, for a short time.
const (
	readyLook = 50 * time.Millisecond
	readyFor  = 5 * time.Second
)

// nextLook is when a decision wants to be looked at again.
func (w *worker) nextLook(d rollout.Decision, now time.Time) time.Time {
	if d.Reason == rollout.ReasonNotReady && now.Sub(w.rec.CreatedAt).Abs() < readyFor {
		return now.Add(readyLook)
	}
	return d.Wake
}

// openFault keeps the fault of a book that is not open.
func (w *worker) openFault() string {
	if w.opened {
		return ""
	}
	return w.fault
}

// reopen tries again to read the evidence.
func (w *worker) reopen(ctx context.Context) {
	if w.resume(ctx); w.opened {
		w.fault = ""
		w.state = w.state.Resume(now())
	}
}

// ends reports whether a decision takes the traffic from the candidate for good.
func ends(d rollout.Decision) bool {
	return d.Kind == rollout.KindRollback && d.Next.Phase.Final()
}

// waits reports whether a decision leaves everything where it is, so that it
// may be the state before it is stored. Nothing else may.
func waits(d rollout.Decision) bool {
	return d.Kind == rollout.KindHold || d.Kind == rollout.KindAsk
}

// look asks the data plane: what it saw, and what it does.
func (w *worker) look(ctx context.Context, a *ask) {
	budget := lookTimeout
	if a != nil && a.urgent() {
		budget = urgentBudget
	}
	w.collectErr = w.collect(ctx, budget)
	w.observe(ctx, budget)
}

// collect brings the evidence up to date, for as long as the budget allows; what
// comes later is there at the next tick.
func (w *worker) collect(ctx context.Context, budget time.Duration) error {
	done := make(chan error, 1)
	w.wg.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		done <- unpanicked(func() error { return w.c.ledger.Collect(ctx) })
	})
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return context.DeadlineExceeded
	}
}

// unpanicked makes an error of a panic, in a goroutine of its own.
func unpanicked(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return do()
}

func (w *worker) observe(ctx context.Context, budget time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	o, err := w.c.target.Observe(ctx, w.rec.ID)
	w.seen.err = err
	if err == nil {
		w.seen.observation = o
	}
}

// take returns the evidence to decide on; empty evidence while the book is not
// open.
func (w *worker) take() (*ledger.Snapshot, *evidence.Evidence) {
	if w.opened {
		if s, err := w.c.ledger.Take(w.rec.ID); err == nil {
			return s, s.Evidence
		}
	}
	return nil, &evidence.Evidence{}
}

// input is the world as this decision sees it.
func (w *worker) input(ev *evidence.Evidence, a *ask) rollout.Input {
	in := rollout.Input{Now: now(), MaxGap: w.c.maxGap(), Plan: w.plan, State: w.state, Evidence: ev, Traffic: w.seen.world()}
	in.Traffic.Sources = w.sources()
	findings := judge.Verdicts(in.Plan, in.State, ev, w.findings)
	w.findings = &findings
	in.Judgements, in.Segments = findings.Judgements, findings.Segments
	if a != nil {
		act := a.Act
		act.At = in.Now
		in.Act = &act
	}
	return in
}

// recover decides to finish the rollback of which an intent was found.
func (w *worker) recover(in *rollout.Input) rollout.Decision {
	by := w.intent.By
	if by == "" {
		by = "belay"
	}
	in.Act = &rollout.Act{Kind: rollout.ActRecover, By: by, Reason: w.intent.Sentence, At: in.Now}
	return rollout.Decide(*in)
}

// preview is what an act would lead to.
func (w *worker) preview(d rollout.Decision) reply {
	live := *w.live.Load()
	live.Record.State, live.Decision = d.Next, d
	if d.Refused != "" {
		return reply{live: &live, err: refusal(d)}
	}
	return reply{live: &live}
}

// due reports whether a decision has to be stored: when it, its reason or a
// verdict has changed, on every act of a person, and once a minute.
func (w *worker) due(in *rollout.Input, d rollout.Decision) bool {
	if in.Act != nil {
		return true
	}
	if w.backedOff() {
		return false
	}
	last := &w.rec.Last
	return last.Seq == 0 || last.Kind != d.Kind || last.Reason != d.Reason || last.Gate != d.Gate ||
		d.Next.Phase != w.rec.State.Phase || d.Next.Stage != w.rec.State.Stage ||
		!slices.Equal(w.verdicts, verdictsOf(in.Judgements)) || in.Now.Sub(last.At).Abs() >= everyEntry
}

// route puts the split that the state asks for on the board, and the table in
// force, until the traffic reads as asked. Then it answers who waited for that.
func (w *worker) route(ctx context.Context) {
	want := w.split()
	changed := w.c.board.setSplit(w.rec.Model, want)
	if changed || !w.seen.asAsked(want) {
		if _, err := w.c.board.apply(ctx); err != nil {
			w.applyFailed(ctx, err)
			return
		}
		w.applyErr = nil
		w.observe(ctx, lookTimeout)
	}
	if w.seen.asAsked(want) {
		w.answerWaiting()
	}
}

func (w *worker) applyFailed(ctx context.Context, err error) {
	if w.applyErr == nil && ctx.Err() == nil {
		w.c.log.ErrorContext(ctx, "the data plane does not take the routing table; trying again", "rollout", w.rec.Name, "err", err)
	}
	w.applyErr = err
}

// answerWaiting answers the acts that are carried out to the end.
func (w *worker) answerWaiting() {
	if len(w.waiting) == 0 || w.commit != nil {
		return
	}
	w.publish(now())
	for _, a := range w.waiting {
		a.answer(reply{live: w.live.Load()})
	}
	w.waiting = nil
}
