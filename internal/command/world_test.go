package command_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// world is a service over an engine over fakes.
type world struct {
	*controllertest.World
	*command.Service
	preflight *fakePreflight
	stopLoad  context.CancelFunc
}

// fakePreflight is a fake: it says what a test tells it to.
type fakePreflight struct {
	mu       sync.Mutex
	err      error
	warnings []string
	asked    []command.Contract
}

func (p *fakePreflight) Check(_ context.Context, c command.Contract) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, c)
	return p.warnings, p.err
}

func run(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{World: controllertest.New(t), preflight: &fakePreflight{}}
		hub := command.NewHub()
		w.Listen(hub.Changed)
		w.Service = command.New(command.Options{
			Store: w.Store, Controller: w.Controller, Ledger: w.Ledger, Hub: hub, Preflight: w.preflight,
		})
		test(t, w)
	})
}

var ann = command.Actor{Name: "ann"}

const header = "apiVersion: belay.dev/v1alpha1\n"

// model is a document of a model.
func model(name, version string) string {
	return header + "kind: Model\nmetadata: {name: " + name + "}\n" +
		"spec: {protocol: http, serving: {version: " + version + ", url: 'http://" + version + "." + name + "'}, route: {pathPrefix: /" + name + "}}\n"
}

// candidate is a document of a rollout; more is the rest of its spec.
func candidate(name, model, version, more string) string {
	return header + "kind: Rollout\nmetadata: {name: " + name + "}\nspec:\n  model: " + model +
		"\n  candidate: {version: " + version + ", url: 'http://" + version + "." + model + "'}\n" + more
}

// quick is a plan of one-minute stages.
const quick = `  stages:
    - {weight: 10%, dwell: 1m, require: no-harm}
    - {weight: 50%, dwell: 1m, require: no-harm}
    - {weight: 100%, dwell: 1m, holdback: 10%}
  minSamples: 50
  gates: [{metric: error_rate, maxIncrease: 5pp}]
`

func file(documents ...string) []byte { return []byte(strings.Join(documents, "---\n")) }

func (w *world) apply(t *testing.T, documents ...string) command.ApplyResult {
	t.Helper()
	r, err := w.Apply(t.Context(), command.ApplyRequest{Actor: ann, File: "f.yaml", Data: file(documents...)})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

func (w *world) applyError(t *testing.T, documents ...string) error {
	t.Helper()
	r, err := w.Apply(t.Context(), command.ApplyRequest{Actor: ann, File: "f.yaml", Data: file(documents...)})
	if err == nil {
		t.Fatalf("applied: %+v", r)
	}
	return err
}

// refused checks the code of an error and that it says all of want.
func refused(t *testing.T, err error, code problem.Code, want ...string) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("error %v has the code %q, want %q", err, problem.CodeOf(err), code)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// drive sends traffic to a rollout whose candidate fails a share of it.
func (w *world) drive(t *testing.T, name string, errors float64) {
	t.Helper()
	l := &controllertest.Load{Rollout: w.Record(name).ID, Rate: 50, Seed: 1}
	l.Errors = [split.Arms]float64{0.01, errors}
	ctx, cancel := context.WithCancel(t.Context())
	w.stopLoad = cancel
	w.Drive(ctx, l)
}

// ends waits for the end of a rollout.
func (w *world) ends(t *testing.T, name string, want rollout.Phase) {
	t.Helper()
	for range 2000 {
		time.Sleep(5 * time.Second)
		if rec := w.Record(name); rec.State.Phase.Final() {
			if rec.State.Phase != want {
				t.Fatalf("%s ended %s: %s", name, rec.State.Phase, rec.Last.Sentence)
			}
			time.Sleep(2 * time.Second)
			if w.stopLoad != nil {
				w.stopLoad()
			}
			return
		}
	}
	t.Fatalf("%s does not end: %s", name, w.Record(name).Last.Sentence)
}

func (w *world) act(t *testing.T, name string, kind rollout.ActKind) command.Status {
	t.Helper()
	st, err := w.Act(t.Context(), command.ActRequest{Actor: ann, Rollout: name, Kind: kind})
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return st
}

// problemsOf returns the placed problems of an error.
func problemsOf(err error) []spec.Problem {
	var out []spec.Problem
	for _, each := range problem.List(err) {
		var many spec.Problems
		var refusals spec.Refusals
		var one spec.Problem
		switch {
		case errors.As(each, &many):
			out = append(out, many...)
		case errors.As(each, &refusals):
			out = append(out, refusals...)
		case errors.As(each, &one):
			out = append(out, one)
		}
	}
	return out
}
