package stats

import "math"

// LogESRM returns the log e-value against "each unit goes to the candidate
// with probability w", after nT units went to the candidate and nC to the
// baseline: the beta-binomial Bayes factor of Lindon and Malek
// (arXiv:2011.03567) with a Beta(kappa*w, kappa*(1-w)) prior. It is meant for
// random or hashed assignment; a weighted round robin is less dispersed, and
// for it the test is conservative.
//
// It is 0 when a count is not finite or negative, w is not strictly between 0
// and 1 (by at least 1e-9), or kappa is not a positive number.
func LogESRM(nT, nC, w, kappa float64) float64 {
	if !isCount(nT) || !isCount(nC) || !(w > 1e-9 && w < 1-1e-9) || !(kappa > 1e-6 && kappa < 1e100) {
		return 0
	}
	return logBetaTilt(kappa*w+nT, kappa*(1-w)+nC, w) - logBetaTilt(kappa*w, kappa*(1-w), w)
}

// logBetaTilt returns ln B(x, y) - x ln w - y ln(1-w).
//
// The plain difference loses all its digits when x and y are large: lnGamma of
// 1e12 is 2.7e13. Stirling's formula turns it into terms of the size of the
// answer: with n = x+y and d = x - n*w,
//
//	x ln(x/(n w)) + y ln(y/(n (1-w))) + ln(n/(x y))/2 + ln(2 pi)/2 + remainders.
func logBetaTilt(x, y, w float64) float64 {
	n := x + y
	d := x*(1-w) - y*w
	tilt := x*logRatio(d/(n*w), x/(n*w)) + y*logRatio(-d/(n*(1-w)), y/(n*(1-w)))
	return tilt + 0.5*(math.Log(n/x)-math.Log(y)) + halfLog2Pi +
		stirlingRest(x) + stirlingRest(y) - stirlingRest(n)
}

// logRatio returns ln(ratio), where excess is ratio-1 computed apart: near 1 the
// excess has the digits, far below 1 the ratio has them.
func logRatio(excess, ratio float64) float64 {
	if excess > -0.5 {
		return math.Log1p(excess)
	}
	return math.Log(ratio)
}

// stirlingRest returns lnGamma(x) - ((x-1/2) ln x - x + ln(2 pi)/2) for x > 0.
func stirlingRest(x float64) float64 {
	if x < 16 {
		lgamma, _ := math.Lgamma(x)
		return lgamma - ((x-0.5)*math.Log(x) - x + halfLog2Pi)
	}
	r := 1 / (x * x)
	return (1.0/12 - r*(1.0/360-r*(1.0/1260-r*(1.0/1680-r/1188)))) / x
}
