package storetest

import (
	"slices"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/store"
)

var logCases = cases{
	"the log has no gaps, and its hashes chain from the genesis to the head": logChained,
	"a record comes back byte for byte as it was hashed":                     logExact,
	"the log is read in pages, oldest first":                                 logPaged,
	"the logs of two rollouts do not mix":                                    logsApart,
	"records that stand on the same evidence each have all of it":            evidenceShared,
	"the log of an unknown rollout is empty":                                 logUnknown,
}

// audit follows the whole log of a rollout by the public rules and returns the
// number of its last record.
func audit(t *testing.T, s store.Store, name string) int64 {
	t.Helper()
	r := read(t, s, name)
	a, err := store.NewAudit(&r)
	must(t, err)
	for {
		page, err := s.Log(t.Context(), r.ID, a.Seq(), 7)
		must(t, err)
		for i := range page {
			if err := a.Next(&page[i]); err != nil {
				t.Fatalf("rollout %q, record %d: %v", name, a.Seq()+1, err)
			}
		}
		if len(page) == 0 {
			break
		}
	}
	if err := a.End(r.Last); err != nil {
		t.Fatalf("rollout %q: %v", name, err)
	}
	return a.Seq()
}

func logChained(t *testing.T, s store.Store) {
	r := seeded(t, s)
	if seq := audit(t, s, r.Name); seq != 0 {
		t.Errorf("a new rollout has %d records", seq)
	}
	for n := 1; n <= 20; n++ {
		commit(t, s, step(r, n))
	}
	if seq := audit(t, s, r.Name); seq != 20 {
		t.Errorf("%d records after 20 commits", seq)
	}
}

func logExact(t *testing.T, s store.Store) {
	r := seeded(t, s)
	c := step(r, 1)
	commit(t, s, c)
	genesis, err := rollout.Genesis(r.ID, &r.Plan)
	must(t, err)
	body, hash, err := c.Entry.Chain(genesis)
	must(t, err)
	log, err := s.Log(t.Context(), r.ID, 0, 0)
	must(t, err)
	wantSame(t, "the log", log, []store.Logged{{Entry: *c.Entry, Body: body, Evidence: c.Evidence.Evidence, Previous: genesis, Hash: hash}})
}

func logPaged(t *testing.T, s store.Store) {
	r := seeded(t, s)
	for n := 1; n <= 7; n++ {
		commit(t, s, step(r, n))
	}
	tests := map[string]struct {
		after int64
		limit int
		want  []int64
	}{
		"all":               {0, 0, []int64{1, 2, 3, 4, 5, 6, 7}},
		"a page":            {0, 3, []int64{1, 2, 3}},
		"the next page":     {3, 3, []int64{4, 5, 6}},
		"the last page":     {6, 3, []int64{7}},
		"after the end":     {7, 3, nil},
		"far after the end": {1 << 40, 3, nil},
		"before the start":  {-5, 2, []int64{1, 2}},
		"a negative limit":  {5, -1, []int64{6, 7}},
	}
	for name, tt := range tests {
		log, err := s.Log(t.Context(), r.ID, tt.after, tt.limit)
		must(t, err)
		var got []int64
		for _, l := range log {
			got = append(got, l.Entry.Seq)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: read %v, want %v", name, got, tt.want)
		}
	}
}

func logsApart(t *testing.T, s store.Store) {
	a, b := seed(t, s, "a", firstID), seed(t, s, "b", firstID-1)
	for n := 1; n <= 5; n++ {
		commit(t, s, step(a, n))
		if n <= 3 {
			commit(t, s, step(b, n))
		}
	}
	if got := [2]int64{audit(t, s, a.Name), audit(t, s, b.Name)}; got != [2]int64{5, 3} {
		t.Errorf("the logs have %v records, want 5 and 3", got)
	}
}

func evidenceShared(t *testing.T, s store.Store) {
	r := seeded(t, s)
	for n := 1; n <= 6; n++ {
		c := step(r, n)
		c.Evidence.Evidence = evidenceOf(n / 3)
		c.Entry.EvidenceSum = rollout.Sum(c.Evidence.Evidence)
		commit(t, s, c)
	}
	log, err := s.Log(t.Context(), r.ID, 0, 0)
	must(t, err)
	for i, l := range log {
		wantSame(t, "the evidence beside a record", l.Evidence, evidenceOf((i+1)/3))
	}
	audit(t, s, r.Name)
}

func logUnknown(t *testing.T, s store.Store) {
	log, err := s.Log(t.Context(), 12345, 0, 0)
	if must(t, err); len(log) != 0 {
		t.Errorf("%d records of a rollout that does not exist", len(log))
	}
}
