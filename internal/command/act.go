package command

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Act carries out a person's act on a rollout. It returns when the act is
// decided and stored and the traffic has been read back as asked, all within a
// bounded time.
func (s *Service) Act(ctx context.Context, r ActRequest) (Status, error) {
	if err := r.check(); err != nil {
		return Status{}, err
	}
	rec, err := s.find(ctx, r.Rollout)
	if err != nil {
		return Status{}, err
	}
	if r.IfRevision != 0 && r.IfRevision != rec.Revision {
		return Status{}, problem.New(problem.Precondition, "rollout %q is at revision %d, not %d: look at it again", rec.Name, rec.Revision, r.IfRevision)
	}
	if rec.State.Phase.Final() {
		return Status{}, problem.New(problem.Refused, "rollout %q is %s since %s; a rollout runs once", rec.Name, rec.State.Phase, moment(rec.State.EndedAt))
	}
	live, err := s.controller.Act(ctx, rec.ID, controller.Ask{
		Act:        rollout.Act{Kind: r.Kind, By: strings.TrimSpace(r.Actor.Name), Reason: strings.TrimSpace(r.Reason), Override: r.Override},
		IfRevision: r.IfRevision, DryRun: r.DryRun,
	})
	if problem.Is(err, problem.NotFound) {
		return Status{}, problem.New(problem.Unavailable, "the control loop does not look after rollout %q (yet); try again", rec.Name)
	}
	if err != nil {
		return Status{}, s.explain(r, &live, err)
	}
	return s.status(&live, true), nil
}

// check refuses acts that nobody could carry out.
func (r ActRequest) check() error {
	if err := r.Actor.check(); err != nil {
		return err
	}
	switch r.Kind {
	case rollout.ActPause, rollout.ActResume, rollout.ActRollback, rollout.ActAbort, rollout.ActPromote:
	case rollout.ActRecover:
		return problem.New(problem.Invalid, "recover is the loop's own act")
	default:
		return problem.New(problem.Invalid, "%q is no act: write pause, resume, promote, rollback or abort", r.Kind)
	}
	switch {
	case r.Override && r.Kind != rollout.ActPromote:
		return problem.New(problem.Invalid, "only promote takes an override")
	case r.Override && strings.TrimSpace(r.Reason) == "":
		return problem.New(problem.Invalid, "an override needs a reason: say why this is right although a condition is not met")
	}
	return nil
}

// explain adds to a refused promotion everything that is missing, with the
// numbers, so that a person sees at once what an override would pass over.
func (s *Service) explain(r ActRequest, live *controller.Live, err error) error {
	if r.Kind != rollout.ActPromote || !problem.Is(err, problem.Refused) || live.Record.State.Phase.Final() {
		return err
	}
	missing := unmet(live)
	if len(missing) == 0 {
		return err
	}
	return problem.New(problem.Refused, "%w\nnot met: %s\nto go on all the same: promote with --override and --reason", err, strings.Join(missing, "; "))
}

// unmet lists the conditions of the stage that are not met.
func unmet(live *controller.Live) []string {
	plan, state := &live.Record.Plan, &live.Record.State
	if state.Phase == rollout.Pending {
		return nil
	}
	var out []string
	if state.Fault != nil {
		out = append(out, fmt.Sprintf("%s since %s", state.Fault.Reason, moment(state.Fault.Since)))
	}
	for i := range live.Findings.Judgements {
		if text := unmetGate(plan, state, i, &live.Findings.Judgements[i]); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func unmetGate(plan *rollout.Plan, state *rollout.State, i int, j *gate.Judgement) string {
	g, stage := &plan.Gates[i], plan.Stages[state.Stage]
	if g.Info || j.Verdict == gate.Off || slices.Contains(state.Waived, g.Name) {
		return ""
	}
	status := gateStatus(plan, state, g, j)
	switch {
	case j.Verdict == gate.Fail:
		return fmt.Sprintf("%s has failed (e-value %.3g of %.3g at margin %s)", g.Name, value(j.LogFail), value(status.Threshold), status.Margin)
	case j.Verdict == gate.NoData:
		return fmt.Sprintf("%s has no data", g.Name)
	case status.NeedSamples > 0:
		return fmt.Sprintf("%s has %.0f candidate and %.0f baseline samples of %d", g.Name, j.Here.NT, j.Here.NC, stage.MinSamples)
	case j.Verdict == gate.Undecided && stage.Require == spec.WithinMargin && !g.GuardOnly:
		return fmt.Sprintf("%s is not proven within %s (e-value %.3g of %.3g)", g.Name, status.Margin, value(j.LogPass), value(status.PassThreshold))
	}
	return ""
}

// value is an e-value of its logarithm, as far as numbers go.
func value(log float64) float64 { return math.Exp(min(log, 600)) }
