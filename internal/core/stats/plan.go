package stats

import "math"

// RateInformation returns the information on the log ratio of two rates that
// one request brings: 1/(1/(w p r) + 1/((1-w) p)), where the candidate gets the
// share w of the requests, p is the baseline's rate and r the ratio. It is 0 for
// numbers that cannot be.
func RateInformation(p, r, w float64) float64 {
	if !isCount(p) || !isCount(r) || !(w > 0 && w < 1) {
		return 0
	}
	candidate, baseline := w*p*r, (1-w)*p
	if !(candidate > 0) || !(baseline > 0) {
		return 0
	}
	return 1 / (1/candidate + 1/baseline)
}

// RateDrift returns how fast LogERatio learns that the ratio of the rates is r
// and not c, on whichever side of it: the information that one request brings,
// and the drift, the distance in standard errors per root of the information.
//
// The drift is sqrt(2 KL K/info), K being the events of a request and KL the
// divergence between the candidate's shares of the events under r and c. It is
// |ln r - ln c| for moderate ratios and less for those of many times the margin.
// Both are 0 for numbers that cannot be.
func RateDrift(p, r, c, w, phi float64) (drift, info float64) {
	phi, ok := dispersionOr1(phi)
	info = RateInformation(p, r, w)
	if !ok || !(info > 0) || !isCount(c) || !(c > 0) {
		return 0, 0
	}
	theta, null := expit(logit(w)+math.Log(r)), expit(logit(w)+math.Log(c))
	divergence := xlogx(theta, null) + xlogx(1-theta, 1-null)
	events := w*p*r + (1-w)*p
	drift = math.Sqrt(2 * max(divergence, 0) * events / info)
	if !isFinite(drift) || !isFinite(info/phi) {
		return 0, 0
	}
	return drift, info / phi
}

// xlogx returns x ln(x/y), 0 for x = 0.
func xlogx(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(x/y)
}

// MeanInformation returns the information on the relative difference of two
// means that one request brings: 1/(cv^2 (1/w + c^2/(1-w))), where cv is the
// coefficient of variation of one value, c the margin and w the candidate's
// share. The drift that belongs to it is |r - c| for a ratio r of the means. It
// is 0 for numbers that cannot be.
func MeanInformation(cv, c, w float64) float64 {
	if !(cv > 0) || !isCount(cv) || !isCount(c) || !(w > 0 && w < 1) {
		return 0
	}
	return 1 / (cv * cv * (1/w + c*c/(1-w)))
}

// CriticalZ returns the smallest standardised distance at which LogENormalMix
// reaches the threshold. It is +Inf when there is none, and for an information
// that is not a positive number.
func CriticalZ(info, logThreshold float64, p Prior) float64 {
	if !(info > 0) || math.IsInf(info, 1) || !isFinite(logThreshold) || !p.usable() {
		return math.Inf(1)
	}
	search := Search{Start: 0, Step: 3, Limit: 1e8}
	return search.Frontier(logThreshold, func(z float64) float64 { return LogENormalMix(z, info, p) })
}
