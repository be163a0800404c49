package router

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/router/cutoff"
	"github.com/belay-rollouts/belay/internal/router/tap"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// observe counts what the assigned arm made of an exchange. Whatever the
// baseline did in the candidate's place is in no arm.
func (r *Router) observe(x *exchange, a *attempt, shielded bool) {
	// A body that its caller did not finish was no request to anybody.
	if !x.counted() || a.kind() == upstream.Unsent {
		return
	}
	failed := a.failed()
	if x.arm == split.Baseline && !a.callerLeft() {
		x.route.rollout.guard.Baseline(a.ended, failed)
	}
	o := evidence.Observation{
		Arm: x.arm, Bucket: x.hash.Bucket(), Error: failed, ClientError: a.clientError(), Shielded: shielded,
	}
	if !x.began.Before(x.route.split.LatencyFrom) {
		o.Latency = a.latency()
	}
	if a.outputs != nil && !failed && !a.callerLeft() {
		o.Outputs = a.outputs.Readings()
	}
	x.route.recorder.Record(o, tap.Sighting{Unit: x.hash.Second, Known: x.known, Time: x.began})
	for _, name := range x.segments {
		x.route.recorder.Segment(name).Record(o, tap.Sighting{Unit: x.hash.Second, Time: x.began})
	}
}

// judge tells the guard how the candidate did.
func (r *Router) judge(x *exchange, a *attempt, fate cutoff.Fate) {
	if x.pinned {
		return
	}
	g := &x.route.rollout.guard
	failed := a.failed()
	if failed && a.kind() == upstream.Refused {
		if fate == cutoff.Unrescued {
			r.judgeRefusal(x, a)
		}
	} else if !a.callerLeft() {
		g.Reached()
	}
	switch {
	case failed:
		r.cutOff(x.route.rollout, g.Failure(a.ended, x.blamer(), fate))
	case !a.callerLeft():
		g.Success(a.ended)
	}
}

// judgeRefusal tells the guard at once that nobody listens at the candidate's
// address.
func (r *Router) judgeRefusal(x *exchange, a *attempt) {
	if a.kind() == upstream.Refused && !x.pinned {
		r.cutOff(x.route.rollout, x.route.rollout.guard.Refused(a.ended))
	}
}
