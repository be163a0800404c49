package storetest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

var commitCases = cases{
	"a commit moves state, revision, head and evidence":              commitMoves,
	"an ending is kept, and stays when a commit has none":            endingKept,
	"a commit at another revision conflicts and changes nothing":     commitConflict,
	"a commit of an unknown rollout is not found":                    commitUnknown,
	"a commit whose entry is refused changes nothing":                refusedEntry,
	"a cancelled commit is all or nothing, and says which":           commitCancelled,
	"a commit without an entry adds no record":                       noEntry,
	"an entry without new evidence stands on what is kept":           entryOnKept,
	"a completed rollout moves its model to the candidate":           servingMoves,
	"a rollback holds back the model's next rollout":                 cooldownSet,
	"a model that a commit moved conflicts with an older idea":       modelMoved,
	"of many commits at one revision exactly one wins":               commitRace,
	"commits on many rollouts at once do not disturb one another":    commitApart,
	"a number that cannot be written refuses the state it is in":     unwritable,
	"a commit keeps outcome ids and exposures with its evidence":     commitKeeps,
	"evidence of another rollout is refused in a commit":             foreignEvidence,
	"an intent is cleared by the commit of its decision, not before": intentCleared,
}

func commitMoves(t *testing.T, s store.Store) {
	r := seeded(t, s)
	for n := 1; n <= 3; n++ {
		c := step(r, n)
		commit(t, s, c)
		got := read(t, s, r.Name)
		if got.Revision != int64(n)+1 {
			t.Errorf("at revision %d after %d commits", got.Revision, n)
		}
		wantSame(t, "the state", got.State, c.State)
		wantSame(t, "the head", got.Last, store.HeadOf(c.Entry, got.Last.Hash))
		ev, err := s.Evidence(t.Context(), r.ID)
		must(t, err)
		wantSame(t, "the evidence", ev, c.Evidence.Evidence)
		got.Revision, got.State, got.Last = r.Revision, r.State, r.Last
		wantSame(t, "the rest of the rollout", got, r)
	}
}

func endingKept(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := step(r, 1)
	c.Ending = &store.Ending{DecidedAt: at(1), SwappedAt: at(2), LastStarted: at(1)}
	commit(t, s, c)
	commit(t, s, step(r, 2))
	wantSame(t, "the ending", read(t, s, r.Name).Ending, c.Ending)
	c3 := step(r, 3)
	c3.Ending = &store.Ending{DecidedAt: at(1), SwappedAt: at(2), ConfirmedAt: at(3)}
	commit(t, s, c3)
	wantSame(t, "the ending, told again", read(t, s, r.Name).Ending, c3.Ending)
}

func commitConflict(t *testing.T, s store.Store) {
	r := seeded(t, s)
	commit(t, s, step(r, 1))
	must(t, s.Intend(t.Context(), store.Intent{ID: r.ID, At: epoch}))
	before := snapshot(t, s, outcomes(0, 3)...)
	for _, revision := range []int64{0, 1, 3} {
		c := loaded(r, 2)
		c.Revision = revision
		_, err := s.Commit(t.Context(), c)
		wantCode(t, err, problem.Conflict)
	}
	wantSame(t, "after conflicts", snapshot(t, s, outcomes(0, 3)...), before)
}

// loaded is a commit that changes everything that a commit can change.
func loaded(r store.Rollout, n int) store.Commit {
	c := step(r, n)
	c.Evidence.Outcomes = outcomes(0, 3)
	c.Evidence.Exposures = []store.Exposure{{Unit: 1, Arm: split.Candidate, First: epoch, Last: epoch}}
	c.Ending = &store.Ending{DecidedAt: epoch}
	c.Serving = &rollout.Version{Name: "v7"}
	c.CooldownUntil = at(3600)
	c.ClearIntent = true
	return c
}

func commitUnknown(t *testing.T, s store.Store) {
	_, err := s.Commit(t.Context(), step(aRollout("nobody", "nothing", 5), 1))
	wantCode(t, err, problem.NotFound)
}

func refusedEntry(t *testing.T, s store.Store) {
	r := seeded(t, s)
	commit(t, s, step(r, 1))
	must(t, s.Intend(t.Context(), store.Intent{ID: r.ID, At: epoch}))
	before := snapshot(t, s, outcomes(0, 3)...)
	spoils := map[string]func(c *store.Commit){
		"a gap":                        func(c *store.Commit) { c.Entry.Seq = 3 },
		"a record twice":               func(c *store.Commit) { c.Entry.Seq = 1 },
		"record 0":                     func(c *store.Commit) { c.Entry.Seq = 0 },
		"another evidence":             func(c *store.Commit) { c.Entry.EvidenceSum = rollout.Sum([]byte("other")) },
		"no sum although evidence":     func(c *store.Commit) { c.Entry.EvidenceSum = "" },
		"a number that is no number":   func(c *store.Commit) { c.Entry.Judgements = []gate.Judgement{{LogFail: math.NaN()}} },
		"kept evidence that it is not": func(c *store.Commit) { c.Evidence.Evidence = nil },
	}
	for name, spoil := range spoils {
		c := loaded(r, 2)
		spoil(&c)
		_, err := s.Commit(t.Context(), c)
		if !problem.Is(err, problem.Internal) {
			t.Errorf("%s: got %v, want an internal error", name, err)
		}
		wantSame(t, "after "+name, snapshot(t, s, outcomes(0, 3)...), before)
	}
	commit(t, s, loaded(r, 2))
}

