package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Bound is what the evidence says of the change from baseline to candidate,
// for people. The change of a rate or a latency is relative (0.2 for +20 %) or,
// where the margin is a difference, in the unit of the rate (0.01 for +1pp).
type Bound struct {
	Relative bool    `json:"relative"`
	Estimate float64 `json:"estimate"`
	// The distance of a drift is plain, from 0 to 1.
	//
	// Lower and Upper enclose the change: the side towards harm is beyond its
	// bound with an e-value below the fail threshold, the other below the pass
	// threshold. They are infinite when the evidence does not bound that side.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	// Estimate is NaN where an arm has nothing to compare.
	//
	// Baseline and Candidate are the metric itself: a rate, or a latency in
	// seconds. The baseline's is weighted like the candidate's exposures, so
	// that like is compared with like when the weight has changed.
	Baseline  float64 `json:"baseline"`
	Candidate float64 `json:"candidate"`
}

// AtLeast is the least harm that is proven, in the direction of harm.
func (b Bound) AtLeast(g *Gate) float64 {
	if g.harmIsDown() {
		return b.Upper
	}
	return b.Lower
}

// harmIsDown reports whether the displayed metric is worse when it is lower.
func (g *Gate) harmIsDown() bool { return g.Complement || g.Worse == stats.Down }

// Bound works out the bounds of a judgement by inverting the gate's own
// e-values over the margin. It is costly beside Judge, so it is asked for only
// when somebody looks.
func (g *Gate) Bound(v View, j *Judgement, at Place) Bound {
	if g.Kind == Drift && g.Method != None && at.Stage >= g.From {
		return g.driftBound(j, at)
	}
	b := g.Levels(v, j)
	if g.Method == None || j.Total.NT == 0 || j.Total.NC == 0 {
		b.Lower, b.Upper = math.Inf(-1), math.Inf(1)
		return b
	}
	inv := inversion{gate: g, view: v, judgement: j, place: at}
	if g.Kind == Quantile {
		return inv.quantile(b)
	}
	return inv.rate(b)
}

// inversion looks for the margins at which the e-values reach their thresholds.
type inversion struct {
	gate      *Gate
	view      View
	judgement *Judgement
	place     Place
}

// tests are the tests of a stage or of all.
type tests func(stage int) test

// fail is the gate's own fail e-value at the margin x by the tests given, less
// its threshold. A ceiling that is broken says nothing of the
// margin, so it lends no evidence then.
func (inv inversion) fail(of tests, x float64) float64 {
	g := inv.gate
	perStage := make([]float64, len(inv.judgement.PerStage))
	for i := range perStage {
		perStage[i] = of(g.From + i).fail(x)
	}
	e, at := stats.GateLogE(of(all).fail(x), perStage, inv.place.Stages-g.From), g.FailAt(inv.place.Alpha)
	if len(g.Ceilings) == 0 {
		return e - at
	}
	if ceiling := inv.judgement.Ceiling; ceiling-math.Ln2 < at {
		return stats.LogMeanExp([]float64{e, ceiling}) - at
	}
	return e - math.Ln2 - at
}

// pass is the pass e-value, less its threshold.
func (inv inversion) pass(of tests, x float64) float64 {
	return of(all).pass(x) - PassAt(inv.place.Alpha)
}

// rate inverts over the log-ratio or the shift.
func (inv inversion) rate(b Bound) Bound {
	g, s := inv.gate, &inv.judgement.Sample
	of := func(stage int) test { return g.test(s, stage) }
	r := g.reach(of(all))
	// Harm grows with Worse; the fail bound lies on the side away from it.
	harmless, harmful := r.low, r.high
	if g.Worse == stats.Down {
		harmless, harmful = harmful, harmless
	}
	excess := func(x float64) float64 { return inv.fail(of, x) }
	from := r.from
	if excess(from) >= 0 {
		// One stage alone proves more than all strata together suggest.
		from = harmful
	}
	fail := frontier(excess, from, g.until(excess, harmless))
	proven := func(x float64) float64 { return inv.pass(of, x) }
	pass := frontier(proven, r.from, g.until(proven, harmful))
	return b.between(g, g.change(fail, b.Baseline), g.change(pass, b.Baseline))
}

// until is how far to look for a bound: as far as makes sense, or up to the
// margin where the evidence reaches that. Far from the estimate the evidence of
// a mean falls again, because the baseline's variance is scaled with it.
func (g *Gate) until(excess func(float64) float64, farthest float64) float64 {
	if m := g.margin(); excess(m) >= 0 {
		return m
	}
	return farthest
}

// reach is where margins are looked for: from the most likely change as far as
// a margin makes sense.
type reach struct{ from, low, high float64 }

// A shift keeps a hair's breadth from the ends of what is possible, and no
// log-ratio beyond e^20 is worth knowing.
const (
	hair     = 1e-9
	farthest = 20.0
)

func (g *Gate) reach(t test) reach {
	r := reach{low: -farthest, high: farthest}
	if g.Method == Difference {
		r = reach{low: -g.Slope + hair, high: 1 - hair}
	}
	if r.from = t.estimate(); math.IsNaN(r.from) {
		r.from = 0
	}
	r.from = min(max(r.from, r.low), r.high)
	if g.Kind == Mean {
		r.low, r.high = r.from-1, r.from+1
	}
	return r
}

// frontier is the margin nearest to from, towards limit, at which the e-value
// reaches its threshold; infinite when it does not.
func frontier(logE func(float64) float64, from, limit float64) float64 {
	if from == limit {
		return math.Inf(int(math.Copysign(1, limit)))
	}
	s := stats.Search{Start: from, Step: math.Abs(limit-from) / 1024, Limit: limit}
	return s.Frontier(0, logE)
}

