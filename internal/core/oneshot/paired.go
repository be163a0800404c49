package oneshot

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// PairedRates is the difference of the rates of a bad event, candidate less
// baseline, over the same rows: only the rows on which the two disagree tell
// anything.
//
// The p-value is the larger one of the score of Tango (Statistics in Medicine 17,
// 1998) and of the signed root of the same likelihood. With few disagreements the
// former claims a large difference too often, the latter a small one. Against a
// difference of 0 it is at least the exact one of McNemar (Psychometrika 12,
// 1947), by which the disagreements fall either way with probability 1/2; so it
// is against any margin on the far side of 0.
type PairedRates struct {
	N     float64 // rows
	OnlyT float64 // rows on which only the candidate is bad
	OnlyC float64 // rows on which only the baseline is bad
}

// P returns the p-value of the claim that the difference lies beyond the margin.
func (p PairedRates) P(margin float64, dir stats.Dir) float64 {
	if !p.possible() || !(margin > -1 && margin < 1) || dir != stats.Up && dir != stats.Down {
		return 1
	}
	score, root := p.against(margin)
	tail := max(normalTail(score, dir), normalTail(root, dir))
	if float64(dir)*margin >= 0 {
		tail = max(tail, binomialTail(p.OnlyT, p.OnlyT+p.OnlyC, 0.5, dir))
	}
	return probability(tail)
}

// against returns the score and the root of the likelihood ratio. With b and c
// rows on which only the candidate and only the baseline is bad, the score is
//
//	(b - c - n delta)/sqrt(n (2 q + delta (1-delta))),
//
// q being the best probability of the latter kind of row under the margin. Both
// are NaN when nothing can vary.
func (p PairedRates) against(delta float64) (score, root float64) {
	if delta < 0 {
		score, root = PairedRates{N: p.N, OnlyT: p.OnlyC, OnlyC: p.OnlyT}.against(-delta)
		return -score, -root
	}
	b := -p.OnlyT - p.OnlyC + (2*p.N-p.OnlyT+p.OnlyC)*delta
	c := -p.OnlyC * delta * (1 - delta)
	q := (math.Sqrt(max(0, b*b-8*p.N*c)) - b) / (4 * p.N)
	distance := p.OnlyT - p.OnlyC - p.N*delta
	same := max(0, p.N-p.OnlyT-p.OnlyC)
	height := surprise(p.OnlyT, p.N*(q+delta)) + surprise(p.OnlyC, p.N*q) + surprise(same, p.N*(1-2*q-delta))
	return distance / math.Sqrt(p.N*(2*q+delta*(1-delta))), math.Copysign(math.Sqrt(2*max(0, height)), distance)
}

// surprise returns k ln(k/expected), 0 for none.
func surprise(k, expected float64) float64 {
	if k == 0 {
		return 0
	}
	return k * math.Log(k/expected)
}

// Estimate returns the difference, NaN without a row.
func (p PairedRates) Estimate() float64 {
	if !p.possible() {
		return math.NaN()
	}
	return (p.OnlyT - p.OnlyC) / p.N
}

// Span returns the range of a difference.
func (p PairedRates) Span() (low, high float64) { return -1 + 1e-9, 1 - 1e-9 }

// Allowed returns the difference of the bad rates that a success rate may show
// when it may fall to the share m of the baseline's, which had bad bad rows: the
// margin to hand to P. The baseline's rate is taken as measured; what it adds to
// the variance is the square of 1-m, which is small.
func (p PairedRates) Allowed(m, bad float64) float64 {
	if !p.possible() || !isCount(bad) || bad > p.N || !(m > 0 && m <= 1) {
		return math.NaN()
	}
	return (1 - m) * (1 - bad/p.N)
}

func (p PairedRates) possible() bool {
	return isCount(p.N) && isCount(p.OnlyT) && isCount(p.OnlyC) && p.N > 0 && p.OnlyT+p.OnlyC <= p.N*(1+1e-9)
}
