package demo

import (
	"fmt"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/demo/digits"
	"github.com/belay-rollouts/belay/internal/demo/modelserver"
)

// All is the scenario that plays every candidate.
const All = "all"

// Candidate is a version that wants to take the place of v1, with everything that is declared about it beforehand.
type Candidate struct {
	// Version is its name, and the name of the scenario that plays it alone.
	Version string
	// What says in a few words how it differs from v1.
	What string
	// Phase and Gate are how its rollout must end: which gate rolls it back, empty for one that completes.
	Phase client.Phase
	Gate  string

	// network trains it; nil serves the weights of v1.
	network func() digits.Version
	// wrong changes the behaviour of a healthy server.
	wrong func(*modelserver.Behaviour)
}

// Candidates are all candidates, in the order in which they are played: the bad ones first, so that v1 serves throughout
// and every one of them is compared with v1.
func Candidates() []Candidate {
	return []Candidate{
		{
			Version: "v3", What: "8% of its requests fail", Phase: client.RolledBack, Gate: "error_rate",
			wrong: func(b *modelserver.Behaviour) { b.FailShare = 0.08 },
		},
		{
			Version: "v4", What: "4% of its requests take 4x as long", Phase: client.RolledBack, Gate: "latency_p99",
			wrong: func(b *modelserver.Behaviour) { b.SlowShare, b.SlowFactor = 0.04, 4 },
		},
		{
			Version: "v5", What: "learned from partly wrong labels", Phase: client.RolledBack, Gate: "outcome:correct",
			network: digits.Mislabelled,
		},
		{
			Version: "v2", What: "learned for longer", Phase: client.Completed,
			network: digits.Better,
		},
	}
}

// Scenarios are the names that Options.Scenario may have.
func Scenarios() []string {
	names := []string{All}
	for _, c := range Candidates() {
		names = append(names, c.Version)
	}
	return names
}

// chosen are the candidates of a scenario; none for a name that is not known.
func chosen(scenario string) []Candidate {
	var out []Candidate
	for _, c := range Candidates() {
		if scenario == All || scenario == c.Version {
			out = append(out, c)
		}
	}
	return out
}

// behaviour is how its server behaves. The seed differs between the versions of a run.
func (c Candidate) behaviour(seed uint64) modelserver.Behaviour {
	b := modelserver.Steady(seed)
	if c.wrong != nil {
		c.wrong(&b)
	}
	return b
}

// ending writes an ending as a person reads it.
func ending(phase client.Phase, gate string) string {
	switch {
	case phase == client.RolledBack && gate != "":
		return "rolled back by " + gate
	case phase == client.RolledBack:
		return "rolled back"
	case phase == client.Completed:
		return "completed"
	case phase == client.Aborted:
		return "aborted"
	}
	return fmt.Sprintf("still %s", phase)
}