// change turns a log-ratio or a shift of the bad event into the displayed
// change, relative to the baseline's rate where the margin is.
func (g *Gate) change(x, baseline float64) float64 {
	switch {
	case g.Method != Difference:
		return math.Expm1(x)
	case !g.Complement:
		return x
	case g.Slope == 1:
		return -x
	}
	// The bad event is at x + Slope*(1-baseline), so the success is at one less that.
	success := 1 - x - g.Slope*(1-baseline)
	if baseline == 0 && success <= 0 {
		return 0 // Nothing of nothing.
	}
	return success/baseline - 1
}

// between sets the two bounds: the fail side is the lower one where more is
// worse, the upper one where less is. Strata that contradict each other can
// leave Lower above Upper: then harm is proven in a stage and denied by the
// whole, and the fail side is the one that counts.
func (b Bound) between(g *Gate, fail, pass float64) Bound {
	b.Lower, b.Upper = fail, pass
	if g.harmIsDown() {
		b.Lower, b.Upper = pass, fail
	}
	return b
}

// quantile inverts over whole steps of the sketch, at which every exceedance
// count is exact.
func (inv inversion) quantile(b Bound) Bound {
	g := inv.gate
	base := inv.view.Layout.Sketches[g.Sketch]
	at := func(x float64) tests { return inv.shifted(int32(math.Round(x))) }
	from := math.Log1p(b.Estimate) / float64(base)
	if math.IsNaN(from) || math.IsInf(from, 0) {
		from = 0
	}
	span := 7 / float64(base) // a factor of a thousand
	fail := frontier(func(x float64) float64 { return inv.fail(at(x), 0) }, from, from-float64(g.Worse)*span)
	pass := frontier(func(x float64) float64 { return inv.pass(at(x), 0) }, from, from+float64(g.Worse)*span)
	ratio := func(steps float64) float64 { return math.Expm1(steps * float64(base)) }
	// The step at which the bound holds, not between two.
	if g.Worse == stats.Up {
		return b.between(g, ratio(math.Floor(fail+1e-9)), ratio(math.Ceil(pass-1e-9)))
	}
	return b.between(g, ratio(math.Ceil(fail-1e-9)), ratio(math.Floor(pass+1e-9)))
}

// shifted returns the counts of the sample at another margin, in steps.
func (inv inversion) shifted(steps int32) tests {
	g := inv.gate
	s := Sample{Dispersion: inv.judgement.Sample.Dispersion, Stages: inv.judgement.Sample.Stages}
	i := 0
	inv.view.active(g, func(_ int, stratum *evidence.Stratum) {
		if i == len(inv.judgement.Sample.Strata) {
			return // The evidence has gone on since it was judged.
		}
		slice := inv.judgement.Sample.Strata[i]
		if slice.Edge != 0 {
			t := &stratum.Sides[split.Candidate].Latency[g.Sketch]
			slice.Counts.KT = float64(t.Above(slice.Edge + steps))
		}
		s.Strata = append(s.Strata, slice)
		i++
	})
	return func(stage int) test { return g.test(&s, stage) }
}

// Levels is the part of Bound that costs little: the metric of both arms and the
// estimate of the change, without the bounds.
func (g *Gate) Levels(v View, j *Judgement) Bound {
	b := Bound{Relative: g.Method != Difference || g.Slope != 1}
	switch g.Kind {
	case Quantile:
		b.Baseline, b.Candidate = g.quantileLevels(v)
		b.Estimate = b.Candidate/b.Baseline - 1
		return b
	case Drift:
		return driftLevels(j)
	case Mean:
		b.Baseline, b.Candidate = j.Sample.means(all).Levels()
	case Gauge:
		b.Baseline, b.Candidate = gaugeLevels(j.Sample.gauges(all))
	case Rate:
		b.Baseline, b.Candidate = g.rateLevels(&j.Sample)
	}
	// The most likely change common to the strata, which the bounds enclose; that
	// between the levels may lie outside them when a stratum has few requests on
	// one arm.
	b.Estimate = g.change(g.test(&j.Sample, all).estimate(), b.Baseline)
	return b
}

// rateLevels are the rates of the series' event, the baseline's weighted by the
// candidate's exposures.
func (g *Gate) rateLevels(s *Sample) (baseline, candidate float64) {
	var n, kT, kC float64
	for _, slice := range s.Strata {
		c := slice.Counts
		if c.NT <= 0 || c.NC <= 0 {
			continue
		}
		n += c.NT
		kT += c.KT
		kC += c.NT * c.KC / c.NC
	}
	if n == 0 {
		total := s.total(all)
		n, kT, kC = 1, ratio(total.KT, total.NT), ratio(total.KC, total.NC)
	}
	baseline, candidate = kC/n, kT/n
	if g.Complement {
		return 1 - baseline, 1 - candidate
	}
	return baseline, candidate
}

func ratio(k, n float64) float64 {
	if n == 0 {
		return 0
	}
	return k / n
}

// quantileLevels are the arms' quantiles in seconds, averaged over the strata by
// the candidate's exposures.
func (g *Gate) quantileLevels(v View) (baseline, candidate float64) {
	base := v.Layout.Sketches[g.Sketch]
	var n float64
	v.active(g, func(_ int, s *evidence.Stratum) {
		t, c := &s.Sides[split.Candidate].Latency[g.Sketch], &s.Sides[split.Baseline].Latency[g.Sketch]
		w := float64(t.Total())
		if w == 0 || c.Total() == 0 {
			return
		}
		n += w
		candidate += w * t.Quantile(base, g.Quantile).Seconds()
		baseline += w * c.Quantile(base, g.Quantile).Seconds()
	})
	if n == 0 {
		return 0, 0
	}
	return baseline / n, candidate / n
}
