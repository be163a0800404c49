package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestGatesInWords(t *testing.T) {
	t.Parallel()
	relative := func(v float64) *spec.Margin { return &spec.Margin{Value: v, Relative: true} }
	points := func(v float64) *spec.Margin { return &spec.Margin{Value: v} }
	for text, want := range map[string]spec.ResolvedGate{
		"error_rate maxIncrease 20%":                  {Metric: "error_rate", Kind: spec.KindRate, Harm: spec.Increase, Margin: relative(.2)},
		"error_rate maxIncrease 0.5pp max 5%":         {Metric: "error_rate", Kind: spec.KindRate, Harm: spec.Increase, Margin: points(.005), Max: &spec.Bound{Value: .05, Unit: spec.BoundPercent}},
		"error_rate maxIncrease=20% ignoreBelow=0.1%": {Metric: "error_rate", Kind: spec.KindRate, Harm: spec.Increase, Margin: relative(.2), IgnoreBelow: .001},
		"latency_p99.9 maxIncrease: 10% max: 800ms":   {Metric: "latency_p99.9", Kind: spec.KindQuantile, Quantile: .999, Harm: spec.Increase, Margin: relative(.1), Max: &spec.Bound{Value: .8, Unit: spec.BoundSeconds}},
		"agreement min 99%":                           {Metric: "agreement", Kind: spec.KindRate, Harm: spec.Decrease, Min: &spec.Bound{Value: .99, Unit: spec.BoundPercent}},
		"accuracy maxDecrease 1pp":                    {Metric: "accuracy", Kind: spec.KindRate, Harm: spec.Decrease, Margin: points(.01)},
		"outcome:paid maxDecrease 5% expect 4%":       {Metric: "outcome:paid", Outcome: "paid", Kind: spec.KindRate, Harm: spec.Decrease, Margin: relative(.05), Expect: .04, Per: spec.PerReport},
		"outcome:revenue kind mean maxDecrease 5% cap 500 per exposure": {
			Metric: "outcome:revenue", Outcome: "revenue", Kind: spec.KindMean, Harm: spec.Decrease, Margin: relative(.05), Cap: 500, Per: spec.PerExposure,
		},
		"output:score max 0.2": {Metric: "output:score", Output: "score", Kind: spec.KindDrift, Harm: spec.Increase, Max: &spec.Bound{Value: .2, Unit: spec.BoundNumber}},
		"output:/label class fraud maxIncrease 1pp": {
			Metric: "output:/label", Output: "/label", Class: "fraud", Kind: spec.KindRate, Harm: spec.Increase, Margin: points(.01),
		},
		"tokens_per_second maxDecrease 5% role info": {Metric: "tokens_per_second", Kind: spec.KindMean, Harm: spec.Decrease, Margin: relative(.05), Role: spec.RoleInfo},
		"ttft_p95 maxIncrease 10% onFail hold":       {Metric: "ttft_p95", Kind: spec.KindQuantile, Quantile: .95, Harm: spec.Increase, Margin: relative(.1), OnFail: spec.OnFailHold},
		"outcome:paid maxDecrease 5% horizon 30d":    {Metric: "outcome:paid", Outcome: "paid", Kind: spec.KindRate, Harm: spec.Decrease, Margin: relative(.05), Horizon: 30 * 24 * time.Hour, Per: spec.PerReport},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := plan.ParseGate(text)
			if err != nil {
				t.Fatal(err)
			}
			if want.Role == "" {
				want.Role = spec.RoleGate
			}
			if want.OnFail == "" {
				want.OnFail = got.OnFail // As the metric has it.
			}
			want.Require = spec.WithinMargin
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInGatesAreTold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "write a metric, and then names and values in turn",
		"error_rate maxIncrease":            "write a metric, and then names and values in turn",
		"error_rate":                        "limits nothing",
		"eror_rate maxIncrease 20%":         `did you mean "error_rate"?`,
		"error_rate maxIncrese 20%":         `did you mean "maxIncrease"?`,
		"error_rate maxIncrease 20":         "maxIncrease: ",
		"error_rate maxDecrease 20%":        "write maxIncrease",
		"latency_p99 max 800":               "write 800ms or 800s",
		"agreement min 99":                  "99%",
		"accuracy maxDecrease 1pp, maxx 1%": "accuracy",
		"memory maxIncrease 20%":            "needs a source",
		"x] maxIncrease 20%":                `gate "x] maxIncrease 20%": `,
		"error_rate 'maxIncrease 20%":       "gate",
		"error_rate maxIncrease 20% from 7": "from",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := plan.ParseGate(text)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, want)
			}
			if err != nil && !problem.Is(err, problem.Invalid) {
				t.Errorf("code %s", problem.CodeOf(err))
			}
		})
	}
}

