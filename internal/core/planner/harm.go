package planner

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Harm is a change of one metric from the baseline to the candidate, the same at
// every stage.
type Harm struct {
	// Gate is the gate's metric.
	Gate string
	// Change is the change as a share of what the baseline has: 4 for five times as
	// many errors, 1 for latencies that are twice as long, -0.3 for 30 % less
	// conversion. Of a drift it is the distance itself.
	Change float64
}

// Caught returns the probability that a gate finds a harm while the candidate's
// weight is at most maxWeight (out of 10,000), in a plan at a traffic.
func Caught(p *rollout.Plan, t Traffic, h Harm, maxWeight uint32) (float64, error) {
	f, err := prepare(p, t, singlePaths)
	if err != nil {
		return 0, err
	}
	at := slices.IndexFunc(f.measures, func(m *measure) bool { return m.gate.Name == h.Gate })
	if at < 0 {
		return 0, problem.New(problem.Invalid, "no gate of this plan that decides measures %q", h.Gate)
	}
	m := f.measures[at]
	level := m.at(h.Change)
	if math.IsNaN(level) || m.worse()*(level-m.unchanged()) <= 0 {
		return 0, problem.New(problem.Invalid, "a change of %s by %v is no harm", h.Gate, h.Change)
	}
	stages := 0
	for stages < len(p.Stages) && p.Stages[stages].Weight <= maxWeight {
		stages++
	}
	if f.layOut(stages); stages == 0 {
		return 0, nil
	}
	c, ladder := f.path(m).fails(min(level, m.ceiled()))
	return c.by(ladder.end()), nil
}

// ceiled is the highest level that can be.
func (m *measure) ceiled() float64 {
	if m.source(m.base).counted {
		return 1 - smallest
	}
	return math.Inf(1)
}

// typical are the levels of harms that a plan is asked about, the smallest first.
func (m *measure) typical() []float64 {
	var out []float64
	add := func(level float64) {
		beyond := m.worse() * (level - m.atMargin())
		possible := level > 0 && level <= m.ceiled()
		if beyond > 1e-9*m.base && possible && !math.IsNaN(level) {
			out = append(out, level)
		}
	}
	g := m.gate
	switch {
	case g.Method == gate.Difference && g.Slope == 1:
		for _, times := range []float64{2, 3, 5, 10} {
			add(m.base + times*g.Margin)
		}
		return out
	case g.Kind == gate.Drift:
		for _, times := range []float64{1.5, 2, 3} {
			add(times * g.Margin)
		}
		return out
	case g.Method == gate.Ignore && 2*m.base < g.Level:
		// Many times next to nothing is next to nothing.
		for _, times := range []float64{2, 5, 10, 50} {
			add(times * g.Level)
		}
		return out
	}
	for _, change := range m.typicalChanges() {
		add(m.at(change))
	}
	return out
}

// typicalChanges are the changes that people have in mind: of failures several
// times as many, of latencies tens of percent, of what should happen a part less.
func (m *measure) typicalChanges() []float64 {
	g := m.gate
	switch {
	case g.Complement, m.worse() < 0:
		return []float64{-0.05, -0.1, -0.2, -0.3, -0.5}
	case g.Kind == gate.Quantile:
		return []float64{0.25, 0.5, 1, 2}
	case g.Kind == gate.Rate:
		return []float64{0.5, 1, 2, 4, 9}
	}
	return []float64{0.1, 0.2, 0.5, 1}
}

// harms are the harms that a gate is asked about.
func (f *forecast) harms(m *measure, p *path) []HarmOutlook {
	out := []HarmOutlook{}
	for _, level := range m.typical() {
		out = append(out, f.harm(m, p, level))
	}
	return out
}

