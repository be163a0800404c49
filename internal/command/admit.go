package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// AlreadyEnded is the caution that a rollout of a file is over: applying the
// file again does not run it again.
const AlreadyEnded spec.Caution = "AlreadyEnded"

// rollout checks a rollout of the file against what is there.
func (c *changes) rollout(ctx context.Context, r spec.Rollout) {
	old, err := c.service.store.Rollout(ctx, r.Name)
	switch {
	case err == nil:
		c.existing(r, &old)
		return
	case !problem.Is(err, problem.NotFound):
		c.fault(fmt.Errorf("read rollout %q: %w", r.Name, err))
		return
	}
	model, ok := c.catalog.models[r.Model]
	if !ok {
		c.fault(placed(problem.Invalid, r.Source, "spec.model", fmt.Sprintf("no model named %q", r.Model), "apply the model first, or put it into the same file"))
		return
	}
	resolved, warnings, err := spec.Resolve(model.spec, r, c.catalog.policy)
	c.warnings = append(c.warnings, warnings...)
	if err != nil {
		c.fault(err)
		return
	}
	refusals, warnings := spec.Unsupported(resolved)
	c.warnings = append(c.warnings, warnings...)
	if len(refusals) > 0 {
		c.fault(refusals)
		return
	}
	if err := c.admit(ctx, r, model, resolved); err != nil {
		c.fault(err)
	}
}

// existing compares a rollout with one of the same name. A rollout's plan is
// fixed when it starts.
func (c *changes) existing(r spec.Rollout, old *store.Rollout) {
	if !bytes.Equal(old.Source, r.YAML()) {
		c.fault(placed(problem.Exists, r.Source, "metadata.name",
			fmt.Sprintf("a rollout named %q exists (%s) and says something else; a rollout never changes once it is created", r.Name, old.State.Phase),
			"write another name"))
		return
	}
	if p := old.State.Phase; p == rollout.RolledBack || p == rollout.Aborted {
		c.warnings = append(c.warnings, spec.Warning{Caution: AlreadyEnded, Problem: r.Source.Problem("metadata.name",
			fmt.Sprintf("the rollout is over (%s), and applying it again does not run it again", p), "write another name to try once more")})
	}
	c.rollouts = append(c.rollouts, rolloutChange{
		Applied: Applied{Kind: "Rollout", Name: r.Name, Change: Unchanged, Revision: old.Revision}, kept: *old, source: r.Source,
	})
}

// admit makes the record of a new rollout, if its model is free for it.
func (c *changes) admit(ctx context.Context, r spec.Rollout, model knownModel, resolved spec.Resolved) error {
	if running, busy := c.catalog.running[r.Model]; busy {
		return placed(problem.Conflict, r.Source, "spec.model", fmt.Sprintf("model %q has a rollout already: %q", r.Model, running),
			fmt.Sprintf("wait for its end, or end it with `belay abort %s`", running))
	}
	past, err := c.service.store.List(ctx, store.Query{Model: r.Model})
	if err != nil {
		return fmt.Errorf("read the rollouts of model %q: %w", r.Model, err)
	}
	if err := cooling(r, &model.kept, resolved, past); err != nil {
		return err
	}
	attempt := 1
	for _, p := range past {
		if p.Plan.Candidate.Name == resolved.Last().Candidate.Version {
			attempt++
		}
	}
	plan, err := rollout.Compile(resolved, attempt, c.service.history(ctx, past))
	if err != nil {
		return err
	}
	c.catalog.running[r.Model] = r.Name
	c.rollouts = append(c.rollouts, rolloutChange{
		Applied: Applied{Kind: "Rollout", Name: r.Name, Change: Created},
		kept: store.Rollout{
			ID: randomID(), Name: r.Name, Model: r.Model, Revision: 1, Salt: split.Salt(randomID()), Source: r.YAML(), Plan: plan,
			State: rollout.State{Phase: rollout.Pending}, CreatedAt: clock(), CreatedBy: c.actor.Name,
		},
		source: r.Source,
	})
	return nil
}

// randomID returns a random number that is not 0.
func randomID() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // It never fails (crypto/rand).
		if id := binary.BigEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

// cooling refuses a rollout that begins too soon after a rollback. The cooldown
// is the one of the rollout that was rolled back, or the new one's own where
// that is shorter: whoever writes it there means it.
func cooling(r spec.Rollout, model *store.Model, resolved spec.Resolved, past []store.Rollout) error {
	until := model.CooldownUntil
	now := clock()
	if !now.Before(until) {
		return nil
	}
	last := ""
	for _, p := range past { // Newest first.
		if s := p.State; s.Phase == rollout.RolledBack || s.Phase == rollout.Aborted {
			last = p.Name
			if own := s.EndedAt.Add(resolved.Rollback.Cooldown); own.Before(until) {
				until = own
			}
			break
		}
	}
	if !now.Before(until) {
		return nil
	}
	return placed(problem.Refused, r.Source, "spec.rollback.cooldown",
		fmt.Sprintf("model %q cools down after the rollback of %q until %s (%s from now)", r.Model, last, until.UTC().Format(time.RFC3339), until.Sub(now).Round(time.Second)),
		"wait, or write `rollback: {cooldown: 0s}` in this rollout")
}

// historyOf bounds how many past rollouts are looked through for a rate.
const historyOf = 8

// history returns the baseline's rate of an outcome as past rollouts saw it.
func (s *Service) history(ctx context.Context, past []store.Rollout) func(string) (float64, bool) {
	return func(outcome string) (float64, bool) {
		for i := range past[:min(len(past), historyOf)] {
			rec := &past[i]
			series, ok := rec.Plan.Layout.Rate("outcome:" + outcome)
			if !ok {
				continue
			}
			data, err := s.ledger.Stored(ctx, rec.ID)
			if err != nil || data == nil {
				continue
			}
			ev, err := ledger.Decode(&rec.Plan.Layout, data)
			if err != nil {
				continue
			}
			var n, k uint64
			for _, stratum := range ev.Strata {
				t := &stratum.Sides[split.Baseline].Rates[series]
				n, k = n+t.N, k+t.K
			}
			if n > 0 {
				return float64(k) / float64(n), true
			}
		}
		return 0, false
	}
}

// NotCompared is the caution that the two versions could not be compared before
// the start.
const NotCompared spec.Caution = "NotCompared"

// look looks at the candidate over the network.
func (c *changes) look(ctx context.Context, r *rolloutChange) {
	plan := &r.kept.Plan
	warnings, err := c.service.preflight.Check(ctx, Contract{
		Protocol: plan.Protocol, Model: plan.Model, Baseline: plan.Baseline, Candidate: plan.Candidate,
	})
	for _, text := range warnings {
		c.warnings = append(c.warnings, spec.Warning{Caution: NotCompared, Problem: r.source.Problem("spec.candidate", text, "")})
	}
	if err != nil {
		c.fault(placed(problem.CodeOf(err), r.source, "spec.candidate.url", err.Error(), ""))
	}
}
