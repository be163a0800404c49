package controller

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/judge"
	"github.com/belay-rollouts/belay/internal/sampler"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Live is a running rollout as of its last tick. It never changes.
type Live struct {
	// Record is what is stored, with the state as of the last tick.
	Record   store.Rollout
	Findings judge.Findings
	// Decision is that of the last tick, stored or not.
	Decision rollout.Decision
	// Traffic is the real state of the traffic; Known says whether it could be
	// asked.
	Traffic traffic.Observation
	Known   bool
	// Resources are what became of the windows of the plan's resources.
	Resources []sampler.State
	// Trouble is what the loop itself has trouble with, in one sentence.
	Trouble string
	At      time.Time
}

// publish shows the worker's state to the rest of the program.
func (w *worker) publish(now time.Time) {
	rec := w.rec
	rec.State = w.state
	if w.ending != nil {
		times := w.ending.times
		rec.Ending = &times
	}
	live := &Live{
		Record: rec, Decision: w.decision, Traffic: w.seen.observation, Known: w.seen.err == nil,
		Resources: w.resources(), Trouble: w.trouble(), At: now,
	}
	if w.findings != nil {
		live.Findings = *w.findings
	}
	w.live.Store(live)
	w.c.changed(Change{ID: rec.ID, Rollout: rec.Name, Seq: rec.Last.Seq})
}
