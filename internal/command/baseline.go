package command

import (
	"context"
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// Baseline is what the version of a model that serves now does, as it was seen:
// the traffic by which a next rollout is planned.
type Baseline struct {
	Model string
	// Version is the one that serves now, which is the one that was seen.
	Version string
	Unit    table.Unit
	// Rollout is the one whose evidence this comes from; empty where it comes from
	// the router's own counts.
	Rollout string
	// From and To enclose the time that was watched, Watched is how much of it.
	From, To time.Time
	Watched  time.Duration
	Seen     planner.Seen
}

// Routed is what the router has counted of a model since it began.
type Routed struct {
	Since            time.Time
	Requests, Failed uint64
}

// leastWatched is the least time of which a rate is said.
const leastWatched = time.Second

// plenty are requests enough not to look at an older rollout.
const plenty = 1000

// seenOf bounds how many past rollouts are looked through for evidence.
const seenOf = 8

// Baseline returns what is known of the version of a model that serves now: from
// the evidence of its running or latest rollout, else from the counts of the
// router.
func (s *Service) Baseline(ctx context.Context, name string) (Baseline, error) {
	model, err := s.model(ctx, name)
	if err != nil {
		return Baseline{}, err
	}
	out := Baseline{Model: model.Name, Version: model.Serving.Name, Unit: model.Unit}
	past, err := s.store.List(ctx, store.Query{Model: name, Limit: seenOf})
	if err != nil {
		return Baseline{}, fmt.Errorf("list the rollouts of model %q: %w", name, err)
	}
	var little *Baseline
	for i := range past {
		found, err := s.seenBy(ctx, &past[i], out)
		switch {
		case err != nil:
			return Baseline{}, err
		case found == nil:
		case found.Seen.Requests >= plenty:
			return *found, nil
		case little == nil:
			little = found
		}
	}
	if little != nil {
		return *little, nil
	}
	if s.routed == nil {
		return Baseline{}, notSeen(name)
	}
	r := s.routed(name)
	out.From, out.To, out.Watched = r.Since, clock(), time.Since(r.Since)
	if r.Requests == 0 || out.Watched < leastWatched {
		return Baseline{}, notSeen(name)
	}
	rate := planner.SeenMetric{Name: "error_rate", Kind: "rate", Count: float64(r.Requests), Events: float64(r.Failed), PerRequest: 1}
	rate.Level = rate.Events / rate.Count
	out.Seen = planner.Seen{Requests: rate.Count, Metrics: []planner.SeenMetric{rate}}
	return out, nil
}

func notSeen(name string) error {
	return problem.New(problem.NotFound, "model %q has had no traffic that could be measured", name)
}

// model returns a model by its name.
func (s *Service) model(ctx context.Context, name string) (store.Model, error) {
	models, err := s.store.Models(ctx)
	if err != nil {
		return store.Model{}, fmt.Errorf("list models: %w", err)
	}
	for _, m := range models {
		if m.Name == name {
			return m, nil
		}
	}
	return store.Model{}, problem.New(problem.NotFound, "no model named %q", name)
}

// seenBy is a baseline by the evidence of a rollout; nil where that was not of the
// version that serves now, or has had no traffic.
func (s *Service) seenBy(ctx context.Context, rec *store.Rollout, out Baseline) (*Baseline, error) {
	arm, version := split.Baseline, rec.Plan.Baseline
	if rec.State.Phase == rollout.Completed {
		arm, version = split.Candidate, rec.Plan.Candidate
	}
	out.Rollout = rec.Name
	out.From, out.To, out.Watched = watchedBy(&rec.State)
	if version.Name != out.Version || out.Watched < leastWatched {
		return nil, nil
	}
	ev, err := s.evidence(ctx, rec)
	if err != nil {
		return nil, err
	}
	if out.Seen = planner.See(&rec.Plan, ev, arm); out.Seen.Requests == 0 {
		return nil, nil
	}
	return &out, nil
}

// watchedBy is the time of a rollout in which its traffic was counted.
func watchedBy(s *rollout.State) (from, to time.Time, watched time.Duration) {
	if len(s.Strata) == 0 {
		return time.Time{}, time.Time{}, 0
	}
	to = s.EndedAt
	if to.IsZero() {
		to = clock()
	}
	from = s.Strata[0].From
	return from, to, to.Sub(from)
}
