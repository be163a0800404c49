package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstreamOf starts a server that answers as a model does.
func upstreamOf(t *testing.T, answer func(n int64, w http.ResponseWriter)) (addr string, seen *atomic.Int64) {
	t.Helper()
	seen = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(seen.Add(1), w)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), seen
}

func baseline(w io.Writer) { _, _ = io.WriteString(w, "{"+ModelMark+`a"}`) }

func TestOpenTrafficCountsWhatComesBack(t *testing.T) {
	t.Parallel()
	addr, seen := upstreamOf(t, func(n int64, w http.ResponseWriter) {
		if n%10 == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
		if n%5 == 1 {
			_, _ = io.WriteString(w, "{"+CandidateMark+"}")
		} else {
			baseline(w)
		}
	})
	got, err := Open{Addr: addr, Rate: 500, For: time.Second, Conns: 32, Seed: 1}.Run()
	if err != nil {
		t.Fatal(err)
	}
	// 500 arrivals are 500 +- 22.
	if got.Sent < 390 || got.Sent > 610 || int64(got.Sent) != seen.Load() {
		t.Errorf("%d sent, %d seen", got.Sent, seen.Load())
	}
	n := got.Delay.N
	if n > got.Sent || n < got.Sent-32 || got.Broken != 0 {
		t.Errorf("%d of %d are answered, %d broken", n, got.Sent, got.Broken)
	}
	if got.Failed < n/10-4 || got.Failed > n/10+1 || got.Candidate < n/5-7 || got.Candidate > n/5+1 {
		t.Errorf("%d of %d failed, %d by the candidate", got.Failed, n, got.Candidate)
	}
	if got.Delay.P50 <= 0 || got.Lag.N != got.Sent || got.Lag.P50 > got.Delay.P50 {
		t.Errorf("delays %+v, lags %+v", got.Delay, got.Lag)
	}
}

// A server that takes 20 ms at a time and is asked every 10 ms: who counts from
// the sending sees 20 ms; who was to be sent last waits for all before.
func TestWaitingForASlowAnswerCounts(t *testing.T) {
	t.Parallel()
	addr, _ := upstreamOf(t, func(_ int64, w http.ResponseWriter) {
		time.Sleep(20 * time.Millisecond)
		baseline(w)
	})
	got, err := Open{Addr: addr, Rate: 100, For: time.Second, Conns: 1, Seed: 1}.Run()
	if err != nil {
		t.Fatal(err)
	}
	if got.Delay.P50 < 100*time.Millisecond || got.Delay.Max < 300*time.Millisecond || got.Lag.Max < 300*time.Millisecond {
		t.Errorf("delays %+v, lags %+v", got.Delay, got.Lag)
	}
	// What was never sent counts, too.
	if got.Delay.N < 70 || got.Delay.N <= got.Sent {
		t.Errorf("%d delays of %d that were sent", got.Delay.N, got.Sent)
	}
}

func TestTheWarmUpDoesNotCount(t *testing.T) {
	t.Parallel()
	addr, _ := upstreamOf(t, func(int64, http.ResponseWriter) {})
	got, err := Open{Addr: addr, Rate: 300, Warm: 500 * time.Millisecond, For: 500 * time.Millisecond, Conns: 16, Seed: 1}.Run()
	if err != nil {
		t.Fatal(err)
	}
	if share := float64(got.Delay.N) / float64(got.Sent); share < 0.3 || share > 0.7 {
		t.Errorf("%d of %d count", got.Delay.N, got.Sent)
	}
}

func TestBrokenConnectionsAreCountedAndOpenedAnew(t *testing.T) {
	t.Parallel()
	addr, _ := upstreamOf(t, func(n int64, w http.ResponseWriter) {
		if n%10 == 0 {
			panic(http.ErrAbortHandler)
		}
		baseline(w)
	})
	got, err := Open{Addr: addr, Rate: 300, For: time.Second, Conns: 8, Seed: 1}.Run()
	if err != nil {
		t.Fatal(err)
	}
	if got.Broken < 15 || got.Failed != got.Broken || got.Delay.N < 200 {
		t.Errorf("%d broken, %d failed of %d", got.Broken, got.Failed, got.Delay.N)
	}
	addr, _ = upstreamOf(t, func(int64, http.ResponseWriter) { panic(http.ErrAbortHandler) })
	if got, err := (Open{Addr: addr, Rate: 1000, For: time.Second, Conns: 8}).Run(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a server that breaks everything: %+v, %v", got, err)
	}
}

