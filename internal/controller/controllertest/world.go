// Package controllertest is a whole engine over fakes, for tests: a store in
// memory, a data plane that is told what it sees, and the real ledger, judge
// and controller between them.
//
// It is made for testing/synctest: days of rollout pass in milliseconds, and
// every run with the same seed sees the same traffic.
package controllertest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller"
	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/metric/metrictest"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic"
	"github.com/belay-rollouts/belay/internal/traffic/traffictest"
)

// World is an engine with its surroundings.
type World struct {
	// Store is nil where the World was made over another store.
	Store  *storetest.Memory
	Target *traffictest.Fake
	Signer *assignment.Signer
	// Metrics are what the servers tell of themselves.
	Metrics    *metrictest.Fake
	Ledger     *ledger.Ledger
	Controller *controller.Controller

	tb   testing.TB
	tick time.Duration
	kept store.Store

	mu      sync.Mutex
	changes []controller.Change
	onEvent func(controller.Change)
}

// Key signs the tokens of a World.
var Key = []byte("0123456789abcdef0123456789abcdef")

// New returns a World without models whose engine runs until the test ends or
// Kill.
func New(tb testing.TB) *World {
	tb.Helper()
	memory := storetest.NewMemory()
	w := Over(tb, memory)
	w.Store = memory
	return w
}

// Over returns a World over a store of the caller's.
func Over(tb testing.TB, kept store.Store) *World {
	tb.Helper()
	w := &World{tb: tb, tick: time.Second, kept: kept, Target: traffictest.NewFake(nil), Signer: assignment.NewSigner(Key), Metrics: metrictest.NewFake()}
	w.Boot()
	tb.Cleanup(w.Kill)
	return w
}

// Boot starts a new engine over what the store has.
func (w *World) Boot() {
	w.tb.Helper()
	w.wire(w.Target)
	if err := w.Controller.Start(context.Background()); err != nil {
		w.tb.Fatalf("start: %v", err)
	}
	w.Ledger.Start()
}

// wire makes a ledger and a controller.
func (w *World) wire(target traffic.Target) {
	log := slog.New(slog.DiscardHandler)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Ledger = ledger.New(ledger.Options{Store: w.kept, Target: target, Signer: w.Signer, Log: log})
	w.Controller = controller.New(controller.Options{
		Store: w.kept, Target: target, Ledger: w.Ledger, Metrics: w.Metrics, Log: log, Tick: w.tick, Changed: w.note,
	})
}

// Kill ends the engine. Over a store in memory it does so as a killed process
// does: nothing is flushed.
func (w *World) Kill() {
	if w.Store != nil {
		w.Store.Fail(storetest.ErrReadOnly) // Nothing that is still on its way lands.
		defer w.Store.Fail(nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Controller.Stop(ctx); err != nil {
		w.tb.Errorf("stop: %v", err)
	}
	_ = w.Ledger.Stop(ctx) // It fails to flush, as it should.
}

// Stop ends the engine in order.
func (w *World) Stop() {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Controller.Stop(ctx); err != nil {
		w.tb.Fatalf("stop the controller: %v", err)
	}
	if err := w.Ledger.Stop(ctx); err != nil {
		w.tb.Fatalf("stop the ledger: %v", err)
	}
}

// ledger is the ledger of the engine that runs now.
func (w *World) ledger() *ledger.Ledger {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Ledger
}

func (w *World) note(c controller.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Decided {
		w.changes = append(w.changes, c)
	}
	if w.onEvent != nil {
		w.onEvent(c)
	}
}

// Listen calls f for every change from now on.
func (w *World) Listen(f func(controller.Change)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onEvent = f
}

// Decided returns the changes that were told with a decision.
func (w *World) Decided() []controller.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]controller.Change(nil), w.changes...)
}

// Model adds a model that is served by v1.
func (w *World) Model(name string) store.Model {
	w.tb.Helper()
	m := store.Model{
		Name: name, Protocol: "http", Serving: rollout.Version{Name: "v1", URL: "http://v1." + name + ":80"},
	}
	m.Match.PathPrefix = "/" + name
	m.Unit.Source = "request"
	revision, err := w.kept.PutModel(context.Background(), m)
	if err != nil {
		w.tb.Fatalf("put model %q: %v", name, err)
	}
	m.Revision = revision
	if err := w.Controller.PutModel(context.Background(), m); err != nil {
		w.tb.Fatalf("apply model %q: %v", name, err)
	}
	return m
}

// Plan compiles a rollout of v2 from the body of its spec, with stages of one
// minute unless the body says otherwise.
func (w *World) Plan(model, unit, body string) rollout.Plan {
	w.tb.Helper()
	return Plan(w.tb, model, unit, body)
}

// Plan compiles a rollout of v2 of a model from the body of its spec.
func Plan(tb testing.TB, model, unit, body string) rollout.Plan {
	tb.Helper()
	doc := "apiVersion: belay.dev/v1alpha1\nkind: Model\nmetadata: {name: " + model + "}\n" +
		"spec: {protocol: http, unit: '" + unit + "', serving: {version: v1, url: 'http://v1." + model + ":80'}, route: {pathPrefix: /" + model + "}}\n" +
		"---\napiVersion: belay.dev/v1alpha1\nkind: Rollout\nmetadata: {name: " + model + "-v2}\n" +
		"spec:\n  model: " + model + "\n  candidate: {version: v2, url: 'http://v2." + model + ":80'}\n" + body
	file, _, err := spec.Parse("test.yaml", []byte(doc))
	if err != nil {
		tb.Fatalf("parse:\n%s\n%v", doc, err)
	}
	resolved, _, err := spec.Resolve(file.Models[0], file.Rollouts[0], nil)
	if err != nil {
		tb.Fatalf("resolve:\n%s\n%v", doc, err)
	}
	plan, err := rollout.Compile(resolved, 1, nil)
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	return plan
}

// Start creates a rollout of a plan and hands it to the controller.
func (w *World) Start(id uint64, p rollout.Plan) store.Rollout {
	w.tb.Helper()
	rec := store.Rollout{
		ID: id, Name: p.Rollout, Model: p.Model, Revision: 1, Salt: split.Salt(id * 0x9e3779b97f4a7c15), Plan: p,
		State: rollout.State{Phase: rollout.Pending}, CreatedAt: time.Now().UTC(), CreatedBy: "test",
	}
	if err := w.kept.Create(context.Background(), rec); err != nil {
		w.tb.Fatalf("create %q: %v", p.Rollout, err)
	}
	if err := w.Controller.Add(context.Background(), rec); err != nil {
		w.tb.Fatalf("add %q: %v", p.Rollout, err)
	}
	return rec
}

// Record returns a rollout as it is stored.
func (w *World) Record(name string) store.Rollout {
	w.tb.Helper()
	rec, err := w.kept.Rollout(context.Background(), name)
	if err != nil {
		w.tb.Fatalf("read %q: %v", name, err)
	}
	return rec
}

// Log returns the decision log of a rollout.
func (w *World) Log(id uint64) []store.Logged {
	w.tb.Helper()
	var out []store.Logged
	for {
		more, err := w.kept.Log(context.Background(), id, int64(len(out)), 0)
		if err != nil {
			w.tb.Fatalf("read the log of %d: %v", id, err)
		}
		if len(more) == 0 {
			return out
		}
		out = append(out, more...)
	}
}
