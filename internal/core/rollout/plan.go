// Package rollout is the decision core: given what a rollout is, what has been
// seen and what time it is, it says what happens next and why.
//
// Decide is a pure function. It reads no clock, does no I/O and starts no
// goroutine, so a stored input gives the same decision for ever. The order in
// which it looks at things never changes:
//
//	a person's rollback or abort
//	harm: evidence, ceiling, cut-off, dead candidate   -> rollback (or hold)
//	faults in the data or the traffic                  -> hold, bounded
//	paused, dwell, samples                             -> hold
//	a required verdict                                 -> hold until maxDuration
//	otherwise                                          -> advance or complete
//
// Harm comes before everything but a person: no dwell, sample size, pause or
// fault ever delays it. Faults are never a pass and never a fail. Only time that
// was watched counts: a clock that is set, a machine that sleeps and a process
// that is restarted are no dwell and use up no time limit (watch.go).
package rollout

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Plan is everything about a rollout that is fixed when it starts: a pure value,
// stored with it and never changed, because margins, shares and priors that
// move would spoil the error rates.
type Plan struct {
	Rollout     string  `json:"rollout"`
	Model       string  `json:"model"`
	Policy      string  `json:"policy"`
	Environment string  `json:"environment"`
	Baseline    Version `json:"baseline"`
	Candidate   Version `json:"candidate"`
	// Attempt counts the rollouts of this candidate version of the model; every
	// attempt spends an alpha of its own.
	Attempt int `json:"attempt"`

	Protocol table.Protocol `json:"protocol"`
	Match    table.Match    `json:"match"`
	Unit     table.Unit     `json:"unit"`
	AllowPin bool           `json:"allowPin,omitempty"`
	// Horizon is how long after its exposure an outcome still counts.
	Horizon time.Duration `json:"horizon"`

	Stages []Stage         `json:"stages"`
	Gates  []gate.Gate     `json:"gates"`
	Layout evidence.Layout `json:"layout"`
	// Resources are what the servers are asked for the layout's gauges.
	Resources []Resource `json:"resources,omitempty"`
	// Segments is nil where only the whole is looked at.
	Segments *Segments `json:"segments,omitempty"`
	Alpha    float64   `json:"alpha"`
	Faults   Faults    `json:"faults"`
	Rollback Restore   `json:"rollback"`
	// OnUndecided is what follows when a required verdict is missing at the end
	// of a stage's MaxDuration.
	OnUndecided spec.OnUndecided `json:"onUndecided"`
}

// Version is one build of the model and where it answers.
type Version struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Metrics are where its servers tell of themselves, if the file says so; see
	// Scraped.
	Metrics []string `json:"metrics,omitempty"`
}

// Stage is one step of the ladder.
type Stage struct {
	// Weight is the candidate's share out of split.Whole, less what is held back.
	Weight      uint32           `json:"weight"`
	Holdback    uint32           `json:"holdback,omitempty"`
	Dwell       time.Duration    `json:"dwell"`
	MaxDuration time.Duration    `json:"maxDuration"`
	Warmup      time.Duration    `json:"warmup,omitempty"`
	MinSamples  uint64           `json:"minSamples"`
	Require     spec.Requirement `json:"require"`
	// Tolerance is how many times its margin each gate's harm must be excluded
	// beyond before a stage that asks for no harm ends; 0 asks for none.
	Tolerance float64 `json:"tolerance,omitempty"`
}

// Asked is the weight as the user wrote it, what is held back included.
func (s Stage) Asked() uint32 { return s.Weight + s.Holdback }

// Faults says what a fault in the data or the traffic does.
type Faults struct {
	NoTraffic   spec.OnFault    `json:"noTraffic"`
	SourceDown  spec.OnFault    `json:"sourceDown,omitempty"`
	SampleRatio spec.OnFault    `json:"sampleRatioMismatch"`
	HoldFor     time.Duration   `json:"holdFor"`
	Then        spec.AfterFault `json:"then"`
}

// Restore says how the traffic is put back.
type Restore struct {
	Auto     bool          `json:"auto"`
	Within   time.Duration `json:"within"`
	Shield   bool          `json:"shield"`
	Cooldown time.Duration `json:"cooldown"`
}

// Unguarded says in one sentence why nothing would roll the rollout back at a
// stage by the evidence of a gate. It is empty when something would. Whatever
// shows a rollout shows this.
func (p *Plan) Unguarded(stage int) string {
	if !p.Rollback.Auto {
		return "rollback.auto is off: a proven harm only asks a person"
	}
	guards, comparing := false, false
	for i := range p.Gates {
		if g := &p.Gates[i]; g.Guards() && g.From <= stage {
			guards = true
			comparing = comparing || g.Method != gate.None
		}
	}
	switch {
	case !guards && p.guardsLater(stage):
		return "no gate that can roll back is active yet at this stage"
	case !guards:
		return "no gate can roll back"
	case comparing && p.comparesNothing(stage):
		return "nothing is held back at 100%, so there is no baseline to compare with: only ceilings and the router's cut-off guard"
	}
	return ""
}

func (p *Plan) guardsLater(stage int) bool {
	for i := range p.Gates {
		if g := &p.Gates[i]; g.Guards() && g.From > stage {
			return true
		}
	}
	return false
}

// comparesNothing reports whether a stage leaves no traffic to the baseline.
func (p *Plan) comparesNothing(stage int) bool {
	return stage >= 0 && stage < len(p.Stages) && p.Stages[stage].Weight >= split.Whole
}
