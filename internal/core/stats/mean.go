package stats

import "math"

// MeanArm are the sufficient statistics of the mean of one arm in one stratum.
type MeanArm struct {
	// N is the number of observations.
	N float64 `json:"n"`
	// Mean is their mean; for a ratio metric, the ratio of the sums.
	Mean float64 `json:"mean"`
	// Var is the variance of one observation; for a ratio metric, N times the
	// variance of the ratio (see RatioArm).
	Var float64 `json:"var"`
	// NonZero is the number of observations that are not zero.
	NonZero float64 `json:"nonZero"`
}

// MeanStratum holds both arms of one period of constant traffic weight.
type MeanStratum struct {
	T MeanArm `json:"t"` // candidate
	C MeanArm `json:"c"` // baseline
}

// MinNonZero is the default of Means.MinNonZero. Below it the mean of a skewed
// value is too far from normal (simulated at 1 % weight: 21 % false rollbacks
// from 20 non-zeros on, by the plain variance).
const MinNonZero = 100

// Means are the sufficient statistics of one gate on a mean (Engine M).
type Means struct {
	Strata []MeanStratum
	// MinNonZero is the least number of values other than zero that the smaller
	// arm must have, summed over the strata, before there is evidence. 0 means
	// the constant of that name.
	MinNonZero float64
	// Phi multiplies the variance, for units that are seen in several strata
	// (see RatioPhi). 0 means 1. Negative, infinite and NaN values leave no
	// evidence.
	Phi float64
}

// LogE returns the log e-value against a relative margin on the mean: with dir
// Up against "the candidate's mean is at most exp(logC) times the baseline's",
// with dir Down against "it is at least that".
//
// It is the normal mixture LogENormalMix of the contrast that Contrast returns,
// in the unit of the baseline's mean: z = dir*d/sqrt(v), info = base^2/v. A
// linear contrast needs no division by a noisy baseline (Fieller, Journal of
// the Royal Statistical Society B 16, 1954). It is an asymptotic e-process in
// the sense of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
// (arXiv:2103.06476).
//
// It is 0, no verdict, while the smaller arm has fewer than MinNonZero values
// other than zero, when the baseline's mean is not positive, when nothing
// varies, and for input that cannot be.
func (m Means) LogE(logC float64, dir Dir, p Prior) float64 {
	if !m.enough() || dir.sign() == 0 {
		return 0
	}
	return m.logE(logC, dir, p)
}

func (m Means) logE(logC float64, dir Dir, p Prior) float64 {
	d, v, base := m.Contrast(logC)
	if !(v > 0) || !(base > 0) || !isFinite(d) {
		return 0
	}
	se := math.Sqrt(v)
	info := base / se
	return LogENormalMix(dir.sign()*d/se, info*info, p)
}

// Contrast returns the difference mean_T - c*mean_C at c = exp(logC), averaged
// over the strata with the weights h = nT nC/(nT+nC) of Mantel and Haenszel,
// its variance, and the mean of the baseline under the same weights. Weights
// that follow the variances instead would prefer the periods in which a skewed
// metric happened to be low.
//
// Mean and variance of a skewed metric are correlated: a sample with a low mean
// also has too low a variance, and is found significant too often. Therefore no
// variance of the candidate counts for less than the baseline's times c^2, which
// it has on the margin if the candidate is the baseline scaled; and no variance
// of the baseline for less than the candidate's where the baseline is the
// smaller arm.
//
// Strata with fewer than two observations in an arm are skipped. With nothing
// left, and for input that cannot be, all three are 0.
func (m Means) Contrast(logC float64) (d, v, base float64) {
	phi, ok := dispersionOr1(m.Phi)
	c := math.Exp(logC)
	if !ok || !(c > 0) || !isFinite(c) {
		return 0, 0, 0
	}
	total, ok := m.weights()
	if !ok {
		return 0, 0, 0
	}
	for _, s := range m.Strata {
		if !s.comparable() {
			continue
		}
		h := s.weight() / total
		vT, vC := s.variances(c)
		d += h * (s.T.Mean - c*s.C.Mean)
		v += h * h * (vT/s.T.N + vC/s.C.N)
		base += h * s.C.Mean
	}
	return d, phi * v, base
}

