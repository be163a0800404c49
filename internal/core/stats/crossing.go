package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// The size of a Crossing: paths, and the moments at which each is looked at.
const (
	crossingPaths = 4000
	crossingLooks = 260
)

// The moments are spread over these informations, in units of 1/tau^2 of the
// prior's middle scale. Before the first, no effect can be found; after the last,
// only those of less than a thousandth of that scale.
const (
	firstLook = 1e-3
	lastLook  = 1e8
)

// Crossing tells when evidence crosses a threshold. Evidence that grows by many
// small pieces is a Brownian motion with a drift, in units of information, and
// crosses where its standardised distance reaches CriticalZ. That is simulated
// once for a prior and a threshold; all drifts share the paths, so answers for
// different drifts differ by the drift and not by luck.
//
// The zero value crosses nothing. A Crossing does not change once it is made.
type Crossing struct {
	prior Prior
	info  []float64 // the moments, ascending
	root  []float64 // their roots
	z     []float64 // the critical distance at each
	// noise are the paths without drift, standardised, one after the other.
	noise []float32
}

// NewCrossing simulates the paths, from a fixed seed: the same arguments give
// the same answers. It takes some tens of milliseconds.
//
// Between two moments a path may cross and come back. For that the critical
// distances are lowered by 0.5826 standard deviations of what happens between
// them (Siegmund, Sequential Analysis, 1985, chapter 10).
func NewCrossing(p Prior, logThreshold float64) *Crossing {
	c := &Crossing{prior: p}
	if !p.usable() || !isFinite(logThreshold) {
		return c
	}
	tau := p.tau[p.scales/2]
	step := math.Log(lastLook/firstLook) / (crossingLooks - 1)
	lowered := 0.5826 * math.Sqrt(-math.Expm1(-step))
	for i := range crossingLooks {
		info := firstLook * math.Exp(step*float64(i)) / (tau * tau)
		c.info = append(c.info, info)
		c.root = append(c.root, math.Sqrt(info))
		c.z = append(c.z, CriticalZ(info, logThreshold, p)-lowered)
	}
	c.noise = make([]float32, 0, crossingPaths*crossingLooks)
	chance := rand.New(rand.NewPCG(crossingPaths, crossingLooks))
	stay, move := math.Exp(-step/2), math.Sqrt(-math.Expm1(-step))
	for range crossingPaths / 2 {
		start := len(c.noise)
		x := chance.NormFloat64()
		for range crossingLooks {
			c.noise = append(c.noise, float32(x))
			x = stay*x + move*chance.NormFloat64()
		}
		// Each path has a mirror image, by which means come out right.
		for _, x := range c.noise[start:] {
			c.noise = append(c.noise, -x)
		}
	}
	return c
}

// Time returns the information at which the given share of the paths with a
// drift has crossed: +Inf when so many never do, and for a drift or a share that
// cannot be.
func (c *Crossing) Time(drift, share float64) float64 { return c.time(plainWalk(drift), share) }

// Power returns the share of the paths with a drift that have crossed by an
// information.
func (c *Crossing) Power(drift, info float64) float64 { return c.power(plainWalk(drift), info) }

// Drift returns the smallest drift at which the given share of the paths has
// crossed by an information. It is +Inf when the share cannot be, or the
// information is less than anything could be found with.
func (c *Crossing) Drift(info, share float64) float64 {
	looks := c.looksWithin(info)
	if looks == 0 || !(share > 0 && share < 1) {
		return math.Inf(1)
	}
	// The drift at which each path just crosses by the moment before, and by the
	// one after.
	before, after := make([]float64, 0, crossingPaths), make([]float64, 0, crossingPaths)
	for path := range crossingPaths {
		least := math.Inf(1)
		for i, x := range c.path(path)[:min(looks+1, crossingLooks)] {
			if i == looks {
				before = append(before, least)
			}
			least = min(least, (c.z[i]-float64(x))/c.root[i])
		}
		after = append(after, least)
	}
	drift := quantile(after, share)
	if len(before) == 0 {
		return drift
	}
	part := math.Log(info/c.info[looks-1]) / math.Log(c.info[looks]/c.info[looks-1])
	last := quantile(before, share)
	return last + part*(drift-last)
}

