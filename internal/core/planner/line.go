package planner

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// side is the verdict that a line is drawn for.
type side int

const (
	failing side = iota
	passing
)

// excess is the gate's log e-value at a look, less its threshold, with the arms
// at the levels given for each stratum.
func (m *measure) excess(l *look, side side, yT, yC []float64) float64 {
	if m.gate.Kind == gate.Gauge {
		return m.gaugeExcess(l, side, yT)
	}
	if side == passing {
		return m.passExcess(l, yT, yC)
	}
	at := gate.Place{Stage: l.stage, Stages: len(m.plan.Stages), Alpha: m.plan.Alpha, Guard: true}
	return m.gate.Judge(m.sample(l, yT, yC), at, nil).LogFail - m.gate.FailAt(m.plan.Alpha)
}

// passExcess is excess of a pass, which knows no stages: it judges all strata as
// one stage, so that no time is lost with the fails of each.
func (m *measure) passExcess(l *look, yT, yC []float64) float64 {
	g := *m.gate
	g.From = 0
	s := m.sample(l, yT, yC)
	for i := range s.Strata {
		s.Strata[i].Stage = 0
	}
	j := g.Judge(s, gate.Place{Stages: 1, Alpha: m.plan.Alpha}, nil)
	return j.LogPass - gate.PassAt(m.plan.Alpha)
}

// gaugeExcess is excess of a resource, by the normal mixture that its batches of
// windows come to (STATISTICS 3.5), levels being ratios of candidate to baseline.
func (m *measure) gaugeExcess(l *look, side side, yT []float64) float64 {
	worse, margin := m.worse(), math.Log(m.atMargin())
	one := source{variance: m.variance(1)}
	mix := func(first, last int, dir float64, p stats.Prior) float64 {
		n, sum := 0.0, 0.0
		for s := first; s <= last; s++ {
			n += l.nT[s]
			sum += l.nT[s] * math.Log(yT[s])
		}
		effective := m.effective(n)
		if effective < stats.MinEffective {
			return 0
		}
		info := n / one.variance
		return stats.LogENormalMix(normalised(dir*(sum/n-margin)*math.Sqrt(info), effective-1), info, p)
	}
	if side == passing {
		return mix(m.gate.From, l.stage, -worse, stats.Prior3(math.Abs(margin))) - gate.PassAt(m.plan.Alpha)
	}
	perStage := make([]float64, l.stage-m.gate.From+1)
	for i := range perStage {
		perStage[i] = mix(m.gate.From+i, m.gate.From+i, worse, stats.Prior3(levelPrior))
	}
	pooled := mix(m.gate.From, l.stage, worse, stats.Prior3(levelPrior))
	return stats.GateLogE(pooled, perStage, len(m.plan.Stages)-m.gate.From) - m.gate.FailAt(m.plan.Alpha)
}

// normalised is the standard normal distance that is as unlikely as one in units of
// an estimated standard error, by Wallace's approximation (STATISTICS 3.5).
func normalised(t, freedom float64) float64 {
	z := (8*freedom + 1) / (8*freedom + 3) * math.Sqrt(freedom*math.Log1p(t*t/freedom))
	return math.Copysign(z, t)
}

// levelPrior is the scale of the fail side of resources (STATISTICS 3.1).
const levelPrior = 0.1

// effective is the number of independent windows that n windows are worth.
func (m *measure) effective(n float64) float64 {
	return n * square(m.level.Spread) / m.variance(1)
}

// turnAt is the part of its distance from the margin by which a boundary moves
// before the slopes of its line are worked out anew.
const turnAt = 0.3

// lines are the boundaries of a verdict at all looks.
func (m *measure) lines(looks []look, side side) []line {
	out := make([]line, len(looks))
	guess, turned := 0.0, 0.0
	for i := range looks {
		l := &looks[i]
		if !m.begun(l) {
			continue
		}
		boundary, ok := m.boundary(l, side, guess)
		if !ok {
			continue
		}
		guess = boundary.distance
		moved := math.Abs(math.Log(boundary.distance / turned))
		if last := i - 1; last >= 0 && out[last].on && looks[last].stage == l.stage && moved < turnAt {
			out[i] = line{on: true, a: out[last].a, b: out[last].b}
		} else {
			out[i], turned = m.tangent(l, side, boundary), boundary.distance
		}
		out[i].level = m.through(l, &out[i], boundary)
	}
	return out
}

// begun reports whether a gate has anything to compare at a look.
func (m *measure) begun(l *look) bool {
	if l.stage < m.gate.From {
		return false
	}
	nT, nC := 0.0, 0.0
	for s := m.gate.From; s <= l.stage; s++ {
		nT, nC = nT+l.nT[s], nC+l.nC[s]
	}
	if m.gate.Kind == gate.Quantile && m.gate.Method != gate.None && nC < m.quantileBegins() {
		return false
	}
	return nT > 0 && (nC > 0 || m.gate.Method == gate.None)
}

// A boundary is where the evidence of a look is just enough, with the candidate
// at the same level in every stratum.
type boundary struct {
	distance float64 // of the candidate's level from the margin
	yT, yC   []float64
	excess   float64 // that is left, nearly 0
}

