package ledger

import (
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// addSegment merges a batch of one segment, of which every request is in a batch
// of the whole as well. b.mu is held.
func (b *book) addSegment(batch evidence.Batch, now time.Time) {
	if batch.Delta != nil {
		b.segment(batch.Segment, int(batch.Stratum), now).Merge(batch.Delta)
	}
}

// segment returns a stratum of a segment, to change. b.mu is held.
func (b *book) segment(name string, stratum int, now time.Time) *evidence.Stratum {
	s := b.evidence.SegmentStratum(b.account.Layout, name, stratum)
	delete(b.pages, s)
	b.touch(now)
	return s
}

// observeSegments counts an outcome in the segments of its exposure, as far as
// they have been seen. What waits for its horizon counts in the whole alone.
// b.mu is held.
func (b *book) observeSegments(c claim, now time.Time) {
	if c.horizon > 0 || c.segments == [assignment.MaxSegments]uint32{} {
		return
	}
	other, placed := false, [assignment.MaxSegments]bool{}
	for _, s := range b.evidence.Segments {
		if i := slices.Index(c.segments[:], assignment.Mark(s.Name)); i >= 0 {
			c.observe(b.account.Layout, b.segment(s.Name, int(c.stratum), now))
			placed[i] = true
		}
		other = other || s.Name == evidence.OtherSegment
	}
	for i, mark := range c.segments {
		if mark != 0 && !placed[i] && other {
			c.observe(b.account.Layout, b.segment(evidence.OtherSegment, int(c.stratum), now))
		}
	}
}
