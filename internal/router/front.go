package router

import (
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// ServeHTTP is the front for net/http: HTTP/1.1 and cleartext HTTP/2.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	out := newReply(w, r.limits.CallerWait)
	defer r.rescuePanic(out)
	if r.counts.running.Add(1) > r.limits.Requests {
		r.counts.running.Add(-1)
		r.counts.dropped.Add(1)
		out.Header().Set("Retry-After", "1")
		out.problem(http.StatusServiceUnavailable, "too many requests at a time", nil)
		return
	}
	defer r.counts.running.Add(-1)
	if r.exchange(out, req) {
		// The caller must see that the answer is not whole.
		panic(http.ErrAbortHandler)
	}
}

// rescuePanic keeps a fault of the router to the one request.
func (r *Router) rescuePanic(out *reply) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	r.counts.panics.Add(1)
	r.log.Error("request panicked", "panic", v, "stack", string(debug.Stack()))
	if out.begun {
		panic(http.ErrAbortHandler)
	}
	out.problem(http.StatusInternalServerError, "the router failed on this request", nil)
}

// exchange carries one request; cut reports that its answer was broken off.
func (r *Router) exchange(out *reply, req *http.Request) (cut bool) {
	x := newExchange(req)
	l := r.live.Load()
	if !r.find(x, l, out) {
		return false
	}
	done, ok := r.takeBody(x, out, req)
	defer done()
	if !ok {
		return false
	}
	// The body may have taken its time, and the table may have been swapped.
	if now := r.live.Load(); now != l && !r.find(x, now, out) {
		return false
	}
	x.forward = x.forwarded(schemeOf(req))
	r.assign(x, time.Now())
	return r.carry(x, out)
}

func newExchange(req *http.Request) *exchange {
	x := &exchange{
		ctx: req.Context(), method: req.Method, target: req.RequestURI, path: req.URL.Path, query: req.URL.RawQuery,
		host: req.Host, header: req.Header, remote: req.RemoteAddr, caller: callerOf(req.Context()),
	}
	if !strings.HasPrefix(x.target, "/") {
		x.target = req.URL.RequestURI()
	}
	return x
}

func schemeOf(req *http.Request) string {
	if req.TLS != nil {
		return "https"
	}
	return "http"
}

// find finds the route, or answers why there is none.
func (r *Router) find(x *exchange, l *live, out *reply) bool {
	if l == nil {
		out.Header().Set("Retry-After", "1")
		out.problem(http.StatusServiceUnavailable, "the router has no routing table yet", nil)
		return false
	}
	if len(x.header["Upgrade"]) > 0 || x.method == http.MethodConnect {
		out.problem(http.StatusNotImplemented, "this version of the router switches no protocols: Upgrade and CONNECT are refused", nil)
		return false
	}
	if x.route = l.match(x); x.route == nil {
		r.counts.unmatched.Add(1)
		out.noModel(x, l.table)
		return false
	}
	return true
}

// takeBody reads a small body, and prepares a longer one to be streamed. Done
// ends everything that may still be reading it. It reports false when it has
// answered the request.
func (r *Router) takeBody(x *exchange, out *reply, req *http.Request) (done func(), ok bool) {
	if req.ContentLength > r.limits.Body {
		out.tooLarge(r.limits.Body)
		return func() {}, false
	}
	if req.ContentLength == 0 || req.Body == nil || req.Body == http.NoBody {
		return func() {}, true
	}
	from := &callerBody{out: out, src: http.MaxBytesReader(out.w, req.Body, r.limits.Body)}
	if req.ContentLength > 0 && req.ContentLength <= small {
		return r.readSmall(x, out, from, int(req.ContentLength))
	}
	out.fullDuplex()
	h := newHeld(from, r.limits.Held, &r.room)
	x.held, x.from = h, from
	x.body = &upstream.Body{Open: h.open, Length: req.ContentLength, Trailer: req.Trailer}
	if req.ProtoMajor == 1 {
		out.unfinished = from.unfinished
	}
	return func() {
		from.stop()
		x.body.Wait()
		from.drain()
		h.release()
	}, true
}

var smallBodies = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func (r *Router) readSmall(x *exchange, out *reply, from io.Reader, n int) (done func(), ok bool) {
	b := smallBodies.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, 0, n)
	}
	if _, err := io.ReadFull(from, (*b)[:n]); err != nil {
		smallBodies.Put(b)
		r.counts.unread.Add(1)
		out.unread(err)
		return func() {}, false
	}
	x.body = &upstream.Body{Bytes: (*b)[:n]}
	return func() { smallBodies.Put(b) }, true
}

// callerBody bounds the caller's silence within a body.
type callerBody struct {
	out *reply
	src io.Reader

	reading sync.Mutex // held by a read under way

	mu      sync.Mutex
	ended   bool
	stopped bool
	failed  error // why it could not be read to its end
}

func (b *callerBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if !b.bound() {
		return 0, errClosedBody
	}
	n, err := b.src.Read(p)
	if err == io.EOF {
		b.end()
	} else if err != nil {
		b.fail(err)
	}
	return n, err
}

// bound sets the deadline of the next read, unless the body was stopped.
func (b *callerBody) bound() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		_ = b.out.rc.SetReadDeadline(time.Now().Add(b.out.wait))
	}
	return !b.stopped
}

// end takes the deadline back: net/http goes on reading the connection to
// learn whether the caller goes away. After any other error the deadline
// stays, so that nobody waits for the rest.
func (b *callerBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	_ = b.out.rc.SetReadDeadline(time.Time{})
}

func (b *callerBody) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = err
}

// failure says why an unfinished body will not be read to its end. It waits for a
// read under way: net/http cancels the request before the read that failed has
// told its error, and the read ends with the connection, or at its deadline.
func (b *callerBody) failure() error {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return b.failed
	}
	return errClosedBody
}

func (b *callerBody) unfinished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.ended
}

// stop makes reading fail from now on, a read under way included.
func (b *callerBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if !b.ended {
		_ = b.out.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// drainWait is how long net/http may take to read what is left of a body that
// was answered early. Closing a connection with unread bytes would reset it,
// and the caller might lose the answer.
const drainWait = time.Second

// drain lets the rest of the body be read, after the last reader has ended.
func (b *callerBody) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		_ = b.out.rc.SetReadDeadline(time.Now().Add(drainWait))
	}
}
