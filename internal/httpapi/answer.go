package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

const (
	// keepAnswers is how long an answer is kept under its key.
	keepAnswers = 24 * time.Hour
	// storeWithin is how long the store may take for it. An act must not wait
	// longer: a rollback needs no store to move the traffic.
	storeWithin = 2 * time.Second
	maxKey      = 200
)

// answers carries a request out once per Idempotency-Key.
//
// Only success is kept. A request that was carried out and whose answer could
// not be kept (a crash in between) is carried out again when it comes again:
// for the acts that is harmless, and a second start or create says `exists`.
type answers struct {
	store store.Answers
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	running map[string]chan struct{}
}

func newAnswers(s store.Answers, log *slog.Logger, now func() time.Time) *answers {
	return &answers{store: s, log: log, now: now, running: map[string]chan struct{}{}}
}

// keyed is a request under a key.
type keyed struct {
	key     string
	request string // the fingerprint
}

// kept is an answer as it is stored.
type kept struct {
	Request string      `json:"request"`
	Status  int         `json:"status"`
	Header  http.Header `json:"header"`
	Body    []byte      `json:"body"`
}

// fingerprint tells one request from another.
func fingerprint(r *http.Request, body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n", r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"), r.Header.Get("Belay-Actor"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// once answers from what is kept, or lets next answer and keeps that.
func (a *answers) once(w http.ResponseWriter, r *http.Request, k keyed, next http.Handler) {
	if len(k.key) > maxKey {
		writeProblem(w, contract.Problem(problem.New(problem.Invalid, "the Idempotency-Key has %d bytes, more than %d", len(k.key), maxKey)))
		return
	}
	done, err := a.enter(r.Context(), k.key)
	if err != nil {
		return // The caller is gone.
	}
	defer done()
	if old := a.find(r.Context(), k.key); old != nil {
		replay(w, old, k)
		return
	}
	held := &heldWriter{header: w.Header()}
	next.ServeHTTP(held, r)
	if held.status/100 == 2 {
		// The caller may be gone by now; what was done is done.
		a.keep(context.WithoutCancel(r.Context()), k, held)
	}
	held.release(w)
}

// enter waits until no other request runs under the key.
func (a *answers) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		a.mu.Lock()
		other, busy := a.running[key]
		if !busy {
			mine := make(chan struct{})
			a.running[key] = mine
			a.mu.Unlock()
			return func() {
				a.mu.Lock()
				delete(a.running, key)
				a.mu.Unlock()
				close(mine)
			}, nil
		}
		a.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *answers) find(ctx context.Context, key string) *kept {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	body, err := a.store.Answer(ctx, key)
	if err != nil {
		a.log.WarnContext(ctx, "could not look an answer up; the request is carried out", "error", err)
		return nil
	}
	if body == nil {
		return nil
	}
	var old kept
	if err := json.Unmarshal(body, &old); err != nil {
		a.log.WarnContext(ctx, "could not read a kept answer; the request is carried out", "error", err)
		return nil
	}
	return &old
}

func (a *answers) keep(ctx context.Context, k keyed, h *heldWriter) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	body, err := json.Marshal(kept{Request: k.request, Status: h.status, Header: h.header, Body: h.body.Bytes()})
	if err == nil {
		err = a.store.PutAnswer(ctx, k.key, body, a.now().Add(keepAnswers))
	}
	if err != nil {
		a.log.WarnContext(ctx, "could not keep an answer under its key", "error", err)
	}
}

func replay(w http.ResponseWriter, old *kept, k keyed) {
	if old.Request != k.request {
		writeProblem(w, contract.Problem(problem.New(problem.Conflict, "the Idempotency-Key %q was used for another request; use a new one for each", k.key)))
		return
	}
	maps.Copy(w.Header(), old.Header)
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(old.Status)
	_, _ = w.Write(old.Body) // The caller is gone if this fails.
}

// heldWriter holds an answer back until it is kept.
type heldWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldWriter) Header() http.Header { return h.header }

func (h *heldWriter) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *heldWriter) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

func (h *heldWriter) release(w http.ResponseWriter) {
	if h.status == 0 {
		h.status = http.StatusOK
	}
	w.WriteHeader(h.status)
	_, _ = h.body.WriteTo(w) // The caller is gone if this fails.
}
