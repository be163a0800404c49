package ledger

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store"
)

var at = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// bounded makes an index with small bounds.
func bounded(most, sightings int) *units {
	u := newUnits()
	u.most.units, u.most.sightings = most, sightings
	return u
}

func exposure(unit uint64, arm split.Arm, when time.Time) evidence.Exposure {
	return evidence.Exposure{Unit: unit, Arm: arm, Time: when}
}

func TestAUnitIsNewOncePerStratum(t *testing.T) {
	t.Parallel()
	u := newUnits()
	steps := []struct {
		stratum uint8
		unit    uint64
		arm     split.Arm
		fresh   bool
	}{
		{0, 1, split.Baseline, true},
		{0, 1, split.Baseline, false},
		{0, 1, split.Candidate, false}, // diverted: it stays where it was first
		{1, 1, split.Candidate, true},
		{1, 2, split.Candidate, true},
		{0, 2, split.Baseline, true},
	}
	for i, s := range steps {
		if got := u.see(s.stratum, exposure(s.unit, s.arm, at)); got != s.fresh {
			t.Errorf("step %d: new %v, want %v", i, got, s.fresh)
		}
	}
	if got := u.exposed(split.Candidate); got != 2 {
		t.Errorf("%d units at the candidate, want 2", got)
	}
	if got := u.exposed(split.Baseline); got != 2 {
		t.Errorf("%d units at the baseline, want 2", got)
	}
}

func TestBeyondTheBoundOnlyASampleOfUnitsIsFollowed(t *testing.T) {
	t.Parallel()
	const bound, all = 1 << 10, 1 << 13
	salt := split.Salt(3)
	for name, u := range map[string]*units{
		"of units":     bounded(bound, 1<<20),
		"of sightings": bounded(1<<20, bound),
	} {
		fresh := 0
		for i := range all {
			if u.see(0, exposure(salt.Hash(fmt.Sprint(i)).Second, split.Arm(i%2), at)) {
				fresh++
			}
		}
		if len(u.heads) > bound || len(u.seen) > bound {
			t.Errorf("bound %s: %d units and %d sightings are held", name, len(u.heads), len(u.seen))
		}
		if u.level == 0 {
			t.Errorf("bound %s: the level has not risen", name)
		}
		if got := float64(u.exposed(split.Candidate)); got < all/2*0.8 || got > all/2*1.2 {
			t.Errorf("bound %s: %v units are estimated of %d", name, got, all/2)
		}
		for unit := range u.heads {
			if evidence.Level(unit) < u.level {
				t.Fatalf("bound %s: unit %x of level %d is held at level %d", name, unit, evidence.Level(unit), u.level)
			}
		}
	}
}

func TestASightingIsStoredWhenItIsNewOrAMinuteNewer(t *testing.T) {
	t.Parallel()
	u := newUnits()
	u.see(0, exposure(8, split.Candidate, at))
	if got := u.unkept(); len(got) != 1 || !got[0].First.Equal(at) {
		t.Fatalf("unkept %v", got)
	}
	u.see(0, exposure(8, split.Candidate, at.Add(59*time.Second)))
	if got := u.unkept(); len(got) != 0 {
		t.Errorf("stored again after 59 s: %v", got)
	}
	u.see(0, exposure(8, split.Candidate, at.Add(time.Minute)))
	got := u.unkept()
	if len(got) != 1 || !got[0].Last.Equal(at.Add(time.Minute)) || !got[0].First.Equal(at) {
		t.Fatalf("after a minute: %v", got)
	}
	u.restore(got)
	if again := u.unkept(); len(again) != 1 {
		t.Errorf("what could not be stored is lost: %v", again)
	}
	u.see(0, exposure(8, split.Candidate, at.Add(-time.Second)))
	if got = u.unkept(); len(got) != 1 || !got[0].First.Equal(at.Add(-time.Second)) {
		t.Errorf("an earlier sighting is not stored: %v", got)
	}
}

func TestUnkeptSightingsSurviveARaise(t *testing.T) {
	t.Parallel()
	u := bounded(64, 1<<20)
	salt := split.Salt(5)
	for i := range 1000 {
		u.see(0, exposure(salt.Hash(fmt.Sprint(i)).Second, split.Candidate, at))
	}
	if got := len(u.unkept()); got != len(u.seen) {
		t.Errorf("%d of %d sightings would be stored", got, len(u.seen))
	}
}

// The index says the same as a list of all that was seen.
func TestTheLastSightingBeforeAMoment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type seen struct {
			stratum     uint8
			first, last int
		}
		u := newUnits()
		truth := map[uint64][]seen{}
		clock := 0
		for range rapid.IntRange(1, 40).Draw(t, "sightings") {
			clock += rapid.IntRange(0, 3).Draw(t, "pause")
			unit := rapid.Uint64Range(1, 4).Draw(t, "unit")
			stratum := uint8(clock / 10)
			u.see(stratum, exposure(unit, split.Baseline, at.Add(time.Duration(clock)*time.Second)))
			list := truth[unit]
			if n := len(list); n > 0 && list[n-1].stratum == stratum {
				list[n-1].last = clock
			} else {
				list = append(list, seen{stratum, clock, clock})
			}
			truth[unit] = list
		}
		unit := rapid.Uint64Range(1, 5).Draw(t, "asked")
		moment := rapid.IntRange(-1, clock+1).Draw(t, "moment")
		want := -1
		for _, s := range truth[unit] {
			switch {
			case s.last <= moment:
				want = int(s.stratum)
			case s.first <= moment:
				want = int(s.stratum)
			}
		}
		got := -1
		if s, _ := u.lastBefore(unit, at.Add(time.Duration(moment)*time.Second)); s != nil {
			got = int(s.stratum)
		}
		if got != want {
			t.Fatalf("unit %d at %d: stratum %d, want %d of %v", unit, moment, got, want, truth[unit])
		}
	})
}

func TestLoadedSightingsAreKept(t *testing.T) {
	t.Parallel()
	u := newUnits()
	u.load(store.Exposure{Unit: 4, Stratum: 1, Arm: split.Candidate, First: at, Last: at.Add(time.Hour)})
	u.load(store.Exposure{Unit: 4, Stratum: 1, Arm: split.Candidate, First: at, Last: at})
	if got := u.unkept(); len(got) != 0 {
		t.Errorf("what the store has would be stored again: %v", got)
	}
	if u.see(1, exposure(4, split.Candidate, at.Add(time.Hour))) {
		t.Error("a unit that the store has is new")
	}
}

func TestRecentNeverForgetsWhatWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := recent{room: 4}
		var waiting []store.OutcomeID
		next := byte(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "flush") {
				waiting = waiting[rapid.IntRange(0, len(waiting)).Draw(t, "stored"):]
			}
			next++
			turn := r.turns
			r.add(store.OutcomeID{next}, len(waiting))
			if r.missedSince(turn) {
				t.Fatal("one id was enough to forget what was added before")
			}
			waiting = append(waiting, store.OutcomeID{next})
			for _, id := range waiting {
				if !r.has(id) {
					t.Fatalf("id %d waits for the store and is forgotten", id[0])
				}
			}
		}
	})
}

func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	r := recent{room: 100}
	for i := range 10_000 {
		r.add(store.OutcomeID{byte(i), byte(i >> 8)}, 0)
	}
	if n := len(r.now) + len(r.old); n > 200 {
		t.Errorf("%d ids are held, want at most 200", n)
	}
}
