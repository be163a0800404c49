package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resolvedGates resolves gates without a model or a policy around them.
func resolvedGates(gates ...Gate) []ResolvedGate { return resolveGates(gates) }

func TestAnOutputIsADriftThatHoldsUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	tenth := &Bound{Unit: BoundNumber, Value: 0.1}
	fifth := &Bound{Unit: BoundNumber, Value: 0.2}
	tests := map[string]struct {
		gate   Gate
		kind   MetricKind
		max    *Bound
		onFail OnFail
		name   string
	}{
		"nothing but its name": {Gate{Metric: "output:score"}, KindDrift, tenth, OnFailHold, "output:score"},
		"a limit":              {Gate{Metric: "output:score", Max: fifth}, KindDrift, fifth, OnFailHold, "output:score"},
		"told to roll back":    {Gate{Metric: "output:/a/0", OnFail: OnFailRollback}, KindDrift, tenth, OnFailRollback, "output:/a/0"},
		"a mean":               {Gate{Metric: "output:score", Kind: KindMean}, KindMean, nil, OnFailRollback, "output:score:mean"},
		"a class":              {Gate{Metric: "output:label", Class: "fraud"}, KindRate, nil, OnFailRollback, "output:label=fraud"},
		"a class that holds":   {Gate{Metric: "output:label", Class: "1", OnFail: OnFailHold}, KindRate, nil, OnFailHold, "output:label=1"},
		"no output":            {Gate{Metric: "error_rate"}, KindRate, nil, OnFailRollback, "error_rate"},
		"an outcome":           {Gate{Metric: "outcome:spend", Kind: KindMean}, KindMean, nil, OnFailRollback, "outcome:spend"},
	}
	for name, tt := range tests {
		got := resolvedGates(tt.gate)[0]
		if got.Kind != tt.kind || got.OnFail != tt.onFail || got.Name() != tt.name || cmp.Diff(tt.max, got.Max) != "" {
			t.Errorf("%s: %s %s, max %v, onFail %s; want %s %s, max %v, onFail %s",
				name, got.Name(), got.Kind, got.Max, got.OnFail, tt.name, tt.kind, tt.max, tt.onFail)
		}
	}
}

func TestAnOutputResolvesToItsNameAndItsClass(t *testing.T) {
	t.Parallel()
	for metric, want := range map[string]string{"output:score": "score", "output:/a~1b/0": "/a~1b/0", "error_rate": "", "outcome:output:x": ""} {
		if got := resolvedGates(Gate{Metric: metric})[0].Output; got != want {
			t.Errorf("%s: output %q, want %q", metric, got, want)
		}
	}
	if got := resolvedGates(Gate{Metric: "output:label", Class: "fraud", Kind: KindRate})[0].Class; got != "fraud" {
		t.Errorf("class %q", got)
	}
}
