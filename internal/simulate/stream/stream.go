// Package stream draws the requests of a scenario, one by one, in the order in
// which they arrive: when they come, who sends them, which arm answers, how, and
// what becomes of them.
//
// It promises that equal scenarios, options and weights give equal streams,
// bit by bit; that arrivals and all that has nothing to do with the arm are the
// same whatever the weights are, so that rules of decision can be compared on the
// same traffic; and that both arms are drawn with the same chances, so that what
// a request would have come to at the other arm is known, and harm is counted
// rather than estimated. It judges nothing and keeps nothing of what it has drawn.
// A Stream is for one goroutine.
package stream

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// Options says how a scenario is drawn from.
type Options struct {
	Seed uint64
	// Sticky sends all requests of a user to one arm, by the hash that the router
	// uses. Otherwise each request is assigned by itself, whoever sends it.
	Sticky bool
	// Shield lets the baseline answer what the candidate fails to: the outcome of
	// such a request is the baseline's.
	Shield bool
	// Outcomes and Scores are what is drawn of the baseline's outcomes and scores,
	// by their indices; nothing else is.
	Outcomes []int
	Scores   []int
	// Covariates lets reports come with what was known before the exposure.
	Covariates bool
}

// Request is one request from its arrival to all that becomes of it.
type Request struct {
	At  float64 // of its arrival, in seconds from the first traffic on
	Arm split.Arm
	// User is the place of its user, and Second that user's second hash. User is
	// -1 where there are none.
	User   int
	Second uint64
	// Fresh is set at the first request of a user who took another's place.
	Fresh bool
	// Place is where the unit lies between 0 and 1, by which effects and segments
	// tell units apart; 0 where nothing does.
	Place float64

	Error       bool
	ClientError bool
	Latency     time.Duration
	Reports     []Report
	Scores      []float64 // by Options.Scores

	// Failed, Slowed and Worse are set where the candidate answered and the
	// baseline would not have failed; would have answered within its usual 99th
	// percentile; would have come to a better outcome.
	Failed, Slowed, Worse bool
}

// Harmed reports whether the request went worse than at the baseline.
func (r *Request) Harmed() bool { return r.Failed || r.Slowed || r.Worse }

// Report is an outcome that will be reported.
type Report struct {
	Index   int // into Options.Outcomes
	Success bool
	Value   float64 // what it is worth; 1 for a success without a worth
	Delay   float64 // in seconds after the arrival
	// Covariate was known before the exposure; in standard deviations of what the
	// outcome is worth at the baseline.
	Covariate float64
}

// Stream draws requests. Use New.
type Stream struct {
	scenario scenario.Scenario
	opts     Options
	r        *rand.Rand
	// weather draws what changes with time alone.
	weather *rand.Rand
	users   *users
	salt    split.Salt

	at     float64 // where the stream is
	second int64   // the second that the profiles are of
	weight uint32
	rate   float64
	left   float64 // of the unit of hazard until the next arrival

	segments []float64
	profiles [split.Arms][]profile
	gusts    gusts
	latency  latencies
	outcomes []outcome
	scores   []scenario.Score
	request  Request
}

// New returns the stream of a scenario, which must be Filled and pass Check.
func New(s scenario.Scenario, o Options) *Stream {
	st := &Stream{
		scenario: s, opts: o,
		r:       rand.New(rand.NewPCG(o.Seed, 0x7261666669630001)),
		weather: rand.New(rand.NewPCG(o.Seed, 0x7765617468657202)),
		salt:    split.Salt(rand.New(rand.NewPCG(o.Seed, 0x73616c7400000003)).Uint64()),
		second:  -1,
	}
	st.segments = Cuts(s)
	for arm := range st.profiles {
		st.profiles[arm] = make([]profile, len(st.segments))
	}
	for _, i := range o.Outcomes {
		st.outcomes = append(st.outcomes, newOutcome(s.Baseline.Outcomes[i]))
	}
	for _, i := range o.Scores {
		st.scores = append(st.scores, s.Baseline.Scores[i])
	}
	st.latency = newLatencies(s)
	if u := s.Traffic.Users; u != nil {
		st.users = newUsers(u, st.salt, o.Seed)
	}
	st.request = Request{Reports: make([]Report, 0, len(st.outcomes)), Scores: make([]float64, len(st.scores))}
	st.left = st.r.ExpFloat64()
	return st
}

