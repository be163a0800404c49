package stats

import "math"

// bump is the integrand for one scale of the prior: exp(L(u) - u^2/(2 tau^2))
// with its constant, concave in the log. It is followed on [lo, hi] only.
type bump struct {
	halfInv       float64 // 1/(2 tau^2)
	logC          float64 // log of weight and normalising constant
	mode, peak    float64 // where it is highest, and its logarithm there
	lo, hi        float64
	left, right   float64 // widths of its sides, as if depth nats deep
	insignificant bool
}

// at returns the logarithm of the bump at u, given L(u).
func (b *bump) at(u, l float64) float64 { return l - u*u*b.halfInv + b.logC }

// survey finds where the integrand of one scale has its mass. The mode is
// known not to lie below from.
func (c *curve) survey(tau, logW, from float64) bump {
	inv := 1 / (tau * tau)
	b := bump{
		halfInv: 0.5 * inv,
		logC:    logW + 0.5*math.Log(2/math.Pi) - math.Log(tau),
	}
	b.mode = c.mode(inv, from)
	if b.mode > 0 {
		b.peak = b.at(b.mode, c.value(b.mode))
	} else {
		b.peak = b.logC
	}
	_, curvature := c.slope(b.mode)
	sd := 1 / math.Sqrt(inv-min(curvature, 0))
	b.hi, b.right = c.edge(&b, sd, +1)
	b.lo, b.left = c.edge(&b, sd, -1)
	return b
}

// modeTolerance is the gain (in nats) that a further step towards the mode must
// promise to be taken. The mode is only used to lay out panels.
const modeTolerance = 1e-3

// mode returns the maximum of L(u) - u^2 inv/2 on [from, end] by Newton's
// method inside a bracket.
func (c *curve) mode(inv, from float64) float64 {
	lo, hi := from, math.Inf(1)
	if c.end < hi {
		hi = c.end
	}
	u := lo
	for range 200 {
		first, second := c.slope(u)
		first -= u * inv
		second -= inv
		if first > 0 {
			lo = u
		} else {
			hi = u
		}
		if u == from && first <= 0 {
			return u
		}
		next := u - first/second
		gain := first * (next - u)
		if !(next > lo && next < hi) {
			next = inside(lo, hi)
			gain = math.Abs(first) * (hi - lo)
		}
		if gain <= modeTolerance || next == lo || next == hi {
			// Not next: beyond a kink it might lie far below.
			return u
		}
		u = next
	}
	return u
}

// inside returns a point within the bracket, which may be open to the right.
func inside(lo, hi float64) float64 {
	switch {
	case math.IsInf(hi, 1):
		return 2*lo + 1
	case lo > 0 && hi > 4*lo:
		return math.Sqrt(lo) * math.Sqrt(hi)
	}
	return lo + 0.5*(hi-lo)
}

// edge follows the bump from its mode to the right or left (sign) until it has
// fallen by depth, and returns that point and its distance from the mode. Where
// the domain ends before, it is the domain's end and the distance that of a
// Gaussian.
//
// Newton's method on a concave function, started outside, stays outside, and
// started inside lands outside; so a few steps give a point slightly too far,
// which is all that is needed. The bracket is for the ends of a domain at which
// L may be minus infinity.
func (c *curve) edge(b *bump, sd, sign float64) (point, width float64) {
	end := 0.0
	if sign > 0 {
		end = c.end
	}
	room := sign * (end - b.mode)
	if !(room > 0) {
		return b.mode, gaussSide * sd
	}
	target := b.peak - depth
	if !math.IsInf(room, 1) {
		if h := c.height(b, end); h >= target {
			// The side is cut off at a depth of peak-h. A Gaussian that deep
			// there would reach the full depth at this distance:
			return end, min(room*math.Sqrt(depth/(b.peak-h)), gaussSide*sd)
		}
	}
	inner, outer := 0.0, room
	d := gaussSide * sd
	for range 100 {
		if !(d > inner && d < outer) {
			d = inside(inner, outer)
		}
		u := b.mode + sign*d
		v := c.height(b, u)
		if v > target {
			inner = d
		} else {
			outer = d
			if v >= target-8 {
				break
			}
		}
		first, _ := c.slope(u)
		d -= (v - target) / (sign * (first - 2*u*b.halfInv))
	}
	if math.IsInf(outer, 1) {
		outer = inner
	}
	return b.mode + sign*outer, outer
}

// height returns the logarithm of the bump at u.
func (c *curve) height(b *bump, u float64) float64 {
	if u == 0 {
		return b.logC
	}
	return b.at(u, c.value(u))
}

// need returns how fine a rule the bump needs on a panel, given at five equally
// spaced nodes, in the unit of rules: 1 is one side of a Gaussian. A Gaussian's
// width shows in how far the middle of each half lies above its chord, an
// exponential's in how far it falls. 0 means that the panel adds nothing to an
// integral with the given top and mass (logarithms).
func (b *bump) need(nodes *[5]node, top, mass float64) float64 {
	if b.insignificant || nodes[4].u <= b.lo || nodes[0].u >= b.hi {
		return 0
	}
	floor := top - 1.3*depth
	highest := floor
	var h [5]float64
	for i, n := range nodes {
		h[i] = max(b.at(n.u, n.l), floor)
		highest = max(highest, h[i])
	}
	if highest == floor || highest+math.Log(nodes[4].u-nodes[0].u) < mass-depth {
		return 0
	}
	sag := max(0, h[1]-0.5*(h[0]+h[2]), h[3]-0.5*(h[2]+h[4]))
	fall := math.Abs(h[0] - h[4])
	need := max(math.Sqrt(32*sag)/gaussSide, fall/fallUnit, 1e-9)
	// Far below the top a larger relative error will do; the error of a rule of
	// n nodes goes with the 2n-th power of the width.
	return need / (1 + (top-highest)/40)
}

// logMass is the logarithm of the integral of the bump, give or take a small
// factor.
func (b *bump) logMass() float64 { return b.peak + math.Log(b.hi-b.lo) }
