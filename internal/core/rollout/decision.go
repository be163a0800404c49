package rollout

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

const whole = split.Whole

// Kind is what a decision does.
type Kind string

// The kinds of decisions.
const (
	KindAdvance  Kind = "advance"
	KindHold     Kind = "hold"
	KindRollback Kind = "rollback"
	KindAsk      Kind = "ask"
	KindComplete Kind = "complete"
)

// Reason says why. Reasons are stable for ever: dashboards, alerts and tests
// depend on them.
type Reason string

// The reasons, in the order in which Decide looks.
const (
	ReasonEnded             Reason = "Ended"
	ReasonPersonRollback    Reason = "PersonRollback"
	ReasonPersonAbort       Reason = "PersonAbort"
	ReasonRecovered         Reason = "RollbackRecovered"
	ReasonGateFailed        Reason = "GateFailed"
	ReasonCeilingBroken     Reason = "CeilingBroken"
	ReasonCutOff            Reason = "CutOff"
	ReasonCandidateDead     Reason = "CandidateDead"
	ReasonNotReady          Reason = "CandidateNotReady"
	ReasonNotAtWeight       Reason = "NotAtWeight"
	ReasonSampleRatio       Reason = "SampleRatioMismatch"
	ReasonNoTraffic         Reason = "NoTraffic"
	ReasonCandidateSilent   Reason = "CandidateSilent"
	ReasonSourceDown        Reason = "SourceDown"
	ReasonFaultLasted       Reason = "FaultLasted"
	ReasonPaused            Reason = "Paused"
	ReasonDwelling          Reason = "Dwelling"
	ReasonTooFewSamples     Reason = "TooFewSamples"
	ReasonNoData            Reason = "NoData"
	ReasonVerdictMissing    Reason = "VerdictMissing"
	ReasonUndecided         Reason = "Undecided"
	ReasonTooManyStrata     Reason = "TooManyStrata"
	ReasonStarted           Reason = "Started"
	ReasonStagePassed       Reason = "StagePassed"
	ReasonPromotedByPerson  Reason = "PromotedByPerson"
	ReasonCompleted         Reason = "Completed"
	ReasonAdvancedUndecided Reason = "AdvancedUndecided"
)

// Input is the whole world as one decision sees it. It is stored with the
// decision, which can be worked out again from it at any time.
type Input struct {
	Now time.Time
	// MaxGap is how far apart two looks may be for the time between them to count
	// as watched; see countTime. 0 believes the clock whatever it says: where time
	// is virtual, and for entries from before there was a bound.
	MaxGap     time.Duration
	Plan       *Plan
	State      State
	Evidence   *evidence.Evidence
	Judgements []gate.Judgement // by Plan.Gates; see Judge
	Segments   []gate.Judgement // see JudgeSegments
	Traffic    Traffic
	Act        *Act // what a person asks for, or nil
}

// Traffic is what the data plane says of itself.
type Traffic struct {
	// Weight is the weight in force, read back from the router.
	Weight uint32 `json:"weight"`
	// Known is false when the router could not be asked.
	Known bool `json:"known"`
	// Ready is true when the candidate answers its probes as ready.
	Ready bool `json:"ready"`
	// CutOff is set when the router has taken the candidate out by itself.
	CutOff *CutOff `json:"cutOff,omitempty"`
	// Dead is set when every endpoint of the candidate refuses connections.
	Dead string `json:"dead,omitempty"`
	// Error is what the last probe of the candidate complained of.
	Error string `json:"error,omitempty"`
	// LastRequest is when the model last got a request on either arm.
	LastRequest time.Time `json:"lastRequest,omitzero"`
	// SinceCandidate is how many requests the baseline took since the
	// candidate's last.
	SinceCandidate uint64 `json:"sinceCandidate"`
	// Sources are what is known of the sources of resources; none where nobody
	// reads them.
	Sources []Source `json:"sources,omitempty"`
}

// CutOff is a candidate that the router took out by itself.
type CutOff struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Detail string    `json:"detail"`
}

// ActKind is what a person asks for.
type ActKind string

// The acts.
const (
	ActRollback ActKind = "rollback"
	ActAbort    ActKind = "abort"
	ActPause    ActKind = "pause"
	ActResume   ActKind = "resume"
	ActPromote  ActKind = "promote"
	// ActRecover finishes a rollback of which only the intent was stored.
	ActRecover ActKind = "recover"
)

// Act is a person's act. By is never empty; an override has a Reason.
type Act struct {
	Kind     ActKind   `json:"kind"`
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	Override bool      `json:"override,omitempty"`
	At       time.Time `json:"at"`
}

// Decision is what follows.
type Decision struct {
	Kind   Kind   `json:"kind"`
	Reason Reason `json:"reason"`
	// Gate names the gate that the reason is about, if it is about one.
	Gate string `json:"gate,omitempty"`
	// Sentence says it to a person who must act, with the numbers.
	Sentence string `json:"sentence"`
	// Next is the state to store.
	Next State `json:"next"`
	// Refused says why a person's act was not carried out; empty when it was.
	Refused string `json:"refused,omitempty"`
	// Wake is when to look again at the latest.
	Wake time.Time `json:"wake,omitzero"`
}
