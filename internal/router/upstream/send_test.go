package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// received is a request as a server read it.
type received struct {
	Method, Target, Host string
	Header               http.Header
	Encoding             []string
	Length               int64
	Body                 string
	Trailer              http.Header
}

// recording answers every request with 200 and hands on what it read.
func recording(t *testing.T) (*scripted, chan received) {
	t.Helper()
	got := make(chan received, 16)
	return serve(t, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			got <- received{
				Method: req.Method, Target: req.RequestURI, Host: req.Host, Header: req.Header, Encoding: req.TransferEncoding,
				Length: req.ContentLength, Body: string(body), Trailer: req.Trailer,
			}
			_, _ = io.WriteString(c, ok+"Content-Length: 0\r\n\r\n")
		}
	}), got
}

func TestWhatIsSentIsWhatWasMeant(t *testing.T) {
	t.Parallel()
	header := http.Header{"X-A": {"1", "2"}, "Host": {"evil"}, "Content-Length": {"999"}, "Transfer-Encoding": {"gzip"}, "Connection": {"close"}}
	kept := http.Header{"X-A": {"1", "2"}}
	withLength := func(n string) http.Header { return http.Header{"X-A": {"1", "2"}, "Content-Length": {n}} }
	long := strings.Repeat("0123456789abcdef", 10_000)
	tests := map[string]struct {
		r    *Request
		want received
	}{
		"no body":            {&Request{Method: "GET", Target: "/p?q=1&r=%2F", Header: header}, received{Method: "GET", Target: "/p?q=1&r=%2F", Header: kept}},
		"a post of nothing":  {&Request{Method: "POST", Target: "/", Header: header}, received{Method: "POST", Target: "/", Header: withLength("0")}},
		"a small body":       {&Request{Method: "POST", Target: "/", Header: header, Body: &Body{Bytes: []byte("hello")}}, received{Method: "POST", Target: "/", Header: withLength("5"), Length: 5, Body: "hello"}},
		"an empty body":      {&Request{Method: "PUT", Target: "/", Header: header, Body: &Body{}}, received{Method: "PUT", Target: "/", Header: withLength("0")}},
		"a body of 160 kB":   {&Request{Method: "POST", Target: "/", Header: header, Body: &Body{Bytes: []byte(long)}}, received{Method: "POST", Target: "/", Header: withLength("160000"), Length: 160_000, Body: long}},
		"a stream of a size": {&Request{Method: "POST", Target: "/", Header: header, Body: stream(strings.NewReader(long), 160_000).Body}, received{Method: "POST", Target: "/", Header: withLength("160000"), Length: 160_000, Body: long}},
		"a stream":           {&Request{Method: "POST", Target: "/", Header: header, Body: stream(strings.NewReader(long), -1).Body}, received{Method: "POST", Target: "/", Header: kept, Length: -1, Encoding: []string{"chunked"}, Body: long}},
		"an empty stream":    {&Request{Method: "POST", Target: "/", Header: header, Body: stream(strings.NewReader(""), -1).Body}, received{Method: "POST", Target: "/", Header: kept, Length: -1, Encoding: []string{"chunked"}}},
		"a line end in a value": {
			&Request{Method: "GET", Target: "/", Header: http.Header{"X-A": {"1\r\nX-B: 2"}}},
			received{Method: "GET", Target: "/", Header: http.Header{"X-A": {"1  X-B: 2"}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := recording(t)
			e := endpointAt(t, s.addr, Limits{})
			if _, _, err := fetch(within(t), e, tt.r); err != nil {
				t.Fatal(err)
			}
			tt.want.Host = s.addr
			if d := cmp.Diff(tt.want, <-got); d != "" {
				t.Errorf("received (-want +got):\n%s", d)
			}
			if tt.r.Body != nil {
				tt.r.Body.Wait()
			}
			if e.Idle() != 1 {
				t.Error("the connection was not kept")
			}
		})
	}
}

func TestTheAddressMayHaveAPath(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"/served/v7/": "/served/v7/v2/health/ready", "/a%20b": "/a%20b/v2/health/ready", "": "/v2/health/ready", "/": "/v2/health/ready"} {
		s, got := recording(t)
		u, err := url.Parse("http://" + s.addr + base)
		if err != nil {
			t.Fatal(err)
		}
		e := newEndpoint(u, Limits{}.WithDefaults(), Network{})
		t.Cleanup(e.pool.close)
		if _, _, err := fetch(within(t), e, get("/v2/health/ready")); err != nil {
			t.Fatal(err)
		}
		if r := <-got; r.Target != want {
			t.Errorf("under %q the target was %q, want %q", base, r.Target, want)
		}
	}
}

