package planner

import (
	"math"
	"math/rand/v2"
)

// A noise is the chance of a number of rollouts: standard normal numbers by
// rollout and by draw. All worlds of a plan share it, so that they differ by what
// is asked of them and not by luck.
type noise struct {
	paths int
	draws int
	z     []float32 // by path, then by draw
}

// newNoise draws so many numbers for each of paths rollouts. Every other rollout
// is the mirror image of the one before, by which means come out right.
func newNoise(paths, draws int) *noise {
	n := &noise{paths: paths, draws: draws, z: make([]float32, paths*draws)}
	r := rand.New(rand.NewPCG(0x706c616e, 0x6e6572))
	for p := 0; p < paths; p += 2 {
		for d := range draws {
			z := float32(r.NormFloat64())
			n.z[p*draws+d] = z
			if p+1 < paths {
				n.z[(p+1)*draws+d] = -z
			}
		}
	}
	return n
}

// of returns the numbers of a rollout.
func (n *noise) of(path int) []float32 { return n.z[path*n.draws : (path+1)*n.draws] }

// grainy is the number of events below which they are counted one by one; above,
// their distribution is near enough to a normal one with its skew.
const grainy = 25

// A draw turns standard normal numbers into the events of a period.
type draw struct {
	mean, sd float64
	// jump is how much one event adds: the size of a clump of events that happen
	// together; 0 for a sum of numbers.
	jump float64
	skew float64
	// steps are the normal numbers from which on there is one clump more; nil
	// where events are not counted one by one.
	steps []float32
}

// newDraw returns the draw of events with a mean and a variance. Their clumps are
// Poisson, so that a clump is as large as the variance over the mean.
func newDraw(mean, variance float64, counted bool) draw {
	d := draw{mean: mean, sd: math.Sqrt(max(variance, 0))}
	if !counted || !(mean > 0) || !(variance > 0) {
		return d
	}
	d.jump = variance / mean
	d.skew = d.jump / 6
	if clumps := mean / d.jump; clumps < grainy {
		d.steps = poissonSteps(clumps)
	}
	return d
}

// of returns the events for a standard normal number.
func (d *draw) of(z float32) float64 {
	if d.steps != nil {
		return d.jump * float64(d.clumps(z))
	}
	x := float64(z)
	return d.mean + d.sd*x + d.skew*(x*x-1)
}

// clumps counts the steps up to z.
func (d *draw) clumps(z float32) int {
	k := 0
	for k < len(d.steps) && z >= d.steps[k] {
		k++
	}
	return k
}

// poissonSteps are the normal quantiles of the Poisson distribution function at
// 0, 1, 2 … for a mean below grainy.
func poissonSteps(mean float64) []float32 {
	steps := make([]float32, 0, 8+int(2*mean))
	term := math.Exp(-mean)
	below := 0.0
	for k := range 4 * grainy {
		below += term
		if 1-below < 1e-6 {
			break
		}
		steps = append(steps, float32(normalQuantile(below)))
		term *= mean / float64(k+1)
	}
	return steps
}

// normalQuantile is the inverse of the standard normal distribution function.
func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// normalTail is the share of a standard normal distribution above z.
func normalTail(z float64) float64 { return 0.5 * math.Erfc(z/math.Sqrt2) }
