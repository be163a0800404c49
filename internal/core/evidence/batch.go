package evidence

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Batch is what a data plane saw of one stratum since the batch before. Adding
// every batch once, in any order, gives the evidence.
type Batch struct {
	Rollout uint64
	Stratum uint8
	// Segment is the part of the traffic that it is of; empty for the whole, in
	// which every request is counted too.
	Segment string
	Delta   *Stratum
	// Exposures are sightings of units, where a unit may send many requests.
	// The same unit may be in it more than once.
	Exposures []Exposure
}

// Exposure is the sighting of a unit by an arm.
type Exposure struct {
	Unit uint64 // second hash
	Arm  split.Arm
	Time time.Time
}
