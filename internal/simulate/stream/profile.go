package stream

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// moment is a time and what goes with it.
type moment struct {
	at     float64 // seconds
	weight float64 // share of the candidate
	sun    float64 // of the daily cycle, -1 to 1
}

// affine is a rate as a function of a user's own factor: effects multiply and add.
type affine struct{ slope, add, base float64 }

func (a affine) at(factor float64) float64 { return a.base*factor*a.slope + a.add }

// apply puts a change on top.
func (a *affine) apply(c scenario.Change, strength float64) {
	// A change is affine in what it changes, so two points tell all of it.
	zero := c.Apply(0, strength)
	slope := c.Apply(1, strength) - zero
	a.slope, a.add = a.slope*slope, a.add*slope+zero
}

// profile is how an arm behaves in one second towards one part of the units.
type profile struct {
	errors       affine
	clientErrors float64
	// slower is added to the logarithm of all latencies, and the parts to those of
	// some of them.
	slower float64
	parts  []part
	// outcomes are by Options.Outcomes.
	outcomes []course
	scores   float64 // added, in standard deviations
}

// part slows some of the requests.
type part struct {
	above  float64 // those whose usual latency (as a logarithm) lies above
	below  float64 // those whose own chance lies below
	slower float64
}

// course is how an outcome goes.
type course struct{ rate, worth, delay float64 }

// traffic is the factor on the rate of requests.
func (st *Stream) traffic(now moment) float64 {
	factor := st.gusts.arrivals
	if d := st.scenario.Traffic.Daily; d != nil {
		factor *= 1 + d.Amplitude*now.sun
	}
	for i := range st.scenario.Effects {
		if e := &st.scenario.Effects[i]; !e.Traffic.None() {
			factor = e.Traffic.Apply(factor, strength(&st.scenario, e, now))
		}
	}
	return factor
}

// profile works out how an arm behaves towards a part of the units.
func (st *Stream) profile(p *profile, arm split.Arm, segment int, now moment) {
	b := &st.scenario.Baseline
	sunErrors, sunLatency := 1.0, 1.0
	if d := st.scenario.Traffic.Daily; d != nil {
		sunErrors, sunLatency = 1+d.Errors*now.sun, 1+d.Latency*now.sun
	}
	p.errors = affine{slope: 1, base: b.Errors * sunErrors * st.gusts.errors[arm]}
	p.clientErrors = b.ClientErrors
	p.slower, p.parts, p.scores = math.Log(sunLatency), p.parts[:0], 0
	p.outcomes = p.outcomes[:0]
	for i := range st.outcomes {
		p.outcomes = append(p.outcomes, course{rate: st.outcomes[i].Rate, worth: 1, delay: 1})
	}
	for i := range st.scenario.Effects {
		e := &st.scenario.Effects[i]
		if !felt(e, arm) || e.Segment > 0 && e.Segment < st.segments[segment] {
			continue
		}
		if s := strength(&st.scenario, e, now); s > 0 {
			st.effect(p, e, s)
		}
	}
	p.clientErrors = clamp(p.clientErrors)
	for i := range p.outcomes {
		p.outcomes[i].rate = clamp(p.outcomes[i].rate)
	}
}

// felt reports whether an arm feels an effect.
func felt(e *scenario.Effect, arm split.Arm) bool {
	switch e.Arm {
	case scenario.Both:
		return true
	case scenario.Baseline:
		return arm == split.Baseline
	case scenario.Candidate:
	}
	return arm == split.Candidate
}

// effect puts an effect on top of a profile.
func (st *Stream) effect(p *profile, e *scenario.Effect, s float64) {
	p.errors.apply(e.Errors, s)
	p.clientErrors = e.ClientErrors.Apply(p.clientErrors, s)
	if !e.Latency.None() {
		slower := math.Log(e.Latency.Apply(1, s))
		switch {
		case e.Slowest > 0:
			p.parts = append(p.parts, part{above: st.latency.above(e.Slowest), below: 1, slower: slower})
		case e.Portion > 0:
			p.parts = append(p.parts, part{above: math.Inf(-1), below: e.Portion, slower: slower})
		default:
			p.slower += slower
		}
	}
	for i := range st.outcomes {
		st.outcomes[i].effect(&p.outcomes[i], e, s)
	}
	p.scores += e.Scores * s
}

// strength is how strongly an effect is felt, whoever the user is.
func strength(sc *scenario.Scenario, e *scenario.Effect, now moment) float64 {
	since := now.at - e.At.Seconds()
	if since < 0 || e.Lasts > 0 && since >= e.Lasts.Seconds() {
		return 0
	}
	s := 1.0
	if e.Ramp > 0 {
		s = min(1, since/e.Ramp.Seconds())
	}
	switch {
	case e.FullAt > 0:
		s *= clamp((now.weight - e.Above) / (e.FullAt - e.Above))
	case now.weight <= e.Above && e.Above > 0:
		return 0
	}
	if e.Night > 0 && !isNight(sc.Traffic.Daily, now.at, e.Night) {
		return 0
	}
	return s
}

// isNight reports whether a time lies in a share of the cycle around its lowest
// point. Without a cycle of the traffic the day has 24 hours.
func isNight(d *scenario.Daily, at, share float64) bool {
	phase, period := 0.0, (24 * time.Hour).Seconds()
	if d != nil {
		phase, period = d.Phase.Seconds(), d.Period.Seconds()
	}
	_, place := math.Modf((at + phase) / period)
	return math.Abs(place-0.75) <= share/2 || place+1-0.75 <= share/2
}

func clamp(v float64) float64 { return min(max(v, 0), 1) }

// gusts are the factors of the stretch of time that the stream is in.
type gusts struct {
	until    float64
	arrivals float64
	errors   [split.Arms]float64
}

// turn draws the factors of the stretch that a time lies in.
func (g *gusts) turn(b *scenario.Bursts, now float64, r *rand.Rand) {
	if b == nil {
		*g = gusts{arrivals: 1, errors: [split.Arms]float64{1, 1}}
		return
	}
	for now >= g.until {
		g.until += b.Lasts.Seconds()
		g.arrivals = gamma(r, b.Arrivals)
		f := gamma(r, b.Errors)
		g.errors = [split.Arms]float64{1, 1}
		if b.Arm != scenario.Candidate {
			g.errors[split.Baseline] = f
		}
		if b.Arm != scenario.Baseline {
			g.errors[split.Candidate] = f
		}
	}
}

// gamma draws from the gamma distribution with mean 1 and a variance (Marsaglia
// and Tsang, ACM TOMS 26, 2000).
func gamma(r *rand.Rand, variance float64) float64 {
	if variance <= 0 {
		return 1
	}
	shape, boost := 1/variance, 1.0
	if shape < 1 {
		boost = math.Pow(1-r.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		z := r.NormFloat64()
		v := 1 + c*z
		if v <= 0 {
			continue
		}
		v *= v * v
		if u := 1 - r.Float64(); math.Log(u) < 0.5*z*z+d-d*v+d*math.Log(v) {
			return d * v * boost * variance
		}
	}
}

// Gauge is the level of a resource at an arm, without its noise, at a time in
// seconds and a weight of the candidate.
func Gauge(s *scenario.Scenario, level float64, arm split.Arm, at float64, weight uint32) float64 {
	now := moment{at: at, weight: float64(weight) / split.Whole}
	for i := range s.Effects {
		if e := &s.Effects[i]; !e.Gauges.None() && felt(e, arm) {
			level = e.Gauges.Apply(level, strength(s, e, now))
		}
	}
	return level
}
