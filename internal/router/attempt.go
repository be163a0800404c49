package router

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/router/protocol"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// attempt is one version's try at an exchange.
type attempt struct {
	began  time.Time
	ended  time.Time // when its outcome was known
	answer *upstream.Answer
	err    error // a Failure; answer may be there all the same, cut
	whole  *[]byte
	check  protocol.Answer
	broken bool // the answer is not what its protocol promises
	// outputs reads the model's outputs out of the answer; nil where nobody asks.
	outputs *protocol.Reader
	// left reports that the caller went away, or could not send its body.
	left bool
}

// try sends the exchange to a version and reads the head of its answer, and
// the body of a small one: up to then nothing has been sent to the caller.
func (r *Router) try(x *exchange, e *upstream.Endpoint, out *reply) *attempt {
	a := &attempt{began: time.Now()}
	a.answer, a.err = e.Do(x.ctx, x.request(out.hint))
	if a.err == nil {
		a.read(x)
	}
	a.ended = time.Now()
	// net/http cancels a request whose connection fails while its body is being
	// read, so a body that never arrived looks like a caller that went away.
	if a.kind() == upstream.Cancelled && x.from != nil && x.from.unfinished() {
		a.err = upstream.NotSent(x.from.failure())
	}
	return a
}

// read begins to check the answer, and reads it whole if it is small.
func (a *attempt) read(x *exchange) {
	if x.infers {
		a.check = protocol.NewAnswer(a.answer.Status, a.answer.Header)
	}
	if x.asksOutputs() {
		a.outputs = x.route.outputs.Reader(x.method, a.answer.Status, a.answer.Header)
	}
	if n := a.answer.Length; n < 0 || n > small || isEvents(a.answer.Header) {
		return
	}
	a.whole = smallBodies.Get().(*[]byte)
	if cap(*a.whole) < int(a.answer.Length) {
		*a.whole = make([]byte, 0, a.answer.Length)
	}
	*a.whole = (*a.whole)[:a.answer.Length]
	if _, a.err = io.ReadFull(a.answer.Body, *a.whole); a.err == nil {
		a.look(*a.whole)
		a.broken = a.check.Broken()
	}
}

// look looks at the next bytes of the answer.
func (a *attempt) look(p []byte) {
	a.check.Write(p)
	if a.outputs != nil {
		a.outputs.Write(p)
	}
}

// isEvents reports whether an answer is a stream of events, which is passed on
// piece by piece whatever its length.
func isEvents(h http.Header) bool {
	return strings.HasPrefix(first(h["Content-Type"]), "text/event-stream")
}

// close lets go of the answer.
func (a *attempt) close() {
	if a.answer != nil {
		_ = a.answer.Body.Close()
	}
	if a.whole != nil {
		smallBodies.Put(a.whole)
		a.whole = nil
	}
	if a.outputs != nil {
		a.outputs.Close()
		a.outputs = nil
	}
}

// kind of the attempt's failure; "" for none.
func (a *attempt) kind() upstream.Kind { return upstream.KindOf(a.err) }

// callerLeft reports whether the attempt ended because of the caller.
func (a *attempt) callerLeft() bool {
	return a.left || a.kind() == upstream.Cancelled || a.kind() == upstream.Unsent
}

// failed reports whether the version is to blame for an error: a status of 5xx
// or 429, a transport failure, a time-out, an answer that its protocol forbids
// or that was interrupted.
func (a *attempt) failed() bool {
	if a.answer != nil && isError(a.answer.Status) {
		return true
	}
	if a.err != nil {
		return !a.callerLeft()
	}
	return a.broken
}

func isError(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// well reports whether the version answered as a caller would wish.
func (a *attempt) well() bool {
	return a.err == nil && !a.failed() && a.answer.Status < http.StatusBadRequest
}

// clientError reports whether the version blamed the caller.
func (a *attempt) clientError() bool {
	return a.answer != nil && a.answer.Status >= 400 && !isError(a.answer.Status)
}

// latency is the time that counts: of answers, time-outs and callers that went
// away. A connection that broke was no answer.
func (a *attempt) latency() time.Duration {
	if kind := a.kind(); kind != "" && kind != upstream.Timeout && kind != upstream.Cancelled {
		return 0
	}
	return max(a.ended.Sub(a.began), 1)
}

var copies = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// relay passes the attempt's answer on to the caller. It reports whether the
// answer was broken off after its head.
func (a *attempt) relay(out *reply) (cut bool) {
	h := out.Header()
	endToEnd(h, a.answer.Header)
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // Or net/http would guess one.
	}
	announced := announce(h, a.answer.Trailer)
	out.head(a.answer.Status)
	if a.whole != nil {
		a.left = !out.write(*a.whole)
		return false
	}
	cut = a.stream(out)
	if !cut {
		trailers(h, a.answer.Trailer, announced)
	}
	return cut
}

// stream copies piece by piece, each passed on at once.
func (a *attempt) stream(out *reply) (cut bool) {
	buf := copies.Get().(*[]byte)
	defer copies.Put(buf)
	defer func() { a.ended = time.Now() }()
	_ = out.rc.Flush()
	for {
		n, err := a.answer.Body.Read(*buf)
		if n > 0 {
			a.look((*buf)[:n])
			if a.left = !out.write((*buf)[:n]); a.left {
				return true
			}
			_ = out.rc.Flush()
		}
		if err == io.EOF {
			a.broken = a.check.Broken()
			return false
		}
		if err != nil {
			a.err = err
			return true
		}
	}
}

// announce names the trailers before the body, as HTTP wants it, and returns
// which were named.
func announce(h, trailer http.Header) map[string]bool {
	if len(trailer) == 0 {
		return nil
	}
	names := make(map[string]bool, len(trailer))
	for name := range trailer {
		if !hop(name) && !strings.HasPrefix(name, ownPrefix) {
			h.Add("Trailer", name)
			names[name] = true
		}
	}
	return names
}

// trailers sends the trailers' values after the body.
func trailers(h, trailer http.Header, announced map[string]bool) {
	for name, values := range trailer {
		if hop(name) || strings.HasPrefix(name, ownPrefix) {
			continue
		}
		if !announced[name] {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}
