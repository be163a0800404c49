package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"time"
)

const (
	readerSize = 8 << 10
	// idleFor is how long an unused connection is kept.
	idleFor = 90 * time.Second
	// fresh is how long ago a connection may have been used to be trusted
	// without a look; servers close connections that were idle for seconds.
	fresh = 100 * time.Millisecond
)

// conn is one connection to an endpoint.
type conn struct {
	net.Conn
	br     *bufio.Reader
	reused bool      // it has carried a request before
	idle   time.Time // since when nobody uses it
}

// pool keeps the connections of one endpoint that nobody uses, the last used
// one on top.
type pool struct {
	limits  Limits
	network Network
	scheme  string
	address string
	server  string // name for TLS

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func newPool(base *url.URL, l Limits, n Network) *pool {
	p := &pool{limits: l, network: n, scheme: base.Scheme, server: base.Hostname()}
	port := base.Port()
	if port == "" {
		port = base.Scheme // "http" and "https" are names of services, too
	}
	p.address = net.JoinHostPort(base.Hostname(), port)
	if n.Dial == nil {
		p.network.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	return p
}

// get returns a connection: the last used one that is still open, or a new
// one. With care it looks at the connection however fresh it is.
func (p *pool) get(ctx context.Context, care bool) (*conn, error) {
	for {
		c := p.pop()
		if c == nil {
			return p.dial(ctx)
		}
		if (!care && time.Since(c.idle) < fresh) || alive(c.Conn) {
			c.reused = true
			return c, nil
		}
		_ = c.Close()
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c
}

// put gives a connection back.
func (p *pool) put(c *conn) {
	_ = c.SetDeadline(time.Time{})
	c.idle = time.Now()
	p.mu.Lock()
	if !p.closed && len(p.idle) < p.limits.Idle {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

// dial opens a connection. Every error is a Failure.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	within, cancel := context.WithTimeout(ctx, p.limits.Connect)
	defer cancel()
	nc, err := p.network.Dial(within, "tcp", p.address)
	if err != nil {
		return nil, dialFailed(ctx, err)
	}
	if p.scheme == "https" {
		secure := tls.Client(nc, p.tls())
		if err := secure.HandshakeContext(within); err != nil {
			_ = nc.Close()
			return nil, dialFailed(ctx, err)
		}
		nc = secure
	}
	return &conn{Conn: nc, br: bufio.NewReaderSize(nc, readerSize)}, nil
}

func (p *pool) tls() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.network.TLS != nil {
		cfg = p.network.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = p.server
	}
	cfg.NextProtos = []string{"http/1.1"}
	return cfg
}

// warm closes connections that are dead or were idle for too long, and opens
// new ones until there are as many as the limits ask for.
func (p *pool) warm(ctx context.Context) {
	have := p.sweep(time.Now())
	for ; have < p.limits.Warm; have++ {
		c, err := p.dial(ctx)
		if err != nil {
			return // The probe tells.
		}
		p.put(c)
	}
}

// sweep drops what is useless and returns how many connections are left.
func (p *pool) sweep(now time.Time) int {
	p.mu.Lock()
	kept, dropped := p.idle[:0], []*conn(nil)
	for i, c := range p.idle {
		spare := len(p.idle)-i > p.limits.Warm
		if (spare && now.Sub(c.idle) > idleFor) || !alive(c.Conn) {
			dropped = append(dropped, c)
			continue
		}
		kept = append(kept, c)
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.mu.Unlock()
	for _, c := range dropped {
		_ = c.Close()
	}
	return len(kept)
}

// close closes what is idle now and whatever comes back later.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
