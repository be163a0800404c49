package controller

import (
	"context"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/sampler"
)

// measure begins to measure the resources of the plan, beside the loop. It ends
// with the worker.
func (w *worker) measure(ctx context.Context) {
	if w.c.metrics == nil || len(w.plan.Resources) == 0 {
		return
	}
	id, book := w.rec.ID, w.c.ledger
	take := func(win sampler.Window) bool {
		return book.Sample(id, win.Stratum, win.Gauge, win.Candidate, win.Baseline)
	}
	s, err := sampler.New(sampler.Options{
		Source: w.c.metrics, Plan: w.plan, Look: w.place, Take: take, Closed: w.c.sampled, Log: w.c.log.With("rollout", w.rec.Name),
	})
	if err != nil { // Queries are checked when a plan is made.
		w.c.log.ErrorContext(ctx, "resources cannot be measured", "rollout", w.rec.Name, "err", err)
		return
	}
	ctx, w.rest = context.WithCancel(ctx)
	w.sampler = s
	w.wg.Go(func() { s.Run(ctx) })
}

// place is where the rollout stands, for the sampler. It is as of the last tick,
// asks nobody, and may be called from any goroutine.
func (w *worker) place() sampler.Place {
	live := w.live.Load()
	state, seen := &live.Record.State, &live.Traffic
	nothing := sampler.Place{Stratum: sampler.Nothing}
	if state.Phase == rollout.Pending || state.Phase.Final() || len(state.Strata) == 0 {
		return nothing
	}
	stratum, weight := len(state.Strata)-1, state.Weight()
	if !live.Known || seen.CutOff != nil || int(seen.Stratum) != stratum || seen.Weight != weight || weight == 0 || weight >= split.Whole {
		return nothing
	}
	return sampler.Place{Stratum: stratum, Stage: state.Stage, Warm: state.Warm()}
}

// resources are what became of the windows; nil where none are taken.
func (w *worker) resources() []sampler.State {
	if w.sampler == nil {
		return nil
	}
	return w.sampler.States()
}

// sources are what a decision is told of the windows.
func (w *worker) sources() []rollout.Source {
	var out []rollout.Source
	for _, s := range w.resources() {
		out = append(out, s.Source)
	}
	return out
}
