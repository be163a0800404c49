package stats

// Moments are the count, the mean and the sum of squared deviations of a
// stream of values, kept so that nothing cancels (Welford, Technometrics 4,
// 1962) and merged by the rule of Chan, Golub and LeVeque (The American
// Statistician 37, 1983).
type Moments struct {
	N    float64 `json:"n"`
	Mean float64 `json:"mean"`
	M2   float64 `json:"m2"`
}

// Add adds one value. Values that are not finite are left out, since one of
// them would take the rest with it.
func (m *Moments) Add(x float64) {
	if !isFinite(x) {
		return
	}
	m.N++
	d := x - m.Mean
	m.Mean += d / m.N
	m.M2 += d * (x - m.Mean)
}

// Merge adds the values of another stream. Moments that cannot be (a count
// that is negative or not finite, say) are left out.
func (m *Moments) Merge(o Moments) {
	if !o.possible() || o.N == 0 {
		return
	}
	n := m.N + o.N
	d := o.Mean - m.Mean
	m.M2 += o.M2 + d*d*m.N/n*o.N
	m.Mean += d * (o.N / n)
	m.N = n
}

// Variance returns the unbiased estimate of the variance of one value, 0 for
// fewer than two values.
func (m Moments) Variance() float64 {
	if !m.possible() || m.N < 2 {
		return 0
	}
	return m.M2 / (m.N - 1)
}

// possible reports whether the numbers can be those of a stream.
func (m Moments) possible() bool {
	return isCount(m.N) && isFinite(m.Mean) && m.M2 >= 0 && isFinite(m.M2)
}