// Requests returns after how many requests the given share of rollouts has
// crossed, where evidence grows as g says.
func (c *Crossing) Requests(g Growth, share float64) float64 {
	w, ok := g.walk()
	if !ok {
		return math.Inf(1)
	}
	n := c.time(w, share) / g.Info
	// What the likelihood's own shape costs depends on n, slowly.
	for range 3 {
		if math.IsInf(n, 1) {
			break
		}
		w.raise = g.Overshoot + g.shortfall(n, c.prior)
		n = c.time(w, share) / g.Info
	}
	return n
}

// Crossed returns the share of rollouts that have crossed after so many
// requests, where evidence grows as g says.
func (c *Crossing) Crossed(g Growth, requests float64) float64 {
	w, ok := g.walk()
	if !ok || !(requests > 0) {
		return 0
	}
	w.raise += g.shortfall(requests, c.prior)
	return c.power(w, requests*g.Info)
}

// walk is a random walk: how far it drifts per root of the information, how
// much of the noise it has, and by how much (in nats) its threshold is raised.
type walk struct{ drift, spread, raise float64 }

// plainWalk is the walk of many small pieces.
func plainWalk(drift float64) walk { return walk{drift: drift, spread: 1} }

func (w walk) possible() bool { return isFinite(w.drift) && w.spread >= 0 && isFinite(w.spread) }

func (c *Crossing) time(w walk, share float64) float64 {
	if !w.possible() || !(w.drift > 0) || !(share > 0 && share < 1) || len(c.info) == 0 {
		return math.Inf(1)
	}
	times := make([]float64, 0, crossingPaths)
	for path := range crossingPaths {
		times = append(times, c.crosses(path, w))
	}
	return quantile(times, share)
}

func (c *Crossing) power(w walk, info float64) float64 {
	if !w.possible() || len(c.info) == 0 {
		return 0
	}
	n := 0.0
	for path := range crossingPaths {
		if c.crosses(path, w) <= info {
			n++
		}
	}
	return n / crossingPaths
}

// crosses returns the information at which a path crosses, +Inf if it does not.
func (c *Crossing) crosses(path int, w walk) float64 {
	before := math.Inf(-1)
	for i, x := range c.path(path) {
		excess := w.drift*c.root[i] + w.spread*float64(x) - c.raised(i, w.raise)
		if excess < 0 {
			before = excess
			continue
		}
		if i == 0 {
			return c.info[0]
		}
		// Between the moments it crossed in proportion.
		return c.info[i-1] * math.Pow(c.info[i]/c.info[i-1], before/(before-excess))
	}
	return math.Inf(1)
}

// raised returns the critical distance for a threshold that is higher by some
// nats, of which a distance of z is worth about z^2/2.
func (c *Crossing) raised(i int, nats float64) float64 {
	if nats == 0 {
		return c.z[i]
	}
	return math.Sqrt(max(0, c.z[i]*c.z[i]+2*nats))
}

// path returns the noise of a path.
func (c *Crossing) path(i int) []float32 { return c.noise[i*crossingLooks : (i+1)*crossingLooks] }

// looksWithin returns how many moments lie within an information.
func (c *Crossing) looksWithin(info float64) int {
	if math.IsNaN(info) {
		return 0
	}
	n, exact := slices.BinarySearch(c.info, info)
	if exact {
		n++
	}
	return n
}

// quantile sorts the values and returns the least one that the given share of
// them does not exceed.
func quantile(values []float64, share float64) float64 {
	slices.Sort(values)
	at := int(math.Ceil(share*float64(len(values)))) - 1
	return values[max(0, min(at, len(values)-1))]
}
