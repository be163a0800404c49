package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/store/storetest"
)

const policy = header + "kind: Policy\nmetadata: {name: careful}\nspec: {extends: fast, minSamples: 77}\n"

func TestAFileIsAppliedOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		docs := []string{model("m", "v1"), policy, candidate("m-v2", "m", "v2", "  policy: careful\n")}
		want := []command.Applied{
			{Kind: "Policy", Name: "careful", Change: command.Created, Revision: 1},
			{Kind: "Model", Name: "m", Change: command.Created, Revision: 1},
			{Kind: "Rollout", Name: "m-v2", Change: command.Created, Revision: 1},
		}
		if diff := cmp.Diff(want, w.apply(t, docs...).Applied); diff != "" {
			t.Errorf("the first time (-want +got):\n%s", diff)
		}
		rec := w.Record("m-v2")
		if rec.Plan.Stages[0].MinSamples != 77 || rec.CreatedBy != "ann" || rec.Salt == 0 || rec.ID == 0 {
			t.Errorf("record %+v", rec)
		}
		for _, a := range w.apply(t, docs...).Applied {
			if a.Change != command.Unchanged {
				t.Errorf("the second time %s %s is %s", a.Kind, a.Name, a.Change)
			}
		}
		r := w.apply(t, strings.Replace(policy, "77", "78", 1))
		if got := r.Applied[0]; got.Change != command.Updated || got.Revision != 2 {
			t.Errorf("a policy that says something else is %s at revision %d", got.Change, got.Revision)
		}
		if now := w.Record("m-v2").Plan.Stages[0].MinSamples; now != 77 {
			t.Errorf("the plan of a rollout moved with its policy: %d", now)
		}
	})
}

func TestKeptPoliciesAndModelsAreFound(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, policy)
		w.apply(t, header+"kind: Policy\nmetadata: {name: more}\nspec: {extends: careful, allowPin: true}\n")
		w.apply(t, model("m", "v1"))
		w.apply(t, candidate("m-v2", "m", "v2", "  policy: more\n"))
		if p := w.Record("m-v2").Plan; p.Stages[0].MinSamples != 77 || !p.AllowPin || p.Policy != "more" {
			t.Errorf("plan of policy %q: %+v", p.Policy, p.Stages[0])
		}
	})
}

func TestADryRunStoresNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		r, err := w.Apply(t.Context(), command.ApplyRequest{
			Actor: ann, Data: file(model("m", "v1"), policy, candidate("m-v2", "m", "v2", quick)), DryRun: true,
		})
		if err != nil || len(r.Applied) != 3 || r.Applied[2].Change != command.Created {
			t.Fatalf("dry run: %+v, %v", r, err)
		}
		if len(w.preflight.asked) != 1 {
			t.Error("a dry run does not look at the candidate")
		}
		for _, op := range []storetest.Op{storetest.OpPutModel, storetest.OpPutPolicy, storetest.OpCreate} {
			if n := w.Store.Calls(op); n != 0 {
				t.Errorf("%s was called", op)
			}
		}
	})
}

func TestAllProblemsOfAFileComeAtOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		writes := w.Store.Calls(storetest.OpPutModel)
		err := w.applyError(t,
			model("n", "v1"),
			candidate("a", "nobody", "v2", quick),
			candidate("b", "m", "v1", quick),
			candidate("c", "m", "v3", "  policy: missing\n"),
			candidate("d", "m", "v4", "  notify: [{slack: {urlFrom: env:URL}}]\n"),
		)
		got := problemsOf(err)
		var paths []string
		for _, p := range got {
			if p.Line == 0 || p.Column == 0 || p.File != "f.yaml" {
				t.Errorf("problem %v has no place", p)
			}
			paths = append(paths, p.Path)
		}
		want := []string{"spec.model", "spec.candidate.version", "spec.policy", "spec.notify"}
		if diff := cmp.Diff(want, paths); diff != "" {
			t.Errorf("paths (-want +got):\n%s\n%v", diff, err)
		}
		if w.Store.Calls(storetest.OpPutModel) != writes || w.Store.Calls(storetest.OpCreate) != 0 {
			t.Error("a part of the file was stored")
		}
	})
}

