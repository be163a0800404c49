package fakemodel

import (
	"net/http"
	"sync"
	"time"
)

// keptStarts is the number of requests whose start is remembered.
const keptStarts = 1 << 16

// Request is a request as the server got it.
type Request struct {
	// Method, Path (with its query) and Proto are of the request's first line.
	Method, Path, Proto string
	// Host and Header are as sent.
	Host   string
	Header http.Header
	// Body is the whole body.
	Body []byte
	// At is when the request started, with a monotonic reading.
	At time.Time
}

// tally counts and remembers requests.
type tally struct {
	base time.Time

	mu       sync.Mutex
	started  uint64
	finished uint64
	probes   uint64
	starts   []time.Duration // After base; a ring once it is full.
	last     Request
}

// start counts a request in, and gives its number from 0.
func (t *tally) start() (n uint64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = t.started
	after := time.Since(t.base)
	if len(t.starts) < keptStarts {
		t.starts = append(t.starts, after)
	} else {
		t.starts[n%keptStarts] = after
	}
	t.started++
	return n, t.base.Add(after)
}

func (t *tally) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished++
}

func (t *tally) probe() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.probes++
}

func (t *tally) remember(r Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.At.Before(t.last.At) {
		t.last = r
	}
}

// Started is the number of requests that have reached the server; probes are not among them.
func (s *Server) Started() uint64 {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return s.tally.started
}

// Finished is the number of requests that are no longer under way, however they ended.
func (s *Server) Finished() uint64 {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return s.tally.finished
}

// ProbeCount is the number of health and metadata requests.
func (s *Server) ProbeCount() uint64 {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return s.tally.probes
}

// LastStart is when the latest request reached the server, with a monotonic reading; zero if none has.
func (s *Server) LastStart() time.Time {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	if s.tally.started == 0 {
		return time.Time{}
	}
	return s.tally.base.Add(s.tally.starts[(s.tally.started-1)%keptStarts])
}

// Starts are the times at which the last 65,536 requests reached the server, in order.
func (s *Server) Starts() []time.Time {
	t := &s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	times := make([]time.Time, 0, len(t.starts))
	oldest := t.started - uint64(len(t.starts))
	for n := oldest; n < t.started; n++ {
		times = append(times, t.base.Add(t.starts[n%keptStarts]))
	}
	return times
}

// Last is the latest request whose body has arrived whole; empty if there is none. It must not be changed.
func (s *Server) Last() Request {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return s.tally.last
}