func commitCancelled(t *testing.T, s store.Store) {
	r := seeded(t, s)
	chance := rand.New(rand.NewPCG(1, 2))
	n, stopped := 1, 0
	for range 60 {
		ctx, cancel := context.WithCancel(t.Context())
		after := time.Duration(chance.IntN(3000)) * time.Microsecond
		timer := time.AfterFunc(after, cancel)
		c := loaded(r, n)
		c.Evidence.Outcomes = outcomes(10*n, 3)
		_, err := s.Commit(ctx, c)
		timer.Stop()
		cancel()
		known, kerr := s.Known(t.Context(), r.ID, c.Evidence.Outcomes)
		must(t, kerr)
		got := read(t, s, r.Name)
		if err == nil {
			n++
		} else if stopped++; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled commit failed with %v", err)
		}
		wantKnown := 0
		if err == nil {
			wantKnown = 3
		}
		if got.Revision != int64(n) || got.Last.Seq != int64(n)-1 || len(known) != wantKnown {
			t.Fatalf("error %v, but revision %d, head %d, %d outcome ids known; want %d, %d, %d",
				err, got.Revision, got.Last.Seq, len(known), n, n-1, wantKnown)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := s.Commit(ctx, step(r, n)); !errors.Is(err, context.Canceled) {
			t.Fatalf("a commit that was cancelled before it began: %v", err)
		}
	}
	t.Logf("%d of 60 commits were stopped", stopped)
}

func noEntry(t *testing.T, s store.Store) {
	r := seeded(t, s)
	commit(t, s, store.Commit{ID: r.ID, Revision: 1, State: stateAt(1)})
	got := read(t, s, r.Name)
	log, err := s.Log(t.Context(), r.ID, 0, 0)
	must(t, err)
	if len(log) != 0 || got.Last != (store.Head{}) || got.Revision != 2 {
		t.Errorf("%d records, head %+v, revision %d; want none, the zero head, 2", len(log), got.Last, got.Revision)
	}
	ev, err := s.Evidence(t.Context(), r.ID)
	if must(t, err); ev != nil {
		t.Errorf("evidence %q out of nothing", ev)
	}
	c := step(r, 2)
	c.Entry.Seq = 1
	commit(t, s, c)
	want := read(t, s, r.Name).Last
	commit(t, s, store.Commit{ID: r.ID, Revision: 3, State: stateAt(3)})
	wantSame(t, "the head", read(t, s, r.Name).Last, want)
	if seq := audit(t, s, r.Name); seq != 1 {
		t.Errorf("%d records, want 1", seq)
	}
}

func entryOnKept(t *testing.T, s store.Store) {
	r := seeded(t, s)
	first := store.Commit{ID: r.ID, Revision: 1, State: stateAt(1), Entry: entry(1, nil)}
	first.Entry.EvidenceSum = ""
	commit(t, s, first)
	commit(t, s, store.Commit{ID: r.ID, Revision: 2, State: stateAt(2), Entry: entry(2, nil)})
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Evidence: evidenceOf(3)}}))
	commit(t, s, store.Commit{ID: r.ID, Revision: 3, State: stateAt(3), Entry: entry(3, evidenceOf(3))})
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Evidence: evidenceOf(4)}}))
	commit(t, s, store.Commit{ID: r.ID, Revision: 4, State: stateAt(4), Entry: entry(4, evidenceOf(4)), Evidence: &store.Kept{ID: r.ID}})
	log, err := s.Log(t.Context(), r.ID, 0, 0)
	must(t, err)
	for i, want := range [][]byte{nil, nil, evidenceOf(3), evidenceOf(4)} {
		wantSame(t, "the evidence beside a record", log[i].Evidence, want)
	}
}

func servingMoves(t *testing.T, s store.Store) {
	r := seeded(t, s)
	seed(t, s, "other", 2)
	c := step(r, 1)
	c.State, c.Serving = over(rollout.Completed), &r.Plan.Candidate
	commit(t, s, c)
	want := aModel("fraud")
	want.Revision, want.Serving = 2, r.Plan.Candidate
	wantSame(t, "the model", model(t, s, "fraud"), want)
	if other := model(t, s, "other"); other.Serving.Name != "v6" || other.Revision != 1 {
		t.Errorf("another model moved to %+v at revision %d", other.Serving, other.Revision)
	}
}

