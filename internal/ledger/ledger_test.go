package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
	"github.com/belay-rollouts/belay/internal/traffic/traffictest"
)

const (
	id   = 42
	salt = split.Salt(7)
)

var signer = assignment.NewSigner([]byte("0123456789abcdef0123456789abcdef"))

// bench is a ledger over fakes with one open book, in virtual time.
type bench struct {
	*ledger.Ledger
	store  *storetest.Memory
	target *traffictest.Fake
	layout *evidence.Layout
}

func run(t *testing.T, clustered bool, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		base, steps := evidence.BaseFor(0.1)
		layout := evidence.NewLayout(clustered, "outcome:correct", "outcome:bought")
		layout.Sketches = []evidence.Base{base}
		layout.Tails = []evidence.Tail{{Quantile: 0.99, Steps: steps}}
		b := &bench{store: storetest.NewMemory(), target: traffictest.NewFake(nil), layout: &layout}
		if _, err := b.store.PutModel(t.Context(), store.Model{Name: "m"}); err != nil {
			t.Fatal(err)
		}
		b.create(t, id, "m-v2")
		b.boot(t)
		test(t, b)
	})
}

func (b *bench) create(t *testing.T, id uint64, name string) {
	t.Helper()
	rec := store.Rollout{ID: id, Name: name, Model: "m", Salt: salt, State: rollout.State{Phase: rollout.Completed}}
	rec.Plan.Layout = *b.layout
	if err := b.store.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
}

// boot begins anew over what the store has.
func (b *bench) boot(t *testing.T) {
	t.Helper()
	b.Ledger = ledger.New(ledger.Options{Store: b.store, Target: b.target, Signer: signer})
	b.open(t, id, time.Time{})
}

func (b *bench) open(t *testing.T, id uint64, ended time.Time) {
	t.Helper()
	err := b.Open(t.Context(), ledger.Account{
		ID: id, Name: fmt.Sprint("rollout-", id), Model: "m", Salt: salt, Layout: b.layout, EndedAt: ended,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
}

// flushes starts the ledger that is open now, until the test ends.
func (b *bench) flushes(t *testing.T) {
	l := b.Ledger
	l.Start()
	t.Cleanup(func() { _ = l.Stop(context.Background()) })
}

// see makes the data plane have seen a unit n times.
func (b *bench) see(t *testing.T, stratum uint8, arm split.Arm, unit string, n int) {
	t.Helper()
	h := salt.Hash(unit)
	batch := evidence.Batch{Rollout: id, Stratum: stratum, Delta: evidence.NewStratum(b.layout)}
	for range n {
		batch.Delta.Observe(b.layout, evidence.Observation{Arm: arm, Bucket: h.Bucket(), Latency: 10 * time.Millisecond})
		batch.Exposures = append(batch.Exposures, evidence.Exposure{Unit: h.Second, Arm: arm, Time: time.Now()})
	}
	b.target.Inject(batch)
	b.collect(t)
}

func (b *bench) collect(t *testing.T) {
	t.Helper()
	if err := b.Collect(t.Context()); err != nil {
		t.Fatalf("collect: %v", err)
	}
}

// token is what a caller got with an answer now.
func token(stratum uint8, arm split.Arm, unit string) string {
	return signer.Token(assignment.Exposure{Rollout: id, Stratum: stratum, Arm: arm, Unit: salt.Hash(unit).Second, Time: time.Now()})
}

func (b *bench) report(t *testing.T, outcomes ...ledger.Outcome) ledger.Result {
	t.Helper()
	r, err := b.Report(t.Context(), outcomes)
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	return r
}

// correct is the tally of the outcome in a stratum.
func (b *bench) correct(t *testing.T, stratum int, arm split.Arm) [2]uint64 {
	t.Helper()
	ev, ok := b.Evidence(id)
	if !ok {
		t.Fatal("no evidence")
	}
	if stratum >= len(ev.Strata) {
		return [2]uint64{}
	}
	tally := ev.Strata[stratum].Sides[arm].Rates[2]
	return [2]uint64{tally.N, tally.K}
}

func outcome(id, token string, value float64) ledger.Outcome {
	return ledger.Outcome{ID: id, Assignment: token, Metric: "correct", Value: value}
}

func TestBatchesOfTheDataPlane(t *testing.T) {
	t.Parallel()
	other := evidence.NewLayout(false, "a", "b", "c", "d", "e")
	tests := map[string]struct {
		batch evidence.Batch
	}{
		"of an unknown rollout": {evidence.Batch{Rollout: 9}},
		"of no stratum":         {evidence.Batch{Rollout: id, Stratum: table.NoStratum}},
		"of another layout":     {evidence.Batch{Rollout: id, Delta: evidence.NewStratum(&other)}},
	}
	for name, tt := range tests {
		t.Run(name+" count nothing", func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				b.target.Inject(tt.batch)
				b.collect(t)
				if ev, _ := b.Evidence(id); len(ev.Strata) != 0 {
					t.Errorf("%d strata", len(ev.Strata))
				}
			})
		})
	}
}

