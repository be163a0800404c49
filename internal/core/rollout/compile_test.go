package rollout

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/problem"
)

// preset compiles the demo's rollout under a policy that extends a preset.
func preset(t *testing.T, name, more string) Plan {
	t.Helper()
	text := "apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: demo}\nspec:\n  extends: " + name + "\n" + more
	return compiled(t, demoModel+text)
}

// gated compiles a policy with one gate and returns it with the plan.
func gated(t *testing.T, text string) (gate.Gate, Plan) {
	t.Helper()
	p := preset(t, "standard", "  gates:\n    - "+text+"\n")
	return p.Gates[0], p
}

func TestThePresetsCompileToTheirLadders(t *testing.T) {
	t.Parallel()
	stage := func(weight uint32, dwell, warmup time.Duration, require spec.Requirement) Stage {
		return Stage{Weight: weight, Dwell: dwell, MaxDuration: 48 * time.Hour, Warmup: warmup, MinSamples: 500, Require: require}
	}
	last := func(dwell, warmup time.Duration) Stage {
		s := stage(9900, dwell, warmup, spec.NoHarm)
		s.Holdback = 100
		return s
	}
	h, m := time.Hour, time.Minute
	for name, want := range map[string][]Stage{
		"standard": {
			stage(100, 2*h, 2*m, spec.NoHarm), stage(1000, 2*h, 2*m, spec.NoHarm), stage(2500, 2*h, 2*m, spec.NoHarm),
			stage(5000, 2*h, 2*m, spec.WithinMargin), last(2*h, 2*m),
		},
		"fast": {stage(100, 10*m, 0, spec.NoHarm), stage(1000, 10*m, 0, spec.NoHarm), stage(5000, 10*m, 0, spec.WithinMargin), last(10*m, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			p := preset(t, name, "")
			if diff := cmp.Diff(want, p.Stages); diff != "" {
				t.Errorf("stages (-want +got):\n%s", diff)
			}
			if p.Stages[len(p.Stages)-1].Asked() != 10_000 {
				t.Errorf("the last stage is written as %d", p.Stages[len(p.Stages)-1].Asked())
			}
			checkStandardGates(t, &p)
		})
	}
}

func checkStandardGates(t *testing.T, p *Plan) {
	t.Helper()
	base, steps := evidence.BaseFor(0.1)
	want := []gate.Gate{
		{Name: "error_rate", Kind: gate.Rate, Method: gate.Ignore, Worse: stats.Up, Margin: 0.2, Slope: 1, Level: 0.001, Share: 0.5},
		{Name: "latency_p99", Kind: gate.Quantile, Quantile: 0.99, Steps: steps, Method: gate.Ratio, Worse: stats.Up, Margin: 0.1, Slope: 1, Share: 0.5},
	}
	if diff := cmp.Diff(want, p.Gates); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	layout := evidence.Layout{
		Rates: []string{"error_rate", "client_error_rate"}, Sketches: []evidence.Base{base},
		Tails: []evidence.Tail{{Sketch: 0, Quantile: 0.99, Steps: steps}},
	}
	if diff := cmp.Diff(layout, p.Layout); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
	if p.Alpha != 0.05 || p.OnUndecided != spec.UndecidedHold || p.Unguarded(0) != "" {
		t.Errorf("alpha %g, undecided %s, unguarded %q", p.Alpha, p.OnUndecided, p.Unguarded(0))
	}
}

func TestThePlanSaysWhoTakesPart(t *testing.T) {
	t.Parallel()
	p := preset(t, "standard", "")
	want := Plan{
		Rollout: "digits-v2", Model: "digits", Policy: "demo", Environment: "production", Attempt: 1,
		Baseline: Version{Name: "v1", URL: "http://localhost:9001"}, Candidate: Version{Name: "v2", URL: "http://localhost:9002"},
		Protocol: table.V2, Match: table.Match{PathPrefix: "/v2/models/digits"}, Unit: table.Unit{Source: table.UnitRequest},
		Faults:   Faults{NoTraffic: spec.FaultHold, SourceDown: spec.FaultHold, SampleRatio: spec.FaultHold, HoldFor: time.Hour, Then: spec.ThenAsk},
		Rollback: Restore{Auto: true, Within: 5 * time.Second, Shield: true, Cooldown: time.Hour},
		Alpha:    0.05, OnUndecided: spec.UndecidedHold, Horizon: leastHorizon,
	}
	p.Stages, p.Gates, p.Layout = nil, nil, evidence.Layout{}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestUnitsThatReturnAreClustered(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string]bool{"request": false, "header:X-User": true, "cookie:session": true, "query:user": true} {
		p := compiled(t, strings.Replace(demoModel, "unit: request", "unit: "+unit, 1)+demoPolicyText)
		if p.Layout.Clustered != want {
			t.Errorf("%s: clustered %v", unit, p.Layout.Clustered)
		}
	}
}

