package router

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/protocol"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// The header fields that are Belay's own. None is passed on to a version, and
// none is taken over from one.
const (
	armField        = "Belay-Arm"
	assignmentField = "Belay-Assignment"
	shieldedField   = "Belay-Shielded"
	pinField        = "Belay-Pin"
	ownPrefix       = "Belay-"
)

// exchange is one request on its way through the router. It knows nothing of
// the front that read it.
type exchange struct {
	ctx     context.Context
	method  string
	target  string // path and query as written
	path    string
	query   string
	host    string
	header  http.Header // as received
	remote  string      // the caller's address
	caller  uint64      // the caller's connection
	forward http.Header // what a version gets to see
	body    *upstream.Body
	held    *held       // the stream in body, if it is one
	from    *callerBody // what held reads from

	route    *route
	infers   bool
	hash     split.Hash
	known    bool      // the request has a unit
	arm      split.Arm // assigned
	pinned   bool
	diverted bool // the candidate's by hash, the baseline's by the cut-off
	flying   bool // the candidate has not ended its part
	rescued  bool // the baseline is asked in the candidate's place
	began    time.Time
	segments []string // by attribute of the split
}

// assign finds the unit and picks the arm.
func (r *Router) assign(x *exchange, now time.Time) {
	x.began = now
	x.infers = protocol.Infers(x.route.is.Protocol, x.method, x.path)
	s, ro := x.route.split, x.route.rollout
	if s == nil {
		return
	}
	body := x.beginning()
	unit, known := x.route.unit.Of(x.header, x.query, body)
	if x.known = known; known {
		x.hash = s.Salt.Hash(unit)
	} else {
		x.hash = split.Hash{Assign: rand.Uint64(), Second: rand.Uint64()}
		if x.route.is.Unit.Clustered() {
			ro.unitless.Add(1)
		}
	}
	x.segment(body)
	x.arm = split.Pick(x.hash, s.Weight)
	if s.AllowPin && s.Weight > 0 {
		x.pin(ro)
	}
	if x.arm == split.Candidate {
		r.guard(x, ro)
	}
	ro.took(x)
	x.flying = x.arm == split.Candidate
}

// beginning is the body as far as attributes are looked for in it; nil where there
// are none in it. A stream is waited for.
func (x *exchange) beginning() []byte {
	switch {
	case x.body == nil || !x.route.inBody || len(x.header["Content-Encoding"]) > 0:
		return nil
	case x.held != nil:
		return x.held.beginning(small)
	}
	return x.body.Bytes
}

// land notes that the candidate's part is over, once.
func (x *exchange) land() {
	if x.flying {
		x.flying = false
		x.route.rollout.left(time.Now())
	}
}

// pin lets the caller choose. At weight 0 nobody can: a candidate that was put
// back gets nothing at all.
func (x *exchange) pin(ro *rollout) {
	switch first(x.header[pinField]) {
	case split.Baseline.String():
		x.arm, x.pinned = split.Baseline, true
	case split.Candidate.String():
		x.arm, x.pinned = split.Candidate, true
	default:
		return
	}
	ro.pinned.Add(1)
}

// guard turns the request to the baseline if the candidate was cut off.
func (r *Router) guard(x *exchange, ro *rollout) {
	r.comeOfAge(ro, x.began)
	if ro.cut.Load() != nil {
		x.arm, x.diverted = split.Baseline, true
		ro.diverted.Add(1)
	}
}

// counted reports whether the request is evidence. A pinned one is not, nor is
// one that the cut-off sent elsewhere than its hash, nor any while the rollout
// is in no comparison.
func (x *exchange) counted() bool { return x.route.recorder != nil && !x.pinned && !x.diverted }

// asksOutputs reports whether the model's outputs are read out of the answer:
// what the baseline says in the candidate's place is no output of the candidate,
// and under v2 only inferences have any.
func (x *exchange) asksOutputs() bool {
	return x.route.outputs != nil && !x.rescued && x.counted() && (x.infers || x.route.is.Protocol != table.V2)
}

// token is what the caller may send back with an outcome. That of a request
// that is no evidence says so, and so will the outcome.
func (r *Router) token(x *exchange) string {
	s := x.route.split
	stratum := s.Stratum
	if !x.counted() {
		stratum = table.NoStratum
	}
	return r.signer.Token(assignment.Exposure{
		Rollout: s.Rollout, Stratum: stratum, Arm: x.arm, Pinned: x.pinned,
		Unit: x.hash.Second, Request: rand.Uint64(), Time: x.began, Segments: x.marks(),
	})
}

// blamer is the unit that a failure is counted for: the request's own, or its
// caller's connection.
func (x *exchange) blamer() uint64 {
	if x.known {
		return x.hash.Second
	}
	if x.caller != 0 {
		return x.caller
	}
	return maphash.String(blameSeed, x.remote)
}

var blameSeed = maphash.MakeSeed()

// request is what a version is sent.
func (x *exchange) request(hint func(int, http.Header)) *upstream.Request {
	return &upstream.Request{Method: x.method, Target: x.target, Header: x.forward, Body: x.body, Hint: hint}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
