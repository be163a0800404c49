package router

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// handled is a server of the test's own, which counts its requests.
type handled struct {
	*httptest.Server
	requests atomic.Int64
}

func newHandled(t *testing.T, h http.HandlerFunc) *handled {
	t.Helper()
	s := &handled{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "belay-probe" {
			return
		}
		s.requests.Add(1)
		if h != nil {
			h(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// behind is a world whose versions are handlers of the test, over plain HTTP.
func behind(t *testing.T, l Limits, baseline, candidate http.HandlerFunc) (w *world, b, c *handled) {
	t.Helper()
	b, c = newHandled(t, baseline), newHandled(t, candidate)
	w = &world{
		urls:   [split.Arms]string{b.URL, c.URL},
		signer: assignment.NewSigner(make([]byte, assignment.KeySize)), client: newClient(t),
	}
	w.router = New(Options{Signer: w.signer, Limits: l})
	w.addr = serveOn(t, w.router)
	return w, b, c
}

// alone is a world of one version and no rollout.
func alone(t *testing.T, l Limits, h http.HandlerFunc) *world {
	t.Helper()
	w, _, _ := behind(t, l, h, nil)
	w.swap(t, 0, plan{protocol: table.HTTP, alone: true})
	return w
}

// echo answers with the request's body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

func TestARequestArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{protocol: table.HTTP})
	w.do(t, http.MethodPut, "/v2/models/m/a%2Fb?x=1&y=%20", "hello",
		"X-User-Id: u1", "X-Many: 1", "X-Many: 2", "Content-Type: text/x", "User-Agent: tester", "Accept-Encoding: br")
	got := w.baseline.Last()
	if got.Method != http.MethodPut || got.Path != "/v2/models/m/a%2Fb?x=1&y=%20" || string(got.Body) != "hello" || got.Proto != "HTTP/1.1" {
		t.Errorf("%s %s %s %q", got.Method, got.Path, got.Proto, got.Body)
	}
	want := http.Header{
		"X-User-Id": {"u1"}, "X-Many": {"1", "2"}, "Content-Type": {"text/x"}, "User-Agent": {"tester"}, "Accept-Encoding": {"br"},
		"Content-Length": {"5"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {w.addr}, "X-Forwarded-Proto": {"http"},
	}
	if d := cmp.Diff(want, got.Header); d != "" {
		t.Errorf("header (-want +got):\n%s", d)
	}
	if got.Host != w.baseline.Addr() {
		t.Errorf("host %s, want the server's own", got.Host)
	}
}

func TestFieldsOfOneConnectionStayThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{protocol: table.HTTP, pins: true})
	w.raw(t, "GET / HTTP/1.1\r\nHost: h.example\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\n"+
		"Proxy-Authorization: secret\r\nTE: trailers, gzip\r\nBelay-Pin: candidate\r\nBelay-Arm: baseline\r\nBelay-Whatever: 1\r\n"+
		"X-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Kept: 1\r\n\r\n")
	want := http.Header{
		"Te": {"trailers"}, "X-Kept": {"1"},
		"X-Forwarded-For": {"10.1.1.1, 127.0.0.1"}, "X-Forwarded-Host": {"h.example"}, "X-Forwarded-Proto": {"https"},
	}
	if d := cmp.Diff(want, w.candidate.Last().Header); d != "" {
		t.Errorf("header (-want +got):\n%s", d)
	}
}

func TestAnAnswerIsPassedOnAsItCame(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["X-Many"] = []string{"1", "2"}
		h.Set("Content-Type", "application/x")
		h.Set("Keep-Alive", "9")
		h.Set("Belay-Arm", "candidate")
		h.Set("Belay-Assignment", "forged")
		h.Set("Date", "Sun, 01 Nov 2026 12:00:00 GMT")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	a := w.do(t, http.MethodGet, "/", "")
	want := http.Header{
		"X-Many": {"1", "2"}, "Content-Type": {"application/x"}, "Content-Length": {"15"}, "Date": {"Sun, 01 Nov 2026 12:00:00 GMT"},
		"Belay-Arm": {"baseline"},
	}
	if d := cmp.Diff(want, a.header); d != "" || a.status != http.StatusTeapot || a.body != "short and stout" {
		t.Errorf("status %d, body %q, header (-want +got):\n%s", a.status, a.body, d)
	}
}

func TestAnAnswerWithoutATypeGetsNone(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	})
	if a := w.do(t, http.MethodGet, "/", ""); len(a.header["Content-Type"]) != 0 || a.body != "<html>" {
		t.Errorf("type %q, body %q", a.header["Content-Type"], a.body)
	}
}