func TestTheLongestHorizonOfTheGatesIsThePlans(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		gate := "  gates: [{metric: 'outcome:bought', kind: rate, maxDecrease: 5%, horizon: HOURS, from: 10%}]\n"
		w.apply(t, candidate("m-v2", "m", "v2", strings.Replace(gate, "HOURS", "72h", 1)))
		rec, err := w.Store.Rollout(t.Context(), "m-v2")
		if err != nil || rec.Plan.Horizon != 72*time.Hour {
			t.Errorf("outcomes count for %v, %v", rec.Plan.Horizon, err)
		}
	})
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		for name, text := range map[string]string{"empty": "", "broken": "a: [", "unknown": header + "kind: Molde\nmetadata: {name: m}\nspec: {}\n"} {
			if err := w.applyError(t, text); !problem.Is(err, problem.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := w.Apply(t.Context(), command.ApplyRequest{Data: file(model("m", "v1"))})
		refused(t, err, problem.Invalid, "nobody is named")
	})
}

func TestAModelInUse(t *testing.T) {
	t.Parallel()
	base := model("m", "v1")
	tests := map[string]struct {
		document string
		path     string // empty: allowed
	}{
		"keeps its version":                {strings.Replace(base, "version: v1", "version: v9", 1), "spec.serving"},
		"keeps its endpoint":               {strings.Replace(base, "http://v1.m", "http://elsewhere", 1), "spec.serving"},
		"keeps its route":                  {strings.Replace(base, "pathPrefix: /m", "pathPrefix: /other", 1), "spec.route"},
		"keeps its unit":                   {strings.Replace(base, "protocol: http", "protocol: http, unit: 'header:X-User'", 1), "spec.unit"},
		"keeps its protocol":               {strings.Replace(base, "protocol: http", "protocol: v2", 1), "spec.protocol"},
		"may be applied again":             {base, ""},
		"may change what nobody relies on": {strings.Replace(base, "protocol: http", "protocol: http, pin: deny", 1), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *world) {
				w.apply(t, base, candidate("m-v2", "m", "v2", quick))
				if tt.path == "" {
					w.apply(t, tt.document)
					return
				}
				err := w.applyError(t, tt.document)
				refused(t, err, problem.Refused, tt.path, "m-v2", "f.yaml:")
			})
		})
	}
}

func TestAModelThatNobodyUsesMayChange(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		r := w.apply(t, model("m", "v2"))
		if r.Applied[0].Change != command.Updated {
			t.Errorf("change %s", r.Applied[0].Change)
		}
		if got := w.Target.Table().Routes[0].Baseline.Name; got != "v2" {
			t.Errorf("the table serves %s", got)
		}
	})
}

func TestModelsDoNotShareRequests(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		same := strings.Replace(model("n", "v1"), "pathPrefix: /n", "pathPrefix: /m", 1)
		refused(t, w.applyError(t, same), problem.Conflict, "spec.route", `"m"`, `"n"`)
		refused(t, w.applyError(t, model("a", "v1"), strings.Replace(model("b", "v1"), "pathPrefix: /b", "pathPrefix: /a", 1)), problem.Conflict, `"a"`, `"b"`)
	})
}

func TestAPromotedVersionStaysWhenTheFileIsAppliedAgain(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		w.drive(t, "m-v2", 0.01)
		w.ends(t, "m-v2", rollout.Completed)
		r := w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		for _, a := range r.Applied {
			if a.Change != command.Unchanged {
				t.Errorf("%s %s is %s", a.Kind, a.Name, a.Change)
			}
		}
		if len(r.Warnings) != 1 || r.Warnings[0].Caution != command.ServingKept || !strings.Contains(r.Warnings[0].Error(), "v2") {
			t.Errorf("warnings %v", r.Warnings)
		}
		r = w.apply(t, strings.Replace(model("m", "v1"), "protocol: http", "protocol: http, pin: deny", 1))
		if r.Applied[0].Change != command.Updated {
			t.Errorf("a change of something else is %s", r.Applied[0].Change)
		}
		models, err := w.Models(t.Context())
		if err != nil || models[0].Serving.Name != "v2" {
			t.Errorf("serving %v, %v", models[0].Serving, err)
		}
		w.apply(t, model("m", "v3"))
		if models, _ = w.Models(t.Context()); models[0].Serving.Name != "v3" {
			t.Errorf("a file that names another version is not followed: %v", models[0].Serving)
		}
	})
}

func TestOneRolloutPerModel(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		refused(t, w.applyError(t, candidate("m-v3", "m", "v3", quick)), problem.Conflict, "m-v2", "spec.model", "belay abort m-v2")
		refused(t, w.applyError(t, model("n", "v1"), candidate("n-v2", "n", "v2", quick), candidate("n-v3", "n", "v3", quick)), problem.Conflict, "n-v2")
		if _, err := w.Status(t.Context(), "n-v2"); !problem.Is(err, problem.NotFound) {
			t.Errorf("half of a refused file is there: %v", err)
		}
	})
}

