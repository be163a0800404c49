package planner

import "math"

// maxStrata bounds the strata that a gate's evidence can lie in: one for each
// stage of a ladder.
const maxStrata = 32

// A look is a moment at which the evidence of a gate is looked at.
type look struct {
	at    float64 // seconds since the first traffic
	stage int
	// nT and nC are the units of both arms by then, by stage from the first to
	// the present one.
	nT, nC []float64
}

// A line is the boundary of a verdict at a look. It is crossed where the sum of
// a*kT + b*kC over the strata is at least level, kT and kC being what the units
// add up to: events, or values.
type line struct {
	on    bool // false where no evidence is enough
	a, b  []float64
	level float64
}

// A source is what one unit of an arm adds to its sum.
type source struct {
	mean, variance float64
	counted        bool // events, not numbers
}

// A race follows many rollouts until their evidence crosses a line.
type race struct {
	looks  []look
	lines  []line
	noise  *noise
	tick   float64 // seconds between two looks of production
	t, c   source
	drawsT [][]draw // by look and stage
	drawsC [][]draw
	gaps   []gap
}

// drawsPerLook is how many normal numbers a look may need: two arms, in two
// strata at a time. Where outcomes come late the stratum before still grows.
const drawsPerLook = 4

// run returns the share of the rollouts that have crossed their line by each
// look.
func (r *race) run() []float64 {
	r.prepare()
	crossed := make([]float64, len(r.looks))
	for p := range r.noise.paths {
		r.follow(r.noise.of(p), crossed)
	}
	sum := 0.0
	for i, n := range crossed {
		sum += n
		crossed[i] = min(sum/float64(r.noise.paths), 1)
	}
	return crossed
}

// surely is the probability below which a rollout is followed no more.
const surely = 1e-4

// follow adds the probability that a rollout crosses at each look, or between it
// and the look before, to crossed. Production looks more often than we do, and
// finds crossings that are over by our next look. What it finds between two of
// them is what a Brownian bridge between the two ends finds of a line that lies
// higher by what the graininess of events and ticks makes them overshoot.
func (r *race) follow(z []float32, crossed []float64) {
	var kT, kC [maxStrata]float64
	left, before := 1.0, math.Inf(1)
	for i := range r.looks {
		for s := range r.drawsT[i] {
			if d := &r.drawsT[i][s]; d.mean != 0 || d.sd != 0 {
				kT[s] += d.of(z[drawsPerLook*i+2*(s%2)])
			}
			if d := &r.drawsC[i][s]; d.mean != 0 || d.sd != 0 {
				kC[s] += d.of(z[drawsPerLook*i+2*(s%2)+1])
			}
		}
		l, g := &r.lines[i], &r.gaps[i]
		if !l.on {
			before = math.Inf(1)
			continue
		}
		below := l.level
		for s := range l.a {
			below -= l.a[s]*kT[s] + l.b[s]*kC[s]
		}
		if below <= 0 {
			crossed[i] += left
			return
		}
		if g.variance > 0 {
			between := 2 * (before*g.scale + g.higher) * (below + g.higher) / g.variance
			if between < 12 {
				p := left * math.Exp(-between)
				crossed[i] += p
				if left -= p; left < surely {
					return
				}
			}
		}
		before = below
	}
}

// A gap is what lies between a look and the one before.
type gap struct {
	// variance is that of the sum of the line, of what comes in between; 0 where
	// nothing can be found there.
	variance float64
	// higher is by how much the line is higher for what is found in between.
	higher float64
	// scale brings a distance from the line before to that of this line.
	scale float64
}

// prepare works out what all rollouts share.
func (r *race) prepare() {
	r.drawsT, r.drawsC = draws(r.looks, r.t, func(l *look) []float64 { return l.nT }), draws(r.looks, r.c, func(l *look) []float64 { return l.nC })
	r.gaps = make([]gap, len(r.looks))
	for i := range r.looks {
		if i > 0 && r.lines[i].on && r.lines[i-1].on {
			r.gaps[i] = r.gap(i)
		}
	}
}

// draws are the draws of an arm, by look and stratum.
func draws(looks []look, from source, units func(*look) []float64) [][]draw {
	out := make([][]draw, len(looks))
	var before []float64
	for i := range looks {
		n := units(&looks[i])
		out[i] = make([]draw, len(n))
		for s := range n {
			more := n[s]
			if s < len(before) {
				more -= before[s]
			}
			if more > 0 {
				out[i][s] = newDraw(more*from.mean, more*from.variance, from.counted)
			}
		}
		before = n
	}
	return out
}

// overshoot is by how much a random walk passes a boundary, in standard
// deviations of its steps: -zeta(1/2)/sqrt(2 pi) (Siegmund, Sequential Analysis,
// 1985, chapter X).
const overshoot = 0.5826

// alike is by how much the scales of two neighbouring lines may differ.
const alike = 4.0

// gap is what lies before look i.
func (r *race) gap(i int) gap {
	l, before := &r.lines[i], &r.lines[i-1]
	out := gap{scale: 1}
	grain := 0.0
	for s := range l.a {
		t, c := &r.drawsT[i][s], &r.drawsC[i][s]
		out.variance += square(l.a[s]*t.sd) + square(l.b[s]*c.sd)
		// Only an event that leads towards the line can pass it.
		grain = max(grain, l.a[s]*t.jump, l.b[s]*c.jump)
		if s < len(before.a) && before.a[s] != 0 {
			out.scale = l.a[s] / before.a[s]
		}
	}
	if out.scale > alike || out.scale < 1/alike {
		return gap{} // The two lines are not of one kind: the evidence has just begun.
	}
	if span := r.looks[i].at - r.looks[i-1].at; span > 0 {
		grain = max(grain, math.Sqrt(out.variance*min(r.tick/span, 1)))
	}
	out.higher = overshoot * grain
	return out
}

func square(x float64) float64 { return x * x }

// A curve is the share of rollouts that have crossed, by seconds since the first
// traffic.
type curve struct {
	at []float64
	p  []float64
}

// newCurve returns the curve of a race that was run.
func newCurve(looks []look, crossed []float64) curve {
	c := curve{at: make([]float64, len(looks)), p: crossed}
	for i := range looks {
		c.at[i] = looks[i].at
	}
	return c
}

// when returns the time by which a share has crossed, and false when it never
// does.
func (c curve) when(share float64) (float64, bool) {
	for i, p := range c.p {
		if p < share {
			continue
		}
		before, from := 0.0, 0.0
		if i > 0 {
			before, from = c.p[i-1], c.at[i-1]
		}
		if p == before {
			return c.at[i], true
		}
		return from + (c.at[i]-from)*(share-before)/(p-before), true
	}
	return math.Inf(1), false
}

// by returns the share that has crossed by a time.
func (c curve) by(at float64) float64 {
	before, from := 0.0, 0.0
	for i, t := range c.at {
		if t >= at {
			if t == from {
				return c.p[i]
			}
			return before + (c.p[i]-before)*(at-from)/(t-from)
		}
		before, from = c.p[i], t
	}
	return before
}
