package router

import (
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/router/cutoff"
	"github.com/belay-rollouts/belay/internal/router/protocol"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// rollout is what the router keeps of a rollout while a table names it.
type rollout struct {
	number uint64
	name   string
	layout *evidence.Layout
	// outputs are those of the layout; nil for none.
	outputs *protocol.Outputs
	guard   cutoff.Guard
	cut     atomic.Pointer[cutoff.Trip]

	// Moments in Unix nanoseconds; 0 for never.
	lastRequest, started, finished moment

	inFlight atomic.Int64
	silence  atomic.Uint64 // baseline requests since the candidate's last

	rescued, pinned, unitless, diverted, unheld atomic.Uint64
}

// moment is the latest of the times that it was told.
type moment struct{ ns atomic.Int64 }

func (m *moment) note(t time.Time) {
	now := t.UnixNano()
	for {
		last := m.ns.Load()
		if now <= last || m.ns.CompareAndSwap(last, now) {
			return
		}
	}
}

func (m *moment) time() time.Time {
	ns := m.ns.Load()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// RolloutState is what a rollout's traffic really does.
type RolloutState struct {
	Generation uint64 // of the table in force
	Stratum    uint8
	Weight     uint32       // in force; 0 after a cut-off
	CutOff     *cutoff.Trip // nil unless the candidate was cut off

	Baseline, Candidate upstream.Health

	// Started and Finished are the last moments at which a request to the
	// candidate began and ended, LastRequest that of one to the model; zero for
	// none.
	Started, Finished, LastRequest time.Time
	InFlight                       int    // candidate requests not yet ended
	SinceCandidate                 uint64 // baseline requests since the candidate's last

	Rescued  uint64 // answered by the baseline in the candidate's place
	Pinned   uint64 // chose their arm
	Unitless uint64 // came without their unit, and were units of their own
	Diverted uint64 // went to the baseline after the cut-off, in no evidence
	Unheld   uint64 // failed at the candidate with a body too large to be sent again
}

// Rollout returns the state of a rollout that the table in force names.
func (r *Router) Rollout(number uint64) (RolloutState, bool) {
	l := r.live.Load()
	if l == nil {
		return RolloutState{}, false
	}
	for _, is := range l.table.Routes {
		if is.Split != nil && is.Split.Rollout == number {
			return r.state(l, l.routes[is]), true
		}
	}
	return RolloutState{}, false
}

func (r *Router) state(l *live, at *route) RolloutState {
	ro := at.rollout
	r.comeOfAge(ro, time.Now())
	s := RolloutState{
		Generation: l.table.Generation, Stratum: at.split.Stratum, Weight: at.split.Weight, CutOff: ro.cut.Load(),
		Baseline: at.baseline.Health(), Candidate: at.candidate.Health(),
		Started: ro.started.time(), Finished: ro.finished.time(), LastRequest: ro.lastRequest.time(),
		InFlight: int(ro.inFlight.Load()), SinceCandidate: ro.silence.Load(),
		Rescued: ro.rescued.Load(), Pinned: ro.pinned.Load(), Unitless: ro.unitless.Load(),
		Diverted: ro.diverted.Load(), Unheld: ro.unheld.Load(),
	}
	if s.CutOff != nil {
		s.Weight = 0
	}
	return s
}

// took notes that a request goes to an arm. One that was pinned there neither
// breaks the candidate's silence nor lengthens it: chance had no part in it.
func (ro *rollout) took(x *exchange) {
	ro.lastRequest.note(x.began)
	if x.arm == split.Candidate {
		ro.started.note(x.began)
		ro.inFlight.Add(1)
	}
	switch {
	case x.pinned:
	case x.arm == split.Candidate:
		ro.silence.Store(0)
	default:
		ro.silence.Add(1)
	}
}

// left notes that the candidate's part in a request is over.
func (ro *rollout) left(now time.Time) {
	ro.finished.note(now)
	ro.inFlight.Add(-1)
}

// comeOfAge cuts the candidate off if its excursion is now old enough.
func (r *Router) comeOfAge(ro *rollout, now time.Time) {
	r.cutOff(ro, ro.guard.Due(now))
}

// cutOff takes the candidate out of the traffic; nil does nothing.
func (r *Router) cutOff(ro *rollout, trip *cutoff.Trip) {
	if trip == nil || !ro.cut.CompareAndSwap(nil, trip) {
		return
	}
	r.log.Warn("candidate cut off", "rollout", ro.name, "reason", trip.Reason, "detail", trip.Detail)
	select {
	case r.wake <- ro.number:
	default: // The reader is far behind; Rollout tells it all the same.
	}
}
