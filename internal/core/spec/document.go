package spec

import "time"

// APIVersion is the version of the format that this package reads.
const APIVersion = "belay.dev/v1alpha1"

// File is what Parse finds in one file, each kind in the file's order.
//
// In all types below, a nil pointer, a nil slice and an empty string mean "not
// written": Resolve fills them from the policy or by the default. An empty
// slice that is not nil was written as [].
type File struct {
	Models   []Model
	Policies []Policy
	Rollouts []Rollout
}

// Model is a served model: how to reach it and how its callers are told apart.
// Parse fills its defaults (protocol v2, unit request, pin allow).
type Model struct {
	Name         string
	Protocol     Protocol
	Unit         Unit
	Serving      *Version
	Endpoint     string
	Route        *Route
	Pin          Pin
	Environments []ModelEnvironment
	Source       *Source
}

// Version is one build of a model and where it answers.
type Version struct {
	Version string
	URL     string
	Metrics []string
	As      string
	Run     []string
}

// Route says which requests are for a model. All parts that are set must match.
type Route struct {
	Host       string
	PathPrefix string
	Header     *HeaderMatch
}

// HeaderMatch is a header that a request must carry.
type HeaderMatch struct {
	Name  string
	Value string
}

// ModelEnvironment is where a model answers in one environment.
type ModelEnvironment struct {
	Name    string
	Serving *Version
	Route   *Route
}

// Policy is a reusable plan.
type Policy struct {
	Name    string
	Extends string
	Plan
	Source *Source
}

// Rollout is one candidate's way to 100 %. What its Plan says replaces what the
// policy says: an object field by field, a list as a whole.
type Rollout struct {
	Name      string
	Model     string
	Candidate *Version
	Policy    string
	Plan
	Source *Source
}

// Plan is what policies and rollouts have in common.
type Plan struct {
	Environments []Environment
	// Stages is the short form of one environment named "production".
	Stages     []Stage
	MinSamples *int64
	Warmup     *time.Duration
	AllowPin   *bool
	Gates      []Gate
	Segments   *Segments
	Analysis   *Analysis
	Faults     *Faults
	Rollback   *Rollback
	Notify     []Notice
}

// Environment is dev, staging, production: a name and its stages.
type Environment struct {
	Name     string
	Requires *Requires
	Stages   []Stage
}

// Requires is what must be true before a rollout enters an environment.
type Requires struct {
	DrillWithin *time.Duration
}

// Stage is one step: a check, a shadow or a weight. Exactly one of the first
// three fields is set; Kind says which.
type Stage struct {
	Check  CheckKind
	Shadow *Weight
	Weight *Weight

	Dwell       *time.Duration
	MaxDuration *time.Duration
	MinSamples  *int64
	Require     Requirement
	Tolerance   *float64
	Approval    *bool
	Holdback    *Weight
	KeepWarm    *time.Duration
	Gates       []Gate

	File  string
	Rate  *Rate
	For   *time.Duration
	Speed *float64
	Run   []string
}

// Kind says what the stage is, by the field that is set.
func (s Stage) Kind() StageKind {
	switch {
	case s.Weight != nil:
		return StageWeight
	case s.Shadow != nil:
		return StageShadow
	default:
		return StageCheck
	}
}

// Gate is a metric with a margin.
type Gate struct {
	Metric      string
	Kind        MetricKind
	Class       string
	Source      MetricSource
	Query       string
	MaxIncrease *Margin
	MaxDecrease *Margin
	Max         *Bound
	Min         *Bound
	IgnoreBelow *Fraction
	Expect      *Fraction
	Cap         *float64
	Covariate   *bool
	Per         Per
	Horizon     *time.Duration
	From        *Weight
	Require     Requirement
	Role        Role
	OnFail      OnFail
}

// Segments are the attributes by which results are also looked at.
type Segments struct {
	By    []Unit
	Guard *bool
}

// Analysis is how sure a verdict must be, and what happens without one.
type Analysis struct {
	Alpha       *Fraction
	OnUndecided OnUndecided
}

// Faults is what happens when the data or the traffic is at fault.
type Faults struct {
	NoTraffic           OnFault
	SourceDown          OnFault
	SampleRatioMismatch OnFault
	HoldFor             *time.Duration
	Then                AfterFault
}

// Rollback is how the traffic is put back.
type Rollback struct {
	Auto     *bool
	Within   *time.Duration
	Shield   *bool
	Cooldown *time.Duration
}

// Notice is one receiver of notices: exactly one target, and what it hears of.
type Notice struct {
	Slack     *Target
	Teams     *Target
	PagerDuty *Target
	Webhook   *Target
	Email     *Mail
	On        []Event
}

// Target is an address on the web: given openly or by the name of a secret.
type Target struct {
	URL     string
	URLFrom string
}

// Mail is a list of addresses.
type Mail struct {
	To []string
}