func TestTrailersFollowAStream(t *testing.T) {
	t.Parallel()
	s, got := recording(t)
	r := stream(strings.NewReader("hello"), -1)
	r.Body.Trailer = http.Header{"X-Sum": nil}
	inner := r.Body.Open()
	r.Body.Open = func() io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(inner, atEnd(func() { r.Body.Trailer["X-Sum"] = []string{"7"} })), inner}
	}
	if _, _, err := fetch(within(t), endpointAt(t, s.addr, Limits{}), r); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(http.Header{"X-Sum": {"7"}}, (<-got).Trailer); d != "" {
		t.Errorf("trailer (-want +got):\n%s", d)
	}
}

// atEnd is an empty reader that calls f.
type atEnd func()

func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestAnyStreamArrivesWhole(t *testing.T) {
	t.Parallel()
	s, got := recording(t)
	e := endpointAt(t, s.addr, Limits{})
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 5000), 0, 20).Draw(t, "pieces")
		var readers []io.Reader
		var whole []byte
		for _, p := range pieces {
			readers = append(readers, bytes.NewReader(p))
			whole = append(whole, p...)
		}
		length := int64(-1)
		if rapid.Bool().Draw(t, "sized") {
			length = int64(len(whole))
		}
		r := stream(io.MultiReader(readers...), length)
		a, err := e.Do(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if g := <-got; g.Body != string(whole) {
			t.Fatalf("%d bytes arrived, %d were sent", len(g.Body), len(whole))
		}
		r.Body.Wait()
	})
}

func TestABodyThatItsCallerCannotSend(t *testing.T) {
	t.Parallel()
	gone := errors.New("the caller hung up")
	tests := map[string]struct {
		body   io.Reader
		length int64
	}{
		"an error in a stream":       {io.MultiReader(strings.NewReader("hello"), failing{gone}), -1},
		"an error in a sized stream": {io.MultiReader(strings.NewReader("hello"), failing{gone}), 500},
		"an end before the end":      {strings.NewReader("hello"), 500},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := recording(t)
			e := endpointAt(t, s.addr, Limits{})
			r := stream(tt.body, tt.length)
			_, err := e.Do(within(t), r)
			if KindOf(err) != Unsent {
				t.Errorf("got %v, want %s", err, Unsent)
			}
			r.Body.Wait()
			if e.Idle() != 0 || len(got) != 0 {
				t.Errorf("%d connections kept, %d requests received", e.Idle(), len(got))
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A server may answer before it has read the whole request. The answer counts,
// the rest is not sent for ever, and the connection is not used again.
func TestAnEarlyAnswerEndsTheSending(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = br.ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
		_, _ = io.Copy(io.Discard, br)
	})
	e := endpointAt(t, s.addr, Limits{})
	pr, pw := io.Pipe()
	r := stream(pr, -1)
	a, body, err := fetch(within(t), e, r)
	if err != nil || a.Status != http.StatusRequestEntityTooLarge || body != "no!" {
		t.Fatalf("answer %+v %q, %v", a, body, err)
	}
	_ = pw.CloseWithError(io.ErrClosedPipe) // What the router does at the end.
	r.Body.Wait()
	if e.Idle() != 0 {
		t.Error("a connection with half a request was kept")
	}
}

// Both sides at once: each piece is answered before the next is sent.
func TestStreamsRunInBothDirectionsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c net.Conn, br *bufio.Reader) {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n")
		buf := make([]byte, 5)
		for {
			if _, err := io.ReadFull(req.Body, buf); err != nil {
				_, _ = io.WriteString(c, "0\r\n\r\n")
				return
			}
			_, _ = io.WriteString(c, "5\r\n"+strings.ToUpper(string(buf))+"\r\n")
		}
	})
	pr, pw := io.Pipe()
	r := stream(pr, -1)
	e := endpointAt(t, s.addr, Limits{})
	a, err := e.Do(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	for _, word := range []string{"hello", "there", "again"} {
		_, _ = io.WriteString(pw, word)
		n, err := a.Body.Read(buf)
		if err != nil || string(buf[:n]) != strings.ToUpper(word) {
			t.Fatalf("%q came back as %q, %v", word, buf[:n], err)
		}
	}
	_ = pw.Close()
	if rest, err := io.ReadAll(a.Body); err != nil || len(rest) != 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	r.Body.Wait()
	if e.Idle() != 1 {
		t.Error("the connection was not kept after both sides ended")
	}
}

func TestAServerThatReadsNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	quiet := make(chan struct{})
	s := serve(t, func(net.Conn, *bufio.Reader) { <-quiet })
	t.Cleanup(sync.OnceFunc(func() { close(quiet) }))
	for name, r := range map[string]*Request{
		"a small body": post("hello"),
		"a stream":     stream(endless{}, -1),
	} {
		t.Run(name, func(t *testing.T) {
			e := endpointAt(t, s.addr, Limits{Head: 100 * time.Millisecond})
			_, err := e.Do(within(t), r)
			if KindOf(err) != Timeout {
				t.Errorf("got %v, want %s", err, Timeout)
			}
			r.Body.Wait()
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
