package planner

import (
	"fmt"
	"math"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A measure is what a gate measures of the traffic: where the baseline is, what a
// unit adds to the evidence, and how many units there are. Levels are those of
// the gate's own event: of failures where an outcome must not decrease, of
// exceedances where the gate is on a quantile.
type measure struct {
	plan  *rollout.Plan
	gate  *gate.Gate
	level Level
	shape *Latency

	base     float64 // the baseline's level
	phi      float64 // dispersion
	perSec   float64 // units per second of the model's traffic, over both arms; not of windows
	lag      float64 // seconds from a request to its unit
	windowed bool    // units are windows, of which both arms have one each
	// assumptions say what was not known.
	assumptions []string
}

// smallest is the rate at which a rate of nothing is looked at.
const smallest = 1e-9

// newMeasure returns what a gate measures. The traffic was checked.
func newMeasure(p *rollout.Plan, g *gate.Gate, t *Traffic) *measure {
	m := &measure{plan: p, gate: g, level: t.Levels[g.Name], shape: t.Latency, phi: 1, perSec: t.Rate}
	_, declared := t.Levels[g.Name]
	if m.shape == nil {
		m.shape = AssumedLatency()
	}
	m.assume(declared)
	if p.Layout.Clustered {
		m.phi = max(1, m.level.Dispersion, t.Dispersion)
	}
	switch g.Kind {
	case gate.Quantile:
		m.base = 1 - g.Quantile
		if p.Layout.Clustered {
			m.phi = max(1, t.LatencyDispersion, m.level.Dispersion, t.Dispersion)
		}
	case gate.Rate:
		m.base = m.level.Value
		if assumed, ok := assumedRate(g.Name); ok && !declared {
			m.base = assumed
		}
		if g.Complement {
			m.base = 1 - m.base
		}
		m.base = min(max(m.base, smallest), 1-smallest)
	case gate.Mean:
		m.base = m.level.Value
	case gate.Gauge:
		m.gauge()
	case gate.Drift:
		m.base = 0
	}
	if g.Outcome || g.Kind == gate.Mean || g.Kind == gate.Drift {
		m.reported()
	}
	return m
}

// assume says what was not known of the metric.
func (m *measure) assume(declared bool) {
	say := func(format string, args ...any) { m.assumptions = append(m.assumptions, fmt.Sprintf(format, args...)) }
	switch name := m.gate.Name; m.gate.Kind {
	case gate.Rate:
		if assumed, ok := assumedRate(name); ok && !declared {
			say("%s is taken to be %s; write --baseline %s=…", name, shareOf(assumed), name)
		}
	case gate.Quantile:
		if !m.shape.Absolute {
			say("latencies are taken to be lognormal with p99 at 3.2 times the median; write --baseline latency_p99=…,p50=…")
		} else if m.shape.alone {
			say("latencies are taken to be lognormal with p99 at 3.2 times the median; add p50=… to --baseline latency_p99")
		}
	case gate.Mean:
		if m.level.NonZero == 0 && m.level.CV > 1 {
			say("%s of the values of %s are taken to be other than zero; add nonzero=…", shareOf(m.nonZero()), name)
		}
	case gate.Gauge:
		if m.level.Spread == 0 {
			say("%s is taken to vary by 5%% from window to window, half of it carried over; write --baseline %s=…,spread=…,correlation=…", name, name)
		}
	case gate.Drift:
	}
}

// gauge is a resource: levels are ratios of candidate to baseline.
func (m *measure) gauge() {
	m.base, m.windowed, m.phi = 1, true, 1
	if m.level.Spread == 0 {
		m.level.Spread, m.level.Correlation = assumedSpread, assumedCorrelation
	}
}

// reported are outcomes: so many for a request, so late after it.
func (m *measure) reported() {
	share := m.level.Share
	if share == 0 {
		share = 1
	}
	if !m.gate.PerExposure {
		m.perSec *= share
	}
	m.lag = max(m.level.Delay, m.horizon()).Seconds()
}

// horizon is the age at which an exposure counts.
func (m *measure) horizon() time.Duration { return m.plan.Layout.Horizons[m.gate.Name] }

// warm is how long the units of a stage are left out, in seconds.
func (m *measure) warm(stage int) float64 {
	if m.gate.Kind == gate.Quantile || m.gate.Kind == gate.Gauge {
		return m.plan.Stages[stage].Warmup.Seconds()
	}
	return 0
}

// weight is the candidate's share at a stage.
func (m *measure) weight(stage int) float64 {
	return float64(m.plan.Stages[stage].Weight) / split.Whole
}

// units are those of both arms that a stage adds within so many seconds of its
// beginning, of which its traffic is the first length.
func (m *measure) units(stage int, seconds, length float64) (candidate, baseline float64) {
	n := m.perSecond(stage) * max(min(seconds-m.lag, length)-m.warm(stage), 0)
	if m.windowed {
		return n, n
	}
	w := m.weight(stage)
	return n * w, n * (1 - w)
}

// perSecond are the units per second of a stage, over both arms.
func (m *measure) perSecond(stage int) float64 {
	if !m.windowed {
		return m.perSec
	}
	length, _ := m.plan.Stages[stage].Window()
	return 1 / length.Seconds()
}

// variance is that of one unit at a level.
func (m *measure) variance(level float64) float64 {
	switch m.gate.Kind {
	case gate.Mean:
		// A lower mean comes from fewer values rather than from smaller ones.
		return m.spread() * level / m.base * m.phi
	case gate.Gauge:
		r := m.level.Correlation
		return square(m.level.Spread) * (1 + r) / (1 - r)
	case gate.Rate, gate.Quantile, gate.Drift:
	}
	return level * (1 - level) * m.phi
}

// source is what a unit adds at a level.
func (m *measure) source(level float64) source {
	mean := level
	if m.gate.Kind == gate.Gauge {
		mean = math.Log(level)
	}
	return source{mean: mean, variance: m.variance(level), counted: m.gate.Kind == gate.Rate || m.gate.Kind == gate.Quantile}
}

// atMargin is the level on the margin: where harm begins.
func (m *measure) atMargin() float64 {
	g := m.gate
	switch {
	case g.Method == gate.None:
		return m.atCeiling()
	case g.Kind == gate.Quantile:
		return m.base
	case g.Kind == gate.Drift:
		return g.Margin
	case g.Method == gate.Difference:
		return g.Margin + g.Slope*m.base
	case g.Method == gate.Ignore:
		return max(m.base*(1+g.Margin), g.Level)
	}
	return m.base * (1 + g.Margin)
}

// atCeiling is the level on the first ceiling of a gate that has no margin.
func (m *measure) atCeiling() float64 {
	c := m.gate.Ceilings[0]
	switch {
	case m.gate.Kind == gate.Gauge:
		return c.Limit / m.level.Value
	case m.gate.Kind == gate.Rate && c.Complement:
		return 1 - c.Limit
	}
	return c.Limit
}

// worse is the direction of harm, +1 or -1.
func (m *measure) worse() float64 {
	if m.ceilingOnly() && m.gate.Ceilings[0].Complement {
		return -1
	}
	return float64(m.gate.Worse)
}

// worst is the level beyond which nothing can be worse.
func (m *measure) worst() float64 {
	switch {
	case m.worse() < 0:
		return m.base * 1e-6
	case m.gate.Kind == gate.Rate, m.gate.Kind == gate.Quantile:
		return 1 - smallest
	}
	return m.base * 1e6
}

// sample is the evidence at a look, with the arms at the levels given for each
// stratum.
func (m *measure) sample(l *look, yT, yC []float64) gate.Sample {
	s := gate.Sample{Dispersion: gate.Dispersion{Phi: m.tempered(yT, yC), CeilingPhi: m.phi}}
	for i := range l.nT {
		if i < m.gate.From {
			continue
		}
		slice := gate.Slice{Stage: i, Counts: stats.Stratum{NT: l.nT[i], NC: l.nC[i]}, Edge: 1}
		if m.gate.Kind == gate.Mean {
			slice.Means = m.moments(l.nT[i], l.nC[i], yT[i], yC[i])
			slice.Counts.KT, slice.Counts.KC = slice.Means.T.NonZero, slice.Means.C.NonZero
		} else {
			slice.Counts.KT, slice.Counts.KC = l.nT[i]*yT[i], l.nC[i]*yC[i]
			slice.Over = m.over(l.nT[i], yT[i])
		}
		s.Strata = append(s.Strata, slice)
	}
	return s
}

// tempered is the dispersion by which production will judge: that between units,
// and no less than its floor (see package gate). Conditioning on the events takes
// them for rare; where they are not they vary less by one less their rate.
func (m *measure) tempered(yT, yC []float64) float64 {
	g := m.gate
	if g.Kind == gate.Quantile {
		return g.Quantile * m.phi
	}
	if g.Kind != gate.Rate || g.Method != gate.Ratio {
		return m.phi
	}
	rarest := 0.5
	for i := range yT {
		rarest = min(rarest, yT[i], yC[i])
	}
	floor := 1.0
	if rarest >= 0.1 {
		floor = 1 - rarest
	}
	if m.phi == 1 {
		return floor
	}
	return max(floor, m.phi*(1-rarest))
}

// over are the candidate's events of each ceiling.
func (m *measure) over(n, level float64) []float64 {
	if len(m.gate.Ceilings) == 0 {
		return nil
	}
	out := make([]float64, len(m.gate.Ceilings))
	for i, c := range m.gate.Ceilings {
		share := level
		switch {
		case m.gate.Kind == gate.Quantile:
			share = m.exceed(c, level)
		case c.Complement != m.gate.Complement:
			share = 1 - level
		}
		out[i] = n * share
	}
	return out
}

// exceed is the share of the candidate's latencies beyond a ceiling, at the level
// of its exceedances of the margin.
func (m *measure) exceed(c gate.Ceiling, level float64) float64 {
	if !m.shape.Absolute || m.gate.Method == gate.None {
		if m.gate.Method == gate.None {
			return level
		}
		return 0
	}
	slower := m.shape.quantile(m.gate.Quantile) + m.logMargin() - m.shape.quantile(1-level)
	return m.shape.above(math.Log(c.Over.Seconds()) - slower)
}

// logMargin is the logarithm of a quantile's margin as its sketch has it.
func (m *measure) logMargin() float64 {
	if m.gate.Method == gate.None {
		return 0
	}
	return math.Log1p(m.gate.Margin)
}

// moments are the sufficient statistics of a mean.
func (m *measure) moments(nT, nC, yT, yC float64) *stats.MeanStratum {
	variance := m.spread()
	nonZero := m.nonZero()
	return &stats.MeanStratum{
		T: stats.MeanArm{N: nT, Mean: yT, Var: variance * m.phi * min(yT/m.base, 1e3), NonZero: nT * min(nonZero*yT/m.base, 1)},
		C: stats.MeanArm{N: nC, Mean: yC, Var: variance * m.phi, NonZero: nC * nonZero},
	}
}

// spread is the variance of one value of a mean, less what a covariate explains.
func (m *measure) spread() float64 {
	explained := 0.0
	if m.gate.Covariate {
		explained = square(m.level.Correlation)
	}
	return square(m.level.CV*m.base) * (1 - explained)
}

// nonZero is the share of values that are not zero. Where nothing was said of it,
// values other than zero are taken to vary as much as their mean.
func (m *measure) nonZero() float64 {
	if m.level.NonZero > 0 {
		return m.level.NonZero
	}
	return min(1, 2/(1+square(m.level.CV)))
}

// quantileBegins is how many latencies the baseline needs before its quantile is
// compared: one beyond it, and where units return as many as freeze the edge at
// which their dispersion is followed.
func (m *measure) quantileBegins() float64 {
	least := 1 / (1 - m.gate.Quantile)
	if m.plan.Layout.Clustered {
		return max(least, evidence.FreezeAfter)
	}
	return least
}

// at is the level of a candidate whose metric has changed by a share of the
// baseline's: 1 for twice as much, -0.3 for 30 % less.
func (m *measure) at(change float64) float64 {
	g := m.gate
	switch {
	case g.Kind == gate.Drift:
		return change
	case g.Kind == gate.Quantile && g.Method == gate.None:
		return min(max(m.shape.above(math.Log(g.Ceilings[0].Over.Seconds())-math.Log1p(change)), smallest), 1-smallest)
	case g.Kind == gate.Quantile:
		log := m.shape.quantile(g.Quantile) + m.logMargin() - math.Log1p(change)
		return min(max(m.shape.above(log), smallest), 1-smallest)
	case g.Kind == gate.Rate && g.Complement:
		return 1 - (1-m.base)*(1+change)
	}
	return m.base * (1 + change)
}

// unchanged is the level of a candidate that is as the baseline.
func (m *measure) unchanged() float64 { return m.at(0) }

// passes reports whether a pass can be waited for; a gate on a ceiling alone whose
// baseline is beyond it never passes.
func (m *measure) passes() bool { return m.worse()*(m.atMargin()-m.unchanged()) > 0 }

// ceilingOnly reports whether the gate compares the candidate with a limit alone.
func (m *measure) ceilingOnly() bool { return m.gate.Method == gate.None }

// widened is the measure with a margin so many times as wide.
func (m *measure) widened(times float64) *measure {
	out := *m
	g := m.gate.Widened(times, &m.plan.Layout)
	out.gate = &g
	return &out
}

// inside reports whether a level of another measure of the same metric is inside
// this one's margin.
func (m *measure) inside(of *measure, level float64) bool {
	if m.gate.Kind == gate.Quantile {
		// Levels are exceedances of the margin, which moves.
		return of.latencyChange(level).Relative <= m.gate.Margin
	}
	return m.worse()*(level-m.atMargin()) <= 0
}
