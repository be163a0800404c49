package spec

// Protocol is how a model's servers are spoken to.
type Protocol string

const (
	// ProtocolV2 is the Open Inference Protocol over HTTP, the default.
	ProtocolV2 Protocol = "v2"
	// ProtocolOpenAI is the OpenAI API with streamed answers.
	ProtocolOpenAI Protocol = "openai"
	// ProtocolGRPC is the Open Inference Protocol over gRPC.
	ProtocolGRPC Protocol = "grpc"
	// ProtocolHTTP is any HTTP; bodies are not read.
	ProtocolHTTP Protocol = "http"
)

// Pin says whether callers of a model may pin an arm, where the policy allows it.
type Pin string

const (
	// PinAllow leaves it to the policy.
	PinAllow Pin = "allow"
	// PinDeny forbids it whatever the policy says.
	PinDeny Pin = "deny"
)

// StageKind is what a stage does with traffic.
type StageKind string

const (
	// StageCheck sends no traffic of callers.
	StageCheck StageKind = "check"
	// StageShadow copies traffic to the candidate; callers get the baseline's answer.
	StageShadow StageKind = "shadow"
	// StageWeight lets the candidate answer a share of the units.
	StageWeight StageKind = "weight"
)

// CheckKind is what a check stage does.
type CheckKind string

const (
	// CheckContract compares readiness, metadata and tensor names with the baseline's.
	CheckContract CheckKind = "contract"
	// CheckDataset scores the candidate on a file of known answers.
	CheckDataset CheckKind = "dataset"
	// CheckLoad sends requests at a rate.
	CheckLoad CheckKind = "load"
	// CheckReplay sends captured requests again.
	CheckReplay CheckKind = "replay"
	// CheckCommand runs a command that answers with a verdict.
	CheckCommand CheckKind = "command"
)

// Requirement is what a stage needs of its gates before it advances.
type Requirement string

const (
	// NoHarm is met by pass, or by undecided with enough samples in both arms.
	NoHarm Requirement = "no-harm"
	// WithinMargin is met by pass alone.
	WithinMargin Requirement = "within-margin"
)

// MetricKind is what a metric is, statistically.
type MetricKind string

const (
	// KindRate is a share of requests or units.
	KindRate MetricKind = "rate"
	// KindMean is an average per unit.
	KindMean MetricKind = "mean"
	// KindQuantile is a quantile of a distribution.
	KindQuantile MetricKind = "quantile"
	// KindGauge is a level that is sampled over time.
	KindGauge MetricKind = "gauge"
	// KindDrift is the distance between the distributions of both arms.
	KindDrift MetricKind = "drift"
)

// MetricSource is where a metric comes from. Empty means the router itself and
// the outcomes that applications report.
type MetricSource string

const (
	// SourceScrape reads the metrics page of the model servers.
	SourceScrape MetricSource = "scrape"
	// SourcePrometheus asks a Prometheus server.
	SourcePrometheus MetricSource = "prometheus"
	// SourceSQL asks a database.
	SourceSQL MetricSource = "sql"
)

// Per is what an outcome is counted over.
type Per string

const (
	// PerReport counts over the reported outcomes.
	PerReport Per = "report"
	// PerExposure counts over all requests, for applications that report successes only.
	PerExposure Per = "exposure"
)

// Role is whether a gate decides.
type Role string

const (
	// RoleGate decides.
	RoleGate Role = "gate"
	// RoleInfo shows and never decides.
	RoleInfo Role = "info"
)

// OnFail is what a proven harm does.
type OnFail string

const (
	// OnFailRollback puts everything back.
	OnFailRollback OnFail = "rollback"
	// OnFailHold stops where it is.
	OnFailHold OnFail = "hold"
)

// OnUndecided is what happens when a required verdict is still missing at the
// end of a stage's maxDuration.
type OnUndecided string

const (
	// UndecidedHold waits for evidence or for a person.
	UndecidedHold OnUndecided = "hold"
	// UndecidedRollback puts everything back.
	UndecidedRollback OnUndecided = "rollback"
	// UndecidedAdvance goes on without proof.
	UndecidedAdvance OnUndecided = "advance"
	// UndecidedAsk asks a person.
	UndecidedAsk OnUndecided = "ask"
)

// OnFault is what a fault in the data or the traffic does at first.
type OnFault string

const (
	// FaultHold stops where it is, for at most holdFor.
	FaultHold OnFault = "hold"
	// FaultRollback puts everything back at once.
	FaultRollback OnFault = "rollback"
)

// AfterFault is what follows a fault that lasted for holdFor.
type AfterFault string

const (
	// ThenAsk asks a person.
	ThenAsk AfterFault = "ask"
	// ThenHold keeps waiting.
	ThenHold AfterFault = "hold"
	// ThenRollback puts everything back.
	ThenRollback AfterFault = "rollback"
)

// Event is a decision that people can be told of.
type Event string

const (
	// EventAdvance is the step to the next stage.
	EventAdvance Event = "advance"
	// EventHold is a wait.
	EventHold Event = "hold"
	// EventAsk is a question to a person.
	EventAsk Event = "ask"
	// EventRollback is a return to the baseline.
	EventRollback Event = "rollback"
	// EventComplete is the end at 100 %.
	EventComplete Event = "complete"
)

// Direction is the direction of change that a margin limits.
type Direction string

const (
	// Increase means that a larger value is the harm.
	Increase Direction = "increase"
	// Decrease means that a smaller value is the harm.
	Decrease Direction = "decrease"
)
