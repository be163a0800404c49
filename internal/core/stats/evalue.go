package stats

import "math"

// CapLogE is the largest log e-value that enters an average. It is far beyond
// any threshold, and its exponential is still a number.
const CapLogE = 600

// LogSumExp returns ln(sum exp(x)) without overflow, -Inf for no terms.
func LogSumExp(xs []float64) float64 {
	top := math.Inf(-1)
	for _, x := range xs {
		top = max(top, x)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return top
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - top)
	}
	return top + math.Log(sum)
}

// LogMeanExp returns the logarithm of the mean of exp(x), -Inf for no terms.
func LogMeanExp(xs []float64) float64 {
	if len(xs) == 0 {
		return math.Inf(-1)
	}
	return LogSumExp(xs) - math.Log(float64(len(xs)))
}

// GateLogE returns the log of a gate's fail e-value: half of the pooled one,
// and half of the mean over the planned stages. A stage that has no term yet
// counts as an e-value of 1, the bet not placed. The stages' half finds a harm
// that appears only under a late stage's load, which the pooled likelihood
// dilutes; it costs the pooled half ln 2.
//
// A NaN counts as an e-value of 1, and every e-value is capped at
// exp(CapLogE). When more terms are given than stages were planned, the number
// of terms is taken.
func GateLogE(pooled float64, perStage []float64, stages int) float64 {
	planned := max(stages, len(perStage), 1)
	sum := float64(planned - len(perStage))
	for _, logE := range perStage {
		sum += math.Exp(mixable(logE))
	}
	return math.Log(0.5*math.Exp(mixable(pooled)) + 0.5*sum/float64(planned))
}

// AverageLogE returns ln(sum of shares[g]*exp(logEs[g])): the log e-value of a
// whole rollout from those of its gates. Averaging is valid under any
// dependence between the gates and never weaker than a Bonferroni correction:
// it reaches 1/alpha whenever one gate reaches 1/(alpha*share).
//
// The shares are fixed before the start and sum to at most 1. A share that is
// not in (0, 1] counts as 0, a NaN log e-value as 0, and every e-value
// is capped at exp(CapLogE). Of slices of unequal length the common part
// counts. With no positive share the answer is 0, no evidence.
func AverageLogE(shares, logEs []float64) float64 {
	sum, bets := 0.0, 0
	for i := range min(len(shares), len(logEs)) {
		share := shares[i]
		if !(share > 0 && share <= 1+slack) {
			continue
		}
		sum += share * math.Exp(mixable(logEs[i]))
		bets++
	}
	if bets == 0 {
		return 0
	}
	return math.Log(sum)
}

// mixable returns the log e-value as it enters an average.
func mixable(logE float64) float64 {
	if math.IsNaN(logE) {
		return 0
	}
	return min(logE, CapLogE)
}
