package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

const (
	horizon = 2 * time.Hour
	slot    = horizon / evidence.Slots
)

// ages makes the bench's rollout wait: `correct` counts at the age of the
// horizon, over all exposures of that age. `bought` counts as it comes.
func ages(t *testing.T, b *bench) (exposed int) {
	t.Helper()
	b.layout.SetHorizon("outcome:correct", horizon)
	exposed = b.layout.AddExposures(horizon)
	b.boot(t)
	return exposed
}

// exposed is the number of exposures of age in a stratum.
func (b *bench) exposed(t *testing.T, rate, stratum int, arm split.Arm) uint64 {
	t.Helper()
	ev, _ := b.Evidence(id)
	if stratum >= len(ev.Strata) {
		return 0
	}
	return ev.Strata[stratum].Sides[arm].Rates[rate].N
}

func TestAnOutcomeCountsAtTheAgeOfItsHorizon(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		rate := ages(t, b)
		b.flushes(t)
		b.see(t, 1, split.Candidate, "u", 3)
		tok := token(1, split.Candidate, "u")
		time.Sleep(time.Hour)
		r := b.report(t, outcome("1", tok, 1), ledger.Outcome{ID: "2", Assignment: tok, Metric: "bought", Value: 1})
		if r.Accepted != 2 {
			t.Fatalf("result %+v", r)
		}
		if got := b.Counters(id); got.Accepted != 2 || got.Waiting != 1 || b.Waiting() != 1 {
			t.Errorf("counters %+v, want one of two waiting", got)
		}
		time.Sleep(horizon - time.Hour - time.Second)
		if got := b.correct(t, 1, split.Candidate); got[0] != 0 || b.exposed(t, rate, 1, split.Candidate) != 0 {
			t.Errorf("%v count before their age", got)
		}
		ev, _ := b.Evidence(id)
		if got := ev.Strata[1].Sides[split.Candidate].Rates[3]; got.N != 1 {
			t.Error("an outcome without a horizon waits")
		}
		time.Sleep(slot + 2*time.Second)
		if got := b.correct(t, 1, split.Candidate); got != [2]uint64{1, 1} {
			t.Errorf("at its age %v count, want 1 of 1", got)
		}
		if n := b.exposed(t, rate, 1, split.Candidate); n != 3 {
			t.Errorf("%d exposures are of age, want 3", n)
		}
		if n := b.Waiting(); n != 0 {
			t.Errorf("%d outcomes wait still", n)
		}
	})
}

func TestAnOutcomeThatComesAfterTheHorizonDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		metric   string
		happened time.Duration // after the exposure; 0 says nothing
		after    time.Duration
		want     ledger.Result
	}{
		"in time":                         {"correct", 0, horizon, ledger.Result{Accepted: 1}},
		"a second late":                   {"correct", 0, horizon + time.Second, ledger.Result{Unattributed: 1, Why: map[ledger.Missing]int{ledger.TooLate: 1}}},
		"told late":                       {"correct", time.Hour, horizon + time.Second, ledger.Result{Unattributed: 1, Why: map[ledger.Missing]int{ledger.TooLate: 1}}},
		"of a metric without a horizon":   {"bought", 0, horizon + time.Hour, ledger.Result{Accepted: 1}},
		"told late, without a horizon":    {"bought", time.Hour, 30 * time.Hour, ledger.Result{Accepted: 1}},
		"happened late without a horizon": {"bought", 25 * time.Hour, 25 * time.Hour, ledger.Result{Unattributed: 1, Why: map[ledger.Missing]int{ledger.TooLate: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				ages(t, b)
				o := ledger.Outcome{ID: "1", Assignment: token(0, split.Candidate, "u"), Metric: tt.metric, Value: 1}
				if tt.happened > 0 {
					o.Time = time.Now().Add(tt.happened)
				}
				time.Sleep(tt.after)
				if r := b.report(t, o); !cmp.Equal(r, tt.want) {
					t.Errorf("result %+v, want %+v", r, tt.want)
				}
			})
		})
	}
}

// A unit's outcome has the age of the exposure that it is found by.
func TestAUnitsOutcomeIsAsOldAsItsExposure(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		ages(t, b)
		b.flushes(t)
		b.see(t, 0, split.Candidate, "u", 1)
		time.Sleep(horizon - time.Minute)
		byUnit := func(id string) ledger.Outcome {
			return ledger.Outcome{ID: id, Model: "m", Unit: "u", Metric: "correct", Value: 1}
		}
		if r := b.report(t, byUnit("1")); r.Accepted != 1 {
			t.Fatalf("result %+v", r)
		}
		time.Sleep(slot + 2*time.Minute)
		if got := b.correct(t, 0, split.Candidate); got[0] != 1 {
			t.Errorf("%v count, want 1", got)
		}
		if r := b.report(t, byUnit("2")); r.Why[ledger.TooLate] != 1 {
			t.Errorf("result %+v, want too late", r)
		}
	})
}

