package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// Widened returns the gate with its margin times a factor: the harm that must be
// excluded before an early stage lets more traffic in, which its few requests
// can. Ceilings stay as they are.
func (g Gate) Widened(factor float64, l *evidence.Layout) Gate {
	const most = 0.99 // No share can fall by all of it.
	if g.Method == None {
		return g
	}
	g.Margin *= factor
	switch {
	case g.Kind == Quantile:
		g.Margin = max(g.Margin, -most)
		g.Steps = int32(math.Round(math.Log1p(g.Margin) / float64(l.Sketches[g.Sketch])))
	case g.Method == Difference && g.Slope != 1:
		g.Margin = min(g.Margin, most)
		g.Slope = 1 - g.Margin
	case g.Method == Difference, g.Kind == Drift:
		g.Margin = min(g.Margin, most)
	default:
		g.Margin = max(g.Margin, -most)
	}
	return g
}

// LogWithin is the e-value, in logs, that the harm is inside the gate's margin.
// Where only ceilings decide there is none to prove.
func (g *Gate) LogWithin(v View, at Place) float64 {
	switch {
	case g.Method == None:
		return PassAt(at.Alpha)
	case g.Kind == Drift:
		s := g.Reduce(v)
		if _, _, upper := s.drift(at.Stage).bounds(at.Alpha); upper < g.Margin {
			return PassAt(at.Alpha)
		}
		return nothing
	}
	s := g.Reduce(v)
	return bounded(g.test(&s, all).pass(g.margin()))
}
