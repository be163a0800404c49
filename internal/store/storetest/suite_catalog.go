package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
)

var catalogCases = cases{
	"a model is created at revision 1 and replaced at the next": modelReplaced,
	"a model at another revision conflicts and changes nothing": modelConflict,
	"a policy is kept like a model":                             policyKept,
	"models and policies are listed by name":                    catalogByName,
	"a model or a policy without a name is invalid":             catalogNameless,
	"of many writers at one revision exactly one wins":          catalogRace,
}

func modelReplaced(t *testing.T, s store.Store) {
	want := aModel("fraud")
	want.CooldownUntil = at(60)
	for revision := int64(1); revision <= 3; revision++ {
		want.Serving.Name += "+"
		got, err := s.PutModel(t.Context(), want)
		must(t, err)
		if want.Revision = revision; got != revision {
			t.Errorf("write %d led to revision %d", revision, got)
		}
		wantSame(t, "the model", model(t, s, "fraud"), want)
	}
}

func modelConflict(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	before := snapshot(t, s)
	for _, revision := range []int64{0, 2, -1} {
		other := aModel("fraud")
		other.Revision, other.Serving = revision, rollout.Version{Name: "other"}
		_, err := s.PutModel(t.Context(), other)
		wantCode(t, err, problem.Conflict)
	}
	missing := aModel("missing")
	missing.Revision = 1
	_, err = s.PutModel(t.Context(), missing)
	wantCode(t, err, problem.Conflict)
	wantSame(t, "after conflicts", snapshot(t, s), before)
}

func policyKept(t *testing.T, s store.Store) {
	p := store.Policy{Name: "tier-1", Source: []byte("kind: Policy\n")}
	revision, err := s.PutPolicy(t.Context(), p)
	must(t, err)
	_, err = s.PutPolicy(t.Context(), p)
	wantCode(t, err, problem.Conflict)
	p.Revision, p.Source = revision, []byte("kind: Policy # again\n")
	p.Revision, err = s.PutPolicy(t.Context(), p)
	must(t, err)
	if p.Revision != 2 {
		t.Errorf("replaced to revision %d, want 2", p.Revision)
	}
	all, err := s.Policies(t.Context())
	must(t, err)
	wantSame(t, "policies", all, []store.Policy{p})
}

func catalogByName(t *testing.T, s store.Store) {
	for _, name := range []string{"c", "a", "b"} {
		_, err := s.PutModel(t.Context(), aModel(name))
		must(t, err)
		_, err = s.PutPolicy(t.Context(), store.Policy{Name: name})
		must(t, err)
	}
	all := snapshot(t, s)
	var models, policies string
	for i := range all.Models {
		models += all.Models[i].Name
		policies += all.Policies[i].Name
	}
	if models != "abc" || policies != "abc" {
		t.Errorf("models %q, policies %q; want both abc", models, policies)
	}
}

func catalogNameless(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), store.Model{})
	wantCode(t, err, problem.Invalid)
	_, err = s.PutPolicy(t.Context(), store.Policy{})
	wantCode(t, err, problem.Invalid)
}

func catalogRace(t *testing.T, s store.Store) {
	_, err := s.PutModel(t.Context(), aModel("fraud"))
	must(t, err)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			m := aModel("fraud")
			m.Revision = 1
			if _, err := s.PutModel(t.Context(), m); err == nil {
				won.Add(1)
			} else {
				wantCode(t, err, problem.Conflict)
			}
		})
	}
	all.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d writers won at one revision, want 1", n)
	}
}
