package contest

import (
	"time"

	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// epoch is when all rollouts start.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }

// belay is a rollout as production runs it.
type belay struct {
	plan    *rollout.Plan
	ev      *evidence.Evidence
	state   rollout.State
	judged  []gate.Judgement
	entered int // the minute in which the stage was entered
	since   uint64
	units   [split.Arms]*stream.Arrivals
	series  series
	pending pending
}

// series are the places of what is counted in the layout; -1 where it is not.
type series struct {
	rates, values [3]int // by outcome
	score         int
}

func newBelay(p *rollout.Plan) *belay {
	b := &belay{plan: p, ev: &evidence.Evidence{}, state: rollout.State{Phase: rollout.Pending}, series: series{score: -1}}
	for i, name := range []string{"outcome:conversion", "outcome:revenue", "outcome:correct"} {
		b.series.rates[i], b.series.values[i] = -1, -1
		if at, ok := p.Layout.Rate(name); ok {
			b.series.rates[i] = at
		}
		if at, ok := p.Layout.Value(name); ok {
			b.series.values[i] = at
		}
	}
	if at, ok := p.Layout.Value("output:score"); ok {
		b.series.score = at
	}
	return b
}

func (b *belay) start() float64 {
	b.look(0)
	return b.weight()
}

func (b *belay) weight() float64 { return float64(b.state.Weight()) / split.Whole }

// see notes a minute and looks when it is time to.
func (b *belay) see(m *stream.Minute, _ *rule.Window) move {
	b.ev.Tick(at(m.Start))
	b.note(m)
	now := m.Start + 1
	if !due(now - b.entered) {
		return move{weight: b.weight()}
	}
	b.flush(m)
	stage := b.state.Stage
	d := b.look(now)
	if b.state.Stage != stage {
		b.entered = now
		b.units = [split.Arms]*stream.Arrivals{}
	}
	return move{ending: b.ending(&d), weight: b.weight(), by: d.Gate}
}

// due says when the evidence is looked at, by the age of the stage in minutes:
// each minute at first, rarer the longer nothing has happened. Every dwell and
// every longest duration falls on a look.
func due(age int) bool {
	switch {
	case age <= 30:
		return true
	case age <= 60:
		return age%2 == 0
	case age <= 240:
		return age%5 == 0
	case age <= 720:
		return age%15 == 0
	}
	return age%30 == 0
}

// look judges and decides, as the control loop does.
func (b *belay) look(now int) rollout.Decision {
	for _, s := range b.ev.Strata {
		s.Freeze(&b.plan.Layout)
	}
	b.ev.Learn(&b.plan.Layout)
	b.judged = rollout.Judge(b.plan, b.state, b.ev, b.judged)
	d := rollout.Decide(rollout.Input{
		Now: at(now), Plan: b.plan, State: b.state, Evidence: b.ev, Judgements: b.judged,
		Traffic: rollout.Traffic{Known: true, Ready: true, Weight: b.state.Weight(), LastRequest: at(now), SinceCandidate: b.since},
	})
	b.state = d.Next
	return d
}

// ending says how the rollout has ended, once it has.
func (b *belay) ending(d *rollout.Decision) Ending {
	switch phase := d.Next.Phase; {
	case phase == rollout.Completed:
		return Promoted
	case phase.Final():
		return RolledBack
	case phase == rollout.AwaitingApproval:
		return Held
	case phase == rollout.Holding && (d.Reason == rollout.ReasonGateFailed || d.Reason == rollout.ReasonUndecided):
		return Held // Nothing but a person ends it.
	}
	return ""
}

// atWhole reports whether the candidate serves all but what is held back.
func atWhole(weight float64, p *rollout.Plan) bool {
	last := p.Stages[len(p.Stages)-1]
	return weight >= float64(last.Weight)/split.Whole
}

// longest is how many minutes a rollout is followed: until its last required
// verdict would have to be there, and its last stage.
func longest(p *rollout.Plan) int {
	var all time.Duration
	for _, s := range p.Stages {
		if s.Require == spec.NoHarm {
			all += s.Dwell
		} else {
			all += s.MaxDuration
		}
	}
	return min(int(all/time.Minute)+12*60, 3*24*60)
}
