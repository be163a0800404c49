package stats

import "math"

// tilt is the log-likelihood ratio of binomial counts along the exponential
// tilt of their probability: with k of n events and probability theta at the
// null, the logit shifted by w gives
//
//	k*w - n*ln(1 + theta*(exp(w)-1)).
//
// Written so, nothing cancels: it is 0 at w = 0 to the last bit, whatever the
// counts. theta is at most 1/2; a larger one is turned round (newTilt). w is
// sign*u for the distance u >= 0 from the null.
type tilt struct {
	n, theta, sign float64
	linear         float64 // slope of the linear term in u
}

// oddsLimit is the largest logarithm of odds taken at its word; beyond, the
// exponential is no number any more.
const oddsLimit = 690

// newTilt returns the tilt for k of n events whose log odds at the null are
// logit, towards more events (sign +1) or fewer (-1).
func newTilt(k, n, logit, sign float64) tilt {
	logit = max(-oddsLimit, min(logit, oddsLimit))
	if logit > 0 {
		k, logit, sign = n-k, -logit, -sign
	}
	odds := math.Exp(logit)
	return tilt{n: n, theta: odds / (1 + odds), sign: sign, linear: sign * k}
}

// shift holds exp(w)-1 for w = u and w = -u.
type shift struct{ up, down float64 }

// expLimit is the largest argument whose exponential is used as such.
const expLimit = 700

func newShift(u float64) shift {
	up := math.Expm1(min(u, expLimit))
	return shift{up: up, down: -up / (1 + up)}
}

// at returns exp(w)-1 for the direction of the tilt.
func (s shift) at(sign float64) float64 {
	if sign > 0 {
		return s.up
	}
	return s.down
}

// value returns the log-likelihood ratio at u, where s is newShift(u).
func (t *tilt) value(u float64, s shift) float64 {
	v := t.linear*u - t.n*log1p(t.theta*s.at(t.sign))
	if u > expLimit && t.sign > 0 {
		v -= t.n * (u - expLimit)
	}
	return v
}

// log1p is math.Log1p, faster where the argument is small, as it mostly is here.
func log1p(x float64) float64 {
	if x > 0.1 || x < -0.1 {
		return math.Log1p(x)
	}
	// ln(1+x) = 2 artanh(x/(2+x)), |x/(2+x)| < 0.053.
	s := x / (2 + x)
	z := s * s
	return 2 * s * (1 + z*(1.0/3+z*(1.0/5+z*(1.0/7+z*(1.0/9+z*(1.0/11+z/13))))))
}

// slope returns the first and second derivative with respect to u.
func (t *tilt) slope(s shift) (first, second float64) {
	e := s.at(t.sign)
	d := 1 / (1 + t.theta*e)
	p := t.theta * (1 + e) * d
	return t.linear - t.sign*t.n*p, -t.n * p * (1 - t.theta) * d
}

// tiltUnit is the length over which a tilt is smooth: its nearest singularities
// are log odds of 0 plus or minus i*pi.
const tiltUnit = 4

// tilts is a sum of tilts with a common u, divided by the dispersion.
type tilts struct {
	terms []tilt
	phi   float64
}

func (ts *tilts) value(u float64) float64 {
	s := newShift(u)
	v := 0.0
	for i := range ts.terms {
		v += ts.terms[i].value(u, s)
	}
	return v / ts.phi
}

func (ts *tilts) slope(u float64) (first, second float64) {
	s := newShift(u)
	for i := range ts.terms {
		g, h := ts.terms[i].slope(s)
		first += g
		second += h
	}
	return first / ts.phi, second / ts.phi
}

// curve returns the sum of tilts as a curve.
func (ts *tilts) curve() curve {
	return curve{value: ts.value, slope: ts.slope, end: math.Inf(1), unit: tiltUnit}
}

// logMix returns the log e-value of the sum of tilts.
func (ts *tilts) logMix(p Prior) float64 {
	c := ts.curve()
	return c.logMix(p)
}
