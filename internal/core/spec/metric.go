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
	// outcome is the NAME of outcome:NAME, output that of output:NAME, quantile
	// the NN of latency_pNN.
	outcome  string
	output   string
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
	if name, ok := strings.CutPrefix(g.Metric, value.OutputPrefix); ok {
		return output(name, g)
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
	hint := "write one of " + strings.Join(metricNames(), ", ") + ", outcome:NAME, output:NAME, or give a source"
	switch near := value.Nearest(g.Metric, metricNames()); {
	case g.Metric == "output":
		hint = "write output: and the name of an output tensor, such as output:score, or a JSON Pointer"
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

// output is what is known of an output of the model: how far its distribution
// has moved, its mean, or the share of one class.
func output(name string, g Gate) (metric, *value.Fault) {
	if f := value.OutputFault(name); f != nil {
		return metric{}, f
	}
	m := metric{kind: KindDrift, bounds: []BoundUnit{BoundNumber}, places: onTraffic, output: name}
	switch {
	case g.Class != "", g.Kind == KindRate:
		m.kind, m.bounds = KindRate, []BoundUnit{BoundPercent}
	case g.Kind == KindMean:
		m.kind = KindMean
	default:
		m.harm = Increase
	}
	return m, nil
}

// Name is what the gate is called: its metric, and what of an output it is where
// that is not the drift. No two gates of a list are called alike.
func (g ResolvedGate) Name() string { return gateName(g.Metric, g.Output, g.Kind, g.Class) }

func gateName(metric, output string, kind MetricKind, class string) string {
	switch {
	case output == "":
		return metric
	case class != "":
		return metric + "=" + class
	case kind == KindMean:
		return metric + ":mean"
	}
	return metric
}

// defaultDistance is how far apart the distributions of an output may be.
const defaultDistance = 0.1

// onFailOf is what a proven harm does, filled in.
func onFailOf(g Gate, m metric) OnFail {
	switch {
	case g.OnFail != "":
		return g.OnFail
	case m.kind == KindDrift:
		return OnFailHold
	}
	return OnFailRollback
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
