package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/client"
)

// Result is what a run has shown.
type Result struct {
	// Endings are the rollouts that were played, in their order.
	Endings []Ending
	// Requests were sent, Failed of them were not answered as they should have been, and Shielded of them were answered
	// by the baseline because the candidate failed. v1 itself never fails, so every failed request is one that the
	// baseline would have answered.
	Requests, Failed, Shielded uint64
	// Labels were reported and taken; LabelsLost were not.
	Labels, LabelsLost uint64
	// Busy says that the machine did not keep up at some time, which was warned of.
	Busy bool
	// Took is the time from the start to the end, training included.
	Took time.Duration
}

// Ending is how a rollout ended.
type Ending struct {
	// Candidate is what was declared about it.
	Candidate Candidate
	// Phase is where the rollout stood at the end, and Gate what rolled it back.
	Phase client.Phase
	Gate  string
	// Reason and Sentence are those of the last decision.
	Reason, Sentence string
	// Stage is the weight of the stage that it reached, in percent as the policy writes it.
	Stage float64
	// Requests and Units are what the candidate was exposed to, as Belay counts it. Arrived is what its server counted.
	Requests, Units int64
	Arrived         uint64
	// Shielded are the requests that v1 answered because the candidate had failed.
	Shielded int64
	// LastRequest is the time from the decision to the start of the last request at the version that lost its traffic,
	// by the clock of its own server; 0 if none started after it. That is the candidate, or v1 after a completion.
	LastRequest time.Duration
	// Confirmed is the time from the decision until the traffic was read back as asked.
	Confirmed time.Duration
	// Took is the time from its apply to its ending.
	Took time.Duration

	decidedAt time.Time
}

// AsExpected says whether the rollout ended as it should.
func (e Ending) AsExpected() bool { return e.Phase == e.Candidate.Phase && e.Gate == e.Candidate.Gate }

// Unexpected is the error of a run in which a rollout ended otherwise than it should, or a request was lost.
type Unexpected struct {
	Result Result
}

// Error names every rollout that ended otherwise.
func (u *Unexpected) Error() string {
	var parts []string
	for _, e := range u.Result.Endings {
		if !e.AsExpected() {
			parts = append(parts, fmt.Sprintf("%s %s; it should %s",
				e.Candidate.Version, past(e.Phase, e.Gate), infinitive(e.Candidate)))
		}
	}
	if u.Result.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d requests failed that the baseline would have answered", u.Result.Failed))
	}
	return "the demo did not end as it should: " + strings.Join(parts, "; ")
}

// past says what became of a rollout.
func past(phase client.Phase, gate string) string {
	text := ending(phase, gate)
	switch phase {
	case client.RolledBack, client.Aborted:
		return "was " + text
	case client.Completed:
		return text
	case client.Pending, client.Progressing, client.Holding, client.AwaitingApproval:
	}
	return "is " + text
}

// infinitive says what should become of a candidate.
func infinitive(c Candidate) string {
	if c.Phase == client.Completed {
		return "go to 100%"
	}
	return "be " + ending(c.Phase, c.Gate)
}

// right is the number of rollouts that ended as they should.
func (r Result) right() int {
	n := 0
	for _, e := range r.Endings {
		if e.AsExpected() {
			n++
		}
	}
	return n
}

// unexpected is nil for a result that is as it should be.
func (r Result) unexpected() error {
	if r.right() < len(r.Endings) || r.Failed > 0 {
		return &Unexpected{Result: r}
	}
	return nil
}