// What waits survives a crash at any time, and counts when its age is reached
// while no server runs.
func TestWhatWaitsSurvivesACrash(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]time.Duration{
		"and a start at once":        0,
		"and a start before its age": time.Hour,
		"and a start after its age":  5 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, true, func(t *testing.T, b *bench) {
				rate := ages(t, b)
				b.flushes(t)
				var last string
				for i := range 40 {
					b.see(t, uint8(i/20), split.Baseline, fmt.Sprint("u", i), 2)
					last = token(uint8(i/20), split.Baseline, "u")
					b.report(t, outcome(fmt.Sprint(i), last, float64(i%2)))
					time.Sleep(time.Minute)
				}
				time.Sleep(2 * time.Second)
				want, _ := b.Evidence(id)
				time.Sleep(down)
				b.boot(t)
				got, _ := b.Evidence(id)
				if down == 0 {
					want, got = want.Clone(b.layout), got.Clone(b.layout)
					want.Tick(time.Now()) // What was open when it was stored is closed by the clock.
					got.Tick(time.Now())
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("after a crash (-counted +kept):\n%s", diff)
					}
					if r := b.report(t, outcome("39", last, 1)); r.Repeated != 1 {
						t.Errorf("an outcome that waits was counted again: %+v", r)
					}
				}
				b.flushes(t)
				time.Sleep(horizon + slot)
				for stratum := range 2 {
					if c := b.correct(t, stratum, split.Baseline); c != [2]uint64{20, 10} {
						t.Errorf("stratum %d: %v, want 10 of 20", stratum, c)
					}
					if n := b.exposed(t, rate, stratum, split.Baseline); n != 40 {
						t.Errorf("stratum %d: %d exposures, want 40", stratum, n)
					}
				}
				if n := b.Waiting(); n != 0 {
					t.Errorf("%d wait still", n)
				}
			})
		})
	}
}

// A store that fails delays nothing but what is kept.
func TestWhatWaitsCountsWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		ages(t, b)
		b.flushes(t)
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1))
		b.store.Fail(storetest.ErrFull)
		time.Sleep(horizon + slot + time.Second)
		if got := b.correct(t, 0, split.Candidate); got[0] != 1 {
			t.Errorf("%v count, want 1", got)
		}
		b.store.Fail(nil)
		time.Sleep(2 * time.Second)
		b.boot(t)
		if got := b.correct(t, 0, split.Candidate); got[0] != 1 || b.Waiting() != 0 {
			t.Errorf("after a crash %v count and %d wait, want 1 and none", got, b.Waiting())
		}
	})
}

// Nobody collects and nobody decides any more; what waits counts all the same,
// and the book stays open until it does.
func TestWhatWaitsCountsAfterTheEnd(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		const all = time.Hour
		b.layout.SetHorizon("outcome:correct", all)
		b.Ledger = ledger.New(ledger.Options{Store: b.store, Target: b.target, Signer: signer})
		if err := b.Open(t.Context(), ledger.Account{ID: id, Name: "m-v2", Model: "m", Salt: salt, Layout: b.layout, Horizon: all}); err != nil {
			t.Fatal(err)
		}
		b.flushes(t)
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1))
		b.End(id, time.Now())
		time.Sleep(all + time.Second)
		if _, ok := b.Evidence(id); !ok {
			t.Fatal("the book is closed while an outcome waits")
		}
		time.Sleep(all/evidence.Slots + 2*time.Second)
		if _, ok := b.Evidence(id); ok {
			t.Error("the book is open although nothing waits")
		}
		data, err := b.store.Evidence(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := ledger.Decode(b.layout, data)
		if err != nil || ev.Strata[0].Sides[split.Candidate].Rates[2].N != 1 || len(ev.Cohorts) != 0 {
			t.Errorf("what waited is not kept as counted: %v", err)
		}
	})
}

// A decision sees what has its age at that moment, whenever the last tick was.
func TestADecisionSeesWhatIsOfAge(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		ages(t, b)
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1))
		take := func() uint64 {
			s, err := b.Take(id)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Release()
			if len(s.Evidence.Strata) == 0 {
				return 0
			}
			return s.Evidence.Strata[0].Sides[split.Candidate].Rates[2].N
		}
		time.Sleep(horizon)
		if n := take(); n != 0 {
			t.Errorf("%d count before the whole slot is of age", n)
		}
		before, _ := b.Evidence(id)
		time.Sleep(slot)
		if n := take(); n != 1 {
			t.Errorf("%d count, want 1", n)
		}
		if len(before.Cohorts) != 1 || len(before.Strata) != 0 {
			t.Error("evidence that was taken before has changed")
		}
	})
}

// For all the months of a rollout no more waits than the horizon has slots.
func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		ages(t, b)
		most := 0
		for i := range 2000 {
			stratum := uint8(i / 500)
			b.see(t, stratum, split.Baseline, "u", 1)
			b.report(t, outcome(fmt.Sprint(i), token(stratum, split.Baseline, "u"), 1))
			ev, _ := b.Evidence(id)
			most = max(most, len(ev.Cohorts))
			time.Sleep(3 * time.Minute)
		}
		if most > evidence.Slots+3 {
			t.Errorf("%d cohorts waited, want at most %d and one more at a change of weight", most, evidence.Slots+2)
		}
	})
}
