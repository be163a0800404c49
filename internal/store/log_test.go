package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// sealed returns a rollout and a log of n records that leads to its head.
func sealed(t *testing.T, n int) (store.Rollout, []store.Logged) {
	t.Helper()
	r := store.Rollout{ID: 0xf00d, Name: "fraud-v7", Plan: rollout.Plan{Rollout: "fraud-v7", Alpha: 0.05}}
	var log []store.Logged
	for i := 1; i <= n; i++ {
		evidence := []byte{byte(i), 0xff}
		e := rollout.Entry{
			Seq: int64(i), At: time.Date(2026, 11, 2, 9, i, 0, 0, time.UTC), Kind: rollout.KindHold,
			Reason: rollout.ReasonDwelling, Sentence: "HOLD <at> 1%", EvidenceSum: rollout.Sum(evidence),
		}
		l, err := store.Seal(&r, e, evidence)
		if err != nil {
			t.Fatal(err)
		}
		r.Last = store.HeadOf(&e, l.Hash)
		log = append(log, l)
	}
	return r, log
}

// verify follows a log and returns the number of the record that is wrong, 0
// for none and -1 for the head, with the complaint.
func verify(t *testing.T, r store.Rollout, log []store.Logged) (int64, string) {
	t.Helper()
	a, err := store.NewAudit(&r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range log {
		if err := a.Next(&log[i]); err != nil {
			return a.Seq() + 1, err.Error()
		}
	}
	if err := a.End(r.Last); err != nil {
		return -1, err.Error()
	}
	return 0, ""
}

func TestAudit(t *testing.T) {
	t.Parallel()
	type tamper func(r *store.Rollout, log []store.Logged) []store.Logged
	replace := func(l *store.Logged, old, with string) {
		l.Body = []byte(strings.Replace(string(l.Body), old, with, 1))
	}
	tests := map[string]struct {
		tamper tamper
		want   int64
		says   string
	}{
		"a log as it was written is well": {func(_ *store.Rollout, log []store.Logged) []store.Logged { return log }, 0, ""},
		"a changed body is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			replace(&log[2], "HOLD", "PASS")
			return log
		}, 3, "its hash is"},
		"a changed body with a new hash breaks the chain at the next": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			replace(&log[2], "HOLD", "PASS")
			log[2].Hash = rollout.Sum([]byte(log[2].Previous + "\n" + string(log[2].Body)))
			return log
		}, 4, "it follows hash"},
		"a body that is no entry is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			log[0].Body = []byte("{")
			return log
		}, 1, "the body cannot be read"},
		"a record that is missing is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			return append(log[:1], log[2:]...)
		}, 2, "record 3 stands where record 2 should"},
		"records in another order are found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			log[1], log[2] = log[2], log[1]
			return log
		}, 2, "record 3 stands where record 2 should"},
		"a record twice is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			return append(log, log[4])
		}, 6, "record 5 stands where record 6 should"},
		"other evidence beside a record is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			log[3].Evidence = []byte("other")
			return log
		}, 4, "the evidence has the sum"},
		"evidence that is gone is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			log[3].Evidence = nil
			return log
		}, 4, "the evidence has the sum"},
		"a changed plan is found at the first record": {func(r *store.Rollout, log []store.Logged) []store.Logged {
			r.Plan.Alpha = 0.5
			return log
		}, 1, "it follows hash"},
		"a log of another rollout is found": {func(r *store.Rollout, log []store.Logged) []store.Logged {
			r.ID++
			return log
		}, 1, "it follows hash"},
		"records cut off at the end are found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			return log[:3]
		}, -1, "the rollout ends at record 5, but the log at record 3"},
		"a log cut off wholly is found": {func(_ *store.Rollout, log []store.Logged) []store.Logged {
			return nil
		}, -1, "the rollout ends at record 5, but the log at record 0"},
		"a head that was put back is found": {func(r *store.Rollout, log []store.Logged) []store.Logged {
			r.Last = store.Head{}
			return log
		}, -1, "the rollout ends at record 0, but the log at record 5"},
		"a head with another hash is found": {func(r *store.Rollout, log []store.Logged) []store.Logged {
			r.Last.Hash = log[3].Hash
			return log
		}, -1, "the rollout ends at hash"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, log := sealed(t, 5)
			log = tt.tamper(&r, log)
			got, says := verify(t, r, log)
			if got != tt.want || !strings.HasPrefix(says, tt.says) {
				t.Errorf("found record %d (%q), want %d (%q)", got, says, tt.want, tt.says)
			}
		})
	}
}

func TestAuditOfNothing(t *testing.T) {
	t.Parallel()
	r, log := sealed(t, 0)
	if got, says := verify(t, r, log); got != 0 {
		t.Errorf("a rollout without a log: record %d (%q)", got, says)
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	r, log := sealed(t, 2)
	if log[1].Previous != log[0].Hash || r.Last.Seq != 2 || r.Last.Hash != log[1].Hash {
		t.Errorf("two records do not follow each other: %+v", r.Last)
	}
	evidence := []byte("e")
	good := rollout.Entry{Seq: 3, EvidenceSum: rollout.Sum(evidence)}
	tests := map[string]struct {
		spoil    func(e *rollout.Entry)
		evidence []byte
		want     problem.Code
	}{
		"the next entry is taken":                     {func(*rollout.Entry) {}, evidence, ""},
		"an empty sum stands for no evidence":         {func(e *rollout.Entry) { e.EvidenceSum = "" }, nil, ""},
		"so does the sum of nothing":                  {func(e *rollout.Entry) { e.EvidenceSum = rollout.Sum(nil) }, nil, ""},
		"a gap is refused":                            {func(e *rollout.Entry) { e.Seq = 4 }, evidence, problem.Internal},
		"a record twice is refused":                   {func(e *rollout.Entry) { e.Seq = 2 }, evidence, problem.Internal},
		"a wrong sum is refused":                      {func(e *rollout.Entry) { e.EvidenceSum = rollout.Sum(nil) }, evidence, problem.Internal},
		"an empty sum beside evidence is refused":     {func(e *rollout.Entry) { e.EvidenceSum = "" }, evidence, problem.Internal},
		"a sum without the evidence is refused":       {func(*rollout.Entry) {}, nil, problem.Internal},
		"an entry that cannot be encoded is refused":  {func(e *rollout.Entry) { e.At = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC) }, evidence, problem.Internal},
		"what the entry says does not matter to Seal": {func(e *rollout.Entry) { e.Sentence = "\x00" }, evidence, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good
			tt.spoil(&e)
			l, err := store.Seal(&r, e, tt.evidence)
			if got := problem.CodeOf(err); got != tt.want {
				t.Fatalf("got %q (%v), want %q", got, err, tt.want)
			}
			if err != nil {
				return
			}
			body, hash, err := e.Chain(r.Last.Hash)
			if err != nil {
				t.Fatal(err)
			}
			want := store.Logged{Entry: e, Body: body, Evidence: tt.evidence, Previous: r.Last.Hash, Hash: hash}
			if diff := cmp.Diff(want, l); diff != "" {
				t.Errorf("the record (-want +got):\n%s", diff)
			}
		})
	}
}
