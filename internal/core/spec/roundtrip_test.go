package spec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// maybe draws a value or none.
func maybe[V any](t *rapid.T, name string, gen *rapid.Generator[V]) *V {
	if !rapid.Bool().Draw(t, name+"?") {
		return nil
	}
	v := gen.Draw(t, name)
	return &v
}

// word draws one of the words, or none.
func word[V ~string](t *rapid.T, name string, words ...V) V {
	return rapid.SampledFrom(append(words, "")).Draw(t, name)
}

func durations(low, high time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, "d"))
	})
}

func fractions() *rapid.Generator[spec.Fraction] {
	return rapid.Custom(func(t *rapid.T) spec.Fraction {
		return spec.Fraction(float64(rapid.IntRange(1, 49_999).Draw(t, "f")) / 100_000)
	})
}

// The generators are made anew for every test: one names itself when it is first drawn
// from, so tests that run beside each other do not share any.
func names() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?`)
}

func versionNames() *rapid.Generator[string] {
	return rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._+:@-]{0,12}`)
}

func urls() *rapid.Generator[string] {
	return rapid.StringMatching(`https?://[a-z]{1,8}(\.[a-z]{1,5})?(:80[0-9]{2})?(/[a-z0-9._-]{1,8})?`)
}

func lines() *rapid.Generator[string] {
	return rapid.StringMatching(`[ -~äπ]{0,20}[!-~äπ][ -~äπ]{0,20}`)
}

func counts() *rapid.Generator[int64] { return rapid.Int64Range(1, 1_000_000_000_000) }

func bools() *rapid.Generator[bool] { return rapid.Bool() }

func sources() *rapid.Generator[spec.Unit] {
	return rapid.Custom(func(t *rapid.T) spec.Unit {
		kind := rapid.SampledFrom([]spec.UnitKind{spec.UnitHeader, spec.UnitCookie, spec.UnitQuery, spec.UnitJSON}).Draw(t, "kind")
		key := rapid.StringMatching(`[A-Za-z][A-Za-z0-9_-]{0,10}`).Draw(t, "key")
		if kind == spec.UnitJSON {
			key = "/" + key
		}
		return spec.Unit{Kind: kind, Key: key}
	})
}

func versions(t *rapid.T, name string, url bool) *spec.Version {
	v := &spec.Version{Version: name + versionNames().Draw(t, "version")}
	if url {
		v.URL = urls().Draw(t, "url") + "/" + name
	}
	if bools().Draw(t, "as?") {
		v.As = lines().Draw(t, "as")
	}
	if bools().Draw(t, "run?") {
		v.Run = rapid.SliceOfN(lines(), 1, 3).Draw(t, "run")
	}
	if bools().Draw(t, "metrics?") {
		v.Metrics = rapid.SliceOfNDistinct(urls(), 1, 3, func(s string) string { return s }).Draw(t, "metrics")
	}
	return v
}

func models(t *rapid.T) spec.Model {
	m := spec.Model{
		Name:     names().Draw(t, "name"),
		Protocol: rapid.SampledFrom([]spec.Protocol{spec.ProtocolV2, spec.ProtocolOpenAI}).Draw(t, "protocol"),
		Unit:     rapid.OneOf(sources(), rapid.Just(spec.Unit{Kind: spec.UnitRequest})).Draw(t, "unit"),
		Serving:  versions(t, "a", true),
		Pin:      rapid.SampledFrom([]spec.Pin{spec.PinAllow, spec.PinDeny}).Draw(t, "pin"),
	}
	if bools().Draw(t, "endpoint?") {
		m.Endpoint = "http://{model}-{version}.{environment}:8080"
	}
	if bools().Draw(t, "route?") {
		m.Route = &spec.Route{PathPrefix: "/" + rapid.StringMatching(`[a-z/%~:@.-]{0,10}`).Draw(t, "path")}
	}
	if bools().Draw(t, "header?") {
		m.Route = &spec.Route{Host: names().Draw(t, "host"), Header: &spec.HeaderMatch{Name: "X-" + names().Draw(t, "header"), Value: lines().Draw(t, "value")}}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "environments") {
		m.Environments = append(m.Environments, spec.ModelEnvironment{Name: fmt.Sprintf("e%d", i), Serving: versions(t, "a", true)})
	}
	return m
}

