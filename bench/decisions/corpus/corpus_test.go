package corpus

import (
	"slices"
	"testing"

	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/gate"
)

func TestEveryCaseCanBePlannedAndDrawn(t *testing.T) {
	t.Parallel()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			plan, err := c.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.NewModel(c.Scenario, plan.Layout.Sketches[0]); err != nil {
				t.Error(err)
			}
			if c.Sticky() != plan.Layout.Clustered {
				t.Errorf("sticky %v, clustered %v", c.Sticky(), plan.Layout.Clustered)
			}
			if len(plan.Stages) != 5 || plan.Alpha != 0.05 {
				t.Errorf("%d stages at alpha %v", len(plan.Stages), plan.Alpha)
			}
		})
	}
}

func TestTheCorpusIsLargeEnoughAndHasNoNameTwice(t *testing.T) {
	t.Parallel()
	count := map[Class]int{}
	var names []string
	for _, c := range Cases() {
		count[c.Class]++
		if slices.Contains(names, c.Name) || c.About == "" {
			t.Errorf("%s is there twice or says nothing", c.Name)
		}
		names = append(names, c.Name)
	}
	if len(names) < 40 {
		t.Errorf("%d cases", len(names))
	}
	for class, list := range kinds {
		if count[class] != len(list) {
			t.Errorf("%d cases of class %s, want %d", count[class], class, len(list))
		}
	}
}

func TestCriticalIsWhatTheDefinitionSays(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"errors-x2": false, "errors-x5": true, "errors-x10": true, "errors-ramp-x5": true, "errors-one-segment-x10": false,
		"errors-one-segment-broken": true, "rare-errors-x50": true, "latency-+50%": false, "latency-x2": true, "latency-tail-x3": true,
		"latency-tail-+30%": false, "latency-bimodal-5%": true, "latency-bimodal-1%": false, "conversion--10%": false, "conversion--30%": true,
		"conversion-one-segment": false, "quality--10pp": false, "revenue--40%": false, "technical": false, "errors-incident-x5": true,
	}
	for name, want := range tests {
		c, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := c.Plan()
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.NewModel(c.Scenario, plan.Layout.Sketches[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Critical(m); got != want {
			errors, p99, outcomes := m.Size()
			t.Errorf("%s: %v, want %v (errors x%.3g, p99 x%.3g, outcomes x%.3g)", name, got, want, errors, p99, outcomes)
		}
	}
}

func TestHarmIsBeyondTheMarginAndNothingElseIs(t *testing.T) {
	t.Parallel()
	for _, c := range Cases() {
		plan, err := c.Plan()
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.NewModel(c.Scenario, plan.Layout.Sketches[0])
		if err != nil {
			t.Fatal(err)
		}
		w, harm := m.NewWorld(1), 0.0
		for hour := range 24 {
			harm += w.HarmAt(60*hour, 1).All()
		}
		if c.Class == Reported {
			continue // What comes in bursts at one arm does harm at times.
		}
		if got, want := harm > 0, c.Class == Harm || c.Class == AtMargin; got != want {
			t.Errorf("%s (%s): harm %v", c.Name, c.Class, harm)
		}
	}
}

func TestThePoliciesHaveTheirGates(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"technical": {"error_rate", "latency_p99"},
		"business":  {"error_rate", "latency_p99", "outcome:conversion", "outcome:revenue", "outcome:correct"},
		"scored":    {"error_rate", "latency_p99", "output:score"},
	}
	for name, want := range tests {
		c, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := c.Plan()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range plan.Gates {
			got = append(got, g.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	c, _ := Find("business")
	plan, _ := c.Plan()
	if g := plan.Gates[2]; g.Method != gate.Ratio || g.Margin != -0.05 {
		t.Errorf("conversion: %+v", g)
	}
}

func TestTheConfigOfOtherToolsHasBelaysMargins(t *testing.T) {
	t.Parallel()
	c, _ := Find("business")
	plan, _ := c.Plan()
	m, err := stream.NewModel(c.Scenario, plan.Layout.Sketches[0])
	if err != nil {
		t.Fatal(err)
	}
	got := c.Config(m)
	if len(got.Judged) != 5 || got.Margins[rule.Errors] != 1+plan.Gates[0].Margin || got.Margins[rule.Conversion] != 1+plan.Gates[2].Margin {
		t.Errorf("%+v", got)
	}
	if u := got.Usual; u[rule.Latency] < 0.200 || u[rule.Latency] > 0.206 || u[rule.Revenue] != 1.5 || got.SlowMargin < 1.5 || got.SlowMargin > 2.5 {
		t.Errorf("usual %v, slow margin %v", u, got.SlowMargin)
	}
}