// harm is what becomes of a candidate at a level.
func (f *forecast) harm(m *measure, p *path, level float64) HarmOutlook {
	c, t := p.fails(level)
	out := HarmOutlook{Change: m.change(level), Times: c.times(), Caught: c.by(t.end())}
	before, most := 0.0, 0.0
	for i, period := range t {
		by := c.by(period.end())
		out.CaughtBy = append(out.CaughtBy, by)
		if by-before > most {
			most, out.Stage = by-before, i
		}
		before = by
	}
	worse := f.worseOff(m, level)
	if at := out.Times.P50; at > 0 {
		out.Exposed50 = f.exposed(t, at)
		out.Harmed50 = worse * out.Exposed50
	}
	if at := out.Times.P90; at > 0 {
		out.Exposed90 = f.exposed(t, at)
		out.Harmed90 = worse * out.Exposed90
	}
	return out
}

// worseOff is how much of a request of the candidate is worse off than at the
// baseline: the share of requests that fail, are slow or lack their outcome
// besides, or the sum that is missing.
func (f *forecast) worseOff(m *measure, level float64) float64 {
	perRequest := m.perSec / f.traffic.Rate
	switch m.gate.Kind {
	case gate.Quantile:
		slower := m.shape.quantile(m.gate.Quantile) - math.Log1p(m.change(level).Relative)
		return max(m.shape.above(slower)-(1-m.gate.Quantile), 0)
	case gate.Rate, gate.Mean:
		return perRequest * math.Abs(level-m.unchanged())
	case gate.Gauge, gate.Drift:
	}
	return 0
}

// distances from the margin at which a gate is asked what it catches, as
// logarithms of the level.
func (m *measure) distances() []float64 {
	const (
		least = 0.01
		most  = 6.0
		steps = 16
	)
	out := make([]float64, 0, steps+1)
	farthest := min(m.farthest(failing), most)
	for i := range steps {
		d := least * math.Pow(most/least, float64(i)/(steps-1))
		if d >= farthest {
			break
		}
		out = append(out, d)
	}
	return append(out, farthest)
}

// catches are the smallest harms that are found by the end of each stage when
// nothing else is wrong.
func (f *forecast) catches(m *measure, p *path) []Powered {
	if m.gate.Kind == gate.Drift {
		return f.driftCatches(m)
	}
	calm := p.calm()
	distances := m.distances()
	found := make([][]float64, len(f.calm))
	for _, d := range distances {
		c := calm.run(m, m.beyond(d, failing), f.noise)
		for i, p := range f.calm {
			found[i] = append(found[i], c.by(p.end()))
		}
	}
	out := make([]Powered, len(f.calm))
	for i := range out {
		if f.compares(m, i) {
			out[i] = Powered{m.least(distances, found[i], 0.8), m.least(distances, found[i], 0.9)}
		}
	}
	return out
}

// compares reports whether a gate can find anything at a stage.
func (f *forecast) compares(m *measure, stage int) bool {
	return m.gate.From <= stage && (m.ceilingOnly() || f.plan.Stages[stage].Weight < split.Whole)
}

// least is the smallest change of which a share is found, between the distances
// at which it was tried: along the normal quantile of the share, which is nearly
// linear in the distance.
func (m *measure) least(distances, found []float64, share float64) *Change {
	for i, p := range found {
		if p < share {
			continue
		}
		d := distances[i]
		if i > 0 {
			low, high := probit(found[i-1]), probit(p)
			part := (probit(share) - low) / max(high-low, 1e-9)
			d = distances[i-1] + min(max(part, 0), 1)*(d-distances[i-1])
		}
		c := m.change(m.beyond(d, failing))
		return &c
	}
	return nil
}

// probit is the normal quantile of a share, kept within what so many rollouts of
// chance can tell.
func probit(p float64) float64 { return normalQuantile(min(max(p, 0.002), 0.998)) }

// times are the times of a curve.
func (c curve) times() Times {
	var t Times
	for share, at := range map[float64]*float64{0.5: &t.P50, 0.8: &t.P80, 0.9: &t.P90} {
		if when, ok := c.when(share); ok {
			*at = when
		}
	}
	return t
}
