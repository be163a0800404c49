package stats

import "math"

// profile is the log-likelihood of one stratum for the affine margin
// p_T = b + m*p_C, as a function of b, with the nuisance c = p_C maximised out
// (Miettinen and Nurminen 1985 for m = 1):
//
//	kC ln c + fC ln(1-c) + kT ln(b+m c) + fT ln(1-b-m c),   f = n - k,
//	c in [max(0, -b/m), min(1, (1-b)/m)].
//
// The function is jointly concave in (c, b), so the profile is concave in b.
type profile struct {
	kT, fT, kC, fC, m float64

	// The maximiser at the null, to which values are relative.
	c0, p0 float64

	// The maximiser at the boundary asked for last, and where it was going:
	// the next one asked for is mostly near.
	lastB, lastC, drift float64
}

// newProfile returns the profile of a stratum with its null at b.
func newProfile(s Stratum, b, m float64) profile {
	s = s.clamped()
	r := profile{kT: s.KT, fT: s.NT - s.KT, kC: s.KC, fC: s.NC - s.KC, m: m}
	// The pooled estimate is a fair first guess.
	r.lastB, r.lastC = b, (s.KC+max(s.KT-s.NT*b, 0))/(s.NC+m*s.NT)
	fit := r.fit(b)
	r.c0, r.p0 = fit.c, fit.p
	return r
}

// fit is the constrained maximum at some b.
type fit struct {
	c, p float64
	// edge is set where p is 0 or 1 by constraint, so that c moves with b.
	edge bool
}

// fit returns the maximiser at b, which must be strictly between -m and 1.
func (r *profile) fit(b float64) fit {
	lo, hi := max(0, -b/r.m), min(1, (1-b)/r.m)
	if r.leansOnLower(b, lo) {
		return fit{c: lo, p: max(b, 0), edge: lo > 0}
	}
	if r.leansOnUpper(b, hi) {
		return fit{c: hi, p: min(b+r.m*hi, 1), edge: hi < 1}
	}
	c := r.solve(b, lo, hi)
	return fit{c: c, p: b + r.m*c}
}

// leansOnLower reports whether the maximum lies at the lower end of c: the
// score there is finite and not positive.
func (r *profile) leansOnLower(b, lo float64) bool {
	p := b + r.m*lo
	if lo > 0 {
		p = 0
	}
	if lo == 0 && r.kC > 0 || p <= 0 && r.kT > 0 {
		return false
	}
	return r.score(lo, p) <= 0
}

// leansOnUpper reports whether the maximum lies at the upper end of c.
func (r *profile) leansOnUpper(b, hi float64) bool {
	p := b + r.m*hi
	if hi < 1 {
		p = 1
	}
	if hi == 1 && r.fC > 0 || p >= 1 && r.fT > 0 {
		return false
	}
	return r.score(hi, p) >= 0
}

// score returns the derivative of the log-likelihood in c. Terms without an
// event are left out before they can divide by zero.
func (r *profile) score(c, p float64) float64 {
	g := 0.0
	if r.kC > 0 {
		g += r.kC / c
	}
	if r.fC > 0 {
		g -= r.fC / (1 - c)
	}
	if r.kT > 0 {
		g += r.m * r.kT / p
	}
	if r.fT > 0 {
		g -= r.m * r.fT / (1 - p)
	}
	return g
}

// curvatures returns minus the second derivatives of the two binomial
// log-likelihoods in their own probabilities.
func (r *profile) curvatures(c, p float64) (ofC, ofT float64) {
	if r.kC > 0 {
		ofC += r.kC / (c * c)
	}
	if r.fC > 0 {
		ofC += r.fC / ((1 - c) * (1 - c))
	}
	if r.kT > 0 {
		ofT += r.kT / (p * p)
	}
	if r.fT > 0 {
		ofT += r.fT / ((1 - p) * (1 - p))
	}
	return ofC, ofT
}

// solve returns the root of the score inside (lo, hi): the one root there of a
// cubic, found by Newton's method from where the last one was going. The error
// left after a last step of this relative size is its square, and that of the
// profile the square of that again.
func (r *profile) solve(b, lo, hi float64) float64 {
	c := r.lastC + r.drift*(b-r.lastB)
	low, high := lo, hi
	var ofC, ofT float64
	for range 200 {
		if !(c > low && c < high) {
			c = low + 0.5*(high-low)
		}
		var g, scale float64
		g, ofC, ofT, scale = r.newton(c, b+r.m*c)
		if g > 0 {
			low = c
		} else {
			high = c
		}
		step := g / (ofC + r.m*r.m*ofT)
		c += step
		if math.Abs(step) <= 1e-5*scale || high-low <= 1e-15*high {
			break
		}
	}
	c = max(lo, min(c, hi))
	r.lastB, r.lastC = b, c
	r.drift = -r.m * ofT / (ofC + r.m*r.m*ofT)
	return c
}

