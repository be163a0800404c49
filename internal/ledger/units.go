package ledger

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store"
)

// Bounds of what is remembered of the units of one rollout. Beyond them only
// the units of a higher sampling level are followed: half of them, then a
// quarter, counted as exactly as before.
const (
	maxUnits     = 1 << 20
	maxSightings = 1 << 21
)

// keptEvery is how much newer a last sighting must be before it is stored anew.
// What is lost in a crash only makes an exposure look that much older.
const keptEvery = time.Minute

// units is the index of the exposed units of a rollout whose units may send
// many requests: which arm each of them saw in which stratum, and when. It is
// guarded by its book.
type units struct {
	level    int // only units of this sampling level are followed
	heads    map[uint64]int32
	seen     []sighting
	dirty    []int32 // sightings that the store does not have as they are
	distinct [split.Arms]evidence.Units
	most     struct{ units, sightings int }
}

// sighting is one unit in one stratum. Sightings of a unit are linked, the
// newest stratum first.
type sighting struct {
	unit        uint64
	first, last int64 // milliseconds
	kept        int64 // last, as the store has it
	next        int32 // index, or -1
	stratum     uint8
	arm         split.Arm
	dirty       bool
}

func newUnits() *units {
	u := &units{heads: map[uint64]int32{}}
	u.most.units, u.most.sightings = maxUnits, maxSightings
	return u
}

// see notes a sighting and reports whether the unit is new in the stratum. At
// the bound it drops the units of the lowest level.
func (u *units) see(stratum uint8, e evidence.Exposure) (fresh bool) {
	if evidence.Level(e.Unit) < u.level {
		return false
	}
	at := e.Time.UnixMilli()
	if s := u.find(e.Unit, stratum); s != nil {
		u.touch(s, at)
		return false
	}
	u.add(sighting{unit: e.Unit, first: at, last: at, stratum: stratum, arm: e.Arm}, true)
	for len(u.heads) > u.most.units || len(u.seen) > u.most.sightings {
		u.raise()
	}
	return evidence.Level(e.Unit) >= u.level
}

// touch moves the ends of a sighting.
func (u *units) touch(s *sighting, at int64) {
	early := at < s.first
	s.first, s.last = min(s.first, at), max(s.last, at)
	if (early || s.last-s.kept >= keptEvery.Milliseconds()) && !s.dirty {
		u.mark(u.indexOf(s))
	}
}

func (u *units) indexOf(s *sighting) int32 {
	for i := u.heads[s.unit]; ; i = u.seen[i].next {
		if &u.seen[i] == s {
			return i
		}
	}
}

func (u *units) mark(i int32) {
	u.seen[i].dirty = true
	u.dirty = append(u.dirty, i)
}

// find returns the sighting of a unit in a stratum, or nil. A unit that the
// router diverts from a dying candidate stays with the arm that it saw first.
func (u *units) find(unit uint64, stratum uint8) *sighting {
	i, ok := u.heads[unit]
	if !ok {
		return nil
	}
	for ; i >= 0; i = u.seen[i].next {
		if s := &u.seen[i]; s.stratum == stratum {
			return s
		}
	}
	return nil
}

func (u *units) add(s sighting, dirty bool) {
	head, ok := u.heads[s.unit]
	s.next = -1
	if ok {
		s.next = head
	}
	u.countDistinct(s, head, ok)
	i := int32(len(u.seen))
	u.seen = append(u.seen, s)
	u.heads[s.unit] = i
	if dirty {
		u.mark(i)
	}
}

// countDistinct counts a unit that its arm has not seen in any stratum.
func (u *units) countDistinct(s sighting, head int32, known bool) {
	for i := head; known && i >= 0; i = u.seen[i].next {
		if u.seen[i].arm == s.arm {
			return
		}
	}
	u.distinct[s.arm].Add(s.unit)
}

// raise halves the units that are followed.
func (u *units) raise() {
	old := *u
	u.level++
	u.heads, u.seen, u.dirty = map[uint64]int32{}, nil, nil
	u.distinct = [split.Arms]evidence.Units{}
	for _, s := range old.seen {
		if evidence.Level(s.unit) >= u.level {
			dirty := s.dirty
			s.dirty = false
			u.add(s, dirty)
		}
	}
}

// exposed is the number of distinct units that an arm has seen.
func (u *units) exposed(arm split.Arm) uint64 { return u.distinct[arm].Estimate(u.level) }

// lastBefore returns the last sighting of a unit at or before a moment, and
// when it was.
func (u *units) lastBefore(unit uint64, moment time.Time) (*sighting, time.Time) {
	at := moment.UnixMilli()
	var found *sighting
	best := int64(-1)
	i, ok := u.heads[unit]
	for ; ok && i >= 0; i = u.seen[i].next {
		s := &u.seen[i]
		t := s.last
		if t > at {
			t = s.first
		}
		if t <= at && t > best {
			found, best = s, t
		}
	}
	return found, time.UnixMilli(best)
}

// unkept returns the sightings that the store does not have and takes them for
// kept; restore takes that back.
func (u *units) unkept() []store.Exposure {
	if len(u.dirty) == 0 {
		return nil
	}
	out := make([]store.Exposure, 0, len(u.dirty))
	for _, i := range u.dirty {
		s := &u.seen[i]
		s.dirty, s.kept = false, s.last
		out = append(out, store.Exposure{
			Unit: s.unit, Stratum: s.stratum, Arm: s.arm,
			First: time.UnixMilli(s.first).UTC(), Last: time.UnixMilli(s.last).UTC(),
		})
	}
	u.dirty = u.dirty[:0]
	return out
}

// restore marks exposures that could not be stored.
func (u *units) restore(list []store.Exposure) {
	for _, e := range list {
		if s := u.find(e.Unit, e.Stratum); s != nil && !s.dirty {
			s.kept = 0
			u.mark(u.indexOf(s))
		}
	}
}

// load adds an exposure that the store has.
func (u *units) load(e store.Exposure) {
	if evidence.Level(e.Unit) < u.level || u.find(e.Unit, e.Stratum) != nil {
		return
	}
	u.add(sighting{
		unit: e.Unit, stratum: e.Stratum, arm: e.Arm,
		first: e.First.UnixMilli(), last: e.Last.UnixMilli(), kept: e.Last.UnixMilli(),
	}, false)
	for len(u.heads) > u.most.units || len(u.seen) > u.most.sightings {
		u.raise()
	}
}
