package stats

import "math"

// maxBatches is the number of complete batches at which pairs of them are merged.
const maxBatches = 64

// MinEffective is the least number of effectively independent windows from
// which a gauge is judged.
const MinEffective = 20

// Batches are the sufficient statistics of a gauge (processor load, memory,
// queue length) in one stratum: of the values D_b = ln(T_b/C_b), one for each
// window b in which both arms were measured. Successive windows resemble each
// other, so the variance of their mean is estimated from means of batches,
// whose size doubles whenever 64 batches are complete (Flegal and Jones,
// Annals of Statistics 38, 2010), and from the autocorrelation.
//
// The zero value is ready to use. The fields are exported to be stored; all
// sums are of the values less First, so that no digits cancel.
type Batches struct {
	Size  int       `json:"size"`           // windows in a batch
	Full  []float64 `json:"full,omitempty"` // sums of the complete batches
	Open  float64   `json:"open"`           // sum of the batch that is not complete
	OpenN int       `json:"openN"`          // windows in it
	Count int       `json:"count"`          // windows
	First float64   `json:"first"`          // the first value
	Last  float64   `json:"last"`           // the last value, less First
	Sum   float64   `json:"sum"`            // of all values
	Sum2  float64   `json:"sum2"`           // of all squares
	Lag   float64   `json:"lag"`            // of all products of neighbours
}

// Add adds the value of one window. Values that are not finite are left out.
func (b *Batches) Add(x float64) {
	if !(math.Abs(x) < 1e100) {
		return
	}
	if b.Count == 0 {
		*b = Batches{Size: 1, First: x}
	}
	y := x - b.First
	b.Count++
	b.Sum += y
	b.Sum2 += y * y
	b.Lag += y * b.Last // The first y is 0.
	b.Last = y
	b.Open += y
	b.OpenN++
	if b.OpenN < b.Size {
		return
	}
	b.Full = append(b.Full, b.Open)
	b.Open, b.OpenN = 0, 0
	if len(b.Full) >= maxBatches {
		b.Full = mergePairs(b.Full)
		b.Size *= 2
	}
}

// mergePairs adds neighbours up, in place; a last one without a neighbour is
// left out.
func mergePairs(sums []float64) []float64 {
	for i := range len(sums) / 2 {
		sums[i] = sums[2*i] + sums[2*i+1]
	}
	return sums[:len(sums)/2]
}

// N returns the number of windows.
func (b *Batches) N() float64 {
	if b == nil {
		return 0
	}
	return float64(b.Count)
}

// Mean returns the mean of the values, NaN when there is none.
func (b *Batches) Mean() float64 {
	if b.N() == 0 {
		return math.NaN()
	}
	return b.First + b.Sum/b.N()
}

// Estimate returns the mean of the values, its variance, and the number of
// independent values that would have had the same variance. It is GaugeEstimate
// of one stratum.
func (b *Batches) Estimate() (mean, variance, nEff float64) {
	return GaugeEstimate([]*Batches{b})
}

// LogE returns the log e-value that the mean lies beyond shift in the direction
// dir. It is GaugeLogE of one stratum.
func (b *Batches) LogE(shift float64, dir Dir, p Prior) float64 {
	return GaugeLogE([]*Batches{b}, shift, dir, p)
}

// GaugeEstimate returns the mean of the values of all strata, each window
// counting once, its variance, and the number of independent values that would
// have had the same variance:
//
//	variance = max( BM k/(k-2), iid (1+r)/(1-r) )
//	nEff     = n' iid/variance
//
// where iid is the variance of the mean had the windows been independent, BM
// that of the batch means with k degrees of freedom, and r the autocorrelation
// of neighbours, held within 0 and 0.98 after Kendall's correction for its bias
// (Biometrika 41, 1954). Each of them is taken around the strata's own means and
// then pooled, by which the levels of the strata may differ, and short strata,
// from which no autocorrelation can be seen, borrow it from the others. n' is the
// number of windows n, or fewer where a few of the strata have most of the
// variance: (sum SS_s)^2/sum(SS_s^2/n_s) of their sums of squares, after
// Satterthwaite (Biometrics Bulletin 2, 1946).
//
// The variance is NaN and nEff 0 when there are too few windows, when nothing
// varies, and for state that cannot be.
func GaugeEstimate(strata []*Batches) (mean, variance, nEff float64) {
	f, ok := fitGauge(strata)
	mean = math.NaN()
	if f.n > 0 {
		mean = f.mean
	}
	if !ok {
		return mean, math.NaN(), 0
	}
	inflated := f.batches * f.freedom / (f.freedom - 2)
	variance = max(inflated, f.correlated)
	return mean, variance, f.even * f.iid / variance
}

// GaugeLogE returns the log e-value that the mean of the strata's values lies
// beyond shift: with dir Up against "the mean is at most shift in every
// stratum", with dir Down against "it is at least shift". The values are log
// ratios, so the information is 1/variance. The standardised distance is made a
// normal one from a Student one with nEff-1 degrees of freedom (Wallace, Annals
// of Mathematical Statistics 30, 1959), since the variance is an estimate.
//
// It is 0, no verdict, while there are fewer than MinEffective effectively
// independent windows, when nothing varies, and for input that cannot be.
func GaugeLogE(strata []*Batches, shift float64, dir Dir, p Prior) float64 {
	mean, variance, nEff := GaugeEstimate(strata)
	if !(nEff >= MinEffective) || !(variance > 0) || !isFinite(shift) || dir.sign() == 0 {
		return 0
	}
	z := studentToNormal((mean-shift)/math.Sqrt(variance), nEff-1)
	return LogENormalMix(dir.sign()*z, 1/variance, p)
}

// studentToNormal returns the normal quantile of about the same probability as
// the quantile t of Student's distribution with nu degrees of freedom.
func studentToNormal(t, nu float64) float64 {
	z := (8*nu + 1) / (8*nu + 3) * math.Sqrt(nu*math.Log1p(t/nu*t))
	return math.Copysign(z, t)
}

// GaugeBound returns the anytime-valid bound on the mean at the threshold
// ln(1/alpha): with dir Up the lower bound, the largest shift at which GaugeLogE
// reaches the threshold; with dir Down the upper bound, the smallest one. It is
// -Inf (Up) or +Inf (Down) when there is none.
func GaugeBound(strata []*Batches, logThreshold float64, dir Dir, p Prior) float64 {
	sign := dir.sign()
	mean, variance, nEff := GaugeEstimate(strata)
	if !(nEff >= MinEffective) || !(variance > 0) || sign == 0 || !p.usable() {
		return math.Inf(-int(sign))
	}
	se := math.Sqrt(variance)
	search := Search{Start: mean, Step: strideInSE * se, Limit: mean - sign*gaugeLimit*se}
	return search.Frontier(logThreshold, func(shift float64) float64 { return GaugeLogE(strata, shift, dir, p) })
}

// gaugeLimit is the largest distance from the estimate, in standard errors, at
// which a bound on a gauge is looked for.
const gaugeLimit = 1e6
