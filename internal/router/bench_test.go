package router

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

const (
	rollbackRate  = 2000 // requests a second
	rollbackSwaps = 200
	// rollbackTarget is the bound of the 99th percentile.
	rollbackTarget = 100 * time.Millisecond
)

// quick is a model server that costs next to nothing: one canned answer for
// every request, read and written by hand. It counts and remembers the last.
type quick struct {
	addr    string
	started atomic.Int64
	last    atomic.Int64 // Unix nanoseconds
}

const quickAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 75\r\n\r\n" +
	`{"outputs":[{"name":"y","shape":[1,1],"datatype":"FP32","data":[0.250000]}]}`

func newQuick(b *testing.B) *quick {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	q := &quick{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { q.answer(c) })
			b.Cleanup(func() { _ = c.Close() })
		}
	})
	b.Cleanup(func() { _ = l.Close() })
	return q
}

func (q *quick) answer(c net.Conn) {
	br := bufio.NewReaderSize(c, 4096)
	answer := []byte(strings.Replace(quickAnswer, "75", strconv.Itoa(len(quickAnswer)-strings.Index(quickAnswer, "{")), 1))
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return
		}
		if bytes.HasPrefix(line, []byte("POST")) { // No probe.
			q.last.Store(time.Now().UnixNano())
			q.started.Add(1)
		}
		length := 0
		for len(line) > 2 {
			if line, err = br.ReadSlice('\n'); err != nil {
				return
			}
			if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
			}
		}
		_, _ = br.Discard(length)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// load sends requests at a rate over connections of its own, as cheaply as it
// can, until it is ended. Requests that are late are sent at once.
type load struct {
	stop   chan struct{}
	wg     sync.WaitGroup
	sent   atomic.Int64
	failed atomic.Int64
	why    sync.Map // the failures, spelled
}

const loadConns = 48

func startLoad(b *testing.B, addr string, rate int) *load {
	b.Helper()
	l := &load{stop: make(chan struct{})}
	began := time.Now()
	for range loadConns {
		c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		l.wg.Go(func() {
			defer func() { _ = c.Close() }()
			br := bufio.NewReaderSize(c, 4096)
			for {
				n := l.sent.Add(1)
				due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
				select {
				case <-l.stop:
					return
				case <-time.After(time.Until(due)):
				}
				if err := l.request(c, br, n); err != nil {
					l.failed.Add(1)
					l.why.Store(err.Error(), true)
					return
				}
			}
		})
	}
	return l
}

func (l *load) request(c net.Conn, br *bufio.Reader, n int64) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nX-User-Id: unit-%d\r\nContent-Length: %d\r\n\r\n%s", n%5000, len(inferBody), inferBody); err != nil {
		return err
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %w: %s", resp.StatusCode, err, body)
	}
	return nil
}

func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

// quickWorld is a router before two quick servers.
func quickWorld(b *testing.B) (w *world, candidate *quick) {
	b.Helper()
	baseline, candidate := newQuick(b), newQuick(b)
	w = &world{
		urls:   [split.Arms]string{"http://" + baseline.addr, "http://" + candidate.addr},
		signer: assignment.NewSigner(make([]byte, assignment.KeySize)), client: newClient(b),
	}
	w.router = New(Options{Signer: w.signer})
	w.addr = serveOn(b, w.router)
	return w, candidate
}

// BenchmarkRollback measures the time from the swap to weight 0 to the last
// request that starts at the candidate, as the candidate itself sees it, under
// 2,000 requests a second over real sockets.
func BenchmarkRollback(b *testing.B) {
	for b.Loop() {
		w, candidate := quickWorld(b)
		w.swap(b, 5000, plan{})
		l := startLoad(b, w.addr, rollbackRate)
		began := time.Now()
		took := make([]time.Duration, 0, rollbackSwaps)
		for i := range rollbackSwaps {
			took = append(took, rollBack(b, w, candidate, i))
		}
		rate := float64(l.sent.Load()) / time.Since(began).Seconds()
		l.end()
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
		b.ReportMetric(rate, "req/s")
		b.ReportMetric(float64(l.failed.Load()), "failed")
		b.ReportMetric(0, "ns/op")
		if p99 >= rollbackTarget {
			b.Errorf("the 99th percentile is %v, the target %v", p99, rollbackTarget)
		}
		if l.failed.Load() > 0 {
			l.why.Range(func(why, _ any) bool { b.Error(why); return true })
		}
	}
}

// rollBack puts half of the traffic on the candidate, takes it away, and
// returns how long the candidate still saw requests begin.
func rollBack(b *testing.B, w *world, candidate *quick, i int) time.Duration {
	b.Helper()
	before := candidate.started.Load()
	w.swap(b, 5000, plan{stratum: uint8(2 * i % evidence.MaxStrata)})
	time.Sleep(50 * time.Millisecond)
	waitFor(b, "traffic for the candidate to lose", func() bool { return candidate.started.Load() > before })
	zero := w.table(0, plan{stratum: uint8((2*i + 1) % evidence.MaxStrata)})
	began := time.Now()
	if err := w.router.Swap(zero); err != nil {
		b.Fatal(err)
	}
	time.Sleep(rollbackTarget)
	w.router.Collect()
	return max(time.Duration(candidate.last.Load()-began.UnixNano()), 0)
}

// BenchmarkSwap is the swap itself, with a hundred models in the table.
func BenchmarkSwap(b *testing.B) {
	w := newWorld(b, Limits{})
	layout := evidence.NewLayout(false)
	routes := make([]*table.Route, 100)
	for i := range routes {
		model := fmt.Sprint("m", i)
		routes[i] = &table.Route{
			Model: model, Protocol: table.HTTP, Match: table.Match{PathPrefix: "/" + model}, Unit: table.Unit{Source: table.UnitRequest},
			Baseline: table.Version{Name: "v1", URL: mustURL(w.baseline.URL())},
			Split: &table.Split{
				Rollout: uint64(i + 1), Name: model, Weight: 100, Layout: &layout,
				Candidate: table.Version{Name: "v2", URL: mustURL(w.candidate.URL())},
			},
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		w.generation++
		if err := w.router.Swap(table.Build(w.generation, routes)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest is a small inference over real sockets, with a client and a
// model server that cost little: what is left is mostly the router.
func BenchmarkRequest(b *testing.B) {
	for name, p := range map[string]plan{"no rollout": {alone: true}, "split": {}, "split with an output": {layout: outputLayout(sticky, "y", "/model_name")}} {
		b.Run(name, func(b *testing.B) {
			w, _ := quickWorld(b)
			w.swap(b, split.Whole/2, p)
			l := &load{}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", w.addr)
				if err != nil {
					b.Error(err)
					return
				}
				defer func() { _ = c.Close() }()
				br := bufio.NewReader(c)
				for pb.Next() {
					if err := l.request(c, br, l.sent.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