// newton returns what a step from c needs: the score, minus the second
// derivatives of the two binomials, and the distance in c of the nearest
// singularity.
func (r *profile) newton(c, p float64) (g, ofC, ofT, scale float64) {
	q, s := 1-c, 1-p
	if r.kC > 0 && r.fC > 0 && r.kT > 0 && r.fT > 0 {
		// Two divisions for all of it. Inside the range no factor is 0.
		inC, inT := 1/(c*q), 1/(p*s)
		g = (r.kC*q-r.fC*c)*inC + r.m*(r.kT*s-r.fT*p)*inT
		ofC = (r.kC*q*q + r.fC*c*c) * inC * inC
		ofT = (r.kT*s*s + r.fT*p*p) * inT * inT
		return g, ofC, ofT, min(c, q, p/r.m, s/r.m)
	}
	scale = 1
	if r.kC > 0 {
		scale = min(scale, c)
	}
	if r.fC > 0 {
		scale = min(scale, q)
	}
	if r.kT > 0 {
		scale = min(scale, p/r.m)
	}
	if r.fT > 0 {
		scale = min(scale, s/r.m)
	}
	ofC, ofT = r.curvatures(c, p)
	return r.score(c, p), ofC, ofT, scale
}

// value returns the profile at b less the profile at the null.
func (r *profile) value(b float64) float64 {
	switch {
	case b <= -r.m: // c = 1 and p = 0
		if r.fC > 0 || r.kT > 0 {
			return math.Inf(-1)
		}
		return r.valueAt(fit{c: 1, p: 0})
	case b >= 1: // c = 0 and p = 1
		if r.kC > 0 || r.fT > 0 {
			return math.Inf(-1)
		}
		return r.valueAt(fit{c: 0, p: 1})
	}
	return r.valueAt(r.fit(b))
}

func (r *profile) valueAt(f fit) float64 {
	v := 0.0
	if r.kC > 0 {
		v += r.kC * math.Log(f.c/r.c0)
	}
	if r.fC > 0 {
		v += r.fC * log1p((r.c0-f.c)/(1-r.c0))
	}
	if r.kT > 0 {
		v += r.kT * math.Log(f.p/r.p0)
	}
	if r.fT > 0 {
		v += r.fT * log1p((r.p0-f.p)/(1-r.p0))
	}
	return v
}

// slope returns the first and second derivative of the profile in b. By the
// envelope theorem the first is the partial derivative at the maximiser; where
// p is held at 0 or 1, c moves with b instead.
func (r *profile) slope(b float64) (first, second float64) {
	f := r.fit(b)
	ofC, ofT := r.curvatures(f.c, f.p)
	if f.edge {
		g := 0.0
		if r.kC > 0 {
			g += r.kC / f.c
		}
		if r.fC > 0 {
			g -= r.fC / (1 - f.c)
		}
		return -g / r.m, -ofC / (r.m * r.m)
	}
	if r.kT > 0 {
		first += r.kT / f.p
	}
	if r.fT > 0 {
		first -= r.fT / (1 - f.p)
	}
	if f.c <= 0 || f.c >= 1 {
		return first, -ofT
	}
	return first, -ofT * ofC / (ofC + r.m*r.m*ofT)
}

// leaves appends the b at which the maximiser leaves an edge of its range, which
// a stratum has where some count is zero. All four edges are the same one: c = 0
// becomes c = 1 when events and their absence change places, and p = 0 when the
// arms do.
func (r *profile) leaves(dst []float64) []float64 {
	nT, nC, m := r.kT+r.fT, r.kC+r.fC, r.m
	if r.kC == 0 && r.kT > 0 {
		dst = append(dst, leavesZero(nC, nT, r.kT, m))
	}
	if r.fC == 0 && r.fT > 0 {
		dst = append(dst, 1-m-leavesZero(nC, nT, r.fT, m))
	}
	if r.kT == 0 && r.kC > 0 {
		dst = append(dst, -m*leavesZero(nT, nC, r.kC, 1/m))
	}
	if r.fT == 0 && r.fC > 0 {
		dst = append(dst, 1-m+m*leavesZero(nT, nC, r.fC, 1/m))
	}
	return dst
}

// leavesZero returns the b below which c > 0 although the baseline has no event:
// the smaller root of nC b^2 - (nC + m nT) b + m kT = 0, which is where the
// score at c = 0 vanishes.
func leavesZero(nC, nT, kT, m float64) float64 {
	sum := nC + m*nT
	return 2 * m * kT / (sum + math.Sqrt(max(sum*sum-4*nC*m*kT, 0)))
}
