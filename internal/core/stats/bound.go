package stats

import "math"

// Search says where to look for the frontier at which a log e-value, as a
// function of the null's boundary, crosses a threshold.
type Search struct {
	Start float64 // where there is little evidence, for example the estimate
	Step  float64 // the first stride, positive
	Limit float64 // the farthest boundary worth asking about; its side of Start gives the direction
}

// Frontier returns the boundary nearest to Start at which logE reaches the
// threshold: the anytime-valid confidence bound that belongs to the e-value.
// logE must not decrease from Start towards Limit. When it stays below the
// threshold as far as Limit, there is no bound, and the answer is infinite on
// Limit's side.
//
// The point returned lies on the side on which logE has reached the threshold,
// so a bound beyond a margin and a verdict at that margin say the same.
func (s Search) Frontier(logThreshold float64, logE func(boundary float64) float64) float64 {
	sign := 1.0
	if s.Limit < s.Start {
		sign = -1
	}
	none := math.Inf(int(sign))
	if !isFinite(s.Start) || !isFinite(s.Limit) || !(s.Step > 0) || math.IsNaN(logThreshold) {
		return none
	}
	reach := sign * (s.Limit - s.Start)
	excess := func(d float64) float64 { return logE(s.Start+sign*math.Min(d, reach)) - logThreshold }

	below := point{0, excess(0)}
	if below.y >= 0 {
		return s.Start
	}
	above := point{math.Min(s.Step, reach), 0}
	for stride := 1; ; stride++ {
		above.y = excess(above.x)
		if above.y >= 0 {
			break
		}
		if above.x >= reach {
			return none
		}
		if stride == 3 && excess(reach) < 0 {
			return none
		}
		below = above
		above.x = math.Min(2*above.x, reach)
	}
	return s.Start + sign*refine(below, above, excess)
}

// point is an argument and its value.
type point struct{ x, y float64 }

// refine narrows the bracket between below (y < 0) and above (y >= 0) and
// returns the last point with y >= 0. It takes the regula falsi with the weights
// of Anderson and Bjorck (BIT 13, 1973), and halves the bracket whenever that
// has not halved it in three steps, so that a jump costs no more than a
// bisection.
func refine(below, above point, f func(float64) float64) float64 {
	low, high := below.y, above.y // the values as weighted
	width, slow, last := math.Abs(above.x-below.x), 0, 0
	for range 200 {
		if above.y <= 1e-10 || math.Abs(above.x-below.x) <= 1e-15*math.Abs(above.x) {
			break
		}
		x := below.x - low*(above.x-below.x)/(high-low)
		if slow >= 3 || !(x > math.Min(below.x, above.x) && x < math.Max(below.x, above.x)) {
			x, slow = below.x+0.5*(above.x-below.x), 0
			if x == below.x || x == above.x {
				break
			}
		}
		y := f(x)
		if y >= 0 {
			if last > 0 {
				low *= shrink(y, above.y)
			} else {
				low = below.y
			}
			above, high, last = point{x, y}, y, 1
		} else {
			if last < 0 {
				high *= shrink(y, below.y)
			} else {
				high = above.y
			}
			below, low, last = point{x, y}, y, -1
		}
		slow++
		if now := math.Abs(above.x - below.x); now <= 0.5*width {
			width, slow = now, 0
		}
	}
	return above.x
}

// shrink is the weight for the end of the bracket that stays a second time,
// when the other end's value moves from before to now.
func shrink(now, before float64) float64 {
	if m := 1 - now/before; m > 0 {
		return m
	}
	return 0.5
}

// strideInSE is the distance from an estimate, in standard errors, at which its
// bound is first looked for; see the critical values of ZBoundary.
const strideInSE = 3.2

// ratioLimit is the largest distance from the estimate at which a bound on a
// log ratio is looked for; exp(64) is beyond any count.
const ratioLimit = 64

// RatioBound returns the anytime-valid bound on the log ratio of the event
// rates at the threshold ln(1/alpha): with dir Up the lower bound, the largest
// margin at which LogERatio reaches the threshold; with dir Down the upper
// bound, the smallest one. It is -Inf (Up) or +Inf (Down) when there is none.
func (c Counts) RatioBound(logThreshold float64, dir Dir, p Prior) float64 {
	sign := dir.sign()
	none := math.Inf(-int(sign))
	var store [stackStrata]tilt
	ts, ok := c.ratioTilts(0, 1, store[:0])
	if !ok || !p.usable() || sign == 0 {
		return none
	}
	start, info := c.ratioStart(ts)
	search := Search{Start: start, Step: strideInSE / math.Sqrt(info), Limit: start - sign*ratioLimit}
	return search.Frontier(logThreshold, func(lam0 float64) float64 { return c.LogERatio(lam0, dir, p) })
}

// ratioStart returns the estimate of the log ratio and its information. Where
// one arm has no event, half an event stands in.
func (c Counts) ratioStart(ts tilts) (estimate, info float64) {
	estimate = c.RatioMLE()
	if math.IsInf(estimate, 0) {
		n := Stratum{}
		for _, s := range c.Strata {
			if s.comparable() {
				n.NT, n.KT, n.NC, n.KC = n.NT+s.NT, n.KT+s.KT, n.NC+s.NC, n.KC+s.KC
			}
		}
		estimate = math.Log((n.KT+0.5)/n.NT) - math.Log((n.KC+0.5)/n.NC)
	}
	_, second := ts.slopeAt(estimate)
	return estimate, math.Max(-second, 1e-3/ts.phi)
}

// BernoulliBound returns the anytime-valid bound on the rate of k events in n
// trials at the threshold ln(1/alpha): with dir Up the lower bound, the largest
// p0 at which LogEBernoulli reaches the threshold; with dir Down the upper
// bound, the smallest one. It is -Inf (Up) or +Inf (Down) when there is none.
func BernoulliBound(k, n, phi, logThreshold float64, dir Dir, p Prior) float64 {
	sign := dir.sign()
	none := math.Inf(-int(sign))
	scale, ok := dispersionOr1(phi)
	if !ok || !isCount(k) || !isCount(n) || n == 0 || k > n*(1+slack) || !p.usable() || sign == 0 {
		return none
	}
	rate := (math.Min(k, n) + 0.5) / (n + 1)
	search := Search{
		Start: logit(rate),
		Step:  strideInSE / math.Sqrt((n+1)*rate*(1-rate)/scale),
	}
	search.Limit = search.Start - sign*ratioLimit
	at := search.Frontier(logThreshold, func(x float64) float64 {
		return LogEBernoulli(k, n, expit(x), phi, dir, p)
	})
	if math.IsInf(at, 0) {
		return none
	}
	return expit(at)
}