func cooldownSet(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := step(r, 1)
	c.State, c.CooldownUntil = over(rollout.RolledBack), at(3600)
	commit(t, s, c)
	want := aModel("fraud")
	want.Revision, want.CooldownUntil = 2, at(3600)
	wantSame(t, "the model", model(t, s, "fraud"), want)
	c = step(r, 2)
	c.State = over(rollout.RolledBack)
	commit(t, s, c)
	wantSame(t, "the model, after a commit that does not speak of it", model(t, s, "fraud"), want)
}

// modelMoved: an apply that read the model before a rollout ended must not put
// the old version back.
func modelMoved(t *testing.T, s store.Store) {
	r := seeded(t, s)
	old := model(t, s, "fraud")
	c := step(r, 1)
	c.Serving, c.CooldownUntil = &rollout.Version{Name: "v7"}, at(1)
	commit(t, s, c)
	_, err := s.PutModel(t.Context(), old)
	wantCode(t, err, problem.Conflict)
	now := model(t, s, "fraud")
	if now.Serving.Name != "v7" || now.Revision != 2 {
		t.Errorf("serving %q at revision %d, want v7 at 2", now.Serving.Name, now.Revision)
	}
}

func commitRace(t *testing.T, s store.Store) {
	r := seeded(t, s)
	const rounds, racers = 10, 8
	for n := 1; n <= rounds; n++ {
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				c := step(r, n)
				c.Entry.Traffic.SinceCandidate = uint64(i)
				if _, err := s.Commit(t.Context(), c); err == nil {
					won.Add(1)
				} else {
					wantCode(t, err, problem.Conflict)
				}
			})
		}
		all.Wait()
		if got := won.Load(); got != 1 {
			t.Fatalf("%d of %d commits won at revision %d, want 1", got, racers, n)
		}
	}
	if seq := audit(t, s, r.Name); seq != rounds {
		t.Errorf("%d records after %d rounds", seq, rounds)
	}
}

func commitApart(t *testing.T, s store.Store) {
	var all sync.WaitGroup
	for i, name := range []string{"a", "b", "c", "d"} {
		r := seed(t, s, name, uint64(i)+1)
		all.Go(func() {
			for n := 1; n <= 10; n++ {
				if _, err := s.Commit(t.Context(), step(r, n)); err != nil {
					t.Errorf("commit %d on %s: %v", n, r.Name, err)
				}
			}
		})
		all.Go(func() {
			for range 10 {
				if _, err := s.List(t.Context(), store.Query{}); err != nil {
					t.Errorf("list: %v", err)
				}
			}
		})
	}
	all.Wait()
	for _, name := range []string{"a", "b", "c", "d"} {
		if seq := audit(t, s, name+"-v7"); seq != 10 {
			t.Errorf("rollout %s has %d records, want 10", name, seq)
		}
	}
}

func unwritable(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	r := aRollout("fraud-v7", "fraud", firstID)
	r.Plan.Alpha = math.Inf(1)
	if err := s.Create(t.Context(), r); err == nil {
		t.Error("a plan with an infinite alpha was kept")
	}
	_, err = s.Rollout(t.Context(), r.Name)
	wantCode(t, err, problem.NotFound)
}

func commitKeeps(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := loaded(r, 1)
	commit(t, s, c)
	known, err := s.Known(t.Context(), r.ID, outcomes(0, 5))
	must(t, err)
	wantSame(t, "known outcome ids", known, outcomes(0, 3))
	wantSame(t, "exposures", exposed(t, s, r.ID), c.Evidence.Exposures)
}

func foreignEvidence(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := step(r, 1)
	c.Evidence.ID = r.ID + 1
	before := snapshot(t, s)
	_, err := s.Commit(t.Context(), c)
	wantCode(t, err, problem.Internal)
	wantSame(t, "after foreign evidence", snapshot(t, s), before)
}

func intentCleared(t *testing.T, s store.Store) {
	r := seeded(t, s)
	other := seed(t, s, "other", 2)
	must(t, s.Intend(t.Context(), store.Intent{ID: r.ID, At: epoch}))
	must(t, s.Intend(t.Context(), store.Intent{ID: other.ID, At: epoch}))
	commit(t, s, step(r, 1))
	if all, err := s.Intents(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d intents (%v) after a commit that clears none, want 2", len(all), err)
	}
	c := step(r, 2)
	c.ClearIntent = true
	commit(t, s, c)
	all, err := s.Intents(t.Context())
	must(t, err)
	wantSame(t, "intents", all, []store.Intent{{ID: other.ID, At: epoch}})
}
