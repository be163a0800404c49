package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scripted is a server that answers what a test says, byte by byte.
type scripted struct {
	addr     string
	accepted atomic.Int64
}

// serve starts a server whose connections are handled by handle, one at a time
// each; the connection is closed when handle returns.
func serve(t *testing.T, handle func(c net.Conn, br *bufio.Reader)) *scripted {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{addr: l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				handle(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return s
}

// answering answers every request with the same bytes, after reading it.
func answering(t *testing.T, answer string) *scripted {
	t.Helper()
	answer, closes := strings.CutSuffix(answer, closing)
	return serve(t, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
			if closes {
				return
			}
		}
	})
}

// closing at the end of an answer means that the server closes the connection.
const closing = "<closing>"

func closed(answer string) string { return answer + closing }

// endpointAt returns an endpoint of an address that is not probed.
func endpointAt(t *testing.T, addr string, l Limits) *Endpoint {
	t.Helper()
	e := newEndpoint(&url.URL{Scheme: "http", Host: addr}, l.WithDefaults(), Network{})
	t.Cleanup(e.pool.close)
	return e
}

func get(target string) *Request {
	return &Request{Method: http.MethodGet, Target: target, Header: http.Header{}}
}

func post(body string) *Request {
	return &Request{Method: http.MethodPost, Target: "/", Header: http.Header{}, Body: &Body{Bytes: []byte(body)}}
}

// stream is a request whose body comes from a reader.
func stream(src io.Reader, length int64) *Request {
	r := post("")
	once := sync.OnceValue(func() io.ReadCloser { return io.NopCloser(src) })
	opened := false
	r.Body = &Body{Length: length, Open: func() io.ReadCloser {
		if opened {
			return nil
		}
		opened = true
		return once()
	}}
	return r
}

// fetch sends a request and reads the whole answer.
func fetch(ctx context.Context, e *Endpoint, r *Request) (*Answer, string, error) {
	a, err := e.Do(ctx, r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	return a, string(body), err
}

// patience bounds what a test waits for.
const patience = 5 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test waited too long"))
	t.Cleanup(cancel)
	return ctx
}
