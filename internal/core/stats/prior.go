package stats

import "math"

// Dir is the direction of an alternative hypothesis.
type Dir int8

const (
	// Up asks for evidence that the quantity is larger than the null allows.
	Up Dir = 1
	// Down asks for evidence that the quantity is smaller than the null allows.
	Down Dir = -1
)

// sign returns the direction as a factor, 0 for a value that is no direction.
func (d Dir) sign() float64 {
	switch d {
	case Up:
		return 1
	case Down:
		return -1
	}
	return 0
}

// String returns "up" or "down".
func (d Dir) String() string {
	switch d {
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return "none"
}

// maxScales is the number of scales in the widest prior.
const maxScales = 3

// Prior is a mixture of half-normal distributions on the distance by which the
// truth lies beyond the null's boundary. It decides where a test has its
// power, never whether it is valid; but it must be fixed before the first
// observation. The zero Prior has no scale, and no evidence is found with it.
type Prior struct {
	tau    [maxScales]float64
	logW   [maxScales]float64
	scales int
}

// Prior3 returns the mixture of the scales tau0/5, tau0 and 5*tau0 with the
// weights 1/4, 1/2 and 1/4. It makes the critical value nearly flat over six
// orders of magnitude of sample size, so that nobody has to guess one.
func Prior3(tau0 float64) Prior {
	return Prior{
		tau:    [maxScales]float64{tau0 / 5, tau0, 5 * tau0},
		logW:   [maxScales]float64{-2 * math.Ln2, -math.Ln2, -2 * math.Ln2},
		scales: 3,
	}
}

// Prior1 returns the half-normal prior of the single scale tau.
func Prior1(tau float64) Prior {
	return Prior{tau: [maxScales]float64{tau}, scales: 1}
}

// usable reports whether every scale is a positive finite number that can be
// squared and inverted.
func (p Prior) usable() bool {
	for _, tau := range p.tau[:p.scales] {
		if !(tau > 1e-100 && tau < 1e100) {
			return false
		}
	}
	return p.scales > 0
}
