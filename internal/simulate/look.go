package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
	"github.com/belay-rollouts/belay/internal/simulate/stream"
)

// look judges what is known and decides, as the control loop does.
func (p *player) look() rollout.Decision {
	p.play.Looks++
	p.ev.Learn(&p.world.Plan.Layout)
	plan := &p.world.Plan
	p.judged = rollout.Judge(plan, p.state, p.ev, p.judged)
	p.parts = rollout.JudgeSegments(plan, p.state, p.ev, p.parts)
	d := rollout.Decide(rollout.Input{
		Now: at(p.tick), Plan: plan, State: p.state, Evidence: p.ev, Judgements: p.judged, Segments: p.parts,
		Traffic: rollout.Traffic{
			Known: true, Ready: true, Weight: p.state.Weight(), SinceCandidate: p.since,
			LastRequest: epoch.Add(time.Duration(p.last * float64(time.Second))),
		},
	})
	p.state = d.Next
	return d
}

// at is the time of a second.
func at(second int64) time.Time { return epoch.Add(time.Duration(second) * time.Second) }

// endingOf says how a rollout ended, once it has: a decision that waits for a
// person is an end, too.
func endingOf(d *rollout.Decision) (Ending, bool) {
	switch phase := d.Next.Phase; {
	case phase == rollout.Completed:
		return Promoted, true
	case phase.Final():
		return RolledBack, true
	case phase == rollout.AwaitingApproval:
		return Held, true
	case phase == rollout.Holding && slices.Contains(lasting, d.Reason):
		return Held, true
	}
	return Held, false
}

// lasting are the reasons of a hold that nothing but a person ends.
var lasting = []rollout.Reason{rollout.ReasonGateFailed, rollout.ReasonCeilingBroken, rollout.ReasonUndecided, rollout.ReasonTooManyStrata}

// end finishes the play.
func (p *player) end(e Ending, d *rollout.Decision) Play {
	p.play.Ending, p.play.Reason, p.play.Gate = e, d.Reason, d.Gate
	p.play.Stage = d.Next.Stage
	p.play.Weight = d.Next.Stratum().Weight
	p.play.Took = at(p.tick).Sub(d.Next.StartedAt)
	return p.play
}

// limit is the second at which a rollout that still goes on is given up.
func (p *player) limit() int64 {
	limit := p.opts.Limit
	if limit == 0 {
		limit = p.world.Plan.Faults.HoldFor + time.Hour
		for _, s := range p.world.Plan.Stages {
			limit += max(s.Dwell, s.MaxDuration)
		}
	}
	return int64(limit / time.Second)
}

// How often the evidence is looked at: production looks every second, which is
// free for the error rates and not for the processor. So a look is as far away as
// a sixtieth of the time since things last changed, and a minute at most.
const (
	looksPerAge = 60
	rarest      = 60
)

// nextLook is the second of the next look, given the last decision.
func (p *player) nextLook(d *rollout.Decision) int64 {
	step := int64(p.opts.Every / time.Second)
	if p.opts.Every == 0 {
		step = (p.tick - p.changed()) / looksPerAge
		step = min(step, rarest)
	}
	next := p.tick + max(step, 1)
	if d.Wake.After(at(p.tick)) {
		wake := int64(math.Ceil(d.Wake.Sub(epoch).Seconds()))
		next = min(next, max(wake, p.tick+1))
	}
	return next
}

// changed is the second in which things last changed: a stage or an effect began.
func (p *player) changed() int64 {
	since := int64(0)
	if !p.state.StageAt.IsZero() {
		since = int64(p.state.StageAt.Sub(epoch) / time.Second)
	}
	for _, turn := range p.looks {
		if turn <= p.tick {
			since = max(since, turn)
		}
	}
	return since
}

// turningPoints are the seconds at which effects begin or end.
func turningPoints(s *scenario.Scenario) []int64 {
	var out []int64
	for i := range s.Effects {
		e := &s.Effects[i]
		out = append(out, int64(e.At/time.Second), int64((e.At+e.Lasts)/time.Second))
	}
	return out
}

// levels are the noises of a gauge at both arms.
type levels struct {
	begun bool
	noise [split.Arms]float64
}

// measure looks at the gauges when it is time to.
func (p *player) measure() {
	for i, g := range p.world.gauges {
		if p.at == nil || float64(p.tick) < p.warm || p.tick%int64(g.Every/time.Second) != 0 {
			continue
		}
		l := &p.gauges[i]
		var level [split.Arms]float64
		for arm := range l.noise {
			fresh := g.Noise
			if l.begun {
				fresh *= math.Sqrt(1 - g.Memory*g.Memory)
			}
			l.noise[arm] = l.noise[arm]*g.Memory + fresh*p.r.NormFloat64()
			usual := stream.Gauge(&p.world.Scenario, g.Level, split.Arm(arm), float64(p.tick), p.state.Weight()) //nolint:gosec // There are two arms.
			level[arm] = usual * math.Exp(l.noise[arm])
		}
		l.begun = true
		p.at.Gauges[g.series].Add(level[split.Candidate], level[split.Baseline])
	}
}
