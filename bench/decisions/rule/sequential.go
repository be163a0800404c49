package rule

import "math"

// Sequential is the asymptotic confidence sequence that GrowthBook computes
// (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv:2103.06476, equations 9
// and 134), tuned to be tightest at Tuned observations.
type Sequential struct {
	Alpha    float64
	Tuned    float64
	OneSided bool
}

// tuned is GrowthBook's default.
const tuned = 5000

// HalfWidth is half of the width of the interval (its whole width to one side)
// for a difference with a squared standard error after n observations of both
// arms together.
func (s Sequential) HalfWidth(squaredError, n float64) float64 {
	t := n*s.rho2() + 1
	log := math.Log(math.Sqrt(t) / s.Alpha)
	if s.OneSided {
		log = math.Log1p(math.Sqrt(t) / (2 * s.Alpha))
	}
	return math.Sqrt(squaredError * n * 2 * t / (n * n * s.rho2()) * log)
}

// rho2 is the square of the mixing parameter (equation 161); one side of an
// interval is tuned as two sides at twice the level.
func (s Sequential) rho2() float64 {
	alpha := s.Alpha
	if s.OneSided {
		alpha *= 2
	}
	return (-2*math.Log(alpha) + math.Log(-2*math.Log(alpha)+1)) / s.Tuned
}

// contrast is the comparison of two arms at one metric.
type contrast struct {
	worse        float64 // how far the candidate's mean lies on the worse side
	squaredError float64
	n            float64
}

// contrastOf compares moments. between are the variances of the sums that come
// from units that differ, for both arms.
func contrastOf(m Metric, candidate, control Moments, between [Arms]float64) (contrast, bool) {
	if candidate.N < 2 || control.N < 2 {
		return contrast{}, false
	}
	return contrast{
		worse:        m.worse(candidate.Mean(), control.Mean()),
		squaredError: squaredError(candidate, between[Candidate]) + squaredError(control, between[Baseline]),
		n:            candidate.N + control.N,
	}, true
}

// squaredError is that of the mean.
func squaredError(m Moments, between float64) float64 {
	return m.Variance()/m.N + between/(m.N*m.N)
}