// boundary looks for the boundary at a look, from a guess of its distance (0 for
// none). It reports false where no level is far enough.
func (m *measure) boundary(l *look, side side, guess float64) (boundary, bool) {
	strata := len(l.nT)
	b := boundary{yT: make([]float64, strata), yC: make([]float64, strata)}
	for s := range b.yC {
		b.yC[s] = m.base
	}
	at := func(distance float64) float64 {
		y := m.beyond(distance, side)
		for s := range b.yT {
			b.yT[s] = y
		}
		return m.excess(l, side, b.yT, b.yC)
	}
	var ok bool
	if b.distance, ok = root(at, m.farthest(side), guess); ok {
		b.excess = at(b.distance)
	}
	return b, ok
}

// beyond is the level at a distance from the margin, on a logarithmic scale:
// towards harm for a fail, away from it for a pass.
func (m *measure) beyond(distance float64, side side) float64 {
	sign := m.worse()
	if side == passing {
		sign = -sign
	}
	return m.atMargin() * math.Exp(sign*distance)
}

// farthestMean is how far inside the margin a mean is looked for, in logs. Where
// it would have to be farther there are too few samples to speak of.
const farthestMean = 1.0

// farthest is the distance of the last level that can be.
func (m *measure) farthest(side side) float64 {
	if side == passing && m.gate.Kind == gate.Mean {
		return farthestMean
	}
	if (side == passing) == (m.worse() > 0) {
		return math.Log(m.atMargin() / (smallest * min(m.base, 1)))
	}
	return math.Abs(math.Log(m.worst() / m.atMargin()))
}

// root is where an increasing function of a distance reaches 0, sought from a
// guess; false when it does not before the farthest.
func root(f func(float64) float64, farthest, guess float64) (float64, bool) {
	if !(farthest > 0) {
		return 0, false
	}
	b := bracket{high: min(farthest, firstDistance)}
	if guess > 0 {
		b.high = min(farthest, guess)
	}
	b.atLow, b.atHigh = math.NaN(), f(b.high)
	for b.atHigh < 0 {
		if b.high >= farthest {
			return 0, false
		}
		b.low, b.atLow = b.high, b.atHigh
		b.high = min(farthest, widening*b.high)
		b.atHigh = f(b.high)
	}
	for next := b.high / widening; math.IsNaN(b.atLow); next /= widening {
		at := f(next)
		if at < 0 || next < leastDistance {
			b.low, b.atLow = next, at
		} else {
			b.high, b.atHigh = next, at
		}
	}
	return b.narrow(f), true
}

// Where a root is looked for.
const (
	firstDistance = 0.1
	leastDistance = 1e-7
	widening      = 1.5
)

// A bracket is two distances with a root between them.
type bracket struct{ low, high, atLow, atHigh float64 }

// near is how near to a threshold a log e-value is good enough.
const near = 0.01

// narrow finds the root by false position, halving the weight of an end that
// stays (Dowell and Jarratt, BIT 11, 1971).
func (b bracket) narrow(f func(float64) float64) float64 {
	last := 0
	for range 60 {
		if !(b.atLow < 0) || b.high-b.low < 1e-6*b.high {
			return b.high
		}
		x := b.high - b.atHigh*(b.high-b.low)/(b.atHigh-b.atLow)
		v := f(x)
		switch {
		case math.Abs(v) < near:
			return x
		case v < 0:
			b.low, b.atLow = x, v
			if last < 0 {
				b.atHigh *= 0.5
			}
			last = -1
		default:
			b.high, b.atHigh = x, v
			if last > 0 {
				b.atLow *= 0.5
			}
			last = 1
		}
	}
	return b.high
}

// Slopes are measured over a part of the distance from the margin, and never over
// much of a level.
const (
	nudge     = 0.05
	mostNudge = 0.02
)

// tangent is the line along which the evidence stays the same to first order in
// the sums of all strata. Both arms are moved a step away from the boundary, by
// which the curvature of the evidence makes both slopes too flat alike and leaves
// their ratio, which alone counts.
func (m *measure) tangent(l *look, side side, at boundary) line {
	strata := len(l.nT)
	out := line{on: true, a: make([]float64, strata), b: make([]float64, strata)}
	away := -m.worse() * min(nudge*at.distance, mostNudge)
	if side == passing {
		away = -away
	}
	slope := func(y []float64, s int, n, away float64) float64 {
		kept := y[s]
		y[s] *= math.Exp(away)
		change := m.excess(l, side, at.yT, at.yC) - at.excess
		sum := n * (m.source(y[s]).mean - m.source(kept).mean)
		y[s] = kept
		return change / sum
	}
	for s := m.gate.From; s < strata; s++ {
		if l.nT[s] > 0 {
			out.a[s] = slope(at.yT, s, l.nT[s], away)
		}
		if l.nC[s] > 0 && !m.windowed && !m.ceilingOnly() {
			out.b[s] = slope(at.yC, s, l.nC[s], -away)
		}
	}
	return out
}

// through is the sum at which a line of given slopes passes through a boundary.
func (m *measure) through(l *look, slopes *line, at boundary) float64 {
	sum := -at.excess
	for s := range slopes.a {
		sum += slopes.a[s]*l.nT[s]*m.source(at.yT[s]).mean + slopes.b[s]*l.nC[s]*m.source(at.yC[s]).mean
	}
	return sum
}
