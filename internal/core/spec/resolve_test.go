package spec_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

const head = "apiVersion: belay.dev/v1alpha1\nkind: "

// parse reads a file that must be good.
func parse(t *testing.T, docs ...string) spec.File {
	t.Helper()
	f, _, err := spec.Parse("test.yaml", []byte(strings.Join(docs, "\n---\n")))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return f
}

func modelDoc(fields string) string {
	return head + "Model\nmetadata: {name: fraud}\nspec:\n  serving: {version: v6, url: http://localhost:9006}\n" + fields
}

func rolloutDoc(fields string) string {
	return head + "Rollout\nmetadata: {name: fraud-v7}\nspec:\n  model: fraud\n  candidate: {version: v7, url: http://localhost:9007}\n" + fields
}

func policyDoc(name, fields string) string {
	return head + "Policy\nmetadata: {name: " + name + "}\nspec:\n" + fields
}

// resolve resolves the first rollout of a file with its first model.
func resolve(t *testing.T, f spec.File) (spec.Resolved, []spec.Warning) {
	t.Helper()
	r, warnings, err := spec.Resolve(f.Models[0], f.Rollouts[0], known(f))
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	return r, warnings
}

func known(f spec.File) func(string) (spec.Policy, bool) {
	return func(name string) (spec.Policy, bool) {
		for _, p := range f.Policies {
			if p.Name == name {
				return p, true
			}
		}
		return spec.Policy{}, false
	}
}

// weightStage is a stage of a preset, filled in.
func weightStage(w spec.Weight, dwell time.Duration) spec.ResolvedStage {
	return spec.ResolvedStage{
		Kind: spec.StageWeight, Weight: w, Dwell: dwell, MaxDuration: 48 * time.Hour, MinSamples: 500,
		Warmup: min(2*time.Minute, dwell/10), Require: spec.NoHarm,
	}
}

var presetGates = []spec.ResolvedGate{
	{
		Metric: "error_rate", Kind: spec.KindRate, Harm: spec.Increase, Margin: &spec.Margin{Relative: true, Value: 0.2}, IgnoreBelow: 0.001,
		Require: spec.WithinMargin, Role: spec.RoleGate, OnFail: spec.OnFailRollback,
	},
	{
		Metric: "latency_p99", Kind: spec.KindQuantile, Quantile: 0.99, Harm: spec.Increase, Margin: &spec.Margin{Relative: true, Value: 0.1},
		Require: spec.WithinMargin, Role: spec.RoleGate, OnFail: spec.OnFailRollback,
	},
}

