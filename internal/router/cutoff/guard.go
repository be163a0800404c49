// Package cutoff decides within the data plane, without the control loop,
// that a candidate fails so hard that it must get no more traffic.
//
// A Guard watches one rollout. It promises that a candidate that fails most of
// its requests is given up within some fifteen of them, that one that fails no
// more than 10 % is never given up by chance, and that no single caller can
// bring a candidate down with a request that only the candidate cannot digest:
// at least three units must have seen it fail. There are three ways out, and
// each latches:
//
//   - the score: a sequential likelihood ratio of "fails at p1" against "fails
//     at p0", lifted by failures that the baseline answers well, lowered by
//     successes, never below 0;
//   - refusal: the candidate's endpoint refuses three connections in a row;
//   - rescues: the baseline's answers in the candidate's place exceed a tenth
//     of the baseline's own requests.
//
// It keeps no clock (every event brings its time), and it never lets a
// candidate back in.
package cutoff

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// The constants of the score. By Wald's inequality the expected number of
// false cut-offs in n requests of a candidate that fails at a rate up to p0 is
// at most n times exp(-Limit).
const (
	Limit      = 24.0        // cuts off an excursion that is at least MinAge old
	HardLimit  = 140.0       // cuts off at once; needs at least 16 units
	MinAge     = time.Second // keeps short bursts out
	UnitLifts  = 5           // lifts by one unit within one excursion
	Refusals   = 3           // refused connections in a row
	leastP0    = 0.10
	mostP0     = 0.80
	leastP1    = 0.60
	p0Multiple = 3
)

// maxUnits bounds the units that an excursion remembers. Where so many have
// failed, no single caller is the cause; the lifts of the rest are not limited.
const maxUnits = 4096

// Stable reasons of a cut-off.
const (
	CandidateFailing  = "CandidateFailing"
	CandidateRefusing = "CandidateRefusing"
	RescuesExceeded   = "RescuesExceeded"
)

// Trip is the moment at which a candidate was given up.
type Trip struct {
	At     time.Time
	Reason string
	Detail string // one sentence with numbers
}

// Fate is what became of a request that the candidate failed.
type Fate uint8

// Fates of a failed candidate request.
const (
	// Unrescued requests were not sent to the baseline: the shield is off, the
	// body was gone, or the answer had begun. They count while the baseline
	// does well by its own recent requests.
	Unrescued Fate = iota
	// Rescued requests were answered well by the baseline.
	Rescued
	// FailedTwice requests failed at the baseline, too: they say nothing of
	// the candidate.
	FailedTwice
)

// Guard watches one rollout's candidate. It is safe for concurrent use. Its
// zero value is ready.
type Guard struct {
	baseline  window
	candidate window
	active    atomic.Bool  // the score is above 0, or connections were refused
	due       atomic.Int64 // when the excursion is old enough to end it; Unix nanoseconds, 0 while below Limit

	mu      sync.Mutex
	score   float64
	since   time.Time // start of the excursion
	lifts   map[uint64]uint8
	refused int
	trip    *Trip
	rescues rescues
}

// Baseline notes a finished request of the baseline's own.
func (g *Guard) Baseline(now time.Time, failed bool) { g.baseline.add(now, failed) }

// Success notes a request that the candidate answered well.
func (g *Guard) Success(now time.Time) {
	g.candidate.add(now, false)
	if !g.active.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = 0
	p0, p1 := g.rates(now)
	g.score -= math.Log((1 - p0) / (1 - p1))
	if g.score <= 0 {
		g.calm()
		return
	}
	if g.score < Limit {
		g.due.Store(0)
	}
}

// calm ends an excursion.
func (g *Guard) calm() {
	g.score = 0
	clear(g.lifts)
	g.due.Store(0)
	g.active.Store(g.refused > 0)
}

// Failure notes a request that the candidate failed, once its fate is known.
// Unit is the request's unit, or its caller's connection where it has none. It
// returns the trip if this failure was the one too many.
func (g *Guard) Failure(now time.Time, unit uint64, fate Fate) *Trip {
	g.candidate.add(now, true)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trip != nil || fate == FailedTwice {
		return nil
	}
	if fate == Rescued {
		if g.rescues.add(now, unit); g.tooManyRescues(now) {
			return g.trip
		}
	}
	if p0, _ := g.rates(now); fate == Unrescued && g.baseline.rate(now) >= p0 {
		return nil
	}
	return g.lift(now, unit)
}

// lift raises the score for a unit that has not used up its lifts.
func (g *Guard) lift(now time.Time, unit uint64) *Trip {
	if g.score == 0 {
		g.since = now
	}
	if g.lifts == nil {
		g.lifts = map[uint64]uint8{}
	}
	n, known := g.lifts[unit]
	if n >= UnitLifts {
		return nil
	}
	if known || len(g.lifts) < maxUnits {
		g.lifts[unit] = n + 1
	}
	p0, p1 := g.rates(now)
	g.score += math.Log(p1 / p0)
	g.active.Store(true)
	if g.score >= Limit && g.due.Load() == 0 {
		g.due.Store(g.since.Add(MinAge).UnixNano())
	}
	return g.judge(now)
}

// judge ends the excursion if its score and age say so.
func (g *Guard) judge(now time.Time) *Trip {
	if g.trip != nil || g.score < Limit || (g.score < HardLimit && now.Sub(g.since) < MinAge) {
		return nil
	}
	n, k := g.candidate.sum(now, longSpan)
	return g.cut(now, CandidateFailing, fmt.Sprintf(
		"the candidate failed %d of its last %d requests, of at least %d units, which the baseline answers (score %.1f, limit %.0f; %s since the first failure)",
		k, n, len(g.lifts), g.score, Limit, now.Sub(g.since).Round(time.Millisecond)))
}

// Refused notes that the candidate's endpoint refused a connection for a
// request. It returns the trip at the third in a row.
func (g *Guard) Refused(now time.Time) *Trip {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	g.active.Store(true)
	if g.trip != nil || g.refused < Refusals {
		return nil
	}
	return g.cut(now, CandidateRefusing, fmt.Sprintf("the candidate's endpoint refused %d connections in a row", g.refused))
}

// Reached notes that the candidate's endpoint could be reached, whatever it
// then did with the request.
func (g *Guard) Reached() {
	if !g.active.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = 0
	g.active.Store(g.score > 0)
}

// Due returns the trip of an excursion that has been high enough for a while
// and has now come of age. It costs one atomic load while nothing is wrong, so
// it is asked before each request is sent to the candidate.
func (g *Guard) Due(now time.Time) *Trip {
	due := g.due.Load()
	if due == 0 || now.UnixNano() < due {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.judge(now)
}

func (g *Guard) cut(now time.Time, reason, detail string) *Trip {
	g.trip = &Trip{At: now, Reason: reason, Detail: detail}
	return g.trip
}

// Score returns the score, for tests and metrics.
func (g *Guard) Score() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.score
}

// rates returns p0 and p1 for the baseline's recent error rate.
func (g *Guard) rates(now time.Time) (p0, p1 float64) {
	p0 = min(max(leastP0, p0Multiple*g.baseline.rate(now)), mostP0)
	return p0, max(leastP1, (1+p0)/2)
}
