package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// next says in one sentence what happens next, and when at the earliest.
func next(live *controller.Live) string {
	rec, state := &live.Record, &live.Record.State
	switch state.Phase {
	case rollout.Completed:
		return fmt.Sprintf("Nothing: %s serves everything.", rec.Plan.Candidate.Name)
	case rollout.RolledBack, rollout.Aborted:
		return backSentence(rec.Plan.Baseline.Name, live)
	case rollout.Pending:
		return pendingSentence(live)
	case rollout.Progressing, rollout.Holding, rollout.AwaitingApproval:
	}
	return runningSentence(live)
}

func backSentence(baseline string, live *controller.Live) string {
	e := live.Record.Ending
	if e != nil && e.ConfirmedAt.IsZero() {
		return fmt.Sprintf("The traffic is being put back on %s and is read back until it is.", baseline)
	}
	return fmt.Sprintf("Nothing: %s serves everything again.", baseline)
}

func pendingSentence(live *controller.Live) string {
	first := rollout.Weight(live.Record.Plan.Stages[0].Asked())
	if live.Record.State.Paused != nil {
		return fmt.Sprintf("%s after `belay resume %s`, once the candidate is ready.", first, live.Record.Name)
	}
	return fmt.Sprintf("%s as soon as the candidate is ready.", first)
}

// runningSentence follows the reason of the last decision.
func runningSentence(live *controller.Live) string {
	name, state, d := live.Record.Name, &live.Record.State, &live.Decision
	byHand := fmt.Sprintf("a person decides: `belay rollback %s`, or `belay promote %s --override --reason …`", name, name)
	switch d.Reason {
	case rollout.ReasonPaused:
		return fmt.Sprintf("Nothing until `belay resume %s`; a proven harm still rolls back.", name)
	case rollout.ReasonDwelling, rollout.ReasonStarted, rollout.ReasonStagePassed, rollout.ReasonPromotedByPerson, rollout.ReasonAdvancedUndecided:
		return dwellingSentence(live)
	case rollout.ReasonTooFewSamples, rollout.ReasonNoData:
		return fmt.Sprintf("%s as soon as %s has its samples; the stage extends itself until then.", target(live), d.Gate)
	case rollout.ReasonVerdictMissing:
		return verdictSentence(live)
	case rollout.ReasonNotAtWeight, rollout.ReasonSampleRatio, rollout.ReasonNoTraffic, rollout.ReasonCandidateSilent,
		rollout.ReasonSourceDown:
		return faultSentence(live, byHand)
	case rollout.ReasonGateFailed, rollout.ReasonCeilingBroken, rollout.ReasonUndecided, rollout.ReasonFaultLasted, rollout.ReasonTooManyStrata:
		return strings.ToUpper(byHand[:1]) + byHand[1:] + "."
	case rollout.ReasonEnded, rollout.ReasonPersonRollback, rollout.ReasonPersonAbort, rollout.ReasonRecovered, rollout.ReasonCutOff,
		rollout.ReasonCandidateDead, rollout.ReasonNotReady, rollout.ReasonCompleted:
		// Not of a rollout that runs.
	}
	if state.Phase == rollout.AwaitingApproval {
		return strings.ToUpper(byHand[:1]) + byHand[1:] + "."
	}
	return dwellingSentence(live)
}

// target names the step that comes next: "25%", or what completing does.
func target(live *controller.Live) string {
	plan, state := &live.Record.Plan, &live.Record.State
	if state.Stage+1 < len(plan.Stages) {
		return rollout.Weight(plan.Stages[state.Stage+1].Asked())
	}
	return plan.Candidate.Name + " serves everything"
}

func dwellingSentence(live *controller.Live) string {
	plan, state := &live.Record.Plan, &live.Record.State
	left := max(plan.Stages[state.Stage].Dwell-state.Served, 0)
	at := live.At
	if state.SeenAt.After(at) {
		at = state.SeenAt
	}
	return fmt.Sprintf("%s at %s at the earliest, unless a gate fails%s.", target(live), at.Add(left).UTC().Format("15:04:05Z"), needs(plan, state))
}

// needs says what the stage asks of its gates, where it asks for a proof.
func needs(plan *rollout.Plan, state *rollout.State) string {
	if plan.Stages[state.Stage].Require == spec.WithinMargin {
		return "; every gate has to be proven within its margin"
	}
	return ""
}

func verdictSentence(live *controller.Live) string {
	plan, state, d := &live.Record.Plan, &live.Record.State, &live.Decision
	text := fmt.Sprintf("%s as soon as %s is proven within its margin", target(live), d.Gate)
	limit := plan.Stages[state.Stage].MaxDuration
	if limit <= 0 {
		return text + "."
	}
	return fmt.Sprintf("%s; without that, %s at %s.", text, undecidedText(plan.OnUndecided), moment(state.StageSince().Add(limit)))
}

func undecidedText(o spec.OnUndecided) string {
	switch o {
	case spec.UndecidedRollback:
		return "a rollback"
	case spec.UndecidedAdvance:
		return "on without it"
	case spec.UndecidedAsk:
		return "a person is asked"
	case spec.UndecidedHold:
	}
	return "it holds for a person"
}

func faultSentence(live *controller.Live, byHand string) string {
	plan, state := &live.Record.Plan, &live.Record.State
	if state.Phase == rollout.AwaitingApproval || state.Fault == nil {
		return "It goes on when the fault is over, or " + byHand + "."
	}
	text := "It goes on when the fault is over"
	switch plan.Faults.Then {
	case spec.ThenAsk:
		text += "; a person is asked at "
	case spec.ThenRollback:
		text += "; it rolls back at "
	case spec.ThenHold:
		return text + "."
	}
	return text + moment(state.Fault.Counted().Add(plan.Faults.HoldFor)) + "."
}

// moment writes a time, with its date when that is not today's.
func moment(t time.Time) string {
	if t.UTC().Format(time.DateOnly) == time.Now().UTC().Format(time.DateOnly) {
		return t.UTC().Format("15:04:05Z")
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}
