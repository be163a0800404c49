package stats

import "math"

// What is here serves a single look at a sample of fixed size (package oneshot):
// the same likelihoods and contrasts, without a prior.

// RatioRoot returns the signed root of the likelihood ratio at the log ratio
// lam0, positive when the observed ratio is larger: a standard normal value
// when lam0 is the truth and the counts are not few. The likelihood is that of
// LogERatio. It is NaN when there is nothing to compare, and for input that
// cannot be.
func (c Counts) RatioRoot(lam0 float64) float64 {
	var store [stackStrata]tilt
	distance := c.RatioMLE() - lam0
	sign := math.Copysign(1, distance)
	ts, ok := c.ratioTilts(lam0, sign, store[:0])
	if !ok {
		return math.NaN()
	}
	// Where one arm has no event the estimate is infinite, the likelihood is not.
	height := ts.value(min(math.Abs(distance), ratioLimit))
	return sign * math.Sqrt(2*max(height, 0))
}

// DiffScore returns the score statistic of Miettinen and Nurminen (Statistics in
// Medicine 4, 1985) against p_T = a + m*p_C, positive when the observed
// difference is larger: the difference less a over its standard deviation
// under the best rates that obey the margin. Strata are averaged with the
// weights of Mantel and Haenszel. It is a standard normal value when the margin
// is the truth.
//
// It is NaN when there is nothing to compare, when under the margin nothing can
// vary, and for input that cannot be.
func (c Counts) DiffScore(a, m float64) float64 {
	var store [stackStrata]profile
	ps, ok := c.profiles(a, m, 1, store[:0])
	if !ok {
		return math.NaN()
	}
	distance, variance := 0.0, 0.0
	for i := range ps.strata {
		r := &ps.strata[i]
		nT, nC := r.kT+r.fT, r.kC+r.fC
		h := nT / (nT + nC) * nC
		// The correction makes the variances of two proportions unbiased.
		v := (r.p0*(1-r.p0)/nT + m*m*r.c0*(1-r.c0)/nC) * unbiased(nT+nC)
		distance += h * (r.kT/nT - m*r.kC/nC - a)
		variance += h * h * v
	}
	if !(variance > 0) {
		return math.NaN()
	}
	return distance / math.Sqrt(variance*ps.phi)
}

// DiffRoot returns the signed root of the likelihood ratio at p_T = a + m*p_C, the
// p_C of each stratum profiled out as in LogEDiff: a standard normal value like
// DiffScore. Where events are few the score claims a large difference too
// often, and the root a small one. Its special cases are those of DiffScore.
func (c Counts) DiffRoot(a, m float64) float64 {
	var store [stackStrata]profile
	ps, ok := c.profiles(a, m, 1, store[:0])
	estimate, _, also := c.diffFit(m)
	if !ok || !also {
		return math.NaN()
	}
	height := ps.value(max(-m, min(estimate, 1)) - a)
	return math.Copysign(math.Sqrt(2*max(height, 0)), estimate-a)
}

// unbiased returns n/(n-1), 1 for less than two.
func unbiased(n float64) float64 {
	if n < 2 {
		return 1
	}
	return n / (n - 1)
}

// Freedom returns the degrees of freedom of the variance of Contrast at
// c = exp(logC), by the rule of Welch and Satterthwaite (Biometrics Bulletin 2,
// 1946), with each variance as good as the arm's own number of values makes it.
// It is 0 when there is nothing to compare.
func (m Means) Freedom(logC float64) float64 {
	_, v, _ := m.Contrast(logC)
	total, ok := m.weights()
	if !ok || !(v > 0) {
		return 0
	}
	c, phi := math.Exp(logC), 1.0
	if m.Phi > 0 {
		phi = m.Phi
	}
	squares := 0.0
	for _, s := range m.Strata {
		if !s.comparable() {
			continue
		}
		h := s.weight() / total
		vT, vC := s.variances(c)
		for _, part := range []struct{ v, n float64 }{{vT, s.T.N}, {vC, s.C.N}} {
			share := phi * h * h * part.v / part.n / v
			squares += share * share / (part.n - 1)
		}
	}
	return 1 / squares
}
