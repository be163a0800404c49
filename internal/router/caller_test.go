package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// A body that is cut is its caller's fault: no version is blamed, and nothing
// of the rest is taken for a request.
func TestBodiesThatAreCut(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a small body":       "Content-Length: 500\r\n\r\nhello",
		"a long body":        "Content-Length: 500000\r\n\r\nhello",
		"a chunk":            "Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
		"a chunk's size":     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
		"missing last chunk": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	}
	for name, rest := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var smuggled atomic.Bool
			w, b, _ := behind(t, Limits{}, nil, func(w http.ResponseWriter, r *http.Request) {
				echo(w, r)
				smuggled.Store(smuggled.Load() || r.URL.Path == "/smuggled")
			})
			w.swap(t, split.Whole, plan{protocol: table.HTTP})
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nX-User-Id: u\r\n"+rest)
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.SetDeadline(time.Now().Add(patience))
			answer, _ := io.ReadAll(c)
			_ = c.Close()
			if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
				t.Errorf("answer %q", answer)
			}
			waitFor(t, "the request to end", func() bool { return w.router.Stats().Running == 0 })
			if got := w.router.Collect(); len(got) != 0 {
				t.Errorf("counted %+v", got)
			}
			if s := w.state(t); s.InFlight != 0 || s.Rescued != 0 {
				t.Errorf("%d in flight, %d rescued", s.InFlight, s.Rescued)
			}
			if smuggled.Load() || b.requests.Load() != 0 {
				t.Error("the rest of the body was taken for a request")
			}
		})
	}
}

// An answer that comes before the whole request was read must not leave the
// rest of the request on a connection that carries another.
func TestTheRestOfAnAnsweredRequestIsNeverTakenForARequest(t *testing.T) {
	t.Parallel()
	var paths atomic.Pointer[[]string]
	paths.Store(&[]string{})
	w := alone(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		all := append(slices.Clone(*paths.Load()), r.URL.Path)
		paths.Store(&all)
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden) // Without reading the body.
		_, _ = io.WriteString(w, "no")
	})
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	body := strings.Repeat("x", small) + smuggled
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(c, "POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", 2*len(body), body[:1000])
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || !resp.Close {
		t.Errorf("status %d, closes %v", resp.StatusCode, resp.Close)
	}
	_, _ = io.WriteString(c, body[1000:])
	_, _ = io.Copy(io.Discard, c)
	if got := *paths.Load(); len(got) != 1 {
		t.Errorf("the server was asked for %v", got)
	}
}

func TestHeadsBeyondTheBound(t *testing.T) {
	t.Parallel()
	w, b, _ := behind(t, Limits{}, nil, nil)
	w.swap(t, 0, plan{protocol: table.HTTP})
	long := strings.Repeat("x", 100<<10)
	if got := w.raw(t, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: "+long+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("a caller's long head: %.60q", got)
	}
	if b.requests.Load() != 0 {
		t.Error("the baseline was asked")
	}
}

func TestAVersionsHeadBeyondTheBoundIsItsFailure(t *testing.T) {
	t.Parallel()
	w, _, _ := behind(t, Limits{}, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
	})
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	if a := w.do(t, http.MethodGet, "/", "", "X-User-Id: u"); a.status != 200 || a.header.Get(shieldedField) != "true" {
		t.Errorf("status %d, shielded %q", a.status, a.header.Get(shieldedField))
	}
}

func TestACallerThatSendsNothingIsLetGo(t *testing.T) {
	t.Parallel()
	w, _, _ := behind(t, Limits{HeadWait: 100 * time.Millisecond, CallerWait: 100 * time.Millisecond}, echo, nil)
	w.swap(t, 0, plan{protocol: table.HTTP})
	for name, text := range map[string]string{
		"within the head":  "GET / HTTP/1.1\r\nHost:",
		"within the body":  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhello",
		"within a stream":  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"within long ones": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, text)
			_ = c.SetDeadline(time.Now().Add(patience))
			answer, err := io.ReadAll(c)
			if err != nil {
				t.Errorf("the connection stayed open: %v", err)
			}
			if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
				t.Errorf("answer %q", answer)
			}
		})
	}
}

func TestACallerThatTakesNothingIsLetGo(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	w := alone(t, Limits{CallerWait: 100 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		defer ended.Store(true)
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	waitFor(t, "the version to be told", ended.Load)
	waitFor(t, "the request to end", func() bool { return w.router.Stats().Running == 0 })
}

func TestACallerThatGoesAwayEndsTheVersionsWork(t *testing.T) {
	t.Parallel()
	entered, told := make(chan struct{}), make(chan struct{})
	w, b, _ := behind(t, Limits{}, nil, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(told)
	})
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", "u")
	go func() {
		<-entered
		time.Sleep(50 * time.Millisecond)
		cancel()
	}()
	if resp, err := w.client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("an answer came")
	}
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("the version was not told")
	}
	// Its time counts, and no error: it says nothing of the version but how
	// long the caller waited.
	c := w.collected(t, sticky, 1).side(0, split.Candidate)
	base := layoutOf(sticky).Sketches[0]
	if c.Rates[0].K != 0 || c.Rates[1].K != 0 || c.Shielded != 0 || c.Latency[0].Above(base.Index(45*time.Millisecond)) != 1 {
		t.Errorf("%d errors, %d client errors, %d shielded, %d latencies above 45 ms", c.Rates[0].K, c.Rates[1].K, c.Shielded, c.Latency[0].Above(base.Index(45*time.Millisecond)))
	}
	if s := w.state(t); s.InFlight != 0 || b.requests.Load() != 0 {
		t.Errorf("%d in flight, %d at the baseline", s.InFlight, b.requests.Load())
	}
}

// net/http takes a caller that has closed its side for one that went away. It
// may still be listening, and must not hear of a success that there was not.
func TestACallerThatStopsSendingGetsNoMadeUpAnswer(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetDeadline(time.Now().Add(patience))
	if answer, err := io.ReadAll(c); len(answer) > 0 || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}
}

func TestAnAnswerThatBreaksOffIsSeenByTheCallerAndNotTriedAgain(t *testing.T) {
	t.Parallel()
	w, b, _ := behind(t, Limits{}, nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", "u")
	if a, err := w.send(req); err == nil || a.status != 200 || a.body != "data: 1\n\n" || a.header.Get(shieldedField) != "" {
		t.Errorf("status %d, body %q, %v; want the beginning and an error", a.status, a.body, err)
	}
	c := w.collected(t, sticky, 1).side(0, split.Candidate)
	if c.Rates[0].K != 1 || c.Shielded != 0 || b.requests.Load() != 0 {
		t.Errorf("%d errors, %d shielded, %d at the baseline", c.Rates[0].K, c.Shielded, b.requests.Load())
	}
}
