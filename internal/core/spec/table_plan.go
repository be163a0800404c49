package spec

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
)

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

var stageShape = &field.Shape{
	Name:   "stage",
	Doc:    "One step: a check, a shadow or a weight.",
	KindOf: stageName,
	OneOf:  []string{"check", "shadow", "weight"},
	Inline: true,
	Fields: append([]field.Field{
		field.Set("check", field.OneOf(CheckContract, CheckDataset, CheckLoad, CheckReplay, CheckCommand), func(s *Stage) *CheckKind { return &s.Check }, field.Meta{
			Doc:     "A stage without traffic of callers. contract: ready, and metadata, tensor names and types equal to the baseline's. dataset: scores a file of known answers. load: sends requests at a rate. replay: sends captured requests again. command: runs a command that prints a verdict as JSON.",
			Example: "contract",
		}),
		field.Opt("shadow", field.Between(weightType, "0.01%", "100%"), func(s *Stage) **Weight { return &s.Shadow }, field.Meta{
			Doc: "The share of requests that is copied to the candidate. Callers get the baseline's answer.", Example: "20%",
		}),
		field.Opt("weight", field.Between(weightType, "0.01%", "100%"), func(s *Stage) **Weight { return &s.Weight }, field.Meta{
			Doc: "The share of units that the candidate answers. Weights rise from stage to stage and end at 100%.", Example: "10%",
		}),
	}, append(liveFields, checkFields...)...),
}

// liveFields are the rows of stages that see traffic.
var liveFields = []field.Field{
	field.Opt("dwell", field.Between(durationType, "1s", "90d"), func(s *Stage) **time.Duration { return &s.Dwell }, field.Meta{
		Doc: "The least time the stage lasts. Only time at the asked weight counts.", Default: "2h", Example: "30m", Only: live,
	}),
	field.Opt("maxDuration", field.Between(durationType, "1s", "365d"), func(s *Stage) **time.Duration { return &s.MaxDuration }, field.Meta{
		Doc: "How long the stage waits for a required verdict before `onUndecided` happens.", Computed: "48h, or twice the dwell if that is longer", Example: "7d", Only: live,
	}),
	field.Opt("minSamples", field.Between(countType, "1", "1000000000000"), func(s *Stage) **int64 { return &s.MinSamples }, field.Meta{
		Doc: "How many requests of the candidate the stage needs before it ends; it lasts longer where they are missing.", Computed: "the policy's minSamples", Example: "5000", Only: live,
	}),
	field.Set("require", field.OneOf(NoHarm, WithinMargin), func(s *Stage) *Requirement { return &s.Require }, field.Meta{
		Doc:      "What the gates must show before the stage advances. no-harm: no harm is proven and there are enough samples. within-margin: each gate is proven to be inside its margin.",
		Computed: "within-margin at the last weight below 100%, no-harm elsewhere", Example: "no-harm", Only: live,
	}),
	field.Opt("tolerance", field.Between(numberType, "1", "1000"), func(s *Stage) **float64 { return &s.Tolerance }, field.Meta{
		Doc:     "At a stage that requires no-harm: before it ends, each gate must exclude a harm of this many times its margin. Few requests can exclude a gross harm.",
		Example: "5", Computed: "no-harm asks for no proof", Only: []string{weightStage},
	}),
	field.Opt("approval", boolType, func(s *Stage) **bool { return &s.Approval }, field.Meta{
		Doc: "Whether a person must approve before the stage advances, after everything else.", Default: "false", Example: "true",
	}),
	field.Opt("holdback", field.Between(weightType, "0%", "49.99%"), func(s *Stage) **Weight { return &s.Holdback }, field.Meta{
		Doc: "The share of units that stays with the baseline at 100%, so that both can still be compared.", Default: "0%", Example: "1%", Only: []string{weightStage},
	}),
	field.Opt("keepWarm", field.Between(durationType, "0s", "90d"), func(s *Stage) **time.Duration { return &s.KeepWarm }, field.Meta{
		Doc: "How long the baseline stays warm after the rollout is complete.", Default: "0s", Example: "24h", Only: []string{weightStage},
	}),
	field.Children("gates", gateShape, func(s *Stage) *[]Gate { return &s.Gates }, field.Meta{
		Most: maxGates, Doc: "Gates of this stage alone. At a weight they stand beside the gates of the policy, or in place of the one with the same metric.",
		Example: "[{metric: agreement, min: 99%}]", Only: []string{shadowStage, weightStage, checkDataset, checkLoad, checkReplay},
	}),
}

