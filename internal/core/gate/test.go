package gate

import (
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// test is the evidence of one stage or of all, ready to be asked about any
// margin. Margins are on the scale of the gate's method: see Gate.margin.
type test interface {
	// fail is the log e-value against "no worse than the margin x".
	fail(x float64) float64
	// pass is the log e-value against "at or beyond the margin x".
	pass(x float64) float64
	// estimate is the most likely change, on the same scale.
	estimate() float64
}

// test returns the test of a stage's evidence, or of all when stage < 0.
func (g *Gate) test(s *Sample, stage int) test {
	switch g.Kind {
	case Mean:
		return meanTest{g, s.means(stage)}
	case Gauge:
		return gaugeTest{g, s.gauges(stage)}
	case Rate, Quantile, Drift:
	}
	passPhi := s.at(stage).PassPhi
	if passPhi == 0 {
		passPhi = s.at(stage).Phi
	}
	return countTest{g, s.counts(stage), passPhi}
}

// countTest is that of rates and of exceedances.
type countTest struct {
	*Gate
	stats.Counts
	passPhi float64
}

func (t countTest) fail(x float64) float64 {
	switch t.Method {
	case Difference:
		return t.LogEDiff(x, t.Slope, stats.Up, t.failPrior())
	case Ignore:
		return t.LogEIgnoreFail(x, t.Level, t.failPrior())
	case Ratio, None:
	}
	return t.LogERatio(x, t.Worse, t.failPrior())
}

func (t countTest) pass(x float64) float64 {
	t.Phi = t.passPhi
	switch t.Method {
	case Difference:
		return t.LogEDiff(x, t.Slope, stats.Down, t.passPrior())
	case Ignore:
		return t.LogEIgnorePass(x, t.Level, t.passPrior())
	case Ratio, None:
	}
	return t.LogERatio(x, -t.Worse, t.passPrior())
}

// estimate is taken at no dispersion, which does not move it.
func (t countTest) estimate() float64 {
	c := t.Counts
	c.Phi = 1
	if t.Method == Difference {
		return c.DiffMLE(t.Slope)
	}
	return c.RatioMLE()
}
