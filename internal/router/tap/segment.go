package tap

import (
	"sync"
	"sync/atomic"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// segments are the recorders of the parts of a stratum's traffic. There are at
// most evidence.MaxSegments of them and one for all others.
type segments struct {
	byName sync.Map // of *Recorder by segment
	// Guarded by tap.mu:
	count int
	// full is set once there is no room for another name.
	full atomic.Bool
}

// Segment returns the recorder of a part of the stratum's traffic. What it
// records is recorded by r as well, by the caller.
func (r *Recorder) Segment(name string) *Recorder {
	if s, ok := r.segments.byName.Load(name); ok {
		return s.(*Recorder)
	}
	if r.segments.full.Load() {
		name = evidence.OtherSegment
		if s, ok := r.segments.byName.Load(name); ok {
			return s.(*Recorder)
		}
	}
	return r.tap.openSegment(r, name)
}

// openSegment opens the recorder of a segment that was not seen before. A
// segment is a fraction of the traffic, so one shard is enough.
func (t *Tap) openSegment(r *Recorder, name string) *Recorder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := r.segments.byName.Load(name); ok {
		return s.(*Recorder)
	}
	if r.segments.count++; r.segments.count > evidence.MaxSegments {
		r.segments.full.Store(true)
		name = evidence.OtherSegment
	}
	is := r.is
	is.Segment = name
	s := t.open[is.key()]
	if s == nil {
		s = newRecorder(t, is, 1)
		t.open[is.key()] = s
	}
	s.retired = r.retired
	r.segments.byName.Store(name, s)
	return s
}

// eachSegment calls yield for the recorder of each segment.
func (r *Recorder) eachSegment(yield func(s *Recorder)) {
	r.segments.byName.Range(func(_, s any) bool {
		yield(s.(*Recorder))
		return true
	})
}
