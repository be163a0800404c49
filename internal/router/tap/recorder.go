package tap

import (
	"slices"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

const (
	// recentUnits is how many sightings a shard remembers, so that a busy unit
	// is told once in a while and not with every request.
	recentUnits = 512
	// retell is how old a remembered sighting may be before the unit is told
	// again: an outcome that comes by unit and time finds the last exposure.
	retell = time.Minute
	// firstRoom and maxRoom bound the sightings that a shard holds between two
	// Collects.
	firstRoom = 1 << 10
	maxRoom   = 1 << 16
	cacheLine = 64
)

// Sighting is the unit of a finished request.
type Sighting struct {
	Unit uint64 // second hash; picks the shard, too
	// Known is false for a request that is a unit of its own; it is no sighting.
	Known bool
	Time  time.Time // of exposure
}

// Recorder records one stratum.
type Recorder struct {
	tap    *Tap
	is     Stratum
	shards []shard

	// Guarded by tap.mu:
	retired bool
	spare   *part // empty; takes the place of a part that is collected

	segments segments
}

// shard is a part of a recorder with a lock of its own, apart from its
// neighbours in memory.
type shard struct {
	mu     sync.Mutex
	closed bool
	dirty  bool // something was recorded since the last Collect
	frozen []int32
	scales []evidence.Scale
	part   *part // nil until the first request
	recent []seen
	_      [cacheLine]byte
}

// part is what a shard has recorded since the last Collect.
type part struct {
	stratum   *evidence.Stratum
	exposures []evidence.Exposure
}

// seen is a sighting that was told not long ago.
type seen struct {
	unit uint64
	at   int64 // Unix seconds
	arm  split.Arm
}

func newRecorder(t *Tap, s Stratum, shards int) *Recorder {
	edges, scales := s.Edges, s.Scales
	s.Edges, s.Scales = nil, nil
	r := &Recorder{tap: t, is: s, shards: make([]shard, shards)}
	r.freeze(edges)
	r.rescale(scales)
	return r
}

// Record counts one finished request.
func (r *Recorder) Record(o evidence.Observation, s Sighting) {
	sh := &r.shards[int(s.Unit>>32)&(len(r.shards)-1)]
	if !sh.record(r, o, s) {
		r.tap.late(r).Record(o, s)
	}
}

// record reports false when the shard is closed.
func (sh *shard) record(r *Recorder, o evidence.Observation, s Sighting) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		return false
	}
	if sh.part == nil {
		sh.part, sh.recent = r.newPart(sh.frozen, sh.scales), newRecent(r.is.Layout)
	}
	sh.dirty = true
	sh.part.stratum.Observe(r.is.Layout, o)
	if s.Known {
		sh.expose(o.Arm, s)
	}
	return true
}

// newPart makes all the room that a shard will need.
func (r *Recorder) newPart(edges []int32, scales []evidence.Scale) *part {
	l := r.is.Layout
	p := &part{stratum: evidence.NewStratum(l)}
	p.stratum.Reserve(l)
	p.stratum.Edges, p.stratum.Scales, p.stratum.Narrow = edges, scales, r.is.Segment != ""
	if l.Clustered {
		p.exposures = make([]evidence.Exposure, 0, firstRoom)
	}
	return p
}

func newRecent(l *evidence.Layout) []seen {
	if !l.Clustered {
		return nil
	}
	return make([]seen, recentUnits)
}

// expose notes the sighting of a unit, unless it was told lately.
func (sh *shard) expose(arm split.Arm, s Sighting) {
	if sh.recent == nil {
		return
	}
	last := &sh.recent[int(s.Unit>>16)%recentUnits]
	now := s.Time.Unix()
	if last.unit == s.Unit && last.arm == arm && now-last.at < int64(retell/time.Second) {
		return
	}
	if len(sh.part.exposures) >= maxRoom {
		sh.part.stratum.Lost++
		return
	}
	*last = seen{unit: s.Unit, at: now, arm: arm}
	sh.part.exposures = append(sh.part.exposures, evidence.Exposure{Unit: s.Unit, Arm: arm, Time: s.Time})
}

// freeze hands the stratum's frozen edges to every shard, once: edges never
// change within a stratum. Edges of another layout are none.
func (r *Recorder) freeze(edges []int32) {
	if edges == nil || r.is.Edges != nil || !r.is.Layout.Clustered || len(edges) != len(r.is.Layout.Tails) {
		return
	}
	r.is.Edges = edges
	if r.spare != nil {
		r.spare.stratum.Edges = edges
	}
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		sh.frozen = edges
		if sh.part != nil {
			sh.part.stratum.Edges = edges
		}
		sh.mu.Unlock()
	}
}

// rescale hands the scales of values to every shard as they become known, so that
// values need not wait for them here. Scales of another layout are none.
func (r *Recorder) rescale(scales []evidence.Scale) {
	if len(scales) != len(r.is.Layout.Values) || slices.EqualFunc(scales, r.is.Scales, evidence.Scale.Equal) {
		return
	}
	r.is.Scales = scales
	if r.spare != nil {
		r.spare.stratum.Scales = scales
	}
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		sh.scales = scales
		if sh.part != nil {
			sh.part.stratum.Scales = scales
		}
		sh.mu.Unlock()
	}
}

// collect takes out what was recorded, and closes the recorder for good when
// it is told to.
func (r *Recorder) collect(closing bool) (evidence.Batch, bool) {
	b := evidence.Batch{Rollout: r.is.Rollout, Stratum: r.is.Stratum, Segment: r.is.Segment}
	for i := range r.shards {
		took := r.shards[i].swap(r, closing)
		if took == nil {
			continue
		}
		if b.Delta == nil {
			b.Delta = evidence.NewStratum(r.is.Layout)
		}
		b.Delta.Merge(took.stratum)
		b.Exposures = append(b.Exposures, took.exposures...)
		took.stratum.Reset()
		took.exposures = took.exposures[:0]
		r.spare = took // Empty again, for the next one.
	}
	return b, b.Delta != nil
}

// swap takes what the shard has recorded and leaves it the recorder's spare
// part; nil when there is nothing. The lock is held for a moment only, so that
// no request waits for a Collect.
func (sh *shard) swap(r *Recorder, closing bool) *part {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closed = closing
	if !sh.dirty {
		return nil
	}
	if r.spare == nil {
		r.spare = r.newPart(r.is.Edges, r.is.Scales)
	}
	took := sh.part
	sh.part, sh.dirty = r.spare, false
	r.spare = nil
	return took
}
