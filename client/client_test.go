package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorded is a request that a test server got.
type recorded struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// recorder is a server that keeps what it gets and answers by a function.
type recorder struct {
	mu   sync.Mutex
	got  []recorded
	then func(n int, w http.ResponseWriter, r *http.Request)
}

func (s *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got = append(s.got, recorded{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone()})
	n := len(s.got)
	s.mu.Unlock()
	s.then(n, w, r)
}

func (s *recorder) requests() []recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func answering(status int, body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		kind := "application/json"
		if status >= 400 {
			kind = "application/problem+json"
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// start returns a client of a server that answers by then.
func start(t *testing.T, then func(int, http.ResponseWriter, *http.Request)) (*Client, *recorder) {
	t.Helper()
	s := &recorder{then: then}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := New(Options{Server: srv.URL, Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(int, time.Duration) time.Duration { return time.Millisecond }
	t.Cleanup(c.Close)
	return c, s
}

func TestEachCallSendsWhatTheContractSays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		call func(context.Context, *Client) error
		want recorded
	}{
		"apply": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Apply(ctx, ApplyRequest{File: "a b.yaml", Data: []byte("kind: Model\n"), DryRun: true})
				return err
			},
			recorded{Method: "POST", Path: "/api/v1/apply", Query: "dryRun=true&file=a+b.yaml", Body: "kind: Model\n"},
		},
		"start": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Start(ctx, StartRequest{Model: "m", Version: "v2", URL: "http://x", Policy: "fast"})
				return err
			},
			recorded{Method: "POST", Path: "/api/v1/rollouts", Body: `{"model":"m","policy":"fast","url":"http://x","version":"v2"}`},
		},
		"act": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Act(ctx, ActRequest{Rollout: "a/b", Kind: ActPromote, Reason: "seen", Override: true, IfRevision: 7})
				return err
			},
			recorded{Method: "POST", Path: "/api/v1/rollouts/a%2Fb/actions", Body: `{"kind":"promote","override":true,"reason":"seen"}`},
		},
		"baseline": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Baseline(ctx, "a/b")
				return err
			},
			recorded{Method: "GET", Path: "/api/v1/models/a%2Fb/baseline"},
		},
		"list": {
			func(ctx context.Context, c *Client) error {
				_, err := c.List(ctx, ListRequest{Model: "m", Active: true, Limit: 3})
				return err
			},
			recorded{Method: "GET", Path: "/api/v1/rollouts", Query: "active=true&limit=3&model=m"},
		},
		"decisions from the end": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Decisions(ctx, DecisionRequest{Rollout: "m", After: -1, Limit: 1, Evidence: true})
				return err
			},
			recorded{Method: "GET", Path: "/api/v1/rollouts/m/decisions", Query: "after=-1&evidence=true&limit=1"},
		},
		"outcomes": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Outcomes(ctx, []Outcome{{ID: "1", Assignment: "t", Metric: "correct"}})
				return err
			},
			recorded{Method: "POST", Path: "/api/v1/outcomes", Body: `{"outcomes":[{"assignment":"t","id":"1","metric":"correct","value":0}]}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := start(t, answering(200, "{}"))
			if err := tt.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := s.requests()[0]
			header := got.Header
			got.Header = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if post := got.Method == "POST"; post != (header.Get("Belay-Actor") == "tester") {
				t.Errorf("Belay-Actor is %q on a %s", header.Get("Belay-Actor"), got.Method)
			}
			if name == "act" && header.Get("If-Match") != `"7"` {
				t.Errorf("If-Match is %q, want %q", header.Get("If-Match"), `"7"`)
			}
			keyed := name == "act" || name == "start"
			if keyed != (header.Get("Idempotency-Key") != "") {
				t.Errorf("Idempotency-Key is %q, want one: %v", header.Get("Idempotency-Key"), keyed)
			}
		})
	}
}

func TestAnAnswerIsDecodedAndUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	c, _ := start(t, answering(200, `{"name":"m-v2","phase":"Holding","fromTheFuture":{"a":1},"stage":{"askedPercent":10}}`))
	r, err := c.Status(t.Context(), "m")
	if err != nil || r.Name != "m-v2" || r.Phase != Holding || r.Stage.AskedPercent != 10 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestARefusalIsATypedErrorAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	c, s := start(t, answering(400, `{"type":"urn:belay:problem:invalid","title":"invalid","status":400,"code":"invalid",
		"detail":"2 problems","problems":[{"file":"f","line":3,"column":5,"path":"spec","message":"no","hint":"yes"}]}`))
	_, err := c.Apply(t.Context(), ApplyRequest{Data: []byte("x")})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != CodeInvalid || e.Status != 400 || e.Detail != "2 problems" {
		t.Fatalf("got %#v, want an invalid *Error", err)
	}
	want := []FileProblem{{File: "f", Line: 3, Column: 5, Path: "spec", Message: "no", Hint: "yes"}}
	if diff := cmp.Diff(want, e.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if got, want := err.Error(), "2 problems; f:3:5: spec: no"; got != want {
		t.Errorf("the error says %q, want %q", got, want)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
}

func TestAnAnswerThatIsNoProblemDocumentIsQuoted(t *testing.T) {
	t.Parallel()
	c, _ := start(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>gateway</html>", http.StatusForbidden)
	})
	_, err := c.Status(t.Context(), "m")
	if CodeOf(err) != CodeInternal || !strings.Contains(err.Error(), "gateway") || !strings.Contains(err.Error(), "is it a Belay server?") {
		t.Errorf("got %v", err)
	}
}

func TestABusyServerIsAskedAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	c, s := start(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n < 3 {
			w.Header().Set("Retry-After", "1")
			answering(503, `{"code":"unavailable","detail":"later"}`)(n, w, r)
			return
		}
		answering(200, `{"name":"m-v2"}`)(n, w, r)
	})
	var asked []time.Duration
	c.pause = func(_ int, least time.Duration) time.Duration { asked = append(asked, least); return 0 }
	r, err := c.Act(t.Context(), ActRequest{Rollout: "m", Kind: ActPause})
	if err != nil || r.Name != "m-v2" {
		t.Fatalf("got %+v, %v", r, err)
	}
	keys := map[string]bool{}
	for _, got := range s.requests() {
		keys[got.Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 1 || keys[""] || len(s.requests()) != 3 {
		t.Errorf("sent %d times under the keys %v, want 3 times under one", len(s.requests()), keys)
	}
	if diff := cmp.Diff([]time.Duration{time.Second, time.Second}, asked); diff != "" {
		t.Errorf("least pauses (-want +got):\n%s", diff)
	}
}

func TestABrokenConnectionIsTriedAgainAndThenNamed(t *testing.T) {
	t.Parallel()
	c, s := start(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.Close()
	})
	_, err := c.Status(t.Context(), "m")
	u, ok := errors.AsType[*Unreachable](err)
	if !ok || u.Server != c.Server() || CodeOf(err) != CodeUnavailable {
		t.Errorf("got %v, want an *Unreachable", err)
	}
	if n := len(s.requests()); n != defaultTries {
		t.Errorf("sent %d times, want %d", n, defaultTries)
	}
}

func TestAServerThatIsNotThereIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := "http://" + l.Addr().String()
	_ = l.Close()
	c, err := New(Options{Server: server, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Version(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no answer from "+server) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}

func TestACallEndsAtItsTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c, _ := start(t, func(int, http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c.options.Timeout = 50 * time.Millisecond
	began := time.Now()
	_, err := c.Status(t.Context(), "m")
	if CodeOf(err) != CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no scheme":             {Server: "localhost:7070"},
		"another scheme":        {Server: "ftp://localhost"},
		"no host":               {Server: "http://"},
		"no URL":                {Server: "http://[::1"},
		"an actor of two lines": {Actor: "a\nb"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c, err := New(Options{})
	if err != nil || c.Server() != DefaultServer {
		t.Errorf("the zero value speaks to %q, %v; want %s", c.Server(), err, DefaultServer)
	}
}

func TestPausesGrowAndAreBounded(t *testing.T) {
	t.Parallel()
	for try := 1; try < 50; try++ {
		d := backOff(try, 0)
		least := min(100*time.Millisecond<<min(try-1, 6), 5*time.Second)
		if d < least || d > least*3/2 {
			t.Errorf("try %d: pause %v, want %v to %v", try, d, least, least*3/2)
		}
	}
	if d := backOff(1, 7*time.Second); d != 7*time.Second {
		t.Errorf("asked to wait 7s, waits %v", d)
	}
}

func eventLine(t *testing.T, id string, e Event) string {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out := "event: " + string(e.Type) + "\n"
	if id != "" {
		out += "id: " + id + "\n"
	}
	return out + "data: " + string(data) + "\n\n"
}
