package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/problem"
)

// readWithin is how long a body may take to arrive.
const readWithin = 30 * time.Second

// MaxOutcomes bounds the outcomes of one request.
const MaxOutcomes = 10_000

// accepts says what a route takes as a body.
type accepts struct {
	limit int64
	// into makes the value that the body must fit exactly; nil takes any bytes.
	into func() any
	// once keeps the answer under the caller's Idempotency-Key.
	once bool
	// ifMatch is true where a revision can be asked for.
	ifMatch bool
}

// bodies is the table of routes that take a body.
var bodies = map[string]accepts{
	"POST /api/v1/apply":                   {limit: 1 << 20, once: true},
	"POST /api/v1/rollouts":                {limit: 64 << 10, once: true, into: func() any { return new(api.StartRequest) }},
	"POST /api/v1/rollouts/{name}/actions": {limit: 64 << 10, once: true, ifMatch: true, into: func() any { return new(api.ActionRequest) }},
	"POST /api/v1/outcomes":                {limit: 8 << 20, once: true, into: func() any { return new(outcomeBatch) }},
}

// takeBody reads a body wholly, strictly and within its bounds, before the
// handler sees any of it, and answers what was asked before under the same key.
func (s *server) takeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, ok := bodies[r.Pattern]
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		if r.Header.Get("If-Match") != "" && !route.ifMatch {
			s.fail(w, r, problem.New(problem.Invalid, "%s has no revision to match; leave If-Match out", r.URL.Path))
			return
		}
		body, err := readBody(w, r, route.limit)
		if err == nil {
			err = strictly(body, route.into)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if key := r.Header.Get("Idempotency-Key"); key != "" && route.once && r.URL.Query().Get("dryRun") != "true" {
			s.answers.once(w, r, keyed{key: key, request: fingerprint(r, body)}, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readBody reads a whole body of bounded size in bounded time.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, problem.New(problem.Invalid, "bodies of Content-Encoding %q are not read; send it as it is", coding)
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readWithin)) // Not every writer has one.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, bodyError(err, r, len(body))
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

func bodyError(err error, r *http.Request, got int) error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(problem.TooLarge, "the body is larger than %d bytes, the most that %s takes; send less at once", large.Limit, r.URL.Path)
	}
	whole := ""
	if r.ContentLength > 0 {
		whole = fmt.Sprintf(" of %d", r.ContentLength)
	}
	return problem.New(problem.Invalid, "the body broke off after %d%s bytes: %w", got, whole, err)
}

// strictly checks that a body is one JSON value with known fields of the right
// types.
func strictly(body []byte, into func() any) error {
	if into == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	value := into()
	if err := d.Decode(value); err != nil {
		return jsonError(err, body)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem.New(problem.Invalid, "the body goes on after its JSON value, at %s", place(body, d.InputOffset()))
	}
	if v, ok := value.(whole); ok {
		return v.whole()
	}
	return nil
}

// whole is a body that knows what must not be missing in it.
type whole interface{ whole() error }

// jsonError says where in the body it went wrong.
func jsonError(err error, body []byte) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return problem.New(problem.Invalid, "the body is no JSON: %w, at %s", err, place(body, syntax.Offset))
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := kind.Field
		if field == "" {
			field = "the body"
		}
		if number, large := strings.CutPrefix(kind.Value, "number "); large {
			return problem.New(problem.Invalid, "%s is %s, which is out of range, at %s", field, number, place(body, kind.Offset))
		}
		return problem.New(problem.Invalid, "%s is a %s and must be a %s, at %s", field, kind.Value, kindName(kind.Type.Kind().String()), place(body, kind.Offset))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New(problem.Invalid, "the JSON of the body ends too early, after %d bytes", len(body))
	}
	return problem.New(problem.Invalid, "the body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindName is a kind of Go's in the words of JSON.
func kindName(kind string) string {
	switch {
	case kind == "struct" || kind == "map":
		return "object"
	case kind == "slice":
		return "array"
	case strings.HasPrefix(kind, "int") || strings.HasPrefix(kind, "float"):
		return "number"
	}
	return kind
}

// place is an offset as line and column, both from 1.
func place(body []byte, offset int64) string {
	before := body[:min(max(offset, 0), int64(len(body)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d", line, max(column, 1))
}
