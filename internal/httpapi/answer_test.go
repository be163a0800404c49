package httpapi

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/problem"
)

func underKey(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

func TestTheSameRequestUnderAKeyIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := request{method: "POST", path: "/api/v1/rollouts", body: `{"model":"fraud","version":"v8","url":"http://x"}`, header: underKey("k1")}
	first, second := h.do(t, r), h.do(t, r)
	if len(h.engine.started) != 1 {
		t.Errorf("started %d times", len(h.engine.started))
	}
	if first.Code != 201 || second.Code != 201 || first.Body.String() != second.Body.String() {
		t.Errorf("answers %d and %d, equal bodies: %v", first.Code, second.Code, first.Body.String() == second.Body.String())
	}
	for _, name := range []string{"Location", "ETag", "Content-Type"} {
		if first.Header().Get(name) == "" || first.Header().Get(name) != second.Header().Get(name) {
			t.Errorf("%s is %q and then %q", name, first.Header().Get(name), second.Header().Get(name))
		}
	}
	if first.Header().Get("Idempotency-Replayed") != "" || second.Header().Get("Idempotency-Replayed") != "true" {
		t.Error("the replay is not told from the first answer")
	}
	r.header = underKey("k2")
	h.do(t, r)
	if len(h.engine.started) != 2 {
		t.Errorf("under another key: started %d times", len(h.engine.started))
	}
}

func TestAKeyThatWasUsedForAnotherRequestIsAConflict(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.do(t, request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: underKey("k")})
	for name, r := range map[string]request{
		"another body":  {method: "POST", path: actions, body: `{"kind":"rollback"}`},
		"another path":  {method: "POST", path: "/api/v1/rollouts/x/actions", body: `{"kind":"pause"}`},
		"another actor": {method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"Belay-Actor": "eve"}},
		"another match": {method: "POST", path: actions, body: `{"kind":"pause"}`, header: map[string]string{"If-Match": `"3"`}},
	} {
		if r.header == nil {
			r.header = map[string]string{}
		}
		r.header["Idempotency-Key"] = "k"
		if w := h.do(t, r); w.Code != 409 || body[api.Problem](t, w).Code != "conflict" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(h.engine.acted) != 1 {
		t.Errorf("acted %d times", len(h.engine.acted))
	}
}

func TestWhatFailedMayBeTriedAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: underKey("k")}
	h.engine.fail(problem.New(problem.Unavailable, "not now"))
	if w := h.do(t, r); w.Code != 503 {
		t.Errorf("first: %d", w.Code)
	}
	h.engine.fail(nil)
	if w := h.do(t, r); w.Code != 200 || len(h.engine.acted) != 2 {
		t.Errorf("second: %d after %d acts", w.Code, len(h.engine.acted))
	}
}

func TestADryRunIsNeverKept(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := request{method: "POST", path: actions + "?dryRun=true", body: `{"kind":"pause"}`, header: underKey("k")}
	h.do(t, r)
	if w := h.do(t, r); w.Header().Get("Idempotency-Replayed") != "" || len(h.engine.acted) != 2 {
		t.Errorf("acted %d times", len(h.engine.acted))
	}
}

func TestRequestsUnderOneKeyAtTheSameTimeAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var inside atomic.Int32
	h.engine.onAct = func() {
		if inside.Add(1) > 1 {
			t.Error("carried out a second time")
		}
		time.Sleep(10 * time.Millisecond)
	}
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() {
			codes[i] = h.do(t, request{method: "POST", path: actions, body: `{"kind":"pause"}`, header: underKey("k")}).Code
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]int{200, 200, 200, 200, 200, 200, 200, 200}, codes); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// slowAnswers is a store that hangs until the context ends.
type slowAnswers struct{ asked atomic.Int32 }

func (s *slowAnswers) Answer(ctx context.Context, _ string) ([]byte, error) {
	s.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *slowAnswers) PutAnswer(ctx context.Context, _ string, _ []byte, _ time.Time) error {
	s.asked.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func TestAStoreThatHangsDoesNotStopAnAct(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		slow := &slowAnswers{}
		h.handler = New(Options{Engine: h.engine, Answers: slow, Metrics: h.metrics, Log: quiet})
		began := time.Now()
		w := h.do(t, request{method: "POST", path: actions, body: `{"kind":"rollback"}`, header: underKey("k")})
		if w.Code != http.StatusOK || slow.asked.Load() != 2 {
			t.Errorf("%d after %d questions to the store", w.Code, slow.asked.Load())
		}
		if took := time.Since(began); took > 2*storeWithin {
			t.Errorf("took %v", took)
		}
	})
}
