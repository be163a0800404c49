package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fakeEngine keeps what it is asked and answers from a few values.
type fakeEngine struct {
	mu       sync.Mutex
	err      error // of every call
	statuses map[string]command.Status
	log      map[string][]store.Logged
	subs     []chan command.Event

	applied  []command.ApplyRequest
	started  []command.StartRequest
	acted    []command.ActRequest
	reported [][]ledger.Outcome
	onAct    func() // within Act
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{
		statuses: map[string]command.Status{"fraud-v7": aStatus("fraud-v7", 3)},
		log:      map[string][]store.Logged{"fraud-v7": {logged(1), logged(2), logged(3)}},
	}
}

func aStatus(name string, revision int64) command.Status {
	plan := rollout.Plan{
		Rollout: name, Model: "fraud", Policy: "standard", Environment: "production", Alpha: 0.05,
		Baseline:  rollout.Version{Name: "v6", URL: "http://127.0.0.1:9006"},
		Candidate: rollout.Version{Name: "v7", URL: "http://127.0.0.1:9007"},
		Stages: []rollout.Stage{
			{Weight: 100, Dwell: time.Hour, MinSamples: 500, Require: spec.NoHarm},
			{Weight: 9900, Holdback: 100, Dwell: 2 * time.Hour, MaxDuration: 48 * time.Hour, MinSamples: 500, Require: spec.WithinMargin},
		},
		Gates: []gate.Gate{
			{Name: "error_rate", Kind: gate.Rate, Method: gate.Ratio, Margin: 0.2, Worse: stats.Up, Share: 0.5},
			{Name: "outcome:correct", Kind: gate.Rate, Method: gate.Difference, Margin: 0.04, Slope: 1, Complement: true, Worse: stats.Up, Share: 0.5},
		},
	}
	return command.Status{
		Record: store.Rollout{
			ID: 42, Name: name, Model: "fraud", Revision: revision, Plan: plan, CreatedAt: epoch, CreatedBy: "mira",
			State: rollout.State{
				Phase: rollout.Progressing, Stage: 0, StartedAt: epoch, StageAt: epoch,
				Strata: []rollout.Stratum{{Weight: 100, From: epoch}},
			},
			Last: store.Head{Seq: 3, At: epoch.Add(3 * time.Second), Kind: rollout.KindHold, Reason: rollout.ReasonDwelling, Sentence: "HOLD at 1%.", Hash: "h3"},
		},
		Attempt: 1,
		Stage:   command.StageStatus{Of: 2, Weight: 100, Asked: 100, Effective: 100, Dwell: time.Hour, Served: time.Minute, Left: 59 * time.Minute, MinSamples: 500, Require: spec.NoHarm},
		Gates: []command.GateStatus{
			{
				Gate: "error_rate", Verdict: gate.Undecided, Reason: gate.NotProvenYet, LogFail: -0.5, LogPass: 0.7, Threshold: 3.7, PassThreshold: 3, Margin: "+20%",
				Bound: &gate.Bound{Relative: true, Estimate: 0.1, Lower: -0.3, Upper: 0.5, Baseline: 0.01, Candidate: 0.011}, Here: stats.Stratum{NT: 500, KT: 5, NC: 50000, KC: 500},
			},
			{Gate: "outcome:correct", Verdict: gate.NoData, Reason: gate.NoCandidateData, Threshold: 3.7, PassThreshold: 3, Margin: "-4pp"},
		},
		Traffic:  traffic.Observation{Weight: 100, Baseline: traffic.Health{State: traffic.Ready}, Candidate: traffic.Health{State: traffic.Ready}, LastRequest: epoch},
		Exposure: command.Exposure{Requests: 500}, EvidenceAge: 400 * time.Millisecond, Next: "10% at 13:00 unless a gate fails.",
	}
}

func logged(seq int64) store.Logged {
	e := rollout.Entry{
		Seq: seq, At: epoch.Add(time.Duration(seq) * time.Second), Kind: rollout.KindHold, Reason: rollout.ReasonDwelling, Sentence: "HOLD at 1%.",
		Before: rollout.State{Phase: rollout.Progressing}, Next: rollout.State{Phase: rollout.Progressing},
		Judgements: []gate.Judgement{{Gate: "error_rate", Verdict: gate.Undecided, Reason: gate.NotProvenYet, LogFail: -0.5, PerStage: []float64{-0.5}}},
	}
	body, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return store.Logged{Entry: e, Body: body, Evidence: []byte{1, 2}, Previous: "p", Hash: "h"}
}

func (f *fakeEngine) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// decide adds a decision and tells the subscribers.
func (f *fakeEngine) decide(name string, phase rollout.Phase, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.statuses[name]
	st.Record.Last.Seq++
	st.Record.Revision++
	st.Record.State.Phase = phase
	l := logged(st.Record.Last.Seq)
	st.Record.Last.At = l.Entry.At
	if phase.Final() {
		st.Record.Last.Kind = rollout.KindRollback
		st.Record.Last.Kind = rollout.KindRollback
		st.Record.Ending = &store.Ending{DecidedAt: epoch, SwappedAt: epoch, ConfirmedAt: epoch.Add(41 * time.Millisecond)}
	}
	f.statuses[name] = st
	f.log[name] = append(f.log[name], l)
	for _, c := range f.subs {
		if tell {
			c <- command.Event{Type: command.EventDecision, Rollout: name, Seq: st.Record.Last.Seq, Status: st}
		}
	}
}

