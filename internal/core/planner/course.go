package planner

import "github.com/belay-rollouts/belay/internal/core/gate"

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

// A path is what a gate goes through before it fails.
type path struct {
	forecast *forecast
	measure  *measure
	stages   []course       // of the calm timeline
	longer   map[int]course // what a stage takes longer for a candidate that is stuck
}

// calm is the path when the candidate goes through all stages in their time.
func (p *path) calm() course { return course{}.then(p.stages...) }

// bad is the path of a candidate that is stuck at a stage.
func (p *path) bad(stuck int) course {
	if stuck < 0 {
		return p.calm()
	}
	longer, known := p.longer[stuck]
	if !known {
		t := p.forecast.bad(stuck)
		last := t[stuck]
		longer = p.measure.course(t, last, span{p.forecast.calm[stuck].length, last.length}, failing)
		if p.longer == nil {
			p.longer = map[int]course{}
		}
		p.longer[stuck] = longer
	}
	return course{}.then(p.stages[:stuck+1]...).then(longer)
}

// fails is the curve of the rollouts that find a candidate at a level, on the
// timeline that it has.
func (p *path) fails(level float64) (curve, timeline) {
	f, m := p.forecast, p.measure
	stuck := f.stuck(m, level)
	t := f.bad(stuck)
	if m.gate.Kind == gate.Drift {
		return m.driftFails(t, level), t
	}
	return p.bad(stuck).run(m, level, f.noise), t
}
