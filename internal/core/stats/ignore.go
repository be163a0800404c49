package stats

import "math"

// LogEIgnoreFail returns the log e-value that the candidate's rate is beyond
// the relative margin lam0 and at a level that matters. The null hypothesis
// is: in every stratum the log ratio is at most lam0 or the candidate's rate is
// at most level.
//
// In each stratum the smaller of the two log-likelihood ratios (against the
// ratio, and against the level) is taken at a common shift u, inside the
// mixture. The result lies below the e-value of each assignment of the strata
// to the two nulls, so it is an e-process for all of them. The smaller of the
// two e-values of pooled strata would not be: harm in one stratum and level in
// another add up to a false alarm.
//
// A level of 0 ignores nothing, a level of 1 everything. The prior is meant to
// be Prior3(0.5). Degenerate input gives 0 as in LogERatio; so do more events
// than exposures.
func (c Counts) LogEIgnoreFail(lam0, level float64, p Prior) float64 {
	if level == 0 {
		return c.LogERatio(lam0, Up, p)
	}
	var store [stackStrata]lesser
	ls, ok := c.lessers(lam0, level, store[:0])
	if !ok || !p.usable() {
		return 0
	}
	return ls.logMix(p)
}

// LogEIgnorePass returns the log e-value that the candidate is inside the
// relative margin lam0 or below the level that matters: the mean of the
// e-value against "the log ratio is at least lam0", with the prior p, and of
// the one-sample e-value against "the candidate's rate is at least level" on
// the pooled counts, with Prior3(0.5). The null of a pass, ratio and level
// both exceeded in every stratum, lies in both nulls, and the mean of two
// e-processes is one (their maximum is not).
//
// p is the prior of the relative part alone, Prior3(|lam0|) as in LogERatio. A
// candidate without errors passes after about 6/level requests. A level of 0
// leaves the relative part alone; degenerate input gives 0 as in
// LogEIgnoreFail.
func (c Counts) LogEIgnorePass(lam0, level float64, p Prior) float64 {
	if level == 0 {
		return c.LogERatio(lam0, Down, p)
	}
	if !(level > 0 && level < 1) || !isFinite(lam0) || !p.usable() {
		return 0
	}
	candidate := Stratum{}
	for _, s := range c.Strata {
		if !s.possible() || !s.bounded() {
			return 0
		}
		candidate.NT += s.NT
		candidate.KT += s.KT
	}
	relative := c.LogERatio(lam0, Down, p)
	absolute := LogEBernoulli(candidate.KT, candidate.NT, level, c.Phi, Down, ignorePrior)
	return LogMeanExp([]float64{relative, absolute})
}

// ignorePrior is the prior of the absolute part of LogEIgnorePass.
var ignorePrior = Prior3(0.5)

// lesser is the smaller of two tilts of one stratum. They are equal at u = 0
// and at most once more.
type lesser struct {
	near, far tilt    // the smaller one before and after crossing
	crossing  float64 // +Inf when the tilts do not cross again
}

// at returns the smaller tilt at u.
func (l *lesser) at(u float64) *tilt {
	if u <= l.crossing {
		return &l.near
	}
	return &l.far
}

// newLesser returns the smaller of the tilts of the ratio and of the level.
func newLesser(ratio, level tilt) lesser {
	// Near 0 the tilt with the smaller slope is the smaller one.
	ratioSlope, _ := ratio.slope(newShift(0))
	levelSlope, _ := level.slope(newShift(0))
	near, far := ratio, level
	if levelSlope < ratioSlope {
		near, far = level, ratio
	}
	return lesser{near: near, far: far, crossing: crossing(&near, &far)}
}

// crossing returns the point u > 0 beyond which far is the smaller tilt, +Inf
// when there is none. The difference far-near rises first; its slope changes
// sign at most once, because the ratio of two logistic functions is monotone.
func crossing(near, far *tilt) float64 {
	difference := func(u float64) float64 {
		s := newShift(u)
		return far.value(u, s) - near.value(u, s)
	}
	lo, hi := 0.0, 1.0/64
	for difference(hi) >= 0 {
		if hi > expLimit {
			return math.Inf(1)
		}
		lo, hi = hi, 2*hi
	}
	u := hi
	for range 100 {
		v := difference(u)
		if v >= 0 {
			lo = u
		} else {
			hi = u
		}
		s := newShift(u)
		ofFar, _ := far.slope(s)
		ofNear, _ := near.slope(s)
		next := u - v/(ofFar-ofNear)
		if !(next > lo && next < hi) {
			next = lo + 0.5*(hi-lo)
		}
		if math.Abs(next-u) <= 1e-14*u {
			break
		}
		u = next
	}
	return u
}

// lessers is a sum of lessers with a common u, divided by the dispersion.
type lessers struct {
	strata []lesser
	phi    float64
}

// lessers returns the strata at the margin and the level, and false when there
// is none, or one that cannot be.
func (c Counts) lessers(lam0, level float64, dst []lesser) (lessers, bool) {
	phi, ok := c.dispersion()
	if !ok || !isFinite(lam0) || !(level > 0 && level < 1) {
		return lessers{}, false
	}
	for _, s := range c.Strata {
		if !s.possible() || !s.bounded() {
			return lessers{}, false
		}
		if !s.comparable() {
			continue
		}
		s = s.clamped()
		ratio := newTilt(s.KT, s.KT+s.KC, math.Log(s.NT/s.NC)+lam0, 1)
		dst = append(dst, newLesser(ratio, newTilt(s.KT, s.NT, logit(level), 1)))
	}
	return lessers{strata: dst, phi: phi}, len(dst) > 0
}

func (ls *lessers) value(u float64) float64 {
	s := newShift(u)
	v := 0.0
	for i := range ls.strata {
		v += ls.strata[i].at(u).value(u, s)
	}
	return v / ls.phi
}

func (ls *lessers) slope(u float64) (first, second float64) {
	s := newShift(u)
	for i := range ls.strata {
		g, h := ls.strata[i].at(u).slope(s)
		first += g
		second += h
	}
	return first / ls.phi, second / ls.phi
}

// curve returns the sum of lessers as a curve. Its kinks are kept in dst.
func (ls *lessers) curve(dst []float64) curve {
	for i := range ls.strata {
		dst = append(dst, ls.strata[i].crossing)
	}
	return curve{value: ls.value, slope: ls.slope, end: math.Inf(1), unit: tiltUnit, kinks: dst}
}

// logMix returns the log e-value of the sum of lessers.
func (ls *lessers) logMix(p Prior) float64 {
	var store [stackStrata]float64
	c := ls.curve(store[:0])
	return c.logMix(p)
}
