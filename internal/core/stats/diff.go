package stats

import (
	"cmp"
	"math"
	"slices"
)

// DiffPassFloor is the least expected number of events, at a rate of the
// margin itself, that both arms must have room for before a stratum can help to
// pass a difference: a*min(NT, NC)/phi. With fewer, the baseline's rate is so
// badly known that it can take the blame for any rate of the candidate, and the
// profile likelihood forgets what spoke against a pass (simulated false passes
// up to 10 % without the floor, below 3 % with it).
const DiffPassFloor = 3

// LogEDiff returns the log e-value against a margin that is affine in the
// baseline's rate of the bad event (Engine D). The null hypothesis is, with dir
// Up, p_T <= a + m*p_C in every stratum; with dir Down, p_T >= a + m*p_C. A
// difference of delta is a = delta, m = 1; a success rate that may fall to the
// share s of the baseline's is a = 1-s, m = s on the failures.
//
// p_C is a nuisance of each stratum and is profiled out, so that l(b), the
// log-likelihood of p_T = b + m*p_C, is concave; the ratio exp(l(a+u)-l(a)) is
// averaged over the prior p on the distance u. Unlike a bound on p_C this costs
// no alpha, and with no event at a large baseline it becomes the one-sample
// test of p_T against a.
//
// With dir Down, strata that have not reached DiffPassFloor may take evidence
// away but not add any; while none has reached it, the answer is at most 0, no
// pass. Strata with an empty arm are skipped; with nothing left, a not strictly
// between -m and 1, and for input that cannot be, the answer is 0.
func (c Counts) LogEDiff(a, m float64, dir Dir, p Prior) float64 {
	var store [stackStrata]profile
	ps, ok := c.profiles(a, m, dir.sign(), store[:0])
	if !ok || !p.usable() || dir.sign() == 0 {
		return 0
	}
	if dir != Down {
		return ps.logMix(p)
	}
	logE := ps.logPass(p)
	if a < c.diffFloor() {
		return min(logE, 0)
	}
	return logE
}

// diffFloor returns the smallest difference that may be passed.
func (c Counts) diffFloor() float64 {
	phi, _ := c.dispersion()
	room := 0.0
	for _, s := range c.Strata {
		if s.comparable() {
			room = max(room, min(s.NT, s.NC))
		}
	}
	return DiffPassFloor * max(phi, 1) / room
}

// logPass returns the log e-value of a pass: the least of those of all strata, of
// all but those with the least room, and so on until all that are left have
// reached the floor. That is at most the e-value of the strata that have, and
// falls with the margin as each of these e-values does. It reorders the strata.
// That one of them has reached the floor is for the caller to see to.
func (ps *profiles) logPass(p Prior) float64 {
	room := func(r *profile) float64 { return min(r.kT+r.fT, r.kC+r.fC) }
	slices.SortStableFunc(ps.strata, func(x, y profile) int { return cmp.Compare(room(&y), room(&x)) })
	enough := DiffPassFloor * max(ps.phi, 1)
	left := *ps
	least := left.logMix(p)
	for {
		last := room(&left.strata[len(left.strata)-1])
		if ps.a >= enough/last {
			return least
		}
		for len(left.strata) > 0 && room(&left.strata[len(left.strata)-1]) == last {
			left.strata = left.strata[:len(left.strata)-1]
		}
		if len(left.strata) == 0 {
			return least
		}
		least = min(least, left.logMix(p))
	}
}

// profiles is a sum of profiles at the boundary a + sign*u, divided by the
// dispersion.
type profiles struct {
	strata     []profile
	phi        float64
	a, m, sign float64
}

// profiles returns the strata at the margin, and false when there is none, or
// one that cannot be.
func (c Counts) profiles(a, m, sign float64, dst []profile) (profiles, bool) {
	phi, ok := c.dispersion()
	if !ok || !(m > 1e-9 && m < 1e9) || !(a > -m && a < 1) {
		return profiles{}, false
	}
	for _, s := range c.Strata {
		if !s.possible() || !s.bounded() {
			return profiles{}, false
		}
		if s.comparable() {
			dst = append(dst, newProfile(s, a, m))
		}
	}
	return profiles{strata: dst, phi: phi, a: a, m: m, sign: sign}, len(dst) > 0
}

func (ps *profiles) value(u float64) float64 {
	b := ps.a + ps.sign*u
	v := 0.0
	for i := range ps.strata {
		v += ps.strata[i].value(b)
	}
	return v / ps.phi
}

func (ps *profiles) slope(u float64) (first, second float64) {
	b := ps.a + ps.sign*u
	for i := range ps.strata {
		g, h := ps.strata[i].slope(b)
		first += g
		second += h
	}
	return ps.sign * first / ps.phi, second / ps.phi
}

// curve returns the sum of profiles as a curve without its shape. It is small
// enough to be inlined, which keeps the profiles on the stack.
func (ps *profiles) curve() curve { return curve{value: ps.value, slope: ps.slope} }

// shape returns the end, the kinks (kept in dst) and the bends of the curve.
func (ps *profiles) shape(dst []float64) (end float64, kinks []float64, bends [2]bend) {
	return ps.end(), ps.kinks(dst), ps.bends()
}

// end returns the distance at which the range of the difference ends.
func (ps *profiles) end() float64 {
	if ps.sign < 0 {
		return ps.a + ps.m
	}
	return 1 - ps.a
}

