package router

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxStreams is how many requests one HTTP/2 connection may have under way.
const maxStreams = 250

// newServer returns the server of the traffic port.
func newServer(r *Router) http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	l := r.limits
	return http.Server{
		Handler: r, Protocols: &protocols,
		ReadHeaderTimeout: l.HeadWait, IdleTimeout: l.IdleWait, MaxHeaderBytes: l.Head,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ConnContext: markConn, ConnState: r.countConn,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}

func (r *Router) serve(l net.Listener) error {
	err := r.server.Serve(&gatedListener{Listener: l, gate: r.conns, head: r.limits.HeadWait, idle: r.limits.IdleWait})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (r *Router) countConn(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		r.counts.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		r.counts.conns.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// connKey finds the number of a caller's connection.
type connKey struct{}

var connNumbers atomic.Uint64

// markConn numbers the connection. The numbers are spread over the whole
// range, so that they do not meet the hashes of units.
func markConn(ctx context.Context, _ net.Conn) context.Context {
	const golden = 0x9e3779b97f4a7c15
	return context.WithValue(ctx, connKey{}, connNumbers.Add(1)*golden)
}

func callerOf(ctx context.Context) uint64 {
	n, _ := ctx.Value(connKey{}).(uint64)
	return n
}

// gate lets a number of connections in at a time; the others wait in the
// system's queue.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// gatedListener accepts as many connections as its gate has room for.
type gatedListener struct {
	net.Listener
	gate       gate
	head, idle time.Duration // see gatedConn
	once       sync.Once
	shut       chan struct{}
	init       sync.Once
}

func (l *gatedListener) closed() chan struct{} {
	l.init.Do(func() { l.shut = make(chan struct{}) })
	return l.shut
}

// Accept waits for room, then for a connection.
func (l *gatedListener) Accept() (net.Conn, error) {
	select {
	case l.gate <- struct{}{}:
	case <-l.closed():
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.gate
		return nil, err
	}
	return &gatedConn{Conn: c, gate: l.gate, head: l.head, idle: l.idle}, nil
}

// Close wakes an Accept that waits for room, too.
func (l *gatedListener) Close() error {
	l.once.Do(func() { close(l.closed()) })
	return l.Listener.Close()
}

// gatedConn leaves its gate when it is closed.
//
// It may also be silent from its beginning for as long as between two requests.
// Callers open connections in reserve, and net/http would close one that was
// never used when the time for a head is over, under the hands of a caller who
// is about to use it: such a request would be lost. The time for a head begins
// with its first byte.
type gatedConn struct {
	net.Conn
	gate       gate
	head, idle time.Duration
	used       atomic.Bool // it has carried a byte
	once       sync.Once
}

// Read starts the time for the head with the first byte.
func (c *gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.used.Load() && c.used.CompareAndSwap(false, true) {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.head))
	}
	return n, err
}

// SetReadDeadline gives an unused connection the time between two requests.
func (c *gatedConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !c.used.Load() {
		t = t.Add(max(c.idle-c.head, 0))
	}
	return c.Conn.SetReadDeadline(t)
}

// Close makes room for another connection.
func (c *gatedConn) Close() error {
	c.once.Do(func() { <-c.gate })
	return c.Conn.Close()
}