func TestStandardIsTheDefaultAndEverythingIsFilled(t *testing.T) {
	t.Parallel()
	got, warnings := resolve(t, parse(t, modelDoc("  unit: header:X-User-Id\n"), rolloutDoc("")))
	stages := []spec.ResolvedStage{}
	for _, w := range []spec.Weight{100, 1000, 2500, 5000, 10_000} {
		stages = append(stages, weightStage(w, 2*time.Hour))
	}
	stages[3].Require = spec.WithinMargin
	stages[4].Holdback, stages[4].KeepWarm = 100, 24*time.Hour
	want := spec.Resolved{
		Rollout: "fraud-v7", Model: "fraud", Policy: "standard", Protocol: spec.ProtocolV2, Unit: spec.Unit{Kind: spec.UnitHeader, Key: "X-User-Id"},
		Environments: []spec.ResolvedEnvironment{{
			Name:      "production",
			Baseline:  spec.ResolvedVersion{Version: "v6", URL: "http://localhost:9006", As: "fraud"},
			Candidate: spec.ResolvedVersion{Version: "v7", URL: "http://localhost:9007", As: "fraud"},
			Route:     spec.ResolvedRoute{PathPrefix: "/v2/models/fraud"},
			Stages:    stages,
		}},
		Gates:    presetGates,
		Analysis: spec.ResolvedAnalysis{Alpha: 0.05, OnUndecided: spec.UndecidedHold},
		Faults:   spec.ResolvedFaults{NoTraffic: spec.FaultHold, SourceDown: spec.FaultHold, SampleRatioMismatch: spec.FaultHold, HoldFor: time.Hour, Then: spec.ThenAsk},
		Rollback: spec.ResolvedRollback{Auto: true, Within: 5 * time.Second, Shield: true, Cooldown: time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings of the default: %v", warnings)
	}
	if !got.Guarded() || got.Last().Stages[4].Share() != 9900 {
		t.Errorf("guarded %v, share at the end %v", got.Guarded(), got.Last().Stages[4].Share())
	}
}

func TestThePresetsAreTheTableOfTheProduct(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		weights  []spec.Weight
		dwell    time.Duration
		warmup   time.Duration
		keepWarm time.Duration
		approval bool
	}{
		"fast":     {[]spec.Weight{100, 1000, 5000, 10_000}, 10 * time.Minute, 0, 24 * time.Hour, false},
		"standard": {[]spec.Weight{100, 1000, 2500, 5000, 10_000}, 2 * time.Hour, 2 * time.Minute, 24 * time.Hour, false},
		"cautious": {[]spec.Weight{100, 500, 1000, 2500, 5000, 10_000}, 4 * time.Hour, 2 * time.Minute, 72 * time.Hour, true},
	}
	if got := len(spec.Presets()); got != len(tests) {
		t.Fatalf("%d presets, want %d", got, len(tests))
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, warnings := resolve(t, parse(t, modelDoc(""), rolloutDoc("  policy: "+name+"\n")))
			var want []spec.ResolvedStage
			for _, w := range tt.weights {
				s := weightStage(w, tt.dwell)
				s.Warmup = tt.warmup
				switch w {
				case 5000:
					s.Require, s.Approval = spec.WithinMargin, tt.approval
				case spec.Whole:
					s.Holdback, s.KeepWarm = 100, tt.keepWarm
				}
				want = append(want, s)
			}
			if diff := cmp.Diff(want, got.Last().Stages); diff != "" {
				t.Errorf("stages (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(presetGates, got.Gates); diff != "" {
				t.Errorf("gates (-want +got)\n%s", diff)
			}
			if got.Analysis.OnUndecided != spec.UndecidedHold || len(warnings) > 0 {
				t.Errorf("onUndecided %s, warnings %v", got.Analysis.OnUndecided, warnings)
			}
		})
	}
}

func TestEveryPresetPassesTheParserAsAUsersFile(t *testing.T) {
	t.Parallel()
	for _, p := range spec.Presets() {
		text := strings.Replace(string(p.YAML()), "{name: "+p.Name+"}", "{name: mine}", 1)
		f, warnings, err := spec.Parse(p.Name, []byte(text))
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", p.Name, err, warnings)
			continue
		}
		if diff := cmp.Diff(p.Plan, f.Policies[0].Plan); diff != "" {
			t.Errorf("%s (-want +got)\n%s", p.Name, diff)
		}
	}
}