// bends returns the two points at which both probabilities can be at an end of
// their range at once, b = 0 and b = 1-m. The logarithm of a probability that
// rests on few events is singular there, and the constrained maximum keeps away
// from it by about the rate at which all events would have been the candidate's,
// or the baseline's.
func (ps *profiles) bends() [2]bend {
	var none, all bend
	for i := range ps.strata {
		s := &ps.strata[i]
		n := s.kC + s.fC + s.m*(s.kT+s.fT)
		none.sharpen(s.m*s.kC/n, s.m*s.kT/n)
		all.sharpen(s.m*s.fT/n, s.m*s.fC/n)
	}
	all.at = 1 - ps.m
	return [2]bend{none.along(ps.a, ps.sign), all.along(ps.a, ps.sign)}
}

// sharpen shortens the lengths of the bend to those given, where these are
// positive.
func (b *bend) sharpen(before, after float64) {
	if before > 0 && (b.before == 0 || before < b.before) {
		b.before = before
	}
	if after > 0 && (b.after == 0 || after < b.after) {
		b.after = after
	}
}

// along returns the bend seen from a in the direction of sign.
func (b bend) along(a, sign float64) bend {
	if sign < 0 {
		b.before, b.after = b.after, b.before
	}
	b.at = sign * (b.at - a)
	return b
}

// logMix returns the log e-value of the sum of profiles.
func (ps *profiles) logMix(p Prior) float64 {
	var store [stackStrata + 2]float64
	c := ps.curve()
	c.end, c.kinks, c.bends = ps.shape(store[:0])
	return c.logMix(p)
}

// kinks appends the distances at which a derivative of the profile jumps. The
// slope jumps where both probabilities of a stratum without an event are 0, and
// where both of one with nothing but events are 1. The curvature jumps where the
// maximum leaves the edge of its range, see profile.leaves.
func (ps *profiles) kinks(dst []float64) []float64 {
	none, all := false, false
	for i := range ps.strata {
		s := &ps.strata[i]
		none = none || s.kT == 0 && s.kC == 0
		all = all || s.fT == 0 && s.fC == 0
		dst = s.leaves(dst)
	}
	if none {
		dst = append(dst, 0)
	}
	if all {
		dst = append(dst, 1-ps.m)
	}
	for i, b := range dst {
		dst[i] = ps.sign * (b - ps.a)
	}
	return dst
}

// DiffMLE returns the maximum likelihood estimate of p_T - m*p_C common to all
// strata, 0 when there is nothing to estimate.
func (c Counts) DiffMLE(m float64) float64 {
	estimate, _, ok := c.diffFit(m)
	if !ok {
		return 0
	}
	return estimate
}

// diffFit returns the estimate of DiffMLE and its standard error.
func (c Counts) diffFit(m float64) (estimate, se float64, ok bool) {
	var store [stackStrata]profile
	start, ok := c.weightedDiff(m)
	if !ok {
		return 0, 0, false
	}
	ps, ok := c.profiles(start, m, 1, store[:0])
	if !ok {
		return 0, 0, false
	}
	lo, hi := -m, 1.0
	x, second := start, 0.0
	for range 100 {
		var first float64
		first, second = ps.slope(x - ps.a)
		if first > 0 {
			lo = x
		} else {
			hi = x
		}
		next := x - first/second
		if !(next > lo && next < hi) {
			next = lo + 0.5*(hi-lo)
		}
		if math.Abs(next-x) <= 1e-13 {
			break
		}
		x = next
	}
	return x, 1 / math.Sqrt(max(-second, 1)), true
}

// diffMargin is how near the ends of its range, which is -m to 1, a bound on a
// difference is looked for.
const diffMargin = 1e-9

// weightedDiff returns a plain estimate of p_T - m*p_C, the strata weighted as
// Mantel and Haenszel would, from which to look for the best one.
func (c Counts) weightedDiff(m float64) (estimate float64, ok bool) {
	total := 0.0
	for _, s := range c.Strata {
		if !s.possible() || !s.comparable() {
			continue
		}
		h := s.NT / (s.NT + s.NC) * s.NC
		total += h
		estimate += h * (s.KT/s.NT - m*s.KC/s.NC)
	}
	if !(total > 0) {
		return 0, false
	}
	return max(-m*(1-1e-6), min(estimate/total, 1-1e-6)), true
}

// DiffBound returns the anytime-valid bound on a in p_T <= a + m*p_C at the
// threshold ln(1/alpha), with the prior's scales held at p: with dir Up the
// lower bound, the largest a at which LogEDiff reaches the threshold; with dir
// Down the upper bound, the smallest one. It is -Inf (Up) or +Inf (Down) when
// there is none.
func (c Counts) DiffBound(m, logThreshold float64, dir Dir, p Prior) float64 {
	sign := dir.sign()
	none := math.Inf(-int(sign))
	start, se, ok := c.diffFit(m)
	if !ok || !p.usable() || sign == 0 {
		return none
	}
	start = max(-m*(1-1e-6), min(start, 1-1e-6))
	search := Search{Start: start, Step: strideInSE * se, Limit: -m * (1 - diffMargin)}
	if sign < 0 {
		search.Limit = 1 - diffMargin
	}
	at := search.Frontier(logThreshold, func(a float64) float64 {
		var store [stackStrata]profile
		ps, _ := c.profiles(a, m, sign, store[:0])
		if sign < 0 {
			return ps.logPass(p)
		}
		return ps.logMix(p)
	})
	if floor := c.diffFloor(); sign < 0 && at < floor && logThreshold > 0 {
		at = floor
	}
	if at >= 1 {
		return none
	}
	return at
}
