package upstream

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/protocol"
)

type ctxt = context.Context

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// pipes dials nobody: connections whose other end is silent.
func pipes(t *testing.T) func(ctxt, string, string) (net.Conn, error) {
	t.Helper()
	return func(ctxt, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		return near, nil
	}
}

// model is a server over pipes, in virtual time.
type model struct {
	status atomic.Int64 // of answers
	down   atomic.Bool  // connections are refused
	hangs  atomic.Bool  // answers never come
	mu     sync.Mutex
	asked  []string
}

func (m *model) dial(ctx ctxt, _, _ string) (net.Conn, error) {
	if m.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	go func() {
		srv := http.Server{Handler: m, ErrorLog: discard()}
		_ = srv.Serve(&oneConn{c: far})
	}()
	return near, nil
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked = append(m.asked, r.Method+" "+r.URL.Path)
	m.mu.Unlock()
	if m.hangs.Load() {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(int(m.status.Load()))
}

// oneConn is a listener of a single connection.
type oneConn struct {
	c    net.Conn
	once sync.Once
}

func (l *oneConn) Accept() (c net.Conn, err error) {
	err = net.ErrClosed
	l.once.Do(func() { c, err = l.c, nil })
	return c, err
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// watch runs a prober in virtual time against a model and gives the test its
// hands on both.
func watch(t *testing.T, p table.Protocol, test func(t *testing.T, e *Endpoint, m *model)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		m.status.Store(http.StatusOK)
		e := newEndpoint(&url.URL{Scheme: "http", Host: "model.example"}, Limits{}.WithDefaults(), Network{Dial: m.dial})
		e.start(protocol.ProbeFor(p, "m"))
		defer func() {
			e.probe.stop()
			<-e.probe.done
			e.pool.close()
			synctest.Wait()
		}()
		synctest.Wait()
		test(t, e, m)
	})
}

func state(t *testing.T, e *Endpoint, want State) Health {
	t.Helper()
	h := e.Health()
	if h.State != want {
		t.Errorf("%s (%s), want %s", h.State, h.Error, want)
	}
	if (h.Error != "") != (want == Failing || want == Dead) {
		t.Errorf("%s with error %q", h.State, h.Error)
	}
	return h
}

func TestAModelThatAnswersIsReady(t *testing.T) {
	watch(t, table.V2, func(t *testing.T, e *Endpoint, m *model) {
		first := state(t, e, Ready)
		time.Sleep(10 * time.Second)
		if later := state(t, e, Ready); !later.Since.Equal(first.Since) {
			t.Errorf("ready since %v, then since %v", first.Since, later.Since)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.asked) < 20 || !slices.Contains(m.asked, "GET /v2/health/ready") || !slices.Contains(m.asked, "GET /v2/models/m/ready") {
			t.Errorf("asked %v", m.asked)
		}
	})
}

func TestAModelThatIsNotReadyFails(t *testing.T) {
	watch(t, table.V2, func(t *testing.T, e *Endpoint, m *model) {
		m.status.Store(http.StatusServiceUnavailable)
		time.Sleep(1100 * time.Millisecond)
		failing := state(t, e, Failing)
		m.status.Store(http.StatusOK)
		time.Sleep(1100 * time.Millisecond)
		if again := state(t, e, Ready); !again.Since.After(failing.Since) {
			t.Error("the state changed and its moment did not")
		}
	})
}

func TestPlainHTTPIsReadyWhateverItAnswers(t *testing.T) {
	watch(t, table.HTTP, func(t *testing.T, e *Endpoint, m *model) {
		m.status.Store(http.StatusNotFound)
		time.Sleep(3 * time.Second)
		state(t, e, Ready)
	})
}

func TestAModelThatHangsFails(t *testing.T) {
	watch(t, table.HTTP, func(t *testing.T, e *Endpoint, m *model) {
		m.hangs.Store(true)
		time.Sleep(2500 * time.Millisecond)
		state(t, e, Failing)
		m.hangs.Store(false)
		time.Sleep(3 * time.Second)
		state(t, e, Ready)
	})
}

func TestAModelIsDeadAfterThreeRefusals(t *testing.T) {
	watch(t, table.HTTP, func(t *testing.T, e *Endpoint, m *model) {
		m.down.Store(true)
		for c := e.pool.pop(); c != nil; c = e.pool.pop() {
			_ = c.Close()
		}
		time.Sleep(1500 * time.Millisecond)
		state(t, e, Failing)
		time.Sleep(2 * time.Second)
		state(t, e, Dead)
		m.down.Store(false)
		time.Sleep(1100 * time.Millisecond)
		state(t, e, Ready)
	})
}

func TestAProbeKeepsThePoolWarm(t *testing.T) {
	watch(t, table.HTTP, func(t *testing.T, e *Endpoint, _ *model) {
		if n := e.Idle(); n != e.limits.Warm {
			t.Errorf("%d connections right after the first probe, want %d", n, e.limits.Warm)
		}
		for c := e.pool.pop(); c != nil; c = e.pool.pop() {
			_ = c.Close()
		}
		time.Sleep(1100 * time.Millisecond)
		if n := e.Idle(); n != e.limits.Warm {
			t.Errorf("%d connections after the next probe, want %d", n, e.limits.Warm)
		}
	})
}
