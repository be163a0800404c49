package controller_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/controller/controllertest"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/metric/metrictest"
	"github.com/belay-rollouts/belay/internal/store"
)

// guarded is a rollout of half-hour stages that is guarded by errors and by
// memory.
func guardedBy(gate string) string {
	return `  stages:
    - {weight: 10%, dwell: 30m, require: no-harm}
    - {weight: 50%, dwell: 30m, require: within-margin, maxDuration: 24h}
    - {weight: 100%, dwell: 30m, holdback: 10%}
  minSamples: 500
  gates: [{metric: error_rate, maxIncrease: 2pp}, ` + gate + `]
`
}

const (
	memoryHolds = `{metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 20%, onFail: hold}`
	memoryRolls = `{metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 20%}`
)

// The metrics pages of the two versions of a World's model m.
const (
	pageV1 = "http://v1.m:80/metrics"
	pageV2 = "http://v2.m:80/metrics"
)

// memory makes a version hold so many bytes at a time since now, with the noise
// of a server: slow waves and some jitter.
func memory(w *controllertest.World, page string, seed uint64, bytes func(since time.Duration) float64) {
	from, wave := time.Now(), 0.0
	random := rand.New(rand.NewPCG(seed, 7))
	var mu sync.Mutex
	w.Metrics.Say(page, func(now time.Time) []metrictest.Sample {
		mu.Lock()
		defer mu.Unlock()
		wave = 0.7*wave + 0.01*random.NormFloat64()
		level := bytes(now.Sub(from)) * (1 + wave + 0.005*random.NormFloat64())
		return []metrictest.Sample{{Name: "process_resident_memory_bytes", Value: level}, {Name: "up", Value: 1}}
	})
}

// calm is a load of ten requests a second, of which the candidate fails a share.
func calm(share float64) controllertest.Load {
	l := errorsAt(share)
	l.Rate = 10
	return l
}

const gigabyte = 1e9

func steady(time.Duration) float64 { return gigabyte }

// leaking holds half as much again after ten minutes.
func leaking(since time.Duration) float64 {
	return gigabyte * (1 + 0.5*min(1, since.Minutes()/10))
}

func TestAMemoryLeakHoldsTheRollout(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 1, steady)
		memory(w, pageV2, 2, leaking)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryHolds)))
		drive(t, w, calm(0.01))
		time.Sleep(2 * time.Hour)
		rec := w.Record("m-v2")
		if rec.Last.Kind != rollout.KindHold || rec.Last.Reason != rollout.ReasonGateFailed || rec.Last.Gate != "memory" {
			t.Fatalf("after two hours: %s by %s of %q: %s", rec.Last.Kind, rec.Last.Reason, rec.Last.Gate, rec.Last.Sentence)
		}
		if rec.State.Phase != rollout.Holding {
			t.Errorf("it is %s", rec.State.Phase)
		}
		if first := firstOf(w.Log(id), rollout.ReasonGateFailed); !strings.Contains(first, ": memory 1.") || !strings.Contains(first, "G on average of ") || !strings.Contains(first, "margin +20%") {
			t.Errorf("the sentence: %s", first)
		}
		recompute(t, w, "m-v2")
	})
}

// firstOf is the sentence of the first decision for a reason.
func firstOf(log []store.Logged, reason rollout.Reason) string {
	for _, l := range log {
		if l.Entry.Reason == reason {
			return l.Entry.Sentence
		}
	}
	return ""
}

func TestAMemoryLeakRollsBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 3, steady)
		memory(w, pageV2, 4, leaking)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryRolls)))
		drive(t, w, calm(0.01))
		rec := until(t, w, "m-v2", 3*time.Hour)
		if rec.State.Phase != rollout.RolledBack || rec.Last.Reason != rollout.ReasonGateFailed || rec.Last.Gate != "memory" {
			t.Fatalf("ended %s by %s of %q: %s", rec.State.Phase, rec.Last.Reason, rec.Last.Gate, rec.Last.Sentence)
		}
		recompute(t, w, "m-v2")
		before := len(w.Metrics.Reads(pageV2))
		time.Sleep(time.Minute)
		if after := len(w.Metrics.Reads(pageV2)); after != before {
			t.Errorf("the servers are read %d times after the end", after-before)
		}
	})
}

func TestACeilingOfMemoryRollsBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 5, leaking)
		memory(w, pageV2, 6, leaking)
		w.Start(id, w.Plan("m", "request", guardedBy(strings.Replace(memoryRolls, "maxIncrease: 20%", "maxIncrease: 20%, max: 1GiB", 1))))
		drive(t, w, calm(0.01))
		rec := until(t, w, "m-v2", 6*time.Hour)
		if rec.Last.Reason != rollout.ReasonCeilingBroken || rec.Last.Gate != "memory" {
			t.Fatalf("ended %s by %s of %q: %s", rec.State.Phase, rec.Last.Reason, rec.Last.Gate, rec.Last.Sentence)
		}
	})
}

func TestEqualMemoryGoesToAll(t *testing.T) {
	t.Parallel()
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		run(t, func(t *testing.T, w *controllertest.World) {
			memory(w, pageV1, 10+seed, steady)
			memory(w, pageV2, 20+seed, steady)
			w.Start(id, w.Plan("m", "request", guardedBy(memoryRolls)))
			drive(t, w, calm(0.01))
			rec := until(t, w, "m-v2", 12*time.Hour)
			if rec.State.Phase != rollout.Completed {
				t.Fatalf("ended %s: %s", rec.State.Phase, rec.Last.Sentence)
			}
			recompute(t, w, "m-v2")
		})
	}
}

func TestASourceThatIsDownHoldsAndThenAsks(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 1, steady)
		memory(w, pageV2, 2, steady)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryRolls)))
		drive(t, w, calm(0.01))
		time.Sleep(10 * time.Minute)
		if rec := w.Record("m-v2"); rec.Last.Reason != rollout.ReasonDwelling {
			t.Fatalf("with both sources: %s", rec.Last.Sentence)
		}
		w.Metrics.Misbehave(pageV2, metrictest.Refuse)
		time.Sleep(90 * time.Second)
		if rec := w.Record("m-v2"); rec.Last.Reason != rollout.ReasonDwelling {
			t.Errorf("a minute and a half are no fault yet: %s", rec.Last.Sentence)
		}
		time.Sleep(time.Minute)
		rec := w.Record("m-v2")
		if rec.Last.Reason != rollout.ReasonSourceDown || rec.State.Phase != rollout.Holding || rec.State.Fault == nil {
			t.Fatalf("%s by %s: %s", rec.State.Phase, rec.Last.Reason, rec.Last.Sentence)
		}
		const want = "HOLD at 10%: memory cannot be measured for 2m"
		if s := rec.Last.Sentence; !strings.HasPrefix(s, want) || !strings.Contains(s, "the candidate's "+pageV2+": connection refused.") {
			t.Errorf("the sentence: %s", s)
		}
		live, ok := w.Controller.Live(id)
		if !ok || len(live.Resources) != 1 || live.Resources[0].Windows == 0 || live.Resources[0].Dropped["Unreachable"] == 0 {
			t.Errorf("shown are %+v", live.Resources)
		}
		time.Sleep(time.Hour)
		if rec = w.Record("m-v2"); rec.Last.Kind != rollout.KindAsk || rec.Last.Reason != rollout.ReasonSourceDown || rec.State.Stage != 0 {
			t.Fatalf("after holdFor: %s by %s at stage %d: %s", rec.Last.Kind, rec.Last.Reason, rec.State.Stage, rec.Last.Sentence)
		}
		w.Metrics.Misbehave(pageV2, metrictest.None)
		rec = until(t, w, "m-v2", 12*time.Hour)
		if rec.State.Phase != rollout.Completed {
			t.Errorf("with its source back: %s", rec.Last.Sentence)
		}
		recompute(t, w, "m-v2")
	})
}