// checkFields are the rows of check stages.
var checkFields = []field.Field{
	field.Set("file", lineType, func(s *Stage) *string { return &s.File }, field.Meta{
		Doc: "The dataset or the captured requests, one JSON object a line.", Example: "golden.jsonl", Only: []string{checkDataset, checkReplay},
	}),
	field.Opt("rate", field.Between(rateType, "1/h", "1000000/s"), func(s *Stage) **Rate { return &s.Rate }, field.Meta{
		Doc: "How many requests are sent.", Example: "200/s", Only: []string{checkLoad},
	}),
	field.Opt("for", field.Between(durationType, "1s", "1d"), func(s *Stage) **time.Duration { return &s.For }, field.Meta{
		Doc: "How long requests are sent.", Example: "2m", Only: []string{checkLoad},
	}),
	field.Opt("speed", field.Between(numberType, "0.01", "1000"), func(s *Stage) **float64 { return &s.Speed }, field.Meta{
		Doc: "How many times faster than captured the requests are sent.", Default: "1", Example: "4", Only: []string{checkReplay},
	}),
	field.Many("run", lineType, func(s *Stage) *[]string { return &s.Run }, field.Meta{
		Most: maxWords, Doc: "The command, word by word. It prints a verdict as JSON.", Example: `["./evaluate.sh"]`, Only: []string{checkCommand},
	}),
}

var requiresShape = &field.Shape{
	Name: "requirement",
	Doc:  "What must be true before a rollout enters an environment.",
	Fields: []field.Field{
		field.Opt("drillWithin", field.Between(durationType, "1m", "365d"), func(r *Requires) **time.Duration { return &r.DrillWithin }, field.Meta{
			Doc: "How recent the last rehearsed rollback must be.", Example: "7d",
		}),
	},
	Inline: true,
}

var environmentShape = &field.Shape{
	Name: "environment",
	Doc:  "One environment and its stages, in order.",
	Fields: []field.Field{
		field.Set("name", labelType, func(e *Environment) *string { return &e.Name }, field.Meta{
			Doc: "The name of the environment.", Required: true, Example: "production",
		}),
		field.Child("requires", requiresShape, func(e *Environment) **Requires { return &e.Requires }, field.Meta{
			Doc: requiresShape.Doc, Example: "{drillWithin: 7d}",
		}),
		field.Children("stages", stageShape, func(e *Environment) *[]Stage { return &e.Stages }, field.Meta{
			Most: maxStages, Doc: "The stages, passed in this order.", Required: true, Example: "[{weight: 10%}, {weight: 100%}]",
		}),
	},
}

var segmentsShape = &field.Shape{
	Name: "segments",
	Doc:  "Attributes by whose values results are also looked at.",
	Fields: []field.Field{
		field.Many("by", unitType, func(s *Segments) *[]Unit { return &s.By }, field.Meta{
			Most: maxSegmentKeys, Doc: "Where the attribute is read.", Required: true, Example: "[header:X-Country]",
		}),
		field.Opt("guard", boolType, func(s *Segments) **bool { return &s.Guard }, field.Meta{
			Doc: "Whether harm to one segment alone rolls back.", Default: "false", Example: "true",
		}),
	},
	Inline: true,
}

var analysisShape = &field.Shape{
	Name: "analysis",
	Doc:  "How sure a verdict must be, and what happens without one.",
	Fields: []field.Field{
		field.Opt("alpha", field.Inside(percentType, "0%", "50%"), func(a *Analysis) **Fraction { return &a.Alpha }, field.Meta{
			Doc: "The chance of rolling back a candidate that is within all margins, over the whole rollout.", Default: "5%", Example: "5%",
		}),
		field.Set("onUndecided", field.OneOf(UndecidedHold, UndecidedRollback, UndecidedAdvance, UndecidedAsk), func(a *Analysis) *OnUndecided { return &a.OnUndecided }, field.Meta{
			Doc: "What happens when a required verdict is still missing after a stage's maxDuration.", Default: "hold", Example: "ask",
		}),
	},
	Inline: true,
}

