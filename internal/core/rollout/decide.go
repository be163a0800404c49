package rollout

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
)

// Decide makes one decision. It moves a rollout by at most one stage, and never
// out of a final phase.
func Decide(in Input) Decision {
	d := &deciding{Input: in, next: in.State.clone()}
	d.fillIn()
	if in.State.Phase.Final() {
		return d.ended()
	}
	d.countTime()
	d.takeAct()
	for _, look := range order {
		if decision, done := look(d); done {
			return decision
		}
	}
	return d.advance()
}

// fillIn fills in what the input lacks. A gate that was not judged has no data,
// and so it neither passes nor is passed over.
func (d *deciding) fillIn() {
	if d.Evidence == nil {
		d.Evidence = &evidence.Evidence{}
	}
	fits := len(d.Judgements) == len(d.Plan.Gates)
	for i := 0; fits && i < len(d.Judgements); i++ {
		fits = d.Judgements[i].Gate == d.Plan.Gates[i].Name
	}
	if fits {
		return
	}
	given := d.Judgements
	d.Judgements = make([]gate.Judgement, len(d.Plan.Gates))
	for i := range d.Judgements {
		name := d.Plan.Gates[i].Name
		d.Judgements[i] = gate.Judgement{Gate: name, Verdict: gate.NoData, Reason: gate.NoCandidateData}
		if at := slices.IndexFunc(given, func(j gate.Judgement) bool { return j.Gate == name }); at >= 0 {
			d.Judgements[i] = given[at]
		}
	}
}

// order is the order in which a decision looks at things. It never changes.
var order = []func(*deciding) (Decision, bool){
	(*deciding).person,
	(*deciding).harm,
	(*deciding).start,
	(*deciding).faults,
	(*deciding).paused,
	(*deciding).override,
	(*deciding).dwell,
	(*deciding).samples,
	(*deciding).verdicts,
}

// deciding is a decision on its way: the input and the state that will follow.
type deciding struct {
	Input
	next State
}

// stage is the current stage of the plan.
func (d *deciding) stage() *Stage { return &d.Plan.Stages[d.next.Stage] }

// decide finishes a decision. A person's act that it does not carry out is
// refused with the same sentence.
func (d *deciding) decide(kind Kind, reason Reason, sentence string) Decision {
	return Decision{Kind: kind, Reason: reason, Sentence: sentence, Next: d.next}
}

// hold stays where it is.
func (d *deciding) hold(phase Phase, reason Reason, sentence string) Decision {
	d.next.Phase = phase
	out := d.decide(KindHold, reason, sentence)
	if d.promoting() {
		out.Refused = sentence
	}
	return out
}

// ask stops and asks a person.
func (d *deciding) ask(reason Reason, sentence string) Decision {
	out := d.hold(AwaitingApproval, reason, sentence)
	out.Kind = KindAsk
	return out
}

// end moves to a final phase.
func (d *deciding) end(kind Kind, phase Phase, reason Reason, sentence string) Decision {
	d.next.Phase, d.next.EndedAt = phase, d.Now
	d.next.Fault, d.next.Paused = nil, nil
	return d.decide(kind, reason, sentence)
}

func (d *deciding) promoting() bool { return d.Act != nil && d.Act.Kind == ActPromote }

// ended refuses whatever is asked of a rollout that is over.
func (d *deciding) ended() Decision {
	out := d.decide(KindHold, ReasonEnded, d.endedSentence())
	if d.Act != nil && d.Act.Kind != ActRecover {
		out.Refused = out.Sentence
	}
	return out
}

// atWeight reports whether the router serves what was asked.
func (d *deciding) atWeight() bool {
	return d.Traffic.Known && d.Traffic.Weight == d.State.Weight()
}

// takeAct notes a pause or its end. It decides nothing: a paused rollout is
// guarded like any other.
func (d *deciding) takeAct() {
	if d.Act == nil {
		return
	}
	switch d.Act.Kind {
	case ActPause:
		d.next.Paused = &Pause{By: d.Act.By, Reason: d.Act.Reason, At: d.Act.At}
	case ActResume:
		d.next.Paused = nil
	case ActRollback, ActAbort, ActPromote, ActRecover:
	}
}

// person carries out a person's rollback or abort, and finishes a rollback that
// a crash interrupted.
func (d *deciding) person() (Decision, bool) {
	if d.Act == nil {
		return Decision{}, false
	}
	switch d.Act.Kind {
	case ActRollback:
		return d.end(KindRollback, RolledBack, ReasonPersonRollback, d.personSentence("ROLLBACK")), true
	case ActAbort:
		return d.end(KindRollback, Aborted, ReasonPersonAbort, d.personSentence("ABORT")), true
	case ActRecover:
		return d.end(KindRollback, RolledBack, ReasonRecovered, d.recoveredSentence()), true
	case ActPause, ActResume, ActPromote:
	}
	return Decision{}, false
}

// harm looks for proven harm. Nothing that comes after it can delay it.
func (d *deciding) harm() (Decision, bool) {
	switch t := d.Traffic; {
	case d.State.Phase == Pending:
		return Decision{}, false
	case t.CutOff != nil:
		return d.end(KindRollback, RolledBack, ReasonCutOff, d.cutOffSentence()), true
	case t.Dead != "":
		return d.end(KindRollback, RolledBack, ReasonCandidateDead, d.deadSentence()), true
	}
	all := charges(d.Plan, d.Judgements, d.Segments)
	if c, found := d.failed(all, false); found {
		d.latch(c)
		if d.Plan.Rollback.Auto || !d.overriding() {
			return d.gateFailed(c), true
		}
	}
	if c, found := d.failed(all, true); found {
		d.latch(c)
		if !d.overriding() {
			out := d.hold(Holding, c.reason(), d.gateSentence("HOLD", c))
			out.Gate = c.gate.Name
			return out, true
		}
	}
	return Decision{}, false
}

