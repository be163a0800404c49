package bench

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic/traffictest"
)

// fiveGates is a plan of five stages and five gates of all kinds that there are.
const fiveGates = `  minSamples: 500
  stages:
    - {weight: 1%, dwell: 2h, require: no-harm}
    - {weight: 10%, dwell: 2h, require: no-harm}
    - {weight: 25%, dwell: 2h, require: no-harm}
    - {weight: 50%, dwell: 2h, require: within-margin}
    - {weight: 100%, dwell: 2h, holdback: 1%}
  gates:
    - {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.1%}
    - {metric: client_error_rate, maxIncrease: 1pp}
    - {metric: latency_p50, maxIncrease: 10%}
    - {metric: latency_p99, maxIncrease: 10%, max: 800ms}
    - {metric: "outcome:correct", kind: rate, maxDecrease: 4pp}
`

// parts are a model and a rollout that were written by hand.
type parts struct {
	model   store.Model
	rollout store.Rollout
}

// compile makes a model and a rollout of its version v2 from a file.
func compile(tb testing.TB, model, unit, url, body string) parts {
	tb.Helper()
	text := fmt.Sprintf(`apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: %[1]s}
spec: {protocol: http, unit: %[2]q, serving: {version: v1, url: %[3]q}, route: {pathPrefix: /%[1]s}}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: %[1]s-v2}
spec:
  model: %[1]s
  candidate: {version: v2, url: %[4]q}
%[5]s`, model, unit, url, url+"/v2", body)
	file, _, err := spec.Parse("bench.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	resolved, _, err := spec.Resolve(file.Models[0], file.Rollouts[0], nil)
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := rollout.Compile(resolved, 1, nil)
	if err != nil {
		tb.Fatal(err)
	}
	out := parts{
		model:   store.Model{Name: model, Protocol: plan.Protocol, Serving: plan.Baseline, Source: file.Models[0].YAML()},
		rollout: store.Rollout{Name: plan.Rollout, Model: model, Revision: 1, Plan: plan, Source: file.Rollouts[0].YAML(), CreatedBy: "bench"},
	}
	out.model.Match.PathPrefix, out.model.Unit.Source = "/"+model, plan.Unit.Source
	out.model.Unit = plan.Unit
	return out
}

// engine is the real ledger, judge, controller and database over a data plane
// that is a fake: it is told what it sees, so no sockets are in the numbers.
type engine struct {
	dir        string
	store      *sqlite.Store
	target     *told
	ledger     *ledger.Ledger
	controller *controller.Controller

	mu     sync.Mutex
	stored int             // decisions so far
	looked map[uint64]bool // rollouts that have been looked at since the last tick
	all    int
	done   chan struct{} // one token when all of them have
}

// told is a fake data plane whose wakes are the benchmark's: they take the place
// of the loop's own timer.
type told struct {
	*traffictest.Fake
	wakes chan uint64
}

func (t *told) Wake() <-chan uint64 { return t.wakes }

// newEngine starts an engine over a new database. Its own ticks are an hour
// apart.
func newEngine(tb testing.TB) *engine {
	tb.Helper()
	e := &engine{
		dir: filepath.Join(tb.TempDir(), "data"), target: &told{traffictest.NewFake(nil), make(chan uint64, 1024)},
		looked: map[uint64]bool{}, done: make(chan struct{}, 1),
	}
	var err error
	if e.store, err = sqlite.Open(tb.Context(), e.dir); err != nil {
		tb.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	signer := assignment.NewSigner(make([]byte, assignment.KeySize))
	e.ledger = ledger.New(ledger.Options{Store: e.store, Target: e.target, Signer: signer, Log: log})
	e.controller = controller.New(controller.Options{
		Store: e.store, Target: e.target, Ledger: e.ledger, Log: log, Tick: time.Hour, Changed: e.note,
	})
	if err := e.controller.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return e
}

// stop ends the engine in order.
func (e *engine) stop(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, end := range []func() error{
		func() error { return e.controller.Stop(ctx) },
		func() error { return e.ledger.Stop(ctx) },
		e.store.Close,
	} {
		if err := end(); err != nil {
			tb.Error(err)
		}
	}
}

func (e *engine) note(c controller.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.Decided {
		e.stored++
	}
	if e.all == 0 || e.looked[c.ID] {
		return
	}
	e.looked[c.ID] = true
	if len(e.looked) == e.all {
		e.all = 0
		e.done <- struct{}{}
	}
}

// tick makes the loop look at rollouts, all at the same time, and waits until it
// has.
func (e *engine) tick(ids []uint64) {
	e.mu.Lock()
	clear(e.looked)
	e.all = len(ids)
	e.mu.Unlock()
	for _, id := range ids {
		e.target.wakes <- id
	}
	<-e.done
}

// settle ticks until everything that has happened is stored, and nothing that is
// new to say comes of it.
func (e *engine) settle(tb testing.TB, ids []uint64) {
	tb.Helper()
	decisions := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.stored
	}
	for range 100 {
		before := decisions()
		e.tick(ids)
		time.Sleep(100 * time.Millisecond)
		if err := e.ledger.Flush(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		if decisions() == before {
			return
		}
	}
	tb.Fatal("the rollouts do not come to rest")
}

// add creates a rollout in a state and hands it to the loop.
func (e *engine) add(tb testing.TB, p parts, id uint64, state rollout.State) {
	tb.Helper()
	rec := p.rollout
	rec.ID, rec.Salt, rec.State, rec.CreatedAt = id, split.Salt(id), state, time.Now().UTC()
	if err := e.store.Create(tb.Context(), rec); err != nil {
		tb.Fatal(err)
	}
	if err := e.controller.Add(tb.Context(), rec); err != nil {
		tb.Fatal(err)
	}
}

// put adds a model.
func (e *engine) put(tb testing.TB, m store.Model) {
	tb.Helper()
	revision, err := e.store.PutModel(tb.Context(), m)
	if err != nil {
		tb.Fatal(err)
	}
	m.Revision = revision
	if err := e.controller.PutModel(tb.Context(), m); err != nil {
		tb.Fatal(err)
	}
}

// lastStage is a rollout that has come to its last stage.
func lastStage(plan *rollout.Plan, now time.Time) rollout.State {
	s := rollout.State{Phase: rollout.Progressing, Stage: len(plan.Stages) - 1, StartedAt: now, StageAt: now, SeenAt: now}
	for i := range plan.Stages {
		s.Strata = append(s.Strata, rollout.Stratum{Stage: i, Weight: plan.Stages[i].Weight, From: now, Warm: now})
	}
	return s
}

// serve tells the data plane of requests of one rollout in one stratum, with
// their outcomes.
func (e *engine) serve(r *rand.Rand, id uint64, plan *rollout.Plan, stratum, n int) {
	delta := evidence.NewStratum(&plan.Layout)
	if s := e.target.Split(id); s != nil && int(s.Stratum) == stratum {
		delta.Edges = s.Edges
	}
	batch := evidence.Batch{Rollout: id, Stratum: uint8(stratum), Delta: delta}
	now := time.Now()
	share := float64(plan.Stages[stratum].Weight) / split.Whole
	var arms [split.Arms]uint64
	for range n {
		o := evidence.Observation{
			Bucket: uint8(r.Uint32()), Error: r.Float64() < 0.01, ClientError: r.Float64() < 0.02,
			Latency: time.Duration((0.5 + r.ExpFloat64()) * float64(10*time.Millisecond)),
		}
		if r.Float64() < share {
			o.Arm = split.Candidate
		}
		arms[o.Arm]++
		delta.Observe(&plan.Layout, o)
		delta.ObserveOutcome(2, o.Arm, o.Bucket, r.Float64() < 0.95)
		if plan.Layout.Clustered {
			// 5,000 users; a tenth of the requests are sightings that are told.
			if unit := r.Uint64N(5000) * 0x9e3779b97f4a7c15; r.IntN(10) == 0 {
				batch.Exposures = append(batch.Exposures, evidence.Exposure{Unit: unit, Arm: o.Arm, Time: now})
			}
		}
	}
	for arm, k := range arms {
		e.target.Requests(id, split.Arm(arm), k)
	}
	e.target.Inject(batch)
}
