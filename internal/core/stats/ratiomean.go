package stats

import "math"

// MinBuckets is the least number of hash buckets, counted by their share of the
// observations, from which the variance of a ratio is estimated. With fewer, a
// variance between buckets is too small too often.
const MinBuckets = 20

// RatioArm returns one arm of a ratio metric, as revenue per request with the
// user as unit, from its hash buckets: y[j] is the sum of the values and n[j]
// the number of observations of all units in bucket j. The unit's hash that
// names the bucket must be independent of the one that assigns its arm.
//
// With R = sum y/sum n, the variance of R is
//
//	J/(J-1) sum_j (y_j - R n_j)^2 / (sum n)^2
//
// over the J buckets that are not empty (the linearised variance of a ratio;
// Cochran, Sampling Techniques, 1977, section 6.5), and Var is N times that.
// nonZero is passed on, but never more of it than there are observations.
//
// The zero MeanArm, which gives no evidence, is returned while fewer than
// MinBuckets buckets share the observations, and for input that cannot be.
func RatioArm(y, n []float64, nonZero float64) MeanArm {
	sum, ok := sumBuckets(y, n)
	if !ok || !isCount(nonZero) || sum.effective() < MinBuckets {
		return MeanArm{}
	}
	ratio, squares := sum.y/sum.n, 0.0
	for j := range min(len(y), len(n)) {
		u := (y[j] - ratio*n[j]) / sum.n
		squares += u * u
	}
	variance := sum.buckets / (sum.buckets - 1) * squares
	return MeanArm{N: sum.n, Mean: ratio, Var: variance * sum.n, NonZero: min(nonZero, sum.n)}
}

// RatioBuckets are the sums of one stratum split by hash buckets.
type RatioBuckets struct {
	TY, TN []float64 // values and observations of the candidate
	CY, CN []float64 // values and observations of the baseline
}

// RatioPhi returns by how much the variance of Means.Contrast at c = exp(logC)
// grows because units are seen in several strata: the variance of the contrast
// between buckets, added over the strata before it is squared, over the sum of
// the strata's own. It is at least 1, and what Means.Phi should be set to when
// the arms come from RatioArm. Independent strata have 1 in expectation.
//
// It is 1 when there is nothing to estimate, and +Inf, under which no evidence
// is found, when a number cannot be.
func RatioPhi(strata []RatioBuckets, logC float64) float64 {
	c := math.Exp(logC)
	if !(c > 0) || !isFinite(c) {
		return math.Inf(1)
	}
	total, size := 0.0, 0
	for _, b := range strata {
		h, ok := b.weight()
		if !ok {
			return math.Inf(1)
		}
		total += h
		size = max(size, b.size())
	}
	if !(total > 0) {
		return 1
	}
	joint, apart := make([]float64, size), 0.0
	for _, b := range strata {
		h, _ := b.weight()
		apart += b.addInfluence(joint, c, h/total)
	}
	together := 0.0
	for _, u := range joint {
		together += u * u
	}
	if apart == 0 {
		return 1
	}
	if phi := together / apart; isFinite(phi) {
		return max(1, phi)
	}
	return math.Inf(1)
}

// size returns the number of buckets that all four slices have.
func (b RatioBuckets) size() int { return min(len(b.TY), len(b.TN), len(b.CY), len(b.CN)) }

// weight returns the stratum's Mantel-Haenszel weight, 0 where an arm is empty,
// and false when a number cannot be.
func (b RatioBuckets) weight() (h float64, ok bool) {
	size := b.size()
	t, okT := sumBuckets(b.TY[:size], b.TN[:size])
	c, okC := sumBuckets(b.CY[:size], b.CN[:size])
	if !okT || !okC {
		return 0, false
	}
	if t.n == 0 || c.n == 0 {
		return 0, true
	}
	return t.n / (t.n + c.n) * c.n, true
}

// addInfluence adds each bucket's part of the contrast, in the stratum's share,
// and returns the sum of the squares that the two arms have by themselves.
func (b RatioBuckets) addInfluence(joint []float64, c, share float64) (apart float64) {
	if share == 0 {
		return 0
	}
	size := b.size()
	t, _ := sumBuckets(b.TY[:size], b.TN[:size])
	base, _ := sumBuckets(b.CY[:size], b.CN[:size])
	for j := range size {
		ofT := share * (b.TY[j] - t.y/t.n*b.TN[j]) / t.n
		ofC := share * c * (b.CY[j] - base.y/base.n*b.CN[j]) / base.n
		joint[j] += ofT - ofC
		apart += ofT*ofT + ofC*ofC
	}
	return apart
}

// bucketSum is what the buckets of an arm add up to.
type bucketSum struct{ y, n, n2, buckets float64 }

// effective returns the number of buckets of equal size that share the
// observations as unevenly as these do (Kish, Survey Sampling, 1965).
func (s bucketSum) effective() float64 {
	if s.n2 == 0 {
		return 0
	}
	return s.n / s.n2 * s.n
}

// sumBuckets adds up the common part of the two slices, and returns false when
// an entry cannot be.
func sumBuckets(y, n []float64) (sum bucketSum, ok bool) {
	for j := range min(len(y), len(n)) {
		if !isCount(n[j]) || !(math.Abs(y[j]) < 1e100) {
			return bucketSum{}, false
		}
		sum.y += y[j]
		sum.n += n[j]
		sum.n2 += n[j] * n[j]
		if n[j] > 0 {
			sum.buckets++
		}
	}
	return sum, true
}
