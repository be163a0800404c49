package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
)

// fail answers a request that was not carried out.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := contract.Problem(err)
	if p.Code == api.ProblemCodeInternal && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if after := pauseFor(err); after != "" {
		w.Header().Set("Retry-After", after)
	}
	writeProblem(w, p)
}

// badRequest answers a request whose parameters or body cannot be read.
func (s *server) badRequest(w http.ResponseWriter, r *http.Request, err error) {
	s.fail(w, r, problem.New(problem.Invalid, "%w", err))
}

// pauseFor is the Retry-After of an error, in whole seconds.
func pauseFor(err error) string {
	if busy, ok := errors.AsType[*ledger.Busy](err); ok {
		return strconv.Itoa(max(1, int(busy.RetryAfter.Seconds()+0.999)))
	}
	if problem.Is(err, problem.Unavailable) {
		return "1"
	}
	return ""
}

func writeProblem(w http.ResponseWriter, p api.Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("Content-Length")
	h.Del("ETag")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // The caller is gone if this fails.
}

// muxProblems answers what the mux itself would answer with plain text: a path
// that is not there, a method that a path does not take.
func muxProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := &statusOnly{header: http.Header{}}
		handler.ServeHTTP(answer, r)
		if answer.status == http.StatusMethodNotAllowed {
			allow := strings.Join(answer.header.Values("Allow"), ", ")
			w.Header().Set("Allow", allow)
			writeProblem(w, contract.Problem(problem.New(contract.MethodNotAllowed, "%s does not take %s; it takes %s", r.URL.Path, r.Method, allow)))
			return
		}
		writeProblem(w, contract.Problem(problem.New(problem.NotFound, "there is nothing at %s; the API is described at /openapi.json", r.URL.Path)))
	})
}

// statusOnly keeps the status and the header of an answer.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
