package stream

import (
	"math"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// condition is what holds in one minute.
type condition struct {
	rate float64 // requests a minute, of both arms
	arms [split.Arms][segments]behaviour
}

// segments are those who do not feel effects on a segment, and those who do.
const segments = 2

// behaviour is how an arm answers one segment.
type behaviour struct {
	// A user with a factor f of his own fails at the rate base*f*slope + add.
	base, slope, add float64
	tuning           tuning
	outcomes         [maxOutcomes]course
	scores           float64
}

// maxOutcomes bounds the outcomes of a scenario.
const maxOutcomes = 4

// course is how an outcome goes: its rate, and the factors on worth and delay.
type course struct{ rate, worth, delay float64 }

// fails is the chance that a request of a user with a factor fails.
func (b *behaviour) fails(factor float64) float64 { return min(b.base*factor*b.slope+b.add, 1) }

// weather is what chance does to a minute, whatever the weight.
type weather struct {
	arrivals float64
	errors   [split.Arms]float64
}

// condition works out a minute at a weight.
func (w *World) condition(minute int, weight float64) condition {
	m, now := w.model, time.Duration(minute)*time.Minute+30*time.Second
	sky := w.weather(minute)
	c := condition{rate: m.Traffic.Rate * 60 * sky.arrivals}
	sunErrors, shift := 1.0, 0
	if d := m.Traffic.Daily; d != nil {
		sun := math.Sin(2 * math.Pi * float64(now+d.Phase) / float64(d.Period))
		c.rate *= 1 + d.Amplitude*sun
		sunErrors = 1 + d.Errors*sun
		shift = int(math.Round(math.Log(1+d.Latency*sun) / float64(m.lat.base)))
	}
	var strengths [maxEffects]float64
	for i := range m.Effects {
		strengths[i] = strength(&m.Scenario, &m.Effects[i], now, weight)
		c.rate = m.Effects[i].Traffic.Apply(c.rate, strengths[i])
	}
	for arm := range c.arms {
		for segment := range segments {
			b := &c.arms[arm][segment]
			b.base, b.slope = m.Baseline.Errors*sunErrors*sky.errors[arm], 1
			b.tuning.shift = int16(shift)
			for i, o := range m.Baseline.Outcomes {
				b.outcomes[i] = course{rate: o.Rate, worth: 1, delay: 1}
			}
			for i := range m.Effects {
				if e := &m.Effects[i]; felt(e, split.Arm(arm)) && (e.Segment == 0 || segment == 1) && strengths[i] > 0 {
					m.apply(b, i, strengths[i])
				}
			}
		}
	}
	return c
}

// apply puts an effect on top of a behaviour.
func (m *Model) apply(b *behaviour, effect int, s float64) {
	e := &m.Effects[effect]
	zero := e.Errors.Apply(0, s)
	factor := e.Errors.Apply(1, s) - zero
	b.slope, b.add = b.slope*factor, b.add*factor+zero
	b.tuning.strength[effect] = uint8(math.Round(s * fineness))
	b.scores += e.Scores * s
	for i := range m.Baseline.Outcomes {
		o, c := &m.Baseline.Outcomes[i], &b.outcomes[i]
		if o.Rate < 0.5 {
			c.rate = e.Conversion.Apply(c.rate, s)
		} else {
			c.rate = e.Quality.Apply(c.rate, s)
		}
		if o.Mean > 0 {
			c.worth = e.Revenue.Apply(c.worth, s)
		}
		c.delay = e.Delay.Apply(c.delay, s)
		for _, one := range e.Outcomes {
			if one.Name == o.Name {
				c.rate, c.worth, c.delay = one.Rate.Apply(c.rate, s), one.Mean.Apply(c.worth, s), one.Delay.Apply(c.delay, s)
			}
		}
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

// strength is how strongly an effect is felt at a time and a weight.
func strength(sc *scenario.Scenario, e *scenario.Effect, now time.Duration, weight float64) float64 {
	since := now - e.At
	if since < 0 || e.Lasts > 0 && since >= e.Lasts {
		return 0
	}
	s := 1.0
	if e.Ramp > 0 {
		s = min(1, float64(since)/float64(e.Ramp))
	}
	switch {
	case e.FullAt > 0:
		s *= min(max((weight-e.Above)/(e.FullAt-e.Above), 0), 1)
	case e.Above > 0 && weight <= e.Above:
		return 0
	}
	if e.Night > 0 && !isNight(sc.Traffic.Daily, now, e.Night) {
		return 0
	}
	return s
}

// isNight reports whether a time lies in a share of the cycle around its lowest
// point, which comes after three quarters of it.
func isNight(d *scenario.Daily, now time.Duration, share float64) bool {
	phase, period := time.Duration(0), 24*time.Hour
	if d != nil {
		phase, period = d.Phase, d.Period
	}
	_, at := math.Modf(float64(now+phase) / float64(period))
	off := math.Abs(at - 0.75)
	return min(off, 1-off) <= share/2
}
