package stats

import (
	"math"
	"slices"
)

// reference integrates exp(L) against one scale of the prior by bisection until
// a panel and its halves agree. It is slow, and unlike curve.logMix in
// everything but the curve: no common panels, no estimate of widths, no
// derivative.
type reference struct {
	value func(u float64) float64
	half  float64 // 1/(2 tau^2)
	top   float64
	scale float64 // a first estimate of the integral, for the tolerance
	rule  legendre
}

// referenceLogMix is what curve.logMix should return.
func referenceLogMix(c curve, p Prior) float64 {
	logs := make([]float64, p.scales)
	for i := range p.scales {
		tau := p.tau[i]
		r := reference{value: c.value, half: 1 / (2 * tau * tau), rule: newLegendre(10)}
		cuts := r.cuts(c, tau)
		for j := 1; j < len(cuts); j++ {
			r.scale += r.plain(cuts[j-1], cuts[j])
		}
		sum := 0.0
		for j := 1; j < len(cuts); j++ {
			sum += r.between(cuts[j-1], cuts[j], 30)
		}
		logs[i] = r.top + math.Log(sum) + p.logW[i] + 0.5*math.Log(2/math.Pi) - math.Log(tau)
	}
	return LogSumExp(logs)
}

// cuts returns panels that crowd where the integrand may be steep: at 0, at its
// highest point and at the kinks.
func (r *reference) cuts(c curve, tau float64) []float64 {
	hi, at := r.highest(c.end, tau)
	var cuts []float64
	for _, centre := range append([]float64{0, at}, c.kinks...) {
		for x := hi; x > hi*1e-7; x /= 2 {
			cuts = append(cuts, centre-x, centre, centre+x)
		}
	}
	cuts = slices.DeleteFunc(cuts, func(u float64) bool { return !(u > 0 && u < hi) })
	cuts = append(cuts, 0, hi)
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

func (r *reference) log(u float64) float64 { return r.value(u) - u*u*r.half }

// highest finds the highest point by ternary search, and a point beyond which
// nothing is left.
func (r *reference) highest(end, tau float64) (hi, at float64) {
	hi = tau
	for hi < end && r.log(hi) > r.log(hi/2)-1 {
		hi *= 2
	}
	lo, up := 0.0, min(hi, end)
	for range 300 {
		x, y := lo+(up-lo)/3, up-(up-lo)/3
		if r.log(x) < r.log(y) {
			lo = x
		} else {
			up = y
		}
	}
	r.top = r.log(lo)
	step := tau
	for lo+step < end && r.log(lo+step) > r.top-45 {
		step *= 2
	}
	for r.log(lo+step/2) < r.top-90 {
		step /= 2
	}
	return min(lo+step, end), lo
}

func (r *reference) plain(x, y float64) float64 {
	sum, c, h := 0.0, 0.5*(x+y), 0.5*(y-x)
	for i := range r.rule.x {
		sum += r.rule.w[i] * math.Exp(r.log(c+h*r.rule.x[i])-r.top)
	}
	return sum * h
}

func (r *reference) between(x, y float64, depth int) float64 {
	mid := 0.5 * (x + y)
	whole, left, right := r.plain(x, y), r.plain(x, mid), r.plain(mid, y)
	if depth == 0 || math.Abs(left+right-whole) <= 1e-13*r.scale {
		return left + right
	}
	return r.between(x, mid, depth-1) + r.between(mid, y, depth-1)
}
