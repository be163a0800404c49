package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
)

// statuses is the one table from codes to HTTP statuses.
var statuses = map[problem.Code]struct {
	status int
	title  string
}{
	problem.Invalid:      {http.StatusBadRequest, "The request is wrong"},
	problem.NotFound:     {http.StatusNotFound, "There is no such thing"},
	problem.Conflict:     {http.StatusConflict, "It clashes with something else"},
	problem.Exists:       {http.StatusConflict, "The name is taken"},
	problem.Refused:      {http.StatusUnprocessableEntity, "It is not allowed here"},
	problem.Unauthorized: {http.StatusForbidden, "The caller may not do this"},
	problem.TooLarge:     {http.StatusRequestEntityTooLarge, "It is too large"},
	problem.Unavailable:  {http.StatusServiceUnavailable, "Something is not available now"},
	problem.Precondition: {http.StatusPreconditionFailed, "The revision is out of date"},
	problem.Internal:     {http.StatusInternalServerError, "The server is at fault"},
	methodNotAllowed:     {http.StatusMethodNotAllowed, "The path does not take this method"},
}

// methodNotAllowed is a code that only HTTP knows.
const methodNotAllowed problem.Code = "method"

// fail answers a request that was not carried out.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := describe(err)
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

// describe makes the document of an error. What a person cannot act on is
// told to the log, not to the caller.
func describe(err error) api.Problem {
	code := problem.CodeOf(err)
	row, known := statuses[code]
	if !known {
		code, row = problem.Internal, statuses[problem.Internal]
	}
	p := api.Problem{
		Type: "urn:belay:problem:" + string(code), Title: row.title, Status: row.status,
		Code: api.ProblemCode(code), Detail: err.Error(), Problems: fileProblems(err),
	}
	if code == problem.Internal {
		p.Detail = "an error inside the server; its log says more"
	}
	if n := len(p.Problems); n > 0 {
		p.Detail = fmt.Sprintf("%d %s", n, plural(n, "problem", "problems"))
	}
	return p
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// fileProblems lists the mistakes of files within an error. One without a place
// must not get lost beside those that have one.
func fileProblems(err error) []api.FileProblem {
	var out []api.FileProblem
	placed := false
	for _, each := range problem.List(err) {
		list := mistakes(each)
		placed = placed || len(list) > 0
		for _, p := range list {
			out = append(out, fileProblem(p))
		}
		if len(list) == 0 {
			out = append(out, api.FileProblem{Message: each.Error()})
		}
	}
	if !placed {
		return nil
	}
	return out
}

// mistakes are the problems of a file that an error is made of.
func mistakes(err error) []spec.Problem {
	if list, ok := errors.AsType[spec.Problems](err); ok {
		return list
	}
	if list, ok := errors.AsType[spec.Refusals](err); ok {
		return list
	}
	if p, ok := errors.AsType[spec.Problem](err); ok {
		return []spec.Problem{p}
	}
	return nil
}

func fileProblem(p spec.Problem) api.FileProblem {
	return api.FileProblem{File: p.File, Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message, Hint: p.Hint}
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
			writeProblem(w, describe(problem.New(methodNotAllowed, "%s does not take %s; it takes %s", r.URL.Path, r.Method, allow)))
			return
		}
		writeProblem(w, describe(problem.New(problem.NotFound, "there is nothing at %s; the API is described at /openapi.json", r.URL.Path)))
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
