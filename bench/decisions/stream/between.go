package stream

import "github.com/belay-rollouts/belay/internal/core/split"

// metrics are those that tools analyse by unit: failures, slow requests, and the
// outcomes.
const metrics = 2 + maxOutcomes

// Metrics of Between.
const (
	Failures = iota
	Slow
	FirstOutcome // and those after it, in the order of the scenario
)

// square sums up how much the units of a crowd differ, as the baseline treats
// them.
func (w *World) square(c *crowd) {
	m := w.model
	var slow [levels]float64
	for i := range slow {
		slow[i] = m.lat.at(tuning{shift: int16((i - levels/2) * levelWidth)}).slow
	}
	for i := range c.users {
		u := &c.users[i]
		add := func(metric int, mu float64) {
			c.means[metric] += u.act * mu
			sq := u.act * u.act
			c.squares[metric][0] += sq
			c.squares[metric][1] += sq * mu
			c.squares[metric][2] += sq * mu * mu
		}
		fails := m.Baseline.Errors * u.fails
		if u.odd {
			fails = max(fails, m.Traffic.Users.OddErrors)
		}
		add(Failures, fails)
		add(Slow, slow[u.level])
		for j, o := range m.Baseline.Outcomes {
			worth := 1.0
			if o.Mean > 0 {
				worth = o.Mean
			}
			add(FirstOutcome+j, w.chance(o.Rate, int(u.odds))*worth*o.Reported)
		}
	}
}

// Between is the sum, over the users of an arm, of the square of what their
// requests so far are expected to come to beyond what as many requests of the
// arm's mean user would. It is 0 where each request is a unit of its own.
func (s *Stream) Between(arm split.Arm, metric int) float64 {
	if s.world.people == nil {
		return 0
	}
	var squares [3]float64
	var act, total float64
	for _, part := range s.parts(arm) {
		c := s.world.crowd(part.span)
		for k := range squares {
			squares[k] += part.requests * part.requests * c.squares[metric][k]
		}
		act += part.requests * c.total()
		total += part.requests * c.means[metric]
	}
	if act == 0 {
		return 0
	}
	mean := total / act
	return max(squares[2]-2*mean*squares[1]+mean*mean*squares[0], 0)
}

// visited is a span whose users have been at an arm while so many requests came,
// of all users.
type visited struct {
	span
	requests float64
}

// parts are the spans of an arm. Weights only grow, so those who are at the
// candidate came there with some stratum and have stayed.
func (s *Stream) parts(arm split.Arm) []visited {
	var out []visited
	from, before := 0.0, 0.0
	for _, st := range s.strata {
		requests := s.requests - before // Since the stratum began.
		if arm == split.Baseline {
			requests = before
		}
		if st.weight > from {
			out = append(out, visited{span{from, st.weight}, requests})
			from = st.weight
		}
		before += st.requests
	}
	if arm == split.Baseline && from < 1 {
		out = append(out, visited{span{from, 1}, s.requests})
	}
	return out
}
