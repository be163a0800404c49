// Package traffic is the port to whatever moves the traffic: make the world
// match a routing table, and say what it really does.
//
// The engine never believes that an Apply worked; it asks Observe, and tries
// again until what is served is what was asked.
package traffic

import (
	"context"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Target serves traffic by a routing table.
type Target interface {
	// Apply makes t the table in force. It is safe to repeat. When it returns
	// nil, requests that start from then on are routed by t.
	Apply(ctx context.Context, t *table.Table) error
	// Observe says what a rollout's traffic really does. An unknown rollout is
	// a problem.NotFound error.
	Observe(ctx context.Context, rollout uint64) (Observation, error)
	// Collect returns what was seen since the last Collect. Each batch is
	// returned once.
	Collect(ctx context.Context) ([]evidence.Batch, error)
	// Wake is signalled when a rollout needs a decision at once: the router cut
	// its candidate off. The channel carries the rollout's number.
	Wake() <-chan uint64
}

// Observation is the real state of a rollout's traffic.
type Observation struct {
	Generation uint64  // of the table in force
	Stratum    uint8   // in force
	Weight     uint32  // in force, out of split.Whole; 0 after a cut-off
	CutOff     *CutOff // nil unless the router has cut the candidate off

	Baseline  Health
	Candidate Health

	// Started and Finished are the last moments at which a request to the
	// candidate began and ended; zero when there was none.
	Started, Finished time.Time
	InFlight          int // candidate requests not yet finished
	// LastRequest is when the model last got a request, on either arm.
	LastRequest time.Time
	// SinceCandidate is how many requests the baseline took since the
	// candidate's last one: a silence that chance can be asked about.
	SinceCandidate uint64
	// Rescued and Pinned requests, and those that came without their unit, for
	// information.
	Rescued, Pinned, Unitless uint64
}

// CutOff is a candidate that the router took out of the traffic by itself.
type CutOff struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // stable, CamelCase
	Detail string    `json:"detail"` // one sentence with numbers
}

// Health is what the probes of a version last said. It informs; it never
// brings traffic back.
type Health struct {
	State State     `json:"state"`
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`
}

// State of a version's endpoint.
type State string

// The states of an endpoint.
const (
	Unknown State = "unknown" // not probed yet
	Ready   State = "ready"
	Failing State = "failing" // answers, but not as ready
	Dead    State = "dead"    // refuses connections, three times in a row
)