func TestTheDemosPolicyCompiles(t *testing.T) {
	t.Parallel()
	p := demoPlan(t)
	_, steps := evidence.BaseFor(0.5)
	want := []gate.Gate{
		{Name: "error_rate", Kind: gate.Rate, Method: gate.Difference, Worse: stats.Up, Margin: 0.01, Slope: 1, Share: 1.0 / 3},
		{Name: "latency_p99", Kind: gate.Quantile, Quantile: 0.99, Steps: steps, Method: gate.Ratio, Worse: stats.Up, Margin: 0.5, Slope: 1, Share: 1.0 / 3},
		{Name: "outcome:correct", Kind: gate.Rate, Series: 2, Outcome: true, Complement: true, Method: gate.Difference, Worse: stats.Up, Margin: 0.04, Slope: 1, Share: 1.0 / 3},
	}
	if diff := cmp.Diff(want, p.Gates); diff != "" {
		t.Errorf("gates (-want +got):\n%s", diff)
	}
	for i, s := range p.Stages {
		if s.Dwell != 3*time.Second || s.Warmup != 0 || s.MinSamples != 20 {
			t.Errorf("stage %d: %+v", i, s)
		}
	}
	if last := p.Stages[4]; last.Weight != 9800 || last.Holdback != 200 || p.Unguarded(4) != "" {
		t.Errorf("the last stage has weight %d, holdback %d, unguarded: %q", last.Weight, last.Holdback, p.Unguarded(4))
	}
}

