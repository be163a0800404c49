package spec

import "time"

// The kinds of stages, as messages and `only` name them.
const (
	shadowStage  = "shadow"
	weightStage  = "weight"
	checkDataset = "check: dataset"
	checkLoad    = "check: load"
	checkReplay  = "check: replay"
	checkCommand = "check: command"
)

// live are the kinds of stages that see traffic of callers.
var live = []string{shadowStage, weightStage}

// stageName names a stage for `only`: shadow, weight or "check: KIND".
func stageName(obj any) string {
	s := obj.(*Stage)
	switch {
	case s.Weight != nil:
		return weightStage
	case s.Shadow != nil:
		return shadowStage
	case s.Check != "":
		return "check: " + string(s.Check)
	}
	return ""
}

var stageShape = &shape{
	name:   "stage",
	doc:    "One step: a check, a shadow or a weight.",
	kindOf: stageName,
	oneOf:  []string{"check", "shadow", "weight"},
	inline: true,
	fields: append([]field{
		set("check", oneOf(CheckContract, CheckDataset, CheckLoad, CheckReplay, CheckCommand), func(s *Stage) *CheckKind { return &s.Check }, meta{
			doc:     "A stage without traffic of callers. contract: ready, and metadata, tensor names and types equal to the baseline's. dataset: scores a file of known answers. load: sends requests at a rate. replay: sends captured requests again. command: runs a command that prints a verdict as JSON.",
			example: "contract"}),
		opt("shadow", between(weightType, "0.01%", "100%"), func(s *Stage) **Weight { return &s.Shadow }, meta{
			doc: "The share of requests that is copied to the candidate. Callers get the baseline's answer.", example: "20%"}),
		opt("weight", between(weightType, "0.01%", "100%"), func(s *Stage) **Weight { return &s.Weight }, meta{
			doc: "The share of units that the candidate answers. Weights rise from stage to stage and end at 100%.", example: "10%"}),
	}, append(liveFields, checkFields...)...),
}

// liveFields are the rows of stages that see traffic.
var liveFields = []field{
	opt("dwell", between(durationType, "1s", "90d"), func(s *Stage) **time.Duration { return &s.Dwell }, meta{
		doc: "The least time the stage lasts. Only time at the asked weight counts.", def: "2h", example: "30m", only: live}),
	opt("maxDuration", between(durationType, "1s", "365d"), func(s *Stage) **time.Duration { return &s.MaxDuration }, meta{
		doc: "How long the stage waits for a required verdict before `onUndecided` happens.", computed: "48h, or twice the dwell if that is longer", example: "7d", only: live}),
	opt("minSamples", between(countType, "1", "1000000000000"), func(s *Stage) **int64 { return &s.MinSamples }, meta{
		doc: "How many requests of the candidate the stage needs before it ends; it lasts longer where they are missing.", computed: "the policy's minSamples", example: "5000", only: live}),
	set("require", oneOf(NoHarm, WithinMargin), func(s *Stage) *Requirement { return &s.Require }, meta{
		doc:      "What the gates must show before the stage advances. no-harm: no harm is proven and there are enough samples. within-margin: each gate is proven to be inside its margin.",
		computed: "within-margin at the last weight below 100%, no-harm elsewhere", example: "no-harm", only: live}),
	opt("approval", boolType, func(s *Stage) **bool { return &s.Approval }, meta{
		doc: "Whether a person must approve before the stage advances, after everything else.", def: "false", example: "true"}),
	opt("holdback", between(weightType, "0%", "49.99%"), func(s *Stage) **Weight { return &s.Holdback }, meta{
		doc: "The share of units that stays with the baseline at 100%, so that both can still be compared.", def: "0%", example: "1%", only: []string{weightStage}}),
	opt("keepWarm", between(durationType, "0s", "90d"), func(s *Stage) **time.Duration { return &s.KeepWarm }, meta{
		doc: "How long the baseline stays warm after the rollout is complete.", def: "0s", example: "24h", only: []string{weightStage}}),
	children("gates", gateShape, func(s *Stage) *[]Gate { return &s.Gates }, meta{
		most: maxGates, doc: "Gates of this stage alone. At a weight they stand beside the gates of the policy, or in place of the one with the same metric.",
		example: "[{metric: agreement, min: 99%}]", only: []string{shadowStage, weightStage, checkDataset, checkLoad, checkReplay}}),
}