// gates draws gates of live traffic with different metrics.
func gates(t *rapid.T, planned []spec.Weight, sourced bool) []spec.Gate {
	metrics := []string{"error_rate", "client_error_rate", "latency_p50", "latency_p99", "latency_p99.9", "outcome:correct", "outcome:a-b_c"}
	metrics = append(metrics, "outcome:spend", "output:/score", "output:/a~1b/0", "output:/Höhe 1: m") // Not all protocols have tensors.
	if sourced {
		metrics = append(metrics, "gpu:util", "memory", "ttft_p95", "tokens_per_second")
	}
	list := []spec.Gate{}
	for _, metric := range rapid.SliceOfNDistinct(rapid.SampledFrom(metrics), 0, 6, func(s string) string { return s }).Draw(t, "metrics") {
		list = append(list, gate(t, metric, planned))
	}
	return list
}

func gate(t *rapid.T, metric string, planned []spec.Weight) spec.Gate {
	g := spec.Gate{
		Metric:  metric,
		Require: word(t, "require", spec.NoHarm, spec.WithinMargin),
		Role:    word(t, "role", spec.RoleGate, spec.RoleInfo),
		OnFail:  word(t, "onFail", spec.OnFailHold, spec.OnFailRollback),
	}
	if len(planned) > 0 {
		g.From = maybe(t, "from", rapid.SampledFrom(planned))
	}
	relative := &spec.Margin{Relative: true, Value: float64(rapid.IntRange(1, 999).Draw(t, "margin")) / 1000}
	difference := &spec.Margin{Value: relative.Value}
	switch {
	case strings.HasPrefix(metric, "latency"), strings.HasPrefix(metric, "ttft"):
		g.MaxIncrease = relative
		if bools().Draw(t, "max?") {
			g.Max = &spec.Bound{Unit: spec.BoundSeconds, Value: durations(time.Millisecond, 3650*24*time.Hour).Draw(t, "max").Round(time.Microsecond).Seconds()}
		}
	case metric == "tokens_per_second":
		g.Min = &spec.Bound{Unit: spec.BoundNumber, Value: float64(rapid.IntRange(1, 500).Draw(t, "min"))}
	case metric == "gpu:util", metric == "memory":
		g.Source, g.Query, g.MaxIncrease = spec.SourcePrometheus, lines().Draw(t, "query"), relative
	case strings.HasPrefix(metric, "output:"):
		drawOutput(t, &g, relative, difference)
	case metric == "outcome:spend":
		g.Kind, g.MaxDecrease = spec.KindMean, relative
		g.Cap, g.Per = maybe(t, "cap", rapid.SampledFrom([]float64{0.5, 100, 1e6})), word(t, "per", spec.PerReport, spec.PerExposure)
		if g.Per != spec.PerExposure {
			g.Covariate = maybe(t, "covariate", rapid.Bool())
		}
	case strings.HasPrefix(metric, "outcome:"):
		g.MaxDecrease = rapid.SampledFrom([]*spec.Margin{relative, difference}).Draw(t, "which")
		g.Per, g.Expect = word(t, "per", spec.PerReport, spec.PerExposure), maybe(t, "expect", fractions())
		if g.Horizon = maybe(t, "horizon", durations(time.Second, 3*time.Second)); g.Horizon == nil && g.MaxDecrease == difference {
			g.Per = spec.PerReport
		}
	case bools().Draw(t, "ignore?"):
		g.MaxIncrease, g.IgnoreBelow = relative, maybe(t, "ignoreBelow", fractions())
	default:
		g.MaxIncrease, g.Max = difference, &spec.Bound{Unit: spec.BoundPercent, Value: relative.Value}
	}
	return g
}

