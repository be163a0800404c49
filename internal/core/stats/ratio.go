package stats

import "math"

// LogERatio returns the log e-value against a margin on the ratio of the arms'
// event rates (Engine R). The null hypothesis is, with dir Up, that the log
// ratio of candidate to baseline is at most lam0 in every stratum; with dir
// Down, that it is at least lam0.
//
// Given that an event happened, and the exposures of its stratum, it is the
// candidate's with probability q exp(lam)/(1 + q exp(lam)), where q is the
// ratio of the exposures and lam the log ratio of the rates, whatever the rate
// itself and however it drifts with time (Lindon and Malek, arXiv:2011.03567).
// The likelihood ratio against lam0 is averaged over the prior p on the
// distance beyond lam0.
//
// Strata without an event or with an empty arm are skipped; with nothing left,
// and for input that cannot be, the answer is 0, no verdict.
func (c Counts) LogERatio(lam0 float64, dir Dir, p Prior) float64 {
	var store [stackStrata]tilt
	ts, ok := c.ratioTilts(lam0, dir.sign(), store[:0])
	if !ok || !p.usable() || dir.sign() == 0 {
		return 0
	}
	return ts.logMix(p)
}

// ratioTilts returns the strata as binomial tilts at the margin lam0, and false
// when there is none, or one that cannot be.
func (c Counts) ratioTilts(lam0, sign float64, dst []tilt) (tilts, bool) {
	phi, ok := c.dispersion()
	if !ok || !isFinite(lam0) {
		return tilts{}, false
	}
	for _, s := range c.Strata {
		if !s.possible() {
			return tilts{}, false
		}
		k := s.KT + s.KC
		if k == 0 || !s.comparable() {
			continue
		}
		dst = append(dst, newTilt(s.KT, k, math.Log(s.NT/s.NC)+lam0, sign))
	}
	return tilts{terms: dst, phi: phi}, len(dst) > 0
}

// RatioMLE returns the maximum likelihood estimate of the log ratio of the
// event rates, candidate to baseline, common to all strata. It is -Inf when
// only the baseline has events, +Inf when only the candidate has, and 0 when
// there is nothing to estimate.
func (c Counts) RatioMLE() float64 {
	var store [stackStrata]tilt
	ts, ok := c.ratioTilts(0, 1, store[:0])
	if !ok {
		return 0
	}
	candidate, baseline, start := c.mantelHaenszel()
	if candidate == 0 {
		return math.Inf(-1)
	}
	if baseline == 0 {
		return math.Inf(1)
	}
	ts.phi = 1
	if !isFinite(start) {
		start = 0
	}
	return newtonRoot(start, func(lam float64) (float64, float64) { return ts.slopeAt(lam) })
}

// slopeAt is slope for either sign of the shift.
func (ts *tilts) slopeAt(w float64) (first, second float64) {
	if w >= 0 {
		return ts.slope(w)
	}
	s := newShift(-w)
	s.up, s.down = s.down, s.up
	for i := range ts.terms {
		g, h := ts.terms[i].slope(s)
		first += g
		second += h
	}
	return first / ts.phi, second / ts.phi
}

// mantelHaenszel returns the events of each arm in the strata that can be
// compared, and the Mantel-Haenszel estimate of the log ratio.
func (c Counts) mantelHaenszel() (candidate, baseline, logRatio float64) {
	num, den := 0.0, 0.0
	for _, s := range c.Strata {
		if !s.comparable() {
			continue
		}
		candidate += s.KT
		baseline += s.KC
		n := s.NT + s.NC
		num += s.KT * (s.NC / n)
		den += s.KC * (s.NT / n)
	}
	return candidate, baseline, math.Log(num / den)
}

// newtonRoot returns the root of a decreasing function, given with its
// derivative, by Newton's method inside a bracket that grows from start.
func newtonRoot(start float64, f func(x float64) (value, slope float64)) float64 {
	lo, hi := math.Inf(-1), math.Inf(1)
	x := start
	for range 200 {
		v, d := f(x)
		if v > 0 {
			lo = x
		} else {
			hi = x
		}
		next := x - v/d
		switch {
		case next > lo && next < hi && math.Abs(next-x) < 64:
		case math.IsInf(hi, 1):
			next = lo + 1 + math.Abs(lo)
		case math.IsInf(lo, -1):
			next = hi - 1 - math.Abs(hi)
		default:
			next = lo + 0.5*(hi-lo)
		}
		if math.Abs(next-x) <= 1e-12*(1+math.Abs(next)) {
			return next
		}
		x = next
	}
	return x
}
