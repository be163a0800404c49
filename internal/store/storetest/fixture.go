package storetest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

// epoch is when everything in the suite happens; its nanoseconds must survive.
var epoch = time.Date(2026, 11, 2, 9, 30, 0, 123456789, time.UTC)

// at returns the moment some seconds after the epoch.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// The numbers have their highest bits set: a store whose integers are signed
// has to give them back all the same.
const (
	firstID   uint64 = 0xfedc_ba98_7654_3210
	firstSalt        = split.Salt(0xffff_ffff_ffff_fff1)
)

// aModel returns a model that is not kept yet.
func aModel(name string) store.Model {
	return store.Model{
		Name: name, Source: []byte("kind: Model\nmetadata: {name: " + name + "}\n"),
		Protocol: table.V2, Match: table.Match{PathPrefix: "/v2/models/" + name},
		Unit:    table.Unit{Source: table.UnitHeader, Name: "X-User-Id"},
		Serving: rollout.Version{Name: "v6", URL: "http://localhost:9006"},
	}
}

// aRollout returns a rollout that is not kept yet.
func aRollout(name, model string, id uint64) store.Rollout {
	return store.Rollout{
		ID: id, Name: name, Model: model, Salt: firstSalt,
		Source: []byte("kind: Rollout\n"),
		Plan: rollout.Plan{
			Rollout: name, Model: model, Policy: "standard", Environment: "production",
			Baseline:  rollout.Version{Name: "v6", URL: "http://localhost:9006"},
			Candidate: rollout.Version{Name: "v7", URL: "http://localhost:9007"},
			Attempt:   1, Protocol: table.V2, Unit: table.Unit{Source: table.UnitRequest},
			Stages: []rollout.Stage{{Weight: 100, Dwell: 2 * time.Hour, MinSamples: 500}, {Weight: 10_000, Dwell: time.Hour}},
			Gates:  []gate.Gate{{Name: "error_rate", Margin: 0.2, Level: 0.001, Share: 0.5}},
			Layout: evidence.NewLayout(true, "outcome:correct"), Alpha: 0.05,
			Rollback: rollout.Restore{Auto: true, Within: 5 * time.Second, Cooldown: time.Hour},
		},
		State:     rollout.State{Phase: rollout.Pending},
		CreatedAt: epoch, CreatedBy: "ada",
	}
}

// stateAt is a state that differs by n.
func stateAt(n int) rollout.State {
	return rollout.State{
		Phase: rollout.Progressing, Stage: n % 2, StartedAt: epoch, StageAt: at(n), SeenAt: at(n),
		Served: time.Duration(n) * time.Second,
		Strata: []rollout.Stratum{{Stage: 0, Weight: 100, From: epoch, Warm: at(120)}},
	}
}

// over is a final state.
func over(p rollout.Phase) rollout.State {
	return rollout.State{Phase: p, StartedAt: epoch, EndedAt: at(3600)}
}

// entry returns the log entry number seq over the given evidence.
func entry(seq int64, evidence []byte) *rollout.Entry {
	return &rollout.Entry{
		Seq: seq, At: at(int(seq)), Kind: rollout.KindHold, Reason: rollout.ReasonDwelling, Gate: "error_rate",
		Sentence: fmt.Sprintf("HOLD at 1%%: entry %d says <b>\"så & så\"</b>", seq),
		Before:   stateAt(int(seq) - 1), Next: stateAt(int(seq)),
		Traffic:     rollout.Traffic{Weight: 100, Known: true, Ready: true, LastRequest: at(int(seq))},
		EvidenceSum: rollout.Sum(evidence),
	}
}

// evidenceOf returns distinct bytes that are no text.
func evidenceOf(n int) []byte {
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0}, fmt.Sprintf("evidence %d \xff", n)...)
}

