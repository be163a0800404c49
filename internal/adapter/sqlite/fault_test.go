package sqlite_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

func TestAFullDatabaseSaysSoAndGoesOnByItself(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	r := begin(t, s, "fraud", 7)
	must(t, s.Pragma(t.Context(), "max_page_count = 60"))
	n, err := fill(t.Context(), s, r.ID)
	if !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("a full disk: %v", err)
	}
	well(t, s)
	must(t, s.Pragma(t.Context(), "max_page_count = 1000000"))
	_, err = s.Commit(t.Context(), step(r.ID, n))
	must(t, err)
	well(t, s)
	got, err := s.Rollout(t.Context(), "fraud-v2")
	if must(t, err); got.Revision != n+1 || got.Last.Seq != n {
		t.Errorf("at revision %d with %d records, want %d and %d: a full disk changes nothing", got.Revision, got.Last.Seq, n+1, n)
	}
}

// fill commits until the store refuses, and returns the number of the commit
// that was refused.
func fill(ctx context.Context, s store.Store, id uint64) (n int64, err error) {
	for n = 1; n < 100_000; n++ {
		c := step(id, n)
		c.Evidence.Evidence = append(c.Evidence.Evidence, strings.Repeat("x", 10_000)...)
		c.Entry.EvidenceSum = rollout.Sum(c.Evidence.Evidence)
		if _, err := s.Commit(ctx, c); err != nil {
			return n, err
		}
	}
	return n, errors.New("the disk never got full")
}

func TestAForeignProgramThatHoldsTheDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	r := begin(t, s, "fraud", 7)
	must(t, s.Pragma(t.Context(), "busy_timeout = 20"))
	foreign, err := raw(t, dir).Conn(t.Context())
	must(t, err)
	_, err = foreign.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	if _, err := s.Commit(t.Context(), step(r.ID, 1)); !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("while a shell holds the database: %v", err)
	}
	if _, err := s.Rollout(t.Context(), "fraud-v2"); err != nil {
		t.Errorf("a read waits for nobody: %v", err)
	}
	_, err = foreign.ExecContext(t.Context(), `ROLLBACK`)
	must(t, err)
	must(t, foreign.Close())
	_, err = s.Commit(t.Context(), step(r.ID, 1))
	must(t, err)
}

func TestAConnectionThatWasGivenUpIsReplaced(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	r := begin(t, s, "fraud", 7)
	for n := int64(1); n <= 3; n++ {
		s.Break()
		s.Break()
		_, err := s.Commit(t.Context(), step(r.ID, n))
		must(t, err)
	}
	if writer, _, err := s.ReadPragma(t.Context(), "synchronous"); err != nil || writer != "2" {
		t.Errorf("the new connection has synchronous %q (%v), want 2", writer, err)
	}
	well(t, s)
}

// A caller that goes away while it waits for its turn leaves the turn to the
// others, and what it wanted is not done.
func TestACallerThatGoesAwayLeavesItsTurn(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	r := begin(t, s, "fraud", 7)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				short, stop := context.WithTimeout(ctx, time.Millisecond)
				err := s.Flush(short, []store.Kept{{ID: r.ID, Evidence: []byte("waiting")}})
				if stop(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
					t.Errorf("a caller with little time: %v", err)
				}
			}
		})
	}
	for n := int64(1); n <= 50; n++ {
		_, err := s.Commit(t.Context(), step(r.ID, n))
		must(t, err)
	}
	cancel()
	all.Wait()
	well(t, s)
}

func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	r := begin(t, s, "fraud", 7)
	var all sync.WaitGroup
	committed := int64(0)
	started := make(chan struct{})
	start := sync.OnceFunc(func() { close(started) })
	all.Go(func() {
		defer start()
		for n := int64(1); ; n++ {
			_, err := s.Commit(t.Context(), step(r.ID, n))
			if err != nil {
				if !problem.Is(err, problem.Unavailable) {
					t.Errorf("a commit on a closing store: %v", err)
				}
				return
			}
			if committed = n; n == 3 {
				start()
			}
		}
	})
	all.Go(func() {
		for {
			if _, err := s.List(t.Context(), store.Query{}); err != nil {
				if !problem.Is(err, problem.Unavailable) {
					t.Errorf("a read on a closing store: %v", err)
				}
				return
			}
		}
	})
	<-started
	must(t, s.Close())
	all.Wait()
	again := open(t, dir)
	got, err := again.Rollout(t.Context(), "fraud-v2")
	if must(t, err); got.Last.Seq != committed {
		t.Errorf("%d commits were answered, but %d are kept", committed, got.Last.Seq)
	}
	well(t, again)
}
