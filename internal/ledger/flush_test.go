package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

func TestEvidenceIsDurableWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.flushes(t)
		b.see(t, 0, split.Candidate, "u", 9)
		b.report(t, outcome("1", token(0, split.Candidate, "u"), 1))
		time.Sleep(2 * time.Second)
		want, _ := b.Evidence(id)
		b.boot(t)
		got, _ := b.Evidence(id)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("evidence after a crash (-counted +kept):\n%s", diff)
		}
	})
}

func TestNothingIsWrittenWhileNothingChanges(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.flushes(t)
		b.see(t, 0, split.Candidate, "u", 9)
		time.Sleep(time.Hour)
		if n := b.store.Calls(storetest.OpFlush); n != 1 {
			t.Errorf("flushed %d times, want once", n)
		}
	})
}

func TestAFailingStoreLosesNothing(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.flushes(t)
		b.store.Fail(storetest.ErrFull)
		for i := range 20 {
			b.see(t, 0, split.Candidate, fmt.Sprint("u", i), 1)
			b.report(t, outcome(fmt.Sprint(i), token(0, split.Candidate, "u"), 1))
			time.Sleep(time.Second)
		}
		if b.Failing() == nil {
			t.Error("the failure is not told")
		}
		b.store.Fail(nil)
		time.Sleep(2 * time.Second)
		if err := b.Failing(); err != nil {
			t.Errorf("still failing: %v", err)
		}
		b.boot(t)
		if got := b.correct(t, 0, split.Candidate); got[0] != 20 {
			t.Errorf("%d outcomes are kept, want 20", got[0])
		}
		if n := b.Exposed(id, split.Candidate); n != 20 {
			t.Errorf("%d units are kept, want 20", n)
		}
	})
}
