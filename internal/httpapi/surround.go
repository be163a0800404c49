package httpapi

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/belay-rollouts/belay/internal/httpapi/contract"
	"github.com/belay-rollouts/belay/internal/problem"
)

// writeWithin is how long writing one answer may take.
const writeWithin = time.Minute

// surround puts around the routes what concerns every request.
func (s *server) surround(mux *http.ServeMux, localOnly bool) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, problem.New(problem.Unauthorized, "a page of %s may change nothing here", r.Header.Get("Origin")))
	}))
	routes := muxProblems(mux)
	inner := origins.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if localOnly && !isLocal(r.Host) {
			s.fail(w, r, problem.New(problem.Unauthorized, "%q is not a name of this machine's own; use 127.0.0.1 or localhost", r.Host))
			return
		}
		routes.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.watched(w, r.WithContext(withCaller(r)), inner)
	})
}

// watched serves a request, answers a panic and logs what became of it.
func (s *server) watched(w http.ResponseWriter, r *http.Request, next http.Handler) {
	began := s.now()
	out := &statusWriter{ResponseWriter: w}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWithin)) // Not every writer has one.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		took := s.now().Sub(began)
		s.metrics.request(r.Pattern, out.status, took)
		s.log.DebugContext(r.Context(), "request answered",
			"method", r.Method, "path", r.URL.Path, "status", out.status, "bytes", out.bytes, "took", took)
	}()
	defer s.recoverInto(out, r)
	next.ServeHTTP(out, r)
}

// recoverInto answers a panic.
func (s *server) recoverInto(w *statusWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if w.status == 0 {
		writeProblem(w, contract.Problem(problem.New(problem.Internal, "panic")))
	}
}

// isLocal reports whether a Host header names this machine by itself. A name
// that some other domain made to lead here does not.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && ip.Unmap().IsLoopback()
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// statusWriter notes what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
