package evidence

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestALevelHoldsTheUnitsWithThatManyZeroBits(t *testing.T) {
	t.Parallel()
	for second, want := range map[uint64]int{1: 0, 2: 1, 3: 0, 8: 3, 12: 2, 1 << 32: 32, 1 << 50: 32, 0: 32} {
		if got := Level(second); got != want {
			t.Errorf("unit %#x is of level %d, want %d", second, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOf(rapid.Uint64()).Draw(t, "units")
		var u Units
		for _, s := range seconds {
			u.Add(s)
		}
		for level := range Levels {
			var want uint64
			for _, s := range seconds {
				if s&(1<<level-1) == 0 {
					want++
				}
			}
			if got := u.At(level); got != want {
				t.Fatalf("level %d holds %d, want %d", level, got, want)
			}
		}
	})
}

func TestNoUnitsAreZeroAtEveryLevel(t *testing.T) {
	t.Parallel()
	var u Units
	for _, level := range []int{0, 5, Levels, 1000} {
		if got := u.At(level); got != 0 {
			t.Errorf("level %d of nothing holds %d", level, got)
		}
	}
	if !u.empty() || u.Estimate(3) != 0 {
		t.Error("nothing is not empty")
	}
}

func TestUnitsMergeInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.Uint64()).Draw(t, "units")
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		var whole, a, b Units
		for i, s := range all {
			whole.Add(s)
			if i < cut {
				a.Add(s)
			} else {
				b.Add(s)
			}
		}
		var ab, ba Units
		ab.merge(&a)
		ab.merge(&b)
		ba.merge(&b)
		ba.merge(&a)
		if d := cmp.Diff(whole, ab); d != "" {
			t.Fatalf("in parts (-whole +merged):\n%s", d)
		}
		if d := cmp.Diff(ab, ba); d != "" {
			t.Fatalf("in another order:\n%s", d)
		}
	})
}

func TestEstimateScalesTheKeptLevelUp(t *testing.T) {
	t.Parallel()
	const n = 1 << 18
	rng := rand.New(rand.NewPCG(3, 4))
	var u Units
	for range n {
		u.Add(rng.Uint64())
	}
	if got := u.Estimate(0); got != n {
		t.Errorf("all kept: %d units, want %d", got, n)
	}
	for _, kept := range []int{1, 4, 8} {
		// Binomial counts of p = 2^-kept; five standard deviations.
		sd := math.Sqrt(n * math.Pow(2, float64(kept)))
		if got := float64(u.Estimate(kept)); math.Abs(got-n) > 5*sd {
			t.Errorf("kept from level %d on: %g units, want %d within %g", kept, got, n, 5*sd)
		}
	}
}

func TestTheSampleHalvesUntilItFits(t *testing.T) {
	t.Parallel()
	at := func(counts ...uint64) *Units {
		u := &Units{Level: make([]uint64, Levels)}
		copy(u.Level, counts)
		return u
	}
	tests := map[string]struct {
		a, b *Units
		kept int
		want int
	}{
		"nothing":                    {&Units{}, &Units{}, 0, 0},
		"it fits exactly":            {at(SampleSize/2, 7), at(SampleSize/2, 7), 0, 0},
		"one too many":               {at(SampleSize, 9), at(1, 0), 0, 1},
		"twice":                      {at(4*SampleSize, 2*SampleSize, SampleSize-1), at(1, 1, 1), 0, 2},
		"never below what was kept":  {at(3, 2, 1), at(3, 2, 1), 2, 2},
		"one arm alone can be large": {at(2*SampleSize, SampleSize), &Units{}, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := SampleLevel(tt.a, tt.b, tt.kept); got != tt.want {
				t.Errorf("level %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTheSampleEndsAtTheLastLevel(t *testing.T) {
	t.Parallel()
	var u Units
	u.Level = make([]uint64, Levels)
	for i := range u.Level {
		u.Level[i] = math.MaxUint32
	}
	if got := SampleLevel(&u, &u, 0); got != Levels-1 {
		t.Errorf("level %d, want %d", got, Levels-1)
	}
}
