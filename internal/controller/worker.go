package controller

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/judge"
	"github.com/belay-rollouts/belay/internal/sampler"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// maxGap is how far apart two looks may be for the time between them to count as
// watched: a tick may be missed, and a look may wait for the evidence and for the
// data plane as long as each may take. Whatever is longer, the loop was asleep or
// the clock was set. So a jump of the clock that is no longer than that, which
// nothing tells from a slow look, is worth four seconds of dwell at the usual tick.
func (c *Controller) maxGap() time.Duration { return maxGapTicks*c.tick + 2*lookTimeout }

const maxGapTicks = 2

// asksRoom is how many acts may wait for one rollout.
const asksRoom = 8

// worker looks after one rollout. All fields below live belong to its
// goroutine.
type worker struct {
	c      *Controller
	wake   chan struct{}
	urgent chan *ask // rollback, abort
	asks   chan *ask // everything else; waits for a decision on its way
	stored chan stored
	done   chan struct{}
	live   atomic.Pointer[Live]
	wg     sync.WaitGroup // of what the worker started

	sampler *sampler.Sampler // nil where no resource is measured
	rest    func()           // ends the sampler

	intent   *store.Intent // an unfinished rollback that was found at start
	opened   bool          // the ledger has the rollout's book
	plan     *rollout.Plan // never changes
	rec      store.Rollout // as stored
	state    rollout.State // as of the last tick
	findings *judge.Findings
	decision rollout.Decision
	verdicts []gate.Verdict // of the last stored entry
	seen     seen
	commit   *commit // on its way to the store
	ending   *ending
	waiting  []*ask // answered when the traffic is as asked
	over     bool
	timer    *time.Timer

	storeErr   error     // why the last commit failed
	retryAt    time.Time // when to try the store again, by a clock that nobody sets
	retries    int
	collectErr error
	applyErr   error
	fault      string // a fault of the loop itself
}

// seen is what the data plane last said.
type seen struct {
	observation traffic.Observation
	err         error
}

func newWorker(c *Controller, rec store.Rollout) *worker {
	plan := rec.Plan
	w := &worker{
		c: c, plan: &plan, rec: rec, state: rec.State.Resume(now()),
		wake: make(chan struct{}, 1), urgent: make(chan *ask, asksRoom), asks: make(chan *ask, asksRoom),
		stored: make(chan stored, 1), done: make(chan struct{}),
	}
	w.publish(now())
	return w
}

// now is the time as it is stored: without the monotonic reading, so that a
// decision is worked out again from what the log has.
func now() time.Time { return time.Now().UTC().Round(0) }

// poke wakes the worker; it never waits.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // It is awake already.
	}
}

// resume opens the rollout's book and puts its split on the board. Without its
// evidence a rollout cannot be guarded, so its candidate gets no traffic until
// the book is open.
func (w *worker) resume(ctx context.Context) {
	err := w.c.ledger.Open(ctx, account(&w.rec, w.plan, w.keptState))
	w.opened = err == nil
	if err != nil {
		w.fault = fmt.Sprintf("its evidence cannot be read, so the candidate gets no traffic: %v", err)
		w.c.log.ErrorContext(ctx, "evidence cannot be read", "rollout", w.rec.Name, "err", err)
	}
	w.c.board.setSplit(w.rec.Model, w.split())
}

// keptState is the state that is stored beside flushed evidence. It is called
// by the ledger, from any goroutine.
func (w *worker) keptState() (*rollout.State, int64) {
	live := w.live.Load()
	if live.Record.State.Phase.Final() {
		return nil, 0 // A final state is stored by its decision.
	}
	return &live.Record.State, live.Record.Revision
}

// split is how the rollout's traffic should be split now.
func (w *worker) split() *table.Split {
	p := w.plan
	s := &table.Split{
		Rollout: w.rec.ID, Name: w.rec.Name, Salt: w.rec.Salt, Stratum: table.NoStratum,
		Layout: &p.Layout, Shield: p.Rollback.Shield,
	}
	candidate, err := version(p.Candidate)
	if err != nil {
		w.fault = err.Error()
		return s
	}
	s.Candidate = candidate
	if !w.opened || w.intent != nil || w.state.Phase == rollout.Pending || w.state.Phase.Final() {
		return s
	}
	stratum := w.state.Stratum()
	s.Stratum = uint8(len(w.state.Strata) - 1)
	s.Weight, s.LatencyFrom, s.AllowPin = stratum.Weight, w.state.Warm(), p.AllowPin
	if p.Segments != nil {
		s.Segments = p.Segments.By
	}
	if ev, ok := w.c.ledger.Evidence(w.rec.ID); ok && len(ev.Strata) > 0 {
		s.Scales = ev.Strata[len(ev.Strata)-1].Scales // The same for all strata.
		if int(s.Stratum) < len(ev.Strata) {
			s.Edges = ev.Strata[s.Stratum].Edges
		}
	}
	return s
}

