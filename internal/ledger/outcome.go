package ledger

import (
	"fmt"
	"time"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Outcome is what an application reports of a request that was answered before:
// whether the prediction was correct, whether the visitor bought. It names its
// exposure by the assignment token, or by model, unit and time.
type Outcome struct {
	ID         string    `json:"id"`
	Assignment string    `json:"assignment,omitempty"`
	Model      string    `json:"model,omitempty"`
	Unit       string    `json:"unit,omitempty"`
	Time       time.Time `json:"time,omitzero"` // of the outcome; zero means now
	Metric     string    `json:"metric"`
	Value      float64   `json:"value"` // 0 or 1 for a rate, any number for a mean
	// Covariate is a number that was known of the unit before its exposure, for a
	// gate that asks for one.
	Covariate *float64 `json:"covariate,omitempty"`
}

// Result says what became of a batch. Every outcome is in exactly one of the
// four.
type Result struct {
	// Accepted outcomes are in the evidence, or wait for the age of their exposure
	// to be. They are durable at most two seconds later, together with it.
	Accepted int `json:"accepted"`
	// Repeated outcomes had an id that was counted before.
	Repeated int `json:"repeated"`
	// Unattributed outcomes were taken and belong to no comparison; Why says
	// how many for which reason.
	Unattributed int             `json:"unattributed"`
	Why          map[Missing]int `json:"why,omitempty"`
	// Refused outcomes are mistakes of the caller.
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is an outcome that was not taken, and why.
type Refusal struct {
	Index  int    `json:"index"` // in the batch
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Missing says why an outcome belongs to no comparison. Stable for ever.
type Missing string

// The reasons.
const (
	// NoRollout means that no rollout of that number or model is kept: there was
	// none, or it ended longer ago than its horizon.
	NoRollout Missing = "NoRollout"
	// NoExposure means that the unit was not seen by an arm at or before the time.
	NoExposure Missing = "NoExposure"
	// Pinned means that the caller chose the arm, so it is in no comparison.
	Pinned Missing = "Pinned"
	// NotCompared means that the request was served while no traffic was split.
	NotCompared Missing = "NotCompared"
	// TooLate means that the exposure lies further back than the horizon: that of
	// the metric's gate, by when the outcome came in, or else the rollout's, by when
	// it happened.
	TooLate Missing = "TooLate"
	// NoGate means that no gate of the rollout reads the metric.
	NoGate Missing = "NoGate"
)

// Counters are what was reported to a rollout.
type Counters struct {
	Accepted     uint64             `json:"accepted"`
	Repeated     uint64             `json:"repeated"`
	Unattributed uint64             `json:"unattributed"`
	Why          map[Missing]uint64 `json:"why,omitempty"`
	Refused      uint64             `json:"refused"`
	// Waiting are those of the accepted outcomes, of this run or an earlier one,
	// whose exposure is not as old yet as their gate's horizon.
	Waiting uint64 `json:"waiting"`
}

// Busy is the error of a batch that came while the ledger could not take more:
// nothing of it was counted, and it may be sent again after RetryAfter.
type Busy struct {
	RetryAfter time.Duration
	Message    string
}

// Error implements error.
func (b *Busy) Error() string {
	return fmt.Sprintf("%s; send the batch again in %v", b.Message, b.RetryAfter)
}

// ProblemCode says that trying again may help.
func (b *Busy) ProblemCode() problem.Code { return problem.Unavailable }
