package app

import (
	"context"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/httpapi"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// countedStore tells the metrics of what is written, how long that takes and
// what fails. It changes nothing else.
type countedStore struct {
	store.Store
	metrics *httpapi.Metrics
}

var _ store.Store = (*countedStore)(nil)

// done counts one write. What the caller did wrong is no failure of the store.
func (s *countedStore) done(operation string, began time.Time, err error) {
	failed := false
	switch problem.CodeOf(err) {
	case problem.Internal, problem.Unavailable:
		failed = true
	case "", problem.Invalid, problem.NotFound, problem.Conflict, problem.Exists, problem.Refused, problem.Unauthorized,
		problem.TooLarge, problem.Precondition:
	}
	s.metrics.Stored(operation, time.Since(began), failed)
}

// Commit implements store.Rollouts, and counts the decision.
func (s *countedStore) Commit(ctx context.Context, c store.Commit) (int64, error) {
	began := time.Now()
	revision, err := s.Store.Commit(ctx, c)
	s.done("commit", began, err)
	if err == nil && c.Entry != nil {
		s.metrics.Decided(c.Entry.Kind, c.Entry.Reason)
	}
	return revision, err
}

// Create implements store.Rollouts.
func (s *countedStore) Create(ctx context.Context, r store.Rollout) error {
	began := time.Now()
	err := s.Store.Create(ctx, r)
	s.done("create", began, err)
	return err
}

// Flush implements store.Ledger.
func (s *countedStore) Flush(ctx context.Context, kept []store.Kept) error {
	began := time.Now()
	err := s.Store.Flush(ctx, kept)
	s.done("flush", began, err)
	return err
}

// Intend implements store.Intents.
func (s *countedStore) Intend(ctx context.Context, i store.Intent) error {
	began := time.Now()
	err := s.Store.Intend(ctx, i)
	s.done("intend", began, err)
	return err
}

// pulse measures how regularly the control loop looks at each rollout.
type pulse struct {
	metrics *httpapi.Metrics
	mu      sync.Mutex
	last    map[uint64]time.Time
}

// beat is told of every look. It never blocks for long: a rollback waits for
// nobody.
func (p *pulse) beat(c controller.Change) {
	if c.Decided {
		return // Between two looks.
	}
	now := time.Now()
	p.mu.Lock()
	before, seen := p.last[c.ID]
	p.last[c.ID] = now
	p.forget(now)
	p.mu.Unlock()
	if seen {
		p.metrics.Ticked(now.Sub(before))
	}
}

// forget drops rollouts that are not looked at any more.
func (p *pulse) forget(now time.Time) {
	const many = 1000
	if len(p.last) < many {
		return
	}
	for id, at := range p.last {
		if now.Sub(at) > time.Minute {
			delete(p.last, id)
		}
	}
}
