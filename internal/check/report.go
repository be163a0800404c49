package check

import (
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// SchemaVersion is that of the JSON form of a Report.
const SchemaVersion = spec.APIVersion

// The reasons of verdicts that only checks have.
const (
	// NotProven is undecided at a single look.
	NotProven gate.Reason = "NotProven"
	// TooFewRows is a gate with fewer rows than minSamples in an arm.
	TooFewRows gate.Reason = "TooFewRows"
	// TooFewUnits is a gate whose rows come from too few units to know how much
	// these differ.
	TooFewUnits gate.Reason = "TooFewUnits"
)

// Report is what a check found.
type Report struct {
	SchemaVersion string `json:"schemaVersion"`
	// Verdict is that of all gates together: pass, fail, undecided or no-data.
	Verdict gate.Verdict     `json:"verdict"`
	Require spec.Requirement `json:"require"`
	// Method is one-shot or anytime.
	Method     Method  `json:"method"`
	Alpha      float64 `json:"alpha"`
	MinSamples int64   `json:"minSamples"`
	Policy     string  `json:"policy,omitempty"`
	Stage      string  `json:"stage,omitempty"`

	Gates []Gate `json:"gates"`
	// Segments are the gates in each segment, the worst first. They decide where
	// Guarded.
	Segments []Gate `json:"segments,omitempty"`
	Guarded  bool   `json:"guarded,omitempty"`

	Files   []sample.File   `json:"files"`
	Columns []sample.Column `json:"columns"`
	Unused  []string        `json:"unusedColumns,omitempty"`
	Pairs   *sample.Match   `json:"pairs,omitempty"`
	Strata  int             `json:"strata,omitempty"`
	Notes   []string        `json:"notes,omitempty"`
}

// Method is how verdicts are made.
type Method string

// The methods.
const (
	OneShot Method = "one-shot"
	Anytime Method = "anytime"
)

// Gate is one gate with its verdict.
type Gate struct {
	Gate    string       `json:"gate"`
	Segment string       `json:"segment,omitempty"`
	Kind    gate.Kind    `json:"kind"`
	Verdict gate.Verdict `json:"verdict"`
	Reason  gate.Reason  `json:"reason"`
	// Margin is as people read it, MarginValue its number in the unit of Bound.
	Margin      string   `json:"margin,omitempty"`
	MarginValue *float64 `json:"marginValue,omitempty"`
	// Worse is the direction of harm: up or down.
	Worse    string   `json:"worse"`
	Ceilings []string `json:"ceilings,omitempty"`
	// Paired says that rows of both arms with the same id were compared.
	Paired bool `json:"paired,omitempty"`
	// Info gates decide nothing; GuardOnly ones are no condition of a pass.
	Info      bool `json:"info,omitempty"`
	GuardOnly bool `json:"guardOnly,omitempty"`

	Bound     *Bound `json:"bound,omitempty"`
	Baseline  Rows   `json:"baseline"`
	Candidate Rows   `json:"candidate"`

	// PFail and PPass are the p-values of the claims that the harm lies beyond the
	// margin and inside it; the gate fails at PFailAt, which knows how many gates
	// there are, and passes at PPassAt.
	PFail   float64 `json:"pFail"`
	PFailAt float64 `json:"pFailAt"`
	PPass   float64 `json:"pPass"`
	PPassAt float64 `json:"pPassAt"`
}

// Rows is what was seen of one arm.
type Rows struct {
	// Rows were counted, and Events of them have the bad event of a rate, or a value
	// other than zero.
	Rows   float64  `json:"rows"`
	Events *float64 `json:"events,omitempty"`
	// Silent rows say nothing of the metric.
	Silent uint64 `json:"silent,omitempty"`
}

// Bound is what the rows say of a change, or of a level.
type Bound struct {
	// Of is change, from baseline to candidate, or level, of the candidate alone.
	Of Quantity `json:"of"`
	// Relative changes are shares of the baseline; others are in the unit of the
	// metric: 0.01 is one percentage point of a rate.
	Relative bool `json:"relative,omitempty"`
	// Lower and Upper enclose it; nothing where it is not bounded.
	Estimate *float64 `json:"estimate,omitempty"`
	Lower    *float64 `json:"lower,omitempty"`
	Upper    *float64 `json:"upper,omitempty"`
	// Baseline and Candidate are the metric itself; durations are in seconds.
	Baseline  *float64 `json:"baseline,omitempty"`
	Candidate *float64 `json:"candidate,omitempty"`
}

// Quantity is what a Bound is of.
type Quantity string

// The quantities.
const (
	Change Quantity = "change"
	Level  Quantity = "level"
)
