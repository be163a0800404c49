package router

import (
	"fmt"
	"net/http"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/router/cutoff"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// carry forwards an assigned exchange, answers the caller and observes. Cut
// reports that the answer was broken off after its head.
func (r *Router) carry(x *exchange, out *reply) (cut bool) {
	h := out.Header()
	h[armField] = []string{x.arm.String()}
	if x.route.split != nil {
		h[assignmentField] = []string{r.token(x)}
	}
	if x.arm == split.Candidate {
		return r.carryCandidate(x, out)
	}
	a := r.try(x, x.route.baseline, out)
	defer a.close()
	return r.finish(x, a, out)
}

// carryCandidate tries the candidate, and the baseline in its place.
func (r *Router) carryCandidate(x *exchange, out *reply) (cut bool) {
	defer x.land() // Whatever happens.
	a := r.try(x, x.route.candidate, out)
	defer a.close()
	if !a.failed() || !r.shields(x) {
		return r.finish(x, a, out)
	}
	x.land()
	a.close()
	r.judgeRefusal(x, a)
	x.rescued = true
	b := r.try(x, x.route.baseline, out)
	defer b.close()
	// An answer of the baseline is passed on whatever it says; only one that
	// the caller would wish for tells that the candidate should have had it.
	shielded := b.answer != nil && b.err == nil
	if shielded {
		x.route.rollout.rescued.Add(1)
		out.Header()[shieldedField] = []string{"true"}
	}
	r.judge(x, a, fateOf(b))
	r.observe(x, a, shielded)
	return r.answer(x, b, out)
}

// finish answers the caller with what the assigned arm made of the exchange,
// and observes it: before the caller can know, unless the outcome shows only as
// the answer is passed on.
func (r *Router) finish(x *exchange, a *attempt, out *reply) (cut bool) {
	streams := a.err == nil && a.whole == nil
	if streams {
		cut = r.answer(x, a, out)
	}
	x.land()
	if x.arm == split.Candidate {
		r.judge(x, a, cutoff.Unrescued)
	}
	r.observe(x, a, false)
	if !streams {
		cut = r.answer(x, a, out)
	}
	return cut
}

func fateOf(rescue *attempt) cutoff.Fate {
	if rescue.well() {
		return cutoff.Rescued
	}
	return cutoff.FailedTwice
}

// shields reports whether a failed candidate request may go to the baseline.
// A pinned one may not: its caller wants to see this candidate.
func (r *Router) shields(x *exchange) bool {
	if !x.route.split.Shield || x.pinned {
		return false
	}
	if x.held != nil && !x.held.replayable() {
		x.route.rollout.unheld.Add(1)
		return false
	}
	return true
}

// answer sends an attempt's answer to the caller, or says why there is none.
func (r *Router) answer(x *exchange, a *attempt, out *reply) (cut bool) {
	status := http.StatusBadGateway
	switch kind := a.kind(); {
	case a.err == nil:
		status = a.answer.Status
		cut = a.relay(out)
	case kind == upstream.Unsent:
		status = 0
		r.counts.unread.Add(1)
		out.unread(a.err)
	case kind == upstream.Cancelled:
		// Nothing must pass for an answer, should the caller still be listening.
		status, cut = 0, true
	case kind == upstream.Timeout:
		status = http.StatusGatewayTimeout
		out.problem(status, fmt.Sprintf("the %s of model %q did not answer in time", x.arm, x.route.is.Model), nil)
	default:
		out.problem(status, fmt.Sprintf("the %s of model %q gave no answer: %s", x.arm, x.route.is.Model, kind), nil)
	}
	x.route.counts.add(x.arm, status)
	return cut
}