// run is the worker's loop.
func (w *worker) run(ctx context.Context) {
	w.timer = time.NewTimer(time.Hour)
	defer w.leave()
	w.measure(ctx)
	w.guarded(ctx, func() { w.step(ctx, nil) })
	for !w.over {
		asks := w.asks
		if w.commit != nil && w.ending == nil {
			asks = nil // One decision at a time; a rollback does not wait.
		}
		select {
		case <-ctx.Done():
			return
		case s := <-w.stored:
			w.guarded(ctx, func() { w.settle(ctx, s) })
		case a := <-w.urgent:
			w.guarded(ctx, func() { w.act(ctx, a) })
		case a := <-asks:
			w.guarded(ctx, func() { w.act(ctx, a) })
		case <-w.wake:
			w.guarded(ctx, func() { w.step(ctx, nil) })
		case <-w.timer.C:
			w.guarded(ctx, func() { w.step(ctx, nil) })
		}
	}
}

// guarded runs a part of the worker so that its panic stops nobody: it is shown
// as a fault of this rollout, which is looked at again at the next tick.
func (w *worker) guarded(ctx context.Context, do func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		w.fault = fmt.Sprintf("the control loop failed: %v", r)
		w.c.log.ErrorContext(ctx, "the control loop failed", "rollout", w.rec.Name, "panic", r, "stack", string(debug.Stack()))
		live := *w.live.Load()
		live.Trouble = w.trouble()
		w.live.Store(&live)
	}()
	do()
}

// leave ends the worker: what it started is waited for, and whoever still waits
// for it is told.
func (w *worker) leave() {
	w.timer.Stop()
	if w.commit != nil {
		s := <-w.stored
		s.commit.release()
	}
	if w.ending != nil {
		w.ending.release()
	}
	if w.rest != nil {
		w.rest()
	}
	w.wg.Wait()
	close(w.done)
	for _, a := range w.waiting {
		a.answer(reply{live: w.live.Load(), err: errStopped})
	}
}

// wakeAt makes the worker look again at a moment, if that is before the timer.
func (w *worker) wakeAt(at time.Time) {
	if at.IsZero() {
		return
	}
	w.timer.Reset(max(time.Until(at), time.Millisecond))
}

// trouble says in one sentence what the loop has trouble with.
func (w *worker) trouble() string {
	switch {
	case w.fault != "":
		return w.fault
	case w.ending != nil && w.ending.late(w.plan.Rollback.Within):
		return fmt.Sprintf("the traffic is not read back as asked %v after the decision; trying again", now().Sub(w.ending.times.DecidedAt).Round(time.Second))
	case w.storeErr != nil:
		return fmt.Sprintf("the store does not take decisions: %v", w.storeErr)
	case w.applyErr != nil:
		return fmt.Sprintf("the data plane does not take the routing table: %v", w.applyErr)
	case w.seen.err != nil:
		return fmt.Sprintf("the data plane cannot be asked: %v", w.seen.err)
	case w.collectErr != nil:
		return fmt.Sprintf("the data plane does not hand over what it saw: %v", w.collectErr)
	}
	if err := w.c.ledger.Failing(); err != nil {
		return fmt.Sprintf("evidence cannot be stored: %v", err)
	}
	return ""
}

// dead says why the candidate counts as dead, or nothing.
func dead(h traffic.Health) string {
	if h.State != traffic.Dead {
		return ""
	}
	if h.Error != "" {
		return h.Error
	}
	return "its endpoint refuses connections"
}

// world is what the data plane said, in the words of a decision.
func (s seen) world() rollout.Traffic {
	if s.err != nil {
		return rollout.Traffic{Error: s.err.Error()}
	}
	o := s.observation
	t := rollout.Traffic{
		Weight: o.Weight, Known: true, Ready: o.Candidate.State == traffic.Ready, Dead: dead(o.Candidate),
		Error: o.Candidate.Error, LastRequest: stamp(o.LastRequest), SinceCandidate: o.SinceCandidate,
	}
	if c := o.CutOff; c != nil {
		t.CutOff = &rollout.CutOff{At: c.At.UTC().Round(0), Reason: c.Reason, Detail: c.Detail}
	}
	return t
}

// verdictsOf are the verdicts of judgements.
func verdictsOf(js []gate.Judgement) []gate.Verdict {
	out := make([]gate.Verdict, len(js))
	for i, j := range js {
		out[i] = j.Verdict
	}
	return out
}

// asAsked reports whether the traffic is what the split says. A candidate that
// the router has cut off gets nothing, whatever the split says.
func (s seen) asAsked(want *table.Split) bool {
	o := s.observation
	return s.err == nil && o.Stratum == want.Stratum && (o.Weight == want.Weight || o.CutOff != nil)
}

// hasServed reports whether the candidate ever had traffic.
func hasServed(s *rollout.State) bool { return !s.StartedAt.IsZero() }
