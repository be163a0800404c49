package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Options are what a Ledger needs.
type Options struct {
	Store  store.Ledger
	Target traffic.Target
	// Signer reads the assignment tokens that the router gives out.
	Signer *assignment.Signer
	Log    *slog.Logger
}

// Ledger keeps the evidence of all rollouts. It is safe for concurrent use.
type Ledger struct {
	store  store.Ledger
	target traffic.Target
	signer *assignment.Signer
	log    *slog.Logger

	mu     sync.RWMutex
	books  map[uint64]*book
	models map[string][]*book // newest first

	collecting turn
	begun      atomic.Uint64 // collections begun so far
	collected  error         // of the last one; guarded by collecting
	heard      atomic.Int64  // when one last succeeded, in nanoseconds

	flushing turn
	failing  atomic.Pointer[error] // of the last flush; nil when it succeeded

	stop context.CancelFunc
	done chan struct{}
}

// maxEnded bounds the rollouts that are over and still take late outcomes.
const maxEnded = 256

// New returns a Ledger without books. Start makes it flush.
func New(o Options) *Ledger {
	l := &Ledger{
		store: o.Store, target: o.Target, signer: o.Signer, log: o.Log,
		books: map[uint64]*book{}, models: map[string][]*book{}, collecting: newTurn(), flushing: newTurn(),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// Start begins to flush, and to collect what comes in late, in the background.
func (l *Ledger) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		var wg sync.WaitGroup
		wg.Go(func() { l.listen(ctx) })
		l.run(ctx)
		wg.Wait()
	}()
}

// Stop flushes what is left, as far as ctx allows, and ends what Start began.
func (l *Ledger) Stop(ctx context.Context) error {
	if l.stop != nil {
		l.stop()
		<-l.done
		l.stop = nil
	}
	return l.Flush(ctx)
}

// Open begins or resumes the book of a rollout: what the store has of its
// evidence and its units is read back. Opening a book twice changes nothing.
func (l *Ledger) Open(ctx context.Context, a Account) error {
	if l.book(a.ID) != nil {
		return nil
	}
	b := newBook(a)
	if err := l.resume(ctx, b); err != nil {
		return fmt.Errorf("open the book of rollout %q: %w", a.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.books[a.ID] != nil {
		return nil
	}
	l.books[a.ID] = b
	l.models[a.Model] = slices.Insert(l.models[a.Model], 0, b)
	return nil
}

// resume reads what the store has of a book.
func (l *Ledger) resume(ctx context.Context, b *book) error {
	data, err := l.store.Evidence(ctx, b.account.ID)
	if err != nil || data == nil {
		return err
	}
	ev, err := Decode(b.account.Layout, data)
	if err != nil {
		return err
	}
	b.evidence, b.inStore = *ev, true
	if b.units == nil {
		return nil
	}
	return l.store.Exposures(ctx, b.account.ID, func(e store.Exposure) error {
		if e.Arm < split.Arms {
			b.units.load(e)
		}
		return nil
	})
}

// End says that a rollout is over. Its book stays open for late outcomes until
// its horizon has passed.
func (l *Ledger) End(id uint64, at time.Time) {
	b := l.book(id)
	if b == nil {
		return
	}
	b.mu.Lock()
	b.ended = at
	b.mu.Unlock()
}

// Take returns a snapshot of a rollout's evidence for a decision. The caller
// must Release it.
func (l *Ledger) Take(id uint64) (*Snapshot, error) {
	b := l.book(id)
	if b == nil {
		return nil, problem.New(problem.NotFound, "no evidence is kept of rollout %016x", id)
	}
	return b.take(), nil
}

// Evidence returns a rollout's evidence as of now, to look at. It reports false
// when no book of it is open.
func (l *Ledger) Evidence(id uint64) (*evidence.Evidence, bool) {
	b := l.book(id)
	if b == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.look().evidence, true
}

// Counters returns what was reported to a rollout since its book was opened, and
// what waits now.
func (l *Ledger) Counters(id uint64) Counters {
	b := l.book(id)
	if b == nil {
		return Counters{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.counters.clone()
	out.Waiting = b.evidence.Waiting(b.account.Layout)
	return out
}

// Waiting returns how many outcomes, over all rollouts, wait for the age of their
// exposure.
func (l *Ledger) Waiting() uint64 {
	var n uint64
	for _, b := range l.all() {
		b.mu.Lock()
		n += b.evidence.Waiting(b.account.Layout)
		b.mu.Unlock()
	}
	return n
}

// Exposed returns the distinct units that an arm of a rollout has seen; 0 where
// every request is a unit of its own.
func (l *Ledger) Exposed(id uint64, arm split.Arm) uint64 {
	b := l.book(id)
	if b == nil || b.units == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.units.exposed(arm)
}

// Heard is when the data plane was last asked with success; zero before.
func (l *Ledger) Heard() time.Time {
	if ns := l.heard.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

func (l *Ledger) book(id uint64) *book {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.books[id]
}

// Collect takes over what the data plane has seen. Callers that ask at the same
// time share one collection that began after they asked.
func (l *Ledger) Collect(ctx context.Context) error {
	asked := l.begun.Load()
	if err := l.collecting.take(ctx); err != nil {
		return fmt.Errorf("collect from the data plane: %w", err)
	}
	defer l.collecting.give()
	if l.begun.Load() > asked {
		return l.collected // Begun after we asked, and done since.
	}
	l.begun.Add(1)
	l.collected = l.collect(ctx)
	return l.collected
}

func (l *Ledger) collect(ctx context.Context) error {
	batches, err := l.target.Collect(ctx)
	now := time.Now()
	l.tick(now)
	for _, batch := range batches {
		if b := l.book(batch.Rollout); b != nil && !b.add(batch, now) {
			l.log.ErrorContext(ctx, "batch of another layout dropped", "rollout", b.account.Name, "stratum", batch.Stratum)
		}
	}
	if err != nil {
		return fmt.Errorf("collect from the data plane: %w", err)
	}
	l.heard.Store(now.UnixNano())
	return nil
}

// Forget drops what the store keeps for late outcomes of a rollout whose horizon
// has passed.
func (l *Ledger) Forget(ctx context.Context, id uint64) error {
	if err := l.store.Forget(ctx, id, 0); err != nil {
		return fmt.Errorf("forget outcomes of rollout %016x: %w", id, err)
	}
	return nil
}

// Stored returns a rollout's evidence as the store has it, unread.
func (l *Ledger) Stored(ctx context.Context, id uint64) ([]byte, error) {
	data, err := l.store.Evidence(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read stored evidence of rollout %016x: %w", id, err)
	}
	return data, nil
}
