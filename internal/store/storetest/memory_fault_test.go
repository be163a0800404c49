package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

// write is a write that succeeds on a healthy store, as often as it is called.
func write(m *storetest.Memory) error {
	return m.PutAnswer(context.Background(), "key", []byte("answer"), time.Now().Add(time.Hour))
}

func TestMemoryFailsAsItIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	tests := map[string]func(t *testing.T, m *storetest.Memory){
		"a full disk fails writes and pings, but no reads": func(t *testing.T, m *storetest.Memory) {
			m.Fail(storetest.ErrFull)
			if err := write(m); !problem.Is(err, problem.Unavailable) {
				t.Errorf("a write to a full disk: %v", err)
			}
			if err := m.Ping(t.Context()); !errors.Is(err, storetest.ErrFull) {
				t.Errorf("a ping of a full disk: %v", err)
			}
			if got, err := m.Answer(t.Context(), "key"); err != nil || got != nil {
				t.Errorf("read %q (%v), but nothing was written", got, err)
			}
			m.Fail(nil)
			if err := write(m); err != nil {
				t.Errorf("after the disk has room again: %v", err)
			}
		},
		"reads fail alone": func(t *testing.T, m *storetest.Memory) {
			m.FailReads(broken)
			if _, err := m.List(t.Context(), store.Query{}); !errors.Is(err, broken) {
				t.Errorf("a read: %v", err)
			}
			if err := write(m); err != nil {
				t.Errorf("a write: %v", err)
			}
		},
		"a lost answer is of a write that took place": func(t *testing.T, m *storetest.Memory) {
			m.LoseAnswers(broken)
			if err := write(m); !errors.Is(err, broken) {
				t.Errorf("a write whose answer is lost: %v", err)
			}
			if got, err := m.Answer(t.Context(), "key"); err != nil || string(got) != "answer" {
				t.Errorf("read %q (%v), but it was written", got, err)
			}
		},
		"an interceptor fails the operation that it means": func(t *testing.T, m *storetest.Memory) {
			m.Intercept(func(_ context.Context, op storetest.Op) error {
				if op == storetest.OpPing {
					return broken
				}
				return nil
			})
			if err := m.Ping(t.Context()); !errors.Is(err, broken) {
				t.Errorf("the operation that is meant: %v", err)
			}
			if err := write(m); err != nil {
				t.Errorf("another operation: %v", err)
			}
		},
		"calls are counted, failures included": func(t *testing.T, m *storetest.Memory) {
			m.Fail(broken)
			_, _ = write(m), write(m)
			m.Fail(nil)
			_ = write(m)
			if got := m.Calls(storetest.OpPutAnswer); got != 3 {
				t.Errorf("counted %d calls, want 3", got)
			}
		},
		"a store that is opened again has kept everything": func(t *testing.T, m *storetest.Memory) {
			if err := errors.Join(write(m), m.Close()); err != nil {
				t.Fatal(err)
			}
			if err := write(m); !problem.Is(err, problem.Unavailable) {
				t.Errorf("a write to a closed store: %v", err)
			}
			m.Reopen()
			if got, err := m.Answer(t.Context(), "key"); err != nil || string(got) != "answer" {
				t.Errorf("read %q (%v) after opening again", got, err)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, storetest.NewMemory())
		})
	}
}

func TestMemoryInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := storetest.NewMemory()
		m.Intercept(func(ctx context.Context, _ storetest.Op) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		start := time.Now()
		if err := write(m); err != nil || time.Since(start) != time.Minute {
			t.Errorf("a slow write took %v (%v), want a minute of the bubble's time", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a ping that is slower than its deadline: %v", err)
		}
		m.Intercept(nil)
		time.Sleep(time.Hour)
		if got, err := m.Answer(t.Context(), "key"); err != nil || got != nil {
			t.Errorf("an answer that is an hour old: %q (%v)", got, err)
		}
	})
}
