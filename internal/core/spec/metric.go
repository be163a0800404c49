package spec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// metric is what is known of a metric by its name.
type metric struct {
	kind MetricKind
	// harm is the direction that is bad; "" when both can be.
	harm Direction
	// bounds are the units of max and min; empty allows all.
	bounds []BoundUnit
	// places are the kinds of stages that measure it; empty allows all that have gates.
	places []string
	// sourced metrics do not exist without a source.
	sourced bool
	// outcome is the NAME of outcome:NAME, quantile the NN of latency_pNN.
	outcome  string
	quantile float64
}

// The places of gates. Gates of a policy act at weights.
var (
	everywhere = []string{weightStage, shadowStage, checkLoad, checkReplay, checkDataset}
	onTraffic  = []string{weightStage, shadowStage, checkLoad, checkReplay}
)

// fixedMetrics are the metrics whose names say everything.
var fixedMetrics = map[string]metric{
	"error_rate":        {kind: KindRate, harm: Increase, bounds: []BoundUnit{BoundPercent}, places: everywhere},
	"client_error_rate": {kind: KindRate, harm: Increase, bounds: []BoundUnit{BoundPercent}, places: everywhere},
	"tokens_per_second": {kind: KindMean, harm: Decrease, bounds: []BoundUnit{BoundNumber}, places: onTraffic},
	"completion_tokens": {kind: KindMean, bounds: []BoundUnit{BoundNumber}, places: onTraffic},
	"memory":            {kind: KindGauge, harm: Increase, bounds: []BoundUnit{BoundBytes, BoundNumber}, places: onTraffic, sourced: true},
	"agreement":         {kind: KindRate, harm: Decrease, bounds: []BoundUnit{BoundPercent}, places: []string{shadowStage, checkReplay}},
	"accuracy":          {kind: KindRate, harm: Decrease, bounds: []BoundUnit{BoundPercent}, places: []string{checkDataset}},
}

// quantileMetrics are the prefixes before pNN.
var quantileMetrics = []string{"latency", "ttft", "itl"}

const outcomePrefix = "outcome:"

// metricOf returns what is known of a gate's metric, or why there is none.
func metricOf(g Gate) (metric, *value.Fault) {
	if m, ok := fixedMetrics[g.Metric]; ok {
		return m, nil
	}
	if name, ok := strings.CutPrefix(g.Metric, outcomePrefix); ok {
		return outcome(name, g.Kind)
	}
	prefix, q, ok := strings.Cut(g.Metric, "_p")
	if ok && slices.Contains(quantileMetrics, prefix) {
		if v := quantile(q); v > 0 {
			return metric{kind: KindQuantile, harm: Increase, bounds: []BoundUnit{BoundSeconds}, places: everywhere, quantile: v}, nil
		}
		if value.IsNumber(q) && len(q) > 1 {
			return metric{}, value.Faultf("write p50 to p99, or p99.9", "there is no quantile p%s", q)
		}
	}
	if g.Source != "" {
		kind := g.Kind
		if kind == "" {
			kind = KindGauge
		}
		return metric{kind: kind, places: onTraffic, sourced: true}, nil
	}
	hint := "write one of " + strings.Join(metricNames(), ", ") + ", outcome:NAME, or give a source"
	switch near := value.Nearest(g.Metric, metricNames()); {
	case g.Metric == "outcome":
		hint = "write outcome: and the name of an outcome, such as outcome:correct"
	case near != "":
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	return metric{}, value.Faultf(hint, "no metric named %s", strconv.Quote(g.Metric))
}

func outcome(name string, kind MetricKind) (metric, *value.Fault) {
	if !value.IsWord(name) {
		return metric{}, value.Faultf("write letters, digits, dashes and underscores after outcome:", "%s is not the name of an outcome", value.Quote(name))
	}
	m := metric{kind: KindRate, bounds: []BoundUnit{BoundPercent}, places: []string{weightStage}, outcome: name}
	if kind == KindMean {
		m.kind, m.bounds = KindMean, []BoundUnit{BoundNumber}
	}
	return m, nil
}

// quantile returns the fraction that "50" to "99" and "99.9" stand for, or 0.
func quantile(s string) float64 {
	if s == "99.9" {
		return 0.999
	}
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 2 || n < 50 {
		return 0
	}
	return value.Shifted(s, -2)
}

// metricNames are the names that messages offer.
func metricNames() []string {
	return []string{
		"error_rate", "client_error_rate",
		"latency_p99", "latency_p95", "latency_p90", "latency_p50", "latency_p99.9",
		"ttft_p99", "ttft_p95", "ttft_p50", "itl_p99", "itl_p95", "itl_p50",
		"tokens_per_second", "completion_tokens", "agreement", "accuracy", "memory",
	}
}