const file = `apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: base}
spec:
  minSamples: 300
  gates:
    - {metric: error_rate, maxIncrease: 1pp}
    - {metric: latency_p99, maxIncrease: 10%, from: 10%}
  analysis: {alpha: 1%}
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: full}
spec:
  extends: base
  segments: {by: [header:X-Country], guard: true}
  environments:
    - name: dev
      stages:
        - {check: dataset, file: golden.jsonl, gates: [{metric: accuracy, maxDecrease: 0.5pp}]}
    - name: production
      stages:
        - {shadow: 20%, dwell: 30m, minSamples: 5000, gates: [{metric: agreement, min: 99%}]}
        - {weight: 1%, dwell: 1h}
        - {weight: 10%, dwell: 1h, minSamples: 700, gates: [{metric: error_rate, maxIncrease: 2pp}, {metric: client_error_rate, maxIncrease: 1pp}]}
        - {weight: 100%, dwell: 1h, holdback: 1%}
`

const rolling = `---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: fraud-v7}
spec:
  model: fraud
  candidate: {version: v7, url: "http://localhost:9007"}
  policy: full
  gates: [{metric: error_rate, maxIncrease: 3pp}]
`

func parse(t *testing.T, text string) spec.File {
	t.Helper()
	f, _, err := spec.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// told is a plan as a test names it.
type told struct {
	Policy, Stage string
	Gates         []string
	Alpha         float64
	MinSamples    int64
	Require       spec.Requirement
	Guarded       bool
}

func tell(p plan.Plan) told {
	out := told{p.Policy, p.Stage, nil, p.Alpha, p.MinSamples, p.Require, p.Guarded}
	for _, g := range p.Gates {
		text := g.Name()
		if g.Margin != nil {
			text += " " + g.Margin.String()
		}
		out.Gates = append(out.Gates, text)
	}
	return out
}

func TestGatesAreChosen(t *testing.T) {
	t.Parallel()
	both := []string{"error_rate 1pp", "latency_p99 10%"}
	for name, tt := range map[string]struct {
		file   string
		choice plan.Choice
		want   told
	}{
		"single gates":          {"", plan.Choice{Gates: []string{"error_rate maxIncrease 5%"}}, told{Gates: []string{"error_rate 5%"}, Alpha: .05, MinSamples: 100, Require: spec.WithinMargin}},
		"the preset":            {"", plan.Choice{Policy: "standard"}, told{Policy: "standard", Gates: []string{"error_rate 20%", "latency_p99 10%"}, Alpha: .05, MinSamples: 500, Require: spec.WithinMargin}},
		"a policy by its name":  {file, plan.Choice{Policy: "full"}, told{Policy: "full", Gates: both, Alpha: .01, MinSamples: 300, Require: spec.WithinMargin, Guarded: true}},
		"one without stages":    {file, plan.Choice{Policy: "base"}, told{Policy: "base", Gates: both, Alpha: .01, MinSamples: 300, Require: spec.WithinMargin}},
		"the only policy":       {file[:strings.Index(file, "---")], plan.Choice{}, told{Policy: "base", Gates: both, Alpha: .01, MinSamples: 300, Require: spec.WithinMargin}},
		"the rollout":           {file + rolling, plan.Choice{}, told{Policy: "full", Gates: []string{"error_rate 3pp"}, Alpha: .01, MinSamples: 300, Require: spec.WithinMargin, Guarded: true}},
		"a stage that shadows":  {file, plan.Choice{Policy: "full", Stage: "shadow"}, told{Policy: "full", Stage: "shadow", Gates: []string{"agreement"}, Alpha: .01, MinSamples: 5000, Require: spec.NoHarm, Guarded: true}},
		"a stage that checks":   {file, plan.Choice{Policy: "full", Stage: "dataset"}, told{Policy: "full", Stage: "dataset", Gates: []string{"accuracy 0.5pp"}, Alpha: .01, MinSamples: 100, Require: spec.WithinMargin, Guarded: true}},
		"a weight":              {file, plan.Choice{Policy: "full", Stage: "10%"}, told{Policy: "full", Stage: "10%", Gates: []string{"latency_p99 10%", "error_rate 2pp", "client_error_rate 1pp"}, Alpha: .01, MinSamples: 700, Require: spec.WithinMargin, Guarded: true}},
		"a weight before from:": {file, plan.Choice{Policy: "full", Stage: "1%"}, told{Policy: "full", Stage: "1%", Gates: []string{"error_rate 1pp"}, Alpha: .01, MinSamples: 300, Require: spec.NoHarm, Guarded: true}},
		"some of them":          {file, plan.Choice{Policy: "full", Only: []string{"latency_p99"}}, told{Policy: "full", Gates: both[1:], Alpha: .01, MinSamples: 300, Require: spec.WithinMargin, Guarded: true}},
		"one in place of another, and one more": {
			file,
			plan.Choice{Policy: "full", Gates: []string{"error_rate maxIncrease 9pp", "accuracy maxDecrease 1pp"}},
			told{Policy: "full", Gates: []string{"latency_p99 10%", "error_rate 9pp", "accuracy 1pp"}, Alpha: .01, MinSamples: 300, Require: spec.WithinMargin, Guarded: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f spec.File
			if tt.file != "" {
				f = parse(t, tt.file)
			}
			p, err := plan.Choose(f, tt.choice)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tell(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChoicesThatCannotBeMeantAreTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file   string
		choice plan.Choice
		want   string
	}{
		"nothing":                    {"", plan.Choice{}, "there is no gate to judge by"},
		"several policies":           {file, plan.Choice{}, "2 policies"},
		"an unknown policy":          {file, plan.Choice{Policy: "standrad"}, `did you mean "standard"?`},
		"an unknown stage":           {file, plan.Choice{Policy: "full", Stage: "load"}, `no stage "load"; it has dataset, shadow, 1%, 10%, 100%`},
		"a stage of no policy":       {"", plan.Choice{Stage: "shadow", Gates: []string{"error_rate max 5%"}}, "name a policy too"},
		"a gate that is not there":   {file, plan.Choice{Policy: "full", Only: []string{"accuracy"}}, `no gate "accuracy"; there are error_rate, latency_p99`},
		"a gate with a mistake":      {file, plan.Choice{Policy: "full", Gates: []string{"error_rate max"}}, "in turn"},
		"a stage without gates":      {strings.Replace(file, "{shadow: 20%, dwell: 30m, minSamples: 5000, gates: [{metric: agreement, min: 99%}]}", "{check: contract}", 1), plan.Choice{Policy: "full", Stage: "contract"}, "has no gates of its own"},
		"a policy without its base":  {file[strings.Index(file, "---")+4:], plan.Choice{}, `no policy named "base"`},
		"a policy without any gates": {"apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: empty}\nspec: {minSamples: 10}\n", plan.Choice{}, "there is no gate to judge by"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f spec.File
			if tt.file != "" {
				f = parse(t, tt.file)
			}
			_, err := plan.Choose(f, tt.choice)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !problem.Is(err, problem.Invalid) {
				t.Errorf("got %v (%s), want %q", err, problem.CodeOf(err), tt.want)
			}
		})
	}
}

func FuzzGate(f *testing.F) {
	for _, seed := range []string{"error_rate maxIncrease 20%", "a b c", "{x} [y] z", "output:/a~0 class 'x'", "x: y z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := plan.ParseGate(text)
		if err == nil && (g.Metric == "" || !strings.HasPrefix(strings.TrimSpace(text), g.Metric)) {
			t.Errorf("%q is a gate on %q", text, g.Metric)
		}
	})
}
