package command

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/ledger"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

// Status is all there is to see of a rollout, for every surface alike.
type Status struct {
	// Record is the rollout as it is kept, with the state as of the last tick.
	// Its salt is left out: it is a secret.
	Record store.Rollout `json:"record"`
	// Attempt counts the rollouts of this candidate version of the model.
	Attempt int `json:"attempt"`
	// Unguarded says in one sentence why no gate would roll back; empty when one
	// would. Whatever shows a rollout shows it.
	Unguarded string      `json:"unguarded,omitempty"`
	Stage     StageStatus `json:"stage"`
	// Gates are in the order of the plan.
	Gates []GateStatus `json:"gates"`
	// Segments are the worst of the segments, the worst first.
	Segments    []SegmentStatus     `json:"segments,omitempty"`
	Traffic     traffic.Observation `json:"traffic"`
	Exposure    Exposure            `json:"exposure"`
	SampleRatio SampleRatio         `json:"sampleRatio"`
	Outcomes    ledger.Counters     `json:"outcomes"`
	// Resources are in the order of the plan; none where nothing is measured.
	Resources []ResourceStatus `json:"resources,omitempty"`
	// EvidenceAge is how long ago the data plane was last heard.
	EvidenceAge time.Duration `json:"evidenceAge"`
	// Next says in one sentence what happens next, and when at the earliest.
	Next string `json:"next"`
	// Trouble says in one sentence what the control loop itself has trouble
	// with (the store, the router); empty when there is none.
	Trouble string `json:"trouble,omitempty"`
}

// StageStatus is where on the ladder a rollout is.
type StageStatus struct {
	Index int `json:"index"` // from 0
	Of    int `json:"of"`
	// Weight is the candidate's share by the plan, Asked the same as the user
	// wrote it, what is held back included, and Effective what is in force.
	Weight    uint32 `json:"weight"`
	Asked     uint32 `json:"asked"`
	Effective uint32 `json:"effective"`
	// Dwell is the least time of the stage, Served how much of it counts by now,
	// Left what is missing.
	Dwell       time.Duration    `json:"dwell"`
	Served      time.Duration    `json:"served"`
	Left        time.Duration    `json:"left"`
	MaxDuration time.Duration    `json:"maxDuration"`
	MinSamples  uint64           `json:"minSamples"`
	Require     spec.Requirement `json:"require"`
}

// GateStatus is where a gate is.
type GateStatus struct {
	Gate    string       `json:"gate"`
	Verdict gate.Verdict `json:"verdict"`
	Reason  gate.Reason  `json:"reason"`
	// LogFail and LogPass are the logarithms of the e-values; the gate is a fail
	// at Threshold and passes at PassThreshold.
	LogFail       float64 `json:"logFail"`
	LogPass       float64 `json:"logPass"`
	Threshold     float64 `json:"threshold"`
	PassThreshold float64 `json:"passThreshold"`
	Margin        string  `json:"margin"` // "+20%", "-4pp"
	// Bound and Distribution are worked out only where a single status is asked for.
	Bound        *gate.Bound        `json:"bound,omitempty"`
	Distribution *gate.Distribution `json:"distribution,omitempty"` // of a drift
	// Here are the counts of the current stage, Total those of all stages at
	// which the gate was active.
	Here  stats.Stratum `json:"here"`
	Total stats.Stratum `json:"total"`

	Holds     bool `json:"holds,omitempty"`     // a fail holds and does not roll back
	Info      bool `json:"info,omitempty"`      // shows and never decides
	GuardOnly bool `json:"guardOnly,omitempty"` // never a condition of promotion
	// From is the weight of the first stage at which the gate is active; 0 means
	// the first of all.
	From uint32 `json:"from,omitempty"`
	// NeedSamples is how many more the smaller arm needs at this stage.
	NeedSamples uint64 `json:"needSamples,omitempty"`
	// Readings are by arm; nil for a gate that is on no output of the model.
	Readings *[split.Arms]evidence.OutputCount `json:"readings,omitempty"`
}

// Exposure is what the candidate has served.
type Exposure struct {
	Requests uint64 `json:"requests"`
	// Units are distinct; 0 where every request is a unit of its own.
	Units    uint64 `json:"units"`
	Shielded uint64 `json:"shielded"` // answered by the baseline in its place
	Pinned   uint64 `json:"pinned"`   // arm chosen by the caller
	Unitless uint64 `json:"unitless"` // requests in which no unit was found
}

// SampleRatio is the test that units reach the arms at the asked weight.
type SampleRatio struct {
	LogE      float64 `json:"logE"` // the largest of any stage
	Threshold float64 `json:"threshold"`
	Mismatch  bool    `json:"mismatch"`
}

// ResourceStatus is what became of the windows of one resource since the server
// began to look after the rollout.
type ResourceStatus struct {
	Gate string `json:"gate"`
	// Windows were complete; Dropped were not, by reason.
	Windows uint64                   `json:"windows"`
	Dropped map[query.Missing]uint64 `json:"dropped,omitempty"`
	// Complete is when the last complete window ended, and Missing what has been
	// missing since, and at which address.
	Complete time.Time `json:"complete,omitzero"`
	Missing  string    `json:"missing,omitempty"`
}

// Event is a change of a rollout.
type Event struct {
	Type    EventType `json:"type"`
	Seq     int64     `json:"seq"` // of the rollout's latest decision
	Rollout string    `json:"rollout"`
	// Missed is how many events this subscriber was too slow for just before.
	Missed int    `json:"missed,omitempty"`
	Status Status `json:"status"`
}

// EventType says what an Event tells.
type EventType string

// The types of events.
const (
	EventDecision EventType = "decision" // a decision was stored
	EventStatus   EventType = "status"   // figures moved
)