func TestHEADAndEmptyAnswers(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			w.Header().Set("Content-Length", "1234")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/same":
			w.Header().Set("Etag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		}
	})
	if a := w.do(t, http.MethodHead, "/head", ""); a.status != 200 || a.header.Get("Content-Length") != "1234" {
		t.Errorf("HEAD: %d, length %s", a.status, a.header.Get("Content-Length"))
	}
	if a := w.do(t, http.MethodGet, "/none", ""); a.status != 204 || a.body != "" {
		t.Errorf("no content: %d %q", a.status, a.body)
	}
	if a := w.do(t, http.MethodGet, "/same", ""); a.status != 304 || a.header.Get("Etag") != `"1"` {
		t.Errorf("not modified: %d %v", a.status, a.header)
	}
}

func TestBodiesOfAllSizesPassBothWays(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, echo)
	for _, n := range []int{0, 1, 4095, small, small + 1, 1 << 20, 5 << 20} {
		body := strings.Repeat("abcdefghijklmnop", n/16+1)[:n]
		for name, src := range map[string]io.Reader{"sized": strings.NewReader(body), "chunked": io.MultiReader(strings.NewReader(body))} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), src)
			if err != nil {
				t.Fatal(err)
			}
			a, err := w.send(req)
			if err != nil || a.body != body {
				t.Errorf("%s, %d bytes: %d came back, %v", name, n, len(a.body), err)
			}
		}
	}
	waitFor(t, "the memory to be given back", func() bool { return w.router.Stats().Held == 0 })
}

// A stream of events arrives event by event, and the caller's pieces reach the
// server piece by piece.
func TestStreamsFlowAtOnceInBothDirections(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = rc.Flush()
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = fmt.Fprintf(w, "data: %s\n\n", bytes.ToUpper(buf[:n]))
				_ = rc.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), pr)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for _, word := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(pw, word); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadString('\n')
		if err != nil || line != "data: "+strings.ToUpper(word)+"\n" {
			t.Fatalf("after %q came %q, %v", word, line, err)
		}
		_, _ = lines.ReadString('\n')
	}
	_ = pw.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
		t.Errorf("at the end %q, %v", rest, err)
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "ok")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	})
	body := &trailing{Reader: strings.NewReader("hello")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sent": nil}
	body.atEnd = func() { req.Trailer.Set("X-Sent", "7") }
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "ok" {
		t.Errorf("body %q, %v", text, err)
	}
	if d := cmp.Diff(http.Header{"X-Sum": {"7"}, "X-Late": {"1"}}, resp.Trailer); d != "" {
		t.Errorf("trailer (-want +got):\n%s", d)
	}
}

type trailing struct {
	io.Reader
	atEnd func()
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.atEnd()
	}
	return n, err
}

func TestExpectContinueIsAnswered(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		echo(w, r)
	})
	for _, n := range []int{10, small + 10} {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", n)
		br := bufio.NewReader(c)
		if line, err := br.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("%d bytes: %q, %v", n, line, err)
		}
		_, _ = br.ReadString('\n')
		_, _ = io.WriteString(c, strings.Repeat("x", n))
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || len(got) != n {
			t.Errorf("%d bytes: status %d, %d came back, %v", n, resp.StatusCode, len(got), err)
		}
		_ = c.Close()
	}
}

