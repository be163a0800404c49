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
	bad  timeline // with a candidate that never proves its margins
	// waits says what each stage of calm is longer than its dwell for.
	waits []wait
	// proving is the last stage that waits for margins, -1 where none does.
	proving int
	// passes are the curves of the margins that are proven when nothing has
	// changed, by gate.
	passes []curve
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
	draws := drawsPerLook * (len(p.Stages)*looksPerStage + 2*looksBeyond)
	f.noise = newNoise(paths, draws)
	f.powers = newPowers(p.Alpha)
	f.layOut()
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

// layOut finds out how long each stage takes when nothing is wrong.
func (f *forecast) layOut() {
	f.waits = make([]wait, len(f.plan.Stages))
	for i := range f.plan.Stages {
		s := &f.plan.Stages[i]
		length := s.Dwell.Seconds()
		if s.Weight < split.Whole {
			for _, m := range f.active(i) {
				if enough := m.enough(i); enough > length {
					length, f.waits[i] = enough, wait{gate: m.gate.Name}
				}
			}
		}
		if s.Require == spec.WithinMargin && s.Weight < split.Whole && len(f.required(i)) > 0 {
			length = f.prove(i, length)
		}
		f.calm = f.calm.then(i, length)
	}
	f.bad = f.calm
	if f.proving >= 0 {
		f.bad = f.calm[:f.proving].then(f.proving, max(deadline(&f.plan.Stages[f.proving]), f.calm[f.proving].length))
		return
	}
	f.passes = f.passCurves(f.calm, 0)
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

// required are those whose pass a stage waits for.
func (f *forecast) required(stage int) []*measure {
	var out []*measure
	for _, m := range f.active(stage) {
		if !m.gate.GuardOnly {
			out = append(out, m)
		}
	}
	return out
}

// prove returns how long a stage takes that waits for margins, in half of the
// rollouts; it takes at least length.
func (f *forecast) prove(stage int, length float64) float64 {
	f.proving = stage
	end := max(deadline(&f.plan.Stages[stage]), length)
	t := f.calm.then(stage, end)
	f.passes = f.passCurves(t, length)
	start := t[stage].start
	half, ok := f.allPass(stage, 0.5, start, start+end)
	f.proven *= f.passedBy(stage, start+end)
	if slowest := f.slowest(stage, start+end); half > start+length {
		f.waits[stage] = wait{gate: slowest, verdict: true}
	}
	half = max(half, start+length)
	if !ok {
		return half - start
	}
	for share, late := range map[float64]*float64{0.8: &f.late80, 0.9: &f.late90} {
		if at, ok := f.allPass(stage, share, start, start+end); ok {
			*late += max(at-half, 0)
		} else {
			*late = math.Inf(1)
		}
	}
	return half - start
}

// passedBy is the probability that all required gates have passed by a time.
func (f *forecast) passedBy(stage int, at float64) float64 {
	p := 1.0
	for i, m := range f.measures {
		if m.gate.From <= stage && !m.gate.GuardOnly {
			p *= f.passes[i].by(at)
		}
	}
	return p
}

// allPass is when all required gates have passed in a share of the rollouts; it
// is the end, and false, where they do not by then. Gates are taken to be
// independent of each other, which makes it rather late than early.
func (f *forecast) allPass(stage int, share, start, end float64) (float64, bool) {
	if f.passedBy(stage, end) < share {
		return end, false
	}
	low, high := start, end
	for range 40 {
		middle := 0.5 * (low + high)
		if f.passedBy(stage, middle) >= share {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}

// slowest is the required gate that is last to pass.
func (f *forecast) slowest(stage int, end float64) string {
	name, last, least := "", -1.0, 2.0
	for i, m := range f.measures {
		if m.gate.From > stage || m.gate.GuardOnly {
			continue
		}
		at, ok := f.passes[i].when(0.5)
		p := f.passes[i].by(end)
		if !ok && p < least || ok && least > 1 && at > last {
			name, last = m.gate.Name, at
			if !ok {
				least = p
			}
		}
	}
	return name
}

// passCurves are the curves of all gates' passes on a timeline when nothing has
// changed. knee is the time in its last stage from which on looks lie less close.
func (f *forecast) passCurves(t timeline, knee float64) []curve {
	out := make([]curve, len(f.measures))
	for i, m := range f.measures {
		if m.gate.Kind == gate.Drift {
			out[i] = m.driftPasses(t)
		}
		if m.gate.Kind == gate.Drift || !m.passes() {
			continue
		}
		c := f.stages(m, t[:len(t)-1], t, passing)
		last := t[len(t)-1]
		if knee <= 0 {
			knee = last.length
		}
		c = c.then(m.course(t, last, span{0, knee}, passing), m.course(t, last, span{knee, last.length}, passing))
		out[i] = c.run(m, m.unchanged(), f.noise)
	}
	return out
}

// stages is the course of a gate over some periods of a timeline.
func (f *forecast) stages(m *measure, some, t timeline, side side) course {
	var out course
	for _, p := range some {
		out = out.then(m.course(t, p, span{0, p.length}, side))
	}
	return out
}

// path is what a gate goes through before it fails.
func (f *forecast) path(m *measure) path {
	if f.proving < 0 {
		return path{ladder: f.stages(m, f.calm, f.calm, failing)}
	}
	last := f.bad[f.proving]
	out := path{
		ladder: f.stages(m, f.calm[:f.proving+1], f.calm, failing),
		longer: m.course(f.bad, last, span{f.calm[f.proving].length, last.length}, failing),
	}
	out.after = f.stages(m, f.calm[f.proving+1:], f.calm, failing)
	return out
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
