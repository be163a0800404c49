package planner

// SchemaVersion is that of an Outlook as JSON.
const SchemaVersion = "belay.dev/v1alpha1"

// Outlook is what is to be expected of a rollout at a traffic. Times are seconds
// since the first traffic to the candidate unless they say otherwise; a time that
// is left out does not come within the plan.
type Outlook struct {
	SchemaVersion string `json:"schemaVersion"`
	Rollout       string `json:"rollout"`
	Model         string `json:"model"`
	Policy        string `json:"policy"`
	// Headline says in one or two sentences how long it takes when nothing is
	// wrong, and which gate sees least.
	Headline string `json:"headline"`
	// Unguarded says in one sentence why nothing would roll the rollout back;
	// empty when something would.
	Unguarded string `json:"unguarded,omitempty"`
	// Weakest is the gate whose verdict is waited for longest.
	Weakest string `json:"weakest,omitempty"`

	Traffic TrafficOutlook `json:"traffic"`
	// Assumed says, a sentence each, what was not known and what was taken in its
	// place.
	Assumed []string `json:"assumed,omitempty"`

	// Complete is when the candidate serves everything if nothing is wrong.
	Complete Times `json:"complete"`
	// Proven is the probability that every required margin is proven in time when
	// nothing has changed; 1 where none is required.
	Proven float64 `json:"proven"`

	Stages   []StageOutlook `json:"stages"`
	Gates    []GateOutlook  `json:"gates"`
	Warnings []Warning      `json:"warnings"`
}

// TrafficOutlook is the traffic that was reckoned with.
type TrafficOutlook struct {
	RequestsPerSecond float64 `json:"requestsPerSecond"`
	Origin            string  `json:"origin"`
}

// Times are the times by which a half, four fifths and nine tenths of rollouts
// are there.
type Times struct {
	P50 float64 `json:"p50Seconds,omitempty"`
	P80 float64 `json:"p80Seconds,omitempty"`
	P90 float64 `json:"p90Seconds,omitempty"`
}

// StageOutlook is a stage as it goes when nothing is wrong.
type StageOutlook struct {
	WeightPercent float64 `json:"weightPercent"` // as asked for, what is held back included
	Require       string  `json:"require"`
	StartSeconds  float64 `json:"startSeconds"`
	DwellSeconds  float64 `json:"dwellSeconds"`
	// Seconds is how long the stage takes: its dwell, or until the last gate has
	// its samples and its verdict.
	Seconds            float64 `json:"seconds"`
	MaxDurationSeconds float64 `json:"maxDurationSeconds,omitempty"`
	// WaitsFor is what the stage is longer than its dwell for: "samples of X" or
	// "the verdict of X"; empty where it is not.
	WaitsFor string `json:"waitsFor,omitempty"`
	// CandidateRequests are those of the stage, Exposed those of all stages so far.
	CandidateRequests float64  `json:"candidateRequests"`
	Exposed           float64  `json:"exposedRequests"`
	Gates             []GateAt `json:"gates"`
	Unguarded         string   `json:"unguarded,omitempty"`
	Compares          bool     `json:"compares"` // false where the baseline has no traffic
}

// GateAt is a gate at the end of a stage.
type GateAt struct {
	Gate   string `json:"gate"`
	Active bool   `json:"active"`
	// Candidate and Baseline are the units of the stage: requests, reports or
	// windows.
	Candidate float64 `json:"candidateSamples"`
	Baseline  float64 `json:"baselineSamples"`
	// EnoughSeconds is when in the stage the minimum of samples is there.
	EnoughSeconds float64 `json:"enoughSeconds"`
	// Catches is the smallest harm that is found by the end of the stage with 80 %
	// and 90 % power; Proves the smallest margin that is proven by then with that
	// power if nothing has changed.
	Catches Powered `json:"catches"`
	Proves  Powered `json:"proves"`
	// MarginProven is the probability that the gate's own margin is proven by the
	// end of the stage when nothing has changed.
	MarginProven float64 `json:"marginProven"`
}

// Powered are two changes, by the power with which they are seen; nil where
// nothing is.
type Powered struct {
	P80 *Change `json:"p80,omitempty"`
	P90 *Change `json:"p90,omitempty"`
}

// Change is a change of a metric from baseline to candidate.
type Change struct {
	// Relative is the change as a share of the baseline: 1 for twice as much.
	Relative float64 `json:"relative"`
	// Level is what the metric is at after it; 0 where that is not known.
	Level float64 `json:"level,omitempty"`
	// Text is the change as a person reads it: "+20%", "-1.5pp", "x5".
	Text string `json:"text"`
}

// GateOutlook is a gate over the whole rollout.
type GateOutlook struct {
	Gate   string `json:"gate"`
	Kind   string `json:"kind"`
	Margin string `json:"margin"`
	// Baseline is what the metric is at, and Origin where that comes from.
	Baseline string `json:"baseline"`
	Origin   string `json:"origin"`
	// Required is true where the rollout waits for the gate's pass, Holds where a
	// fail holds and does not roll back.
	Required bool `json:"required"`
	Holds    bool `json:"holds,omitempty"`
	// Alpha is the gate's share of the chance of a false rollback.
	Alpha float64 `json:"alpha"`
	// Pass is when the margin is proven if nothing has changed.
	Pass  Times         `json:"pass"`
	Harms []HarmOutlook `json:"harms"`
}

// HarmOutlook is what happens if the candidate does a harm.
type HarmOutlook struct {
	Change Change `json:"change"`
	// Caught is the probability that it is found within the plan, and CaughtBy that
	// by the end of each stage.
	Caught   float64   `json:"caught"`
	CaughtBy []float64 `json:"caughtByStage"`
	Times    Times     `json:"times"`
	// Stage is the index of the stage that most often decides.
	Stage int `json:"stage"`
	// Exposed are the candidate's requests until it is caught, in half of the
	// rollouts and in nine of ten; Harmed those of them that are worse off than at
	// the baseline. For a mean Harmed is the sum that is lost.
	Exposed50 float64 `json:"exposedRequests50,omitempty"`
	Exposed90 float64 `json:"exposedRequests90,omitempty"`
	Harmed50  float64 `json:"harmed50,omitempty"`
	Harmed90  float64 `json:"harmed90,omitempty"`
}

// Caution says what a Warning warns of. Cautions are stable for ever.
type Caution string

// Warning is something that the plan will not do as its author may think, with
// what to change.
type Warning struct {
	Caution Caution `json:"caution"`
	Gate    string  `json:"gate,omitempty"`
	// Stage is the index of the stage, -1 where it is about none.
	Stage   int    `json:"stage"`
	Message string `json:"message"`
	// Proposals are changes of the file, each of which would help.
	Proposals []Proposal `json:"proposals,omitempty"`
}

// Proposal is a change of the file.
type Proposal struct {
	Why string `json:"why"`
	// YAML is the part of the file as it would be, ready to be copied.
	YAML string `json:"yaml"`
}