// ladders draws stages whose weights rise to 100 %. Only plain ladders run in
// this version.
func ladders(t *rapid.T, plain bool) ([]spec.Stage, []spec.Weight) {
	list := []spec.Stage{}
	if !plain {
		list = append(list, spec.Stage{Check: spec.CheckContract},
			spec.Stage{Check: spec.CheckLoad, Rate: new(spec.Rate(200)), For: new(durations(time.Second, time.Hour).Draw(t, "for"))},
			spec.Stage{Check: spec.CheckCommand, Run: rapid.SliceOfN(lines(), 1, 3).Draw(t, "run"), Approval: maybe(t, "approval", bools())},
			spec.Stage{Check: spec.CheckReplay, File: lines().Draw(t, "file"), Speed: maybe(t, "speed", rapid.SampledFrom([]float64{0.5, 1, 4}))},
			spec.Stage{Shadow: new(spec.Weight(2000)), Dwell: maybe(t, "dwell", durations(time.Second, time.Hour)), Gates: []spec.Gate{{Metric: "agreement", Min: &spec.Bound{Unit: spec.BoundPercent, Value: 0.99}}}})
	}
	weights := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) spec.Weight { return spec.Weight(rapid.Uint32Range(1, 9999).Draw(t, "w")) }), 0, 8,
		func(w spec.Weight) spec.Weight { return w }).Draw(t, "weights")
	slices.Sort(weights)
	weights = append(weights, spec.Whole)
	for _, w := range weights {
		s := spec.Stage{
			Weight: &w, Dwell: maybe(t, "dwell", durations(3*time.Second, 90*24*time.Hour)), MinSamples: maybe(t, "minSamples", counts()),
			Require: word(t, "require", spec.NoHarm),
		}
		if bools().Draw(t, "maxDuration?") {
			s.MaxDuration = new(91 * 24 * time.Hour)
		}
		if w == spec.Whole {
			s.Holdback = maybe(t, "holdback", rapid.Custom(func(t *rapid.T) spec.Weight { return spec.Weight(rapid.Uint32Range(0, 4999).Draw(t, "h")) }))
			if !plain {
				s.KeepWarm = maybe(t, "keepWarm", durations(0, 90*24*time.Hour))
			}
		}
		list = append(list, s)
	}
	return list, weights
}

// plans draws a plan; a plain one runs in this version.
func plans(t *rapid.T, plain bool) spec.Plan {
	stages, weights := ladders(t, plain)
	p := spec.Plan{
		Stages:     stages,
		MinSamples: maybe(t, "minSamples", counts()),
		Warmup:     maybe(t, "warmup", durations(0, 2*time.Second)),
		AllowPin:   maybe(t, "allowPin", bools()),
		Gates:      gates(t, weights, !plain),
		Analysis:   &spec.Analysis{Alpha: maybe(t, "alpha", fractions()), OnUndecided: word(t, "undecided", spec.UndecidedAsk, spec.UndecidedAdvance)},
		Faults:     &spec.Faults{NoTraffic: word(t, "noTraffic", spec.FaultRollback), HoldFor: maybe(t, "holdFor", durations(time.Second, time.Hour)), Then: word(t, "then", spec.ThenHold)},
		Rollback:   &spec.Rollback{Within: maybe(t, "within", durations(10*time.Millisecond, 10*time.Minute)), Shield: maybe(t, "shield", bools()), Cooldown: maybe(t, "cooldown", durations(0, time.Hour))},
	}
	if plain {
		return p
	}
	if bools().Draw(t, "environments?") {
		p.Environments, p.Stages = []spec.Environment{
			{Name: "e0", Stages: []spec.Stage{{Check: spec.CheckContract}}, Requires: &spec.Requires{DrillWithin: maybe(t, "drill", durations(time.Minute, time.Hour))}},
			{Name: "e1", Stages: stages},
		}, nil
	}
	p.Rollback.Auto = maybe(t, "auto", bools())
	p.Segments = &spec.Segments{By: rapid.SliceOfNDistinct(sources(), 1, 4, func(u spec.Unit) spec.Unit { return u }).Draw(t, "by"), Guard: maybe(t, "guard", bools())}
	p.Notify = []spec.Notice{
		{Slack: &spec.Target{URLFrom: "env:SLACK_URL"}, On: []spec.Event{spec.EventHold}},
		{Webhook: &spec.Target{URL: urls().Draw(t, "hook")}},
		{Email: &spec.Mail{To: []string{names().Draw(t, "mail") + "@example.com"}}},
	}
	return p
}

