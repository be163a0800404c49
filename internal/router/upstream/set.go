package upstream

import (
	"net/url"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/protocol"
)

// Spec names an endpoint. Two versions at one address with one probe are one
// endpoint, so a candidate that becomes the baseline keeps its warm pool.
type Spec struct {
	URL      string
	Protocol table.Protocol
	Model    string
}

// Set is all endpoints of a router.
type Set struct {
	limits  Limits
	network Network

	mu     sync.Mutex
	closed bool
	open   map[Spec]*Endpoint
	probes sync.WaitGroup
}

// NewSet returns an empty Set.
func NewSet(l Limits, n Network) *Set {
	return &Set{limits: l.WithDefaults(), network: n, open: map[Spec]*Endpoint{}}
}

// Open returns an endpoint, the same one each time while it is open. A new one
// begins to be probed and warmed at once. The address is http or https with a
// host, and is what spec.URL spells.
func (s *Set) Open(spec Spec, address *url.URL) *Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.open[spec]; e != nil {
		return e
	}
	e := newEndpoint(address, s.limits, s.network)
	if s.closed {
		e.pool.close()
		return e
	}
	e.start(protocol.ProbeFor(spec.Protocol, spec.Model))
	s.open[spec] = e
	return e
}

// Keep closes every endpoint that is not listed: its probe ends, its unused
// connections are closed at once and the others with their last answer.
func (s *Set) Keep(wanted map[Spec]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for spec, e := range s.open {
		if !wanted[spec] {
			delete(s.open, spec)
			e.probe.stop()
			e.pool.close()
			s.probes.Go(func() { <-e.probe.done })
		}
	}
}

// Close closes all endpoints and waits for their probes to end. Endpoints that
// are opened afterwards serve, and are neither probed nor kept warm.
func (s *Set) Close() {
	s.Keep(nil)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.probes.Wait()
}

// Idle returns the connections that wait for a request, over all endpoints.
func (s *Set) Idle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.open {
		n += e.Idle()
	}
	return n
}
