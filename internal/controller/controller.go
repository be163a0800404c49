package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/metric"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Store is what the loop needs of the store.
type Store interface {
	store.Rollouts
	store.Intents
	Models(ctx context.Context) ([]store.Model, error)
}

// Options are what a Controller needs.
type Options struct {
	Store  Store
	Target traffic.Target
	Ledger *ledger.Ledger
	// Metrics reads the resources of servers; nil reads none.
	Metrics metric.Source
	// Sampled is told of every window of a resource that ends, with "" when it was
	// complete; nil tells nobody. It must not block.
	Sampled func(why query.Missing)
	Log     *slog.Logger
	// Tick is how often each rollout is looked at; 0 means a second.
	Tick time.Duration
	// Changed is told after every stored decision and after every tick. It must
	// not block: a rollback waits for nobody.
	Changed func(Change)
}

// Change tells that a rollout has been looked at.
type Change struct {
	ID      uint64
	Rollout string
	Seq     int64 // of the latest stored decision
	Decided bool  // a decision was stored just now
}

// Controller runs the loop. It is safe for concurrent use.
type Controller struct {
	store   Store
	target  traffic.Target
	ledger  *ledger.Ledger
	metrics metric.Source
	sampled func(query.Missing)
	log     *slog.Logger
	tick    time.Duration
	changed func(Change)
	board   *board

	mu      sync.Mutex
	ctx     context.Context // of the workers; nil until Start
	stop    context.CancelFunc
	workers map[uint64]*worker
	wg      sync.WaitGroup
}