func TestHintsArePassedOn(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "ok")
	})
	got := w.raw(t, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n") || strings.Count(got, "Link") != 1 || !strings.Contains(got, armField) {
		t.Errorf("answer %q", got)
	}
}

func TestCleartextHTTP2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{})
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	w.client = &http.Client{Transport: tr, Timeout: patience}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/v2/models/m/infer"), strings.NewReader(inferBody))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 200 || resp.Header.Get(armField) != "candidate" {
		t.Errorf("%s %d from the %s, %v: %s", resp.Proto, resp.StatusCode, resp.Header.Get(armField), err, body)
	}
	if got := w.candidate.Last(); string(got.Body) != inferBody || got.Proto != "HTTP/1.1" {
		t.Errorf("the server got %s %q", got.Proto, got.Body)
	}
	for _, n := range []int{small + 1, 3 << 20} {
		big := io.MultiReader(strings.NewReader(strings.Repeat(" ", n) + inferBody))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/v2/models/m/infer"), big)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := w.send(req); err != nil || a.status != 200 {
			t.Errorf("a stream of %d bytes: %d, %v", n, a.status, err)
		}
	}
}

func TestAStreamIsRescuedWhileItsBodyIsHeld(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d bytes", len(body))
	}
	fail := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInternalServerError)
	}
	w, _, _ := behind(t, Limits{Held: 200_000}, echo, fail)
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	for n, want := range map[int]int{100_000: 200, 199_999: 200, 400_000: 500} {
		for _, sized := range []bool{true, false} {
			var src io.Reader = strings.NewReader(strings.Repeat("x", n))
			if !sized {
				src = io.MultiReader(src)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), src)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-User-Id", "u")
			a, err := w.send(req)
			if err != nil || a.status != want || (want == 200) != (a.body == fmt.Sprintf("%d bytes", n)) {
				t.Errorf("%d bytes, sized %v: %d %q, %v; want %d", n, sized, a.status, a.body, err, want)
			}
		}
	}
	if s := w.state(t); s.Rescued != 4 || s.Unheld != 2 {
		t.Errorf("%d rescued, %d not held; want 4 and 2", s.Rescued, s.Unheld)
	}
	waitFor(t, "the memory to be given back", func() bool { return w.router.Stats().Held == 0 })
}

// The candidate fails while the caller is still sending; the baseline gets the
// whole body all the same.
func TestARescueWaitsForTheRestOfTheBody(t *testing.T) {
	t.Parallel()
	w, _, _ := behind(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v", body, err)
	}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	w.swap(t, split.Whole, plan{protocol: table.HTTP})
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url("/"), pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", "u")
	go func() {
		for _, word := range []string{"one ", "two ", "three"} {
			time.Sleep(30 * time.Millisecond)
			_, _ = io.WriteString(pw, word)
		}
		_ = pw.Close()
	}()
	if a, err := w.send(req); err != nil || a.status != 200 || a.body != "one two three <nil>" || a.header.Get(shieldedField) != "true" {
		t.Errorf("%d %q, %v", a.status, a.body, err)
	}
}

func TestAPanicOfTheRouterCostsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{})
	l := w.router.live.Load()
	broken := *l
	broken.routes = nil // Every match now finds a route that is not there.
	w.router.live.Store(&broken)
	rec := httptest.NewRecorder()
	x := httptest.NewRequest(http.MethodGet, "/v2/models/m", nil)
	x.URL = &url.URL{Path: "/v2/models/m"}
	func() {
		out := newReply(rec, time.Second)
		defer w.router.rescuePanic(out)
		panic("a fault")
	}()
	if rec.Code != http.StatusInternalServerError || w.router.Stats().Panics != 1 {
		t.Errorf("status %d, %d panics", rec.Code, w.router.Stats().Panics)
	}
	w.router.live.Store(l)
	if a := w.infer(t, "u"); a.status != 200 {
		t.Errorf("the next request: %d", a.status)
	}
}
