package evidence

import "math/bits"

// Levels bounds the sampling of units: level j holds the units whose second
// hash ends in at least j zero bits, one in 2^j of all.
const Levels = 33

// SampleSize is how many units of a stratum, over both arms, are kept exactly
// before the sample halves.
const SampleSize = 1 << 16

// Units counts distinct units by sampling level. Because the second hash knows
// nothing of the arm, the units of any one level are a fair sample of both
// arms, counted exactly.
type Units struct {
	Level []uint64 `json:"level,omitempty"`
}

// Level returns the highest level that a unit belongs to.
func Level(second uint64) int {
	return min(bits.TrailingZeros64(second), Levels-1)
}

// Add counts a unit that was not counted before. Only the caller knows that:
// it keeps the units that it has seen.
func (u *Units) Add(second uint64) {
	if u.Level == nil {
		u.Level = make([]uint64, Levels)
	}
	for j := range Level(second) + 1 {
		u.Level[j]++
	}
}

// At returns the count at a level.
func (u *Units) At(level int) uint64 {
	if level >= len(u.Level) {
		return 0
	}
	return u.Level[level]
}

// Estimate returns the number of distinct units, scaled up from the lowest
// level that was kept whole (kept says from which level on units were noted).
func (u *Units) Estimate(kept int) uint64 { return u.At(kept) << kept }

func (u *Units) merge(o *Units) {
	if o.Level == nil {
		return
	}
	if u.Level == nil {
		u.Level = make([]uint64, Levels)
	}
	for j := range o.Level {
		u.Level[j] += o.Level[j]
	}
}

func (u *Units) empty() bool { return u.Level == nil }

// SampleLevel returns the lowest level, at or above kept, at which both arms
// together hold at most SampleSize units.
func SampleLevel(a, b *Units, kept int) int {
	level := kept
	for level < Levels-1 && a.At(level)+b.At(level) > SampleSize {
		level++
	}
	return level
}
