package planner

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/gate"
)

// withMargin is the measure with another margin, and false where a gate has none
// or cannot have that one.
func (m *measure) withMargin(margin float64) (*measure, bool) {
	g := *m.gate
	switch {
	case g.Method == gate.None:
		return nil, false
	case g.Method == gate.Difference && g.Slope != 1:
		// A relative margin on a common success.
		if !(margin > 0 && margin < 1) {
			return nil, false
		}
		g.Margin, g.Slope = margin, 1-margin
	case g.Method != gate.Difference && g.Margin < 0:
		if !(margin > 0 && margin < 1) {
			return nil, false
		}
		g.Margin = -margin
	default:
		g.Margin = margin
	}
	out := *m
	out.gate = &g
	if source := out.source(out.base); source.counted && out.atMargin() >= 1-smallest {
		return nil, false
	}
	return &out, true
}

// margin is the size of the gate's margin, whatever its direction.
func (m *measure) margin() float64 { return math.Abs(m.gate.Margin) }

// The margins that are tried: from a tenth of a percent to twenty times as much.
const (
	leastMargin = 1e-4
	mostMargin  = 20.0
)

// proves is the smallest margin that is proven at a look if nothing has changed,
// with the power that goes with a part of the samples (see powers); 0 when none
// is.
func (m *measure) proves(l look, part float64) float64 {
	if !m.begun(&l) || m.ceilingOnly() || m.gate.Kind == gate.Drift || part <= 0 {
		return 0
	}
	l = l.part(part)
	strata := len(l.nT)
	yT, yC := make([]float64, strata), make([]float64, strata)
	excess := func(log float64) float64 {
		other, ok := m.withMargin(math.Exp(log))
		if !ok {
			return math.Inf(-1)
		}
		for s := range yT {
			yT[s], yC[s] = other.unchanged(), other.base
		}
		return other.excess(&l, passing, yT, yC)
	}
	low, high := math.Log(leastMargin), math.Log(mostMargin)
	if m.gate.Method == gate.Difference || m.worse() < 0 {
		high = math.Log(0.999)
	}
	// The evidence grows with the margin, up to margins that cannot be.
	for excess(high) < 0 {
		if high -= 0.25; high <= low {
			return 0
		}
	}
	for range 14 {
		middle := 0.5 * (low + high)
		if excess(middle) >= 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return math.Exp(high)
}

// part is a look with a part of the samples.
func (l look) part(share float64) look {
	out := look{at: l.at, stage: l.stage, nT: make([]float64, len(l.nT)), nC: make([]float64, len(l.nC))}
	for s := range l.nT {
		out.nT[s], out.nC[s] = share*l.nT[s], share*l.nC[s]
	}
	return out
}

// provesAt are the margins that are proven by the end of each stage.
func (f *forecast) provesAt(m *measure) []Powered {
	out := make([]Powered, len(f.calm))
	for i, p := range f.calm {
		if !f.compares(m, i) || m.ceilingOnly() {
			continue
		}
		if m.gate.Kind == gate.Drift {
			out[i] = f.driftProves(m, i)
			continue
		}
		l := m.look(f.calm, p, p.length)
		out[i] = Powered{m.marginChange(m.proves(l, f.powers.p80)), m.marginChange(m.proves(l, f.powers.p90))}
	}
	return out
}

// marginChange is a margin as a change, nil for none.
func (m *measure) marginChange(margin float64) *Change {
	other, ok := m.withMargin(margin)
	switch {
	case margin == 0 || !ok:
		return nil
	case margin < 2*leastMargin:
		// The candidate is below the level that matters, so no margin is asked for.
		return &Change{Text: "any"}
	}
	g := other.gate
	c := Change{Relative: g.Margin}
	if g.Complement {
		c.Relative = -margin
	}
	if c.Text = timesText(c.Relative); g.Method == gate.Difference && g.Slope == 1 {
		c.Text = pointsText(c.Relative)
	}
	return &c
}