// files draws a model, a policy and a rollout that belong together.
func files(t *rapid.T, plain bool) spec.File {
	m := models(t)
	if plain {
		m = spec.Model{Name: m.Name, Protocol: spec.ProtocolV2, Pin: m.Pin, Unit: spec.Unit{Kind: spec.UnitRequest}, Serving: &spec.Version{Version: "a", URL: urls().Draw(t, "url") + "/a"}}
	}
	r := spec.Rollout{Name: m.Name + "-b", Model: m.Name, Policy: "p-1", Candidate: versions(t, "b", true)}
	if plain {
		r.Candidate = &spec.Version{Version: "b", URL: urls().Draw(t, "url") + "/b"}
	}
	return spec.File{
		Models:   []spec.Model{m},
		Policies: []spec.Policy{{Name: "p-1", Extends: word(t, "extends", "fast", "standard", "cautious"), Plan: plans(t, plain)}},
		Rollouts: []spec.Rollout{r},
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := files(t, false)
		text := want.YAML()
		got, _, err := spec.Parse("f", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s\nin\n%s", diff, text)
		}
		for _, doc := range []any{want.Models[0], want.Policies[0], want.Rollouts[0]} {
			data, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := spec.Parse("f", data)
			if err != nil {
				t.Fatalf("%v in\n%s", err, data)
			}
			again, _ := json.Marshal(append(append(anys(got.Models), anys(got.Policies)...), anys(got.Rollouts)...)[0])
			if string(again) != string(data) {
				t.Fatalf("as JSON\n%s\nis read and written as\n%s", data, again)
			}
		}
	})
}

func anys[T any](list []T) []any {
	var all []any
	for _, v := range list {
		all = append(all, v)
	}
	return all
}

func TestWhatIsResolvedIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := files(t, false)
		want, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], known(f))
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got spec.Resolved
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		for _, e := range want.Environments {
			for _, s := range e.Stages {
				if s.Kind == spec.StageWeight && (s.MaxDuration < s.Dwell || s.Warmup >= s.Dwell || s.MinSamples < 1 || s.Require == "") {
					t.Fatalf("a stage is not filled well: %+v", s)
				}
			}
		}
	})
}

func TestPlainPlansRunAndOthersAreRefusedByName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.Bool().Draw(t, "plain")
		f, _, err := spec.Parse("f", files(t, plain).YAML())
		if err != nil {
			t.Fatal(err)
		}
		if f.Policies[0].Extends == "cautious" && plain {
			f.Policies[0].Extends = "standard"
		}
		r, _, err := spec.Resolve(f.Models[0], f.Rollouts[0], known(f))
		if err != nil {
			t.Fatal(err)
		}
		refusals, _ := spec.Unsupported(r)
		if plain != (len(refusals) == 0) {
			t.Fatalf("plain %v: %v", plain, refusals)
		}
		for _, p := range refusals {
			if p.Line == 0 || p.Path == "" || p.Hint == "" {
				t.Fatalf("a refusal without a place or a hint: %+v", p)
			}
		}
	})
}

// TestAnyLadderThatDoesNotRiseIsRefused swaps two weights of a good ladder.
func TestAnyLadderThatDoesNotRiseIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		stages, weights := ladders(t, true)
		if len(weights) < 2 {
			t.Skip("one weight cannot fall")
		}
		i := rapid.IntRange(0, len(stages)-2).Draw(t, "i")
		j := rapid.IntRange(i+1, len(stages)-1).Draw(t, "j")
		stages[i].Weight, stages[j].Weight = stages[j].Weight, stages[i].Weight
		for k := range stages {
			stages[k].Holdback = nil
		}
		text := spec.Policy{Name: "p-1", Plan: spec.Plan{Stages: stages}}.YAML()
		_, _, err := spec.Parse("f", text)
		var problems spec.Problems
		if !errors.As(err, &problems) {
			t.Fatalf("taken:\n%s", text)
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Path, "spec.stages") || p.Line < 6 {
				t.Fatalf("%v is not at the stages of\n%s", p, text)
			}
		}
	})
}

// drawOutput makes a gate on an output one of a drift, a mean or a rate.
func drawOutput(t *rapid.T, g *spec.Gate, relative, difference *spec.Margin) {
	switch rapid.SampledFrom([]spec.MetricKind{"", spec.KindDrift, spec.KindMean, spec.KindRate}).Draw(t, "kind") {
	case spec.KindMean:
		g.Kind, g.MaxIncrease = spec.KindMean, relative
		g.Cap = maybe(t, "cap", rapid.SampledFrom([]float64{0.5, 100, 1e6}))
	case spec.KindRate:
		g.Kind = word(t, "said", spec.KindRate)
		g.Class = rapid.SampledFrom([]string{"fraud", "1", "-1.5", "true", "null", "~", "a: b", " ", `"`}).Draw(t, "class")
		g.MaxDecrease = rapid.SampledFrom([]*spec.Margin{relative, difference}).Draw(t, "which")
		g.Expect = maybe(t, "expect", fractions())
	case spec.KindDrift:
		g.Kind = spec.KindDrift
		g.Max = &spec.Bound{Unit: spec.BoundNumber, Value: relative.Value}
	default:
	}
}