func TestASourceThatIsDownHidesNoHarm(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 1, steady) // Nobody answers for the candidate.
		w.Start(id, w.Plan("m", "request", guardedBy(memoryHolds)))
		drive(t, w, calm(0.01))
		time.Sleep(10 * time.Minute)
		if rec := w.Record("m-v2"); rec.Last.Reason != rollout.ReasonSourceDown {
			t.Fatalf("%s by %s", rec.State.Phase, rec.Last.Reason)
		}
		worse := calm(0.5)
		worse.Seed = 2
		drive(t, w, worse)
		if rec := until(t, w, "m-v2", time.Hour); rec.Last.Reason != rollout.ReasonGateFailed || rec.Last.Gate != "error_rate" {
			t.Errorf("ended by %s of %q", rec.Last.Reason, rec.Last.Gate)
		}
	})
}

func TestASourceThatIsDownMayRollBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV2, 1, steady)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryHolds)+"  faults: {sourceDown: rollback}\n"))
		drive(t, w, calm(0.01))
		rec := until(t, w, "m-v2", 10*time.Minute)
		if rec.Last.Reason != rollout.ReasonSourceDown || rec.State.Phase != rollout.RolledBack {
			t.Errorf("ended %s by %s", rec.State.Phase, rec.Last.Reason)
		}
	})
}

// An answer that says nothing of the metric, and a gate that only informs.
func TestOnlyWhatAGateNeedsCanBeDown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate string
		want rollout.Phase
	}{
		"a metric that no server has":        {`{metric: gpu, source: scrape, query: gpu_utilisation, maxIncrease: 20%}`, rollout.Holding},
		"a gate that only informs":           {`{metric: gpu, source: scrape, query: gpu_utilisation, maxIncrease: 20%, role: info}`, rollout.Progressing},
		"a gate that is not active yet":      {`{metric: gpu, source: scrape, query: gpu_utilisation, maxIncrease: 20%, from: 50%}`, rollout.Progressing},
		"a counter at rest, without a ratio": {`{metric: cpu, source: scrape, query: rate(up), maxIncrease: 20%}`, rollout.Holding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *controllertest.World) {
				memory(w, pageV1, 1, steady)
				memory(w, pageV2, 2, steady)
				w.Start(id, w.Plan("m", "request", guardedBy(tt.gate)))
				drive(t, w, calm(0.01))
				time.Sleep(20 * time.Minute)
				rec := w.Record("m-v2")
				if rec.State.Phase != tt.want || (rec.Last.Reason == rollout.ReasonSourceDown) != (tt.want == rollout.Holding) {
					t.Errorf("%s by %s: %s", rec.State.Phase, rec.Last.Reason, rec.Last.Sentence)
				}
			})
		})
	}
}

func TestWindowsOutliveARestart(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 1, steady)
		memory(w, pageV2, 2, steady)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryRolls)))
		drive(t, w, calm(0.01))
		time.Sleep(20 * time.Minute)
		windows := func() float64 {
			live, ok := w.Controller.Live(id)
			if !ok {
				t.Fatal("it does not run")
			}
			return live.Findings.Evidence.Strata[0].Gauges[0].Ratio.N()
		}
		before := windows()
		if before < 60 {
			t.Errorf("%v windows in twenty minutes", before)
		}
		w.Stop()
		time.Sleep(time.Hour)
		w.Boot()
		time.Sleep(5 * time.Second)
		if after := windows(); after != before {
			t.Errorf("%v windows were known before the restart, %v after it", before, after)
		}
		if rec := w.Record("m-v2"); rec.Last.Reason == rollout.ReasonSourceDown {
			t.Errorf("the hour of which nobody knows is no fault: %s", rec.Last.Sentence)
		}
		time.Sleep(5 * time.Minute)
		if after := windows(); after < before+15 {
			t.Errorf("%v windows five minutes after the restart, %v before it", after, before)
		}
	})
}

func TestAServerThatHangsDelaysNoRollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *controllertest.World) {
		memory(w, pageV1, 1, steady)
		w.Metrics.Misbehave(pageV2, metrictest.Hang)
		w.Start(id, w.Plan("m", "request", guardedBy(memoryHolds)))
		drive(t, w, calm(0.01))
		time.Sleep(5*time.Minute + 3*time.Second)
		began := time.Now()
		if _, err := w.Controller.Act(t.Context(), id, act(rollout.ActRollback)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the rollback took %v", took)
		}
	})
}
