package contract

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/core/spec"
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
	MethodNotAllowed:     {http.StatusMethodNotAllowed, "The path does not take this method"},
}

// MethodNotAllowed is a code that only HTTP knows.
const MethodNotAllowed problem.Code = "method"

// Problem makes the document of an error. What a person cannot act on is
// told to the log, not to the caller.
func Problem(err error) api.Problem {
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