// Every way of writing a margin, and the test that it becomes.
func TestMargins(t *testing.T) {
	t.Parallel()
	up := gate.Gate{Kind: gate.Rate, Worse: stats.Up, Slope: 1, Share: 1}
	with := func(g gate.Gate, change func(*gate.Gate)) gate.Gate { change(&g); return g }
	outcome := with(up, func(g *gate.Gate) { g.Outcome, g.Series = true, 2 })
	p99 := gate.Gate{Kind: gate.Quantile, Quantile: 0.99, Worse: stats.Up, Slope: 1, Share: 1}
	steps := func(margin float64) int32 { _, n := evidence.BaseFor(margin); return n }
	for text, want := range map[string]gate.Gate{
		"{metric: error_rate, maxIncrease: 20%}":                     with(up, func(g *gate.Gate) { g.Method, g.Margin = gate.Ratio, 0.2 }),
		"{metric: error_rate, maxIncrease: 1pp}":                     with(up, func(g *gate.Gate) { g.Method, g.Margin = gate.Difference, 0.01 }),
		"{metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.05%}": with(up, func(g *gate.Gate) { g.Method, g.Margin, g.Level = gate.Ignore, 0.2, 0.0005 }),
		"{metric: error_rate, max: 5%}": with(up, func(g *gate.Gate) {
			g.Method, g.Ceilings = gate.None, []gate.Ceiling{{Limit: 0.05, Text: "max 5%"}}
		}),
		"{metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.05%, max: 5%}": with(up, func(g *gate.Gate) {
			g.Method, g.Margin, g.Level, g.Ceilings = gate.Ignore, 0.2, 0.0005, []gate.Ceiling{{Limit: 0.05, Text: "max 5%"}}
		}),
		"{metric: client_error_rate, maxIncrease: 50%}":            with(up, func(g *gate.Gate) { g.Method, g.Margin, g.Series = gate.Ratio, 0.5, 1 }),
		"{metric: 'outcome:correct', maxDecrease: 4pp}":            with(outcome, func(g *gate.Gate) { g.Method, g.Margin, g.Complement = gate.Difference, 0.04, true }),
		"{metric: 'outcome:complaint', maxIncrease: 0.5pp}":        with(outcome, func(g *gate.Gate) { g.Method, g.Margin = gate.Difference, 0.005 }),
		"{metric: 'outcome:complaint', maxIncrease: 20%}":          with(outcome, func(g *gate.Gate) { g.Method, g.Margin = gate.Ratio, 0.2 }),
		"{metric: 'outcome:right', maxDecrease: 2%}":               with(outcome, common),
		"{metric: 'outcome:right', maxDecrease: 2%, expect: 90%}":  with(outcome, common),
		"{metric: 'outcome:bought', maxDecrease: 5%, expect: 3%}":  with(outcome, rare),
		"{metric: 'outcome:seldom', maxDecrease: 2%, expect: 80%}": with(outcome, common),
		"{metric: 'outcome:correct', min: 90%}": with(outcome, func(g *gate.Gate) {
			g.Method, g.Ceilings = gate.None, []gate.Ceiling{{Limit: 0.1, Complement: true, Text: "min 90%"}}
		}),
		"{metric: latency_p99, maxIncrease: 10%}": with(p99, func(g *gate.Gate) { g.Method, g.Margin, g.Steps = gate.Ratio, 0.1, steps(0.1) }),
		"{metric: latency_p50, maxIncrease: 50%}": with(p99, func(g *gate.Gate) { g.Method, g.Margin, g.Steps, g.Quantile = gate.Ratio, 0.5, steps(0.5), 0.5 }),
		"{metric: latency_p99, maxIncrease: 10%, max: 800ms}": with(p99, func(g *gate.Gate) {
			g.Method, g.Margin, g.Steps = gate.Ratio, 0.1, steps(0.1)
			g.Ceilings = []gate.Ceiling{{Limit: 0.01, Over: 800 * time.Millisecond, Text: "max 800ms"}}
		}),
		"{metric: latency_p99, max: 1.5s}": with(p99, func(g *gate.Gate) {
			g.Method, g.Steps = gate.None, steps(ceilingResolution)
			g.Ceilings = []gate.Ceiling{{Limit: 0.01, Over: 1500 * time.Millisecond, Text: "max 1.5s"}}
		}),
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, p := gated(t, text)
			want.Name = got.Name
			close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
			if diff := cmp.Diff(want, got, close); diff != "" {
				t.Errorf("gate (-want +got):\n%s", diff)
			}
			if text := got.MarginText(); text == "" {
				t.Error("it cannot be said what the margin is")
			}
			if judged := Judge(&p, State{}, &evidence.Evidence{}, nil); judged[0].Verdict != gate.NoData {
				t.Errorf("on no evidence: %s", judged[0].Verdict)
			}
		})
	}
}

// common is a success of which most happen: what is missing from it is compared.
func common(g *gate.Gate) {
	g.Method, g.Margin, g.Slope, g.Complement = gate.Difference, 0.02, 0.98, true
}

// rare is a success of which few happen: those are compared.
func rare(g *gate.Gate) { g.Method, g.Margin, g.Worse = gate.Ratio, -0.05, stats.Down }

func TestRolesAndPlacesOfGates(t *testing.T) {
	t.Parallel()
	p := preset(t, "standard", `  gates:
    - {metric: error_rate, maxIncrease: 20%}
    - {metric: latency_p99, maxIncrease: 10%}
    - {metric: latency_p50, maxIncrease: 10%, onFail: hold}
    - {metric: client_error_rate, maxIncrease: 50%, role: info}
    - {metric: "outcome:correct", maxDecrease: 4pp, from: 50%, require: no-harm}
`)
	type role struct {
		Holds, Info, GuardOnly bool
		From                   int
		Share                  float64
	}
	want := map[string]role{
		"error_rate": {Share: 1.0 / 3}, "latency_p99": {Share: 1.0 / 3}, "latency_p50": {Holds: true, Share: 1},
		"client_error_rate": {Info: true, Share: 1}, "outcome:correct": {GuardOnly: true, From: 3, Share: 1.0 / 3},
	}
	for _, g := range p.Gates {
		if got := (role{g.Holds, g.Info, g.GuardOnly, g.From, g.Share}); got != want[g.Name] {
			t.Errorf("%s: got %+v, want %+v", g.Name, got, want[g.Name])
		}
	}
	if len(p.Layout.Sketches) != 1 || len(p.Layout.Tails) != 2 || p.Gates[2].Tail != 1 {
		t.Errorf("two quantiles at one margin: %d sketches, %d tails", len(p.Layout.Sketches), len(p.Layout.Tails))
	}
}

