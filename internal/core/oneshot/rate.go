package oneshot

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// ratioSpan is the largest log ratio that makes sense.
const ratioSpan = 30

// Rates is the log ratio of the arms' rates of a bad event, candidate to
// baseline.
//
// Given the number of events of a stratum and its exposures, the candidate's
// share of them is binomial, whatever the rate. With one stratum and no
// dispersion the p-value is that binomial's tail: exact for rare events, and
// too large for frequent ones, whose counts vary less. Otherwise it is from the
// signed root of the same likelihood.
type Rates stats.Counts

// P returns the p-value of the claim that the log ratio lies beyond the margin.
func (r Rates) P(margin float64, dir stats.Dir) float64 {
	z := stats.Counts(r).RatioRoot(margin)
	phi, ok := dispersion(r.Phi)
	if math.IsNaN(z) || !ok || dir != stats.Up && dir != stats.Down {
		return 1
	}
	if s, alone := r.only(); alone && phi == 1 {
		share := 1 / (1 + s.NC/s.NT*math.Exp(-margin))
		return binomialTail(s.KT, s.KT+s.KC, share, dir)
	}
	return normalTail(z, dir)
}

// only returns the one stratum that can be compared, and false when there are
// others.
func (r Rates) only() (stats.Stratum, bool) {
	var one stats.Stratum
	n := 0
	for _, s := range r.Strata {
		if s.NT > 0 && s.NC > 0 && s.KT+s.KC > 0 {
			one = s
			n++
		}
	}
	return one, n == 1
}

// Estimate returns the log ratio, infinite where one arm has no event, and NaN
// where none has.
func (r Rates) Estimate() float64 {
	if math.IsNaN(stats.Counts(r).RatioRoot(0)) {
		return math.NaN()
	}
	return stats.Counts(r).RatioMLE()
}

// Span returns the range of a log ratio.
func (r Rates) Span() (low, high float64) { return -ratioSpan, ratioSpan }

// Ignoring is Rates with a level under which the candidate's rate does not
// matter. The candidate is beyond the margin when it is beyond the ratio and
// above the level; it is inside when it is inside the ratio or below the level.
// Bounds are those of the ratio alone.
type Ignoring struct {
	Rates
	Level float64
}

// P returns the p-value of the claim that the rate lies beyond the margin where
// it matters (Up), for which both parts must be proved, or that it does not
// (Down), for which one of them suffices, at half the alpha.
func (i Ignoring) P(margin float64, dir stats.Dir) float64 {
	relative := i.Rates.P(margin, dir)
	if i.Level == 0 {
		return relative
	}
	candidate := Ceiling{Phi: i.Phi}
	for _, s := range i.Strata {
		candidate.K += s.KT
		candidate.N += s.NT
	}
	absolute := candidate.P(i.Level, dir)
	if dir == stats.Up {
		return max(relative, absolute)
	}
	return min(1, 2*min(relative, absolute))
}

// Ceiling is the rate of k events in n trials.
type Ceiling struct {
	K, N float64
	// Phi is the dispersion: so many trials tell as much as one. 0 means 1.
	Phi float64
}

// P returns the p-value of the claim that the rate lies beyond the margin: the
// tail of the binomial distribution (Clopper and Pearson, Biometrika 26, 1934).
func (c Ceiling) P(margin float64, dir stats.Dir) float64 {
	phi, ok := dispersion(c.Phi)
	if !ok || !c.possible() || !(margin >= 0 && margin <= 1) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	return binomialTail(c.K/phi, c.N/phi, margin, dir)
}

// Estimate returns the rate, NaN without a trial.
func (c Ceiling) Estimate() float64 {
	if !c.possible() {
		return math.NaN()
	}
	return min(c.K/c.N, 1)
}

// Span returns the range of a rate.
func (c Ceiling) Span() (low, high float64) { return 0, 1 }

func (c Ceiling) possible() bool {
	return isCount(c.K) && isCount(c.N) && c.N > 0 && c.K <= c.N*(1+1e-9)
}

// Differences is a in p_T = a + m*p_C: a difference of rates where M is 1. With M
// below 1 and a margin of 1-M on the failures, it is a success rate that may
// fall to the share M of the baseline's.
//
// The p-value is the larger one of the score of Miettinen and Nurminen and of the
// signed root of the profile likelihood. With few events the former claims a
// large difference too often, the latter a small one.
type Differences struct {
	stats.Counts
	// M is the slope; 0 means 1.
	M float64
}

// P returns the p-value of the claim that the difference lies beyond the margin.
func (d Differences) P(margin float64, dir stats.Dir) float64 {
	score, root := d.DiffScore(margin, d.slope()), d.DiffRoot(margin, d.slope())
	if math.IsNaN(root) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	if math.IsNaN(score) { // Nothing varies: no event, and none allowed.
		return normalTail(root, dir)
	}
	return max(normalTail(score, dir), normalTail(root, dir))
}

// Estimate returns the difference that is most likely common to all strata, NaN
// when there is none.
func (d Differences) Estimate() float64 {
	if math.IsNaN(d.DiffRoot(0, d.slope())) {
		return math.NaN()
	}
	return d.DiffMLE(d.slope())
}

// Span returns the range of the difference.
func (d Differences) Span() (low, high float64) {
	return -d.slope() * (1 - 1e-9), 1 - 1e-9
}

func (d Differences) slope() float64 {
	if d.M == 0 {
		return 1
	}
	return d.M
}