// New returns a Controller that does nothing until Start.
func New(o Options) *Controller {
	c := &Controller{
		store: o.Store, target: o.Target, ledger: o.Ledger, metrics: o.Metrics, sampled: o.Sampled,
		log: o.Log, tick: o.Tick, changed: o.Changed,
		workers: map[uint64]*worker{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.tick <= 0 {
		c.tick = time.Second
	}
	if c.changed == nil {
		c.changed = func(Change) {}
	}
	c.board = newBoard(o.Target, c.log)
	return c
}

// Start reads what the store has, puts the first table in force and begins to
// look after every rollout that is not over. Rollouts of which an intent to
// roll back is found start at weight 0. A data plane that does not take the
// table is no error: that is tried again at every tick.
func (c *Controller) Start(ctx context.Context) error {
	models, err := c.store.Models(ctx)
	if err != nil {
		return fmt.Errorf("start the control loop: %w", err)
	}
	active, err := c.store.List(ctx, store.Query{Active: true})
	if err != nil {
		return fmt.Errorf("start the control loop: %w", err)
	}
	intents, err := c.intents(ctx)
	if err != nil {
		return err
	}
	if err := c.openEnded(ctx, intents); err != nil {
		return err
	}
	for _, m := range models {
		c.board.setModel(m)
	}
	c.mu.Lock()
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.mu.Unlock()
	workers := make([]*worker, len(active))
	for i, rec := range active {
		workers[i] = newWorker(c, rec)
		workers[i].intent = intents[rec.ID]
		workers[i].resume(ctx)
	}
	if _, err := c.board.apply(ctx); err != nil {
		c.log.ErrorContext(ctx, "the data plane does not take the routing table; trying again", "err", err)
	}
	for _, w := range workers {
		c.run(w)
	}
	c.wg.Go(c.pace)
	return nil
}

// intents returns the intents to roll back, by rollout.
func (c *Controller) intents(ctx context.Context) (map[uint64]*store.Intent, error) {
	list, err := c.store.Intents(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the control loop: read unfinished rollbacks: %w", err)
	}
	out := make(map[uint64]*store.Intent, len(list))
	for i := range list {
		out[list[i].ID] = &list[i]
	}
	return out, nil
}

// openEnded opens the books of rollouts that ended within their horizon, so
// that late outcomes still count. The oldest comes first, because the newest
// book of a model is the one that outcomes without a token are looked up in. It
// also clears the intents of rollbacks that are done.
func (c *Controller) openEnded(ctx context.Context, intents map[uint64]*store.Intent) error {
	list, err := c.store.List(ctx, store.Query{})
	if err != nil {
		return fmt.Errorf("start the control loop: %w", err)
	}
	now := time.Now()
	for _, rec := range slices.Backward(list) {
		if !rec.State.Phase.Final() {
			continue
		}
		if intents[rec.ID] != nil {
			done := store.Commit{ID: rec.ID, Revision: rec.Revision, State: rec.State, ClearIntent: true}
			if _, err := c.store.Commit(ctx, done); err != nil {
				return fmt.Errorf("start the control loop: clear the intent of %q: %w", rec.Name, err)
			}
		}
		if late := now.Sub(rec.State.EndedAt) - rec.Plan.Horizon; late > 0 {
			if late < forgetWithin {
				c.forget(ctx, &rec)
			}
			continue
		}
		plan := rec.Plan
		if err := c.ledger.Open(ctx, account(&rec, &plan, nil)); err != nil {
			c.log.ErrorContext(ctx, "late outcomes of an ended rollout cannot be counted", "rollout", rec.Name, "err", err)
		}
	}
	return nil
}

// forgetWithin is how long ago a rollout's horizon may have passed for what was
// kept for its late outcomes to be dropped at start; of earlier ones it is
// dropped already, unless no server ran for so long.
const forgetWithin = 30 * 24 * time.Hour

func (c *Controller) forget(ctx context.Context, rec *store.Rollout) {
	if err := c.ledger.Forget(ctx, rec.ID); err != nil {
		c.log.WarnContext(ctx, "outcome ids of an ended rollout stay in the store", "rollout", rec.Name, "err", err)
	}
}

// account is what the ledger needs to know of a rollout.
func account(rec *store.Rollout, plan *rollout.Plan, state func() (*rollout.State, int64)) ledger.Account {
	return ledger.Account{
		ID: rec.ID, Name: rec.Name, Model: rec.Model, Salt: rec.Salt, Layout: &plan.Layout,
		Horizon: plan.Horizon, EndedAt: rec.State.EndedAt, State: state,
	}
}

// Stop ends the loop. Decisions on their way to the store are waited for, as
// far as ctx allows; the traffic stays as it is.
func (c *Controller) Stop(ctx context.Context) error {
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.wg.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the control loop: %w", ctx.Err())
	}
}

// errStopped is answered while no loop runs.
var errStopped = problem.New(problem.Unavailable, "the control loop does not run")

// Add begins to look after a rollout that was created.
func (c *Controller) Add(ctx context.Context, rec store.Rollout) error {
	c.mu.Lock()
	running := c.ctx != nil && c.ctx.Err() == nil
	c.mu.Unlock()
	if !running {
		return errStopped
	}
	w := newWorker(c, rec)
	w.resume(ctx)
	// The table names the rollout before its first look, so that its candidate is probed and there is something to see.
	if _, err := c.board.apply(ctx); err != nil {
		c.log.ErrorContext(ctx, "the data plane does not take the routing table; trying again", "rollout", rec.Name, "err", err)
	}
	c.run(w)
	return nil
}

// PutModel takes a model over that was applied, and puts it in force.
func (c *Controller) PutModel(ctx context.Context, m store.Model) error {
	c.board.setModel(m)
	_, err := c.board.apply(ctx)
	return err
}

// run starts a worker.
func (c *Controller) run(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workers[w.rec.ID] = w
	c.wg.Go(func() {
		w.run(c.ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.workers, w.rec.ID)
	})
}

// pace wakes every worker at each tick, and those that the data plane names at
// once. It retries a table that was not taken.
func (c *Controller) pace() {
	ticker := time.NewTicker(c.tick)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case id := <-c.target.Wake():
			if w := c.worker(id); w != nil {
				w.poke()
			}
		case <-ticker.C:
			if c.board.behind() {
				if _, err := c.board.apply(c.ctx); err != nil && !errors.Is(err, context.Canceled) {
					c.log.ErrorContext(c.ctx, "the data plane does not take the routing table; trying again", "err", err)
				}
			}
			for _, w := range c.all() {
				w.poke()
			}
		}
	}
}

func (c *Controller) worker(id uint64) *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers[id]
}

func (c *Controller) all() []*worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*worker, 0, len(c.workers))
	for _, w := range c.workers {
		out = append(out, w)
	}
	return out
}

// Live returns a running rollout as of its last tick. It reports false when the
// loop does not look after it (any more): the store has it then.
func (c *Controller) Live(id uint64) (Live, bool) {
	w := c.worker(id)
	if w == nil {
		return Live{}, false
	}
	return *w.live.Load(), true
}
