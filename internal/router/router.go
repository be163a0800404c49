// Package router is the data plane: it takes a model's requests, sends each to
// the baseline or to the candidate as the routing table says, and counts what
// became of it.
//
//	front ─► match ─► split ─► forward ─► observe
//	          table    hash     upstream    tap, cutoff
//
// One request is one exchange. It loads the table once, so a swap is atomic:
// requests that start after Swap has returned follow the new table, those
// under way end as they began.
//
// What it promises:
//
//   - A caller never notices a candidate that fails before the first byte of
//     its answer: the baseline answers in its place (the shield), and the
//     failure counts against the candidate.
//   - A candidate that fails hard gets no more traffic, decided here and at
//     once (package cutoff); only a rollout that leaves the table and comes
//     back starts afresh.
//   - It needs nobody: without the control loop or the store it serves the last
//     table. It never changes a weight and never brings a candidate back.
//   - Heads, bodies, waits, connections and requests at a time are bounded, and
//     a request beyond a bound gets an answer that says so.
//   - What it counts is lost by nobody but Collect's caller.
//
// The traffic port answers nothing but traffic: no health, no metrics.
package router

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/router/tap"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

// wakeRoom is how many wake-ups wait for a reader. One that finds no room is
// dropped: Rollout tells the same.
const wakeRoom = 64

// Options are what a Router needs.
type Options struct {
	// Signer makes the tokens of Belay-Assignment; required.
	Signer *assignment.Signer
	// Log is told of cut-offs and of faults of the router itself; nil is silent.
	Log *slog.Logger
	// Limits bound callers and versions; zero fields take their default.
	Limits Limits
	// Network opens connections to versions; its zero value is the real one.
	Network upstream.Network
}

// Router serves traffic by a routing table. It is an http.Handler, and brings
// its own server: Serve and Shutdown.
type Router struct {
	signer *assignment.Signer
	log    *slog.Logger
	limits Limits

	live   atomic.Pointer[live]
	tap    *tap.Tap
	set    *upstream.Set
	wake   chan uint64
	counts counts
	room   room // memory for bodies

	server http.Server
	conns  gate // connections at a time

	mu       sync.Mutex // one Swap at a time
	rollouts map[uint64]*rollout
	models   map[string]*modelCounts
}

// New returns a Router without a table: it answers 503 until the first Swap.
// It must be shut down with Shutdown, also if it never served.
func New(o Options) *Router {
	if o.Signer == nil {
		panic("router: no signer")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	limits := o.Limits.withDefaults()
	r := &Router{
		signer: o.Signer, log: o.Log, limits: limits,
		tap: tap.New(), set: upstream.NewSet(limits.Upstream, o.Network), wake: make(chan uint64, wakeRoom),
		room: room{limit: limits.HeldTotal}, conns: newGate(limits.Connections),
		rollouts: map[uint64]*rollout{}, models: map[string]*modelCounts{},
	}
	r.server = newServer(r)
	return r
}

// Swap makes t the table in force. Requests that start after it has returned
// follow t. It may be repeated with the same table. A table older than the one
// in force is refused as a conflict, so that a late retry cannot undo a
// rollback, and a table with a version that has no usable address as invalid;
// the table in force then stays.
func (r *Router) Swap(t *table.Table) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.live.Load()
	if before != nil && t.Generation < before.table.Generation {
		return problem.New(problem.Conflict, "routing table %d is older than table %d, which is in force", t.Generation, before.table.Generation)
	}
	next, err := r.compile(t)
	if err != nil {
		return err
	}
	r.live.Store(next.live)
	r.tap.Keep(next.recorders)
	r.set.Keep(next.endpoints)
	r.rollouts = next.rollouts
	return nil
}

// Table returns the table in force; nil before the first Swap.
func (r *Router) Table() *table.Table {
	if l := r.live.Load(); l != nil {
		return l.table
	}
	return nil
}

// Collect returns what was seen since the last Collect, one batch for each
// rollout and stratum. Each batch is returned once.
func (r *Router) Collect() []evidence.Batch { return r.tap.Collect() }

// Wake is signalled with a rollout's number when its candidate was cut off.
func (r *Router) Wake() <-chan uint64 { return r.wake }

// Serve accepts connections on l until Shutdown. It returns nil after one.
func (r *Router) Serve(l net.Listener) error { return r.serve(l) }

// Shutdown stops accepting, waits for running requests until ctx ends and then
// cuts them off, and closes everything towards the versions.
func (r *Router) Shutdown(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		_ = r.server.Close()
	}
	r.set.Close()
	return err
}
