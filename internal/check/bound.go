package check

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/oneshot"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// finite is a number that can be shown, or nothing.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// bound is what is known of the change, or of the level where there is no margin.
func (t *trial) bound(anytime bool) *Bound {
	if t.Judged.Method == gate.None {
		return t.level(anytime)
	}
	if anytime {
		g := t.Judged
		b := g.Bound(t.View(t.seen), &t.judgement, gate.Place{Stages: 1, Alpha: t.safeAt})
		out := &Bound{Of: Change, Relative: b.Relative, Estimate: finite(b.Estimate), Lower: finite(b.Lower), Upper: finite(b.Upper)}
		out.Baseline, out.Candidate = t.levels()
		return out
	}
	p := t.parts[0]
	fail := oneshot.Bound(p.test, t.harmAt/float64(len(t.parts)), p.worse)
	pass := oneshot.Bound(p.test, t.safeAt, -p.worse)
	out := &Bound{Of: Change, Relative: t.Judged.Kind != gate.Drift && (t.Judged.Method != gate.Difference || t.Judged.Slope != 1)}
	out.Baseline, out.Candidate = t.levels()
	out.Estimate = t.shown(p.test.Estimate(), out.Baseline)
	if est := p.test.Estimate(); math.IsInf(est, -1) && t.Judged.Method != gate.Difference {
		out.Estimate = new(-1.0) // None of the candidate's is all of it less.
	}
	out.Lower, out.Upper = t.shown(fail, out.Baseline), t.shown(pass, out.Baseline)
	if harmIsDown(&t.Judged) {
		out.Lower, out.Upper = out.Upper, out.Lower
	}
	return out
}

// shown turns what a test measures into the change that people read.
func (t *trial) shown(x float64, baseline *float64) *float64 {
	g := &t.Judged
	switch {
	case math.IsInf(x, 0) || math.IsNaN(x):
		return nil
	case g.Kind == gate.Drift:
		return &x
	case g.Method != gate.Difference:
		return finite(math.Expm1(x))
	case g.Slope == 1 && g.Complement:
		return new(-x)
	case g.Slope == 1:
		return &x
	case baseline == nil:
		return nil
	case t.paired:
		return finite(-x / *baseline)
	}
	// The bad event is at x + Slope*(1-baseline), so the success is at one less that.
	return finite((1-x-g.Slope*(1-*baseline)) / *baseline - 1)
}

// levels are the metric itself at both arms.
func (t *trial) levels() (baseline, candidate *float64) {
	p, sum := &t.scope.Pairs, total(&t.counts)
	switch {
	case t.Judged.Kind == gate.Drift:
		return nil, nil
	case t.paired && t.Judged.Kind == gate.Mean:
		return finite(p.Values.X / p.N), finite(p.Values.Y / p.N)
	case t.paired:
		return finite((p.Both + p.OnlyC) / p.N), finite((p.Both + p.OnlyT) / p.N)
	case t.exact():
		return finite(quantile(t.scope.Times[split.Baseline], t.Judged.Quantile)), finite(quantile(t.scope.Times[split.Candidate], t.Judged.Quantile))
	}
	b := t.Judged.Levels(t.View(t.seen), &gate.Judgement{Sample: t.counts, Total: sum})
	if sum.NC > 0 {
		baseline = finite(b.Baseline)
	}
	return baseline, finite(b.Candidate)
}

// level is the candidate's metric with its bounds.
func (t *trial) level(anytime bool) *Bound {
	out := &Bound{Of: Level}
	out.Baseline, out.Candidate = t.levels()
	out.Estimate = out.Candidate
	if len(t.Judged.Ceilings) == 0 || t.Judged.Kind == gate.Quantile {
		return out
	}
	ceiling := t.ceilings()[0]
	n := float64(len(t.Judged.Ceilings))
	var fail, pass float64
	if c, ok := ceiling.test.(oneshot.Ceiling); ok && anytime {
		prior := stats.Prior3(0.5)
		fail = stats.BernoulliBound(c.K, c.N, c.Phi, -math.Log(t.harmAt/n), stats.Up, prior)
		pass = stats.BernoulliBound(c.K, c.N, c.Phi, -math.Log(t.safeAt), stats.Down, prior)
	} else if !anytime {
		fail, pass = oneshot.Bound(ceiling.test, t.harmAt/n, ceiling.worse), oneshot.Bound(ceiling.test, t.safeAt, -ceiling.worse)
	} else {
		return out
	}
	if t.Judged.Kind == gate.Rate && t.Judged.Ceilings[0].Complement {
		fail, pass = 1-fail, 1-pass // The bad event is that it does not happen.
	}
	out.Lower, out.Upper = finite(min(fail, pass)), finite(max(fail, pass))
	return out
}

// quantile is the least duration that so large a share of them does not exceed,
// NaN of none.
func quantile(times []float64, tau float64) float64 {
	if len(times) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[max(0, min(int(math.Ceil(tau*float64(len(times))-1e-9))-1, len(times)-1))]
}
