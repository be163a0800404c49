package rule

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// guardrails are what GrowthBook's rollouts look at: for each metric a one-sided
// sequential interval of the absolute difference to a control of the same size,
// with no margin and no correction for several metrics. There is no sequential
// test of a quantile, so latency is judged by the share of slow requests. A unit
// that sends many requests is analysed as one.
type guardrails struct {
	judged  []Metric
	test    Sequential
	control Seen
	treated Seen
}

// What else a guardrail must show to have lost: the defaults of an organisation.
const (
	leastTotal  = 150   // of the metric, in the larger arm
	leastChange = 0.005 // relative
	srmLevel    = 0.001
)

func newGuardrails(c Config) guardrails {
	return guardrails{judged: c.Judged, test: Sequential{Alpha: 0.05, Tuned: tuned, OneSided: true}}
}

func (g *guardrails) see(w *Window) {
	g.treated.add(&w.Arms[Candidate])
	g.control.add(&w.Slice)
}

// lost returns a metric whose guardrail has lost.
func (g *guardrails) lost(units Units) (Metric, bool) {
	for _, m := range g.judged {
		if g.worse(m, units) {
			return m, true
		}
	}
	return None, false
}

func (g *guardrails) worse(m Metric, units Units) bool {
	candidate, control := g.treated.Of[m], g.control.Of[m]
	var between [Arms]float64
	if units != nil {
		// The control is as large as the candidate, and as diverse.
		each := units.Between(Candidate, m)
		between = [Arms]float64{Baseline: each, Candidate: each}
	}
	c, ok := contrastOf(m, candidate, control, between)
	switch {
	case !ok, candidate.Sum == 0, control.Sum == 0, max(candidate.Sum, control.Sum) < leastTotal:
		return false
	case math.Abs(c.worse/control.Mean()) < leastChange:
		return false
	}
	return c.worse-g.test.HalfWidth(c.squaredError, c.n) > 0
}

// mismatch is GrowthBook's check of the sample ratio: chi-squared, once a
// snapshot, at 0.1 %. Where units send many requests it counts units, which nobody
// tells a rule; they are assigned by their hash, and so not checked.
func (g *guardrails) mismatch(units Units) bool {
	if units != nil {
		return false
	}
	t, c := g.treated.Of[Errors].N, g.control.Of[Errors].N
	if t+c == 0 {
		return false
	}
	half := (t + c) / 2
	chi2 := ((t-half)*(t-half) + (c-half)*(c-half)) / half
	return distuv.ChiSquared{K: 1}.Survival(chi2) < srmLevel
}

// SafeRollout is GrowthBook's first kind of rollout: units are enrolled in five
// equal slots over a quarter of the longest duration (10, 25, 50, 75, 100 %), one
// half of the enrolled gets the candidate. There is one snapshot a slot, later
// one every six hours. A mismatch of the sample ratio is reported before a lost
// guardrail and so prevents the rollback; when the time is over, it ships.
//
// The longest duration is one day here, not the default of a week, which would
// expose seven times as many requests.
type SafeRollout struct {
	guardrails
	longest int // minutes
	next    int // the next snapshot
}

// enrolment are the shares of the slots.
var enrolment = []float64{0.10, 0.25, 0.50, 0.75, 1.00}

// snapshotEvery is the schedule of an organisation, in minutes.
const snapshotEvery = 6 * 60

// NewSafeRollout returns a rollout of a day.
func NewSafeRollout(c Config) *SafeRollout {
	s := &SafeRollout{guardrails: newGuardrails(c), longest: 24 * 60}
	s.next = s.slot()
	return s
}

// slot is how long a slot of the ramp lasts.
func (s *SafeRollout) slot() int { return s.longest / 4 / len(enrolment) }

// Start is one half of the first slot's enrolment.
func (s *SafeRollout) Start() float64 { return enrolment[0] / 2 }

// Look takes a snapshot when it is time.
func (s *SafeRollout) Look(w *Window) Act {
	s.see(w)
	if w.Minute < s.next {
		return going(s.weight(w.Minute))
	}
	s.next += s.slot()
	if w.Minute >= s.slot()*len(enrolment) {
		s.next = w.Minute + snapshotEvery
	}
	if s.mismatch(w.Units) {
		return going(s.weight(w.Minute))
	}
	if m, lost := s.lost(w.Units); lost {
		return rolledBack(m)
	}
	if w.Minute >= s.longest {
		return promoted()
	}
	return going(s.weight(w.Minute))
}

func (s *SafeRollout) weight(minute int) float64 {
	return enrolment[min(minute/s.slot(), len(enrolment)-1)] / 2
}

// RampSchedule is GrowthBook's second kind of rollout: 1, 5, 10 and 25 % for a
// tenth of the duration each and 50 % for the rest, with a control of the same
// size. A step is evaluated when its dwell is over, not before, on a snapshot
// taken then; a lost guardrail rolls back, a mismatch of the sample ratio holds
// until the next snapshot. The duration is one day.
type RampSchedule struct {
	guardrails
	steps []rampStep
	at    int
	ready int // when the step is evaluated next
}

type rampStep struct {
	weight float64
	dwell  int // minutes
}

// NewRampSchedule returns a rollout of a day.
func NewRampSchedule(c Config) *RampSchedule {
	const day = 24 * 60
	r := &RampSchedule{guardrails: newGuardrails(c)}
	for _, weight := range []float64{0.01, 0.05, 0.10, 0.25} {
		r.steps = append(r.steps, rampStep{weight, day / 10})
	}
	r.steps = append(r.steps, rampStep{0.50, day * 6 / 10})
	r.ready = r.steps[0].dwell
	return r
}

// Start is the weight of the first step.
func (r *RampSchedule) Start() float64 { return r.steps[0].weight }

// Look evaluates the step when its dwell is over.
func (r *RampSchedule) Look(w *Window) Act {
	r.see(w)
	if w.Minute < r.ready || w.Arms[Candidate].Of[Errors].N == 0 {
		return going(r.steps[r.at].weight)
	}
	if m, lost := r.lost(w.Units); lost {
		return rolledBack(m)
	}
	if r.mismatch(w.Units) {
		r.ready = w.Minute + snapshotEvery
		return going(r.steps[r.at].weight)
	}
	r.at++
	if r.at == len(r.steps) {
		return promoted()
	}
	r.ready = w.Minute + r.steps[r.at].dwell
	return going(r.steps[r.at].weight)
}
