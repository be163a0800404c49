package spec

import "time"

// Resolved is a rollout with everything filled in: its model, its policy with
// all that this extends, its own overrides and every default. It is all that
// the engine needs to know of the user's files; nothing in it is optional
// unless its doc says what the zero value means. Its JSON form (MarshalJSON) is
// canonical: equal values give equal bytes.
type Resolved struct {
	// Rollout and Model are names.
	Rollout string
	Model   string
	// Policy is the name of the policy that the plan came from.
	Policy string

	Protocol Protocol
	// Unit is what is assigned to an arm.
	Unit Unit
	// AllowPin is set when the policy allows pinning and the model does not deny it.
	AllowPin bool

	// Environments are passed in this order; there is at least one, and the last
	// one ends with a stage at weight 100 %.
	Environments []ResolvedEnvironment
	// Gates hold at every weight stage, from their From on.
	Gates []ResolvedGate

	Analysis ResolvedAnalysis
	Faults   ResolvedFaults
	Rollback ResolvedRollback
	Segments ResolvedSegments
	// Notify may be empty.
	Notify []ResolvedNotice

	// Origin finds the place in the user's files; it is empty after a round trip
	// through JSON, and takes no part in comparisons.
	Origin Origin `json:"-"`
}

// ResolvedEnvironment is one environment with its endpoints and stages.
type ResolvedEnvironment struct {
	Name      string
	Baseline  ResolvedVersion
	Candidate ResolvedVersion
	// Route is never empty: the model's own, or the default of the protocol.
	Route ResolvedRoute
	// DrillWithin is how recent a drill must be before the rollout enters; 0 asks for none.
	DrillWithin time.Duration
	Stages      []ResolvedStage
}

// ResolvedVersion is a version and where it answers.
type ResolvedVersion struct {
	Version string
	URL     string
	// Metrics are the metrics pages of its servers; empty means DefaultMetrics of
	// the URL.
	Metrics []string
	// As is the name under which the server knows the model; it is the model's
	// name unless the file says otherwise.
	As string
	// Run is the command that starts the server; empty means that it runs already.
	Run []string
}

// ResolvedRoute says which requests are for the model. Empty parts match everything.
type ResolvedRoute struct {
	Host        string
	PathPrefix  string
	HeaderName  string
	HeaderValue string
}

// ResolvedStage is one step. The fields below a comment that names a kind are
// zero for other kinds.
type ResolvedStage struct {
	Kind StageKind

	// Weight is the share of units that the candidate answers (weight), or of
	// requests that are copied to it (shadow). A weight of 100 % means 100 %
	// minus Holdback: see Share.
	Weight Weight
	// Dwell is the least time of the stage (weight, shadow).
	Dwell time.Duration
	// MaxDuration is when a missing verdict stops being waited for (weight,
	// shadow). It is at least Dwell.
	MaxDuration time.Duration
	// MinSamples is the number of requests or units each arm needs before the
	// stage may end (weight, shadow).
	MinSamples int64
	// Warmup leaves out latency and gauges for this long after the stage begins
	// (weight); it is shorter than Dwell.
	Warmup time.Duration
	// Require is what the gates must show before the stage advances (weight, shadow).
	Require Requirement
	// Tolerance is how many times its margin each gate's harm must be excluded
	// beyond at a stage that requires NoHarm; 0 asks for no proof (weight).
	Tolerance float64
	// Approval asks for a person's approval at the end of the stage (any kind).
	Approval bool
	// Holdback is the share of units that stays with the baseline at 100 % (the
	// last stage); 0 means that nothing is compared there.
	Holdback Weight
	// KeepWarm is how long the baseline stays warm after the rollout (the last stage).
	KeepWarm time.Duration
	// Gates are the stage's own, beside (weight) or in place of (check, shadow)
	// those of the plan.
	Gates []ResolvedGate

	// Check and what follows is for check stages.
	Check CheckKind
	// File is the dataset or the captured traffic (dataset, replay).
	File string
	// Rate is in requests per second, For how long (load).
	Rate float64
	For  time.Duration
	// Speed is how many times faster than captured (replay).
	Speed float64
	// Run is the command (command).
	Run []string
}

