package stats

import "math"

// Stratum holds the counts of one period of constant traffic weight.
type Stratum struct {
	NT float64 // exposures of the candidate
	KT float64 // bad events among them
	NC float64 // exposures of the baseline
	KC float64 // bad events among them
}

// Counts are the sufficient statistics of one gate. Strata are never added up:
// a comparison of totals over periods of different weights is biased as soon
// as the baseline drifts (Simpson's paradox).
type Counts struct {
	Strata []Stratum
	// Phi is the dispersion by which the log-likelihood is divided. 0 means 1;
	// values below 1 are meant for events too frequent to be near Poisson (see
	// PhiFloor). Negative, infinite and NaN values leave no evidence.
	Phi float64
}

// stackStrata is the number of strata for which no function here allocates.
const stackStrata = 8

// dispersion returns the divisor of the log-likelihood, and false when Phi is
// no number to divide by.
func (c Counts) dispersion() (float64, bool) {
	return dispersionOr1(c.Phi)
}

func dispersionOr1(phi float64) (float64, bool) {
	if phi == 0 {
		return 1, true
	}
	return phi, phi > 1e-100 && phi < 1e100
}

// possible reports whether every number is finite and not negative.
func (s Stratum) possible() bool {
	return isCount(s.NT) && isCount(s.KT) && isCount(s.NC) && isCount(s.KC)
}

// bounded reports whether the events are not more than the exposures, apart
// from the rounding of sums.
func (s Stratum) bounded() bool {
	return s.KT <= s.NT*(1+slack) && s.KC <= s.NC*(1+slack)
}

// clamped returns the stratum with the rounding that bounded allows removed.
func (s Stratum) clamped() Stratum {
	s.KT = min(s.KT, s.NT)
	s.KC = min(s.KC, s.NC)
	return s
}

// comparable reports whether both arms were exposed at all.
func (s Stratum) comparable() bool { return s.NT > 0 && s.NC > 0 }

// slack is the relative rounding error that is forgiven in a sum of counts.
const slack = 1e-9

// isCount reports whether x can be a count. The upper limit keeps products of
// two counts finite.
func isCount(x float64) bool { return x >= 0 && x < 1e100 }

// isFinite reports whether x is a number.
func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
