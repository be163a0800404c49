package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/upstream"
)

func TestLatencyIsTheTimeToTheWholeAnswer(t *testing.T) {
	t.Parallel()
	slow := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(60 * time.Millisecond)
		_, _ = io.WriteString(w, "b")
	}
	w, _, _ := behind(t, Limits{}, slow, slow)
	w.swap(t, 5000, plan{protocol: table.HTTP})
	for i := range 10 {
		if a := w.do(t, http.MethodGet, "/", "", fmt.Sprint("X-User-Id: u", i)); a.body != "ab" {
			t.Fatalf("body %q", a.body)
		}
	}
	s := w.collected(t, sticky, 10)
	base := layoutOf(sticky).Sketches[0]
	for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
		side := s.side(0, arm)
		if got := side.Latency[0].Above(base.Index(55 * time.Millisecond)); got != side.Requests || got == 0 {
			t.Errorf("%s: %d of %d requests took 55 ms or more", arm, got, side.Requests)
		}
	}
}

func TestWarmUpLeavesOutLatencyAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, split.Whole, plan{warmUp: time.Now().Add(time.Hour)})
	w.candidate.SetErrors(1, 500)
	w.infer(t, "u1")
	c := w.collected(t, sticky, 1).side(0, split.Candidate)
	if c.Requests != 1 || c.Rates[0].K != 1 || c.Latency[0].Total() != 0 {
		t.Errorf("%d requests, %d errors, %d latencies; want 1, 1, 0", c.Requests, c.Rates[0].K, c.Latency[0].Total())
	}
	w.swap(t, split.Whole, plan{stratum: 1, warmUp: time.Now().Add(-time.Second)})
	w.infer(t, "u1")
	var after seen
	after.collect(w, layoutOf(sticky))
	if got := after.side(1, split.Candidate).Latency[0].Total(); got != 1 {
		t.Errorf("%d latencies after the warm-up, want 1", got)
	}
}

func TestTheBaselinesErrorsCountToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{})
	for _, status := range []int{500, 429, 404, 200} {
		w.baseline.SetErrors(map[bool]float64{true: 1, false: 0}[status != 200], max(status, 400))
		if a := w.infer(t, "u"); a.status != status {
			t.Errorf("status %d, want %d", a.status, status)
		}
	}
	b := w.collected(t, sticky, 4).side(0, split.Baseline)
	if b.Rates[0].K != 2 || b.Rates[1].K != 1 || b.Shielded != 0 {
		t.Errorf("%d errors, %d client errors of 4", b.Rates[0].K, b.Rates[1].K)
	}
}

func TestABrokenStreamedAnswerIsAnErrorAfterTheFact(t *testing.T) {
	t.Parallel()
	half := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush() // In chunks: not read beforehand.
		}
	}
	w, _, _ := behind(t, Limits{}, half(`{"outputs":[]}`), half(`{"outputs":[`))
	for i, weight := range []uint32{0, split.Whole} {
		w.swap(t, weight, plan{stratum: uint8(i)})
		if a := w.infer(t, "u"); a.status != 200 || a.header.Get(shieldedField) != "" {
			t.Errorf("status %d, shielded %q", a.status, a.header.Get(shieldedField))
		}
	}
	var s seen
	waitFor(t, "both to be counted", func() bool {
		s.collect(w, layoutOf(sticky))
		return s.requests(0) == 1 && s.requests(1) == 1
	})
	if good, bad := s.side(0, split.Baseline).Rates[0].K, s.side(1, split.Candidate).Rates[0].K; good != 0 || bad != 1 {
		t.Errorf("%d errors for the whole answer, %d for the half one", good, bad)
	}
}

// The sum of all batches is what was sent, whatever happens at once: callers,
// swaps between strata, rescues, and a collector.
func TestCollectLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 5000, plan{})
	w.candidate.SetErrors(0.3, 500)
	const callers, each, strata = 12, 60, 4
	var sent [strata][split.Arms]atomic.Uint64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				a, err := w.try(fmt.Sprintf("u%d-%d", c, i%20), inferBody)
				if err != nil || a.status != http.StatusOK {
					t.Errorf("caller %d: %d, %v", c, a.status, err)
					continue
				}
				e, err := w.signer.Read(a.header.Get(assignmentField))
				if err != nil {
					t.Error(err)
					continue
				}
				if e.Stratum != table.NoStratum {
					sent[e.Stratum][e.Arm].Add(1)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var got seen
	for i, running := 0, true; running; i++ {
		select {
		case <-done:
			running = false
		case <-time.After(7 * time.Millisecond):
			w.swap(t, 5000, plan{stratum: uint8(i % strata)})
			got.collect(w, layoutOf(sticky))
		}
	}
	got.collect(w, layoutOf(sticky))
	for stratum := range uint8(strata) {
		for arm := range split.Arms {
			if g, s := got.side(stratum, arm).Requests, sent[stratum][arm].Load(); g != s {
				t.Errorf("stratum %d, %s: %d collected, %d sent", stratum, arm, g, s)
			}
		}
	}
}

