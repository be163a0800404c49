package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// canned is a connection that answers with given bytes and then ends.
type canned struct{ io.Reader }

func (canned) Write(p []byte) (int, error)      { return len(p), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

// ours reads an answer with this package.
func ours(method string, answer []byte) (*Answer, []byte, error) {
	e := newEndpoint(&url.URL{Scheme: "http", Host: "model.example"}, Limits{Idle: 1}.WithDefaults(), Network{
		Dial: func(context.Context, string, string) (net.Conn, error) { return canned{bytes.NewReader(answer)}, nil },
	})
	a, err := e.Do(context.Background(), &Request{Method: method, Target: "/", Header: http.Header{}})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	return a, body, err
}

// theirs reads an answer with net/http, interim heads passed over.
func theirs(method string, answer []byte) (*http.Response, []byte, error) {
	br := bufio.NewReader(bytes.NewReader(answer))
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode >= 200 {
			body, err := io.ReadAll(resp.Body)
			return resp, body, err
		}
	}
}

// FuzzAnswer holds this package's reading of answers against net/http's: what
// is taken here is taken there, and is the same answer. Here more is refused.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		ok + "Content-Length: 5\r\n\r\nhello",
		ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
		ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok + "Connection: close\r\n\r\nx",
		ok + "content-length: 2\nA: b\r\n c\r\n\r\nhi",
		ok + "Content-Length: 1, 1\r\n\r\nx",
		ok + "Content-Length : 1\r\n\r\nx",
		ok + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		a, body, err := ours(method, answer)
		if err != nil {
			return // Refusing is always safe: the baseline answers.
		}
		resp, want, theirErr := theirs(method, answer)
		if theirErr != nil {
			if !tolerated(theirErr) {
				t.Fatalf("taken here as %d %q, refused by net/http: %v", a.Status, body, theirErr)
			}
			return
		}
		if a.Status != resp.StatusCode || !bytes.Equal(body, want) {
			t.Fatalf("read as %d %q, by net/http as %d %q", a.Status, body, resp.StatusCode, want)
		}
		for name, values := range resp.Header {
			if !framing(name) && !slices.Equal(a.Header[name], values) {
				t.Fatalf("field %s is %q, by net/http %q", name, a.Header[name], values)
			}
		}
		for name := range a.Header {
			if _, there := resp.Header[name]; !there && !framing(name) {
				t.Fatalf("field %s: %q is not there by net/http", name, a.Header[name])
			}
		}
	})
}

// tolerated reports refusals of net/http that are no question of framing.
func tolerated(err error) bool {
	return strings.Contains(err.Error(), "bad trailer key") || strings.Contains(err.Error(), "trailer header")
}