func TestAFrozenEdgeStays(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		for i := range 3 {
			b.see(t, 0, split.Baseline, fmt.Sprint("u", i), evidence.FreezeAfter/2)
		}
		ev, _ := b.Evidence(id)
		edges := ev.Strata[0].Edges
		if len(edges) != 1 {
			t.Fatalf("edges %v after %d requests", edges, 3*evidence.FreezeAfter/2)
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		if ev, _ = b.Evidence(id); !cmp.Equal(ev.Strata[0].Edges, edges) {
			t.Errorf("edges %v after a restart, want %v", ev.Strata[0].Edges, edges)
		}
	})
}

func TestASnapshotNeverChanges(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.see(t, 0, split.Candidate, "u", 3)
		s, err := b.Take(id)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		before, err := ledger.Encode(b.layout, s.Evidence)
		if err != nil {
			t.Fatal(err)
		}
		b.see(t, 0, split.Candidate, "v", 5)
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1))
		after, err := ledger.Encode(b.layout, s.Evidence)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(before, after) {
			t.Error("what was counted later is in the snapshot")
		}
	})
}

func TestADecisionsEvidenceIsNeverReplacedByOlder(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.see(t, 0, split.Candidate, "u", 3)
		s, err := b.Take(id)
		if err != nil {
			t.Fatal(err)
		}
		b.see(t, 0, split.Candidate, "u", 4)
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := b.store.Calls(storetest.OpFlush); n != 0 {
			t.Error("flushed while a decision holds the evidence")
		}
		kept, err := s.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = b.store.Flush(t.Context(), []store.Kept{kept})
		s.Kept(kept, err == nil)
		s.Release()
		s.Release() // Twice does no harm.
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		ev, _ := b.Evidence(id)
		if n := ev.Exposed(split.Candidate); n != 7 {
			t.Errorf("%d requests are kept, want 7", n)
		}
	})
}

func TestTheDecisionHasTheOutcomesOfItsEvidenceAndNoOthers(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1), outcome("2", token(0, split.Candidate, "u"), 1))
		s, err := b.Take(id)
		if err != nil {
			t.Fatal(err)
		}
		b.report(t, outcome("3", token(0, split.Candidate, "u"), 1))
		kept, err := s.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Kept(kept, false)
		s.Release()
		if len(kept.Outcomes) != 2 {
			t.Errorf("%d outcomes go with a snapshot of 2", len(kept.Outcomes))
		}
	})
}

func TestCollectionsAreShared(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		slow := &slowTarget{Fake: b.target}
		l := ledger.New(ledger.Options{Store: b.store, Target: slow, Signer: signer})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := l.Collect(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if slow.calls > 2 {
			t.Errorf("100 callers at once made %d collections, want at most 2", slow.calls)
		}
	})
}

// slowTarget is a fake that takes its time to hand over.
type slowTarget struct {
	*traffictest.Fake
	calls int
}

func (s *slowTarget) Collect(ctx context.Context) ([]evidence.Batch, error) {
	s.calls++
	time.Sleep(time.Second)
	return s.Fake.Collect(ctx)
}

func TestBooksThatAreNotOpen(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		if _, err := b.Take(1); !problem.Is(err, problem.NotFound) {
			t.Errorf("take: %v", err)
		}
		if _, ok := b.Evidence(1); ok {
			t.Error("evidence of nothing")
		}
		if c := b.Counters(1); !cmp.Equal(c, ledger.Counters{}) {
			t.Errorf("counters of nothing: %+v", c)
		}
		b.End(1, time.Now())
	})
}

func TestCountersTellWhatWasReported(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		tok := token(0, split.Candidate, "a")
		b.report(t, outcome("1", tok, 1), outcome("1", tok, 1), outcome("2", tok, 0.5), ledger.Outcome{ID: "3", Assignment: tok, Metric: "other"})
		want := ledger.Counters{Accepted: 1, Repeated: 1, Unattributed: 1, Why: map[ledger.Missing]uint64{ledger.NoGate: 1}, Refused: 1}
		if diff := cmp.Diff(want, b.Counters(id)); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
	})
}

func TestDamagedEvidenceIsAnError(t *testing.T) {
	t.Parallel()
	layout := evidence.NewLayout(false, "outcome:correct")
	small := evidence.NewLayout(false)
	ev := &evidence.Evidence{}
	ev.Stratum(&layout, 1)
	good, err := ledger.Encode(&layout, ev)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Decode(&layout, good); err != nil {
		t.Fatalf("what was encoded: %v", err)
	}
	if _, err := ledger.Decode(&small, good); err == nil {
		t.Error("evidence of another layout was read")
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0xFF
		_, _ = ledger.Decode(&layout, bad) // Whatever it says, it returns.
	}
	if _, err := ledger.Decode(&layout, good[:len(good)/2]); err == nil {
		t.Error("half of it was read")
	}
}
