package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// contrast is how the residuals of the two arms of a stratum enter a score, and
// the variance of that score if the events were independent.
type contrast struct{ ofT, ofC, variance float64 }

// sandwich is the variance of a score between units over the one that it would
// have with independent events. With r a bucket's residuals around its arm's own
// rate in stratum s, k - p n,
//
//	u_js = ofT_s r_Tsj + ofC_s r_Csj
//	phi  = J/(J-1) max( sum_j (sum_s u_js)^2, sum_j sum_s u_js^2 ) / sum_s variance_s.
//
// Scores are added over the strata before they are squared, because a unit that
// is seen in several of them is one unit. It may be on the baseline's side
// before the weight grows and on the candidate's after, and then its scores
// cancel. Of many units as many do the contrary, but where two or three have all
// the events there would seem to be no dispersion at all; so it is never taken
// for less than if the strata had nothing in common.
func sandwich(strata []stats.Buckets, weigh func(stats.Stratum) contrast) float64 {
	var joint [split.Buckets]float64
	apart, variance := 0.0, 0.0
	for i := range strata {
		b := &strata[i]
		s := stats.Stratum{NT: sum(b.NT), KT: sum(b.KT), NC: sum(b.NC), KC: sum(b.KC)}
		if s.NT <= 0 || s.NC <= 0 {
			continue
		}
		c := weigh(s)
		variance += c.variance
		pT, pC := s.KT/s.NT, s.KC/s.NC
		for j := range joint {
			u := c.ofT*(b.KT[j]-pT*b.NT[j]) + c.ofC*(b.KC[j]-pC*b.NC[j])
			joint[j] += u
			apart += u * u
		}
	}
	if variance == 0 {
		return 1
	}
	together := 0.0
	for _, u := range joint {
		together += u * u
	}
	return split.Buckets / (split.Buckets - 1.0) * max(together, apart) / variance
}

// ratioScore is the conditional score of the log ratio at the gate's margin,
// with theta the candidate's share of the events there:
//
//	(1-theta)(k_T - p_T n_T) - theta (k_C - p_C n_C),
//	variance (1-theta)^2 K_T + theta^2 K_C.
//
// At the estimate instead (STATISTICS 3.6) the arm with most of the events would
// weigh least: one unit with thirty errors at the candidate against a clean
// baseline would count as thirty units. At the margin, where a false alarm is
// made, both are the same in expectation.
func (g *Gate) ratioScore(s stats.Stratum) contrast {
	theta := 1 / (1 + math.Exp(-g.margin())*s.NC/s.NT)
	return contrast{ofT: 1 - theta, ofC: -theta, variance: (1-theta)*(1-theta)*s.KT + theta*theta*s.KC}
}

// differenceScore is the efficient score of b in p_T = b + m p_C, with p_C
// profiled out: (p_T - m p_C - b)/v at the rates observed, v = V_T + m^2 V_C.
func differenceScore(s stats.Stratum, m float64) contrast {
	information := 1 / (binomialVariance(s.KT, s.NT) + m*m*binomialVariance(s.KC, s.NC))
	return contrast{ofT: information / s.NT, ofC: -m * information / s.NC, variance: information}
}

// binomialVariance is that of k/n, with half an event and half a non-event
// added, so that an arm without events has one.
func binomialVariance(k, n float64) float64 {
	p := (k + 0.5) / (n + 1)
	return p * (1 - p) / n
}

func sum(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total
}
