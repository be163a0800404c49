package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

func TestOutcomesCountInTheStratumOfTheirExposure(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		early := token(0, split.Candidate, "a")
		base := token(0, split.Baseline, "b")
		time.Sleep(3 * time.Hour) // The rollout has moved on to stratum 1 since.
		r := b.report(t, outcome("1", early, 1), outcome("2", early, 0), outcome("3", base, 1), outcome("4", token(1, split.Candidate, "c"), 1))
		if want := (ledger.Result{Accepted: 4}); !cmp.Equal(r, want) {
			t.Errorf("result %+v, want %+v", r, want)
		}
		if got := b.correct(t, 0, split.Candidate); got != [2]uint64{2, 1} {
			t.Errorf("candidate in stratum 0: %v, want 1 of 2", got)
		}
		if got := b.correct(t, 0, split.Baseline); got != [2]uint64{1, 1} {
			t.Errorf("baseline in stratum 0: %v, want 1 of 1", got)
		}
		if got := b.correct(t, 1, split.Candidate); got != [2]uint64{1, 1} {
			t.Errorf("candidate in stratum 1: %v, want 1 of 1", got)
		}
	})
}

func TestAnOutcomeCountsOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result{
		"sent twice in one batch": func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result {
			return b.report(t, o, o)
		},
		"sent again at once": func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result {
			first := b.report(t, o)
			second := b.report(t, o)
			return ledger.Result{Accepted: first.Accepted + second.Accepted, Repeated: first.Repeated + second.Repeated}
		},
		"sent again after a restart": func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result {
			first := b.report(t, o)
			if err := b.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.boot(t)
			second := b.report(t, o)
			return ledger.Result{Accepted: first.Accepted + second.Accepted, Repeated: first.Repeated + second.Repeated}
		},
		"sent again after a flush whose answer was lost": func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result {
			first := b.report(t, o)
			b.store.LoseAnswers(errors.New("lost"))
			if err := b.Flush(t.Context()); err == nil {
				t.Error("a flush with a lost answer succeeded")
			}
			b.store.LoseAnswers(nil)
			if err := b.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			second := b.report(t, o)
			return ledger.Result{Accepted: first.Accepted + second.Accepted, Repeated: first.Repeated + second.Repeated}
		},
		"sent in two requests at the same time": func(t *testing.T, b *bench, o ledger.Outcome) ledger.Result {
			// The store knows an earlier outcome, so both have to ask it.
			b.report(t, outcome("earlier", o.Assignment, 1))
			if err := b.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.boot(t)
			b.store.Intercept(func(_ context.Context, op storetest.Op) error {
				if op == storetest.OpKnown {
					time.Sleep(time.Second) // Both have asked before either counts.
				}
				return nil
			})
			var both [2]ledger.Result
			var wg sync.WaitGroup
			for i := range both {
				wg.Go(func() { both[i] = b.report(t, o) })
			}
			wg.Wait()
			return ledger.Result{Accepted: both[0].Accepted + both[1].Accepted, Repeated: both[0].Repeated + both[1].Repeated}
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				got := send(t, b, outcome("the one", token(0, split.Candidate, "a"), 1))
				if want := (ledger.Result{Accepted: 1, Repeated: 1}); !cmp.Equal(got, want) {
					t.Errorf("result %+v, want %+v", got, want)
				}
				if n := b.correct(t, 0, split.Candidate)[0]; n < 1 || n > 2 || (n == 2) != strings.Contains(name, "two requests") {
					t.Errorf("%d outcomes are in the evidence", n)
				}
			})
		})
	}
}

func TestOutcomesWithoutAComparisonAreTaken(t *testing.T) {
	t.Parallel()
	good := func() string { return token(0, split.Candidate, "a") }
	tests := map[string]struct {
		outcome func() ledger.Outcome
		want    ledger.Missing
	}{
		"of a rollout that is not kept": {func() ledger.Outcome {
			return outcome("1", signer.Token(assignment.Exposure{Rollout: 5, Time: time.Now()}), 1)
		}, ledger.NoRollout},
		"of a pinned request": {func() ledger.Outcome {
			return outcome("1", signer.Token(assignment.Exposure{Rollout: id, Pinned: true, Time: time.Now()}), 1)
		}, ledger.Pinned},
		"of a request while nothing was split": {func() ledger.Outcome {
			return outcome("1", signer.Token(assignment.Exposure{Rollout: id, Stratum: table.NoStratum, Time: time.Now()}), 1)
		}, ledger.NotCompared},
		"of a stratum that cannot be": {func() ledger.Outcome {
			return outcome("1", signer.Token(assignment.Exposure{Rollout: id, Stratum: evidence.MaxStrata, Time: time.Now()}), 1)
		}, ledger.NotCompared},
		"beyond the horizon": {func() ledger.Outcome {
			o := outcome("1", good(), 1)
			time.Sleep(ledger.DefaultHorizon + time.Second)
			return o
		}, ledger.TooLate},
		"of a metric that no gate reads": {func() ledger.Outcome {
			return ledger.Outcome{ID: "1", Assignment: good(), Metric: "revenue", Value: 12.5}
		}, ledger.NoGate},
		"of a model without rollouts": {func() ledger.Outcome {
			return ledger.Outcome{ID: "1", Model: "other", Unit: "u", Metric: "correct", Value: 1}
		}, ledger.NoRollout},
		"by unit where every request is one of its own": {func() ledger.Outcome {
			return ledger.Outcome{ID: "1", Model: "m", Unit: "u", Metric: "correct", Value: 1}
		}, ledger.NoExposure},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				r := b.report(t, tt.outcome())
				if want := (ledger.Result{Unattributed: 1, Why: map[ledger.Missing]int{tt.want: 1}}); !cmp.Equal(r, want) {
					t.Errorf("result %+v, want %+v", r, want)
				}
				if ev, _ := b.Evidence(id); len(ev.Strata) != 0 {
					t.Error("it is in the evidence")
				}
			})
		})
	}
}

func TestMistakesAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	foreign := assignment.NewSigner([]byte("another installation's key......"))
	tests := map[string]struct {
		edit func(o *ledger.Outcome)
		want string
	}{
		"without an id":                {func(o *ledger.Outcome) { o.ID = "" }, "no id"},
		"with an endless id":           {func(o *ledger.Outcome) { o.ID = strings.Repeat("x", 1000) }, "1000 bytes"},
		"with a token that was cut":    {func(o *ledger.Outcome) { o.Assignment = o.Assignment[1:] }, "characters"},
		"with a token that was edited": {func(o *ledger.Outcome) { o.Assignment = "A" + o.Assignment[1:len(o.Assignment)-4] + "AAAA" }, "not signed by this server"},
		"with a foreign token": {func(o *ledger.Outcome) {
			o.Assignment = foreign.Token(assignment.Exposure{Rollout: id, Time: time.Now()})
		}, "not signed by this server"},
		"without any exposure":        {func(o *ledger.Outcome) { o.Assignment = "" }, "names no exposure"},
		"with a model and no unit":    {func(o *ledger.Outcome) { o.Assignment, o.Model = "", "m" }, "names no exposure"},
		"without a metric":            {func(o *ledger.Outcome) { o.Metric = "" }, "not the name of a metric"},
		"with the prefix of the gate": {func(o *ledger.Outcome) { o.Metric = "outcome:correct" }, "NAME"},
		"with a value between":        {func(o *ledger.Outcome) { o.Value = 0.5 }, "write 1 for yes and 0 for no"},
		"with a value that is NaN":    {func(o *ledger.Outcome) { o.Value = math.NaN() }, "not a number"},
		"with an infinite value":      {func(o *ledger.Outcome) { o.Value = math.Inf(1) }, "not a number"},
		"from the far future":         {func(o *ledger.Outcome) { o.Time = time.Now().Add(6 * time.Minute) }, "in the future"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				bad := outcome("bad", token(0, split.Candidate, "a"), 1)
				tt.edit(&bad)
				r := b.report(t, outcome("good", token(0, split.Candidate, "a"), 1), bad)
				if r.Accepted != 1 || len(r.Refused) != 1 {
					t.Fatalf("result %+v, want one accepted and one refused", r)
				}
				if got := r.Refused[0]; got.Index != 1 || !strings.Contains(got.Reason, tt.want) {
					t.Errorf("refused %+v, want index 1 and %q", got, tt.want)
				}
			})
		})
	}
}

func TestASlightlyFastClockIsForgiven(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		o := outcome("1", token(0, split.Candidate, "a"), 1)
		o.Time = time.Now().Add(4 * time.Minute)
		if r := b.report(t, o); r.Accepted != 1 {
			t.Errorf("result %+v", r)
		}
	})
}

func TestAUnitsLastExposureBeforeTheOutcomeCounts(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		start := time.Now()
		b.see(t, 0, split.Baseline, "u", 1)
		time.Sleep(time.Hour)
		b.see(t, 1, split.Candidate, "u", 3)
		time.Sleep(time.Hour)
		b.see(t, 1, split.Candidate, "u", 1)
		at := func(id string, when time.Time) ledger.Outcome {
			return ledger.Outcome{ID: id, Model: "m", Unit: "u", Metric: "correct", Value: 1, Time: when}
		}
		r := b.report(t,
			at("before the first", start.Add(-time.Second)),
			at("of stratum 0", start.Add(30*time.Minute)),
			at("of stratum 1", start.Add(90*time.Minute)),
			at("of stratum 1, later", time.Time{}),
			ledger.Outcome{ID: "of a stranger", Model: "m", Unit: "x", Metric: "correct", Value: 1},
		)
		want := ledger.Result{Accepted: 3, Unattributed: 2, Why: map[ledger.Missing]int{ledger.NoExposure: 2}}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		if got := b.correct(t, 0, split.Baseline); got[0] != 1 {
			t.Errorf("stratum 0: %v", got)
		}
		if got := b.correct(t, 1, split.Candidate); got[0] != 2 {
			t.Errorf("stratum 1: %v", got)
		}
	})
}

