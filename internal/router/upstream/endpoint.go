package upstream

import (
	"context"
	"net/url"
	"strings"
)

// Endpoint is where one version is served. It is safe for concurrent use.
// After it was closed, requests that were under way, or about to be, are still
// served; their connections are closed behind them.
type Endpoint struct {
	base   *url.URL
	prefix string // path of base, without a slash at its end
	limits Limits
	pool   *pool
	probe  prober
}

// newEndpoint returns an endpoint that has no connection yet and is not
// probed.
func newEndpoint(base *url.URL, l Limits, n Network) *Endpoint {
	return &Endpoint{
		base: base, prefix: strings.TrimSuffix(base.EscapedPath(), "/"),
		limits: l, pool: newPool(base, l, n),
	}
}

// Do sends a request and returns the head of its answer. Every error is a
// Failure. Reading the answer obeys ctx, too.
func (e *Endpoint) Do(ctx context.Context, r *Request) (*Answer, error) {
	// A stream may not be there to be sent a second time.
	streams := r.Body != nil && r.Body.Open != nil
	c, err := e.pool.get(ctx, streams)
	if err != nil {
		return nil, err
	}
	x := &exchange{endpoint: e, conn: c, ctx: ctx}
	a, silent, err := x.run(r)
	if !silent || !c.reused {
		return a, err
	}
	// The server closed a pooled connection just when it was to be used.
	if c, err = e.pool.dial(ctx); err != nil {
		return nil, err
	}
	x = &exchange{endpoint: e, conn: c, ctx: ctx}
	a, _, err = x.run(r)
	return a, err
}
