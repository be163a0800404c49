package storetest

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

var ledgerCases = cases{
	"a flush replaces the evidence":                                         flushReplaces,
	"a flush keeps several rollouts at once":                                flushSeveral,
	"a flush with an unknown rollout changes nothing":                       flushUnknown,
	"a flush without evidence leaves what is kept":                          flushWithout,
	"a flush of nothing is no error":                                        flushNothing,
	"a flush keeps the state without a new revision":                        flushState,
	"a flush ignores the state of a rollout that has moved on":              flushStale,
	"an outcome id is kept once, however often it comes":                    outcomesOnce,
	"the outcome ids of two rollouts do not mix":                            outcomesApart,
	"thousands of outcome ids are kept and known at once":                   outcomesMany,
	"forgetting all of a rollout leaves its evidence, and the others alone": forgetAll,
	"forgetting beyond the newest keeps the newest, and the exposures":      forgetOld,
	"a rollout that keeps nothing has nothing":                              ledgerEmpty,
}

func flushReplaces(t *testing.T, s store.Store) {
	r := seeded(t, s)
	for n := range 3 {
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Revision: 1, Evidence: evidenceOf(n)}}))
		got, err := s.Evidence(t.Context(), r.ID)
		must(t, err)
		wantSame(t, "the evidence", got, evidenceOf(n))
	}
	wantSame(t, "the rollout", read(t, s, r.Name), r)
}

func flushSeveral(t *testing.T, s store.Store) {
	var kept []store.Kept
	for i, name := range []string{"a", "b", "c"} {
		r := seed(t, s, name, firstID+uint64(i))
		kept = append(kept, store.Kept{ID: r.ID, Revision: 1, Evidence: evidenceOf(i), Outcomes: outcomes(10*i, 2)})
	}
	must(t, s.Flush(t.Context(), kept))
	for _, k := range kept {
		got, err := s.Evidence(t.Context(), k.ID)
		must(t, err)
		wantSame(t, "the evidence", got, k.Evidence)
		known, err := s.Known(t.Context(), k.ID, outcomes(0, 30))
		must(t, err)
		wantSame(t, "known outcome ids", known, k.Outcomes)
	}
}

func flushUnknown(t *testing.T, s store.Store) {
	r := seeded(t, s)
	next := stateAt(9)
	before := snapshot(t, s, outcomes(0, 3)...)
	err := s.Flush(t.Context(), []store.Kept{
		{ID: r.ID, Revision: 1, State: &next, Evidence: evidenceOf(1), Outcomes: outcomes(0, 3), Exposures: []store.Exposure{{Unit: 1}}},
		{ID: 4711, Evidence: evidenceOf(2)},
	})
	wantCode(t, err, problem.NotFound)
	wantSame(t, "after a refused flush", snapshot(t, s, outcomes(0, 3)...), before)
}

func flushWithout(t *testing.T, s store.Store) {
	r := seeded(t, s)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Evidence: evidenceOf(1)}}))
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: outcomes(0, 1)}, {ID: r.ID, Evidence: []byte{}}}))
	got, err := s.Evidence(t.Context(), r.ID)
	must(t, err)
	wantSame(t, "the evidence", got, evidenceOf(1))
}

func flushNothing(t *testing.T, s store.Store) {
	seeded(t, s)
	before := snapshot(t, s)
	must(t, s.Flush(t.Context(), nil))
	wantSame(t, "after a flush of nothing", snapshot(t, s), before)
}

func flushState(t *testing.T, s store.Store) {
	r := seeded(t, s)
	commit(t, s, step(r, 1))
	want := read(t, s, r.Name)
	want.State = stateAt(77)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Revision: 2, State: &want.State}}))
	wantSame(t, "the rollout", read(t, s, r.Name), want)
	commit(t, s, step(r, 2))
	audit(t, s, r.Name)
}

func flushStale(t *testing.T, s store.Store) {
	r := seeded(t, s)
	commit(t, s, step(r, 1))
	commit(t, s, step(r, 2))
	want := read(t, s, r.Name)
	stale := stateAt(77)
	for _, revision := range []int64{0, 1, 2, 4} {
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Revision: revision, State: &stale, Evidence: evidenceOf(9), Outcomes: outcomes(0, 1)}}))
		wantSame(t, "the rollout", read(t, s, r.Name), want)
	}
	got, err := s.Evidence(t.Context(), r.ID)
	must(t, err)
	wantSame(t, "the evidence, which does not go stale", got, evidenceOf(9))
}