// Draw draws the requests that arrive until a time, in seconds from the first
// traffic on, while the candidate has a weight out of split.Whole. The request
// that visit sees is used again for the next.
func (st *Stream) Draw(until float64, weight uint32, visit func(*Request)) {
	for st.at < until {
		second := int64(st.at)
		if second != st.second || weight != st.weight {
			st.prepare(second, weight)
		}
		st.arrivals(min(until, float64(second+1)), visit)
	}
}

// arrivals draws what arrives within a second, in which the rate does not change.
func (st *Stream) arrivals(end float64, visit func(*Request)) {
	for {
		gap := st.left / st.rate
		if !(st.at+gap < end) {
			st.left = max(0, st.left-(end-st.at)*st.rate)
			st.at = end
			return
		}
		st.at += gap
		st.left = st.r.ExpFloat64()
		st.draw()
		visit(&st.request)
	}
}

// draw draws one request. Whatever is drawn is drawn alike for both arms.
func (st *Stream) draw() {
	q := &st.request
	who := &nobody
	segment := 0.0
	q.At, q.User, q.Second, q.Fresh = st.at, -1, 0, false
	var h split.Hash
	if st.users != nil {
		q.User = st.users.pick(st.r)
		who = &st.users.all[q.User]
		segment, h = who.segment, who.hash
		q.Fresh, who.fresh = who.fresh, false
	} else if len(st.segments) > 1 {
		segment = st.r.Float64()
	}
	if st.users == nil || !st.opts.Sticky {
		h.Assign = st.r.Uint64()
	}
	q.Arm, q.Second, q.Place = split.Pick(h, st.weight), h.Second, segment
	at := 0
	for at < len(st.segments)-1 && segment >= st.segments[at] {
		at++
	}
	baseline, own := &st.profiles[split.Baseline][at], &st.profiles[q.Arm][at]
	st.answer(q, who, baseline, own)
	st.reports(q, who, baseline, own)
	for i := range st.scores {
		q.Scores[i] = score(st.r, &st.scores[i], own.scores)
	}
}

// answer draws how the arm answers.
func (st *Stream) answer(q *Request, who *user, baseline, own *profile) {
	fails, refuses := st.r.Float64(), st.r.Float64()
	least := 0.0
	if who.odd {
		least = st.scenario.Traffic.Users.OddErrors
	}
	q.Error = fails < max(least, own.errors.at(who.fails))
	q.Failed = q.Error && q.Arm == split.Candidate && fails >= max(least, baseline.errors.at(who.fails))
	q.ClientError = !q.Error && refuses < own.clientErrors
	d := st.latency.draw(st.r)
	plain, ln := d.at(baseline)+who.slow, d.at(own)+who.slow
	q.Slowed = q.Arm == split.Candidate && ln > st.latency.usual && plain <= st.latency.usual
	q.Latency = time.Duration(min(math.Exp(ln), mostLatency))
}

// mostLatency is how many nanoseconds an answer takes at most.
const mostLatency = float64(time.Hour)

// prepare works out what holds in a second.
func (st *Stream) prepare(second int64, weight uint32) {
	if second != st.second {
		st.gusts.turn(st.scenario.Traffic.Bursts, float64(second), st.weather)
		if st.users != nil {
			st.users.churn(second - st.second)
		}
	}
	st.second, st.weight = second, weight
	now := moment{at: float64(second), weight: float64(weight) / split.Whole}
	if d := st.scenario.Traffic.Daily; d != nil {
		now.sun = math.Sin(2 * math.Pi * (now.at + d.Phase.Seconds()) / d.Period.Seconds())
	}
	st.rate = max(st.scenario.Traffic.Rate*st.traffic(now), 1e-9)
	for arm := range st.profiles {
		for i := range st.profiles[arm] {
			st.profile(&st.profiles[arm][i], split.Arm(arm), i, now)
		}
	}
}

// Cuts returns the upper ends of the parts into which effects and segments divide
// the units; the last is 1.
func Cuts(s scenario.Scenario) []float64 {
	ends := []float64{1}
	for i := range s.Effects {
		ends = append(ends, s.Effects[i].Segment)
	}
	sum := 0.0
	for _, share := range s.Traffic.Segments {
		sum += share
		ends = append(ends, sum)
	}
	ends = slices.DeleteFunc(ends, func(end float64) bool { return end <= 0 || end > 1 })
	slices.Sort(ends)
	return slices.Compact(ends)
}