func TestOverridesReplaceObjectsByFieldAndListsAsAWhole(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc(""),
		policyDoc("base", "  extends: cautious\n  analysis: {alpha: 1%}\n  faults: {holdFor: 10m}\n  minSamples: 900\n"),
		policyDoc("tier-1", "  extends: base\n  analysis: {onUndecided: ask}\n  rollback: {cooldown: 0s}\n  gates: [{metric: error_rate, maxIncrease: 1pp}]\n"),
		rolloutDoc("  policy: tier-1\n  stages: [{weight: 20%, dwell: 3s}, {weight: 100%, dwell: 5h, minSamples: 7}]\n  faults: {then: rollback}\n  allowPin: true\n"))
	got, warnings := resolve(t, f)
	if got.Policy != "tier-1" || !got.AllowPin {
		t.Errorf("policy %q, allowPin %v", got.Policy, got.AllowPin)
	}
	if want := (spec.ResolvedAnalysis{Alpha: 0.01, OnUndecided: spec.UndecidedAsk}); got.Analysis != want {
		t.Errorf("analysis = %+v, want %+v", got.Analysis, want)
	}
	if got.Faults.HoldFor != 10*time.Minute || got.Faults.Then != spec.ThenRollback || got.Faults.NoTraffic != spec.FaultHold {
		t.Errorf("faults = %+v", got.Faults)
	}
	if got.Rollback.Cooldown != 0 || got.Rollback.Within != 5*time.Second {
		t.Errorf("rollback = %+v: a zero that was written must stay", got.Rollback)
	}
	if len(got.Gates) != 1 || got.Gates[0].Margin.Relative {
		t.Errorf("gates = %+v", got.Gates)
	}
	want := []spec.ResolvedStage{
		{Kind: spec.StageWeight, Weight: 2000, Dwell: 3 * time.Second, MaxDuration: 48 * time.Hour, MinSamples: 900, Warmup: 300 * time.Millisecond, Require: spec.WithinMargin},
		{Kind: spec.StageWeight, Weight: 10_000, Dwell: 5 * time.Hour, MaxDuration: 48 * time.Hour, MinSamples: 7, Warmup: 2 * time.Minute, Require: spec.NoHarm},
	}
	if diff := cmp.Diff(want, got.Last().Stages); diff != "" {
		t.Errorf("stages (-want +got)\n%s", diff)
	}
	if len(warnings) != 1 || warnings[0].Caution != spec.UnguardedAtEnd {
		t.Errorf("warnings = %v, want one of the end without holdback", warnings)
	}
}

func TestComputedDefaults(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc(""), rolloutDoc(`  stages:
    - {shadow: 10%, dwell: 1h}
    - {weight: 5%, dwell: 40h}
    - {weight: 30%, require: within-margin}
    - {weight: 60%, dwell: 20s}
    - {weight: 100%, holdback: 2%}
  gates:
    - {metric: outcome:correct, maxDecrease: 4pp}
    - {metric: outcome:spend, kind: mean, min: 3}
    - {metric: latency_p99.9, max: 1s}
    - {metric: queue, source: prometheus, query: q, maxIncrease: 10%}
    - {metric: outcome:clicks, per: exposure, maxIncrease: 4pp, from: 30%, horizon: 9h}
`))
	got, _ := resolve(t, f)
	s := got.Last().Stages
	for i, want := range []time.Duration{48 * time.Hour, 80 * time.Hour, 48 * time.Hour, 48 * time.Hour, 48 * time.Hour} {
		if s[i].MaxDuration != want {
			t.Errorf("stage %d: maxDuration %v, want %v", i, s[i].MaxDuration, want)
		}
	}
	for i, want := range []spec.Requirement{spec.NoHarm, spec.NoHarm, spec.WithinMargin, spec.WithinMargin, spec.NoHarm} {
		if s[i].Require != want {
			t.Errorf("stage %d requires %s, want %s", i, s[i].Require, want)
		}
	}
	for i, want := range []time.Duration{0, 2 * time.Minute, 2 * time.Minute, 2 * time.Second, 2 * time.Minute} {
		if s[i].Warmup != want {
			t.Errorf("stage %d: warm-up %v, want %v", i, s[i].Warmup, want)
		}
	}
	g := got.Gates
	if g[0].Kind != spec.KindRate || g[0].Per != spec.PerReport || g[0].Harm != spec.Decrease || g[0].Outcome != "correct" {
		t.Errorf("an outcome without a kind: %+v", g[0])
	}
	if g[1].Kind != spec.KindMean || g[1].Per != spec.PerReport || g[1].Harm != spec.Decrease || g[1].Margin != nil {
		t.Errorf("a mean with a floor: %+v", g[1])
	}
	if g[2].Quantile != 0.999 || g[2].Harm != spec.Increase || *g[2].Max != (spec.Bound{Unit: spec.BoundSeconds, Value: 1}) {
		t.Errorf("a ceiling: %+v", g[2])
	}
	if g[3].Kind != spec.KindGauge || g[3].Source != spec.SourcePrometheus {
		t.Errorf("a metric with a source: %+v", g[3])
	}
	if g[4].Per != spec.PerExposure || g[4].From != 3000 || g[4].Horizon != 9*time.Hour || g[4].Harm != spec.Increase {
		t.Errorf("an outcome with everything: %+v", g[4])
	}
}