func outcomesOnce(t *testing.T, s store.Store) {
	r := seeded(t, s)
	ids := outcomes(0, 4)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: append(outcomes(0, 3), ids[0])}}))
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: ids[:2]}}))
	// The order of the answer is the order of the question.
	got, err := s.Known(t.Context(), r.ID, []store.OutcomeID{ids[3], ids[2], ids[0]})
	must(t, err)
	wantSame(t, "known outcome ids", got, []store.OutcomeID{ids[2], ids[0]})
	// Only three are kept, so the newest three are all of them.
	must(t, s.Forget(t.Context(), r.ID, 3))
	got, err = s.Known(t.Context(), r.ID, ids)
	must(t, err)
	wantSame(t, "known outcome ids", got, ids[:3])
}

func outcomesApart(t *testing.T, s store.Store) {
	a, b := seed(t, s, "a", firstID), seed(t, s, "b", firstID-1)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: a.ID, Outcomes: outcomes(0, 2)}, {ID: b.ID, Outcomes: outcomes(1, 2)}}))
	for id, want := range map[uint64][]store.OutcomeID{a.ID: outcomes(0, 2), b.ID: outcomes(1, 2)} {
		got, err := s.Known(t.Context(), id, outcomes(0, 4))
		must(t, err)
		wantSame(t, "known outcome ids", got, want)
	}
}

func outcomesMany(t *testing.T, s store.Store) {
	r := seeded(t, s)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: outcomes(0, 5000)}}))
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Outcomes: outcomes(4000, 3001)}}))
	got, err := s.Known(t.Context(), r.ID, outcomes(0, 9000))
	must(t, err)
	wantSame(t, "known outcome ids", got, outcomes(0, 7001))
}

func forgetAll(t *testing.T, s store.Store) {
	a, b := seed(t, s, "a", firstID), seed(t, s, "b", firstID-1)
	for _, id := range []uint64{a.ID, b.ID} {
		must(t, s.Flush(t.Context(), []store.Kept{{ID: id, Evidence: evidenceOf(1), Outcomes: outcomes(0, 9), Exposures: []store.Exposure{{Unit: 1, First: epoch, Last: epoch}}}}))
	}
	want := snapshot(t, s, outcomes(0, 9)...)
	want.Known[a.Name], want.Exposures[a.Name] = nil, nil
	must(t, s.Forget(t.Context(), a.ID, 0))
	must(t, s.Forget(t.Context(), a.ID, 0))
	must(t, s.Forget(t.Context(), 4711, 0))
	wantSame(t, "after forgetting one", snapshot(t, s, outcomes(0, 9)...), want)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: a.ID, Outcomes: outcomes(0, 1)}}))
}

func forgetOld(t *testing.T, s store.Store) {
	a, b := seed(t, s, "a", firstID), seed(t, s, "b", firstID-1)
	exposure := []store.Exposure{{Unit: 1, First: epoch, Last: epoch}}
	for n := range 5 {
		must(t, s.Flush(t.Context(), []store.Kept{
			{ID: a.ID, Outcomes: outcomes(10*n, 10), Exposures: exposure},
			{ID: b.ID, Outcomes: outcomes(10*n, 10)},
		}))
	}
	for _, keep := range []int{1000, 50, 33, 33, 20, 1} {
		must(t, s.Forget(t.Context(), a.ID, keep))
		keep = min(keep, 50)
		got, err := s.Known(t.Context(), a.ID, outcomes(0, 50))
		must(t, err)
		wantSame(t, "known outcome ids", got, outcomes(50-keep, keep))
	}
	got, err := s.Known(t.Context(), b.ID, outcomes(0, 50))
	must(t, err)
	wantSame(t, "known outcome ids of another rollout", got, outcomes(0, 50))
	wantSame(t, "exposures", exposed(t, s, a.ID), exposure)
}

func ledgerEmpty(t *testing.T, s store.Store) {
	r := seeded(t, s)
	for _, id := range []uint64{r.ID, 4711} {
		ev, err := s.Evidence(t.Context(), id)
		must(t, err)
		known, err := s.Known(t.Context(), id, outcomes(0, 2))
		must(t, err)
		none, err := s.Known(t.Context(), id, nil)
		must(t, err)
		if ev != nil || len(known) != 0 || len(none) != 0 || len(exposed(t, s, id)) != 0 {
			t.Errorf("rollout %d: evidence %q, %d known, %d known of none; want nothing", id, ev, len(known), len(none))
		}
	}
}
