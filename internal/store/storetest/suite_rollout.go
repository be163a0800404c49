package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

var rolloutCases = cases{
	"a rollout comes back as it was created, at revision 1":          rolloutCreated,
	"a rollout that does not exist is not found":                     rolloutMissing,
	"a name in use is refused, also after its rollout is over":       nameInUse,
	"an id in use is refused":                                        idInUse,
	"a rollout without a name or an id is invalid":                   rolloutNameless,
	"a rollout of an unknown model is not found":                     modelMissing,
	"a model has one rollout that is not over":                       oneActive,
	"a rollout that is over does not come back beside an active one": noSecondLife,
	"rollouts are listed newest first":                               newestFirst,
	"a list is selected and bounded":                                 listSelected,
	"nothing is shared with the caller":                              nothingShared,
}

func rolloutCreated(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	want := aRollout("fraud-v7", "fraud", firstID)
	want.Revision, want.Last, want.Ending = 41, store.Head{Seq: 7, Hash: "x"}, &store.Ending{DecidedAt: epoch}
	must(t, s.Create(t.Context(), want))
	want.Revision, want.Last, want.Ending = 1, store.Head{}, nil
	wantSame(t, "the rollout", read(t, s, "fraud-v7"), want)
}

func rolloutMissing(t *testing.T, s store.Store) {
	_, err := s.Rollout(t.Context(), "nobody")
	wantCode(t, err, problem.NotFound)
}

func nameInUse(t *testing.T, s store.Store) {
	r := seeded(t, s)
	again := aRollout(r.Name, "fraud", 2)
	wantCode(t, s.Create(t.Context(), again), problem.Exists)
	c := step(r, 1)
	c.State = over(rollout.RolledBack)
	commit(t, s, c)
	before := snapshot(t, s)
	wantCode(t, s.Create(t.Context(), again), problem.Exists)
	wantSame(t, "after a refused name", snapshot(t, s), before)
}

func idInUse(t *testing.T, s store.Store) {
	r := seeded(t, s)
	_, err := s.PutModel(t.Context(), aModel("other"))
	must(t, err)
	wantCode(t, s.Create(t.Context(), aRollout("other-v1", "other", r.ID)), problem.Exists)
}

func rolloutNameless(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	wantCode(t, s.Create(t.Context(), aRollout("", "fraud", firstID)), problem.Invalid)
	wantCode(t, s.Create(t.Context(), aRollout("fraud-v7", "fraud", 0)), problem.Invalid)
}

func modelMissing(t *testing.T, s store.Store) {
	wantCode(t, s.Create(t.Context(), aRollout("fraud-v7", "fraud", firstID)), problem.NotFound)
}

func oneActive(t *testing.T, s store.Store) {
	first := seeded(t, s)
	seed(t, s, "other", 7)
	second := aRollout("fraud-v8", "fraud", 2)
	wantCode(t, s.Create(t.Context(), second), problem.Conflict)
	for i, phase := range []rollout.Phase{rollout.Progressing, rollout.Holding, rollout.AwaitingApproval} {
		c := step(first, i+1)
		c.State.Phase = phase
		commit(t, s, c)
		wantCode(t, s.Create(t.Context(), second), problem.Conflict)
	}
	c := step(first, 4)
	c.State = over(rollout.Aborted)
	commit(t, s, c)
	must(t, s.Create(t.Context(), second))
}

func noSecondLife(t *testing.T, s store.Store) {
	first := seeded(t, s)
	c := step(first, 1)
	c.State = over(rollout.RolledBack)
	commit(t, s, c)
	must(t, s.Create(t.Context(), aRollout("fraud-v8", "fraud", 2)))
	before := snapshot(t, s)
	_, err := s.Commit(t.Context(), step(first, 2))
	wantCode(t, err, problem.Conflict)
	wantSame(t, "after a refused second life", snapshot(t, s), before)
}

// names keeps the names of a list in their order.
func names(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	all, err := s.List(t.Context(), q)
	must(t, err)
	var out []string
	for _, r := range all {
		out = append(out, r.Name)
	}
	return out
}

func newestFirst(t *testing.T, s store.Store) {
	for i, model := range []string{"a", "b", "c", "d"} {
		// Ids fall, so that their order is not the order of creation.
		seed(t, s, model, firstID-uint64(i))
	}
	r := read(t, s, "a-v7")
	commit(t, s, step(r, 1))
	if got, want := names(t, s, store.Query{}), []string{"d-v7", "c-v7", "b-v7", "a-v7"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v: a change does not make a rollout newer", got, want)
	}
}

func listSelected(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	for i := range 5 {
		r := aRollout(fmt.Sprint("fraud-", i), "fraud", uint64(i+1))
		must(t, s.Create(t.Context(), r))
		if i == 4 {
			break
		}
		c := step(r, 1)
		c.State = over(rollout.Completed)
		commit(t, s, c)
	}
	seed(t, s, "other", firstID)
	tests := map[string]struct {
		query store.Query
		want  []string
	}{
		"everything":            {store.Query{}, []string{"other-v7", "fraud-4", "fraud-3", "fraud-2", "fraud-1", "fraud-0"}},
		"a negative limit":      {store.Query{Limit: -1}, []string{"other-v7", "fraud-4", "fraud-3", "fraud-2", "fraud-1", "fraud-0"}},
		"a limit":               {store.Query{Limit: 2}, []string{"other-v7", "fraud-4"}},
		"a huge limit":          {store.Query{Limit: 1 << 40, Model: "other"}, []string{"other-v7"}},
		"what is active":        {store.Query{Active: true}, []string{"other-v7", "fraud-4"}},
		"one model":             {store.Query{Model: "fraud", Limit: 3}, []string{"fraud-4", "fraud-3", "fraud-2"}},
		"one model, active":     {store.Query{Model: "fraud", Active: true}, []string{"fraud-4"}},
		"a model without a one": {store.Query{Model: "nothing"}, nil},
	}
	for name, tt := range tests {
		if got := names(t, s, tt.query); !slices.Equal(got, tt.want) {
			t.Errorf("%s: listed %v, want %v", name, got, tt.want)
		}
	}
}

func nothingShared(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := step(r, 1)
	c.Ending = &store.Ending{DecidedAt: epoch}
	c.Evidence.Outcomes = outcomes(0, 1)
	commit(t, s, c)
	before := snapshot(t, s)

	c.State.Strata[0].Weight = 9999
	c.Evidence.Evidence[0] = 0
	c.Ending.DecidedAt = at(99)
	got := read(t, s, r.Name)
	got.Plan.Stages[0].Weight = 9999
	got.Ending.DecidedAt = at(99)
	kept, err := s.Evidence(t.Context(), r.ID)
	must(t, err)
	kept[0] = 0
	wantSame(t, "after the caller changed its own", snapshot(t, s), before)
}
