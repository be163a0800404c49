package stream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// Model is a scenario with what is worked out of it once. It belongs to one
// goroutine.
type Model struct {
	scenario.Scenario
	lat    *latencies
	worths [maxOutcomes][]float64 // quantiles of what a success is worth
	// segment is the share of units that feel the effects on a segment.
	segment float64
}

// worthValues is how many values a worth takes.
const worthValues = 128

// NewModel prepares a scenario, which must be Filled and pass Check. Latencies
// are told apart by the buckets of base. It refuses what it cannot draw.
func NewModel(s scenario.Scenario, base evidence.Base) (*Model, error) {
	if err := supported(&s); err != nil {
		return nil, fmt.Errorf("scenario %q: %w", s.Name, err)
	}
	m := &Model{Scenario: s, lat: newLatencies(&s, base)}
	for i := range s.Effects {
		m.segment = max(m.segment, s.Effects[i].Segment)
	}
	for i, o := range s.Baseline.Outcomes {
		if o.Mean > 0 {
			m.worths[i] = worthsOf(o)
		}
	}
	return m, nil
}

// supported names what of a scenario cannot be drawn by the minute.
func supported(s *scenario.Scenario) error {
	segment := 0.0
	for i := range s.Effects {
		e := &s.Effects[i]
		if e.Segment > 0 && segment > 0 && e.Segment != segment {
			return fmt.Errorf("effects on segments of different sizes (%g and %g)", segment, e.Segment)
		}
		segment = max(segment, e.Segment)
		if e.Segment > 0 && (!e.Revenue.None() || !e.Delay.None() || len(e.Outcomes) > 0) {
			return fmt.Errorf("effects on the worth or the delay of a segment")
		}
	}
	for _, o := range s.Baseline.Outcomes {
		if o.Spread > 0 {
			return fmt.Errorf("outcome %q: delays that are not exponential", o.Name)
		}
	}
	u, b := s.Traffic.Users, s.Traffic.Bursts
	switch {
	case u != nil && u.New > 0:
		return fmt.Errorf("users who come and go")
	case b != nil && b.Lasts < time.Minute && time.Minute%b.Lasts != 0:
		return fmt.Errorf("bursts of %v, which do not fill a minute", b.Lasts)
	case len(s.Effects) > maxEffects || len(s.Baseline.Outcomes) > maxOutcomes:
		return fmt.Errorf("%d effects and %d outcomes", len(s.Effects), len(s.Baseline.Outcomes))
	}
	return nil
}

// worthsOf are equally likely values of a lognormal worth, with its mean.
func worthsOf(o scenario.Outcome) []float64 {
	out, sum := make([]float64, worthValues), 0.0
	for i := range out {
		out[i] = math.Exp(o.Sigma * distuv.UnitNormal.Quantile((float64(i)+0.5)/worthValues))
		sum += out[i]
	}
	for i := range out {
		out[i] *= o.Mean * worthValues / sum
	}
	return out
}

// World is one draw of a scenario: who the users are and what chance does to all
// alike. It belongs to one goroutine.
type World struct {
	model  *Model
	seed   uint64
	skies  []weather
	people *people // nil where each request is a unit of its own
	crowds map[span]*crowd
}

// NewWorld draws a world.
func (m *Model) NewWorld(seed uint64) *World {
	w := &World{model: m, seed: seed, crowds: map[span]*crowd{}}
	if m.Traffic.Users != nil {
		w.people = newPeople(m, rand.New(rand.NewPCG(seed, 0x70656f706c65)))
	}
	return w
}

// weather returns what chance does to a minute.
func (w *World) weather(minute int) weather {
	b := w.model.Traffic.Bursts
	if b == nil {
		return weather{arrivals: 1, errors: [split.Arms]float64{1, 1}}
	}
	for len(w.skies) <= minute {
		w.skies = append(w.skies, w.burst(len(w.skies)))
	}
	return w.skies[minute]
}

// burst is the mean over the stretches of a minute; failures come with the
// requests of their stretch.
func (w *World) burst(minute int) weather {
	b := w.model.Traffic.Bursts
	per := max(int(time.Minute/b.Lasts), 1)
	var sky weather
	var own [split.Arms]float64
	for i := range per {
		stretch := minute*per + i
		if b.Lasts > time.Minute {
			stretch = int(time.Duration(minute) * time.Minute / b.Lasts)
		}
		r := rand.New(rand.NewPCG(w.seed, mixed(0x6275727374, uint64(stretch))))
		arrivals, errors := gamma(r, b.Arrivals), gamma(r, b.Errors)
		sky.arrivals += arrivals / float64(per)
		for arm := range own {
			factor := 1.0
			if b.Arm == scenario.Both || (b.Arm == scenario.Candidate) == (split.Arm(arm) == split.Candidate) {
				factor = errors
			}
			own[arm] += arrivals * factor / float64(per)
		}
	}
	for arm := range own {
		sky.errors[arm] = own[arm] / sky.arrivals
	}
	return sky
}

// gamma draws from the gamma distribution with mean 1 and a variance.
func gamma(r *rand.Rand, variance float64) float64 {
	if variance <= 0 {
		return 1
	}
	return distuv.Gamma{Alpha: 1 / variance, Beta: 1 / variance, Src: r}.Rand()
}

// Usual is the baseline's usual 99th percentile in seconds, and the factor by
// which the share of requests above it grows when all take some times as long.
func (m *Model) Usual(times float64) (p99, slow float64) {
	q := m.lat.quantile(0.01)
	return math.Exp(q) / 1e9, m.lat.survival(q-math.Log(times)) / 0.01
}

// Size is how large the effects on the candidate are at their full strength: the
// ratios of the rates of failures, of the 99th percentiles, and the least ratio of
// the rates of the outcomes.
func (m *Model) Size() (errors, p99, outcomes float64) {
	var own, usual behaviour
	usual.base, usual.slope = m.Baseline.Errors, 1
	own.base, own.slope = m.Baseline.Errors, 1
	for i, o := range m.Baseline.Outcomes {
		usual.outcomes[i] = course{rate: o.Rate, worth: 1, delay: 1}
	}
	own.outcomes = usual.outcomes
	share := 1.0
	for i := range m.Effects {
		if e := &m.Effects[i]; e.Arm == scenario.Candidate {
			m.apply(&own, i, 1)
			if e.Segment > 0 {
				share = e.Segment
			}
		}
	}
	outcomes = 1
	for i := range m.Baseline.Outcomes {
		outcomes = min(outcomes, 1-share+share*own.outcomes[i].rate/usual.outcomes[i].rate)
	}
	q := m.lat.quantile(0.01)
	lo, hi := q-10, q+10
	for range 60 {
		x := (lo + hi) / 2
		if share*m.lat.tuned(own.tuning, x)+(1-share)*m.lat.survival(x) > 0.01 {
			lo = x
		} else {
			hi = x
		}
	}
	errors = 1 - share + share*own.fails(1)/usual.fails(1)
	return errors, math.Exp(lo - q), outcomes
}