// putBack shows a rollout whose traffic was put back, and whose decision is still on its way to the store.
func (f *fakeEngine) putBack(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.statuses[name]
	st.Record.State.Phase, st.Record.State.EndedAt = rollout.RolledBack, time.Now()
	st.Record.Ending = &store.Ending{DecidedAt: epoch, SwappedAt: epoch, ConfirmedAt: epoch.Add(41 * time.Millisecond)}
	f.statuses[name] = st
	for _, c := range f.subs {
		c <- command.Event{Type: command.EventStatus, Rollout: name, Seq: st.Record.Last.Seq, Status: st}
	}
}

func (f *fakeEngine) subscribers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs)
}

func (f *fakeEngine) Apply(_ context.Context, r command.ApplyRequest) (command.ApplyResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = append(f.applied, r)
	return command.ApplyResult{
		Applied:  []command.Applied{{Kind: "Model", Name: "fraud", Change: command.Created, Revision: 1}},
		Warnings: []spec.Warning{{Caution: spec.ManyGates, Problem: spec.Problem{File: r.File, Line: 3, Column: 1, Message: "6 gates", Hint: "use 5"}}},
	}, f.err
}

func (f *fakeEngine) Start(_ context.Context, r command.StartRequest) (command.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, r)
	return aStatus(r.Model+"-"+r.Version, 1), f.err
}

func (f *fakeEngine) Act(_ context.Context, r command.ActRequest) (command.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acted = append(f.acted, r)
	if f.onAct != nil {
		f.onAct()
	}
	if r.IfRevision != 0 && r.IfRevision != f.statuses["fraud-v7"].Record.Revision {
		return command.Status{}, problem.New(problem.Precondition, "the rollout is at revision 3, not %d", r.IfRevision)
	}
	return f.statuses["fraud-v7"], f.err
}

func (f *fakeEngine) Status(_ context.Context, name string) (command.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return command.Status{}, f.err
	}
	if name == "fraud" {
		name = "fraud-v7"
	}
	st, ok := f.statuses[name]
	if !ok {
		return st, problem.New(problem.NotFound, "no rollout named %q", name)
	}
	return st, nil
}

func (f *fakeEngine) List(context.Context, store.Query) ([]command.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []command.Status
	for _, st := range f.statuses {
		out = append(out, st)
	}
	return out, f.err
}

func (f *fakeEngine) Log(_ context.Context, name string, after int64, limit int) ([]store.Logged, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.log[name]
	from := min(int(after), len(all))
	return all[from:min(from+limit, len(all))], f.err
}

func (f *fakeEngine) Models(context.Context) ([]store.Model, error) {
	return []store.Model{{Name: "fraud", Serving: rollout.Version{Name: "v6"}, Revision: 2}}, f.err
}

func (f *fakeEngine) Policies(context.Context) ([]command.Policy, error) {
	return []command.Policy{{Policy: store.Policy{Name: "standard"}, Preset: true}}, f.err
}

func (f *fakeEngine) Outcomes(_ context.Context, o []ledger.Outcome) (ledger.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported = append(f.reported, o)
	return ledger.Result{Accepted: len(o) - 1, Refused: []ledger.Refusal{{Index: 1, ID: "b", Reason: "no metric"}}}, f.err
}

func (f *fakeEngine) Subscribe(context.Context, string) <-chan command.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan command.Event, 16)
	f.subs = append(f.subs, c)
	return c
}

// harness is an API over a fake engine, asked without sockets.
type harness struct {
	engine  *fakeEngine
	answers *storetest.Memory
	metrics *Metrics
	handler http.Handler
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{engine: newFakeEngine(), answers: storetest.NewMemory(), metrics: NewMetrics()}
	h.handler = New(Options{
		Engine: h.engine, Answers: h.answers, Metrics: h.metrics,
		Log: slog.New(slog.DiscardHandler), LocalOnly: true,
	})
	return h
}

// request is a request of a test; the zero method is GET.
type request struct {
	method, path, body string
	header             map[string]string
}

func (h *harness) do(t *testing.T, r request) *httptest.ResponseRecorder {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	req := httptest.NewRequestWithContext(t.Context(), r.method, r.path, strings.NewReader(r.body))
	req.Host = "127.0.0.1:7070"
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if host := r.header["Host"]; host != "" {
		req.Host = host
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, req)
	return w
}

// body decodes an answer.
func body[T any](t *testing.T, w *httptest.ResponseRecorder) (out T) {
	t.Helper()
	raw, err := io.ReadAll(bytes.NewReader(w.Body.Bytes()))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatalf("the answer %q: %v", raw, err)
	}
	return out
}
