package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/router/protocol"
)

// State of an endpoint, by its probes.
type State string

// The states of an endpoint.
const (
	Unknown State = "unknown" // not probed yet
	Ready   State = "ready"
	Failing State = "failing" // answers, but not as ready
	Dead    State = "dead"    // refuses connections, deadAfter times in a row
)

// deadAfter refused connections in a row an endpoint counts as dead.
const deadAfter = 3

// Health is what the probes of an endpoint last said.
type Health struct {
	State State
	Since time.Time // of the state
	Error string
}

// prober asks an endpoint for its health, again and again.
type prober struct {
	ask  protocol.Probe
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	health  Health
	refused int
}

// Health returns what the probes last said.
func (e *Endpoint) Health() Health {
	e.probe.mu.Lock()
	defer e.probe.mu.Unlock()
	return e.probe.health
}

// Idle returns how many open connections wait for a request.
func (e *Endpoint) Idle() int { return e.pool.size() }

// start begins to probe.
func (e *Endpoint) start(ask protocol.Probe) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &e.probe
	p.ask, p.stop, p.done = ask, cancel, make(chan struct{})
	p.health = Health{State: Unknown, Since: time.Now()}
	go func() {
		defer close(p.done)
		e.watch(ctx)
	}()
}

// watch probes and keeps the pool warm until ctx ends.
func (e *Endpoint) watch(ctx context.Context) {
	tick := time.NewTicker(e.limits.Probe)
	defer tick.Stop()
	for {
		err := e.askAll(ctx)
		if ctx.Err() != nil {
			return
		}
		e.probe.note(time.Now(), err)
		if err == nil {
			e.pool.warm(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e *Endpoint) askAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Probe)
	defer cancel()
	for _, path := range e.probe.ask.Paths {
		if err := e.askOne(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoint) askOne(ctx context.Context, path string) error {
	a, err := e.Do(ctx, &Request{Method: http.MethodGet, Target: path, Header: http.Header{"User-Agent": {"belay-probe"}}})
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	// A short body is read, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, a.Body, readerSize)
	_ = a.Body.Close()
	if a.Status != http.StatusOK && !e.probe.ask.AnyAnswer {
		return fmt.Errorf("GET %s: status %d, want 200", path, a.Status)
	}
	return nil
}

// note takes the result of a probe.
func (p *prober) note(now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := Health{State: Ready, Since: now}
	if err != nil {
		next.State, next.Error = Failing, err.Error()
	}
	if KindOf(err) != Refused {
		p.refused = 0
	} else if p.refused++; p.refused >= deadAfter {
		next.State = Dead
	}
	if next.State == p.health.State {
		next.Since = p.health.Since
	}
	p.health = next
}
