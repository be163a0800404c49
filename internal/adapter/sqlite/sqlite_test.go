package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/adapter/sqlite"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

// TestMain lets a test run parts of itself in processes of their own.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

// open opens a store that is closed when the test ends.
func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin keeps a model and a rollout of it.
func begin(t testing.TB, s store.Store, model string, id uint64) store.Rollout {
	t.Helper()
	_, err := s.PutModel(t.Context(), store.Model{Name: model})
	must(t, err)
	r := store.Rollout{ID: id, Name: model + "-v2", Model: model, State: rollout.State{Phase: rollout.Pending}, Plan: rollout.Plan{Rollout: model + "-v2"}}
	must(t, s.Create(t.Context(), r))
	return r
}

// step is the n-th commit on a rollout, with an entry and evidence of its own.
func step(id uint64, n int64) store.Commit {
	evidence := fmt.Appendf(nil, "evidence %d", n)
	return store.Commit{
		ID: id, Revision: n, State: rollout.State{Phase: rollout.Progressing, Served: time.Duration(n)},
		Entry:    &rollout.Entry{Seq: n, Kind: rollout.KindHold, Sentence: fmt.Sprint("entry ", n), EvidenceSum: rollout.Sum(evidence)},
		Evidence: &store.Kept{ID: id, Evidence: evidence},
	}
}

// well checks that nothing is damaged.
func well(t testing.TB, s *sqlite.Store) {
	t.Helper()
	found, err := s.Check(t.Context())
	must(t, err)
	for _, d := range found {
		t.Errorf("damage: %s", d)
	}
}

func TestWhatWasKeptIsThereWhenTheStoreIsOpenedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := sqlite.Open(t.Context(), dir)
	must(t, err)
	begin(t, first, "fraud", 1<<63|7)
	for n := range int64(5) {
		_, err := first.Commit(t.Context(), step(1<<63|7, n+1))
		must(t, err)
	}
	secret, err := first.Secret(t.Context(), "tokens", []byte("hush"))
	must(t, err)
	want, err := first.Rollout(t.Context(), "fraud-v2")
	must(t, err)
	must(t, first.Close())

	again := open(t, dir)
	got, err := again.Rollout(t.Context(), "fraud-v2")
	must(t, err)
	if got.Revision != want.Revision || got.Last != want.Last || got.ID != want.ID || got.State.Served != want.State.Served {
		t.Errorf("opened again and found\n%+v, want\n%+v", got, want)
	}
	kept, err := again.Secret(t.Context(), "tokens", []byte("another"))
	if must(t, err); string(kept) != string(secret) {
		t.Errorf("the secret became %q", kept)
	}
	well(t, again)
}

// A rollout of four days against the real database takes no time at all.
func TestARealDatabaseInABubble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		r := begin(t, s, "fraud", 9)
		start := time.Now()
		must(t, s.PutAnswer(t.Context(), "key", []byte("answer"), start.Add(24*time.Hour)))
		ticker := time.NewTicker(time.Hour)
		defer ticker.Stop()
		for n := int64(1); n <= 96; n++ {
			<-ticker.C
			_, err := s.Commit(t.Context(), step(r.ID, n))
			must(t, err)
			must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Revision: n + 1, Evidence: []byte("later")}}))
			answer, err := s.Answer(t.Context(), "key")
			if must(t, err); (answer != nil) != (n < 24) {
				t.Errorf("after %d hours the answer of a day is %q", n, answer)
			}
		}
		if took := time.Since(start); took != 96*time.Hour {
			t.Errorf("96 hours took %v", took)
		}
		well(t, s)
	})
}

func TestEveryDurableTransactionIsSynced(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	tests := map[string]struct{ pragma, writer, reader string }{
		"commits are synced":                  {"synchronous", "2", "2"},
		"a write-ahead log is used":           {"journal_mode", "wal", "wal"},
		"references are checked":              {"foreign_keys", "1", "1"},
		"readers cannot write":                {"query_only", "0", "1"},
		"the log does not stay long":          {"journal_size_limit", "67108864", "-1"},
		"foreign programs are waited for":     {"busy_timeout", "5000", "5000"},
		"what is in the schema is not called": {"trusted_schema", "0", "0"},
	}
	for name, tt := range tests {
		writer, reader, err := s.ReadPragma(t.Context(), tt.pragma)
		must(t, err)
		if writer != tt.writer || reader != tt.reader {
			t.Errorf("%s: %s is %s for the writer and %s for readers, want %s and %s", name, tt.pragma, writer, reader, tt.writer, tt.reader)
		}
	}
}

func TestPingSeesThatTheFileIsGone(t *testing.T) {
	t.Parallel()
	tests := map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			must(t, s.Ping(t.Context()))
			must(t, change(filepath.Join(dir, sqlite.File)))
			if err := s.Ping(t.Context()); !problem.Is(err, problem.Unavailable) {
				t.Errorf("ping: %v", err)
			}
		})
	}
}

func TestMomentsKeepTheirNanoseconds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "seconds"), rapid.Int64Range(1, 999_999_999).Draw(t, "nanoseconds"))
		if got := sqlite.MomentOf(sqlite.Moment(want)); !got.Equal(want) {
			t.Errorf("%v became %v", want, got)
		}
	})
	if got := sqlite.MomentOf(sqlite.Moment(time.Time{})); !got.IsZero() {
		t.Errorf("never became %v", got)
	}
}
