package spec

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
)

var gateShape = &field.Shape{
	Name:   "gate",
	Doc:    "A metric with a margin. Margins are relative to what the baseline does at the same time.",
	Inline: true,
	Fields: []field.Field{
		field.Set("metric", metricType, func(g *Gate) *string { return &g.Metric }, field.Meta{
			Doc:      "What is measured: error_rate, client_error_rate, latency_pNN, ttft_pNN, itl_pNN, tokens_per_second, completion_tokens, memory, outcome:NAME; output:NAME, an output of the model by the name of its tensor or by a JSON Pointer; agreement at a shadow stage, accuracy at a dataset check; with a source, any name.",
			Required: true, Example: "latency_p99",
		}),
		field.Set("kind", field.OneOf(KindRate, KindMean, KindQuantile, KindGauge, KindDrift), func(g *Gate) *MetricKind { return &g.Kind }, field.Meta{
			Doc:      "What the metric is, statistically. It is known for all metrics but outcomes, outputs and those with a source.",
			Computed: "rate for an outcome, drift for an output (rate with a class), gauge with a source", Example: "mean",
		}),
		field.Set("class", classType, func(g *Gate) *string { return &g.Class }, field.Meta{
			Doc: "The label or the number of an output that is counted: its share among the values is the rate.", Example: "fraud",
		}),
		field.Set("source", field.OneOf(SourceScrape, SourcePrometheus, SourceSQL), func(g *Gate) *MetricSource { return &g.Source }, field.Meta{
			Doc: "Where the metric comes from, if not from the router or from reported outcomes.", Example: "scrape",
		}),
		field.Set("query", lineType, func(g *Gate) *string { return &g.Query }, field.Meta{
			Doc: "What to ask the source.", Example: "process_resident_memory_bytes",
		}),
		field.Opt("maxIncrease", marginType, func(g *Gate) **Margin { return &g.MaxIncrease }, field.Meta{
			Doc: "How much larger than the baseline's the metric may be: 20% is relative, 0.5pp a difference of percentage points.", Example: "20%",
		}),
		field.Opt("maxDecrease", marginType, func(g *Gate) **Margin { return &g.MaxDecrease }, field.Meta{
			Doc: "How much smaller than the baseline's the metric may be.", Example: "5%",
		}),
		field.Opt("max", boundType, func(g *Gate) **Bound { return &g.Max }, field.Meta{
			Doc: "The ceiling of the metric, whatever the baseline does. For a drift it is the largest tolerated distance, from 0 to 1.", Computed: "0.1 for a drift, none for others", Example: "800ms",
		}),
		field.Opt("min", boundType, func(g *Gate) **Bound { return &g.Min }, field.Meta{
			Doc: "The floor of the metric, whatever the baseline does.", Example: "99%",
		}),
		field.Opt("ignoreBelow", field.Inside(percentType, "0%", "100%"), func(g *Gate) **Fraction { return &g.IgnoreBelow }, field.Meta{
			Doc: "The level of a rate under which an increase does not matter.", Example: "0.1%",
		}),
		field.Opt("expect", field.Inside(percentType, "0%", "100%"), func(g *Gate) **Fraction { return &g.Expect }, field.Meta{
			Doc: "The level of a rate that is expected of the baseline. It fixes the statistical procedure before the rollout starts.", Example: "5%",
		}),
		field.Opt("cap", field.Between(numberType, "0.000001", "1000000000000"), func(g *Gate) **float64 { return &g.Cap }, field.Meta{
			Doc:      "The value beyond which a number counts as this (winsorising), the same for both arms and on both sides of zero.",
			Computed: "the 99th percentile of the baseline's first 1,000 values other than zero", Example: "500",
		}),
		field.Opt("covariate", boolType, func(g *Gate) **bool { return &g.Covariate }, field.Meta{
			Doc:     "Whether each reported number comes with a covariate, a number that was known of the unit before the request, such as what it spent in the week before. What the covariate explains is taken out, so that the gate is decided with fewer samples.",
			Default: "false", Example: "true",
		}),
		field.Set("per", field.OneOf(PerReport, PerExposure), func(g *Gate) *Per { return &g.Per }, field.Meta{
			Doc:      "What an outcome is counted over: report counts reported outcomes, exposure all requests (for applications that report successes only, and for sums such as revenue per request).",
			Computed: "report", Example: "exposure",
		}),
		field.Opt("horizon", field.Between(durationType, "1s", "90d"), func(g *Gate) **time.Duration { return &g.Horizon }, field.Meta{
			Doc: "The age at which an outcome is complete. A gate whose horizon is longer than the dwell of a stage must say `from`.", Computed: "outcomes count as they come", Example: "24h",
		}),
		field.Opt("from", field.Between(weightType, "0.01%", "100%"), func(g *Gate) **Weight { return &g.From }, field.Meta{
			Doc: "The weight of the stage at which the gate begins; it is off before.", Computed: "the first stage", Example: "50%",
		}),
		field.Set("require", field.OneOf(NoHarm, WithinMargin), func(g *Gate) *Requirement { return &g.Require }, field.Meta{
			Doc: "The most that a stage may ask of this gate. no-harm makes it a guard only, never a condition of promotion.", Default: "within-margin", Example: "no-harm",
		}),
		field.Set("role", field.OneOf(RoleGate, RoleInfo), func(g *Gate) *Role { return &g.Role }, field.Meta{
			Doc: "Whether the gate decides. info is shown and never decides.", Default: "gate", Example: "info",
		}),
		field.Set("onFail", field.OneOf(OnFailRollback, OnFailHold), func(g *Gate) *OnFail { return &g.OnFail }, field.Meta{
			Doc: "What a proven harm does.", Computed: "rollback; hold for a drift, because a new model is supposed to differ", Example: "hold",
		}),
	},
}
