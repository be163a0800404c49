package planner

// A course is a number of looks with the lines of a verdict at them.
type course struct {
	looks []look
	lines []line
}

// course returns the course of a gate over a span of a period.
func (m *measure) course(t timeline, p period, s span, side side) course {
	looks := m.looks(t, p, s)
	return course{looks, m.lines(looks, side)}
}

// then returns a course that goes on with others.
func (c course) then(others ...course) course {
	out := course{looks: append([]look(nil), c.looks...), lines: append([]line(nil), c.lines...)}
	for _, o := range others {
		out.looks, out.lines = append(out.looks, o.looks...), append(out.lines, o.lines...)
	}
	return out
}

// run returns the curve of the rollouts that cross with the candidate at a level.
func (c course) run(m *measure, level float64, n *noise) curve {
	r := race{looks: c.looks, lines: c.lines, noise: n, tick: tick, t: m.source(level), c: m.source(m.base)}
	return newCurve(c.looks, r.run())
}

// tick is how often production looks, in seconds.
const tick = 1

// A path is what a gate goes through: the stages up to the one that waits for its
// margins, what that one may take longer, and the stages after it.
type path struct {
	ladder, longer, after course
}

// calm is the path when nothing is wrong.
func (p path) calm() course { return p.ladder.then(p.after) }

// bad is the path of a candidate that never proves its margins.
func (p path) bad() course { return p.ladder.then(p.longer) }