var faultsShape = &field.Shape{
	Name: "faults",
	Doc:  "What happens when the data or the traffic is at fault. A fault is never a pass and never a fail.",
	Fields: []field.Field{
		field.Set("noTraffic", field.OneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.NoTraffic }, field.Meta{
			Doc: "No request reaches the model, or none the candidate.", Default: "hold", Example: "hold",
		}),
		field.Set("sourceDown", field.OneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.SourceDown }, field.Meta{
			Doc: "A source of metrics does not answer.", Default: "hold", Example: "hold",
		}),
		field.Set("sampleRatioMismatch", field.OneOf(FaultHold, FaultRollback), func(f *Faults) *OnFault { return &f.SampleRatioMismatch }, field.Meta{
			Doc: "The arms did not get the traffic they should have.", Default: "hold", Example: "hold",
		}),
		field.Opt("holdFor", field.Between(durationType, "1s", "90d"), func(f *Faults) **time.Duration { return &f.HoldFor }, field.Meta{
			Doc: "How long a fault may hold the rollout.", Default: "1h", Example: "1h",
		}),
		field.Set("then", field.OneOf(ThenAsk, ThenHold, ThenRollback), func(f *Faults) *AfterFault { return &f.Then }, field.Meta{
			Doc: "What happens after that.", Default: "ask", Example: "ask",
		}),
	},
	Inline: true,
}

var rollbackShape = &field.Shape{
	Name: "rollback",
	Doc:  "How the traffic is put back.",
	Fields: []field.Field{
		field.Opt("auto", boolType, func(r *Rollback) **bool { return &r.Auto }, field.Meta{
			Doc: "Whether proven harm rolls back by itself.", Default: "true", Example: "true",
		}),
		field.Opt("within", field.Between(durationType, "10ms", "10m"), func(r *Rollback) **time.Duration { return &r.Within }, field.Meta{
			Doc: "How long a rollback may take before it is shown as late.", Default: "5s", Example: "5s",
		}),
		field.Opt("shield", boolType, func(r *Rollback) **bool { return &r.Shield }, field.Meta{
			Doc: "Whether the baseline answers a request that the candidate failed, before the caller notices; it still counts against the candidate.", Default: "true", Example: "true",
		}),
		field.Opt("cooldown", field.Between(durationType, "0s", "90d"), func(r *Rollback) **time.Duration { return &r.Cooldown }, field.Meta{
			Doc: "How long after a rollback the model takes no new rollout.", Default: "1h", Example: "1h",
		}),
	},
	Inline: true,
}

var targetShape = &field.Shape{
	Name:  "target",
	Doc:   "An address on the web, written openly or by the name of a secret.",
	OneOf: []string{"url", "urlFrom"},
	Fields: []field.Field{
		field.Set("url", urlType, func(t *Target) *string { return &t.URL }, field.Meta{
			Doc: "The address itself.", Example: "https://hooks.example.com/belay",
		}),
		field.Set("urlFrom", secretType, func(t *Target) *string { return &t.URLFrom }, field.Meta{
			Doc: "Where the server finds the address.", Example: "env:SLACK_URL",
		}),
	},
	Inline: true,
}

var mailShape = &field.Shape{
	Name: "email",
	Doc:  "Addresses of people.",
	Fields: []field.Field{
		field.Many("to", mailType, func(m *Mail) *[]string { return &m.To }, field.Meta{
			Most: maxNotices, Doc: "Who gets the mail.", Required: true, Example: "[team@example.com]",
		}),
	},
	Inline: true,
}

