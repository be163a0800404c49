package rollout

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// samples holds, and so extends the stage, until every gate has the samples it
// needs in both arms. The weight is never raised to get them sooner. Where no
// gate has a say the requests themselves are counted.
func (d *deciding) samples() (Decision, bool) {
	if d.comparesNothing() {
		return Decision{}, false
	}
	need, asked := d.stage().MinSamples, false
	for i := range d.Judgements {
		if !d.counts(i) {
			continue
		}
		asked = true
		switch {
		case d.Judgements[i].Verdict == gate.NoData:
			return d.holdFor(i, ReasonNoData, d.noDataSentence(i)), true
		case !d.enough(i, d.Plan.Gates[i].Needs(need)):
			return d.holdFor(i, ReasonTooFewSamples, d.samplesSentence(i, d.Plan.Gates[i].Needs(need))), true
		}
	}
	if candidate, baseline := d.requests(split.Candidate), d.requests(split.Baseline); !asked && min(candidate, baseline) < need {
		return d.hold(d.waitingPhase(), ReasonTooFewSamples, d.requestsSentence(candidate, baseline)), true
	}
	return Decision{}, false
}

// requests counts the requests of an arm in the stage.
func (d *deciding) requests(arm split.Arm) uint64 {
	var n uint64
	for i, s := range d.Evidence.Strata {
		if s != nil && i < len(d.next.Strata) && d.next.Strata[i].Stage == d.next.Stage {
			n += s.Sides[arm].Requests
		}
	}
	return n
}

// counts reports whether a gate is a condition here: it decides, it is active,
// and nobody has waived it.
func (d *deciding) counts(i int) bool {
	g := &d.Plan.Gates[i]
	return !g.Info && d.Judgements[i].Verdict != gate.Off && !d.waived(charge{g, &d.Judgements[i]})
}

// comparesNothing reports whether the stage leaves the baseline no traffic, so
// that nothing in it can be asked of the evidence.
func (d *deciding) comparesNothing() bool { return d.stage().Weight >= split.Whole }

// enough reports whether both arms have the samples of the stage. A gate of
// ceilings alone has no use for the baseline's.
func (d *deciding) enough(i int, need float64) bool {
	here := d.Judgements[i].Here
	return here.NT >= need && (here.NC >= need || d.Plan.Gates[i].Method == gate.None)
}

func (d *deciding) holdFor(i int, reason Reason, sentence string) Decision {
	out := d.hold(d.waitingPhase(), reason, sentence)
	out.Gate = d.Plan.Gates[i].Name
	return out
}

// waitingPhase is Progressing while the stage is within its time, and Holding
// after it.
func (d *deciding) waitingPhase() Phase {
	if d.overdue() {
		return Holding
	}
	return Progressing
}

// overdue reports whether the stage has used up its time.
func (d *deciding) overdue() bool {
	limit := d.stage().MaxDuration
	return limit > 0 && d.Now.Sub(d.next.StageSince()) >= limit
}

// deadline is when the stage is overdue.
func (d *deciding) deadline() time.Time {
	if limit := d.stage().MaxDuration; limit > 0 {
		return d.next.StageSince().Add(limit)
	}
	return time.Time{}
}

// verdicts holds until every gate says what the stage requires, and then does
// as the plan says when one does not in time.
func (d *deciding) verdicts() (Decision, bool) {
	i, missing := d.missingVerdict()
	if !missing {
		return Decision{}, false
	}
	if !d.overdue() {
		out := d.holdFor(i, ReasonVerdictMissing, d.verdictSentence(i))
		out.Wake = d.deadline()
		return out, true
	}
	out := d.undecided(i)
	out.Gate = d.Plan.Gates[i].Name
	return out, true
}

func (d *deciding) missingVerdict() (int, bool) {
	if d.comparesNothing() {
		return 0, false
	}
	for i := range d.Judgements {
		if d.counts(i) && !d.satisfied(i) {
			return i, true
		}
	}
	return 0, false
}

// satisfied reports whether a gate says what the stage requires. No data never
// satisfies; samples were looked at before.
func (d *deciding) satisfied(i int) bool {
	switch d.Judgements[i].Verdict {
	case gate.Pass:
		return true
	case gate.Undecided:
		return d.Plan.Gates[i].GuardOnly || d.stage().Require == spec.NoHarm && d.tolerable(i)
	case gate.Fail, gate.NoData, gate.Off:
	}
	return false
}

// tolerable reports whether a harm beyond the stage's tolerance is excluded.
func (d *deciding) tolerable(i int) bool {
	return d.stage().Tolerance == 0 || d.Judgements[i].LogWithin >= gate.PassAt(d.Plan.Alpha)
}

// undecided does what the plan says when a verdict did not come in time.
func (d *deciding) undecided(i int) Decision {
	sentence := d.undecidedSentence(i)
	switch d.Plan.OnUndecided {
	case spec.UndecidedRollback:
		return d.end(KindRollback, RolledBack, ReasonUndecided, "ROLLBACK"+sentence)
	case spec.UndecidedAdvance:
		out := d.advance()
		out.Reason = ReasonAdvancedUndecided
		return out
	case spec.UndecidedAsk:
		return d.ask(ReasonUndecided, "ASK"+sentence)
	case spec.UndecidedHold:
	}
	return d.hold(Holding, ReasonUndecided, "HOLD"+sentence)
}