func TestANameInUse(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), model("n", "v1"), candidate("x", "m", "v2", quick))
		refused(t, w.applyError(t, candidate("x", "n", "v2", quick)), problem.Exists, `"x"`, "metadata.name", "another name")
	})
}

func TestAnEndedRolloutIsNotRunAgainByItsFile(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		docs := []string{model("m", "v1"), candidate("m-v2", "m", "v2", quick)}
		w.apply(t, docs...)
		time.Sleep(2 * time.Second)
		w.act(t, "m-v2", rollout.ActAbort)
		r := w.apply(t, docs...)
		if r.Applied[1].Change != command.Unchanged || len(r.Warnings) != 1 || r.Warnings[0].Caution != command.AlreadyEnded {
			t.Errorf("applied %+v with %v", r.Applied, r.Warnings)
		}
	})
}

func TestTheModelCoolsDownAfterARollback(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", quick))
		time.Sleep(2 * time.Second)
		w.act(t, "m-v2", rollout.ActRollback)
		ended := w.Record("m-v2").State.EndedAt
		again := candidate("again", "m", "v2", quick)
		refused(t, w.applyError(t, again), problem.Refused, ended.Add(time.Hour).Format(time.RFC3339), "m-v2", "rollback: {cooldown: 0s}")
		r, err := w.Apply(t.Context(), command.ApplyRequest{Actor: ann, Data: file(again + "  rollback: {cooldown: 0s}\n"), DryRun: true})
		if err != nil || len(r.Applied) != 1 {
			t.Errorf("with a cooldown of its own: %v", err)
		}
		time.Sleep(time.Hour)
		w.apply(t, again)
		if got := w.Record("again").Plan.Attempt; got != 2 {
			t.Errorf("attempt %d, want 2", got)
		}
	})
}

func TestACandidateIsLookedAtBeforeItsRollout(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		w.preflight.err = problem.New(problem.Refused, "candidate v2 cannot be reached at http://v2.m: connection refused")
		err := w.applyError(t, candidate("m-v2", "m", "v2", quick))
		refused(t, err, problem.Refused, "f.yaml:", "spec.candidate.url", "connection refused")
		if _, err := w.Status(t.Context(), "m-v2"); !problem.Is(err, problem.NotFound) {
			t.Errorf("it was created: %v", err)
		}
		w.preflight.err, w.preflight.warnings = nil, []string{"neither version describes its tensors"}
		r := w.apply(t, candidate("m-v2", "m", "v2", quick))
		if len(r.Warnings) != 1 || r.Warnings[0].Caution != command.NotCompared {
			t.Errorf("warnings %v", r.Warnings)
		}
		want := command.Contract{Protocol: "http", Model: "m", Baseline: rollout.Version{Name: "v1", URL: "http://v1.m"}, Candidate: rollout.Version{Name: "v2", URL: "http://v2.m"}}
		if diff := cmp.Diff(want, w.preflight.asked[1]); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		asked := len(w.preflight.asked)
		w.applyError(t, candidate("m-v3", "m", "v3", quick))
		w.apply(t, candidate("m-v2", "m", "v2", quick))
		if len(w.preflight.asked) != asked {
			t.Error("a candidate was asked although its rollout cannot be, or is, created")
		}
	})
}

func TestWarningsOfAFileComeOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		r := w.apply(t, model("m", "v1"), candidate("m-v2", "m", "v2", "  gates: [{metric: error_rate, maxIncrease: 5pp, onFail: hold}]\n"))
		seen := map[string]int{}
		for _, warning := range r.Warnings {
			seen[warning.Error()]++
		}
		if len(seen) == 0 {
			t.Error("a rollout without a guard is applied without a warning")
		}
		for text, n := range seen {
			if n > 1 {
				t.Errorf("%d times: %s", n, text)
			}
		}
	})
}

func TestAStoreThatFailsAppliesNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.Store.Fail(storetest.ErrReadOnly)
		err := w.applyError(t, model("m", "v1"))
		refused(t, err, problem.Unavailable, "read-only")
		w.Store.Fail(nil)
		w.apply(t, model("m", "v1"))
	})
}

func TestAStoredDocumentThatCannotBeReadIsToldAsOurFault(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		if _, err := w.Store.PutPolicy(t.Context(), store.Policy{Name: "p", Source: []byte("nonsense")}); err != nil {
			t.Fatal(err)
		}
		if err := w.applyError(t, model("m", "v1")); !problem.Is(err, problem.Internal) {
			t.Errorf("%v", err)
		}
	})
}