// step is the usual commit: the n-th, with an entry over evidence of its own.
func step(r store.Rollout, n int) store.Commit {
	ev := evidenceOf(n)
	return store.Commit{
		ID: r.ID, Revision: int64(n), State: stateAt(n), Entry: entry(int64(n), ev),
		Evidence: &store.Kept{ID: r.ID, Evidence: ev},
	}
}

// outcomes returns n outcome ids, from the given number on.
func outcomes(from, n int) []store.OutcomeID {
	out := make([]store.OutcomeID, n)
	for i := range out {
		binary.LittleEndian.PutUint64(out[i][:8], uint64(from+i)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(out[i][8:], uint64(from+i))
	}
	return out
}

// must stops the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks the code of an error, and that it has a sentence.
func wantCode(t *testing.T, err error, want problem.Code) {
	t.Helper()
	if got := problem.CodeOf(err); got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// seeded keeps one model and one rollout and returns the rollout.
func seeded(t *testing.T, s store.Store) store.Rollout {
	t.Helper()
	return seed(t, s, "fraud", firstID)
}

// seed keeps a model and a rollout of it.
func seed(t *testing.T, s store.Store, model string, id uint64) store.Rollout {
	t.Helper()
	_, err := s.PutModel(t.Context(), aModel(model))
	must(t, err)
	r := aRollout(model+"-v7", model, id)
	must(t, s.Create(t.Context(), r))
	return read(t, s, r.Name)
}

func read(t *testing.T, s store.Store, name string) store.Rollout {
	t.Helper()
	r, err := s.Rollout(t.Context(), name)
	must(t, err)
	return r
}

func commit(t *testing.T, s store.Store, c store.Commit) {
	t.Helper()
	revision, err := s.Commit(t.Context(), c)
	must(t, err)
	if revision != c.Revision+1 {
		t.Errorf("a commit at revision %d led to revision %d", c.Revision, revision)
	}
}

func model(t *testing.T, s store.Store, name string) store.Model {
	t.Helper()
	all, err := s.Models(t.Context())
	must(t, err)
	for _, m := range all {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no model %q among %d", name, len(all))
	return store.Model{}
}

func exposed(t *testing.T, s store.Store, id uint64) []store.Exposure {
	t.Helper()
	var out []store.Exposure
	must(t, s.Exposures(t.Context(), id, func(e store.Exposure) error {
		out = append(out, e)
		return nil
	}))
	slices.SortFunc(out, func(a, b store.Exposure) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Stratum, b.Stratum))
	})
	return out
}

// everything is all that a store keeps of its rollouts, to see that nothing
// has changed.
type everything struct {
	Models    []store.Model
	Policies  []store.Policy
	Rollouts  []store.Rollout
	Logs      map[string][]store.Logged
	Evidence  map[string]string
	Exposures map[string][]store.Exposure
	Known     map[string][]store.OutcomeID
	Intents   []store.Intent
}

// snapshot reads everything, and which of the outcome ids are known.
func snapshot(t *testing.T, s store.Store, ids ...store.OutcomeID) everything {
	t.Helper()
	all := everything{
		Logs: map[string][]store.Logged{}, Evidence: map[string]string{},
		Exposures: map[string][]store.Exposure{}, Known: map[string][]store.OutcomeID{},
	}
	var err error
	all.Models, err = s.Models(t.Context())
	must(t, err)
	all.Policies, err = s.Policies(t.Context())
	must(t, err)
	all.Intents, err = s.Intents(t.Context())
	must(t, err)
	all.Rollouts, err = s.List(t.Context(), store.Query{})
	must(t, err)
	for _, r := range all.Rollouts {
		all.Logs[r.Name], err = s.Log(t.Context(), r.ID, 0, 0)
		must(t, err)
		ev, err := s.Evidence(t.Context(), r.ID)
		must(t, err)
		all.Evidence[r.Name] = string(ev)
		all.Exposures[r.Name] = exposed(t, s, r.ID)
		all.Known[r.Name], err = s.Known(t.Context(), r.ID, ids)
		must(t, err)
	}
	return all
}

func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // Most often, and much faster.
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