// failed returns the charge of a family that is proven and that nobody has waived.
func (d *deciding) failed(all []charge, holds bool) (charge, bool) {
	for _, c := range all {
		if c.gate.Holds == holds && c.judgement.Verdict == gate.Fail && !d.waived(c) {
			return c, true
		}
	}
	f := weigh(&d.next, all, holds)
	return f.culprit, f.culprit.gate != nil && f.logE >= -math.Log(d.Plan.Alpha)
}

func (d *deciding) waived(c charge) bool { return slices.Contains(d.next.Waived, c.name()) }

func (d *deciding) latch(c charge) {
	if name := c.name(); !slices.Contains(d.next.Failed, name) {
		d.next.Failed = append(d.next.Failed, name)
	}
}

func (c charge) reason() Reason {
	if c.judgement.Reason == gate.CeilingBroken {
		return ReasonCeilingBroken
	}
	return ReasonGateFailed
}

// gateFailed rolls back, or asks where the plan wants a person to do it.
func (d *deciding) gateFailed(c charge) Decision {
	var out Decision
	if d.Plan.Rollback.Auto {
		out = d.end(KindRollback, RolledBack, c.reason(), d.gateSentence("ROLLBACK", c))
	} else {
		out = d.ask(c.reason(), d.gateSentence("ASK", c)+" rollback.auto is off: roll back, or promote with an override.")
	}
	out.Gate = c.gate.Name
	return out
}

// start gives a pending rollout its first traffic, once the candidate is ready.
func (d *deciding) start() (Decision, bool) {
	if d.State.Phase != Pending {
		return Decision{}, false
	}
	if d.next.Paused != nil {
		return d.hold(Pending, ReasonPaused, d.pausedSentence()), true
	}
	if !d.Traffic.Known || !d.Traffic.Ready {
		return d.hold(Pending, ReasonNotReady, d.notReadySentence()), true
	}
	d.next.enter(d.Plan, 0, d.Now)
	d.next.StartedAt = d.Now
	return d.wakeAtDwell(d.decide(KindAdvance, ReasonStarted, d.startSentence())), true
}

// paused holds for a person.
func (d *deciding) paused() (Decision, bool) {
	if d.next.Paused == nil {
		return Decision{}, false
	}
	return d.hold(Holding, ReasonPaused, d.pausedSentence()), true
}

// override goes on without what is missing, on a person's word. The gates that
// were proven to do harm are waived by name.
func (d *deciding) override() (Decision, bool) {
	if !d.overriding() {
		return Decision{}, false
	}
	return d.advance(), true
}

func (d *deciding) overriding() bool { return d.promoting() && d.Act.Override && d.next.Paused == nil }

// dwell holds until the router has served long enough at the weight. A person
// may skip it, and nothing else, without an override.
func (d *deciding) dwell() (Decision, bool) {
	left := d.stage().Dwell - d.next.Served
	if left <= 0 || d.promoting() {
		return Decision{}, false
	}
	out := d.hold(Progressing, ReasonDwelling, d.dwellSentence(left))
	out.Wake = d.Now.Add(left)
	return out, true
}

func (d *deciding) wakeAtDwell(out Decision) Decision {
	out.Wake = d.Now.Add(d.stage().Dwell)
	return out
}

// advance moves on to the next stage, or completes.
func (d *deciding) advance() Decision {
	reason, waived := ReasonStagePassed, false
	if d.promoting() {
		reason = ReasonPromotedByPerson
	}
	if d.overriding() {
		waived = d.waiveFailed()
		d.acceptRatio()
	}
	d.next.Fault = nil
	if d.next.Stage == len(d.Plan.Stages)-1 {
		if reason == ReasonStagePassed {
			reason = ReasonCompleted
		}
		return d.end(KindComplete, Completed, reason, d.completeSentence(waived))
	}
	sentence := d.advanceSentence(waived)
	if !d.next.enter(d.Plan, d.next.Stage+1, d.Now) {
		return d.hold(Holding, ReasonTooManyStrata, d.strataSentence())
	}
	return d.wakeAtDwell(d.decide(KindAdvance, reason, sentence))
}

// waiveFailed waives the gates that a person overrides. It reports whether there
// were any.
func (d *deciding) waiveFailed() bool {
	for _, c := range charges(d.Plan, d.Judgements, d.Segments) {
		if c.judgement.Verdict == gate.Fail {
			d.latch(c)
		}
	}
	before := len(d.next.Waived)
	for _, name := range d.next.Failed {
		if !slices.Contains(d.next.Waived, name) {
			d.next.Waived = append(d.next.Waived, name)
		}
	}
	return len(d.next.Waived) > before
}

// acceptRatio takes a person's override of a sample-ratio mismatch for the strata
// so far. They stay as they are, and would ask for the same override at every
// stage to come.
func (d *deciding) acceptRatio() {
	if d.sampleRatio() >= gate.SampleRatioAt(len(d.Plan.Stages)) {
		d.next.RatioFrom = len(d.next.Strata)
	}
}
