package stats

import "math"

// curve is a concave log-likelihood ratio L on [0, end] with L(0) = 0. The
// e-values of this package are integrals of exp(L) against a prior.
type curve struct {
	// value returns L(u).
	value func(u float64) float64
	// slope returns the first and second derivative of L at u. It is asked much
	// more often than value and may be much cheaper.
	slope func(u float64) (first, second float64)
	// end is the end of the domain, +Inf where there is none.
	end float64
	// unit is a length over which L is smooth: its singularities in the complex
	// plane are farther away. 0 means that there is none but the kinks.
	unit float64
	// kinks are the points at which a derivative of L may jump.
	kinks []float64
	// bends are the points near which L is smooth only over short lengths.
	bends [2]bend

	splits int // how many panels were halved
}

// bend is a point near which a curve is smooth only over lengths in proportion
// to the distance from it, but at least over before and after on its two sides.
// Lengths of 0 mean that there is no bend.
type bend struct{ at, before, after float64 }

// bendGrowth is the factor by which panels grow with the distance from a bend.
const bendGrowth = 6

// depth is how far (in nats) below its highest point an integrand is followed;
// what is left out is below 1e-10 of the integral.
const depth = 25

// gaussSide is the distance, in standard deviations, at which a Gaussian lies
// depth nats below its mode.
const gaussSide = 7.0711

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

// logMix returns ln of the integral of exp(L) against the mixture of
// half-normals p. All scales share one set of panels and thus each value of L.
func (c *curve) logMix(p Prior) float64 {
	var store [maxScales]bump
	bumps := store[:p.scales]
	from := 0.0
	for i := range bumps {
		bumps[i] = c.survey(p.tau[i], p.logW[i], from)
		// A wider prior pulls less, so the next mode lies further out; this
		// holds because the scales ascend.
		from = bumps[i].mode
	}
	top := markInsignificant(bumps)

	var cutStore [16]float64
	cuts := c.cuts(bumps, cutStore[:0])
	sum := 0.0
	x := node{cuts[0], c.value(cuts[0])}
	for _, cut := range cuts[1:] {
		y := node{cut, c.value(cut)}
		sum += c.panel(bumps, x, c.between(x, y), y, top)
		x = y
	}
	if logE := top + math.Log(sum); isFinite(logE) {
		return logE
	}
	return 0 // Numbers so far out that the arithmetic gave up prove nothing.
}

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

// markInsignificant marks the bumps whose integral does not matter beside the
// largest, and returns the logarithm of the highest point of those that do.
func markInsignificant(bumps []bump) (top float64) {
	top = math.Inf(-1)
	best := math.Inf(-1)
	for i := range bumps {
		best = max(best, bumps[i].logMass())
	}
	for i := range bumps {
		b := &bumps[i]
		b.insignificant = b.logMass() < best-depth
		if !b.insignificant {
			top = max(top, b.peak)
		}
	}
	return top
}

// logMass is the logarithm of the integral of the bump, give or take a small
// factor.
func (b *bump) logMass() float64 { return b.peak + math.Log(b.hi-b.lo) }

// cuts appends to dst the ascending borders of the panels over which the
// mixture is integrated: the ends of the widest bump, all kinks, and modes and
// edges of every bump and points around bends, unless a border is near enough
// already.
func (c *curve) cuts(bumps []bump, dst []float64) []float64 {
	lo, hi := math.Inf(1), 0.0
	for i := range bumps {
		if !bumps[i].insignificant {
			lo, hi = min(lo, bumps[i].lo), max(hi, bumps[i].hi)
		}
	}
	dst = append(dst, lo, hi)
	for _, k := range c.kinks {
		if k > lo && k < hi {
			dst = insert(dst, k, 0, 0)
		}
	}
	for i := range bumps {
		b := &bumps[i]
		if b.insignificant {
			continue
		}
		below, above := 0.2*b.left, 0.2*b.right
		dst = insert(dst, b.mode, below, above)
		// A panel that goes on a little beyond a bump's edge is as good as one
		// that ends there; one that goes on far would have too few nodes on it.
		dst = insert(dst, b.hi, 0, above)
		dst = insert(dst, b.lo, below, 0)
	}
	for _, b := range c.bends {
		dst = b.cuts(dst, b.before, -1)
		dst = b.cuts(dst, b.after, +1)
	}
	return dst
}

