package stream

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// How finely what is a user's own is told apart: latencies by a few buckets,
// odds of outcomes by equally likely values.
const (
	levels     = 81 // of latency, around the middle one
	levelWidth = 4  // buckets
	odds       = 16
)

// user is one of those who send requests.
type user struct {
	place   float64 // in the hash range; the candidate has what lies below its weight
	act     float64 // share of all requests
	fails   float64 // the factor on failures
	odd     bool
	bucket  uint8 // of dispersion
	level   uint8 // of latency
	odds    uint8
	segment uint8
	sample  uint8 // how many zero bits the second hash ends in
}

// people are all users, in the order of the hash range.
type people struct {
	users []user
	odds  [odds]float64
}

func newPeople(m *Model, r *rand.Rand) *people {
	u := m.Traffic.Users
	p := &people{users: make([]user, u.Count)}
	for i := range p.odds {
		p.odds[i] = 1
		if u.Outcomes > 0 {
			p.odds[i] = math.Exp(u.Outcomes*distuv.UnitNormal.Quantile((float64(i)+0.5)/odds) - u.Outcomes*u.Outcomes/2)
		}
	}
	var sum float64
	step := levelWidth * float64(m.lat.base)
	for i := range p.users {
		at := &p.users[i]
		at.place, at.bucket = r.Float64(), uint8(r.UintN(split.Buckets))
		at.act = activity(u, r)
		at.fails = math.Exp(u.Errors*r.NormFloat64() - u.Errors*u.Errors/2)
		at.odd = r.Float64() < u.Odd
		at.level = uint8(min(max(math.Round(r.NormFloat64()*u.Latency/step)+levels/2, 0), levels-1))
		at.odds = uint8(r.UintN(odds))
		if r.Float64() < m.segment {
			at.segment = 1
		}
		at.sample = uint8(evidence.Level(r.Uint64()))
		sum += at.act
	}
	for i := range p.users {
		p.users[i].act /= sum
	}
	slices.SortFunc(p.users, func(a, b user) int {
		if a.place < b.place {
			return -1
		}
		return 1
	})
	return p
}

func activity(u *scenario.Users, r *rand.Rand) float64 {
	if u.Activity == scenario.Lognormal {
		return math.Exp(u.Spread * r.NormFloat64())
	}
	return gamma(r, u.Spread*u.Spread)
}

// span is a part of the hash range.
type span struct{ from, to float64 }

// in returns the users of a span.
func (p *people) in(s span) []user {
	first := sort.Search(len(p.users), func(i int) bool { return p.users[i].place >= s.from })
	last := sort.Search(len(p.users), func(i int) bool { return p.users[i].place >= s.to })
	return p.users[first:last]
}

// crowd is what the units of a span come to: shares of all requests, in sums over
// the users.
type crowd struct {
	users []user
	act   [segments]float64
	// own is the sum of act*fails, plain of act, over those who are not odd; odd
	// is that of act over the others.
	own, plain, odd [segments]float64
	level           [segments][levels]float64
	odds            [segments][odds]float64
	// squares are sums of act^2, and with what a user's request comes to (mu) of
	// act^2*mu and of act^2*mu^2, for the metrics that tools analyse by unit.
	squares [metrics][3]float64
	means   [metrics]float64 // sums of act*mu
	mixed   map[[segments]tuning]*shape
	detail  *detail
}

// crowd returns the units of a span.
func (w *World) crowd(s span) *crowd {
	if c, ok := w.crowds[s]; ok {
		return c
	}
	c := &crowd{mixed: map[[segments]tuning]*shape{}}
	if w.people == nil {
		w.requests(c, s.to-s.from)
	} else {
		c.users = w.people.in(s)
		c.sum()
		w.square(c)
	}
	w.crowds[s] = c
	return c
}

// requests fills a crowd in which every request is a unit of its own.
func (w *World) requests(c *crowd, share float64) {
	for segment, part := range [segments]float64{1 - w.model.segment, w.model.segment} {
		c.act[segment] = share * part
		c.own[segment], c.plain[segment] = share*part, share*part
		c.level[segment][levels/2] = share * part
		c.odds[segment][0] = share * part
	}
}

// sum sums up the users.
func (c *crowd) sum() {
	for i := range c.users {
		u := &c.users[i]
		s := u.segment
		c.act[s] += u.act
		if u.odd {
			c.odd[s] += u.act
		} else {
			c.own[s] += u.act * u.fails
			c.plain[s] += u.act
		}
		c.level[s][u.level] += u.act
		c.odds[s][u.odds] += u.act
	}
}

// chance is the rate of an outcome for users with some odds.
func (w *World) chance(rate float64, level int) float64 {
	if w.people == nil {
		return rate
	}
	f := w.people.odds[level]
	return rate * f / (1 - rate + rate*f)
}

// total is a crowd's share of all requests.
func (c *crowd) total() float64 { return c.act[0] + c.act[1] }

// errors is the share of all requests that are a crowd's and fail.
func (w *World) errors(c *crowd, arm *[segments]behaviour) float64 {
	var sum float64
	for s := range arm {
		b := &arm[s]
		sum += b.base*b.slope*c.own[s] + b.add*c.plain[s]
		if c.odd[s] > 0 {
			sum += c.odd[s] * max(w.model.Traffic.Users.OddErrors, b.fails(1))
		}
	}
	return min(sum, c.total())
}

// successes is the share of all requests that are a crowd's and come to a success.
func (w *World) successes(c *crowd, arm *[segments]behaviour, outcome int) float64 {
	var sum float64
	for s := range arm {
		for level, act := range c.odds[s] {
			if act > 0 {
				sum += act * w.chance(arm[s].outcomes[outcome].rate, level)
			}
		}
	}
	return sum
}

// latency is the distribution of the latencies of a crowd.
func (w *World) latency(c *crowd, arm *[segments]behaviour) *shape {
	key := [segments]tuning{arm[0].tuning, arm[1].tuning}
	if s, ok := c.mixed[key]; ok {
		return s
	}
	l := w.model.lat
	out := &shape{tail: make([]float64, l.width)}
	total := c.total()
	for segment, t := range key {
		for level, act := range c.level[segment] {
			if act == 0 {
				continue
			}
			moved := t
			moved.shift += int16((level - levels/2) * levelWidth)
			one := l.at(moved)
			out.body += one.body * act / total
			for i, p := range one.tail {
				out.tail[i] += p * act / total
			}
		}
	}
	out.finish(l.usual)
	c.mixed[key] = out
	return out
}
