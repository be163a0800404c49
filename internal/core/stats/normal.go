package stats

import "math"

// LogPhi returns the logarithm of the standard normal distribution function.
// It keeps its relative accuracy however far x lies in the left tail.
//
// Special cases are:
//
//	LogPhi(+Inf) = 0
//	LogPhi(-Inf) = -Inf
//	LogPhi(NaN) = NaN
func LogPhi(x float64) float64 {
	switch {
	case math.IsInf(x, -1):
		return x
	case x < -30:
		return logMills(x) - 0.5*x*x
	case x > 0:
		return math.Log1p(-0.5 * math.Erfc(x/math.Sqrt2))
	}
	return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
}

// halfLog2Pi is ln(2 pi)/2.
const halfLog2Pi = 0.918938533204672741780329736405617639861397473637783412817

// logMills returns LogPhi(x) + x*x/2, the logarithm of Mills' ratio up to a
// constant, without the cancellation that the sum would suffer for large
// negative x.
func logMills(x float64) float64 {
	if x >= -30 {
		return LogPhi(x) + 0.5*x*x
	}
	// Asymptotic series of Mills' ratio; its first left-out term is below 1e-13
	// for x < -30.
	r := 1 / (x * x)
	return math.Log1p(-r*(1-r*(3-r*(15-r*(105-945*r))))) - math.Log(-x) - halfLog2Pi
}

// zLimit is the largest standardised distance taken at its word; its square is
// still a number.
const zLimit = 1e150

// LogENormal returns the log e-value of the one-sided normal mixture with a
// half-normal prior of scale tau (Howard et al., arXiv:1810.08240, with
// rho = 1/tau^2). z is the standardised distance from the null's boundary,
// positive towards the alternative, and info the information 1/SE^2 in the
// units of tau.
//
// It is 0 when z is not finite, info is negative or not finite, or tau is not
// a positive number.
func LogENormal(z, info, tau float64) float64 {
	return LogENormalMix(z, info, Prior1(tau))
}

// LogENormalMix returns the log e-value of LogENormal averaged over the scales
// of the prior p. Its special cases are the same.
func LogENormalMix(z, info float64, p Prior) float64 {
	if !isFinite(z) || !isFinite(info) || info < 0 || !p.usable() {
		return 0
	}
	z = max(-zLimit, min(z, zLimit))
	var terms [maxScales]float64
	for i := range p.scales {
		// t/(1+t) and ln(1+t) for t = tau^2*info, which itself may overflow.
		root := p.tau[i] * math.Sqrt(info)
		share, log1pt := 1.0, 2*math.Log(root)
		if root < 1e100 {
			t := root * root
			share, log1pt = t/(1+t), math.Log1p(t)
		}
		terms[i] = p.logW[i] + math.Ln2 - 0.5*log1pt + logMillsSquared(z*math.Sqrt(share))
	}
	return LogSumExp(terms[:p.scales])
}

// logMillsSquared returns LogPhi(y) + y*y/2 for either sign of y.
func logMillsSquared(y float64) float64 {
	if y < 0 {
		return logMills(y)
	}
	return LogPhi(y) + 0.5*y*y
}

// ZBoundary returns the smallest standardised distance z at which
// LogENormalMix reaches ln(1/alpha): what 1.645 is to a test that looks once.
// It is +Inf when there is none, and when alpha is not between 0 and 1.
func ZBoundary(info, alpha float64, p Prior) float64 {
	if !(alpha > 0 && alpha < 1) {
		return math.Inf(1)
	}
	return CriticalZ(info, -math.Log(alpha), p)
}