// cuts inserts borders at growing distances on one side of the bend.
func (b bend) cuts(list []float64, length, sign float64) []float64 {
	if !(length > 0) {
		return list
	}
	first, last := list[0], list[len(list)-1]
	reach := max(sign*(first-b.at), sign*(last-b.at))
	for d := length; d < reach; d *= bendGrowth {
		list = insert(list, b.at+sign*d, 0.5*d, 0.5*d)
	}
	return list
}

// insert puts x into the ascending list unless it lies outside of it, or a
// member lies closer than below under it or above over it.
func insert(list []float64, x, below, above float64) []float64 {
	at := 0
	for at < len(list) && list[at] < x {
		at++
	}
	if at == 0 || at == len(list) || x-list[at-1] <= below || list[at]-x <= above {
		return list
	}
	list = append(list, 0)
	copy(list[at+1:], list[at:])
	list[at] = x
	return list
}

// node is a point on the curve.
type node struct{ u, l float64 }

// fallUnit is the fall (in nats) over a panel that asks for as fine a rule as one
// side of a Gaussian does.
const fallUnit = 20

// maxSplits is how often panels are halved at most in one integral.
const maxSplits = 200

// panel returns the integral of the mixture from x to y, divided by exp(top);
// mid is the node between. It takes the smallest rule that is fine enough, and
// halves the panel where none is.
func (c *curve) panel(bumps []bump, x, mid, y node, top float64) float64 {
	left, right := c.between(x, mid), c.between(mid, y)
	need := 0.0
	for i := range bumps {
		need = max(need, bumps[i].need([5]node{x, left, mid, right, y}, top))
	}
	if need == 0 {
		return 0
	}
	if c.unit > 0 {
		need = max(need, (y.u-x.u)/c.unit)
	}
	for r := range rules {
		if need <= rules[r].span || c.splits >= maxSplits && r == len(rules)-1 {
			half := 0.5 * (y.u - x.u)
			return half * c.sum(bumps, &rules[r].rule, mid.u, half, top)
		}
	}
	c.splits++
	return c.panel(bumps, x, left, mid, top) + c.panel(bumps, mid, right, y, top)
}

// between returns the node halfway between two others.
func (c *curve) between(x, y node) node {
	u := 0.5 * (x.u + y.u)
	return node{u, c.value(u)}
}

// sum applies a rule to the mixture around centre.
func (c *curve) sum(bumps []bump, rule *legendre, centre, half, top float64) float64 {
	sum := 0.0
	for i, x := range rule.x {
		u := centre + half*x
		sum += rule.w[i] * mixtureAt(bumps, u, c.value(u)-top)
	}
	return sum
}

// need returns how fine a rule the bump needs on a panel, given at five equally
// spaced nodes, in the unit of rules: 1 is one side of a Gaussian. A Gaussian's
// width shows in how far the middle of each half lies above its chord, an
// exponential's in how far it falls. 0 means that the bump has no part in the
// panel.
func (b *bump) need(nodes [5]node, top float64) float64 {
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
	if highest == floor {
		return 0
	}
	sag := max(0, max(h[1]-0.5*(h[0]+h[2]), h[3]-0.5*(h[2]+h[4])))
	fall := math.Abs(h[0] - h[4])
	need := max(math.Sqrt(32*sag)/gaussSide, max(fall/fallUnit, 1e-9))
	// Far below the top a larger relative error will do; the error of a rule of
	// n nodes goes with the 2n-th power of the width.
	return need / (1 + (top-highest)/40)
}

// mixtureAt returns the sum of the bumps at u, given L(u) less a common top.
func mixtureAt(bumps []bump, u, l float64) float64 {
	sum := 0.0
	for i := range bumps {
		b := &bumps[i]
		if b.insignificant || u < b.lo || u > b.hi {
			continue
		}
		sum += math.Exp(b.at(u, l))
	}
	return sum
}
