package stats

import "math"

// Drift are the histograms of a model's output of both arms over the same bins,
// whose edges were fixed before the start. Strata are not added up: the
// baseline's outputs drift by themselves, so each stratum has a Drift of its
// own.
type Drift struct {
	T []float64 `json:"t"` // counts of the candidate
	C []float64 `json:"c"` // counts of the baseline
}

// DKWStart is the number of observations from which DKWBand holds.
const DKWStart = 100

// dkwScale is the constant A of the band; C belongs to it.
const dkwScale = 0.85

// KS returns the distance of Kolmogorov and Smirnov between two histograms over
// the same bins: the largest difference of their distribution functions at an
// edge. Bins beyond the shorter one's are taken for empty. It is NaN for an
// empty histogram and for counts that cannot be.
func KS(t, c []float64) float64 {
	nT, nC := sumCounts(t), sumCounts(c)
	if !(nT > 0) || !(nC > 0) {
		return math.NaN()
	}
	distance, ofT, ofC := 0.0, 0.0, 0.0
	for i := range max(len(t), len(c)) {
		ofT += at(t, i)
		ofC += at(c, i)
		distance = max(distance, math.Abs(ofT/nT-ofC/nC))
	}
	return min(distance, 1)
}

// PSI returns the population stability index between two histograms,
//
//	sum_i (t_i - c_i) ln(t_i/c_i),
//
// t and c being shares of bins in which either has a count (with half a count
// added to each), less what it is in expectation when nothing changed,
// (B-1)(1/n_T + 1/n_C) for B such bins. Without that correction, small samples
// have drifted by definition. It may be negative; it is for display, and has no
// error rate. It is NaN for an empty histogram and for counts that cannot be.
func PSI(t, c []float64) float64 {
	nT, nC := sumCounts(t), sumCounts(c)
	if !(nT > 0) || !(nC > 0) {
		return math.NaN()
	}
	bins := 0.0
	for i := range max(len(t), len(c)) {
		if at(t, i)+at(c, i) > 0 {
			bins++
		}
	}
	index := 0.0
	for i := range max(len(t), len(c)) {
		if at(t, i)+at(c, i) == 0 {
			continue
		}
		x := (at(t, i) + 0.5) / (nT + 0.5*bins)
		y := (at(c, i) + 0.5) / (nC + 0.5*bins)
		index += (x - y) * math.Log(x/y)
	}
	return index - (bins-1)*(1/nT+1/nC)
}

// DKWConstant returns the constant of DKWBand for one sample and the error
// probability alpha: the least C for which
//
//	4 exp(-g^2 C) (1 + 1/((g^2-1) ln eta)) <= alpha,   g^2 = 2/eta (A - sqrt(2(eta-1)/C))^2
//
// for some eta > 1 (Howard and Ramdas, Bernoulli 28, 2022, arXiv:1906.09712,
// Theorem 2, with A = 0.85). It is +Inf when alpha is not between 0 and 1.
func DKWConstant(alpha float64) float64 {
	if !(alpha > 1e-300 && alpha < 1) {
		return math.Inf(1)
	}
	search := Search{Start: 1, Step: 8, Limit: 1024}
	return search.Frontier(-math.Log(alpha), func(c float64) float64 { return -dkwError(c) })
}

// dkwError returns the logarithm of the error probability of the constant c, for
// the best eta. It falls towards the best one from both sides.
func dkwError(c float64) float64 {
	low, high := 0.0, 2*dkwScale*dkwScale-1 // of eta-1
	const golden = 0.6180339887498949
	x, y := high-golden*(high-low), low+golden*(high-low)
	atX, atY := dkwErrorAt(c, x), dkwErrorAt(c, y)
	for range 36 {
		if atX <= atY {
			high, y, atY = y, x, atX
			x = high - golden*(high-low)
			atX = dkwErrorAt(c, x)
		} else {
			low, x, atX = x, y, atY
			y = low + golden*(high-low)
			atY = dkwErrorAt(c, y)
		}
	}
	return min(atX, atY)
}

func dkwErrorAt(c, excess float64) float64 {
	root := dkwScale - math.Sqrt(2*excess/c)
	squared := 2 / (1 + excess) * root * root
	if !(root > 0) || !(squared > 1) || !(excess > 0) {
		// Beyond the range; the farther, the worse, and worse than all within.
		return 1e6 * (1 + excess)
	}
	return math.Log(4) - squared*c + math.Log1p(1/((squared-1)*math.Log1p(excess)))
}

// DKWBand returns the half-width of the confidence band around the empirical
// distribution function of n independent observations that holds for all
// n >= DKWStart at once,
//
//	0.85 sqrt( (ln(1 + ln(n/100)) + constant)/n ),
//
// a time-uniform inequality of Dvoretzky, Kiefer and Wolfowitz (see
// DKWConstant). It is +Inf below DKWStart and for numbers that cannot be.
// Observations that resemble each other count for fewer: divide n by their
// dispersion.
func DKWBand(n, constant float64) float64 {
	if !isCount(n) || n < DKWStart || !isCount(constant) {
		return math.Inf(1)
	}
	return dkwScale * math.Sqrt((math.Log1p(math.Log(n/DKWStart))+constant)/n)
}

// Bounds returns the distance KS between the arms and the bounds that hold for
// all times together with probability 1-alpha, half of alpha for each arm. The
// bounds are 0 and 1 before both arms have DKWStart observations; the estimate
// is NaN while one of them is empty.
func (d Drift) Bounds(alpha float64) (lower, estimate, upper float64) {
	estimate = KS(d.T, d.C)
	if math.IsNaN(estimate) {
		return 0, estimate, 1
	}
	constant := DKWConstant(alpha / 2)
	band := DKWBand(sumCounts(d.T), constant) + DKWBand(sumCounts(d.C), constant)
	return max(0, estimate-band), estimate, min(1, estimate+band)
}

// sumCounts returns the sum of the counts, NaN when one cannot be.
func sumCounts(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		if !isCount(n) {
			return math.NaN()
		}
		sum += n
	}
	return sum
}

// at returns the count of bin i, 0 beyond the last one.
func at(counts []float64, i int) float64 {
	if i >= len(counts) {
		return 0
	}
	return counts[i]
}
