package stats

import "math"

// curve is a concave log-likelihood ratio L on [0, end] with L(0) = 0. The
// e-values of this package are integrals of exp(L) against a prior.
type curve struct {
	// value returns L(u).
	value func(u float64) float64
	// slope returns the first and second derivative of L at u.
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

// mixture is an integral in the making.
type mixture struct {
	curve  *curve
	bumps  []bump
	top    float64 // logarithm of the highest point of a bump
	mass   float64 // logarithm of the integral, give or take a small factor
	splits int     // how many panels were halved
}

// logMix returns ln of the integral of exp(L) against the mixture of
// half-normals p. All scales share one set of panels and thus each value of L.
func (c *curve) logMix(p Prior) float64 {
	var bumps [maxScales]bump
	m := c.mixture(p, bumps[:0])
	return m.log()
}

// mixture surveys the integrand for each scale of the prior. The bumps are kept
// in dst.
func (c *curve) mixture(p Prior, dst []bump) mixture {
	m := mixture{curve: c, top: math.Inf(-1), mass: math.Inf(-1)}
	from := 0.0
	for i := range p.scales {
		b := c.survey(p.tau[i], p.logW[i], from)
		dst = append(dst, b)
		m.mass = max(m.mass, b.logMass())
		// A wider prior pulls less, so the next mode lies further out; this
		// holds because the scales ascend.
		from = b.mode
	}
	m.bumps = dst
	for i := range dst {
		b := &dst[i]
		b.insignificant = b.logMass() < m.mass-depth
		if !b.insignificant {
			m.top = max(m.top, b.peak)
		}
	}
	return m
}

// log returns the logarithm of the integral.
func (m *mixture) log() float64 {
	var store [16]float64
	cuts := m.cuts(store[:0])
	sum := 0.0
	x := node{cuts[0], m.curve.value(cuts[0])}
	for _, cut := range cuts[1:] {
		y := node{cut, m.curve.value(cut)}
		sum += m.panel(x, m.curve.between(x, y), y)
		x = y
	}
	if logE := m.top + math.Log(sum); isFinite(logE) {
		return logE
	}
	return 0 // Numbers so far out that the arithmetic gave up prove nothing.
}

// cuts appends to dst the ascending borders of the panels over which the
// mixture is integrated: the ends of the widest bump, all kinks, and modes and
// edges of every bump and points around bends, unless a border is near enough
// already.
func (m *mixture) cuts(dst []float64) []float64 {
	lo, hi := math.Inf(1), 0.0
	for i := range m.bumps {
		if !m.bumps[i].insignificant {
			lo, hi = min(lo, m.bumps[i].lo), max(hi, m.bumps[i].hi)
		}
	}
	dst = append(dst, lo, hi)
	for _, k := range m.curve.kinks {
		if k > lo && k < hi {
			dst = insert(dst, k, 0, 0)
		}
	}
	for i := range m.bumps {
		b := &m.bumps[i]
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
	for _, b := range m.curve.bends {
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

// between returns the node halfway between two others.
func (c *curve) between(x, y node) node {
	u := 0.5 * (x.u + y.u)
	return node{u, c.value(u)}
}

// fallUnit is the fall (in nats) over a panel that asks for as fine a rule as one
// side of a Gaussian does.
const fallUnit = 20

// maxSplits is how often panels are halved at most in one integral.
const maxSplits = 200

// panel returns the integral of the mixture from x to y, divided by exp(top);
// mid is the node between. It takes the smallest rule that is fine enough, and
// halves the panel where none is.
func (m *mixture) panel(x, mid, y node) float64 {
	left, right := m.curve.between(x, mid), m.curve.between(mid, y)
	nodes := [5]node{x, left, mid, right, y}
	need := 0.0
	for i := range m.bumps {
		need = max(need, m.bumps[i].need(&nodes, m.top, m.mass))
	}
	if need == 0 {
		return 0
	}
	if m.curve.unit > 0 {
		need = max(need, (y.u-x.u)/m.curve.unit)
	}
	for r := range rules {
		if need <= rules[r].span || m.splits >= maxSplits && r == len(rules)-1 {
			half := 0.5 * (y.u - x.u)
			return half * m.sum(&rules[r].rule, mid.u, half)
		}
	}
	m.splits++
	return m.panel(x, left, mid) + m.panel(mid, right, y)
}

// sum applies a rule to the mixture around centre.
func (m *mixture) sum(rule *legendre, centre, half float64) float64 {
	sum := 0.0
	for i, x := range rule.x {
		u := centre + half*x
		sum += rule.w[i] * m.at(u, m.curve.value(u)-m.top)
	}
	return sum
}

// at returns the sum of the bumps at u, given L(u) less top.
func (m *mixture) at(u, l float64) float64 {
	sum := 0.0
	for i := range m.bumps {
		b := &m.bumps[i]
		if b.insignificant || u < b.lo || u > b.hi {
			continue
		}
		sum += math.Exp(b.at(u, l))
	}
	return sum
}
