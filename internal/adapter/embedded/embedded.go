// Package embedded is the traffic.Target of a router in this very process.
//
// It translates and holds no state: applying is one atomic swap, so it works
// within microseconds and needs no retry; observing reads the router's own
// counters. It fails only where the router refuses a table, or when its
// context has ended.
package embedded

import (
	"context"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/router"
	"github.com/belay-rollouts/belay/internal/router/cutoff"
	"github.com/belay-rollouts/belay/internal/router/upstream"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Target is a router, seen through the port.
type Target struct{ router *router.Router }

var _ traffic.Target = (*Target)(nil)

// New returns the target of a router.
func New(r *router.Router) *Target { return &Target{router: r} }

// Apply implements traffic.Target.
func (t *Target) Apply(ctx context.Context, tab *table.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.router.Swap(tab)
}

// Observe implements traffic.Target.
func (t *Target) Observe(ctx context.Context, rollout uint64) (traffic.Observation, error) {
	if err := ctx.Err(); err != nil {
		return traffic.Observation{}, err
	}
	s, ok := t.router.Rollout(rollout)
	if !ok {
		return traffic.Observation{}, problem.New(problem.NotFound, "the routing table in force does not name the rollout")
	}
	return traffic.Observation{
		Generation: s.Generation, Stratum: s.Stratum, Weight: s.Weight, CutOff: cutOff(s.CutOff),
		Baseline: health(s.Baseline), Candidate: health(s.Candidate),
		Started: s.Started, Finished: s.Finished, InFlight: s.InFlight, LastRequest: s.LastRequest,
		SinceCandidate: s.SinceCandidate, Rescued: s.Rescued, Pinned: s.Pinned, Unitless: s.Unitless,
	}, nil
}

// Collect implements traffic.Target.
func (t *Target) Collect(ctx context.Context) ([]evidence.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.router.Collect(), nil
}

// Wake implements traffic.Target.
func (t *Target) Wake() <-chan uint64 { return t.router.Wake() }

func cutOff(trip *cutoff.Trip) *traffic.CutOff {
	if trip == nil {
		return nil
	}
	return &traffic.CutOff{At: trip.At.UTC(), Reason: trip.Reason, Detail: trip.Detail}
}

// health translates a probe's word; the states are spelled alike on both
// sides, which a test holds fast.
func health(h upstream.Health) traffic.Health {
	return traffic.Health{State: traffic.State(h.State), Since: h.Since.UTC(), Error: h.Error}
}
