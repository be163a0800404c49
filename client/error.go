package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/api"
)

// Error is the server's answer to what it did not do.
type Error struct {
	// Code is stable; CodeInternal when the answer carried none.
	Code Code
	// Status is the HTTP status.
	Status int
	// Detail says what is wrong, where, and what to do.
	Detail string
	// Problems are all problems of a file, in its order.
	Problems []FileProblem
	// RetryAfter is how long the server asks to wait before another try; 0 when
	// it does not say.
	RetryAfter time.Duration
}

// Error returns the detail, and all problems of a file.
func (e *Error) Error() string {
	parts := []string{e.Detail}
	for _, p := range e.Problems {
		parts = append(parts, placed(p))
	}
	return strings.Join(parts, "; ")
}

// placed is a problem with its place in the file, as far as that is known.
func placed(p FileProblem) string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = strings.TrimPrefix(fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column), ":") + text
	}
	return text
}

// Temporary reports whether the same request may succeed a little later.
func (e *Error) Temporary() bool {
	return e.Code == CodeUnavailable || e.Status == http.StatusTooManyRequests || e.Status == http.StatusBadGateway
}

// Unreachable is a server that did not answer.
type Unreachable struct {
	Server string
	Err    error
}

// Error names the server and why.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("no answer from %s: %v", e.Server, reasonOf(e.Err))
}

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

// CodeOf returns the code of err: "" for nil, CodeUnavailable for a server that
// did not answer, CodeInternal for what carries none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if _, ok := errors.AsType[*Unreachable](err); ok {
		return CodeUnavailable
	}
	return CodeInternal
}

// answerError makes an error of an answer that is no success. A body that is no
// problem document (a proxy's page, say) is quoted in part.
func answerError(resp *http.Response, body []byte) error {
	e := &Error{Code: CodeInternal, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway {
		e.Code = CodeUnavailable
	}
	var p api.Problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Code != "" {
		e.Code, e.Detail, e.Problems = p.Code, p.Detail, p.Problems
		return e
	}
	const most = 200
	if len(body) > most {
		body = body[:most]
	}
	e.Detail = fmt.Sprintf("the server answered %s: %q; is it a Belay server?", resp.Status, body)
	return e
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
