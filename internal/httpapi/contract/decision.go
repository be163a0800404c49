package contract

import (
	"encoding/json"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/store"
)

// Decision turns a log entry into a decision of the contract, with its inputs.
func Decision(l *store.Logged, p *rollout.Plan) api.Decision {
	e := &l.Entry
	out := api.Decision{
		Seq: e.Seq, At: utc(e.At), Kind: api.DecisionKind(e.Kind), Reason: string(e.Reason), Gate: e.Gate, Sentence: e.Sentence,
		Check: checkOf(e.Reason), Before: standingOf(&e.Before), After: standingOf(&e.Next),
		Previous: l.Previous, Hash: l.Hash, EvidenceSum: e.EvidenceSum, Inputs: json.RawMessage(l.Body),
	}
	if a := e.Act; a != nil {
		out.Act = &api.Act{Kind: string(a.Kind), By: a.By, Reason: a.Reason, Override: a.Override, At: utc(a.At)}
	}
	for i := range e.Judgements {
		out.Gates = append(out.Gates, judgedOf(&e.Judgements[i], p))
	}
	return out
}

func standingOf(s *rollout.State) api.Standing {
	return api.Standing{Phase: api.Phase(s.Phase), Stage: s.Stage, WeightPercent: percent(s.Weight())}
}

func judgedOf(j *gate.Judgement, p *rollout.Plan) api.Judged {
	out := api.Judged{
		Gate: j.Gate, Verdict: api.Verdict(j.Verdict), Reason: string(j.Reason),
		LogFail: logOf(j.LogFail), LogPass: logOf(j.LogPass), LogPassAt: logOf(gate.PassAt(p.Alpha)),
		Pooled: logOf(j.Pooled), Ceiling: logOf(j.Ceiling), Here: countsOf(j.Here), Total: countsOf(j.Total),
	}
	for _, x := range j.PerStage {
		out.PerStage = append(out.PerStage, logOf(x))
	}
	if g := gateNamed(p, j.Gate); g != nil {
		out.Kind, out.Caveat = api.GateKind(g.Kind), p.Caveat(g)
		out.Margin, out.LogFailAt = g.MarginText(), logOf(g.FailAt(p.Alpha))
	}
	return out
}

// The checks of a decision, in the order in which they are made.
var (
	checkNone     = api.Check{}
	checkPerson   = api.Check{Number: 1, Name: "a person's rollback or abort"}
	checkHarm     = api.Check{Number: 2, Name: "harm"}
	checkFaults   = api.Check{Number: 3, Name: "faults in the data or the traffic"}
	checkPaused   = api.Check{Number: 4, Name: "paused"}
	checkDwell    = api.Check{Number: 5, Name: "dwell"}
	checkSamples  = api.Check{Number: 6, Name: "samples"}
	checkVerdicts = api.Check{Number: 7, Name: "required verdicts"}
	checkAdvance  = api.Check{Number: 9, Name: "advance or complete"}
)

// checkOf names the check that a reason comes from.
func checkOf(r rollout.Reason) api.Check {
	switch r {
	case rollout.ReasonPersonRollback, rollout.ReasonPersonAbort, rollout.ReasonRecovered:
		return checkPerson
	case rollout.ReasonGateFailed, rollout.ReasonCeilingBroken, rollout.ReasonCutOff, rollout.ReasonCandidateDead:
		return checkHarm
	case rollout.ReasonNotAtWeight, rollout.ReasonSampleRatio, rollout.ReasonNoTraffic, rollout.ReasonCandidateSilent,
		rollout.ReasonSourceDown, rollout.ReasonFaultLasted:
		return checkFaults
	case rollout.ReasonPaused:
		return checkPaused
	case rollout.ReasonDwelling:
		return checkDwell
	case rollout.ReasonTooFewSamples, rollout.ReasonNoData:
		return checkSamples
	case rollout.ReasonVerdictMissing, rollout.ReasonUndecided:
		return checkVerdicts
	case rollout.ReasonStagePassed, rollout.ReasonPromotedByPerson, rollout.ReasonCompleted, rollout.ReasonAdvancedUndecided, rollout.ReasonTooManyStrata:
		return checkAdvance
	case rollout.ReasonEnded, rollout.ReasonNotReady, rollout.ReasonStarted:
	}
	return checkNone
}

// Head is a log entry without its inputs.
func Head(l *store.Logged) *api.DecisionHead {
	e := &l.Entry
	return headOf(store.Head{Seq: e.Seq, At: e.At, Kind: e.Kind, Reason: e.Reason, Gate: e.Gate, Sentence: e.Sentence, Hash: l.Hash})
}
