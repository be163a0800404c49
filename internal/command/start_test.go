package command_test

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

func start(version string) command.StartRequest {
	return command.StartRequest{Actor: ann, Model: "m", Version: version, URL: "http://" + version + ".m"}
}

func TestStartWritesTheDocumentThatSaysTheSame(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		r := start("V2.1")
		r.Policy = "fast"
		st, err := w.Service.Start(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if st.Record.Name != "m-v2.1" || st.Record.Plan.Policy != "fast" || st.Record.CreatedBy != "ann" {
			t.Errorf("started %q under %q by %q", st.Record.Name, st.Record.Plan.Policy, st.Record.CreatedBy)
		}
		parsed, _, err := spec.Parse("", w.Record("m-v2.1").Source)
		if err != nil || len(parsed.Rollouts) != 1 || parsed.Rollouts[0].Candidate.Version != "V2.1" {
			t.Errorf("its document: %v, %v", parsed.Rollouts, err)
		}
		if got := w.apply(t, string(w.Record("m-v2.1").Source)); got.Applied[0].Change != command.Unchanged {
			t.Errorf("applying that document: %s", got.Applied[0].Change)
		}
	})
}

func TestStartFindsAFreeName(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		for _, want := range []string{"m-v2", "m-v2-2", "m-v2-3"} {
			st, err := w.Service.Start(t.Context(), start("v2"))
			if err != nil {
				t.Fatal(err)
			}
			if st.Record.Name != want {
				t.Errorf("name %q, want %q", st.Record.Name, want)
			}
			w.act(t, want, rollout.ActAbort)
			time.Sleep(2 * time.Hour)
		}
		if got := w.Record("m-v2-3").Plan.Attempt; got != 3 {
			t.Errorf("attempt %d, want 3", got)
		}
	})
}

func TestWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(r *command.StartRequest)
		code problem.Code
		want string
	}{
		"by nobody":                  {func(r *command.StartRequest) { r.Actor.Name = " " }, problem.Invalid, "nobody"},
		"of a model nobody knows":    {func(r *command.StartRequest) { r.Model = "x" }, problem.NotFound, "no model"},
		"of the version that serves": {func(r *command.StartRequest) { r.Version = "v1" }, problem.Invalid, "serves now"},
		"without a version":          {func(r *command.StartRequest) { r.Version = "" }, problem.Invalid, "version"},
		"with a URL that is none":    {func(r *command.StartRequest) { r.URL = "v2.m:80" }, problem.Invalid, "spec.candidate.url"},
		"without a URL":              {func(r *command.StartRequest) { r.URL = "" }, problem.Invalid, "url"},
		"with an unknown policy":     {func(r *command.StartRequest) { r.Policy = "missing" }, problem.Invalid, "missing"},
		"with a name that is none":   {func(r *command.StartRequest) { r.Name = "A B" }, problem.Invalid, "name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T, w *world) {
				w.apply(t, model("m", "v1"))
				r := start("v2")
				tt.edit(&r)
				_, err := w.Service.Start(t.Context(), r)
				refused(t, err, tt.code, tt.want)
				for _, p := range problemsOf(err) {
					if p.Line != 0 || p.File != "" {
						t.Errorf("problem %v has a place in a file that nobody has seen", p)
					}
				}
			})
		})
	}
}

func TestASecondStartNamesTheFirst(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		named := start("v2")
		named.Name = "mine"
		if _, err := w.Service.Start(t.Context(), named); err != nil {
			t.Fatal(err)
		}
		_, err := w.Service.Start(t.Context(), named)
		refused(t, err, problem.Exists, "mine")
		for _, version := range []string{"v2", "v3"} {
			_, err = w.Service.Start(t.Context(), start(version))
			refused(t, err, problem.Conflict, "mine")
		}
		w.apply(t, model("n", "v1"))
		other := start("v9")
		other.Model = "n"
		if _, err = w.Service.Start(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		_, err = w.Service.Start(t.Context(), other)
		refused(t, err, problem.Conflict, "n-v9")
	})
}

func TestAStartCanBeTriedOut(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		w.apply(t, model("m", "v1"))
		r := start("v2")
		r.DryRun = true
		st, err := w.Service.Start(t.Context(), r)
		if err != nil || st.Record.Name != "m-v2" || st.Stage.Of != 5 || st.Record.State.Phase != rollout.Pending {
			t.Errorf("it would be %+v, %v", st.Stage, err)
		}
		if _, err := w.Status(t.Context(), "m-v2"); !problem.Is(err, problem.NotFound) {
			t.Errorf("it was created: %v", err)
		}
	})
}
