package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A call is one request with its tries.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	kind   string // of the body
	// keyed sends an Idempotency-Key, the same one with every try.
	keyed bool
	// tries is how often the call is sent at most; 0 leaves it to the options.
	tries int
}

// newCall returns a call without a body. Parts of the path are escaped.
func newCall(method string, parts ...string) *call {
	var path strings.Builder
	path.WriteString("/api/v1")
	for _, p := range parts {
		path.WriteString("/" + url.PathEscape(p))
	}
	return &call{method: method, path: path.String(), query: url.Values{}, header: http.Header{}}
}

// withJSON puts v into the body.
func (k *call) withJSON(v any) (*call, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	k.body, k.kind = body, "application/json"
	return k, nil
}

// answer sends the call until it succeeds, is refused, or time is up, and decodes
// a success.
func answer[T any](ctx context.Context, c *Client, k *call) (out T, err error) {
	body, err := c.fetch(ctx, k)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("read the answer of %s: %w", c.Server(), err)
	}
	return out, nil
}

// fetch is answer for one that is taken as it is.
func (c *Client) fetch(ctx context.Context, k *call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	if k.keyed {
		k.header.Set("Idempotency-Key", rand.Text())
	}
	tries := c.options.Tries
	if k.tries > 0 {
		tries = k.tries
	}
	for try := 1; ; try++ {
		body, err := c.once(ctx, k)
		if err == nil || try >= tries || !worthAnother(err) {
			return body, err
		}
		if !sleep(ctx, c.pause(try, askedPause(err))) {
			return nil, err
		}
	}
}

// once sends the call a single time.
func (c *Client) once(ctx context.Context, k *call) ([]byte, error) {
	resp, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, &Unreachable{Server: c.Server(), Err: fmt.Errorf("the answer broke off: %w", err)}
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s is larger than %d bytes; ask for less with a limit", c.Server(), maxAnswer)
	}
	if resp.StatusCode/100 != 2 {
		return nil, answerError(resp, body)
	}
	return body, nil
}

// send sends the call and returns the answer with its body unread.
func (c *Client) send(ctx context.Context, k *call) (*http.Response, error) {
	target := c.Server() + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, bytes.NewReader(k.body))
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", c.Server(), err)
	}
	maps.Copy(req.Header, k.header)
	req.Header.Set("User-Agent", c.options.UserAgent)
	if k.kind != "" {
		req.Header.Set("Content-Type", k.kind)
	}
	if c.options.Actor != "" && k.method != http.MethodGet {
		req.Header.Set("Belay-Actor", c.options.Actor)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Unreachable{Server: c.Server(), Err: err}
	}
	return resp, nil
}

// worthAnother reports whether sending the same again may help.
func worthAnother(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Temporary()
	}
	_, ok := errors.AsType[*Unreachable](err)
	return ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func askedPause(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// backOff is 0.1 s, 0.2 s, 0.4 s … up to 5 s, up to a half more by chance, and
// no less than the server asks for.
func backOff(attempt int, least time.Duration) time.Duration {
	d := 100 * time.Millisecond << min(attempt-1, 6)
	d = min(d, 5*time.Second)
	return max(d+mathrand.N(d/2), least)
}

// sleep waits, and reports false when ctx ends first or would.
func sleep(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reasonOf cuts the method and URL off an error of net/http, which the caller
// names anyway.
func reasonOf(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		if why, ok := errors.AsType[syscall.Errno](op.Err); ok {
			return why
		}
		return op.Err
	}
	return err
}
