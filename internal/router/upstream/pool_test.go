package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/core/table"
)

// once serves one request a connection, and closes it a little later without
// having said so.
func once(t *testing.T) *scripted {
	t.Helper()
	return serve(t, func(c net.Conn, br *bufio.Reader) {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, ok+"Content-Length: 2\r\n\r\nok")
	})
}

// A pooled connection that the server closed meanwhile costs no request, even
// when it closes in the very moment of use.
func TestAStaleConnectionLosesNoRequest(t *testing.T) {
	t.Parallel()
	s := once(t)
	e := endpointAt(t, s.addr, Limits{})
	for i := range 300 {
		r := post("hello")
		if i%3 == 0 {
			r = get("/")
		}
		a, body, err := fetch(within(t), e, r)
		if err != nil || a.Status != http.StatusOK || body != "ok" {
			t.Fatalf("request %d: %+v %q, %v", i, a, body, err)
		}
	}
}

func TestAStreamGoesOverAConnectionThatWasLookedAt(t *testing.T) {
	t.Parallel()
	s := once(t)
	e := endpointAt(t, s.addr, Limits{})
	for i := range 50 {
		r := stream(strings.NewReader("hello"), -1)
		if _, body, err := fetch(within(t), e, r); err != nil || body != "ok" {
			t.Fatalf("request %d: %q, %v", i, body, err)
		}
		r.Body.Wait()
		time.Sleep(2 * time.Millisecond) // The end of the connection arrives.
	}
}

func TestConnectionsAreShared(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(srv.Close)
	var dials atomic.Int64
	e := endpointAt(t, strings.TrimPrefix(srv.URL, "http://"), Limits{Idle: 4})
	dial := e.pool.network.Dial
	e.pool.network.Dial = func(ctx ctxt, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}
	for range 200 {
		if _, _, err := fetch(within(t), e, get("/")); err != nil {
			t.Fatal(err)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for 200 requests in a row, want 1", n)
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, _, err := fetch(within(t), e, get("/")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := e.Idle(); n > 4 {
		t.Errorf("%d connections are kept, want at most 4", n)
	}
}

func TestWarmOpensConnectionsAndDropsDeadOnes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var open []net.Conn
	s := serve(t, func(c net.Conn, br *bufio.Reader) {
		mu.Lock()
		open = append(open, c)
		mu.Unlock()
		_, _ = io.Copy(io.Discard, br)
	})
	e := endpointAt(t, s.addr, Limits{Warm: 3})
	e.pool.warm(within(t))
	if n := e.Idle(); n != 3 {
		t.Fatalf("%d warm connections, want 3", n)
	}
	waitFor(t, "three connections at the server", func() bool { mu.Lock(); defer mu.Unlock(); return len(open) == 3 })
	mu.Lock()
	_ = open[0].Close()
	_ = open[2].Close()
	mu.Unlock()
	time.Sleep(20 * time.Millisecond) // The ends arrive.
	e.pool.warm(within(t))
	if n := e.Idle(); n != 3 {
		t.Errorf("%d warm connections after two had died, want 3", n)
	}
	waitFor(t, "two new connections", func() bool { return s.accepted.Load() == 5 })
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// The pool's ages in virtual time, over pipes.
func TestSpareConnectionsAreClosedAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(&url.URL{Scheme: "http", Host: "model.example"}, Limits{Warm: 2}.WithDefaults(), Network{Dial: pipes(t)})
		for range 6 {
			c, err := e.pool.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e.pool.put(c)
		}
		time.Sleep(idleFor - time.Second)
		e.pool.warm(t.Context())
		if n := e.Idle(); n != 6 {
			t.Errorf("%d connections just before their time, want 6", n)
		}
		time.Sleep(2 * time.Second)
		e.pool.warm(t.Context())
		if n := e.Idle(); n != 2 {
			t.Errorf("%d connections after their time, want the 2 warm ones", n)
		}
		e.pool.close()
		if n := e.Idle(); n != 0 {
			t.Errorf("%d connections after the pool was closed", n)
		}
	})
}

func TestAClosedPoolKeepsNothing(t *testing.T) {
	t.Parallel()
	s := answering(t, ok+"Content-Length: 2\r\n\r\nok")
	e := endpointAt(t, s.addr, Limits{})
	a, err := e.Do(within(t), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	e.pool.close()
	if body, err := io.ReadAll(a.Body); err != nil || string(body) != "ok" {
		t.Errorf("the answer under way: %q, %v", body, err)
	}
	if _, body, err := fetch(within(t), e, get("/")); err != nil || body != "ok" {
		t.Errorf("a request that was about to begin: %q, %v", body, err)
	}
	if e.Idle() != 0 {
		t.Error("a closed pool keeps connections")
	}
}

func TestHTTPSIsVerified(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	srv.Config.ErrorLog = discard()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusting := newEndpoint(u, Limits{}.WithDefaults(), Network{TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig})
	t.Cleanup(trusting.pool.close)
	for range 2 {
		if _, body, err := fetch(within(t), trusting, post("hello")); err != nil || body != "ok" {
			t.Errorf("%q, %v", body, err)
		}
	}
	doubting := newEndpoint(u, Limits{}.WithDefaults(), Network{})
	t.Cleanup(doubting.pool.close)
	if _, _, err := fetch(within(t), doubting, get("/")); KindOf(err) != Connect {
		t.Errorf("a certificate that nobody vouches for: %v, want %s", err, Connect)
	}
}

func TestASetSharesEndpointsAndClosesTheRest(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(Limits{Warm: 2, Probe: 10 * time.Millisecond}, Network{})
	t.Cleanup(set.Close)
	spec := Spec{URL: srv.URL, Protocol: table.HTTP, Model: "m"}
	e := set.Open(spec, u)
	if set.Open(spec, u) != e {
		t.Error("two endpoints of one address")
	}
	other := spec
	other.Model = "n"
	if set.Open(other, u) == e {
		t.Error("two models share an endpoint, and so a probe")
	}
	waitFor(t, "a warm pool", func() bool { return e.Idle() == 2 && set.Idle() >= 3 })
	set.Keep(map[Spec]bool{other: true})
	waitFor(t, "the pool to close", func() bool { return e.Idle() == 0 })
	if set.Open(spec, u) == e {
		t.Error("a closed endpoint came back")
	}
}