// checkFields are the rows of check stages.
var checkFields = []field{
	set("file", lineType, func(s *Stage) *string { return &s.File }, meta{
		doc: "The dataset or the captured requests, one JSON object a line.", example: "golden.jsonl", only: []string{checkDataset, checkReplay}}),
	opt("rate", between(rateType, "1/h", "1000000/s"), func(s *Stage) **Rate { return &s.Rate }, meta{
		doc: "How many requests are sent.", example: "200/s", only: []string{checkLoad}}),
	opt("for", between(durationType, "1s", "1d"), func(s *Stage) **time.Duration { return &s.For }, meta{
		doc: "How long requests are sent.", example: "2m", only: []string{checkLoad}}),
	opt("speed", between(numberType, "0.01", "1000"), func(s *Stage) **float64 { return &s.Speed }, meta{
		doc: "How many times faster than captured the requests are sent.", def: "1", example: "4", only: []string{checkReplay}}),
	many("run", lineType, func(s *Stage) *[]string { return &s.Run }, meta{
		most: maxWords, doc: "The command, word by word. It prints a verdict as JSON.", example: `["./evaluate.sh"]`, only: []string{checkCommand}}),
}

var requiresShape = &shape{
	name: "requirement",
	doc:  "What must be true before a rollout enters an environment.",
	fields: []field{
		opt("drillWithin", between(durationType, "1m", "365d"), func(r *Requires) **time.Duration { return &r.DrillWithin }, meta{
			doc: "How recent the last rehearsed rollback must be.", example: "7d"}),
	},
	inline: true,
}

var environmentShape = &shape{
	name: "environment",
	doc:  "One environment and its stages, in order.",
	fields: []field{
		set("name", labelType, func(e *Environment) *string { return &e.Name }, meta{
			doc: "The name of the environment.", required: true, example: "production"}),
		child("requires", requiresShape, func(e *Environment) **Requires { return &e.Requires }, meta{
			doc: requiresShape.doc, example: "{drillWithin: 7d}"}),
		children("stages", stageShape, func(e *Environment) *[]Stage { return &e.Stages }, meta{
			most: maxStages, doc: "The stages, passed in this order.", required: true, example: "[{weight: 10%}, {weight: 100%}]"}),
	},
}

var segmentsShape = &shape{
	name: "segments",
	doc:  "Attributes by whose values results are also looked at.",
	fields: []field{
		many("by", unitType, func(s *Segments) *[]Unit { return &s.By }, meta{
			most: maxSegmentKeys, doc: "Where the attribute is read.", required: true, example: "[header:X-Country]"}),
		opt("guard", boolType, func(s *Segments) **bool { return &s.Guard }, meta{
			doc: "Whether harm to one segment alone rolls back.", def: "false", example: "true"}),
	},
	inline: true,
}

var analysisShape = &shape{
	name: "analysis",
	doc:  "How sure a verdict must be, and what happens without one.",
	fields: []field{
		opt("alpha", inside(percentType, "0%", "50%"), func(a *Analysis) **Fraction { return &a.Alpha }, meta{
			doc: "The chance of rolling back a candidate that is within all margins, over the whole rollout.", def: "5%", example: "5%"}),
		set("onUndecided", oneOf(UndecidedHold, UndecidedRollback, UndecidedAdvance, UndecidedAsk), func(a *Analysis) *OnUndecided { return &a.OnUndecided }, meta{
			doc: "What happens when a required verdict is still missing after a stage's maxDuration.", def: "hold", example: "ask"}),
	},
	inline: true,
}

var faultsShape = &shape{
	name: "faults",
	doc:  "What happens when the data or the traffic is at fault. A fault is never a pass and never a fail.",
	fields: []field{
		set("noTraffic", oneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.NoTraffic }, meta{
			doc: "No request reaches the model, or none the candidate.", def: "hold", example: "hold"}),
		set("sourceDown", oneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.SourceDown }, meta{
			doc: "A source of metrics does not answer.", def: "hold", example: "hold"}),
		set("sampleRatioMismatch", oneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.SampleRatioMismatch }, meta{
			doc: "The arms did not get the traffic they should have.", def: "hold", example: "hold"}),
		opt("holdFor", between(durationType, "1s", "90d"), func(f *Faults) **time.Duration { return &f.HoldFor }, meta{
			doc: "How long a fault may hold the rollout.", def: "1h", example: "1h"}),
		set("then", oneOf(ThenAsk, ThenHold, ThenRollback), func(f *Faults) *AfterFault { return &f.Then }, meta{
			doc: "What happens after that.", def: "ask", example: "ask"}),
	},
	inline: true,
}

var rollbackShape = &shape{
	name: "rollback",
	doc:  "How the traffic is put back.",
	fields: []field{
		opt("auto", boolType, func(r *Rollback) **bool { return &r.Auto }, meta{
			doc: "Whether proven harm rolls back by itself.", def: "true", example: "true"}),
		opt("within", between(durationType, "10ms", "10m"), func(r *Rollback) **time.Duration { return &r.Within }, meta{
			doc: "How long a rollback may take before it is shown as late.", def: "5s", example: "5s"}),
		opt("shield", boolType, func(r *Rollback) **bool { return &r.Shield }, meta{
			doc: "Whether the baseline answers a request that the candidate failed, before the caller notices; it still counts against the candidate.", def: "true", example: "true"}),
		opt("cooldown", between(durationType, "0s", "90d"), func(r *Rollback) **time.Duration { return &r.Cooldown }, meta{
			doc: "How long after a rollback the model takes no new rollout.", def: "1h", example: "1h"}),
	},
	inline: true,
}

