package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// applyTimeout bounds one Apply: tables are whole, so they are applied one
// after another, and nobody may be held up for long.
const applyTimeout = time.Second

// board is what the traffic should be, of all models and rollouts. Every table
// is built from it.
type board struct {
	target traffic.Target
	log    *slog.Logger

	mu         sync.Mutex
	models     map[string]store.Model
	splits     map[string]*table.Split // by model
	generation uint64                  // of the latest table that was built
	changed    uint64                  // counts changes
	inForce    uint64                  // the change that was last applied

	applying chan struct{} // held while a table is applied
}

// newBoard returns an empty board. Generations begin at the time in
// milliseconds, so that those of a process that comes back are newer.
func newBoard(target traffic.Target, log *slog.Logger) *board {
	return &board{
		target: target, log: log, generation: uint64(time.Now().UnixMilli()), applying: make(chan struct{}, 1),
		models: map[string]store.Model{}, splits: map[string]*table.Split{},
	}
}

// setModel adds a model or replaces it.
func (b *board) setModel(m store.Model) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.models[m.Name] = m
	b.changed++
}

// handOver makes a version the one that serves a model, and ends its split.
func (b *board) handOver(model string, v rollout.Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.models[model]
	m.Serving = v
	b.models[model] = m
	delete(b.splits, model)
	b.changed++
}

// setSplit says how a model's traffic is split. It reports whether that is
// anything new.
func (b *board) setSplit(model string, s *table.Split) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.splits[model]; old != nil && same(old, s) {
		return false
	}
	b.splits[model] = s
	b.changed++
	return true
}

// dropSplit ends a rollout's split, unless another rollout has taken its place.
func (b *board) dropSplit(model string, id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.splits[model]; s != nil && s.Rollout == id {
		delete(b.splits, model)
		b.changed++
	}
}

// same reports whether two splits of one rollout say the same.
func same(a, b *table.Split) bool {
	return a.Rollout == b.Rollout && a.Stratum == b.Stratum && a.Weight == b.Weight &&
		a.AllowPin == b.AllowPin && a.LatencyFrom.Equal(b.LatencyFrom) && slices.Equal(a.Edges, b.Edges) &&
		slices.EqualFunc(a.Scales, b.Scales, evidence.Scale.Equal)
}

// behind reports whether something changed since the last table was applied.
func (b *board) behind() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed != b.inForce
}

// apply builds a table from all there is and puts it in force. It returns the
// table's generation.
func (b *board) apply(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	select {
	case b.applying <- struct{}{}:
		defer func() { <-b.applying }()
	case <-ctx.Done():
		return 0, fmt.Errorf("apply a routing table: another one takes long: %w", ctx.Err())
	}
	t, change := b.build()
	if err := b.target.Apply(ctx, t); err != nil {
		return 0, fmt.Errorf("apply routing table %d: %w", t.Generation, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inForce = change
	return t.Generation, nil
}

// build returns the next table, and the change that it is as of.
func (b *board) build() (*table.Table, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.generation++
	routes := make([]*table.Route, 0, len(b.models))
	for _, m := range b.models {
		serving, err := version(m.Serving)
		if err != nil {
			// Checked when the model was applied; a table without it still
			// serves all the others.
			b.log.Error("model left out of the routing table", "model", m.Name, "err", err)
			continue
		}
		routes = append(routes, &table.Route{
			Model: m.Name, Protocol: m.Protocol, Match: m.Match, Unit: m.Unit, Baseline: serving, Split: b.splits[m.Name],
		})
	}
	return table.Build(b.generation, routes), b.changed
}

// version parses where a version answers.
func version(v rollout.Version) (table.Version, error) {
	u, err := url.Parse(v.URL)
	if err != nil {
		return table.Version{}, fmt.Errorf("version %q: %w", v.Name, err)
	}
	return table.Version{Name: v.Name, URL: u}, nil
}
