package rollout

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// driftBins is how many bins of a distribution are compared. More would tell
// finer changes apart, and the distance would grow by chance with them.
const driftBins = 20

// output compiles a gate on an output of the model and has it read. Gates on one
// output share what is read of it.
func (c compiler) output(g *gate.Gate, l *evidence.Layout, r spec.ResolvedGate) error {
	at := l.AddOutput(r.Output)
	g.Output = at + 1
	switch r.Kind {
	case spec.KindRate:
		if len(l.Outputs[at].Classes) == evidence.MaxClasses {
			return unsupported(r, "more than 64 classes of one output")
		}
		l.AddClass(at, r.Class, r.Name())
		return c.rate(g, l, r)
	case spec.KindMean:
		g.Kind = gate.Mean
		g.Series = c.values(l, at, evidence.Series{Name: r.Metric, Cap: r.Cap, Grouped: true})
		l.Outputs[at].Numbers = true
		g.Ceilings = numberCeilings(r)
		return relative(g, r)
	case spec.KindDrift:
		if r.Max == nil || !(r.Max.Value > 0) {
			return unsupported(r, "a drift without a distance")
		}
		g.Kind, g.Method, g.Margin = gate.Drift, gate.Ratio, r.Max.Value
		g.Series = c.values(l, at, evidence.Series{Name: r.Metric, Bins: driftBins, Grouped: true})
		return nil
	case spec.KindQuantile, spec.KindGauge:
	}
	return unsupported(r, string(r.Kind)+" metrics of an output")
}

// values returns the index of the series of an output's values.
func (c compiler) values(l *evidence.Layout, output int, s evidence.Series) int {
	series := l.AddValues(s)
	l.Outputs[output].Value = series
	return series
}
