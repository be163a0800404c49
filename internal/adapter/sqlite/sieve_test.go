package sqlite

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/store"
)

func drawID(t *rapid.T) store.OutcomeID {
	return store.OutcomeID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
}

func TestASieveNeverLosesAnID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Custom(drawID), 0, 100).Draw(t, "ids")
		v := newSieve(rapid.IntRange(0, 200).Draw(t, "size"))
		for i := range ids {
			v.add(&ids[i])
		}
		for i := range ids {
			if !v.mayHave(&ids[i]) {
				t.Fatalf("id %x was added and is not there", ids[i])
			}
		}
	})
}

func TestAFullSieveLetsFewStrangersThrough(t *testing.T) {
	t.Parallel()
	const n = 1 << 16
	v := newSieve(n)
	id := func(i uint64) *store.OutcomeID {
		// SplitMix64, whose numbers are as good as a hash's.
		var out store.OutcomeID
		for half := range 2 {
			x := (2*i + uint64(half) + 1) * 0x9e3779b97f4a7c15
			x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
			x = (x ^ x>>27) * 0x94d049bb133111eb
			for b := range 8 {
				out[8*half+b] = byte((x ^ x>>31) >> (8 * b))
			}
		}
		return &out
	}
	for i := range uint64(n) {
		v.add(id(i))
	}
	through := 0
	for i := range uint64(n) {
		if v.mayHave(id(n + i)) {
			through++
		}
	}
	// (1 - e^(-4/8))^4 = 2.4 %.
	if share := float64(through) / n; share < 0.015 || share > 0.035 {
		t.Errorf("%.1f %% of strangers may be there, want about 2.4 %%", 100*share)
	}
}

func TestSievesAreBounded(t *testing.T) {
	t.Parallel()
	var v sieves
	for era := range int64(maxSieves + 10) {
		v.put(eraKey{1, era}, newSieve(1))
	}
	v.put(eraKey{2, 0}, newSieve(1))
	if have, full := v.get(eraKey{2, 0}); have != nil || !full || len(v.made) != maxSieves {
		t.Errorf("%d sieves are kept, want %d", len(v.made), maxSieves)
	}
	v.forget(1, 200)
	if have, full := v.get(eraKey{1, 200}); have == nil || full || len(v.made) != maxSieves-200 {
		t.Errorf("%d sieves are left, want %d", len(v.made), maxSieves-200)
	}
}
