package simulate

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/stream"
)

// epoch is when all simulated rollouts start.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// applied is how long after a decision, in seconds, its table is in force.
const applied = 0.02

// Ending is how a rollout went, for those who were served by it.
type Ending string

// The endings.
const (
	RolledBack Ending = "rolledBack"
	Promoted   Ending = "promoted"
	// Held is a rollout that waits for a person: it could not be decided in time, a
	// gate or a fault holds it, or it was still on its way at the limit.
	Held Ending = "held"
)

// Play is one simulated rollout.
type Play struct {
	Ending Ending
	// Reason and Gate are those of the last decision.
	Reason rollout.Reason
	Gate   string
	Stage  int
	Weight uint32 // of the candidate when the rollout ended
	// Took is the time from the first traffic to the last decision.
	Took     time.Duration
	Requests uint64 // of both arms
	Exposed  uint64 // requests of the candidate
	Users    uint64 // who sent those, where there are users
	// Harmed are requests that went worse than they would have gone at the
	// baseline; Failed, Slowed and Worse say how, and one may count in several.
	Harmed, Failed, Slowed, Worse uint64
	HarmedUsers                   uint64
	// Looks is how often the evidence was judged.
	Looks int
}

// player plays rollouts in one world, one after the other. It belongs to one
// goroutine.
type player struct {
	world *World
	opts  Options
	wheel wheel
	looks []int64 // seconds at which effects begin or end

	stream *stream.Stream
	r      *rand.Rand
	ev     *evidence.Evidence
	state  rollout.State
	judged []gate.Judgement
	parts  []gate.Judgement // by segment
	play   Play

	tick     int64 // the second up to which all is known
	stratum  uint8
	at       *evidence.Stratum // in which requests are exposed now
	warm     float64           // the second from which latencies count in it
	last     float64           // of the last request
	since    uint64            // requests of the baseline since the candidate's last
	seen     []uint8           // by user: the stratum after the last in which they were met
	marks    []uint8           // by user: exposed, harmed
	slots    []slot            // by world.horizons
	cohorts  [][]cohort        // by world.ages
	gauges   []levels
	kept     readings
	visiting func(*stream.Request)
	yielding func(*late)
}

// The marks of users.
const (
	userExposed = 1 << iota
	userHarmed
)

func newPlayer(w *World, o Options) *player {
	p := &player{world: w, opts: o, looks: turningPoints(&w.Scenario)}
	p.visiting, p.yielding = p.visit, p.deliver
	return p
}

// stopEvery is after how many seconds of virtual time a player asks whether to stop.
const stopEvery = 64

// run plays the rollout of a seed. It reports false when it was told to stop.
func (p *player) run(ctx context.Context, seed uint64) (Play, bool) {
	p.reset(seed)
	limit := p.limit()
	next := int64(0)
	for {
		if p.tick%stopEvery == 0 && ctx.Err() != nil {
			return Play{}, false
		}
		p.turnSlots()
		p.wheel.due(uint32(p.tick), p.yielding) //nolint:gosec // The limit is far below 2^32 seconds.
		p.age()
		p.ev.Tick(at(p.tick))
		p.measure()
		before := p.state.Weight()
		if p.tick >= next {
			d := p.look()
			if ending, over := endingOf(&d); over || p.tick >= limit {
				p.traffic(float64(p.tick)+applied, before)
				return p.end(ending, &d), true
			}
			next = p.nextLook(&d)
		}
		if now := p.state.Weight(); now != before {
			p.traffic(float64(p.tick)+applied, before)
			p.enter()
		}
		p.traffic(float64(p.tick+1), p.state.Weight())
		p.tick++
		p.freeze()
	}
}

