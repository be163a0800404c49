package scenario_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

const head = "apiVersion: belay.dev/v1alpha1\nkind: Scenario\nmetadata: {name: friday}\nspec:\n"

func TestEveryBuiltInScenarioCanBeDrawnFrom(t *testing.T) {
	t.Parallel()
	all := scenario.Builtins()
	if len(all) < 20 || all[0].Name != "no-change" {
		t.Fatalf("%d scenarios, the first %s", len(all), all[0].Name)
	}
	for _, s := range all {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if s.About == "" || s.Traffic.Rate != 100 || s.Baseline.Errors != 0.005 || len(s.Baseline.Outcomes) != 3 {
			t.Errorf("%s: %+v", s.Name, s)
		}
		again, err := scenario.Builtin(s.Name)
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Errorf("%s: %v %s", s.Name, err, diff)
		}
	}
	if diff := cmp.Diff(all[0].Name, scenario.Names()[0]); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnknownScenarioIsAnsweredWithTheNearest(t *testing.T) {
	t.Parallel()
	_, err := scenario.Builtin("error-x2")
	if err == nil || !strings.Contains(err.Error(), `did you mean "errors-x2"?`) {
		t.Error(err)
	}
	if _, err = scenario.Builtin("?"); err == nil || !strings.Contains(err.Error(), "there are no-change, ") {
		t.Error(err)
	}
}

