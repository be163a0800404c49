package stats

// gaugeFit are the parts of GaugeEstimate.
type gaugeFit struct {
	n, mean    float64
	even       float64 // windows of equal variance that would tell as much of it
	iid        float64 // variance of the mean of independent windows
	batches    float64 // the same from batch means
	freedom    float64 // their degrees of freedom
	correlated float64 // iid, corrected for the autocorrelation
}

// maxLag1 is the largest autocorrelation that is believed; beyond it no number
// of windows would do.
const maxLag1 = 0.98

// fitGauge pools the strata, and returns false when they say nothing about the
// variance, or cannot be. The mean is returned whenever there is a window.
func fitGauge(strata []*Batches) (gaugeFit, bool) {
	var f gaugeFit
	used, squares, products, fourths := 0.0, 0.0, 0.0, 0.0
	for _, b := range strata {
		if b == nil || b.Count == 0 {
			continue
		}
		if !b.possible() {
			return gaugeFit{}, false
		}
		f.n += b.N()
		f.mean += (b.Mean() - f.mean) * (b.N() / f.n)
		s, p := b.deviations()
		squares += s
		products += p
		fourths += s * (s / b.N())
		used++
	}
	if !(f.n-used >= 1) || !(squares > 0) {
		return f, false
	}
	f.iid = squares / (f.n - used) / f.n
	f.even = squares / fourths * squares
	r := products / squares
	r = max(0, min(r+used*(1+4*r)/f.n, maxLag1))
	f.correlated = f.iid * (1 + r) / (1 - r)
	f.batches, f.freedom = batchVariance(strata)
	f.batches /= f.n
	return f, f.freedom > 2 && isFinite(f.iid) && isFinite(f.batches)
}

// deviations returns the sum of the squared deviations from the mean, and the
// sum of the products of those of neighbours.
func (b *Batches) deviations() (squares, products float64) {
	n, mean := b.N(), b.Sum/b.N()
	squares = max(0, b.Sum2-n*mean*mean)
	products = b.Lag - mean*(2*b.Sum-b.Last) + (n-1)*mean*mean // The first value less itself is 0.
	return squares, products
}

// batchVariance returns the variance that one window would have had, had the
// batch means come from independent windows, with its degrees of freedom. All
// strata are brought to the largest size of batch; sizes are powers of two.
func batchVariance(strata []*Batches) (variance, freedom float64) {
	size := 1
	for _, b := range strata {
		if b != nil {
			size = max(size, b.Size)
		}
	}
	squares := 0.0
	for _, b := range strata {
		var store [maxBatches]float64
		sums := b.batchesOf(size, store[:0])
		var m Moments
		for _, s := range sums {
			m.Add(s / float64(size))
		}
		if m.N > 1 {
			squares += m.M2
			freedom += m.N - 1
		}
	}
	if freedom == 0 {
		return 0, 0
	}
	return squares / freedom * float64(size), freedom
}

// batchesOf appends to dst the sums of complete batches of a size that is a
// multiple of the present one by a power of two.
func (b *Batches) batchesOf(size int, dst []float64) []float64 {
	if b == nil {
		return dst
	}
	dst = append(dst, b.Full...)
	for now := b.Size; now > 0 && now < size; now *= 2 {
		dst = mergePairs(dst)
	}
	return dst
}

// Sound reports whether the state can have come from Add, that of no window
// included.
func (b *Batches) Sound() bool {
	return b.Count == 0 && len(b.Full) == 0 && b.Open == 0 && b.Sum == 0 && b.Sum2 == 0 && b.Lag == 0 && b.First == 0 && b.Last == 0 || b.possible()
}

// possible reports whether the state can have come from Add.
func (b *Batches) possible() bool {
	if b.Size < 1 || b.Size > 1<<48 || b.Size&(b.Size-1) != 0 || len(b.Full) >= maxBatches {
		return false
	}
	if b.OpenN < 0 || b.OpenN >= b.Size || b.Count != len(b.Full)*b.Size+b.OpenN {
		return false
	}
	for _, x := range b.Full {
		if !isFinite(x) {
			return false
		}
	}
	return isFinite(b.Open) && isFinite(b.First) && isFinite(b.Last) && isFinite(b.Sum) &&
		isCount(b.Sum2) && isFinite(b.Lag)
}
