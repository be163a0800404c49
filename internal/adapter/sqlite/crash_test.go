package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/store"
)

// The writing process repeats three operations: an intent, the commit of its
// decision, and a flush. It says the number of each one once the store has
// answered. Everything that operation k writes follows from k, so that what is
// found after a kill tells up to which operation the store has come, and
// whether all of its parts agree on it.
const (
	crashModel = "fraud"
	crashID    = uint64(1<<63 | 41)
	crashes    = 30 // a third of them under -short
	// crashBudget bounds the whole; a slow machine crashes less often.
	crashBudget = 20 * time.Second
)

// opKind is what operation k is: 0 an intent, 1 a commit, 2 a flush.
func opKind(k int64) int64 { return (k - 1) % 3 }

// commits is how many of the operations up to k were commits.
func commits(k int64) int64 { return (k + 1) / 3 }

func opEvidence(k int64) []byte { return strconv.AppendInt(nil, k, 10) }

// opOutcomes are enough that an operation touches many pages.
func opOutcomes(k int64) []store.OutcomeID {
	out := make([]store.OutcomeID, 100)
	for i := range out {
		copy(out[i][:], rollout.Sum(fmt.Appendf(nil, "%d/%d", k, i)))
	}
	return out
}

func opKept(k int64) store.Kept {
	return store.Kept{
		ID: crashID, Evidence: opEvidence(k), Outcomes: opOutcomes(k),
		Exposures: []store.Exposure{{Unit: uint64(k), First: time.Unix(k, 0), Last: time.Unix(k, 0)}},
	}
}

// operate carries out operation k.
func operate(ctx context.Context, s store.Store, k int64) error {
	kept, n := opKept(k), commits(k)
	state := rollout.State{Phase: rollout.Progressing, Served: time.Duration(k)}
	switch opKind(k) {
	case 0:
		return s.Intend(ctx, store.Intent{ID: crashID, At: time.Unix(k, 0), Sentence: fmt.Sprint(k)})
	case 1:
		_, err := s.Commit(ctx, store.Commit{
			ID: crashID, Revision: n, State: state, Evidence: &kept, ClearIntent: true,
			Entry:   &rollout.Entry{Seq: n, At: time.Unix(k, 0), Kind: rollout.KindHold, EvidenceSum: rollout.Sum(kept.Evidence)},
			Serving: &rollout.Version{Name: fmt.Sprint(k)},
			Ending:  &store.Ending{DecidedAt: time.Unix(k, 0)},
		})
		return err
	}
	kept.State, kept.Revision = &state, n+1
	return s.Flush(ctx, []store.Kept{kept})
}

// reached tells the last operation that is in the store.
func reached(ctx context.Context, s store.Store) (int64, error) {
	evidence, err := s.Evidence(ctx, crashID)
	if err != nil || evidence == nil {
		return 0, err
	}
	k, err := strconv.ParseInt(string(evidence), 10, 64)
	if err != nil {
		return 0, err
	}
	if open, err := s.Intents(ctx); err != nil || len(open) == 0 {
		return k, err
	}
	return k + 1, nil
}

// commitForEver goes on where the store is.
func commitForEver(ctx context.Context, dir string, say io.Writer) error {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	k, err := reached(ctx, s)
	if err != nil {
		return err
	}
	for {
		if _, err := fmt.Fprintln(say, k); err != nil {
			return errors.Join(err, s.Close())
		}
		k++
		if err := operate(ctx, s, k); err != nil {
			return fmt.Errorf("operation %d: %w", k, err)
		}
	}
}

func TestAKillAtAnyMomentLosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	_, err = s.PutModel(t.Context(), store.Model{Name: crashModel})
	must(t, err)
	must(t, s.Create(t.Context(), store.Rollout{ID: crashID, Name: "r", Model: crashModel, State: rollout.State{Phase: rollout.Pending}}))
	// The first operations are here, so that there is evidence to begin from.
	for k := range int64(3) {
		must(t, operate(t.Context(), s, k+1))
	}
	must(t, s.Close())

	chance := rand.New(rand.NewPCG(7, 7))
	wanted := crashes
	if testing.Short() {
		wanted /= 3
	}
	start, done, unanswered, last := time.Now(), 0, 0, int64(3)
	for done < wanted && time.Since(start) < crashBudget {
		answered := killedAfter(t, dir, 1+chance.IntN(12), time.Duration(chance.IntN(20_000))*time.Microsecond)
		k := examine(t, dir)
		if k != answered && k != answered+1 {
			t.Fatalf("crash %d: operation %d was answered, but the store stands at %d", done, answered, k)
		}
		if k > answered {
			unanswered++
		}
		done, last = done+1, k
	}
	t.Logf("%d kills within %v, %d operations, %d of them were kept without an answer", done, time.Since(start).Round(time.Millisecond), last, unanswered)
	if done < 3 || last < 2*int64(done) {
		t.Errorf("only %d kills and %d operations: the test has shown little", done, last)
	}
}

// killedAfter runs the writing process, kills it a while after its n-th answer,
// and returns the last operation that it said was done.
func killedAfter(t *testing.T, dir string, n int, after time.Duration) (answered int64) {
	t.Helper()
	cmd := process(t, "commit for ever", dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for ; lines.Scan(); n-- {
		// A line that was cut by the kill says a smaller number, or none.
		if k, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil && k > answered {
			answered = k
		}
		if n == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(os.Kill) })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writing process ended by itself: %v", err)
	}
	return answered
}

// examine opens the store after a kill, checks that all of its parts stand at
// the same operation, and returns it.
func examine(t *testing.T, dir string) int64 {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	well(t, s)
	at, err := reached(t.Context(), s)
	must(t, err)
	k := at // the last operation that is no intent
	if opKind(at) == 0 {
		k--
	}
	n := commits(k)
	r, err := s.Rollout(t.Context(), "r")
	must(t, err)
	models, err := s.Models(t.Context())
	must(t, err)
	log, err := s.Log(t.Context(), crashID, n-1, 0)
	must(t, err)
	decided := 3*n - 1 // the operation of the last commit
	switch {
	case r.Revision != n+1, r.Last.Seq != n, len(log) != 1, log[0].Entry.Seq != n:
		t.Fatalf("operation %d: revision %d, head %d, %d records; want %d, %d, 1", k, r.Revision, r.Last.Seq, len(log), n+1, n)
	case r.State.Served != time.Duration(k):
		t.Fatalf("operation %d: the state is of operation %d", k, r.State.Served)
	case string(log[0].Evidence) != fmt.Sprint(decided), models[0].Serving.Name != fmt.Sprint(decided), !r.Ending.DecidedAt.Equal(time.Unix(decided, 0)):
		t.Fatalf("operation %d: evidence %s, serving %s, ending %v; want all of operation %d", k, log[0].Evidence, models[0].Serving.Name, r.Ending.DecidedAt, decided)
	}
	examineLedger(t, s, k)
	return at
}

// examineLedger checks that the ledger holds the operations up to k, wholly.
func examineLedger(t *testing.T, s *sqlite.Store, k int64) {
	t.Helper()
	for _, op := range []int64{k - 1, k, k + 1, k + 2} {
		known, err := s.Known(t.Context(), crashID, opOutcomes(op))
		must(t, err)
		want := 0
		if op <= k && opKind(op) != 0 {
			want = 100
		}
		if len(known) != want {
			t.Fatalf("operation %d: %d outcome ids of operation %d are known, want %d", k, len(known), op, want)
		}
	}
	var units []int64
	must(t, s.Exposures(t.Context(), crashID, func(e store.Exposure) error {
		units = append(units, int64(e.Unit))
		return nil
	}))
	slices.Sort(units)
	want := []int64{}
	for op := int64(1); op <= k; op++ {
		if opKind(op) != 0 {
			want = append(want, op)
		}
	}
	if !slices.Equal(units, want) {
		t.Fatalf("operation %d: %d exposures, want %d", k, len(units), len(want))
	}
}
