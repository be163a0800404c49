package rollout

import (
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// Phase is where a rollout is in its life.
type Phase string

// The phases. The last three are final.
const (
	Pending          Phase = "Pending"          // accepted; the candidate has had no traffic
	Progressing      Phase = "Progressing"      // on its way
	Holding          Phase = "Holding"          // stopped by a fault, a gate, a pause or a missing verdict
	AwaitingApproval Phase = "AwaitingApproval" // a person is asked
	Completed        Phase = "Completed"        // the candidate serves everything
	RolledBack       Phase = "RolledBack"       // the baseline serves everything again
	Aborted          Phase = "Aborted"          // rolled back because a person gave the rollout up
)

// Final reports whether nothing follows the phase.
func (p Phase) Final() bool { return p == Completed || p == RolledBack || p == Aborted }

// State is all that a rollout remembers besides its evidence. It is small, it
// is stored with every decision, and it is the only memory Decide relies on.
type State struct {
	Phase Phase `json:"phase"`
	Stage int   `json:"stage"` // index into Plan.Stages; 0 while Pending

	StartedAt time.Time `json:"startedAt,omitzero"` // of the first traffic
	StageAt   time.Time `json:"stageAt,omitzero"`   // the stage was entered
	// StageFrom is StageAt put off by the time that nobody watched; zero where it
	// is StageAt itself. See StageSince.
	StageFrom time.Time `json:"stageFrom,omitzero"`
	EndedAt   time.Time `json:"endedAt,omitzero"`

	// Served is how long the router has served at the stage's weight, as of
	// SeenAt. Only this time counts as dwell.
	Served time.Duration `json:"served"`
	SeenAt time.Time     `json:"seenAt,omitzero"`
	// AwakeAt is since when the control loop has watched without a break.
	AwakeAt time.Time `json:"awakeAt,omitzero"`

	// Strata are the periods of constant weight so far; the last is in force.
	Strata []Stratum `json:"strata,omitempty"`

	Paused *Pause `json:"paused,omitempty"`
	Fault  *Fault `json:"fault,omitempty"`
	// Failed names the gates that are proven to do harm; it only grows.
	Failed []string `json:"failed,omitempty"`
	// Waived names the failed gates that a person has overridden.
	Waived []string `json:"waived,omitempty"`
	// RatioFrom is the first stratum that is asked about its sample ratio. A
	// person has accepted what those before it say.
	RatioFrom int `json:"ratioFrom,omitempty"`
}

// Stratum is a period of constant weight.
type Stratum struct {
	Stage  int       `json:"stage"`
	Weight uint32    `json:"weight"`
	From   time.Time `json:"from"`
	Warm   time.Time `json:"warm"` // the end of the warm-up
}

// Pause is a person's stop.
type Pause struct {
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Fault is a fault in the data or the traffic and when it began.
type Fault struct {
	Reason Reason    `json:"reason"`
	Since  time.Time `json:"since"`
	// From is Since put off by the time that nobody watched; zero where it is
	// Since itself. See Counted.
	From time.Time `json:"from,omitzero"`
}

// Stratum returns the stratum in force. It is the zero value while Pending.
func (s *State) Stratum() Stratum {
	if len(s.Strata) == 0 {
		return Stratum{}
	}
	return s.Strata[len(s.Strata)-1]
}

// Weight is the weight that the state asks of the traffic.
func (s *State) Weight() uint32 {
	switch {
	case s.Phase == Completed:
		return whole
	case s.Phase.Final() || s.Phase == Pending:
		return 0
	}
	return s.Stratum().Weight
}

// Stages returns the planned stage of each stratum.
func (s *State) Stages() []int {
	out := make([]int, len(s.Strata))
	for i, stratum := range s.Strata {
		out[i] = stratum.Stage
	}
	return out
}

// Weights returns the asked weight of each stratum.
func (s *State) Weights() []uint32 {
	out := make([]uint32, len(s.Strata))
	for i, stratum := range s.Strata {
		out[i] = stratum.Weight
	}
	return out
}

// clone returns a copy that shares nothing that Decide changes.
func (s State) clone() State {
	s.Strata = slices.Clone(s.Strata)
	s.Failed = slices.Clone(s.Failed)
	s.Waived = slices.Clone(s.Waived)
	return s
}

// enter moves to a stage and opens its stratum. It reports false when the
// rollout has used up its strata.
func (s *State) enter(p *Plan, stage int, now time.Time) bool {
	weight := p.Stages[stage].Weight
	if len(s.Strata) >= evidence.MaxStrata {
		return false
	}
	s.Phase, s.Stage, s.StageAt, s.StageFrom = Progressing, stage, now, time.Time{}
	s.Served, s.SeenAt = 0, now
	s.Strata = append(s.Strata, Stratum{Stage: stage, Weight: weight, From: now, Warm: now.Add(p.Stages[stage].Warmup)})
	return true
}
