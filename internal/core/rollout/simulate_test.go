package rollout

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// A simulation is a rollout in virtual time, request by request: arrivals are a
// Poisson process, every request is drawn into an arm, answered after its
// latency, and labelled later. Once a second what has arrived by then is judged
// and decided upon, exactly as the control loop does, and a new weight is in
// force a little after its decision. Nothing is scripted but the versions.
type simulation struct {
	plan      *Plan
	baseline  behaviour
	candidate behaviour
	rate      float64 // requests per second
	// noise is the mean that sockets and the machine add to a latency.
	noise time.Duration
	// hiccups is the share of all time in which every request takes 10 ms more.
	hiccups float64
	// labels is how late a label comes after its answer; none where it is 0.
	labels time.Duration
	// rightLate is the mean of how much later still the label of a right answer
	// comes.
	rightLate time.Duration
	// drift, if given, changes both arms' rate of failures as time goes by.
	drift func(since time.Duration) float64
	// look, if given, sees the evidence at every tick.
	look  func(s State, ev *evidence.Evidence)
	limit time.Duration

	r       *rand.Rand
	pending map[int64][]event // by the second in which they are known
	ev      *evidence.Evidence
	correct int // index of the outcome's rate

	lastRequest    time.Time
	sinceCandidate uint64
	hiccupUntil    float64
}

// behaviour is how a version answers.
type behaviour struct {
	wrong   float64 // share of answers that are wrong
	fails   float64 // share of requests that fail
	rejects float64 // share of requests that are refused as the client's mistake
	slow    float64 // share of requests that take four times as long
	longer  float64 // how much longer every request takes: 0.1 for +10 %
}

// event is a request's end or its label.
type event struct {
	stratum int
	arm     split.Arm
	label   bool
	right   bool
	failed  bool
	refused bool
	latency time.Duration
}

// ending is how a simulated rollout went.
type ending struct {
	decision Decision
	state    State
	took     time.Duration // from the first traffic
	exposed  uint64
}

const (
	tick = time.Second
	// applied is how long after a decision its table is in force.
	applied = 20 * time.Millisecond
)

func (s *simulation) run(seed uint64) ending {
	s.r = rand.New(rand.NewPCG(seed, 0xbe1a4))
	s.pending, s.ev = map[int64][]event{}, &evidence.Evidence{}
	s.correct, _ = s.plan.Layout.Rate("outcome:correct")
	s.lastRequest, s.sinceCandidate, s.hiccupUntil = time.Time{}, 0, 0
	state := State{Phase: Pending}
	var judged []gate.Judgement
	var d Decision
	for now := epoch; ; now = now.Add(tick) {
		s.deliver(now)
		judged = Judge(s.plan, state, s.ev, judged)
		if s.look != nil {
			s.look(state, s.ev)
		}
		weight := state.Weight()
		d = Decide(Input{Now: now, Plan: s.plan, State: state, Evidence: s.ev, Judgements: judged, Traffic: Traffic{
			Known: true, Ready: true, Weight: weight, LastRequest: s.lastRequest, SinceCandidate: s.sinceCandidate,
		}})
		s.traffic(now, now.Add(applied), weight, len(state.Strata)-1)
		state = d.Next
		if state.Phase.Final() || now.Sub(epoch) > s.limit {
			break
		}
		s.traffic(now.Add(applied), now.Add(tick), state.Weight(), len(state.Strata)-1)
	}
	s.flush()
	return ending{decision: d, state: state, took: state.EndedAt.Sub(state.StartedAt), exposed: s.ev.Exposed(split.Candidate)}
}

// traffic draws the requests between two moments.
func (s *simulation) traffic(from, to time.Time, weight uint32, stratum int) {
	w := float64(weight) / split.Whole
	span := to.Sub(from).Seconds()
	for at := s.gap(); at < span; at += s.gap() {
		now := from.Add(time.Duration(at * 1e9))
		s.lastRequest = now
		arm, version := split.Baseline, &s.baseline
		if s.r.Float64() < w {
			arm, version = split.Candidate, &s.candidate
			s.sinceCandidate = 0
		} else {
			s.sinceCandidate++
		}
		s.request(now, stratum, arm, version)
	}
}

func (s *simulation) gap() float64 { return s.r.ExpFloat64() / s.rate }

// request draws the course of one request.
func (s *simulation) request(at time.Time, stratum int, arm split.Arm, b *behaviour) {
	latency := lognormalLatency(s.r, 0.25)
	if s.r.Float64() < b.slow {
		latency *= 4
	}
	latency += time.Duration(b.longer * float64(latency))
	latency += time.Duration(float64(s.noise) * s.r.ExpFloat64())
	latency += s.hiccup(at)
	if stratum < 0 {
		return // Before the rollout has any traffic.
	}
	fails := b.fails
	if s.drift != nil {
		fails *= s.drift(at.Sub(epoch))
	}
	e := event{stratum: stratum, arm: arm, latency: latency, failed: s.r.Float64() < fails, refused: s.r.Float64() < b.rejects}
	end := at.Add(latency)
	s.expect(end, e)
	if s.labels == 0 {
		return
	}
	wrong := b.wrong
	if e.failed { // The baseline answers in the candidate's place; its answer is the candidate's.
		end, wrong = end.Add(lognormalLatency(s.r, 0.25)), s.baseline.wrong
	}
	label := event{stratum: stratum, arm: arm, label: true, right: s.r.Float64() >= wrong}
	late := time.Duration(float64(s.labels) * (0.9 + 0.2*s.r.Float64()))
	if label.right {
		late += time.Duration(float64(s.rightLate) * s.r.ExpFloat64())
	}
	s.expect(end.Add(late), label)
}

// hiccup is what a pause of the whole machine adds.
func (s *simulation) hiccup(at time.Time) time.Duration {
	const lasts = 0.02
	t := at.Sub(epoch).Seconds()
	if s.hiccups > 0 && t > s.hiccupUntil+lasts*s.r.ExpFloat64()/s.hiccups {
		s.hiccupUntil = t + lasts
	}
	if t < s.hiccupUntil {
		return 10 * time.Millisecond
	}
	return 0
}

// expect notes what will be known in some second.
func (s *simulation) expect(at time.Time, e event) {
	second := int64(math.Ceil(at.Sub(epoch).Seconds()))
	s.pending[second] = append(s.pending[second], e)
}

// deliver adds to the evidence what is known by now.
func (s *simulation) deliver(now time.Time) {
	second := int64(now.Sub(epoch) / tick)
	for _, e := range s.pending[second] {
		s.observe(e)
	}
	delete(s.pending, second)
}

// flush adds what was on its way.
func (s *simulation) flush() {
	for _, events := range s.pending {
		for _, e := range events {
			s.observe(e)
		}
	}
}

func (s *simulation) observe(e event) {
	l := &s.plan.Layout
	stratum := s.ev.Stratum(l, e.stratum)
	if e.label {
		stratum.ObserveOutcome(s.correct, e.arm, 0, e.right)
		return
	}
	stratum.Observe(l, evidence.Observation{Arm: e.arm, Error: e.failed, ClientError: e.refused, Shielded: e.failed && e.arm == split.Candidate, Latency: e.latency})
}
