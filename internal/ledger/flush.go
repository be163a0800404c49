package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/store"
)

// What is counted is durable within two seconds: a look every half second takes
// what has waited for a second, which leaves half a second for the store.
const (
	flushEvery   = 500 * time.Millisecond
	flushAfter   = time.Second
	flushTimeout = 10 * time.Second
	// forgetEvery is how often the ids of a long rollout are cut to the newest:
	// often enough that a slice drops more than comes in.
	forgetEvery = 30 * time.Second
	// keepOutcomes is how many outcome ids are kept of a running rollout.
	keepOutcomes = 4_000_000
	// forgetSlice bounds one go at dropping what is not needed, so that evidence is
	// flushed in time all the while. Dropping goes on where it stopped.
	forgetSlice = time.Second
)

// run flushes until ctx ends.
func (l *Ledger) run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	forgotten := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.attempt(ctx, now)
			l.closeOver(ctx, now)
			if now.Sub(forgotten) >= forgetEvery {
				forgotten = now
				l.cutIDs(ctx)
			}
		}
	}
}

// attempt flushes what is due and remembers whether that worked. It logs only
// changes between the two.
func (l *Ledger) attempt(ctx context.Context, now time.Time) {
	err := l.flush(ctx, func(b *book) bool { return now.Sub(b.changed) >= flushAfter })
	if ctx.Err() != nil {
		return
	}
	before := l.failing.Load()
	switch {
	case err != nil && before == nil:
		l.log.ErrorContext(ctx, "evidence cannot be stored; counting goes on", "err", err)
	case err == nil && before != nil:
		l.log.InfoContext(ctx, "evidence is stored again")
	}
	if err == nil {
		l.failing.Store(nil)
		return
	}
	l.failing.Store(&err)
}

// Failing returns why the last flush failed, or nil.
func (l *Ledger) Failing() error {
	if p := l.failing.Load(); p != nil {
		return *p
	}
	return nil
}

// Flush stores everything that is not stored yet, except what a decision that
// is on its way stores itself.
func (l *Ledger) Flush(ctx context.Context) error {
	return l.flush(ctx, func(*book) bool { return true })
}

// flushing is one book on its way to the store.
type flushing struct {
	snapshot *Snapshot
	kept     store.Kept
}

func (l *Ledger) flush(ctx context.Context, due func(*book) bool) error {
	if err := l.flushing.take(ctx); err != nil {
		return fmt.Errorf("flush evidence: %w", err)
	}
	defer l.flushing.give()
	var list []flushing
	var failed error
	for _, b := range l.all() {
		f, err := b.prepare(due)
		if err != nil {
			failed = fmt.Errorf("flush evidence of rollout %q: %w", b.account.Name, err)
			continue
		}
		if f != nil {
			list = append(list, *f)
		}
	}
	if len(list) == 0 {
		return failed
	}
	kept := make([]store.Kept, len(list))
	for i, f := range list {
		kept[i] = f.kept
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	err := l.store.Flush(ctx, kept)
	for _, f := range list {
		f.snapshot.Kept(f.kept, err == nil)
	}
	if err != nil {
		return err // The store says what it was doing.
	}
	return failed
}

// prepare takes what is to be stored of a book, or nil when nothing is or when
// a decision is about to store it.
func (b *book) prepare(due func(*book) bool) (*flushing, error) {
	if !b.storing.try() {
		return nil, nil //nolint:nilnil // A decision stores the book just now: nothing to do, nothing wrong.
	}
	s := b.claim(due)
	if s == nil {
		b.storing.give()
		return nil, nil //nolint:nilnil // Nothing is due.
	}
	kept, err := s.keep()
	if err != nil {
		b.storing.give()
		return nil, err
	}
	if b.account.State != nil {
		kept.State, kept.Revision = b.account.State()
	}
	return &flushing{snapshot: s, kept: kept}, nil
}

// claim returns a snapshot that holds nothing back, or nil when nothing is due.
func (b *book) claim(due func(*book) bool) *Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version == b.stored || b.held > 0 || !due(b) {
		return nil
	}
	return b.snapshot()
}

func (l *Ledger) all() []*book {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]*book, 0, len(l.books))
	for _, b := range l.books {
		out = append(out, b)
	}
	return out
}

// closeOver closes the books of rollouts whose horizon has passed, and the
// oldest ended ones beyond a bound.
func (l *Ledger) closeOver(ctx context.Context, now time.Time) {
	var ended []*book
	for _, b := range l.all() {
		if b.over(now) {
			l.close(ctx, b)
			continue
		}
		if !b.endedAt().IsZero() {
			ended = append(ended, b)
		}
	}
	if len(ended) <= maxEnded {
		return
	}
	slices.SortFunc(ended, func(a, b *book) int { return a.endedAt().Compare(b.endedAt()) })
	for _, b := range ended[:len(ended)-maxEnded] {
		if b.clean() {
			l.close(ctx, b)
		}
	}
}

// close drops a book, and what the store kept only for it, at once or in
// several goes.
func (l *Ledger) close(ctx context.Context, b *book) {
	ctx, cancel := context.WithTimeout(ctx, forgetSlice)
	defer cancel()
	if err := l.Forget(ctx, b.account.ID); err != nil {
		l.log.DebugContext(ctx, "outcome ids of an ended rollout are still in the store; trying again", "rollout", b.account.Name, "err", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.books, b.account.ID)
	left := slices.DeleteFunc(l.models[b.account.Model], func(o *book) bool { return o == b })
	if len(left) == 0 {
		delete(l.models, b.account.Model)
		return
	}
	l.models[b.account.Model] = left
}

// cutIDs bounds the outcome ids of running rollouts.
func (l *Ledger) cutIDs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, forgetSlice)
	defer cancel()
	for _, b := range l.all() {
		if err := l.store.Forget(ctx, b.account.ID, keepOutcomes); err != nil {
			l.log.DebugContext(ctx, "old outcome ids stay in the store", "rollout", b.account.Name, "err", err)
		}
	}
}

func (b *book) endedAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

func (b *book) clean() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version == b.stored && b.held == 0
}
