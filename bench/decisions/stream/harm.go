package stream

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Harm is how many of the candidate's requests are expected to have gone worse
// than they would have at the baseline at the same time.
type Harm struct {
	Failed float64 // and would not have
	Slowed float64 // beyond the baseline's usual 99th percentile, and would not have been
	Lost   float64 // came to no success and would have; worth that is lost counts in whole successes
}

// All is the sum.
func (h Harm) All() float64 { return h.Failed + h.Slowed + h.Lost }

// harm is that of a minute, to a crowd at the candidate.
func (w *World) harm(at *condition, c *crowd) Harm {
	total := c.total()
	if total == 0 {
		return Harm{}
	}
	own, usual := &at.arms[split.Candidate], &at.arms[split.Baseline]
	h := Harm{Failed: max(w.errors(c, own)-w.errors(c, usual), 0)}
	if own[0].tuning != usual[0].tuning || own[1].tuning != usual[1].tuning {
		h.Slowed = max(w.latency(c, own).slow-w.latency(c, usual).slow, 0) * total
	}
	for i, o := range w.model.Baseline.Outcomes {
		would := w.successes(c, usual, i)
		lost := max(would-w.successes(c, own, i), 0)
		if worth := own[1].outcomes[i].worth / usual[1].outcomes[i].worth; worth < 1 {
			lost += (would - lost) * (1 - worth)
		}
		h.Lost += lost * o.Reported
	}
	h.Failed *= at.rate
	h.Slowed *= at.rate
	h.Lost *= at.rate
	return h
}

// HarmAt is the harm of one minute with a candidate of some weight.
func (w *World) HarmAt(minute int, weight float64) Harm {
	at := w.condition(minute, weight)
	return w.harm(&at, w.crowd(span{0, weight}))
}

// Expected is how many requests of both arms are expected in a minute.
func (w *World) Expected(minute int) float64 {
	at := w.condition(minute, 0)
	return at.rate
}

// Victims counts the users whom the candidate harmed, in worlds with users.
type Victims struct {
	world *World
	// levels are what users below a weight were exposed to, in the order in which
	// the weights came.
	levels []exposure
}

// exposure is what all users below a weight came to, per share of the requests:
// failures in proportion to a user's own factor, and other harm, by segment.
type exposure struct {
	weight        float64
	failed, other [segments]float64
}

// NewVictims starts to count. It counts nothing where there are no users.
func (w *World) NewVictims() *Victims { return &Victims{world: w} }

// Add adds a minute.
func (v *Victims) Add(m *Minute) { v.add(&m.condition, m.Weight) }

// AddAt adds a minute with a candidate of some weight.
func (v *Victims) AddAt(minute int, weight float64) {
	at := v.world.condition(minute, weight)
	v.add(&at, weight)
}

func (v *Victims) add(at *condition, weight float64) {
	if v.world.people == nil || weight <= 0 {
		return
	}
	n := len(v.levels)
	if n == 0 || v.levels[n-1].weight != weight {
		v.levels = append(v.levels, exposure{weight: weight})
		n++
	}
	e := &v.levels[n-1]
	for s := range segments {
		own, usual := &at.arms[split.Candidate][s], &at.arms[split.Baseline][s]
		e.failed[s] += at.rate * max(own.fails(1)-usual.fails(1), 0)
		if own.tuning != usual.tuning {
			e.other[s] += at.rate * max(v.world.model.lat.at(own.tuning).slow-v.world.model.lat.at(usual.tuning).slow, 0)
		}
		for i, o := range v.world.model.Baseline.Outcomes {
			e.other[s] += at.rate * o.Reported * max(usual.outcomes[i].rate-own.outcomes[i].rate, 0)
		}
	}
}

// Expected is how many users are expected to have been harmed at least once, and
// how many to have had a failure that the baseline would have spared them.
func (v *Victims) Expected() (harmed, failing float64) {
	if v.world.people == nil {
		return 0, 0
	}
	for i := range v.world.people.users {
		u := &v.world.people.users[i]
		var failed, other float64
		for k := range v.levels {
			if e := &v.levels[k]; u.place < e.weight {
				failed += e.failed[u.segment]
				other += e.other[u.segment]
			}
		}
		if u.odd { // They fail whatever the version.
			failed = 0
		}
		harmed -= math.Expm1(-u.act * (failed*u.fails + other))
		failing -= math.Expm1(-u.act * failed * u.fails)
	}
	return harmed, failing
}

// Fork returns a copy that goes on by itself.
func (v *Victims) Fork() *Victims {
	return &Victims{world: v.world, levels: slices.Clone(v.levels)}
}
