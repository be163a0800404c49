package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/store"
)

// Account is what the ledger needs to know of a rollout to keep its evidence.
type Account struct {
	ID     uint64
	Name   string
	Model  string
	Salt   split.Salt
	Layout *evidence.Layout
	// Horizon is how long after its exposure an outcome counts; 0 means
	// DefaultHorizon.
	Horizon time.Duration
	// EndedAt is set for a rollout that is over: its book stays open for late
	// outcomes until the horizon has passed.
	EndedAt time.Time
	// State returns the state to keep beside the evidence, with the revision that
	// it belongs to, or nil; the ledger calls it with no lock of its own held.
	State func() (*rollout.State, int64)
}

// DefaultHorizon is how long after its exposure an outcome counts, unless a gate
// waits longer.
const DefaultHorizon = 24 * time.Hour

// book is the evidence of one rollout.
type book struct {
	account Account
	// storing is held while evidence of this book is on its way to the store, so
	// that an older one never replaces a newer.
	storing turn

	mu       sync.Mutex
	evidence evidence.Evidence
	pages    pages  // as of the last look, of what has not changed since
	tried    int    // how many observations waited when a scale was last looked for
	units    *units // nil where every request is a unit of its own
	counters Counters
	ended    time.Time

	recent  recent
	inStore bool // the store may know ids that recent does not
	// pending are the ids that the store does not have, the first of them being
	// number acked+1 of all.
	pending []store.OutcomeID
	acked   int

	version, stored uint64    // of the evidence: now, and in the store
	changed         time.Time // since when they differ
	held            int       // decisions that are about to store this book themselves
}

func newBook(a Account) *book {
	if a.Horizon <= 0 {
		a.Horizon = DefaultHorizon
	}
	b := &book{account: a, recent: newRecent(), ended: a.EndedAt, storing: newTurn()}
	if a.Layout.Clustered {
		b.units = newUnits()
	}
	return b
}

// add merges a batch. It reports false when the batch is not of this layout.
func (b *book) add(batch evidence.Batch, now time.Time) bool {
	if batch.Stratum == table.NoStratum || int(batch.Stratum) >= evidence.MaxStrata {
		return true
	}
	if batch.Delta != nil && !b.account.Layout.Fits(batch.Delta) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mature(now)
	if batch.Segment != "" {
		b.addSegment(batch, now)
		return true
	}
	s := b.stratum(int(batch.Stratum), now)
	if batch.Delta != nil {
		s.Merge(batch.Delta)
		b.await(batch, now)
	}
	b.expose(s, batch)
	s.Freeze(b.account.Layout)
	b.learn(now)
	return true
}

// expose counts units that are new in the stratum.
func (b *book) expose(s *evidence.Stratum, batch evidence.Batch) {
	if b.units == nil {
		return
	}
	for _, e := range batch.Exposures {
		if e.Arm >= split.Arms {
			continue
		}
		if b.units.see(batch.Stratum, e) {
			s.Sides[e.Arm].Units.Add(e.Unit)
		}
	}
	if len(batch.Exposures) > 0 {
		s.Kept = max(s.Kept, b.units.level)
	}
}

// stratum returns a stratum to change. b.mu is held.
func (b *book) stratum(i int, now time.Time) *evidence.Stratum {
	s := b.evidence.Stratum(b.account.Layout, i)
	delete(b.pages, s)
	b.touch(now)
	return s
}

// touch notes that the evidence differs from what the store has.
func (b *book) touch(now time.Time) {
	if b.version == b.stored {
		b.changed = now
	}
	b.version++
}

// look returns the evidence as of now; it never changes afterwards. b.mu is held.
func (b *book) look() *edition {
	e, next := publish(b.account.Layout, &b.evidence, b.pages)
	b.pages = next
	return e
}

// over reports whether a rollout that ended needs its book no more: nothing can
// come, nothing waits for its age, and all is stored.
func (b *book) over(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.ended.IsZero() && now.Sub(b.ended) > b.account.Horizon && len(b.evidence.Cohorts) == 0 && b.version == b.stored && b.held == 0
}

// Snapshot is the evidence of a rollout as of one moment, for one decision.
// While it is held nobody else stores the rollout's evidence, so that what the
// store has last is never older than what it had before. It ends with Release.
type Snapshot struct {
	// Evidence never changes.
	Evidence *evidence.Evidence

	book    *book
	edition *edition
	version uint64
	at      time.Time
	upTo    int // outcome ids that the evidence holds, counted from the first
	once    sync.Once
}

// take returns a snapshot and holds flushes back.
func (b *book) take() *Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mature(time.Now())
	b.held++
	return b.snapshot()
}

// snapshot returns the evidence as of now. b.mu is held.
func (b *book) snapshot() *Snapshot {
	e := b.look()
	return &Snapshot{Evidence: e.evidence, book: b, edition: e, version: b.version, at: time.Now(), upTo: b.acked + len(b.pending)}
}

// Release lets the evidence be flushed again. It may be called more than once.
func (s *Snapshot) Release() {
	s.once.Do(func() {
		s.book.mu.Lock()
		s.book.held--
		s.book.mu.Unlock()
	})
}

// Keep is what to store of the snapshot, with the hash of its evidence. What was
// asked for must be answered by Kept before anybody asks again; Keep waits for
// a flush that is on its way, as long as ctx allows.
func (s *Snapshot) Keep(ctx context.Context) (store.Kept, error) {
	if err := s.book.storing.take(ctx); err != nil {
		return store.Kept{}, fmt.Errorf("wait for a flush of rollout %q: %w", s.book.account.Name, err)
	}
	kept, err := s.keep()
	if err != nil {
		s.book.storing.give()
	}
	return kept, err
}

// keep prepares the storing; b.storing is held.
func (s *Snapshot) keep() (store.Kept, error) {
	body, err := encode(s.edition)
	if err != nil {
		return store.Kept{}, err
	}
	kept := store.Kept{ID: s.book.account.ID, Evidence: body}
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := s.upTo - b.acked; n > 0 {
		kept.Outcomes = b.pending[:n:n]
	}
	if b.units != nil {
		kept.Exposures = b.units.unkept()
	}
	return kept, nil
}

// Kept says whether what Keep returned is in the store now.
func (s *Snapshot) Kept(kept store.Kept, ok bool) {
	s.kept(kept, ok)
	s.book.storing.give()
}

func (s *Snapshot) kept(kept store.Kept, ok bool) {
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		if b.units != nil {
			b.units.restore(kept.Exposures)
		}
		return
	}
	n := len(kept.Outcomes)
	b.pending, b.acked = b.pending[n:], b.acked+n
	b.inStore = b.inStore || n > 0
	b.stored = s.version
	if b.version != b.stored {
		b.changed = s.at
	}
}