// reset forgets the play before.
func (p *player) reset(seed uint64) {
	w := p.world
	p.wheel.clear()
	p.stream = stream.New(w.Scenario, stream.Options{
		Seed: seed, Sticky: w.Plan.Layout.Clustered, Shield: w.Plan.Rollback.Shield, Outcomes: w.outcomes, Scores: w.scores, Covariates: w.covariates,
	})
	p.r = rand.New(rand.NewPCG(seed, 0x6761756765730006))
	p.ev, p.state, p.play = &evidence.Evidence{}, rollout.State{Phase: rollout.Pending}, Play{}
	p.judged, p.parts = nil, nil
	p.tick, p.at, p.stratum, p.since, p.last = 0, nil, 0, 0, -1
	if u := w.Scenario.Traffic.Users; u != nil {
		p.seen, p.marks = make([]uint8, u.Count), make([]uint8, u.Count)
	}
	p.cohorts = make([][]cohort, len(w.ages))
	p.gauges = make([]levels, len(w.gauges))
	p.slots = make([]slot, len(w.horizons))
	p.kept.clear(max(1, len(w.outputs)))
}

// traffic draws the requests until a time and observes them.
func (p *player) traffic(until float64, weight uint32) {
	p.stream.Draw(until, weight, p.visiting)
}

// enter opens the stratum that the state is in.
func (p *player) enter() {
	n := len(p.state.Strata)
	p.stratum = uint8(n - 1) //nolint:gosec // There are at most evidence.MaxStrata.
	p.at = p.ev.Stratum(&p.world.Plan.Layout, n-1)
	p.warm = p.state.Strata[n-1].Warm.Sub(epoch).Seconds()
}

// visit observes a request: at once what is known by the end of its second, the
// rest when it is.
func (p *player) visit(q *stream.Request) {
	if p.at == nil {
		return // Before the rollout has any traffic.
	}
	p.count(q)
	o := evidence.Observation{
		Arm: q.Arm, Bucket: split.Bucket(q.Second), Error: q.Error, ClientError: q.ClientError,
		Shielded: q.Error && q.Arm == split.Candidate && p.world.Plan.Rollback.Shield,
	}
	if q.At >= p.warm {
		o.Latency = q.Latency
	}
	segment, scores := p.segmentOf(q), q.Scores
	if q.Error {
		scores = nil // What has failed says nothing, and a rescue is in no arm.
	}
	if known := q.At + q.Latency.Seconds(); known <= float64(p.tick+1) {
		o.Outputs = p.read(scores)
		p.observe(p.stratum, segment, o)
	} else {
		l := late{due: due(known), value: float32(o.Latency), extra: p.keep(scores) | segment<<segmentShift, stratum: p.stratum, bucket: o.Bucket}
		l.what = bit(q.Arm == split.Candidate, isCandidate) | bit(o.Error, isError) | bit(o.ClientError, isClientError)
		p.wheel.add(uint32(p.tick), l) //nolint:gosec // As above.
	}
	for i := range q.Reports {
		for _, to := range p.world.sinks[q.Reports[i].Index] {
			p.report(q, &q.Reports[i], to, segment)
		}
	}
	for i, a := range p.world.ages {
		p.join(i, p.slots[a.horizon].due, o)
	}
}

// observe adds a request to the whole and to its segment.
func (p *player) observe(stratum uint8, segment uint32, o evidence.Observation) {
	l := &p.world.Plan.Layout
	p.ev.Strata[stratum].Observe(l, o)
	if segment > 0 {
		p.segment(stratum, segment).Observe(l, o)
	}
}

// report notes an outcome for when it is known.
func (p *player) report(q *stream.Request, r *stream.Report, to sink, segment uint32) {
	if to.successes && !r.Success {
		return
	}
	known := q.At + r.Delay
	if to.horizon >= 0 {
		slot := &p.slots[to.horizon]
		if r.Delay > slot.age {
			return
		}
		known, segment = slot.due, 0 // What waits for its horizon counts in the whole alone.
	}
	if known-float64(p.tick) >= reach-1 {
		return
	}
	l := late{due: due(known), extra: segment << segmentShift, stratum: p.stratum, bucket: split.Bucket(q.Second), series: to.series}
	l.what = bit(q.Arm == split.Candidate, isCandidate) | bit(r.Success, isSuccess)
	if to.value {
		l.value, l.what = float32(r.Value), l.what|isValue
		if to.covariate {
			p.kept.one[0] = r.Covariate
			l.extra |= p.keep(p.kept.one[:])
		}
	} else {
		l.what |= isRate
	}
	p.later(l)
}

