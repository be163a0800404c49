package planner

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// How many rollouts of chance are followed: for an outlook, and for a single
// probability.
const (
	outlookPaths = 1000
	singlePaths  = 4000
)

// forecast is an outlook on its way.
type forecast struct {
	plan     *rollout.Plan
	traffic  Traffic
	measures []*measure // of the gates that decide
	noise    *noise
	powers   powers

	calm timeline // when nothing is wrong
	// waits says what each stage of calm is longer than its dwell for.
	waits []wait
	// proving is the last stage that waits for margins, -1 where none does.
	proving int
	// passes are the curves of the margins that are proven when nothing has
	// changed, by gate, on the timeline of proof.
	passes []curve
	proof  timeline
	// late is how much longer than calm the waiting stages take in four rollouts of
	// five and in nine of ten; proven is the probability that they end in time.
	late80, late90, proven float64
}

// wait is what a stage waits for.
type wait struct {
	gate    string
	verdict bool // for its verdict, not for its samples
}

// newForecast checks the traffic and lays the rollout out in time.
func newForecast(p *rollout.Plan, t Traffic, paths int) (*forecast, error) {
	f, err := prepare(p, t, paths)
	if err != nil {
		return nil, err
	}
	f.powers = newPowers(p.Alpha)
	f.layOut(len(p.Stages))
	if f.proving < 0 {
		f.proof = f.calm
		f.passes = f.passCurves(f.measures, f.proof, 0)
	}
	return f, nil
}

// prepare checks the traffic of a plan.
func prepare(p *rollout.Plan, t Traffic, paths int) (*forecast, error) {
	if err := t.check(p); err != nil {
		return nil, err
	}
	f := &forecast{plan: p, traffic: t, proving: -1, proven: 1}
	for i := range p.Gates {
		if g := &p.Gates[i]; !g.Info && (g.Method != gate.None || len(g.Ceilings) > 0) {
			f.measures = append(f.measures, newMeasure(p, g, &t))
		}
	}
	if len(f.measures) == 0 {
		return nil, errNoGates
	}
	f.noise = newNoise(paths, drawsPerLook*mostLooks(len(p.Stages)))
	return f, nil
}

// longest is how long a stage without a maxDuration is followed: 90 days.
const longest = 90 * 24 * 3600.0

// deadline is when a stage stops to wait for a verdict, in seconds.
func deadline(s *rollout.Stage) float64 {
	if s.MaxDuration <= 0 {
		return longest
	}
	return s.MaxDuration.Seconds()
}

// layOut finds out how long each of the first stages takes when nothing is wrong.
func (f *forecast) layOut(stages int) {
	f.waits = make([]wait, stages)
	for i := range stages {
		s := &f.plan.Stages[i]
		length := s.Dwell.Seconds()
		if s.Weight < split.Whole {
			for _, m := range f.active(i) {
				if enough := m.enough(i); enough > length {
					length, f.waits[i] = enough, wait{gate: m.gate.Name}
				}
			}
			length = f.waitFor(i, length)
		}
		f.calm = f.calm.then(i, length)
	}
}

// proofs are what a stage waits for: the required gates at their margins, or at
// what an early stage tolerates.
func (f *forecast) proofs(stage int) []*measure {
	s := &f.plan.Stages[stage]
	if s.Weight >= split.Whole || s.Require != spec.WithinMargin && s.Tolerance == 0 {
		return nil
	}
	var out []*measure
	for _, m := range f.active(stage) {
		switch {
		case m.gate.GuardOnly:
		case s.Require == spec.WithinMargin:
			out = append(out, m)
		case !m.ceilingOnly():
			out = append(out, m.widened(s.Tolerance))
		}
	}
	return out
}

// waitFor returns how long a stage takes that may wait for proofs, in half of the
// rollouts; it takes at least length.
func (f *forecast) waitFor(stage int, length float64) float64 {
	ms := f.proofs(stage)
	if len(ms) == 0 {
		return length
	}
	end := max(deadline(&f.plan.Stages[stage]), length)
	t := f.calm.then(stage, end)
	a := awaited{measures: ms, start: t[stage].start, end: t[stage].end()}
	if f.plan.Stages[stage].Require == spec.WithinMargin {
		f.proving, f.proof = stage, t
		f.passes = f.passCurves(f.measures, t, length)
		a = f.awaitedAt(stage)
	} else {
		a.curves = f.passCurves(ms, t, length)
	}
	f.proven *= a.by(a.end)
	half, ok := a.when(0.5)
	if half > a.start+length {
		f.waits[stage] = wait{gate: a.slowest(), verdict: true}
	}
	half = max(half, a.start+length)
	if ok {
		f.late80 += a.later(0.8, half)
		f.late90 += a.later(0.9, half)
	}
	return half - a.start
}

