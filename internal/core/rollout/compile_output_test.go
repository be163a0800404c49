package rollout

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestGatesOnOneOutputShareWhatIsReadOfIt(t *testing.T) {
	t.Parallel()
	p := preset(t, "standard", `  gates:
    - {metric: error_rate, maxIncrease: 20%}
    - {metric: output:score}
    - {metric: output:score, kind: mean, maxDecrease: 5%, cap: 9, max: 7}
    - {metric: output:label, class: fraud, maxIncrease: 1pp}
    - {metric: output:label, class: 1, maxDecrease: 10%, expect: 5%}
    - {metric: output:label, max: 0.2, onFail: rollback}
`)
	want := []gate.Gate{
		{Name: "output:score", Kind: gate.Drift, Output: 1, Method: gate.Ratio, Worse: stats.Up, Slope: 1, Margin: 0.1, Share: 1, Holds: true},
		{
			Name: "output:score:mean", Kind: gate.Mean, Output: 1, Method: gate.Ratio, Worse: stats.Down, Slope: 1, Margin: -0.05, Share: 0.2,
			Ceilings: []gate.Ceiling{{Limit: 7, Text: "max 7"}},
		},
		{Name: "output:label=fraud", Kind: gate.Rate, Series: 2, Output: 2, Method: gate.Difference, Worse: stats.Up, Slope: 1, Margin: 0.01, Share: 0.2},
		{Name: "output:label=1", Kind: gate.Rate, Series: 3, Output: 2, Method: gate.Ratio, Worse: stats.Down, Slope: 1, Margin: -0.1, Share: 0.2},
		{Name: "output:label", Kind: gate.Drift, Series: 1, Output: 2, Method: gate.Ratio, Worse: stats.Up, Slope: 1, Margin: 0.2, Share: 0.2},
	}
	if diff := cmp.Diff(want, p.Gates[1:]); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	layout := evidence.Layout{
		Rates:  []string{"error_rate", "client_error_rate", "output:label=fraud", "output:label=1"},
		Values: []evidence.Series{{Name: "output:score", Cap: 9, Bins: 20, Grouped: true}, {Name: "output:label", Bins: 20, Grouped: true}},
		Outputs: []evidence.Output{
			{Name: "score", Value: 0, Numbers: true},
			{Name: "label", Value: 1, Classes: []evidence.Class{{Text: "fraud", Rate: 2}, {Text: "1", Rate: 3}}},
		},
	}
	if diff := cmp.Diff(layout, p.Layout); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
}

func TestAnOutputOfWhichOnlyAClassIsCountedHasNoDistribution(t *testing.T) {
	t.Parallel()
	_, p := gated(t, "{metric: output:/label, class: fraud, max: 10%}")
	want := []evidence.Output{{Name: "/label", Value: evidence.NoSeries, Classes: []evidence.Class{{Text: "fraud", Rate: 2}}}}
	if diff := cmp.Diff(want, p.Layout.Outputs); diff != "" || p.Layout.Values != nil {
		t.Errorf("%d series; outputs (-want +got):\n%s", len(p.Layout.Values), diff)
	}
}

func TestOutputsThatCannotBeJudgedAreRefused(t *testing.T) {
	t.Parallel()
	classes := func(r *spec.Resolved) {
		for i := range evidence.MaxClasses {
			g := r.Gates[0]
			g.Class = fmt.Sprint("c", i)
			r.Gates = append(r.Gates, g)
		}
	}
	for name, tt := range map[string]struct {
		gates string
		bend  func(r *spec.Resolved)
	}{
		"a quantile":               {"  gates: [{metric: output:score}]\n", func(r *spec.Resolved) { r.Gates[0].Kind = spec.KindQuantile }},
		"a drift without distance": {"  gates: [{metric: output:score}]\n", func(r *spec.Resolved) { r.Gates[0].Max = nil }},
		"a mean in points":         {"  gates: [{metric: output:score, kind: mean, max: 1}]\n", func(r *spec.Resolved) { r.Gates[0].Margin = &spec.Margin{Value: 0.1} }},
		"too many classes":         {"  gates: [{metric: output:label, class: fraud, max: 10%}]\n", classes},
	} {
		r := resolved(t, demoModel, "apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: demo}\nspec:\n  extends: standard\n"+tt.gates)
		tt.bend(&r)
		if _, err := Compile(r, 1, nil); !problem.Is(err, problem.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
