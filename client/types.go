package client

import "github.com/belay-rollouts/belay/api"

// What the server answers; see api/openapi.yaml for each field.
type (
	// Rollout is a rollout and how it stands.
	Rollout = api.Rollout
	// Stage is the stage that a rollout is at.
	Stage = api.Stage
	// Step is one stage of the ladder.
	Step = api.Step
	// Gate is a gate and how it stands.
	Gate = api.Gate
	// SegmentGate is how a gate stands in one part of the traffic.
	SegmentGate = api.SegmentGate
	// Bound is what the evidence says of a change.
	Bound = api.Bound
	// Counts are exposures and bad events among them.
	Counts = api.Counts
	// Readings is what was read of an output of the model.
	Readings = api.Readings
	// Distribution is what a drift compares.
	Distribution = api.Distribution
	// Bin is one bin of a distribution.
	Bin = api.Bin
	// Traffic is what the data plane says of itself.
	Traffic = api.Traffic
	// Health is what the probes of a version last said.
	Health = api.Health
	// Exposure is what the candidate has served.
	Exposure = api.Exposure
	// SampleRatio says whether the arms get the shares that were asked for.
	SampleRatio = api.SampleRatio
	// OutcomeCounts is what was reported to a rollout.
	OutcomeCounts = api.OutcomeCounts
	// Resource is what became of the windows of a resource of the servers.
	Resource = api.Resource
	// Pause is a person's stop.
	Pause = api.Pause
	// Fault is a fault in the data or the traffic.
	Fault = api.Fault
	// Baseline is what the version of a model that serves now does.
	Baseline = api.Baseline
	// BaselineMetric is what a metric of it was at.
	BaselineMetric = api.BaselineMetric
	// BaselineLatency are its latencies, in buckets.
	BaselineLatency = api.BaselineLatency
	// CutOff is a candidate that the router took out by itself.
	CutOff = api.CutOff
	// Ending is what was measured when the traffic was put back or handed over.
	Ending = api.Ending
	// Decision is a decision and everything that it was made from.
	Decision = api.Decision
	// DecisionHead is a decision without what it was made from.
	DecisionHead = api.DecisionHead
	// Judged is a gate as a decision saw it.
	Judged = api.Judged
	// Act is what a person asked for.
	Act = api.Act
	// Standing is where a rollout stood.
	Standing = api.Standing
	// Check is the check of the fixed order that decided.
	Check = api.Check
	// Event is something that happened.
	Event = api.Event
	// Model is a served model.
	Model = api.Model
	// Policy is a reusable plan.
	Policy = api.Policy
	// Version is one build of a model and where it answers.
	Version = api.Version
	// VersionInfo says which Belay this is.
	VersionInfo = api.VersionInfo
	// ApplyResult is what became of a file.
	ApplyResult = api.ApplyResult
	// Applied is what became of one document.
	Applied = api.Applied
	// Warning is something that is allowed and that its author should know.
	Warning = api.Warning
	// FileProblem is one mistake in a file.
	FileProblem = api.FileProblem
	// Outcome is what became of a prediction.
	Outcome = api.Outcome
	// OutcomeResult is what was made of outcomes.
	OutcomeResult = api.OutcomeResult
	// Refusal is an outcome that was refused.
	Refusal = api.Refusal
)

// The names that answers use.
type (
	// Phase is where a rollout is in its life.
	Phase = api.Phase
	// Verdict is what a gate makes of the evidence.
	Verdict = api.Verdict
	// GateKind is what a gate compares.
	GateKind = api.GateKind
	// DecisionKind is what a decision does.
	DecisionKind = api.DecisionKind
	// ActionKind is what a person asks for.
	ActionKind = api.ActionKind
	// Code says what kind of thing went wrong.
	Code = api.ProblemCode
	// EventType says what an event tells.
	EventType = api.EventType
	// HealthState is the state of a version's endpoint.
	HealthState = api.HealthState
)

// The phases. The last three are final.
const (
	Pending          = api.PhasePending
	Progressing      = api.PhaseProgressing
	Holding          = api.PhaseHolding
	AwaitingApproval = api.PhaseAwaitingApproval
	Completed        = api.PhaseCompleted
	RolledBack       = api.PhaseRolledBack
	Aborted          = api.PhaseAborted
)

// Final reports whether nothing follows a phase.
func Final(p Phase) bool { return p == Completed || p == RolledBack || p == Aborted }

// Ended reports whether a rollout has ended and its last decision is stored. A
// rollback moves the traffic first, so the phase is final a moment before that.
func Ended(r *Rollout) bool {
	return Final(r.Phase) && r.Last != nil && (r.Last.Kind == DecisionRollback || r.Last.Kind == DecisionComplete)
}

// The verdicts.
const (
	Pass      = api.VerdictPass
	Fail      = api.VerdictFail
	Undecided = api.VerdictUndecided
	NoData    = api.VerdictNoData
	Off       = api.VerdictOff
)

// The kinds of gates.
const (
	KindRate     = api.GateKindRate
	KindQuantile = api.GateKindQuantile
	KindMean     = api.GateKindMean
	KindGauge    = api.GateKindGauge
	KindDrift    = api.GateKindDrift
)

// The kinds of decisions.
const (
	DecisionAdvance  = api.DecisionKindAdvance
	DecisionHold     = api.DecisionKindHold
	DecisionRollback = api.DecisionKindRollback
	DecisionAsk      = api.DecisionKindAsk
	DecisionComplete = api.DecisionKindComplete
)

// The acts.
const (
	ActPause    = api.ActionKindPause
	ActResume   = api.ActionKindResume
	ActPromote  = api.ActionKindPromote
	ActRollback = api.ActionKindRollback
	ActAbort    = api.ActionKindAbort
)

// The types of events.
const (
	EventStatus   = api.EventTypeStatus
	EventDecision = api.EventTypeDecision
)

// The codes of errors.
const (
	CodeInvalid      = api.ProblemCodeInvalid
	CodeNotFound     = api.ProblemCodeNotFound
	CodeConflict     = api.ProblemCodeConflict
	CodeExists       = api.ProblemCodeExists
	CodeRefused      = api.ProblemCodeRefused
	CodeUnauthorized = api.ProblemCodeUnauthorized
	CodeTooLarge     = api.ProblemCodeTooLarge
	CodeUnavailable  = api.ProblemCodeUnavailable
	CodePrecondition = api.ProblemCodePrecondition
	CodeInternal     = api.ProblemCodeInternal
)
