package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ok = "HTTP/1.1 200 OK\r\n"

func TestAnswersInEveryFraming(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		method string
		status int
		length int64
		body   string
		reused bool // the connection serves a second request
	}{
		"by length":                     {answer: ok + "Content-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello", reused: true},
		"an empty body":                 {answer: ok + "Content-Length: 0\r\n\r\n", status: 200, reused: true},
		"the same length twice":         {answer: ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello", reused: true},
		"in chunks":                     {answer: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", status: 200, length: -1, body: "hello", reused: true},
		"in chunks with extensions":     {answer: ok + "transfer-encoding: Chunked\r\n\r\n5;a=b \r\nhello\r\n0;x\r\n\r\n", status: 200, length: -1, body: "hello", reused: true},
		"no chunk at all":               {answer: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 200, length: -1, reused: true},
		"until the connection ends":     {answer: closed(ok + "\r\nhello"), status: 200, length: -1, body: "hello"},
		"HTTP/1.0":                      {answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello"},
		"the server closes":             {answer: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello"},
		"no content":                    {answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reused: true},
		"not modified has a length":     {answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", status: 304, reused: true},
		"HEAD has a length and no body": {answer: ok + "Content-Length: 99\r\n\r\n", method: http.MethodHead, status: 200, reused: true},
		"no reason phrase":              {answer: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello", reused: true},
		"an error":                      {answer: "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", status: 503, length: 4, body: "busy", reused: true},
		"bare line feeds":               {answer: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", status: 200, length: 5, body: "hello", reused: true},
		"interim answers first":         {answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", status: 200, length: 5, body: "hello", reused: true},
		"more than was announced":       {answer: ok + "Content-Length: 5\r\n\r\nhello, and more", status: 200, length: 5, body: "hello"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, tt.answer)
			e := endpointAt(t, s.addr, Limits{})
			for range 2 {
				r := get("/")
				if tt.method != "" {
					r.Method = tt.method
				}
				a, body, err := fetch(within(t), e, r)
				if err != nil {
					t.Fatal(err)
				}
				if a.Status != tt.status || a.Length != tt.length || body != tt.body {
					t.Errorf("status %d, length %d, body %q; want %d, %d, %q", a.Status, a.Length, body, tt.status, tt.length, tt.body)
				}
			}
			if want := map[bool]int64{true: 1, false: 2}[tt.reused]; s.accepted.Load() != want {
				t.Errorf("%d connections for two requests, want %d", s.accepted.Load(), want)
			}
		})
	}
}

func TestBrokenAnswersAreNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 8<<10)
	tests := map[string]struct {
		answer string
		want   Kind
		body   bool // only the body is broken
	}{
		"nothing at all":                   {answer: closing[:0], want: Timeout},
		"no HTTP":                          {answer: "SSH-2.0-OpenSSH_9.2\r\n", want: Malformed},
		"HTTP/2":                           {answer: "HTTP/2.0 200 OK\r\n\r\n", want: Malformed},
		"a status that is no number":       {answer: "HTTP/1.1 2x0 OK\r\n\r\n", want: Malformed},
		"a status of two digits":           {answer: "HTTP/1.1 20 OK\r\n\r\n", want: Malformed},
		"a status below 100":               {answer: "HTTP/1.1 099 Low\r\n\r\n", want: Malformed},
		"a status of four digits":          {answer: "HTTP/1.1 2000 OK\r\n\r\n", want: Malformed},
		"a field without a colon":          {answer: ok + "Content-Length\r\n\r\n", want: Malformed},
		"a space before the colon":         {answer: ok + "Content-Length : 5\r\n\r\nhello", want: Malformed},
		"a folded field":                   {answer: ok + "A: b\r\n c\r\n\r\n", want: Malformed},
		"a control character in a field":   {answer: ok + "A: b\x00c\r\n\r\n", want: Malformed},
		"two lengths":                      {answer: ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", want: Malformed},
		"a list of lengths":                {answer: ok + "Content-Length: 5, 5\r\n\r\nhello", want: Malformed},
		"a negative length":                {answer: ok + "Content-Length: -5\r\n\r\n", want: Malformed},
		"a length with a sign":             {answer: ok + "Content-Length: +5\r\n\r\nhello", want: Malformed},
		"a length beyond all bounds":       {answer: ok + "Content-Length: 99999999999999999999\r\n\r\n", want: Malformed},
		"a length and chunks":              {answer: ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: Malformed},
		"an unknown coding":                {answer: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", want: Malformed},
		"chunked twice":                    {answer: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: Malformed},
		"chunks in HTTP/1.0":               {answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: Malformed},
		"switching protocols":              {answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", want: Malformed},
		"interim answers without end":      {answer: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), want: Malformed},
		"a head beyond the bound":          {answer: ok + "A: " + long + "\r\n\r\n", want: Malformed},
		"a head of many fields":            {answer: ok + strings.Repeat("A:\r\n", 1001) + "\r\n", want: Malformed},
		"a head without an end":            {answer: long + long, want: Malformed},
		"a head that was cut":              {answer: closed("HTTP/1.1 200 OK\r\nContent-Le"), want: Broken},
		"a body that was cut":              {answer: closed(ok + "Content-Length: 500\r\n\r\nhello"), want: Cut, body: true},
		"a chunk that was cut":             {answer: closed(ok + "Transfer-Encoding: chunked\r\n\r\nff\r\nhello"), want: Cut, body: true},
		"a chunk without a size":           {answer: ok + "Transfer-Encoding: chunked\r\n\r\n\r\nhello", want: Malformed, body: true},
		"a chunk behind a bare line feed":  {answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", want: Malformed, body: true},
		"a chunk of a strange size":        {answer: ok + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello", want: Malformed, body: true},
		"a chunk beyond all bounds":        {answer: ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", want: Malformed, body: true},
		"a chunk that is longer than said": {answer: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", want: Malformed, body: true},
		"a chunk extension beyond bounds":  {answer: ok + "Transfer-Encoding: chunked\r\n\r\n5;" + long + "\r\nhello\r\n", want: Malformed, body: true},
		"trailers beyond bounds":           {answer: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + long + "\r\n\r\n", want: Malformed, body: true},
		"silence within a body":            {answer: ok + "Content-Length: 500\r\n\r\nhello", want: Timeout, body: true},
		"silence within chunks":            {answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello", want: Timeout, body: true},
		"silence within a head":            {answer: ok + "Content-Le", want: Timeout},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, tt.answer)
			e := endpointAt(t, s.addr, Limits{HeadSize: 4 << 10, Head: 200 * time.Millisecond, Silence: 200 * time.Millisecond})
			a, err := e.Do(within(t), get("/"))
			if tt.body {
				if err != nil {
					t.Fatalf("the head failed: %v", err)
				}
				_, err = io.ReadAll(a.Body)
				_ = a.Body.Close()
			}
			if KindOf(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if n := e.Idle(); n != 0 {
				t.Errorf("%d connections are kept after a failure", n)
			}
		})
	}
}

func TestAConnectionThatBreaksBeforeTheHead(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = http.ReadRequest(br)
		_ = c.(*net.TCPConn).SetLinger(0) // A reset, not an end.
	})
	_, err := endpointAt(t, s.addr, Limits{}).Do(within(t), get("/"))
	if KindOf(err) != Broken {
		t.Errorf("got %v, want %s", err, Broken)
	}
	if s.accepted.Load() != 1 {
		t.Errorf("%d connections: a fresh one that breaks is not tried again", s.accepted.Load())
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if _, err = endpointAt(t, addr, Limits{}).Do(within(t), get("/")); KindOf(err) != Refused {
		t.Errorf("got %v, want %s", err, Refused)
	}
}

func TestAnAddressThatCannotBeReachedInTime(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := endpointAt(t, "model.example:80", Limits{Connect: 20 * time.Millisecond})
	e.pool.network.Dial = hang
	if _, err := e.Do(within(t), get("/")); KindOf(err) != Timeout {
		t.Errorf("got %v, want %s", err, Timeout)
	}
	e.pool.network.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("no such host")}
	}
	if _, err := e.Do(within(t), get("/")); KindOf(err) != Connect {
		t.Errorf("got %v, want %s", err, Connect)
	}
}

func TestTheCallerGoesAway(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"before the head":   "",
		"within the answer": ok + "Content-Length: 500\r\n\r\nhello",
		"between chunks":    ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, answer)
			e := endpointAt(t, s.addr, Limits{})
			ctx, cancel := context.WithCancel(within(t))
			time.AfterFunc(50*time.Millisecond, cancel)
			began := time.Now()
			_, _, err := fetch(ctx, e, post("x"))
			if KindOf(err) != Cancelled || time.Since(began) > patience/2 {
				t.Errorf("got %v after %v, want %s at once", err, time.Since(began), Cancelled)
			}
			if e.Idle() != 0 {
				t.Error("the connection of a cancelled request was kept")
			}
		})
	}
}

func TestTheHeaderIsHandedOn(t *testing.T) {
	t.Parallel()
	s := answering(t, ok+"content-type:  application/json \r\nX-Two: a\r\nx-two: b\r\nEmpty:\r\nContent-Length: 2\r\n\r\n{}")
	a, _, err := fetch(within(t), endpointAt(t, s.addr, Limits{}), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Content-Type": {"application/json"}, "X-Two": {"a", "b"}, "Empty": {""}, "Content-Length": {"2"}}
	if d := cmp.Diff(want, a.Header); d != "" {
		t.Errorf("header (-want +got):\n%s", d)
	}
}

func TestTrailersComeAfterTheBody(t *testing.T) {
	t.Parallel()
	s := answering(t, ok+"Transfer-Encoding: chunked\r\nTrailer: X-Sum, X-None\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\nContent-Length: 9\r\n\r\n")
	e := endpointAt(t, s.addr, Limits{})
	a, err := e.Do(within(t), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(http.Header{"X-Sum": nil, "X-None": nil}, a.Trailer); d != "" {
		t.Errorf("announced (-want +got):\n%s", d)
	}
	if _, err := io.ReadAll(a.Body); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(http.Header{"X-Sum": {"7"}, "X-None": nil, "X-More": {"8"}}, a.Trailer); d != "" {
		t.Errorf("sent (-want +got):\n%s", d)
	}
	if e.Idle() != 1 {
		t.Error("the connection was not kept after the trailers")
	}
}

func TestHintsAreToldInOrder(t *testing.T) {
	t.Parallel()
	s := answering(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok+"Content-Length: 0\r\n\r\n")
	r := get("/")
	var hints []string
	r.Hint = func(status int, h http.Header) { hints = append(hints, http.StatusText(status)+" "+h.Get("Link")) }
	if _, _, err := fetch(within(t), endpointAt(t, s.addr, Limits{}), r); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Early Hints </a>"}, hints); d != "" {
		t.Errorf("hints (-want +got):\n%s", d)
	}
}

func TestPiecesArriveWhenTheyAreSent(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	s := serve(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = http.ReadRequest(br)
		_, _ = io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n")
		for range 3 {
			_, _ = io.WriteString(c, "5\r\nhello\r\n")
			<-next
		}
		_, _ = io.WriteString(c, "0\r\n\r\n")
	})
	a, err := endpointAt(t, s.addr, Limits{}).Do(within(t), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	buf := make([]byte, 1024)
	for i := range 3 {
		if n, err := a.Body.Read(buf); err != nil || string(buf[:n]) != "hello" {
			t.Fatalf("piece %d: %q, %v", i, buf[:n], err)
		}
		next <- struct{}{}
	}
	if n, err := a.Body.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

func TestAnUnreadAnswerThatHasArrivedGivesItsConnectionBack(t *testing.T) {
	t.Parallel()
	s := answering(t, "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\noops!")
	e := endpointAt(t, s.addr, Limits{})
	for range 5 {
		a, err := e.Do(within(t), get("/"))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("reading after Close: %v", err)
		}
	}
	if got := s.accepted.Load(); got > 2 { // The body may lag behind its head once in a while.
		t.Errorf("%d connections for five failures", got)
	}
}

func TestAnAnswerGivenUpClosesItsConnection(t *testing.T) {
	t.Parallel()
	s := answering(t, ok+"Content-Length: 500000\r\n\r\nhello")
	e := endpointAt(t, s.addr, Limits{})
	a, err := e.Do(within(t), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if e.Idle() != 0 {
		t.Error("a connection in the middle of an answer was kept")
	}
}
