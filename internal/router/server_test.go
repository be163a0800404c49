package router

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/table"
)

func dialed(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// ask sends a request over a connection and reports whether an answer came
// within a while.
func ask(c net.Conn, within time.Duration) bool {
	_ = c.SetDeadline(time.Now().Add(within))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func TestConnectionsBeyondTheBoundWaitTheirTurn(t *testing.T) {
	t.Parallel()
	w := alone(t, Limits{Connections: 2}, nil)
	a, b, c := dialed(t, w.addr), dialed(t, w.addr), dialed(t, w.addr)
	if !ask(a, patience) || !ask(b, patience) {
		t.Fatal("the first two connections are not served")
	}
	if got := w.router.Stats().Connections; got != 2 {
		t.Errorf("%d connections are open, want 2", got)
	}
	if ask(c, 200*time.Millisecond) {
		t.Error("a third connection was served beside two")
	}
	_ = a.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after one had left, the third got %v", err)
	} else {
		_ = resp.Body.Close()
	}
}

func TestShutdownWaitsForRequestsUnderWay(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	var done atomic.Bool
	version := newHandled(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		done.Store(true)
		_, _ = io.WriteString(w, "ok")
	})
	r := New(Options{Signer: assignment.NewSigner(make([]byte, assignment.KeySize))})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	w := &world{router: r, addr: l.Addr().String(), client: newClient(t)}
	w.urls[0], w.urls[1] = version.URL, version.URL
	w.swap(t, 0, plan{protocol: table.HTTP, alone: true})

	answer := make(chan answered, 1)
	go func() {
		a, err := w.try("", "x")
		if err != nil {
			t.Error(err)
		}
		answer <- a
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	select {
	case <-ended:
		t.Error("shut down before the request had ended")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if a := <-answer; a.status != http.StatusOK || !done.Load() {
		t.Errorf("status %d", a.status)
	}
	if err := <-ended; err != nil {
		t.Errorf("shut down: %v", err)
	}
	if idle := r.Stats().Idle; idle != 0 {
		t.Errorf("%d connections are kept after the shutdown", idle)
	}
	w.swap(t, 0, plan{protocol: table.HTTP}) // Late, and harmless.
}

func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	version := newHandled(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		close(entered)
		<-req.Context().Done()
	})
	w := &world{client: newClient(t)}
	w.router = New(Options{Signer: assignment.NewSigner(make([]byte, assignment.KeySize))})
	w.addr = serveOn(t, w.router)
	w.urls[0] = version.URL
	w.swap(t, 0, plan{protocol: table.HTTP, alone: true})
	go func() {
		if a, err := w.try("", "x"); err == nil {
			t.Errorf("status %d", a.status)
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.router.Shutdown(ctx); err == nil {
		t.Error("no error though a request was cut off")
	}
	waitFor(t, "the request to end", func() bool { return w.router.Stats().Running == 0 })
}

func TestARouterNeedsASigner(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a router without a signer was made")
		}
	}()
	New(Options{})
}
