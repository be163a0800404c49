package oneshot

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// normalTail returns the probability of a standard normal value of at least z
// (Up) or at most z (Down).
func normalTail(z float64, dir stats.Dir) float64 {
	return 0.5 * math.Erfc(float64(dir)*z/math.Sqrt2)
}

// studentTail is normalTail for Student's distribution with nu degrees of
// freedom.
func studentTail(t, nu float64, dir stats.Dir) float64 {
	if !(nu > 0) || math.IsNaN(t) {
		return 1
	}
	if nu > 1e6 {
		return normalTail(t, dir)
	}
	tail := 0.5 * mathext.RegIncBeta(nu/2, 0.5, nu/(nu+t*t))
	if float64(dir)*t > 0 {
		return tail
	}
	return 1 - tail
}

// manyEvents is the number of events from which the binomial tail is taken from
// the root of its likelihood ratio instead. Its error there is below a hundredth
// of the tail.
const manyEvents = 1e6

// leastCount is the number of events below which there are none: that of a
// fraction is rounding, and the incomplete beta function has no such argument.
const leastCount = 1e-12

// binomialTail returns the probability of at least k (Up) or at most k (Down)
// of n events of probability p. Counts may be fractional.
func binomialTail(k, n, p float64, dir stats.Dir) float64 {
	if dir == stats.Down {
		k, p = n-k, 1-p
	}
	switch {
	case k < leastCount:
		return 1
	case p <= 0:
		return 0
	case p >= 1:
		return 1
	case n > manyEvents:
		return normalTail(binomialRoot(k-0.5, n, p), stats.Up)
	}
	return mathext.RegIncBeta(k, n-k+1, p)
}

// binomialRoot returns the signed root of the likelihood ratio of k of n events
// against the probability p.
func binomialRoot(k, n, p float64) float64 {
	height := 0.0
	if k > 0 {
		height += k * math.Log(k/(n*p))
	}
	if k < n {
		height += (n - k) * math.Log((n-k)/(n*(1-p)))
	}
	return math.Copysign(math.Sqrt(2*max(height, 0)), k-n*p)
}

// isCount reports whether x can be a count.
func isCount(x float64) bool { return x >= 0 && x < 1e100 }

// isFinite reports whether x is a number.
func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// dispersion returns phi, 1 in place of 0, and false when it is none.
func dispersion(phi float64) (float64, bool) {
	if phi == 0 {
		return 1, true
	}
	return phi, phi > 1e-100 && phi < 1e100
}

// sortBy sorts indices by a key, equal ones in their order.
func sortBy(order []int, key func(i int) float64) {
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(key(i), key(j)) })
}
