// Package split assigns a unit (a request, a user, a session) to an arm of a
// rollout.
//
// The assignment is a pure function of the rollout's salt, the unit and the
// weight in force: the same unit gets the same arm on every replica and after
// every restart, with no stored state. The candidate owns the lowest part of
// the hash range, so widening a stage only ever moves units into the candidate
// and never out of it, and the units held back at 100 % are the last in hash
// order. Each rollout draws a fresh salt, so two rollouts share no assignment.
package split

import (
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Whole is the weight of all traffic: weights are in hundredths of a percent.
const Whole = 10_000

// Buckets is how many hash buckets the units of a rollout fall into when the
// dispersion between units is estimated.
const Buckets = 256

// Arm is one of the two sides of a rollout.
type Arm uint8

// The arms. Baseline is the zero value on purpose: whatever is not assigned is
// served by the version that serves now.
const (
	Baseline Arm = iota
	Candidate
	Arms // the number of arms
)

// String returns the arm's name in the glossary.
func (a Arm) String() string {
	switch a {
	case Baseline:
		return "baseline"
	case Candidate:
		return "candidate"
	}
	return fmt.Sprintf("arm(%d)", uint8(a))
}

// MarshalText implements encoding.TextMarshaler.
func (a Arm) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Arm) UnmarshalText(text []byte) error {
	switch string(text) {
	case "baseline":
		*a = Baseline
	case "candidate":
		*a = Candidate
	default:
		return fmt.Errorf("arm %q: want baseline or candidate", text)
	}
	return nil
}

// Salt is a rollout's secret seed. It is drawn once, when the rollout is
// created, and never changes.
type Salt uint64

// Hash is the keyed hash of a unit: two independent 64-bit values. Assign
// picks the arm; Second knows nothing of the arm and is used wherever units
// are grouped or sampled.
type Hash struct{ Assign, Second uint64 }

// Hash returns the keyed hash of a unit (XXH3-128 seeded with the salt).
func (s Salt) Hash(unit string) Hash {
	h := xxh3.HashString128Seed(unit, uint64(s))
	return Hash{Assign: h.Lo, Second: h.Hi}
}

// Pick returns the arm of a unit at a candidate weight out of Whole.
// A weight of 0 sends nothing to the candidate, a weight of Whole or more
// everything.
func Pick(h Hash, weight uint32) Arm {
	point, _ := bits.Mul64(h.Assign, Whole)
	if point < uint64(weight) {
		return Candidate
	}
	return Baseline
}

// Bucket is the dispersion bucket of the unit, independent of its arm.
func (h Hash) Bucket() uint8 { return Bucket(h.Second) }

// Bucket is the dispersion bucket of a unit whose second hash is known.
func Bucket(second uint64) uint8 { return uint8(second >> 56) }
