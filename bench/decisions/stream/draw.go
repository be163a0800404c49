package stream

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// inverted is the mean up to which a Poisson number is drawn by inversion.
const inverted = 48

// poisson draws a Poisson number. It is the innermost loop of all.
func poisson(r *rand.Rand, mean float64) uint64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < inverted:
		u, p := r.Float64(), math.Exp(-mean)
		for k := uint64(0); ; k++ {
			if u -= p; u < 0 || k > 200 {
				return k
			}
			p *= mean / float64(k+1)
		}
	}
	return uint64(distuv.Poisson{Lambda: mean, Src: r}.Rand())
}

// binomial draws how many of n have an event of chance p.
func binomial(r *rand.Rand, n uint64, p float64) uint64 {
	switch {
	case n == 0 || !(p > 0):
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	case float64(n)*p < inverted:
		return inversion(r, n, p)
	}
	return uint64(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand())
}

// inversion draws a binomial number with a small mean.
func inversion(r *rand.Rand, n uint64, p float64) uint64 {
	odds := p / (1 - p)
	u, f := r.Float64(), math.Exp(float64(n)*math.Log1p(-p))
	for k := range n {
		if u -= f; u < 0 {
			return k
		}
		f *= odds * float64(n-k) / float64(k+1)
		if f < 1e-300 {
			return k + 1
		}
	}
	return n
}

// urn draws places in proportion to weights (Walker's method of aliases).
type urn struct {
	keep  []float64
	alias []int32
	total float64
}

func newUrn(weights []float64) urn {
	n := len(weights)
	u := urn{keep: make([]float64, n), alias: make([]int32, n)}
	for _, w := range weights {
		u.total += w
	}
	var small, large []int32
	for i, w := range weights {
		u.keep[i] = w * float64(n) / u.total
		if u.keep[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		u.alias[s] = l
		if u.keep[l] -= 1 - u.keep[s]; u.keep[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	for _, i := range append(small, large...) { // What is left is 1 but for rounding.
		u.keep[i], u.alias[i] = 1, i
	}
	return u
}

func (u *urn) draw(r *rand.Rand) int {
	x := r.Float64() * float64(len(u.keep))
	i := min(int(x), len(u.keep)-1)
	if x-float64(i) < u.keep[i] {
		return i
	}
	return int(u.alias[i])
}

// mixed mixes the bits of two numbers into a seed (SplitMix64).
func mixed(a, b uint64) uint64 {
	x := a + 0x9e3779b97f4a7c15*(b+1)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
