package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/test/fakemodel"
)

const (
	rollbackRate = 2000 // requests a second
	// rollbackTarget is the bound of the 99th percentile. The bound that fails is
	// five times that: here everything shares one machine.
	rollbackTarget = 100 * time.Millisecond
)

// BenchmarkRollback is a rollback through the whole program, in a process of its
// own, under 2,000 requests a second: from the moment of the decision, as it is
// stored, to the last request that begins at the candidate, as the candidate
// sees it. The intent and the decision go to a real disk meanwhile. A person asks
// for it, or the evidence: the candidate begins to fail half of its requests.
func BenchmarkRollback(b *testing.B) {
	program := build(b)
	for _, bb := range []struct {
		cause string
		times int
	}{{"person", 60}, {"harm", 12}} {
		b.Run("by="+bb.cause, func(b *testing.B) {
			for b.Loop() {
				measure(b, program, bb.cause, bb.times)
			}
		})
	}
}

// stand is a server with a model, under load.
type stand struct {
	*served
	client    *client.Client
	candidate *fakemodel.Server
}

const standFiles = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: m}
spec:
  unit: header:X-User-Id
  serving: {version: v1, url: %q}
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: quick}
spec:
  warmup: 0s
  rollback: {cooldown: 0s}
  stages:
    - {weight: 50%%, dwell: 1h}
    - {weight: 100%%, dwell: 1h, holdback: 1%%}
  gates:
    - {metric: error_rate, maxIncrease: 5pp}
`

func measure(b *testing.B, program, cause string, times int) {
	s := &stand{served: serve(b, program, filepath.Join(b.TempDir(), "data"))}
	defer s.stop(b)
	baseline := fakemodel.Start(b, fakemodel.Options{Model: "m", Version: "v1"})
	s.candidate = fakemodel.Start(b, fakemodel.Options{Model: "m", Version: "v2"})
	var err error
	if s.client, err = client.New(client.Options{Server: s.admin, Actor: "bench"}); err != nil {
		b.Fatal(err)
	}
	defer s.client.Close()
	if _, err := s.client.Apply(b.Context(), client.ApplyRequest{Data: fmt.Appendf(nil, standFiles, baseline.URL())}); err != nil {
		b.Fatal(err)
	}
	l := startLoad(s.traffic+"/v2/models/m/infer", rollbackRate)
	began := time.Now()
	var starts, confirmed []time.Duration
	for i := range times {
		last, seen := s.rollBack(b, cause, fmt.Sprint("r", i))
		starts, confirmed = append(starts, last), append(confirmed, seen)
	}
	rate := float64(l.sent.Load()) / time.Since(began).Seconds()
	l.end()
	slices.Sort(starts)
	slices.Sort(confirmed)
	p99 := starts[(len(starts)*99+99)/100-1] // The nearest rank: the largest, below a hundred.
	b.ReportMetric(milliseconds(starts[len(starts)/2]), "p50-ms")
	b.ReportMetric(milliseconds(p99), "p99-ms")
	b.ReportMetric(milliseconds(confirmed[len(confirmed)/2]), "confirmed-p50-ms")
	b.ReportMetric(milliseconds(confirmed[len(confirmed)-1]), "confirmed-max-ms")
	b.ReportMetric(rate, "req/s")
	b.ReportMetric(float64(l.failed.Load()), "failed")
	b.ReportMetric(0, "ns/op") // Nearly all of it is waiting.
	if p99 > 5*rollbackTarget {
		b.Errorf("the last request began %v after the decision, five times the target of %v", p99, rollbackTarget)
	}
	if l.failed.Load() > 0 {
		b.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.sent.Load(), l.why.Load())
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// rollBack starts a rollout and has it rolled back. It returns how long after the
// decision the candidate's last request began (0 for none), and the real traffic
// had been read back.
func (s *stand) rollBack(b *testing.B, cause, name string) (last, confirmed time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	s.candidate.SetErrors(0, 500)
	before := s.candidate.Started()
	if _, err := s.client.Start(ctx, client.StartRequest{Model: "m", Version: "v2", URL: s.candidate.URL(), Policy: "quick", Name: name}); err != nil {
		b.Fatal(err)
	}
	for s.candidate.Started() < before+100 {
		time.Sleep(5 * time.Millisecond)
		if ctx.Err() != nil {
			b.Fatal("the candidate gets no traffic to lose")
		}
	}
	if cause == "person" {
		if _, err := s.client.Act(ctx, client.ActRequest{Rollout: name, Kind: client.ActRollback}); err != nil {
			b.Fatal(err)
		}
	} else {
		s.candidate.SetErrors(0.5, 500)
	}
	for {
		r, err := s.client.Status(ctx, name)
		if err != nil {
			b.Fatal(err)
		}
		stored := r.Last != nil && r.Last.Kind == client.DecisionRollback
		if stored && r.Ending != nil && !r.Ending.ConfirmedAt.IsZero() {
			time.Sleep(rollbackTarget) // Whoever comes later than that is seen, too.
			return max(s.candidate.LastStart().Sub(r.Ending.DecidedAt), 0), r.Ending.ConfirmedAt.Sub(r.Ending.DecidedAt)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// load sends requests at a rate, on behalf of 5,000 users in turn, until it is
// ended. What is late is sent at once.
type load struct {
	url          string
	client       *http.Client
	stop         chan struct{}
	wg           sync.WaitGroup
	sent, failed atomic.Int64
	why          atomic.Value
}

const (
	loaders = 64
	body    = `{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}`
)

func startLoad(url string, rate int) *load {
	l := &load{url: url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loaders}, Timeout: 10 * time.Second}, stop: make(chan struct{})}
	began := time.Now()
	for range loaders {
		l.wg.Go(func() {
			for {
				n := l.sent.Add(1)
				select {
				case <-l.stop:
					return
				case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
				}
				if err := l.send(n); err != nil {
					l.failed.Add(1)
					l.why.Store(err.Error())
				}
			}
		})
	}
	return l
}

func (l *load) send(n int64) error {
	req, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("X-User-Id", fmt.Sprint("user-", n%5000))
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// end ends the load and waits for its last answer.
func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
	l.client.CloseIdleConnections()
}