func TestTheFullFormResolves(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc("  endpoint: http://{model}-{version}.{environment}:8080\n  environments: [{name: dev, serving: {version: v5}, route: {host: dev.example.com}}]\n"),
		policyDoc("tier-1", `  extends: standard
  environments:
    - name: dev
      stages:
        - {check: dataset, file: golden.jsonl, gates: [{metric: accuracy, maxDecrease: 0.5pp}]}
        - {check: load, rate: 30/m, for: 2m}
        - {check: replay, file: c.jsonl}
        - {check: command, run: [./e, x]}
    - name: production
      requires: {drillWithin: 7d}
      stages: [{weight: 100%, holdback: 1%}]
  segments: {by: [header:X-Country], guard: true}
  notify: [{email: {to: [a@example.com]}}, {webhook: {url: https://x.example}, on: [hold]}]
`), rolloutDoc("  policy: tier-1\n"))
	got, _ := resolve(t, f)
	dev, prod := got.Environments[0], got.Environments[1]
	if want := (spec.ResolvedVersion{Version: "v5", URL: "http://fraud-v5.dev:8080", As: "fraud"}); !cmp.Equal(dev.Baseline, want) {
		t.Errorf("dev serves %+v, want %+v", dev.Baseline, want)
	}
	if dev.Route.Host != "dev.example.com" || prod.Route.Host != "" || prod.Baseline.URL != "http://localhost:9006" || prod.DrillWithin != 168*time.Hour {
		t.Errorf("dev %+v, production %+v", dev.Route, prod)
	}
	want := []spec.ResolvedStage{
		{Kind: spec.StageCheck, Check: spec.CheckDataset, File: "golden.jsonl", Gates: dev.Stages[0].Gates},
		{Kind: spec.StageCheck, Check: spec.CheckLoad, Rate: 0.5, For: 2 * time.Minute},
		{Kind: spec.StageCheck, Check: spec.CheckReplay, File: "c.jsonl", Speed: 1},
		{Kind: spec.StageCheck, Check: spec.CheckCommand, Run: []string{"./e", "x"}},
	}
	if diff := cmp.Diff(want, dev.Stages); diff != "" {
		t.Errorf("dev's stages (-want +got)\n%s", diff)
	}
	notices := []spec.ResolvedNotice{
		{Target: "email", To: []string{"a@example.com"}, On: []spec.Event{spec.EventHold, spec.EventAsk, spec.EventRollback, spec.EventComplete}},
		{Target: "webhook", URL: "https://x.example", On: []spec.Event{spec.EventHold}},
	}
	if diff := cmp.Diff(notices, got.Notify); diff != "" {
		t.Errorf("notices (-want +got)\n%s", diff)
	}
	if !got.Segments.Guard || len(got.Segments.By) != 1 {
		t.Errorf("segments = %+v", got.Segments)
	}
}

func TestPinningNeedsPolicyAndModel(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		model, rollout string
		want           bool
	}{
		"nobody says anything":                {"", "", false},
		"the policy allows it":                {"", "  allowPin: true\n", true},
		"the model allows what nobody grants": {"  pin: allow\n", "", false},
		"the model denies it":                 {"  pin: deny\n", "  allowPin: true\n", false},
	} {
		if got, _ := resolve(t, parse(t, modelDoc(tt.model), rolloutDoc(tt.rollout))); got.AllowPin != tt.want {
			t.Errorf("%s: %v, want %v", name, got.AllowPin, tt.want)
		}
	}
}

func TestDefaultRoutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		model string
		want  spec.ResolvedRoute
	}{
		"v2 goes by the model's name": {"", spec.ResolvedRoute{PathPrefix: "/v2/models/fraud"}},
		"http takes everything":       {"  protocol: http\n", spec.ResolvedRoute{PathPrefix: "/"}},
		"a host keeps the path":       {"  route: {host: a.example}\n", spec.ResolvedRoute{Host: "a.example", PathPrefix: "/v2/models/fraud"}},
		"a header and a path":         {"  route: {pathPrefix: /x, header: {name: A, value: b}}\n", spec.ResolvedRoute{PathPrefix: "/x", HeaderName: "A", HeaderValue: "b"}},
	} {
		if got, _ := resolve(t, parse(t, modelDoc(tt.model), rolloutDoc(""))); got.Last().Route != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got.Last().Route, tt.want)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(modelDoc(""), "name: fraud", "name: other")
	for name, tt := range map[string]struct {
		docs []string
		want string
	}{
		"a policy that nobody knows": {
			[]string{modelDoc(""), rolloutDoc("  policy: standart\n")},
			`test.yaml:14:11: spec.policy: no policy named "standart"; did you mean "standard"?`,
		},
		"a policy that extends what nobody knows": {
			[]string{modelDoc(""), policyDoc("a", "  extends: tier-9\n"), rolloutDoc("  policy: a\n")},
			`test.yaml:12:12: spec.extends: no policy named "tier-9"; apply the policy first, or write one of fast, standard, cautious`,
		},
		"another model": {
			[]string{other, rolloutDoc("")},
			`test.yaml:12:10: spec.model: the rollout is for "fraud", not for "other"; write the model's name`,
		},
	} {
		f := parse(t, tt.docs...)
		_, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], known(f))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if problem.CodeOf(err) != problem.Invalid {
			t.Errorf("%s: the code is %s", name, problem.CodeOf(err))
		}
	}
}

func TestPoliciesThatMeetInACircleElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	a := parse(t, policyDoc("a", "  extends: b\n")).Policies[0]
	b := parse(t, policyDoc("b", "  extends: a\n")).Policies[0]
	f := parse(t, modelDoc(""), rolloutDoc("  policy: a\n"))
	policies := func(name string) (spec.Policy, bool) { return map[string]spec.Policy{"a": a, "b": b}[name], true }
	_, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], policies)
	if err == nil || !strings.Contains(err.Error(), "in a circle: a > b > a") {
		t.Errorf("err = %v", err)
	}
}

func TestResolveTakesValuesThatWereNotParsed(t *testing.T) {
	t.Parallel()
	model := spec.Model{Name: "m", Serving: &spec.Version{Version: "v1", URL: "http://a"}}
	rollout := spec.Rollout{Name: "m-v2", Model: "m", Candidate: &spec.Version{Version: "v2", URL: "http://b"}}
	got, _, err := spec.Resolve(model, rollout, nil)
	if err != nil || got.Protocol != spec.ProtocolV2 || got.Unit.Kind != spec.UnitRequest {
		t.Errorf("resolved %+v, %v", got, err)
	}
	if _, _, err := spec.Resolve(spec.Model{}, spec.Rollout{Policy: "none"}, nil); err == nil {
		t.Error("an empty model and an unknown policy are resolved")
	}
	rollout.Environments = []spec.Environment{}
	if _, _, err := spec.Resolve(model, rollout, nil); err == nil {
		t.Error("a rollout without environments is resolved")
	}
	refusals, _ := spec.Unsupported(spec.Resolved{})
	if problem.CodeOf(refusals.Err()) != problem.Refused {
		t.Errorf("an empty plan can run: %v", refusals)
	}
}

