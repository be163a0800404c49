package ledger_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

func TestWindowsOfAResourceAreKept(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.layout.AddGauge("memory")
		b.layout.AddGauge("cpu")
		b.boot(t)
		for i := range 200 {
			if !b.Sample(id, i/150, "cpu", 2+float64(i%7), 2) {
				t.Fatalf("window %d was not taken", i)
			}
		}
		ev, _ := b.Evidence(id)
		for stratum, want := range []float64{150, 50} {
			s := ev.Strata[stratum]
			if s.Gauges[1].Ratio.N() != want || s.Gauges[0].Ratio.N() != 0 {
				t.Errorf("stratum %d holds %v windows of cpu and %v of memory, want %v and none", stratum, s.Gauges[1].Ratio.N(), s.Gauges[0].Ratio.N(), want)
			}
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		kept, _ := b.Evidence(id)
		if diff := cmp.Diff(ev, kept); diff != "" {
			t.Errorf("after a restart (-counted +kept):\n%s", diff)
		}
		b.Sample(id, 1, "cpu", 9, 9)
		if got := ev.Strata[1].Gauges[1].Ratio.N(); got != 50 {
			t.Errorf("a window that came later is in evidence that was taken before: %v", got)
		}
	})
}

func TestWindowsThatCannotBeComparedChangeNothing(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(b *bench) bool{
		"of a rollout that is not kept": func(b *bench) bool { return b.Sample(9, 0, "cpu", 1, 1) },
		"of an unknown gauge":           func(b *bench) bool { return b.Sample(id, 0, "gpu", 1, 1) },
		"of no stratum":                 func(b *bench) bool { return b.Sample(id, -1, "cpu", 1, 1) },
		"beyond the strata":             func(b *bench) bool { return b.Sample(id, evidence.MaxStrata, "cpu", 1, 1) },
		"without the candidate":         func(b *bench) bool { return b.Sample(id, 0, "cpu", math.NaN(), 1) },
		"without the baseline":          func(b *bench) bool { return b.Sample(id, 0, "cpu", 1, 0) },
		"without a bound":               func(b *bench) bool { return b.Sample(id, 0, "cpu", math.Inf(1), 1) },
		"below zero":                    func(b *bench) bool { return b.Sample(id, 0, "cpu", 1, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				b.layout.AddGauge("cpu")
				b.boot(t)
				if try(b) {
					t.Error("it was taken")
				}
				if n := b.Version(id); n != 0 {
					t.Errorf("the evidence has changed %d times", n)
				}
			})
		})
	}
}