var targetShape = &shape{
	name:  "target",
	doc:   "An address on the web, written openly or by the name of a secret.",
	oneOf: []string{"url", "urlFrom"},
	fields: []field{
		set("url", urlType, func(t *Target) *string { return &t.URL }, meta{
			doc: "The address itself.", example: "https://hooks.example.com/belay"}),
		set("urlFrom", secretType, func(t *Target) *string { return &t.URLFrom }, meta{
			doc: "Where the server finds the address.", example: "env:SLACK_URL"}),
	},
	inline: true,
}

var mailShape = &shape{
	name: "email",
	doc:  "Addresses of people.",
	fields: []field{
		many("to", mailType, func(m *Mail) *[]string { return &m.To }, meta{
			most: maxNotices, doc: "Who gets the mail.", required: true, example: "[team@example.com]"}),
	},
	inline: true,
}

var noticeShape = &shape{
	name:  "notice",
	doc:   "One receiver of notices.",
	oneOf: []string{"slack", "teams", "pagerDuty", "webhook", "email"},
	fields: []field{
		child("slack", targetShape, func(n *Notice) **Target { return &n.Slack }, meta{doc: "An incoming webhook of Slack.", example: "{urlFrom: env:SLACK_URL}"}),
		child("teams", targetShape, func(n *Notice) **Target { return &n.Teams }, meta{doc: "An incoming webhook of Microsoft Teams.", example: "{urlFrom: env:TEAMS_URL}"}),
		child("pagerDuty", targetShape, func(n *Notice) **Target { return &n.PagerDuty }, meta{doc: "An integration of PagerDuty.", example: "{urlFrom: env:PAGERDUTY_URL}"}),
		child("webhook", targetShape, func(n *Notice) **Target { return &n.Webhook }, meta{doc: "Any HTTP endpoint; it gets JSON.", example: "{url: https://hooks.example.com/belay}"}),
		child("email", mailShape, func(n *Notice) **Mail { return &n.Email }, meta{doc: "Electronic mail.", example: "{to: [team@example.com]}"}),
		many("on", oneOf(EventAdvance, EventHold, EventAsk, EventRollback, EventComplete), func(n *Notice) *[]Event { return &n.On }, meta{
			most: 8, doc: "The decisions that are told.", def: "hold ask rollback complete", example: "[ask, rollback]"}),
	},
	inline: true,
}

// planFields are the rows that policies and rollouts share.
var planFields = []field{
	children("environments", environmentShape, func(p *Plan) *[]Environment { return &p.Environments }, meta{
		most: maxEnvironments, doc: "The environments, passed in this order. The last one ends at weight 100%."}),
	children("stages", stageShape, func(p *Plan) *[]Stage { return &p.Stages }, meta{
		most: maxStages, doc: "The short form of one environment named production.", example: "[{weight: 10%}, {weight: 100%}]"}),
	opt("minSamples", between(countType, "1", "1000000000000"), func(p *Plan) **int64 { return &p.MinSamples }, meta{
		doc: "The minSamples of each stage that has none of its own.", def: "500", example: "500"}),
	opt("warmup", between(durationType, "0s", "1d"), func(p *Plan) **time.Duration { return &p.Warmup }, meta{
		doc: "How long after each increase latency and gauges are left out; errors and outcomes always count.", computed: "2m, or a tenth of the dwell if that is shorter", example: "30s"}),
	opt("allowPin", boolType, func(p *Plan) **bool { return &p.AllowPin }, meta{
		doc: "Whether callers may choose an arm with the header Belay-Pin, unless the model denies it.", def: "false", example: "true"}),
	children("gates", gateShape, func(p *Plan) *[]Gate { return &p.Gates }, meta{
		most: maxGates, doc: "The gates. Three to five are enough.", example: "[{metric: error_rate, maxIncrease: 20%}]"}),
	child("segments", segmentsShape, func(p *Plan) **Segments { return &p.Segments }, meta{doc: segmentsShape.doc, example: "{by: [header:X-Country]}"}),
	child("analysis", analysisShape, func(p *Plan) **Analysis { return &p.Analysis }, meta{doc: analysisShape.doc, example: "{alpha: 5%}"}),
	child("faults", faultsShape, func(p *Plan) **Faults { return &p.Faults }, meta{doc: faultsShape.doc, example: "{holdFor: 1h}"}),
	child("rollback", rollbackShape, func(p *Plan) **Rollback { return &p.Rollback }, meta{doc: rollbackShape.doc, example: "{cooldown: 1h}"}),
	children("notify", noticeShape, func(p *Plan) *[]Notice { return &p.Notify }, meta{
		most: maxNotices, doc: "Who is told of which decisions.", example: "[{slack: {urlFrom: env:SLACK_URL}, on: [rollback]}]"}),
}