var noticeShape = &field.Shape{
	Name:  "notice",
	Doc:   "One receiver of notices.",
	OneOf: []string{"slack", "teams", "pagerDuty", "webhook", "email"},
	Fields: []field.Field{
		field.Child("slack", targetShape, func(n *Notice) **Target { return &n.Slack }, field.Meta{Doc: "An incoming webhook of Slack.", Example: "{urlFrom: env:SLACK_URL}"}),
		field.Child("teams", targetShape, func(n *Notice) **Target { return &n.Teams }, field.Meta{Doc: "An incoming webhook of Microsoft Teams.", Example: "{urlFrom: env:TEAMS_URL}"}),
		field.Child("pagerDuty", targetShape, func(n *Notice) **Target { return &n.PagerDuty }, field.Meta{Doc: "An integration of PagerDuty.", Example: "{urlFrom: env:PAGERDUTY_URL}"}),
		field.Child("webhook", targetShape, func(n *Notice) **Target { return &n.Webhook }, field.Meta{Doc: "Any HTTP endpoint; it gets JSON.", Example: "{url: https://hooks.example.com/belay}"}),
		field.Child("email", mailShape, func(n *Notice) **Mail { return &n.Email }, field.Meta{Doc: "Electronic mail.", Example: "{to: [team@example.com]}"}),
		field.Many("on", field.OneOf(EventAdvance, EventHold, EventAsk, EventRollback, EventComplete), func(n *Notice) *[]Event { return &n.On }, field.Meta{
			Most: 8, Doc: "The decisions that are told.", Default: "[hold, ask, rollback, complete]", Example: "[ask, rollback]",
		}),
	},
	Inline: true,
}

// planFields are the rows that policies and rollouts share.
var planFields = []field.Field{
	field.Children("environments", environmentShape, func(p *Plan) *[]Environment { return &p.Environments }, field.Meta{
		Most: maxEnvironments, Doc: "The environments, passed in this order. The last one ends at weight 100%.",
	}),
	field.Children("stages", stageShape, func(p *Plan) *[]Stage { return &p.Stages }, field.Meta{
		Most: maxStages, Doc: "The short form of one environment named production.", Example: "[{weight: 10%}, {weight: 100%}]",
	}),
	field.Opt("minSamples", field.Between(countType, "1", "1000000000000"), func(p *Plan) **int64 { return &p.MinSamples }, field.Meta{
		Doc: "The minSamples of each stage that has none of its own.", Default: "500", Example: "500",
	}),
	field.Opt("warmup", field.Between(durationType, "0s", "1d"), func(p *Plan) **time.Duration { return &p.Warmup }, field.Meta{
		Doc: "How long after each increase latency and gauges are left out; errors and outcomes always count.", Computed: "2m, or a tenth of the dwell if that is shorter", Example: "30s",
	}),
	field.Opt("allowPin", boolType, func(p *Plan) **bool { return &p.AllowPin }, field.Meta{
		Doc: "Whether callers may choose an arm with the header Belay-Pin, unless the model denies it.", Default: "false", Example: "true",
	}),
	field.Children("gates", gateShape, func(p *Plan) *[]Gate { return &p.Gates }, field.Meta{
		Most: maxGates, Doc: "The gates. Three to five are enough.", Example: "[{metric: error_rate, maxIncrease: 20%}]",
	}),
	field.Child("segments", segmentsShape, func(p *Plan) **Segments { return &p.Segments }, field.Meta{Doc: segmentsShape.Doc, Example: "{by: [header:X-Country]}"}),
	field.Child("analysis", analysisShape, func(p *Plan) **Analysis { return &p.Analysis }, field.Meta{Doc: analysisShape.Doc, Example: "{alpha: 5%}"}),
	field.Child("faults", faultsShape, func(p *Plan) **Faults { return &p.Faults }, field.Meta{Doc: faultsShape.Doc, Example: "{holdFor: 1h}"}),
	field.Child("rollback", rollbackShape, func(p *Plan) **Rollback { return &p.Rollback }, field.Meta{Doc: rollbackShape.Doc, Example: "{cooldown: 1h}"}),
	field.Children("notify", noticeShape, func(p *Plan) *[]Notice { return &p.Notify }, field.Meta{
		Most: maxNotices, Doc: "Who is told of which decisions.", Example: "[{slack: {urlFrom: env:SLACK_URL}, on: [rollback]}]",
	}),
}