// awaited are the passes that a stage waits for.
type awaited struct {
	measures   []*measure
	curves     []curve
	start, end float64
}

// awaitedAt are the passes that the proving stage waits for.
func (f *forecast) awaitedAt(stage int) awaited {
	a := awaited{start: f.proof[stage].start, end: f.proof.end()}
	for i, m := range f.measures {
		if m.gate.From <= stage && !m.gate.GuardOnly {
			a.measures, a.curves = append(a.measures, m), append(a.curves, f.passes[i])
		}
	}
	return a
}

// by is the probability that all have passed by a time. Gates are taken to be
// independent of each other, which makes it rather late than early.
func (a *awaited) by(at float64) float64 {
	p := 1.0
	for _, c := range a.curves {
		p *= c.by(at)
	}
	return p
}

// when is the time by which all have passed in a share of the rollouts; it is the
// end, and false, where they have not by then.
func (a *awaited) when(share float64) (float64, bool) {
	if a.by(a.end) < share {
		return a.end, false
	}
	low, high := a.start, a.end
	for range 40 {
		middle := 0.5 * (low + high)
		if a.by(middle) >= share {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}

// later is how much later than half a share of the rollouts goes on.
func (a *awaited) later(share, half float64) float64 {
	at, ok := a.when(share)
	if !ok {
		return math.Inf(1)
	}
	return max(at-half, 0)
}

// slowest is the gate that is last to pass, or least likely to pass at all.
func (a *awaited) slowest() string {
	name, last, least := "", -1.0, 2.0
	for i, c := range a.curves {
		at, ok := c.when(0.5)
		p := c.by(a.end)
		if !ok && p < least || ok && least > 1 && at > last {
			name, last = a.measures[i].gate.Name, at
			if !ok {
				least = p
			}
		}
	}
	return name
}

// active are the measures whose gates judge at a stage.
func (f *forecast) active(stage int) []*measure {
	var out []*measure
	for _, m := range f.measures {
		if m.gate.From <= stage {
			out = append(out, m)
		}
	}
	return out
}

// passCurves are the curves of passes on a timeline when nothing has changed. knee
// is the time in its last stage from which on looks lie less close.
func (f *forecast) passCurves(ms []*measure, t timeline, knee float64) []curve {
	out := make([]curve, len(ms))
	last := t[len(t)-1]
	if knee <= 0 {
		knee = last.length
	}
	for i, m := range ms {
		if m.gate.Kind == gate.Drift {
			out[i] = m.driftPasses(t)
		}
		if m.gate.Kind == gate.Drift || !m.passes() {
			continue
		}
		var c course
		for _, p := range t[:len(t)-1] {
			c = c.then(m.course(t, p, span{0, p.length}, passing))
		}
		c = c.then(m.course(t, last, span{0, knee}, passing), m.course(t, last, span{knee, last.length}, passing))
		out[i] = c.run(m, m.unchanged(), f.noise)
	}
	return out
}

// path is what a gate goes through before it fails.
func (f *forecast) path(m *measure) *path {
	p := &path{forecast: f, measure: m}
	if m.gate.Kind == gate.Drift {
		return p
	}
	for _, period := range f.calm {
		p.stages = append(p.stages, m.course(f.calm, period, span{0, period.length}, failing))
	}
	return p
}

// stuck is the first stage that a candidate does not leave, because it waits for a
// proof that a level of a gate cannot give; -1 where there is none.
func (f *forecast) stuck(m *measure, level float64) int {
	for i := range f.calm {
		for _, p := range f.proofs(i) {
			if p.gate.Name == m.gate.Name && !p.inside(m, level) {
				return i
			}
		}
	}
	return -1
}

// bad is the timeline of a candidate that is stuck at a stage.
func (f *forecast) bad(stuck int) timeline {
	if stuck < 0 {
		return f.calm
	}
	return f.calm[:stuck].then(stuck, max(deadline(&f.plan.Stages[stuck]), f.calm[stuck].length))
}

// exposed are the candidate's requests by a time.
func (f *forecast) exposed(t timeline, at float64) float64 {
	n := 0.0
	for _, p := range t {
		w := float64(f.plan.Stages[p.stage].Weight) / split.Whole
		n += f.traffic.Rate * w * max(min(at-p.start, p.length), 0)
	}
	return n
}