func TestUnitsFindTheirExposureAfterARestart(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.see(t, 0, split.Candidate, "u", 1)
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		if n := b.Exposed(id, split.Candidate); n != 1 {
			t.Errorf("%d units are known after a restart, want 1", n)
		}
		b.see(t, 0, split.Candidate, "u", 5)
		ev, _ := b.Evidence(id)
		if n := ev.Strata[0].Sides[split.Candidate].Units.At(0); n != 1 {
			t.Errorf("the unit is counted %d times", n)
		}
		time.Sleep(time.Minute)
		if r := b.report(t, ledger.Outcome{ID: "1", Model: "m", Unit: "u", Metric: "correct", Value: 1}); r.Accepted != 1 {
			t.Errorf("result %+v", r)
		}
	})
}

func TestTheNewestRolloutOfAModelIsMeant(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.see(t, 0, split.Candidate, "u", 1)
		b.End(id, time.Now())
		b.create(t, id+1, "m-v3")
		b.open(t, id+1, time.Time{})
		time.Sleep(time.Second)
		o := ledger.Outcome{ID: "1", Model: "m", Unit: "u", Metric: "correct", Value: 1}
		if r := b.report(t, o); r.Why[ledger.NoExposure] != 1 {
			t.Errorf("result %+v: the unit has not been seen by the new rollout", r)
		}
		if r := b.report(t, outcome("2", token(0, split.Candidate, "u"), 1)); r.Accepted != 1 {
			t.Errorf("result %+v: a token names the rollout that is over", r)
		}
	})
}

func TestLateOutcomesCountUntilTheHorizon(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.flushes(t)
		o := outcome("1", token(0, split.Candidate, "a"), 1)
		b.End(id, time.Now())
		time.Sleep(ledger.DefaultHorizon - time.Minute)
		if r := b.report(t, o); r.Accepted != 1 {
			t.Errorf("within the horizon: %+v", r)
		}
		time.Sleep(3 * time.Second)
		if data, err := b.store.Evidence(t.Context(), id); err != nil || data == nil {
			t.Errorf("a late outcome is not stored: %v", err)
		}
		time.Sleep(time.Hour)
		if r := b.report(t, outcome("2", token(0, split.Candidate, "a"), 1)); r.Why[ledger.NoRollout] != 1 {
			t.Errorf("beyond the horizon: %+v", r)
		}
		if known, err := b.store.Known(t.Context(), id, nil); err != nil || len(known) != 0 {
			t.Errorf("ids are kept for nothing: %v, %v", known, err)
		}
	})
}

func TestTooMuchForTheStoreIsTurnedAway(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		tok := token(0, split.Candidate, "a")
		send := func(i int) error {
			batch := make([]ledger.Outcome, ledger.MaxBatch)
			for k := range batch {
				batch[k] = outcome(fmt.Sprint(i, "-", k), tok, 1)
			}
			_, err := b.Report(t.Context(), batch)
			return err
		}
		var err error
		sent := 0
		for ; sent < 40 && err == nil; sent++ {
			err = send(sent)
		}
		var busy *ledger.Busy
		if !errors.As(err, &busy) || busy.RetryAfter <= 0 || !problem.Is(err, problem.Unavailable) {
			t.Fatalf("after %d batches: %v, want busy with a time to wait", sent, err)
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := send(sent - 1); err != nil {
			t.Errorf("after the store has taken them: %v", err)
		}
		if got := b.correct(t, 0, split.Candidate); got[0] != uint64(sent*ledger.MaxBatch) {
			t.Errorf("%d are counted, want %d", got[0], sent*ledger.MaxBatch)
		}
	})
}

func TestABatchHasABound(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		if _, err := b.Report(t.Context(), make([]ledger.Outcome, ledger.MaxBatch+1)); !problem.Is(err, problem.TooLarge) {
			t.Errorf("%v, want too large", err)
		}
	})
}

func TestAStoreThatCannotBeAskedTurnsTheBatchAway(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		o := outcome("1", token(0, split.Candidate, "a"), 1)
		b.report(t, o)
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		b.store.FailReads(storetest.ErrFull)
		_, err := b.Report(t.Context(), []ledger.Outcome{outcome("2", o.Assignment, 1)})
		if !problem.Is(err, problem.Unavailable) {
			t.Errorf("%v, want unavailable", err)
		}
		b.store.FailReads(nil)
		if got := b.correct(t, 0, split.Candidate); got[0] != 1 {
			t.Errorf("%d are counted, want 1", got[0])
		}
	})
}
