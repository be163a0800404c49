package spec

import "time"

var gateShape = &shape{
	name:   "gate",
	doc:    "A metric with a margin. Margins are relative to what the baseline does at the same time.",
	inline: true,
	fields: []field{
		set("metric", metricType, func(g *Gate) *string { return &g.Metric }, meta{
			doc:      "What is measured: error_rate, client_error_rate, latency_pNN, ttft_pNN, itl_pNN, tokens_per_second, completion_tokens, memory, outcome:NAME; agreement at a shadow stage, accuracy at a dataset check; with a source, any name.",
			required: true, example: "latency_p99"}),
		set("kind", oneOf(KindRate, KindMean, KindQuantile, KindGauge), func(g *Gate) *MetricKind { return &g.Kind }, meta{
			doc: "What the metric is, statistically. It is known for all metrics but outcomes and those with a source.", computed: "rate for an outcome, gauge with a source", example: "mean"}),
		set("source", oneOf(SourceScrape, SourcePrometheus, SourceSQL), func(g *Gate) *MetricSource { return &g.Source }, meta{
			doc: "Where the metric comes from, if not from the router or from reported outcomes.", example: "scrape"}),
		set("query", lineType, func(g *Gate) *string { return &g.Query }, meta{
			doc: "What to ask the source.", example: "process_resident_memory_bytes"}),
		opt("maxIncrease", marginType, func(g *Gate) **Margin { return &g.MaxIncrease }, meta{
			doc: "How much larger than the baseline's the metric may be: 20% is relative, 0.5pp a difference of percentage points.", example: "20%"}),
		opt("maxDecrease", marginType, func(g *Gate) **Margin { return &g.MaxDecrease }, meta{
			doc: "How much smaller than the baseline's the metric may be.", example: "5%"}),
		opt("max", boundType, func(g *Gate) **Bound { return &g.Max }, meta{
			doc: "The ceiling of the metric, whatever the baseline does.", example: "800ms"}),
		opt("min", boundType, func(g *Gate) **Bound { return &g.Min }, meta{
			doc: "The floor of the metric, whatever the baseline does.", example: "99%"}),
		opt("ignoreBelow", inside(percentType, "0%", "100%"), func(g *Gate) **Fraction { return &g.IgnoreBelow }, meta{
			doc: "The level of a rate under which an increase does not matter.", example: "0.1%"}),
		opt("expect", inside(percentType, "0%", "100%"), func(g *Gate) **Fraction { return &g.Expect }, meta{
			doc: "The level of a rate that is expected of the baseline. It fixes the statistical procedure before the rollout starts.", example: "5%"}),
		set("per", oneOf(PerReport, PerExposure), func(g *Gate) *Per { return &g.Per }, meta{
			doc:      "What the rate of an outcome is counted over: report counts reported outcomes, exposure all exposed units (for applications that report successes only).",
			computed: "report", example: "exposure"}),
		opt("horizon", between(durationType, "1s", "90d"), func(g *Gate) **time.Duration { return &g.Horizon }, meta{
			doc: "The age at which an outcome is complete. A gate whose horizon is longer than the dwell of a stage must say `from`.", computed: "outcomes count as they come", example: "24h"}),
		opt("from", between(weightType, "0.01%", "100%"), func(g *Gate) **Weight { return &g.From }, meta{
			doc: "The weight of the stage at which the gate begins; it is off before.", computed: "the first stage", example: "50%"}),
		set("require", oneOf(NoHarm, WithinMargin), func(g *Gate) *Requirement { return &g.Require }, meta{
			doc: "The most that a stage may ask of this gate. no-harm makes it a guard only, never a condition of promotion.", def: "within-margin", example: "no-harm"}),
		set("role", oneOf(RoleGate, RoleInfo), func(g *Gate) *Role { return &g.Role }, meta{
			doc: "Whether the gate decides. info is shown and never decides.", def: "gate", example: "info"}),
		set("onFail", oneOf(OnFailRollback, OnFailHold), func(g *Gate) *OnFail { return &g.OnFail }, meta{
			doc: "What a proven harm does.", def: "rollback", example: "hold"}),
	},
}
