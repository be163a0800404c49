package stats

import "math"

// legendre is a Gauss-Legendre rule on [-1, 1].
type legendre struct{ x, w []float64 }

// rules are the rules in use, by the share of a Gaussian's side (depth nats deep)
// that a panel may span to be integrated to about 1e-10 by it. The shares come
// from the error term of the rule for a Gaussian integrand.
var rules = [...]struct {
	span float64
	rule legendre
}{
	{0.06, newLegendre(4)},
	{0.34, newLegendre(8)},
	{0.65, newLegendre(12)},
	{0.95, newLegendre(16)},
	{1.22, newLegendre(20)},
}

// newLegendre returns the n-point rule, its nodes found by Newton's method on
// the Legendre polynomial from Chebyshev's approximation.
func newLegendre(n int) legendre {
	r := legendre{x: make([]float64, n), w: make([]float64, n)}
	for i := range n {
		x := -math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))
		var slope float64
		for range 100 {
			var value float64
			value, slope = legendreAt(n, x)
			step := value / slope
			x -= step
			if math.Abs(step) < 1e-16 {
				break
			}
		}
		_, slope = legendreAt(n, x)
		r.x[i] = x
		r.w[i] = 2 / ((1 - x*x) * slope * slope)
	}
	return r
}

// legendreAt returns the n-th Legendre polynomial and its derivative at x.
func legendreAt(n int, x float64) (value, slope float64) {
	prev, cur := 1.0, x
	for k := 2; k <= n; k++ {
		prev, cur = cur, ((2*float64(k)-1)*x*cur-(float64(k)-1)*prev)/float64(k)
	}
	return cur, float64(n) * (x*cur - prev) / (x*x - 1)
}