func TestTheCanonicalFormIsStable(t *testing.T) {
	t.Parallel()
	f := parse(t, modelDoc(""), rolloutDoc("  policy: fast\n  gates: [{metric: latency_p99, max: 800ms}]\n"))
	got, _ := resolve(t, f)
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const wantBegin = `{"rollout":"fraud-v7","model":"fraud","policy":"fast","protocol":"v2","unit":"request","allowPin":false,` +
		`"environments":[{"name":"production","baseline":{"version":"v6","url":"http://localhost:9006","metrics":[],"as":"fraud","run":[]},`
	if !strings.HasPrefix(string(data), wantBegin) {
		t.Errorf("the form begins\n%.250s, want\n%s", data, wantBegin)
	}
	const wantGate = `"gates":[{"metric":"latency_p99","kind":"quantile","outcome":"","output":"","class":"","quantile":0.99,"source":"","query":"","harm":"increase",` +
		`"margin":null,"max":"800ms","min":null,"ignoreBelow":"0%","expect":"0%","cap":0,"covariate":false,"per":"","horizon":"0s","from":"0%","require":"within-margin","role":"gate","onFail":"rollback"}]`
	if !strings.Contains(string(data), wantGate) {
		t.Errorf("the gate is not\n%s in\n%s", wantGate, data)
	}
	var back spec.Resolved
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, back); diff != "" {
		t.Errorf("read back (-want +got)\n%s", diff)
	}
	moved := strings.ReplaceAll(rolloutDoc("  policy: fast\n  gates: [{metric: latency_p99, max: 0.8s}]\n"), "spec:", "# moved\n\nspec:")
	again, _ := resolve(t, parse(t, modelDoc(""), moved))
	if other, _ := json.Marshal(again); string(other) != string(data) {
		t.Errorf("the same plan written otherwise has another form:\n%s\n%s", data, other)
	}
}

func TestTheCanonicalFormIsReadStrictly(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"rollout":"a","colour":"red"}`, `{"gates":[{"margin":"many"}]}`, `{"environments":[{"stages":[{"dwell":7}]}]}`,
		`{"environments":[{"stages":[{"dwell":"7"}]}]}`, `[]`, `{"gates":{}}`, `{"analysis":{"alpha":5}}`,
	} {
		var r spec.Resolved
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s is read as %+v", text, r)
		}
	}
}

func TestProblemsAreStructured(t *testing.T) {
	t.Parallel()
	_, _, err := spec.Parse("a.yaml", []byte(policyDoc("p", "  extnds: standard\n  stages: [{weight: 10}]\n")))
	var problems spec.Problems
	if !errors.As(err, &problems) || problem.CodeOf(err) != problem.Invalid {
		t.Fatalf("err = %v (%s)", err, problem.CodeOf(err))
	}
	want := spec.Problem{File: "a.yaml", Line: 5, Column: 3, Path: "spec.extnds", Message: "unknown field", Hint: `did you mean "extends"?`}
	if problems[0] != want || len(problems) != 2 {
		t.Errorf("problems = %+v, want first %+v", problems, want)
	}
	data, err := json.Marshal(problems[0])
	if got, want := string(data), `{"file":"a.yaml","line":5,"column":3,"path":"spec.extnds","message":"unknown field","hint":"did you mean \"extends\"?"}`; err != nil || got != want {
		t.Errorf("as JSON: %s, %v, want %s", got, err, want)
	}
}

func TestRolloutNames(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"v7": "m-v7", "2024.1_RC": "m-2024.1-rc", "7": "m-7", "a@b:c+d": "m-a-b-c-d", "x-": "m-x"} {
		if got := spec.RolloutName("m", version); got != want {
			t.Errorf("RolloutName(m, %s) = %s, want %s", version, got, want)
		}
	}
	f := parse(t, head+"Rollout\nspec: {model: m, candidate: {version: V7, url: http://localhost}}\n")
	if got := f.Rollouts[0].Name; got != "m-v7" {
		t.Errorf("a rollout without a name is called %q", got)
	}
}