// Share is the share of units that the candidate answers at this stage.
func (s ResolvedStage) Share() Weight {
	if s.Kind != StageWeight {
		return 0
	}
	return min(s.Weight, Whole-s.Holdback)
}

// ResolvedGate is one gate with everything filled in.
type ResolvedGate struct {
	// Metric is what is measured; see Name for what tells the gates of a list apart.
	Metric string
	Kind   MetricKind
	// Outcome is the NAME of a metric outcome:NAME, and empty for others.
	Outcome string
	// Output is the NAME of a metric output:NAME: a JSON Pointer where it begins
	// with a slash, else the name of a tensor. Class is the value of it that is
	// counted (rates).
	Output string
	Class  string
	// Quantile is the NN of latency_pNN as a fraction: 0.99; 0 for other kinds.
	Quantile float64
	// Source is empty for the router's own metrics and for outcomes; Query is
	// what to ask it.
	Source MetricSource
	Query  string

	// Harm is the direction of change that is bad.
	Harm Direction
	// Margin is how much change in that direction is tolerated: relative to the
	// baseline, or a difference. Nil means that only Max and Min decide.
	Margin *Margin
	// Max and Min are absolute limits; nil means none.
	Max *Bound
	Min *Bound
	// IgnoreBelow is the level of a rate under which its increase does not
	// matter; 0 means none.
	IgnoreBelow Fraction
	// Expect is the rate expected of the baseline; 0 means that nothing was said.
	Expect Fraction

	// Cap is the value beyond which reported numbers count as the cap; 0 learns it
	// from the baseline.
	Cap float64
	// Covariate says that each reported number comes with one that was known before
	// its exposure.
	Covariate bool
	// Per is what an outcome is counted over; empty for other metrics.
	Per Per
	// Horizon is the age at which an outcome is complete; 0 means that outcomes
	// count as they come.
	Horizon time.Duration
	// From is the weight of the first stage at which the gate is active; 0 means
	// always.
	From Weight
	// Require is the most that a stage may ask of this gate: WithinMargin (what
	// the stage says) or NoHarm (a guard, never a condition of promotion).
	Require Requirement
	// Role is RoleInfo for a gate that shows and never decides.
	Role   Role
	OnFail OnFail
}

// Guards reports whether the gate can roll a rollout back.
func (g ResolvedGate) Guards() bool { return g.Role == RoleGate && g.OnFail == OnFailRollback }

// ResolvedAnalysis is how sure a verdict must be.
type ResolvedAnalysis struct {
	// Alpha is the chance of a false rollback, over the whole rollout.
	Alpha       Fraction
	OnUndecided OnUndecided
}

// ResolvedFaults is what happens when the data or the traffic is at fault.
type ResolvedFaults struct {
	NoTraffic           OnFault
	SourceDown          OnFault
	SampleRatioMismatch OnFault
	HoldFor             time.Duration
	Then                AfterFault
}

// ResolvedRollback is how the traffic is put back.
type ResolvedRollback struct {
	Auto     bool
	Within   time.Duration
	Shield   bool
	Cooldown time.Duration
}

// ResolvedSegments are the attributes by which results are also looked at;
// none when By is empty.
type ResolvedSegments struct {
	By    []Unit
	Guard bool
}

// ResolvedNotice is one receiver of notices.
type ResolvedNotice struct {
	// Target is slack, teams, pagerDuty, webhook or email.
	Target string
	// URL or URLFrom is set for all but email, To for email.
	URL     string
	URLFrom string
	To      []string
	On      []Event
}

// Guarded reports whether any gate can roll the rollout back.
func (r Resolved) Guarded() bool {
	for _, g := range r.Gates {
		if g.Guards() {
			return true
		}
	}
	return false
}

// Last returns the environment that ends at 100 %.
func (r Resolved) Last() ResolvedEnvironment { return r.Environments[len(r.Environments)-1] }

// Origin finds the places of a Resolved in the user's files.
type Origin struct {
	rollout *Source
	model   *Source
	parts   map[string]part
	// short says that the only environment was written as `stages`.
	short bool
}

// part is where a part of a plan was written.
type part struct {
	source *Source
	path   string
}

// Equal always holds: plans are equal wherever they were written.
func (o Origin) Equal(Origin) bool { return true }