func TestAGateThatOnlyInformsNeedsNoLimit(t *testing.T) {
	t.Parallel()
	g, p := gated(t, "{metric: client_error_rate, role: info}")
	if g.Method != gate.None || g.MarginText() != "" {
		t.Errorf("got %+v", g)
	}
	if p.Unguarded(0) == "" {
		t.Error("a plan of one gate that only informs looks guarded")
	}
}

func TestPlansThatNothingGuards(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		more  string
		stage int
		want  string
	}{
		"only holds":          {"  gates: [{metric: error_rate, maxIncrease: 20%, onFail: hold}]\n", 0, "no gate can roll back"},
		"later":               {"  gates: [{metric: error_rate, maxIncrease: 20%, from: 50%}]\n", 0, "no gate that can roll back is active yet"},
		"from then on":        {"  gates: [{metric: error_rate, maxIncrease: 20%, from: 50%}]\n", 3, ""},
		"no holdback":         {"  stages: [{weight: 10%}, {weight: 100%}]\n", 1, "nothing is held back"},
		"no holdback, before": {"  stages: [{weight: 10%}, {weight: 100%}]\n", 0, ""},
		"by hand":             {"  rollback: {auto: false}\n", 0, "rollback.auto is off"},
	} {
		p := preset(t, "standard", tt.more)
		got := p.Unguarded(tt.stage)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// resolved is a rollout that compiles, which a test then bends.
func resolved(t *testing.T, model, policy string) spec.Resolved {
	t.Helper()
	f, _, err := spec.Parse("test.yaml", []byte(model+policy))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	r, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], func(name string) (spec.Policy, bool) {
		for _, p := range f.Policies {
			if p.Name == name {
				return p, true
			}
		}
		return spec.Policy{}, false
	})
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	return r
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(r *spec.Resolved){
		"two environments": func(r *spec.Resolved) { r.Environments = append(r.Environments, r.Environments[0]) },
		"a check":          func(r *spec.Resolved) { r.Environments[0].Stages[0].Kind = spec.StageCheck },
		"a shadow":         func(r *spec.Resolved) { r.Environments[0].Stages[0].Kind = spec.StageShadow },
		"an approval":      func(r *spec.Resolved) { r.Environments[0].Stages[0].Approval = true },
		"a stage's gates":  func(r *spec.Resolved) { r.Environments[0].Stages[0].Gates = r.Gates[:1] },
		"a required drill": func(r *spec.Resolved) { r.Environments[0].DrillWithin = time.Hour },
		"openai":           func(r *spec.Resolved) { r.Protocol = spec.ProtocolOpenAI },
		"a source":         func(r *spec.Resolved) { r.Gates[0].Source = "prometheus" },
		"a mean":           func(r *spec.Resolved) { r.Gates[2].Kind = spec.KindMean },
		"latency in pp":    func(r *spec.Resolved) { r.Gates[1].Margin = &spec.Margin{Value: 0.1} },
		"a least latency":  func(r *spec.Resolved) { r.Gates[1].Min = &spec.Bound{Value: 1} },
		"a fine latency":   func(r *spec.Resolved) { r.Gates[1].Margin = &spec.Margin{Relative: true, Value: 0.0001} },
	} {
		r := resolved(t, demoModel, demoPolicyText)
		bend(&r)
		if _, err := Compile(r, 1, nil); !problem.Is(err, problem.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is held back at 100 % must leave more than the stage before had.
func TestAHoldbackThatTakesTheStageBackIsInvalid(t *testing.T) {
	t.Parallel()
	r := resolved(t, demoModel, demoPolicyText)
	r.Environments[0].Stages[3].Weight = 9900
	if _, err := Compile(r, 1, nil); !problem.Is(err, problem.Invalid) {
		t.Errorf("99%% and then 98%%: %v", err)
	}
}

// Outcomes are taken for as long as the slowest gate waits, and a day at least.
func TestOutcomesAreTakenForAsLongAsTheSlowestGateWaits(t *testing.T) {
	t.Parallel()
	for want, horizon := range map[time.Duration]string{24 * time.Hour: "1h", 72 * time.Hour: "72h"} {
		p := preset(t, "standard", `  gates:
    - {metric: error_rate, maxIncrease: 20%}
    - {metric: "outcome:correct", maxDecrease: 4pp, from: 50%, horizon: `+horizon+"}\n")
		if p.Horizon != want {
			t.Errorf("a gate that waits %s: outcomes count for %v", horizon, p.Horizon)
		}
	}
}

func TestTheAttemptIsKeptAndSpendsItsOwnAlpha(t *testing.T) {
	t.Parallel()
	r := resolved(t, demoModel, demoPolicyText)
	first, err := Compile(r, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	third, err := Compile(r, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if third.Attempt != 3 || third.Alpha != first.Alpha {
		t.Errorf("attempt %d at alpha %g, the first at %g", third.Attempt, third.Alpha, first.Alpha)
	}
}

func TestHistorySettlesHowASuccessIsCompared(t *testing.T) {
	t.Parallel()
	text := strings.Replace(demoPolicyText, "maxDecrease: 4pp", "maxDecrease: 5%", 1)
	for name, tt := range map[string]struct {
		rate  float64
		known bool
		want  gate.Method
	}{"rare": {0.03, true, gate.Ratio}, "common": {0.94, true, gate.Difference}, "never seen": {0, false, gate.Difference}} {
		p, err := Compile(resolved(t, demoModel, text), 1, func(outcome string) (float64, bool) {
			if outcome != "correct" {
				t.Errorf("asked for %q", outcome)
			}
			return tt.rate, tt.known
		})
		if err != nil || p.Gates[2].Method != tt.want {
			t.Errorf("%s: %s, %v", name, p.Gates[2].Method, err)
		}
	}
}

// gateOf compiles the demo's policy with its outcome's gate bent.
func gateOf(t *testing.T, bend func(g *spec.ResolvedGate)) (gate.Gate, *evidence.Layout) {
	t.Helper()
	r := resolved(t, demoModel, demoPolicyText)
	bend(&r.Gates[2])
	p, err := Compile(r, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.Gates[2], &p.Layout
}

func TestAnOutcomeIsCountedOverAllRequestsOrOverReports(t *testing.T) {
	t.Parallel()
	relative := &spec.Margin{Relative: true, Value: 0.05}
	for name, tt := range map[string]struct {
		bend      func(g *spec.ResolvedGate)
		kind      gate.Kind
		exposures string
	}{
		"reports":             {func(*spec.ResolvedGate) {}, gate.Rate, ""},
		"all requests":        {func(g *spec.ResolvedGate) { g.Per, g.Margin = spec.PerExposure, relative }, gate.Rate, "error_rate"},
		"requests of a day":   {func(g *spec.ResolvedGate) { g.Per, g.Horizon = spec.PerExposure, 24*time.Hour }, gate.Rate, "exposures@24h0m0s"},
		"revenue per request": {func(g *spec.ResolvedGate) { g.Kind, g.Per, g.Margin = spec.KindMean, spec.PerExposure, relative }, gate.Mean, "error_rate"},
		"revenue per report":  {func(g *spec.ResolvedGate) { g.Kind, g.Margin = spec.KindMean, relative }, gate.Mean, ""},
	} {
		g, l := gateOf(t, tt.bend)
		if g.Kind != tt.kind || g.PerExposure != (tt.exposures != "") {
			t.Errorf("%s: kind %s, per exposure %v", name, g.Kind, g.PerExposure)
		}
		if g.PerExposure && l.Rates[g.Exposures] != tt.exposures {
			t.Errorf("%s: counted over %s, want %s", name, l.Rates[g.Exposures], tt.exposures)
		}
		if h := l.Horizons["outcome:correct"]; (h > 0) != (name == "requests of a day") {
			t.Errorf("%s: horizon %v", name, h)
		}
	}
}

// What is not reported yet looks like what never will be: in a ratio that
// cancels, so a relative margin over all requests is always tested as one.
func TestARelativeMarginOverAllRequestsIsARatio(t *testing.T) {
	t.Parallel()
	g, _ := gateOf(t, func(g *spec.ResolvedGate) {
		g.Per, g.Margin, g.Expect = spec.PerExposure, &spec.Margin{Relative: true, Value: 0.05}, 0.9
	})
	if g.Method != gate.Ratio || g.Complement || g.Worse != stats.Down {
		t.Errorf("it is tested as %s", g.Method)
	}
}