// A request that is under way when its rollout leaves the table still counts.
func TestARequestThatOutlivesItsRolloutIsCounted(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	w, _, _ := behind(t, Limits{}, nil, func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-leave
	})
	w.swap(t, split.Whole, plan{protocol: table.HTTP, stratum: 3})
	ended := make(chan answered)
	go func() {
		a, err := w.try("u", inferBody)
		if err != nil {
			t.Error(err)
		}
		ended <- a
	}()
	<-entered
	if s := w.state(t); s.InFlight != 1 {
		t.Errorf("%d in flight, want 1", s.InFlight)
	}
	w.swap(t, 0, plan{protocol: table.HTTP, alone: true})
	for range 3 {
		if got := w.router.Collect(); len(got) != 0 {
			t.Errorf("collected %+v before the request ended", got)
		}
	}
	close(leave)
	if a := <-ended; a.status != 200 || a.arm() != "candidate" {
		t.Errorf("status %d from the %s", a.status, a.arm())
	}
	var got seen
	waitFor(t, "the late request", func() bool {
		got.collect(w, layoutOf(sticky))
		return got.requests(3) == 1
	})
}

func TestEndpointsAreReadyBeforeTrafficAndKeptWhileNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.swap(t, 0, plan{})
	waitFor(t, "both to be found ready and warm", func() bool {
		s := w.state(t)
		return s.Baseline.State == upstream.Ready && s.Candidate.State == upstream.Ready && w.router.Stats().Idle >= 4
	})
	if w.candidate.Started() != 0 {
		t.Error("a probe was a request")
	}
	w.candidate.SetReady(false)
	waitFor(t, "the candidate to be found failing", func() bool { return w.state(t).Candidate.State == upstream.Failing })
	_ = w.candidate.Refuse()
	waitFor(t, "the candidate to be found dead", func() bool { return w.state(t).Candidate.State == upstream.Dead })
	if s := w.state(t); s.CutOff != nil {
		t.Errorf("probes cut the candidate off: %+v", s.CutOff)
	}
	w.swap(t, 0, plan{alone: true})
	probes := w.baseline.ProbeCount()
	waitFor(t, "the baseline to be probed on", func() bool { return w.baseline.ProbeCount() > probes+1 })
}

func TestAProbeThatFailsKeepsNoTrafficAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Limits{})
	w.candidate.SetReady(false)
	w.swap(t, split.Whole, plan{})
	waitFor(t, "the candidate to be found failing", func() bool { return w.state(t).Candidate.State == upstream.Failing })
	if a := w.infer(t, "u"); a.arm() != "candidate" || a.status != 200 {
		t.Errorf("status %d from the %s", a.status, a.arm())
	}
}

// In virtual time, over pipes: a candidate that hangs for its whole 30 seconds
// is shielded within the caller's patience, and counts 30 seconds.
func TestAHangingCandidateInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		versions := map[string]http.HandlerFunc{
			"baseline.example:80":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
			"candidate.example:80": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		}
		r := New(Options{
			Signer:  assignment.NewSigner(make([]byte, assignment.KeySize)),
			Network: upstream.Network{Dial: pipeDialer(versions)},
		})
		defer func() {
			_ = r.Shutdown(context.Background())
			synctest.Wait()
		}()
		layout := layoutOf(sticky)
		if err := r.Swap(table.Build(1, []*table.Route{{
			Model: "m", Protocol: table.HTTP, Unit: sticky,
			Baseline: table.Version{Name: "v1", URL: &url.URL{Scheme: "http", Host: "baseline.example:80"}},
			Split: &table.Split{
				Rollout: rolloutNumber, Name: "m-v2", Weight: split.Whole, Layout: layout, Shield: true,
				Candidate: table.Version{Name: "v2", URL: &url.URL{Scheme: "http", Host: "candidate.example:80"}},
			},
		}})); err != nil {
			t.Fatal(err)
		}
		rec := &recorder{header: http.Header{}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.RequestURI, req.RemoteAddr = "/", "192.0.2.1:5000"
		req.Header.Set("X-User-Id", "u")
		began := time.Now()
		r.ServeHTTP(rec, req)
		if took := time.Since(began); rec.status != 200 || rec.body != "ok" || took != 30*time.Second {
			t.Errorf("status %d, body %q after %v; want the baseline's after 30 s", rec.status, rec.body, took)
		}
		c := evidence.NewStratum(layout)
		for _, b := range r.Collect() {
			c.Merge(b.Delta)
		}
		base := layout.Sketches[0]
		side := c.Sides[split.Candidate]
		if side.Requests != 1 || side.Rates[0].K != 1 || side.Latency[0].Above(base.Index(29900*time.Millisecond)) != 1 {
			t.Errorf("%d requests, %d errors, latency %v", side.Requests, side.Rates[0].K, side.Latency[0].Quantile(base, 0.5))
		}
	})
}

// recorder is a response that is simply kept.
type recorder struct {
	header http.Header
	status int
	body   string
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }
func (r *recorder) Write(p []byte) (int, error) {
	r.body += string(p)
	return len(p), nil
}

// pipeDialer connects to handlers by address, in memory.
func pipeDialer(versions map[string]http.HandlerFunc) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, address string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.UserAgent() != "belay-probe" {
					versions[address](w, r)
				}
			})}
			_ = srv.Serve(&oneConn{c: far})
		}()
		return near, nil
	}
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
