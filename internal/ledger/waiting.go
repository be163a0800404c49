package ledger

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// mature counts what has reached its age, in all books.
func (l *Ledger) mature(now time.Time) {
	for _, b := range l.all() {
		b.mu.Lock()
		b.mature(now)
		b.mu.Unlock()
	}
}

// tick closes the windows that are complete, in all books, before what came in
// since is counted. The store needs no word of it: what it has of an open window
// is closed when it is read back and ticked.
func (l *Ledger) tick(now time.Time) {
	for _, b := range l.all() {
		b.mu.Lock()
		for _, i := range b.evidence.Tick(now) {
			delete(b.pages, b.evidence.Strata[i])
		}
		b.mu.Unlock()
	}
}

// mature counts what has reached its age. b.mu is held.
func (b *book) mature(now time.Time) {
	changed := b.evidence.Mature(b.account.Layout, now)
	for _, i := range changed {
		b.stratum(i, now)
	}
	if len(changed) > 0 {
		b.learn(now)
	}
}

// await notes the requests of a batch in the series that count exposures of some
// age. A request is as old as its collection: within a second or two. b.mu is
// held.
func (b *book) await(batch evidence.Batch, now time.Time) {
	if batch.Delta.Sides[split.Baseline].Requests+batch.Delta.Sides[split.Candidate].Requests == 0 {
		return
	}
	b.account.Layout.Aged(func(rate int, age time.Duration) {
		b.cohort(int(batch.Stratum), now, age, now).Expose(b.account.Layout, rate, batch.Delta)
	})
}

// cohort returns the cohort of an exposure, to change. b.mu is held.
func (b *book) cohort(stratum int, exposed time.Time, horizon time.Duration, now time.Time) *evidence.Cohort {
	c := b.evidence.Cohort(b.account.Layout, stratum, evidence.Until(exposed, horizon))
	delete(b.pages, c.Delta)
	b.touch(now)
	return c
}

// observe counts an outcome, or lets it wait for the age of its exposure. b.mu is
// held.
func (b *book) observe(c claim, now time.Time) {
	l := b.account.Layout
	if c.horizon == 0 {
		c.observe(l, b.stratum(int(c.stratum), now))
		b.observeSegments(c, now)
		return
	}
	waiting := b.cohort(int(c.stratum), c.exposed, c.horizon, now)
	if c.rate >= 0 {
		waiting.ObserveOutcome(l, c.rate, c.arm, c.bucket, c.value == 1)
	}
	if c.series >= 0 {
		waiting.ObserveValue(l, c.raw())
	}
}

// observe counts an outcome in a stratum.
func (c *claim) observe(l *evidence.Layout, s *evidence.Stratum) {
	if c.rate >= 0 {
		s.ObserveOutcome(c.rate, c.arm, c.bucket, c.value == 1)
	}
	if c.series >= 0 {
		s.ObserveValue(l, c.raw())
	}
}

func (c *claim) raw() evidence.Raw {
	return evidence.Raw{Series: c.series, Arm: c.arm, Bucket: c.bucket, Value: c.value, Covariate: c.covariate}
}

// learn looks for the scales of series that have none yet, whenever an eighth
// more than the last time waits for them. b.mu is held.
func (b *book) learn(now time.Time) {
	waiting := b.evidence.Unscaled()
	if waiting == 0 {
		b.tried = 0
		return
	}
	if waiting < b.tried+b.tried/8 {
		return
	}
	if b.evidence.Learn(b.account.Layout) {
		clear(b.pages) // A scale changes every page.
		b.touch(now)
	}
	b.tried = b.evidence.Unscaled()
}
