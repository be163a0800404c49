package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// spread is how the events of one stratum are spread over the units. Its tallies
// are nil where it was not counted by unit.
type spread struct {
	candidate, baseline *evidence.Tally
	scores              *scores // nil where an arm is empty
}

// scores are what the buckets of both arms have in a stratum's score.
type scores struct {
	candidate, baseline [split.Buckets]float64
	apart               float64 // sum of the squared scores of both together
	of                  contrast
	counts              stats.Stratum
}

// young reports whether the dispersion of a quantile does not rest on enough
// requests yet. Those that fixed the edges are not among them, so that at first
// there is a count of slow requests and no word of how few units sent them.
func (s spread) young() bool { return s.baseline == nil || s.baseline.N < evidence.FreezeAfter }

func (s *spread) comparable() bool {
	return s.candidate != nil && s.baseline != nil && s.candidate.N > 0 && s.baseline.N > 0
}

// score works out the scores of the units' buckets.
func (s *spread) score(g *Gate) {
	t, c := s.candidate, s.baseline
	counts := stats.Stratum{NT: float64(t.N), KT: events(t, g.Complement), NC: float64(c.N), KC: events(c, g.Complement)}
	of := g.contrast(counts)
	s.scores = &scores{of: of, counts: counts}
	sign := 1.0
	if g.Complement {
		sign = -1 // What did not happen deviates as much the other way.
	}
	pT, pC := float64(t.K)/counts.NT, float64(c.K)/counts.NC
	for j := range s.scores.candidate {
		ofT := sign * of.candidate * (float64(t.Buckets.K[j]) - pT*float64(t.Buckets.N[j]))
		ofC := sign * of.baseline * (float64(c.Buckets.K[j]) - pC*float64(c.Buckets.N[j]))
		s.scores.candidate[j], s.scores.baseline[j] = ofT, ofC
		s.scores.apart += (ofT + ofC) * (ofT + ofC)
	}
}

// sandwich is the variance of a score between units over the one that it would
// have with independent events. With r a bucket's residuals around its arm's own
// rate in stratum s, k - p n,
//
//	u_js = candidate_s r_Tsj + baseline_s r_Csj
//	phi  = J/(J-1) ( max( sum_j (sum_s u_js)^2, sum_j sum_s u_js^2 ) + lift ) / sum_s variance_s.
//
// Scores are added over the strata before they are squared, because a unit that
// is seen in several of them is one unit. It may be on the baseline's side
// before the weight grows and on the candidate's after, and then its scores
// cancel. Of many units as many do the contrary, but where two or three have all
// the events there would seem to be no dispersion at all; so it is never taken
// for less than if the strata had nothing in common.
//
// The lift lets the smaller arm count for as dispersed as the larger one: of its
// few units those who have most events may all be missing by chance (stats.Lift).
// That makes its rate too low, never too high. So it is due where the test asks
// whether the smaller arm has fewer events: in the direction Up (the candidate has
// more) where the baseline is the smaller, else in the direction Down.
func sandwich(some []spread) (up, down float64) {
	var candidate, baseline [split.Buckets]float64
	var t, c stats.ArmSpread
	apart := 0.0
	for i := range some {
		s := some[i].scores
		if s == nil {
			continue
		}
		apart += s.apart
		t.N, t.Variance = t.N+s.counts.NT, t.Variance+s.of.candidateVariance
		c.N, c.Variance = c.N+s.counts.NC, c.Variance+s.of.baselineVariance
		for j := range s.candidate {
			candidate[j] += s.candidate[j]
			baseline[j] += s.baseline[j]
		}
	}
	variance := t.Variance + c.Variance
	if variance == 0 {
		return 1, 1
	}
	together := 0.0
	for j := range candidate {
		u := candidate[j] + baseline[j]
		together += u * u
		t.Squares += candidate[j] * candidate[j]
		c.Squares += baseline[j] * baseline[j]
	}
	phi := func(squares float64) float64 { return split.Buckets / (split.Buckets - 1.0) * squares / variance }
	up, down = phi(max(together, apart)), phi(max(together, apart)+stats.Lift(t, c))
	if c.N < t.N {
		up, down = down, up
	}
	return up, down
}

// contrast is how the residuals of the two arms of a stratum enter its score, and
// the variances of both parts if the events were independent.
type contrast struct{ candidate, baseline, candidateVariance, baselineVariance float64 }

// contrast is that of the test that the gate makes.
func (g *Gate) contrast(s stats.Stratum) contrast {
	if g.Method == Difference {
		return differenceScore(s, g.Slope)
	}
	return g.ratioScore(s)
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
	return contrast{
		candidate: 1 - theta, baseline: -theta,
		candidateVariance: (1 - theta) * (1 - theta) * s.KT, baselineVariance: theta * theta * s.KC,
	}
}

// differenceScore is the efficient score of b in p_T = b + m p_C, with p_C
// profiled out: (p_T - m p_C - b)/v at the rates observed, v = V_T + m^2 V_C.
func differenceScore(s stats.Stratum, m float64) contrast {
	ofT, ofC := binomialVariance(s.KT, s.NT), m*m*binomialVariance(s.KC, s.NC)
	information := 1 / (ofT + ofC)
	return contrast{
		candidate: information / s.NT, baseline: -m * information / s.NC,
		candidateVariance: ofT * information * information, baselineVariance: ofC * information * information,
	}
}

// binomialVariance is that of k/n, with half an event and half a non-event
// added, so that an arm without events has one.
func binomialVariance(k, n float64) float64 {
	p := (k + 0.5) / (n + 1)
	return p * (1 - p) / n
}
