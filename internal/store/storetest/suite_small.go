package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// smallCases are intents, secrets, answers, and opening and closing.
var smallCases = cases{
	"an intent comes back as it was, and a newer one takes its place": intentKept,
	"an intent of an unknown rollout is not found":                    intentUnknown,
	"the first secret proposed under a name is kept":                  secretKept,
	"whoever asks for a secret at the same time gets the same":        secretRace,
	"an empty secret is refused":                                      secretEmpty,
	"an answer is kept until its time":                                answerKept,
	"a ping tells that the store can be written to":                   pinged,
	"a closed store answers with a problem, and closes twice":         closed,
}

func intentKept(t *testing.T, s store.Store) {
	r := seeded(t, s)
	if all, err := s.Intents(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d intents (%v) in a new store", len(all), err)
	}
	want := store.Intent{ID: r.ID, At: epoch, Reason: rollout.ReasonGateFailed, Sentence: "ROLLBACK at 10%: …", By: "ada"}
	must(t, s.Intend(t.Context(), store.Intent{ID: r.ID, At: at(-1), Reason: rollout.ReasonCutOff}))
	must(t, s.Intend(t.Context(), want))
	all, err := s.Intents(t.Context())
	must(t, err)
	wantSame(t, "intents", all, []store.Intent{want})
}

func intentUnknown(t *testing.T, s store.Store) {
	wantCode(t, s.Intend(t.Context(), store.Intent{ID: 4711, At: epoch}), problem.NotFound)
}

func secretKept(t *testing.T, s store.Store) {
	for _, proposed := range []string{"one", "two", ""} {
		got, err := s.Secret(t.Context(), "tokens", []byte(proposed))
		must(t, err)
		if string(got) != "one" {
			t.Errorf("proposed %q and got %q, want the first one", proposed, got)
		}
	}
	got, err := s.Secret(t.Context(), "other", []byte("\x00\xff"))
	if must(t, err); string(got) != "\x00\xff" {
		t.Errorf("another name has %q", got)
	}
}

func secretRace(t *testing.T, s store.Store) {
	var all sync.WaitGroup
	var got [8]string
	for i := range got {
		all.Go(func() {
			secret, err := s.Secret(t.Context(), "tokens", []byte{byte(i), 1})
			if err != nil {
				t.Error(err)
			}
			got[i] = string(secret)
		})
	}
	all.Wait()
	for i := range got {
		if got[i] != got[0] || got[i] == "" {
			t.Errorf("callers got different secrets: %q", got)
		}
	}
}

func secretEmpty(t *testing.T, s store.Store) {
	_, err := s.Secret(t.Context(), "tokens", nil)
	wantCode(t, err, problem.Invalid)
}

func answerKept(t *testing.T, s store.Store) {
	now := time.Now()
	must(t, s.PutAnswer(t.Context(), "late", []byte("gone"), now.Add(-time.Second)))
	must(t, s.PutAnswer(t.Context(), "key", []byte("first"), now.Add(time.Hour)))
	must(t, s.PutAnswer(t.Context(), "key", []byte("\x00second"), now.Add(time.Hour)))
	must(t, s.PutAnswer(t.Context(), "empty", nil, now.Add(time.Hour)))
	for key, want := range map[string]string{"key": "\x00second", "late": "", "never": "", "empty": ""} {
		got, err := s.Answer(t.Context(), key)
		must(t, err)
		if string(got) != want {
			t.Errorf("answer %q is %q, want %q", key, got, want)
		}
	}
}

func pinged(t *testing.T, s store.Store) {
	before := snapshot(t, s)
	for range 3 {
		must(t, s.Ping(t.Context()))
	}
	wantSame(t, "after pings", snapshot(t, s), before)
}

func closed(t *testing.T, s store.Store) {
	r := seeded(t, s)
	must(t, s.Close())
	must(t, s.Close())
	_, read := s.Rollout(t.Context(), r.Name)
	_, write := s.Commit(t.Context(), step(r, 1))
	for what, err := range map[string]error{"a read": read, "a write": write, "a ping": s.Ping(t.Context())} {
		if !problem.Is(err, problem.Unavailable) {
			t.Errorf("%s of a closed store: got %v, want %s", what, err, problem.Unavailable)
		}
	}
}