func TestParseReadsAWholeScenario(t *testing.T) {
	t.Parallel()
	got, err := scenario.Parse("f.yaml", []byte(head+`  about: A Friday.
  traffic:
    rate: 6000/m
    daily: {amplitude: 60%, phase: 6h, errors: 20%}
    bursts: {errors: 2, arm: candidate}
    users: {count: 5000, activity: lognormal, spread: 1.5, odd: 2%, oddErrors: 20%, new: 360/h}
  baseline:
    errors: 0.5%
    latency: {median: 20ms, slow: 2%}
    outcomes:
      - {name: bought, rate: 5%, mean: 30, sigma: 1.3, delay: 1h, spread: 1}
  effects:
    - {errors: x2, at: 1h, ramp: 30m}
    - {arm: both, latency: +20%, slowest: 5%, lasts: 20m}
    - {revenue: -15%, outcomes: [{name: bought, rate: -1pp}], segment: 10%, night: 25%, fullAt: 50%, above: 5%}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []scenario.Scenario{{
		Name: "friday", About: "A Friday.",
		Traffic: scenario.Traffic{
			Rate:   100,
			Daily:  &scenario.Daily{Amplitude: 0.6, Period: 24 * time.Hour, Phase: 6 * time.Hour, Errors: 0.2},
			Bursts: &scenario.Bursts{Errors: 2, Lasts: 30 * time.Second, Arm: scenario.Candidate},
			Users:  &scenario.Users{Count: 5000, Activity: scenario.Lognormal, Spread: 1.5, Odd: 0.02, OddErrors: 0.2, New: 0.1},
		},
		Baseline: scenario.Behaviour{
			Errors:   0.005,
			Latency:  scenario.Latency{Median: 20 * time.Millisecond, Sigma: 0.25, Slow: 0.02, SlowTimes: 4, HeavyIndex: 2},
			Outcomes: []scenario.Outcome{{Name: "bought", Rate: 0.05, Mean: 30, Sigma: 1.3, Reported: 1, Delay: time.Hour, Spread: 1}},
		},
		Effects: []scenario.Effect{
			{Arm: scenario.Candidate, Errors: scenario.Times(2), When: scenario.When{At: time.Hour, Ramp: 30 * time.Minute}},
			{Arm: scenario.Both, Latency: scenario.Change{Relative: 0.2}, Slowest: 0.05, When: scenario.When{Lasts: 20 * time.Minute}},
			{
				Arm: scenario.Candidate, Revenue: scenario.Change{Relative: -0.15}, Outcomes: []scenario.OutcomeEffect{{Name: "bought", Rate: scenario.Plus(-0.01)}},
				When: scenario.When{Segment: 0.1, Night: 0.25, FullAt: 0.5, Above: 0.05},
			},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := got[0].Check(); err != nil {
		t.Error(err)
	}
}

func TestAScenarioTakesWhatItLeavesOutFromAnother(t *testing.T) {
	t.Parallel()
	got, err := scenario.Parse("f.yaml", []byte(head+"  extends: base\n  effects: [{errors: x3}]\n---\n"+
		strings.Replace(head, "friday", "base", 1)+"  extends: errors-x2\n  traffic: {rate: 10/s}\n  baseline: {latency: {median: 5ms}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	x2, err := scenario.Builtin("errors-x2")
	if err != nil {
		t.Fatal(err)
	}
	friday, base := got[0], got[1]
	if friday.Traffic.Rate != 10 || friday.Baseline.Errors != 0.005 || friday.Baseline.Latency.Median != 5*time.Millisecond || friday.Baseline.Latency.Sigma != 0.4 {
		t.Errorf("%+v", friday)
	}
	if diff := cmp.Diff(x2.Effects, base.Effects); diff != "" {
		t.Error(diff)
	}
	if friday.Effects[0].Errors != scenario.Times(3) || x2.Effects[0].Errors != scenario.Times(2) || x2.Traffic.Rate != 100 {
		t.Errorf("%+v, built in %+v", friday.Effects, x2.Effects)
	}
}

func TestAllMistakesComeAtOnceWithTheirPlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                                            "f:1:1: the file is empty; write a document of kind Scenario",
		head + "  effects: [{error: x2}]":                             `f:5:14: spec.effects[0].error: unknown field; did you mean "errors"?`,
		head + "  traffic: {rate: 100}":                               "f:5:19: spec.traffic.rate: the bare number 100 is ambiguous; write 100/s for requests per second",
		head + "  effects: [{errors: 2}]":                             "f:5:22: spec.effects[0].errors: 2 does not say whether it is more or less; write +2% or -2%, or x2 for twice as much",
		head + "  effects: [{errors: 10%}]":                           "f:5:22: spec.effects[0].errors: 10% does not say whether it is more or less; write +10% or -10%, or x2 for twice as much",
		head + "  effects: [{errors: more}]":                          `f:5:22: spec.effects[0].errors: "more" is not a change; write one such as x2, +20%, -10%, +1pp or -0.5pp`,
		head + "  effects: [{revenue: -200%}]":                        "f:5:23: spec.effects[0].revenue: -200% takes away more than there is; write at most -100%",
		head + "  effects: [{at: 5m}]":                                "f:5:13: spec.effects[0]: the effect changes nothing; write what changes, such as errors: x2",
		head + "  effects: [{errors: x2, portion: 5%}]":               "f:5:13: spec.effects[0]: slowest and portion say which latencies change; write latency: and how it changes",
		head + "  effects: [{latency: x2, portion: 5%, slowest: 1%}]": "f:5:13: spec.effects[0]: slowest and portion exclude each other; write one of them",
		head + "  effects: [{latency: +1pp}]":                         "f:5:23: spec.effects[0].latency: a latency changes by a factor above zero; write one such as +20% or x2",
		head + "  effects: [{traffic: x2}]":                           "f:5:23: spec.effects[0].traffic: the traffic of one arm alone cannot change; write arm: both",
		head + "  effects: [{errors: x2, fullAt: 5%, above: 10%}]":    "f:5:45: spec.effects[0].above: the effect would begin at 10% and be whole at 5%; write less than fullAt",
		head + "  effects: [{outcomes: [{name: bougt, rate: -1pp}]}]\n  baseline: {outcomes: [{name: bought, rate: 5%}]}": `f:5:32: spec.effects[0].outcomes[0].name: the baseline has no outcome named "bougt"; did you mean "bought"?`,
		head + "  baseline: {scores: [{name: s}]}":                       "f:5:23: spec.baseline.scores[0]: the score has no distribution; write mean and deviation, or alpha and beta",
		head + "  baseline: {outcomes: [{name: a, rate: 5%, sigma: 1}]}": "f:5:52: spec.baseline.outcomes[0].sigma: it has no place without a mean; write a mean, or leave sigma out",
		head + "  traffic: {rate: 1000/s}\n  baseline: {outcomes: [{name: a, rate: 5%, delay: 7d}]}": "f:6:24: spec.baseline.outcomes: 604800000 reports would be on their way at a time, more than 10000000; " +
			"write a smaller rate, a shorter delay, or reported: for the share of requests with a report",
		head + "  baseline: {latency: {slow: 60%, heavy: 50%}}": "f:5:23: spec.baseline.latency: slow and heavy are more than all requests together; write shares that add up to 100% at most",
		head + "  traffic: {segments: [60%, 50%]}":              "f:5:23: spec.traffic.segments: the segments add up to 110%; write shares that add up to 100% at most",
		head + "  extends: errors-x3":                           `f:5:12: spec.extends: there is no scenario named "errors-x3"; did you mean "errors-x2"?`,
		head + "  extends: friday":                              "f:5:12: spec.extends: the scenarios extend each other in a circle; let one of them extend nothing",
		head + "  about: a\n---\n" + head + "  about: b":        `f:7:1: metadata.name: there are two scenarios with the name "friday"; keep one of them, or rename it`,
	} {
		_, err := scenario.Parse("f", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestAScenarioFromElsewhereIsCheckedByTheSameBounds(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]scenario.Scenario{
		"a share above one":    {Baseline: scenario.Behaviour{Errors: 2}},
		"a negative rate":      {Traffic: scenario.Traffic{Rate: -1}},
		"no number":            {Effects: []scenario.Effect{{Errors: scenario.Times(2), When: scenario.When{Segment: -1}}}},
		"nothing that changes": {Effects: []scenario.Effect{{}}},
	} {
		if err := s.Filled().Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := (scenario.Scenario{}).Filled().Check(); err != nil {
		t.Errorf("the zero scenario: %v", err)
	}
}

func TestChangesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]scenario.Change{
		"x2": scenario.Times(2), "+20%": {Relative: 0.2}, "-10%": {Relative: -0.1}, "+1pp": {Add: 0.01}, "-0.5pp": {Add: -0.005}, "-100%": {Relative: -1},
	} {
		got, err := scenario.ParseChange(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, written %s", text, got, err, got)
		}
	}
	for _, text := range []string{"", "x", "2", "%", "+", "+5", "x-2", "+1e3%", "--5%", "+NaN%"} {
		if got, err := scenario.ParseChange(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestAChangeGrowsWithItsStrength(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := scenario.Change{Relative: rapid.Float64Range(-1, 10).Draw(rt, "relative"), Add: rapid.Float64Range(-1, 1).Draw(rt, "add")}
		v, a, b := rapid.Float64Range(0, 1).Draw(rt, "v"), rapid.Float64Range(0, 1).Draw(rt, "a"), rapid.Float64Range(0, 1).Draw(rt, "b")
		if got := c.Apply(v, 0); got != v {
			rt.Fatalf("no strength makes %v of %v", got, v)
		}
		only := scenario.Change{Relative: c.Relative}
		lo, hi := only.Apply(v, min(a, b)), only.Apply(v, max(a, b))
		if c.Relative > 0 && lo > hi+1e-12 || c.Relative < 0 && lo < hi-1e-12 {
			rt.Fatalf("strength %v gives %v, %v gives %v", min(a, b), lo, max(a, b), hi)
		}
	})
}

func TestTheSchemaIsJSON(t *testing.T) {
	t.Parallel()
	var got struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(scenario.Schema(), &got); err != nil || got.Defs["effect"] == nil || got.Defs["users"] == nil {
		t.Errorf("%v: %v", err, got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "  effects: [{errors: x2}]"))
	f.Add([]byte(head + "  extends: errors-x2\n  traffic: {users: {count: 5}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := scenario.Parse("f", data)
		if err != nil {
			return
		}
		for _, s := range all {
			if err := s.Check(); err != nil {
				t.Errorf("parsed, and refused: %v", err)
			}
		}
	})
}

func TestWhatIsBuiltInCannotBeChanged(t *testing.T) {
	t.Parallel()
	want := scenario.Builtins()
	for _, take := range []func() scenario.Scenario{
		func() scenario.Scenario { return scenario.Builtins()[0] },
		func() scenario.Scenario { s, _ := scenario.Builtin("no-change"); return s },
		func() scenario.Scenario { return scenario.Builtins()[0].Filled() },
		func() scenario.Scenario { return scenario.Scenario{}.In(scenario.Builtins()[0]) },
	} {
		s := take()
		s.Baseline.Outcomes[0].Rate, s.Baseline.Scores[0].Mean, s.Baseline.Gauges[0].Level = 0.9, 7, 7
	}
	s, err := scenario.Builtin("daily-cycle")
	if err != nil {
		t.Fatal(err)
	}
	s.Traffic.Daily.Amplitude = 0
	if diff := cmp.Diff(want, scenario.Builtins()); diff != "" {
		t.Error(diff)
	}
}

func TestAScenarioMovesIntoAnotherWorld(t *testing.T) {
	t.Parallel()
	s := scenario.Scenario{Name: "x", Traffic: scenario.Traffic{Rate: 5}, Effects: []scenario.Effect{{
		Errors: scenario.Times(2), Outcomes: []scenario.OutcomeEffect{{Name: "conversion", Rate: scenario.Times(2)}, {Name: "kept", Rate: scenario.Times(2)}},
	}}}
	got := s.In(scenario.Builtins()[0])
	if got.Name != "x" || got.Traffic.Rate != 100 || len(got.Effects[0].Outcomes) != 1 || len(s.Effects[0].Outcomes) != 2 || got.Check() != nil {
		t.Errorf("%+v", got)
	}
}