// Ratio returns the estimate of mean_T/mean_C at which the contrast is 0, NaN
// when there is none.
func (m Means) Ratio() float64 {
	baseline, candidate := m.Levels()
	if !(baseline > 0) {
		return math.NaN()
	}
	return candidate / baseline
}

// Levels returns the means of the two arms under the weights of Contrast, NaN
// when there is nothing to compare.
func (m Means) Levels() (baseline, candidate float64) {
	total, ok := m.weights()
	if !ok {
		return math.NaN(), math.NaN()
	}
	for _, s := range m.Strata {
		if s.comparable() {
			h := s.weight() / total
			baseline += h * s.C.Mean
			candidate += h * s.T.Mean
		}
	}
	return baseline, candidate
}

// Bound returns the anytime-valid bound on the log ratio of the means at the
// threshold ln(1/alpha): with dir Up the lower bound, the largest margin at
// which LogE reaches the threshold; with dir Down the upper bound, the smallest
// one. It is -Inf (Up) or +Inf (Down) when there is none.
func (m Means) Bound(logThreshold float64, dir Dir, p Prior) float64 {
	sign := dir.sign()
	none := math.Inf(-int(sign))
	if !m.enough() || !p.usable() || sign == 0 {
		return none
	}
	start := math.Log(max(m.Ratio(), math.Exp(-0.5*ratioLimit)))
	_, v, base := m.Contrast(start)
	if !isFinite(start) || !(v > 0) || !(base > 0) {
		return none
	}
	// The standard error of the log ratio.
	se := math.Sqrt(v) / base / math.Exp(start)
	search := Search{Start: start, Step: min(strideInSE*se, 1), Limit: start - sign*ratioLimit}
	return search.Frontier(logThreshold, func(logC float64) float64 { return m.logE(logC, dir, p) })
}

// weights returns the sum of the strata's weights, and false when it is 0 or a
// stratum cannot be.
func (m Means) weights() (total float64, ok bool) {
	for _, s := range m.Strata {
		if !s.possible() {
			return 0, false
		}
		if s.comparable() {
			total += s.weight()
		}
	}
	return total, total > 0
}

// enough reports whether the smaller arm has enough values other than zero.
func (m Means) enough() bool {
	need := m.MinNonZero
	if need == 0 {
		need = MinNonZero
	}
	candidate, baseline := 0.0, 0.0
	for _, s := range m.Strata {
		if s.comparable() {
			candidate += s.T.NonZero
			baseline += s.C.NonZero
		}
	}
	return min(candidate, baseline) >= need && need > 0
}

// possible reports whether both arms can be.
func (s MeanStratum) possible() bool { return s.T.possible() && s.C.possible() }

// comparable reports whether both arms have a variance.
func (s MeanStratum) comparable() bool { return s.T.N >= 2 && s.C.N >= 2 }

// weight returns the stratum's Mantel-Haenszel weight.
func (s MeanStratum) weight() float64 { return s.T.N / (s.T.N + s.C.N) * s.C.N }

// variances returns the variances of one observation of the candidate and of c
// times one of the baseline, by the rule that Contrast explains.
func (s MeanStratum) variances(c float64) (ofT, ofC float64) {
	ofT, ofC = s.T.Var, c*c*s.C.Var
	larger := max(ofT, ofC)
	if s.C.N < s.T.N {
		return larger, larger
	}
	return larger, ofC
}

// possible reports whether the numbers can be those of an arm.
func (a MeanArm) possible() bool {
	return isCount(a.N) && isCount(a.Var) && isCount(a.NonZero) && a.NonZero <= a.N*(1+slack) &&
		math.Abs(a.Mean) < 1e100
}
