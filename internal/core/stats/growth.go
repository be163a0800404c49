package stats

import "math"

// Growth says how fast evidence grows where the counts are what they are
// expected to be. It is the common language of plans: whatever the kind of
// margin, the log-likelihood ratio of n requests is n times that of one, and its
// height at the truth is the divergence between truth and margin.
type Growth struct {
	// Drift is the distance of the truth from the margin, in the units of the
	// prior: the distance in standard errors per root of the information.
	Drift float64
	// Info is the information that one request brings.
	Info float64
	// Spread is the standard deviation of the distance in standard errors. It is
	// 1 near the margin, and more far beyond it, where few events decide.
	Spread float64
	// Overshoot is by how much (in nats) evidence lies beyond a threshold when it
	// crosses, because it grows by events and not continuously.
	Overshoot float64
	// logE is the log e-value that so many requests are expected to bring.
	logE func(requests float64, p Prior) float64
}

// walk returns how evidence grows as a random walk, and false when it does not.
func (g Growth) walk() (walk, bool) {
	w := walk{drift: g.Drift, spread: g.Spread, raise: g.Overshoot}
	return w, g.Info > 0 && g.Drift > 0 && isFinite(g.Overshoot) && w.possible()
}

// shortfall returns by how much (in nats) the evidence of the expected counts is
// less than that of a normal mixture with the same height: where a likelihood
// is no parabola, as with no event at all, more or less of the prior is under
// it.
func (g Growth) shortfall(requests float64, p Prior) float64 {
	if g.logE == nil {
		return 0
	}
	info := g.Info * requests
	short := LogENormalMix(g.Drift*math.Sqrt(info), info, p) - g.logE(requests, p)
	if math.IsNaN(short) {
		return 0
	}
	return max(-mostShort, min(short, mostShort))
}

// mostShort is the largest shortfall that is believed.
const mostShort = 5

// RatioGrowth returns the growth of LogERatio. The counts are those that one
// request is expected to bring, so the exposures are the candidate's share and
// the rest.
func (c Counts) RatioGrowth(lam0 float64, dir Dir) Growth {
	return c.growth(func(c Counts) (curve, bool) {
		ts, ok := c.ratioTilts(lam0, dir.sign(), nil)
		return ts.curve(), ok && dir.sign() != 0
	})
}

// DiffGrowth returns the growth of LogEDiff for the counts of one request.
func (c Counts) DiffGrowth(a, m float64, dir Dir) Growth {
	return c.growth(func(c Counts) (curve, bool) {
		ps, ok := c.profiles(a, m, dir.sign(), nil)
		x := ps.curve()
		if ok {
			x.end, x.kinks, x.bends = ps.shape(nil)
		}
		return x, ok && dir.sign() != 0
	})
}

// IgnoreGrowth returns the growth of LogEIgnoreFail for the counts of one
// request. LogEIgnorePass is a mean: it grows by the faster one of RatioGrowth
// and BernoulliGrowth, and loses ln 2.
func (c Counts) IgnoreGrowth(lam0, level float64) Growth {
	return c.growth(func(c Counts) (curve, bool) {
		ls, ok := c.lessers(lam0, level, nil)
		return ls.curve(nil), ok
	})
}

// BernoulliGrowth returns the growth of LogEBernoulli for the events and the
// trials of one request.
func BernoulliGrowth(k, n, p0, phi float64, dir Dir) Growth {
	one := Counts{Strata: []Stratum{{NT: n, KT: k}}, Phi: phi}
	return one.growth(func(c Counts) (curve, bool) {
		s := c.Strata[0]
		scale, ok := c.dispersion()
		ok = ok && s.possible() && s.NT > 0 && s.bounded() && p0 > 0 && p0 < 1 && dir.sign() != 0
		ts := tilts{terms: []tilt{newTilt(min(s.KT, s.NT), s.NT, logit(p0), dir.sign())}, phi: scale}
		return ts.curve(), ok
	})
}

// many is how many requests are looked at together, so that the tolerances of a
// likelihood, which are in nats, do not matter.
const many = 1e8

// growth returns the growth of the log-likelihood ratio that build makes of
// counts.
func (c Counts) growth(build func(Counts) (curve, bool)) Growth {
	height, mode := c.summit(build)
	if !(height > 0) || !(mode > 0) || !isFinite(height) || !isFinite(mode) {
		return Growth{}
	}
	// The parabola that is as high as the likelihood at the truth and has its
	// foot at the margin.
	variance, overshoot := c.jumps(build, height)
	return Growth{
		Drift:     mode,
		Info:      2 * height / (mode * mode),
		Spread:    math.Sqrt(variance / (2 * height)),
		Overshoot: overshoot,
		logE: func(requests float64, p Prior) float64 {
			x, ok := build(c.times(requests))
			if !ok || !p.usable() {
				return 0
			}
			return x.logMix(p)
		},
	}
}

// summit returns the height of the log-likelihood ratio of one request, and at
// which distance a parabola of that height would have its top.
func (c Counts) summit(build func(Counts) (curve, bool)) (height, mode float64) {
	x, ok := build(c.times(many))
	if !ok {
		return 0, 0
	}
	mode = min(x.mode(0, 0), ratioLimit)
	for _, kink := range x.kinks {
		// Newton's method stops before a kink that is the summit.
		if kink > 0 && kink < x.end && x.value(kink) > x.value(mode) {
			mode = kink
		}
	}
	top := x.value(mode)
	return top / many, min(mode, x.rises(0.98*top, mode)/parabola98)
}

// parabola98 is the share of the distance to its top at which a parabola has
// risen to 98 % of its height.
const parabola98 = 0.85857864

// rises returns the point before top at which the curve reaches a height.
func (c *curve) rises(height, top float64) float64 {
	low, high := 0.0, top
	for range 60 {
		if mid := 0.5 * (low + high); c.value(mid) < height {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// jumps returns the variance of the height that one request brings, by its slope
// in each count, and the mean overshoot of a sum of such steps: half of the
// mean square of the steps up over their mean (renewal theory; Siegmund,
// Sequential Analysis, 1985, section 8.2). Dispersed events come in clumps of
// phi.
func (c Counts) jumps(build func(Counts) (curve, bool), height float64) (variance, overshoot float64) {
	const nudge = 1e-4
	phi, _ := c.dispersion()
	up, up2 := 0.0, 0.0
	for i, s := range c.Strata {
		for arm, k := range []float64{s.KT, s.KC} {
			n := []float64{s.NT, s.NC}[arm]
			if !(k > 0) || k >= n {
				continue
			}
			by := nudge * min(k, n-k)
			more := Counts{Strata: append([]Stratum(nil), c.Strata...), Phi: c.Phi}
			if arm == 0 {
				more.Strata[i].KT += by
			} else {
				more.Strata[i].KC += by
			}
			higher, _ := more.summit(build)
			slope := (higher - height) / by
			variance += phi * k * (1 - k/n) * slope * slope
			if slope > 0 {
				up += k * slope
				up2 += k * slope * slope * max(phi, 1)
			}
		}
	}
	if up > 0 {
		overshoot = 0.5 * up2 / up
	}
	return variance, overshoot
}

// times returns the counts of so many requests.
func (c Counts) times(n float64) Counts {
	r := Counts{Strata: make([]Stratum, 0, len(c.Strata)), Phi: c.Phi}
	for _, s := range c.Strata {
		r.Strata = append(r.Strata, Stratum{NT: n * s.NT, KT: n * s.KT, NC: n * s.NC, KC: n * s.KC})
	}
	return r
}
