package stats

import "math"

// LogEBernoulli returns the log e-value of k events in n trials against a fixed
// rate p0: with dir Up against "the rate is at most p0", with dir Down against
// "it is at least p0". The prior p is on the shift of the log odds; phi is the
// dispersion (0 means 1). It judges ceilings, to which a comparison with the
// baseline is blind when both arms suffer.
//
// It is 0 when n is 0, k is more than n, p0 is not strictly between 0 and 1,
// or a number cannot be.
func LogEBernoulli(k, n, p0, phi float64, dir Dir, p Prior) float64 {
	phi, ok := dispersionOr1(phi)
	if !ok || !isCount(k) || !isCount(n) || n == 0 || k > n*(1+slack) || !(p0 > 0 && p0 < 1) {
		return 0
	}
	if !p.usable() || dir.sign() == 0 {
		return 0
	}
	terms := [1]tilt{newTilt(min(k, n), n, logit(p0), dir.sign())}
	ts := tilts{terms: terms[:], phi: phi}
	return ts.logMix(p)
}

// logit returns the log odds of a probability.
func logit(p float64) float64 { return math.Log(p) - math.Log1p(-p) }

// expit is the inverse of logit.
func expit(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}
