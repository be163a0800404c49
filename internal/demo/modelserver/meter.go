package modelserver

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Counts are the inference requests since the start. Health and metadata are not counted.
type Counts struct {
	// Started counts requests that have reached the server, whatever became of them.
	Started uint64
	// Finished counts those that are no longer under way.
	Finished uint64
	// Failed counts those that were answered with the declared status 500.
	Failed uint64
	// Slowed counts those that the declared slowness met.
	Slowed uint64
	// Refused counts those that were the caller's mistake or over a limit.
	Refused uint64
	// LastStart is when the latest request reached the server, with a monotonic reading; zero if none has.
	LastStart time.Time
}

// meter counts without a lock. Times are kept as nanoseconds after base, which has a monotonic reading, so that the
// clock of the machine may be set without moving LastStart.
type meter struct {
	base        time.Time
	connections sync.WaitGroup
	underWay    atomic.Int64
	started     atomic.Uint64
	finished    atomic.Uint64
	failed      atomic.Uint64
	slowed      atomic.Uint64
	refused     atomic.Uint64
	lastStart   atomic.Int64
}

// connection keeps count of open connections, for Close to wait for. The HTTP server tells of a new one before it
// accepts the next, and of a closed one from the goroutine that served it, after its last request.
func (m *meter) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		m.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		m.connections.Done()
	case http.StateActive, http.StateIdle:
	}
}

// start counts a request in, and gives its number from 0 and its time.
func (m *meter) start() (n uint64, at time.Time) {
	after := max(time.Since(m.base), 1)
	for {
		last := m.lastStart.Load()
		if int64(after) <= last || m.lastStart.CompareAndSwap(last, int64(after)) {
			break
		}
	}
	return m.started.Add(1) - 1, m.base.Add(after)
}

// Counts reads the counters. They are read one by one: under traffic Finished may lag Started by what is under way.
func (s *Server) Counts() Counts {
	m := &s.meter
	c := Counts{
		Finished: m.finished.Load(),
		Failed:   m.failed.Load(),
		Slowed:   m.slowed.Load(),
		Refused:  m.refused.Load(),
		Started:  m.started.Load(),
	}
	if after := m.lastStart.Load(); after > 0 {
		c.LastStart = m.base.Add(time.Duration(after))
	}
	return c
}
