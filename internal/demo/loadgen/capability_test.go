//go:build unix

package loadgen

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/demo/digits"
	"github.com/belay-rollouts/belay/internal/demo/modelserver"
)

// processorTime is what this process has used of all processors so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkOpenLoop measures generator and model server together, without a router between them: what share of one
// processor both take, and what a request takes beyond its service time of 8 ms in the median and 14.3 ms in one of a
// hundred. Each iteration is five seconds of traffic.
func BenchmarkOpenLoop(b *testing.B) {
	split, err := digits.NewSplit(1)
	if err != nil {
		b.Fatal(err)
	}
	network, err := digits.Train(b.Context(), digits.Options{Digits: split.Training, Hidden: 64, Epochs: 2})
	if err != nil {
		b.Fatal(err)
	}
	for _, rate := range []float64{800, 2000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			server, err := modelserver.Start(b.Context(), modelserver.Options{
				Name: "digits", Version: "v1", Model: network, Behaviour: modelserver.Steady(1),
			})
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			for b.Loop() {
				drive(b, Options{URL: server.URL() + "/v2/models/digits/infer", Digits: split.HeldOut, Rate: rate, Seed: 1})
			}
		})
	}
}

func drive(b *testing.B, opts Options) {
	b.Helper()
	var seen record
	opts.OnAnswer = seen.add
	before, began := processorTime(b), time.Now()
	g, err := Start(b.Context(), opts)
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	if err := g.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	used, took := processorTime(b)-before, time.Since(began)
	stats := g.Stats()
	if stats.Failed > 0 || stats.Dropped > 0 {
		b.Errorf("stats %+v: want no failed and no dropped request", stats)
	}
	latencies := make([]time.Duration, len(seen.answers))
	for i, answer := range seen.answers {
		latencies[i] = answer.Latency
	}
	slices.Sort(latencies)
	at := func(q float64) float64 { return latencies[int(q*float64(len(latencies)-1))].Seconds() * 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(0.999), "p99.9-ms")
	b.ReportMetric(100*used.Seconds()/took.Seconds(), "%cpu")
	b.ReportMetric(used.Seconds()*1e6/float64(stats.Ended), "cpu-us/request")
	b.ReportMetric(float64(stats.Ended)/took.Seconds(), "requests/s")
	b.ReportMetric(float64(stats.Waited), "waited")
	b.ReportMetric(stats.WorstStart.Seconds()*1000, "worst-start-ms")
}
