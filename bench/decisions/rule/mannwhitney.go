package rule

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// MannWhitney is the outcome of the rank test of two series.
type MannWhitney struct {
	Lower, Upper float64 // confidence interval of the shift
	Estimate     float64 // of Hodges and Lehmann
}

// NewMannWhitney compares an experiment with a control: the asymptotic
// confidence interval of wilcox.test in R, with correction for continuity and for
// ties, which is what Kayenta computes. The roots are found to the last digit;
// Kayenta's solver stops earlier. Neither series is empty. It reports false where
// all observations are tied.
func NewMannWhitney(control, experiment []float64, confidence float64) (MannWhitney, bool) {
	d := rankDifference{x: slices.Sorted(slices.Values(experiment)), y: slices.Sorted(slices.Values(control))}
	first, last := d.x[0]-d.y[len(d.y)-1], d.x[len(d.x)-1]-d.y[0]
	z := distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
	out := MannWhitney{Lower: d.root(first, last, z), Upper: d.root(first, last, -z), Estimate: d.root(first, last, 0)}
	return out, !math.IsNaN(out.Lower + out.Upper + out.Estimate)
}

// rankDifference is the standardised rank sum of a sample x that is shifted,
// against a sample y. Both are sorted.
type rankDifference struct{ x, y []float64 }

// root is the shift at which the standardised rank sum falls to z.
func (d rankDifference) root(lo, hi, z float64) float64 {
	switch low, high := d.at(lo), d.at(hi); {
	case math.IsNaN(low) || math.IsNaN(high):
		return math.NaN()
	case low <= z:
		return lo
	case high >= z:
		return hi
	}
	for range 60 {
		middle := lo + (hi-lo)/2
		switch at := d.at(middle); {
		case at > z:
			lo = middle
		case at < z:
			hi = middle
		default:
			return middle
		}
	}
	return lo + (hi-lo)/2
}

// at is the standardised rank sum of x less a shift. It falls as the shift grows.
func (d rankDifference) at(shift float64) float64 {
	nx, ny := float64(len(d.x)), float64(len(d.y))
	var ranks, ties float64
	for i, j := 0, 0; i < len(d.x) || j < len(d.y); {
		v := math.Inf(1)
		if i < len(d.x) {
			v = d.x[i] - shift
		}
		if j < len(d.y) {
			v = min(v, d.y[j])
		}
		before, own := i+j, i
		for i < len(d.x) && d.x[i]-shift == v {
			i++
		}
		for j < len(d.y) && d.y[j] == v {
			j++
		}
		tied := float64(i + j - before)
		ranks += float64(i-own) * (float64(before) + (tied+1)/2)
		ties += tied*tied*tied - tied
	}
	off := ranks - nx*(nx+1)/2 - nx*ny/2
	n := nx + ny
	sigma := math.Sqrt(nx * ny / 12 * ((n + 1) - ties/(n*(n-1))))
	if sigma == 0 {
		return math.NaN()
	}
	switch {
	case off > 0:
		off -= 0.5
	case off < 0:
		off += 0.5
	}
	return off / sigma
}
