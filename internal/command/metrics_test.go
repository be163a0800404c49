package command_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestTheMetricsPagesOfAModelAreKept(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, w *world) {
		pages := func() []string {
			t.Helper()
			models, err := w.Store.Models(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return models[0].Serving.Scraped()
		}
		apply := func(pages string, want command.Change) {
			t.Helper()
			doc := model("m", "v1")
			if pages != "" {
				doc = strings.Replace(doc, "serving: {", "serving: {metrics: "+pages+", ", 1)
			}
			if r := w.apply(t, doc); r.Applied[0].Change != want || len(r.Warnings) != 0 {
				t.Errorf("with metrics %s the model is %s, warnings %v", pages, r.Applied[0].Change, r.Warnings)
			}
		}
		apply("", command.Created)
		if got := pages(); !cmp.Equal(got, []string{"http://v1.m/metrics"}) {
			t.Errorf("by default they are at %v", got)
		}
		apply("[http://a/metrics, http://b/metrics]", command.Updated)
		if got := pages(); !cmp.Equal(got, []string{"http://a/metrics", "http://b/metrics"}) {
			t.Errorf("they are at %v", got)
		}
		apply("[http://a/metrics, http://b/metrics]", command.Unchanged)

		next := strings.Replace(candidate("m-v2", "m", "v2", quick), "candidate: {", "candidate: {metrics: http://c/metrics, ", 1)
		w.apply(t, next)
		refused(t, w.applyError(t, strings.Replace(model("m", "v1"), "serving: {", "serving: {metrics: http://d/metrics, ", 1)), problem.Refused, "m-v2", "spec.serving")
		w.drive(t, "m-v2", 0.01)
		w.ends(t, "m-v2", rollout.Completed)
		if got := pages(); !cmp.Equal(got, []string{"http://c/metrics"}) {
			t.Errorf("the version that was promoted is read at %v", got)
		}
	})
}