func TestMistakesOfTheCallerAreNamed(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Open{
		"no address": {Addr: "localhost", Rate: 1, For: time.Second, Conns: 1}, "no rate": {Addr: "127.0.0.1:1", For: time.Second, Conns: 1},
		"nobody there": {Addr: "127.0.0.1:1", Rate: 1, For: time.Second, Conns: 1},
	} {
		if _, err := o.Run(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, _, err := NewStreamer(Streams{}); err == nil {
		t.Error("no streams: no error")
	}
}

// streamed measures a few streams through what front makes of the upstreams.
func streamed(t *testing.T, s Streams, front func(addrs [2]string) string) (Streamed, error) {
	t.Helper()
	l, addrs, err := NewStreamer(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		_, _ = io.WriteString(w, front(addrs)+"\n")
	}()
	addr, err := l.Await(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return l.Run(addr)
}

func TestStreamsAreMeasuredWithAndWithoutAProxy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		front     func(addrs [2]string) string
		candidate int
	}{
		"to the baseline":  {func(addrs [2]string) string { return addrs[0] }, 0},
		"to the candidate": {func(addrs [2]string) string { return addrs[1] }, 10},
		"through a proxy": {func(addrs [2]string) string {
			var n atomic.Int64
			proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: addrs[n.Add(1)%2]})
			}}
			// Without full duplex the server closes the body of a request that is
			// answered while the proxy is about to read its end, and the proxy then
			// gives the stream up.
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				proxy.ServeHTTP(w, r)
			}))
			t.Cleanup(s.CloseClientConnections)
			return strings.TrimPrefix(s.URL, "http://")
		}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := streamed(t, Streams{Streams: 10, Rate: 50, Warm: 100 * time.Millisecond, For: 500 * time.Millisecond}, tt.front)
			if err != nil {
				t.Fatal(err)
			}
			// 10 streams of 50 events a second for 0.6 s are 300 events, where the
			// machine has time for them.
			if got.Sent < 100 || got.Sent > 310 || got.Received > got.Sent || got.Received < got.Sent*2/3 || got.Candidate != tt.candidate {
				t.Errorf("%d sent, %d received, %d streams of the candidate", got.Sent, got.Received, got.Candidate)
			}
			if got.Delay.N == 0 || got.Delay.P50 <= 0 || got.Delay.P50 > time.Second || got.Gap.P50 < time.Millisecond {
				t.Errorf("delays %+v, gaps %+v", got.Delay, got.Gap)
			}
		})
	}
}

func TestAnUpstreamAnswersProbesBeforeTheStreams(t *testing.T) {
	t.Parallel()
	got, err := streamed(t, Streams{Streams: 1, Rate: 10, For: 100 * time.Millisecond}, func(addrs [2]string) string {
		for _, addr := range addrs {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v2/health/ready", nil)
			if err != nil {
				return err.Error()
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				return err.Error()
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK || string(text) != "{}" {
				return string(text)
			}
		}
		return addrs[0]
	})
	if err != nil || got.Sent == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAStreamThatIsRefusedEndsTheMeasurement(t *testing.T) {
	t.Parallel()
	_, err := streamed(t, Streams{Streams: 1, Rate: 10, For: time.Second}, func([2]string) string {
		addr, _ := upstreamOf(t, func(_ int64, w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) })
		return addr
	})
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
}

func TestIdleConnectionsStayOpenUntilTheyAreShut(t *testing.T) {
	t.Parallel()
	open := atomic.Int64{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{"+CandidateMark+"}") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	addr := strings.TrimPrefix(s.URL, "http://")
	shut, err := Idle(t.Context(), addr, 50)
	if err != nil || open.Load() != 50 {
		t.Fatalf("%d are open, %v", open.Load(), err)
	}
	shut()
	for end := time.Now().Add(20 * time.Second); open.Load() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d are open after all were shut", open.Load())
		}
	}
	conn, candidate, err := Ask(t.Context(), addr, "u")
	if err != nil || !candidate {
		t.Fatalf("the candidate answers: %v, %v", candidate, err)
	}
	_ = conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Idle(ctx, addr, 1); err == nil {
		t.Error("opened for nobody")
	}
	empty, _ := upstreamOf(t, func(int64, http.ResponseWriter) {})
	if _, err := Idle(t.Context(), empty, 1); err == nil || !strings.Contains(err.Error(), "in place of a model") {
		t.Errorf("a proxy that answers by itself is told as %v", err)
	}
	if err := Look(t.Context(), empty); err != nil {
		t.Errorf("it answers, and is said to fail: %v", err)
	}
	refusing, _ := upstreamOf(t, func(_ int64, w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) })
	if _, err := Idle(t.Context(), refusing, 1); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("a refusal is told as %v", err)
	}
}
