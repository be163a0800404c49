package stats

import "math"

// Search says where to look for the frontier at which a log e-value, as a
// function of the null's boundary, crosses a threshold.
type Search struct {
	Start float64 // where there is little evidence, for example the estimate
	Step  float64 // the first stride, positive
	Limit float64 // the farthest boundary worth asking about; its side of Start gives the direction
}

// Frontier returns the boundary at which logE, seen from Start towards Limit,
// first reaches the threshold: the anytime-valid confidence bound that belongs
// to the e-value. logE must not decrease in that direction. When it stays below
// the threshold as far as Limit, there is no bound, and the answer is infinite
// on Limit's side. When it has reached the threshold at Start already, the
// search goes the other way, no farther than Limit is.
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
	excess := func(d float64) float64 { return logE(s.Start+sign*d) - logThreshold }
	below := point{0, excess(0)}
	if below.y >= 0 {
		above, below := stride(below, -s.Step, -reach, excess)
		if above.y >= 0 && below.y >= 0 {
			return s.Start + sign*below.x
		}
		return s.Start + sign*refine(below, above, excess)
	}
	below, above := stride(below, s.Step, reach, excess)
	if !(above.y >= 0) {
		return none
	}
	return s.Start + sign*refine(below, above, excess)
}

// stride doubles its distance from a point until f changes its sign or the reach
// is exhausted, and returns the last two points. After three strides it looks
// at the end first, lest many be taken in vain.
func stride(from point, step, reach float64, f func(float64) float64) (before, after point) {
	before = from
	for n := 1; ; n++ {
		if math.Abs(step) > math.Abs(reach) {
			step = reach
		}
		after = point{step, f(step)}
		if (after.y >= 0) != (from.y >= 0) || step == reach {
			return before, after
		}
		if n == 3 {
			if end := (point{reach, f(reach)}); (end.y >= 0) == (from.y >= 0) {
				return after, end
			}
		}
		before = after
		step *= 2
	}
}

// closeEnough is the excess over the threshold at which a search ends. It is
// above the error of the integrals.
const closeEnough = 1e-8

// point is an argument and its value.
type point struct{ x, y float64 }

// refine narrows the bracket between below (y < 0) and above (y >= 0) until
// above.y is closeEnough and returns above.x. It takes the regula falsi with the
// weights of Anderson and Bjorck (BIT 13, 1973), aimed a little above the
// threshold so as to end on the right side of it, and halves the bracket
// whenever that has not halved it in three steps, so that a jump costs no more
// than a bisection.
func refine(below, above point, f func(float64) float64) float64 {
	const aim = closeEnough / 2
	low, high := below.y-aim, above.y-aim // the distances from the aim, as weighted
	width, slow, last := math.Abs(above.x-below.x), 0, 0
	for range 200 {
		if above.y <= closeEnough || math.Abs(above.x-below.x) <= 1e-14*math.Abs(above.x) {
			break
		}
		x := below.x - low*(above.x-below.x)/(high-low)
		if slow >= 3 || !(x > min(below.x, above.x) && x < max(below.x, above.x)) {
			x, slow = below.x+0.5*(above.x-below.x), 0
			if x == below.x || x == above.x {
				break
			}
		}
		next := point{x, f(x)}
		if next.y >= 0 {
			low = weighted(low, below.y-aim, last > 0, next.y-aim, above.y-aim)
			above, high, last = next, next.y-aim, 1
		} else {
			high = weighted(high, above.y-aim, last < 0, next.y-aim, below.y-aim)
			below, low, last = next, next.y-aim, -1
		}
		slow++
		if now := math.Abs(above.x - below.x); now <= 0.5*width {
			width, slow = now, 0
		}
	}
	return above.x
}

// weighted returns the weighted distance of the end of the bracket that stays,
// when the other end's distance changes from before to now. It is lowered when
// that end stays for a second time, and its own plain distance otherwise.
func weighted(current, plain float64, again bool, now, before float64) float64 {
	if !again {
		return plain
	}
	if m := 1 - now/before; m > 0 {
		return current * m
	}
	return current * 0.5
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
	return estimate, max(-second, 1e-3/ts.phi)
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
	rate := (min(k, n) + 0.5) / (n + 1)
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