// later delivers what is known by the end of this second, and keeps the rest.
func (p *player) later(l late) {
	if int64(l.due) <= p.tick+1 {
		p.deliver(&l)
		return
	}
	p.wheel.add(uint32(p.tick), l) //nolint:gosec // As above.
}

// due is the second by whose end something is known.
func due(at float64) uint32 { return uint32(math.Ceil(at)) }

func bit(yes bool, b uint8) uint8 {
	if yes {
		return b
	}
	return 0
}

// deliver adds what has become known to the evidence.
func (p *player) deliver(l *late) {
	s, arm, segment := p.ev.Strata[l.stratum], armOf(l.what), l.extra>>segmentShift
	layout := &p.world.Plan.Layout
	switch {
	case l.what&isRate != 0:
		success := l.what&isSuccess != 0
		s.ObserveOutcome(int(l.series), arm, l.bucket, success)
		if segment > 0 {
			p.segment(l.stratum, segment).ObserveOutcome(int(l.series), arm, l.bucket, success)
		}
	case l.what&isValue != 0:
		raw := evidence.Raw{Series: int(l.series), Arm: arm, Bucket: l.bucket, Value: float64(l.value), Covariate: p.covariate(l)}
		s.ObserveValue(layout, raw)
		if segment > 0 {
			p.segment(l.stratum, segment).ObserveValue(layout, raw)
		}
	default:
		failed := l.what&isError != 0
		p.observe(l.stratum, segment, evidence.Observation{
			Arm: arm, Bucket: l.bucket, Error: failed, ClientError: l.what&isClientError != 0,
			Shielded: failed && arm == split.Candidate && p.world.Plan.Rollback.Shield, Latency: time.Duration(l.value),
			Outputs: p.read(p.take(l.extra&outputMask, len(p.world.outputs))),
		})
	}
}

// count counts a request and its user.
func (p *player) count(q *stream.Request) {
	p.play.Requests++
	p.last = q.At
	if q.Arm == split.Candidate {
		p.since = 0
		p.play.Exposed++
		p.play.Failed += one(q.Failed)
		p.play.Slowed += one(q.Slowed)
		p.play.Worse += one(q.Worse)
		p.play.Harmed += one(q.Harmed())
	} else {
		p.since++
	}
	if q.User >= 0 {
		p.meet(q)
	}
}

// meet counts a user.
func (p *player) meet(q *stream.Request) {
	if q.Fresh {
		p.seen[q.User], p.marks[q.User] = 0, 0
	}
	if p.world.Plan.Layout.Clustered && p.seen[q.User] != p.stratum+1 {
		p.seen[q.User] = p.stratum + 1
		p.at.Sides[q.Arm].Units.Add(q.Second)
	}
	if q.Arm != split.Candidate {
		return
	}
	if p.marks[q.User]&userExposed == 0 {
		p.marks[q.User] |= userExposed
		p.play.Users++
	}
	if q.Harmed() && p.marks[q.User]&userHarmed == 0 {
		p.marks[q.User] |= userHarmed
		p.play.HarmedUsers++
	}
}

func one(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// freeze fixes the edges at which the dispersion of quantiles is followed, as soon
// as there are enough latencies.
func (p *player) freeze() {
	if p.at == nil || p.at.Edges != nil || !p.at.Freeze(&p.world.Plan.Layout) {
		return
	}
	for _, s := range p.ev.Segments {
		if i := int(p.stratum); i < len(s.Strata) && s.Strata[i] != nil {
			s.Strata[i].Edges = slices.Clone(p.at.Edges)
		}
	}
}
