package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// seeSegment makes the data plane have seen n requests of a segment.
func (b *bench) seeSegment(t *testing.T, name string, arm split.Arm, n int) {
	t.Helper()
	b.see(t, 0, arm, "anna", n)
	batch := evidence.Batch{Rollout: id, Segment: name, Delta: evidence.NewStratum(b.layout)}
	for range n {
		batch.Delta.Observe(b.layout, evidence.Observation{Arm: arm, Latency: 10 * time.Millisecond})
	}
	b.target.Inject(batch)
	b.collect(t)
}

// inSegment is how many requests and right answers a segment of the candidate has.
func (b *bench) inSegment(t *testing.T, name string) (requests, right uint64) {
	t.Helper()
	ev, ok := b.Evidence(id)
	if !ok {
		t.Fatal("no evidence")
	}
	for _, s := range ev.Segments {
		if s.Name == name {
			side := &s.Strata[0].Sides[split.Candidate]
			return side.Requests, side.Rates[2].K
		}
	}
	return 0, 0
}

func TestSegmentsAreKeptAndSurviveARestart(t *testing.T) {
	run(t, true, func(t *testing.T, b *bench) {
		b.seeSegment(t, "X-Country=DE", split.Candidate, 5)
		b.seeSegment(t, "X-Country=MT", split.Candidate, 2)
		marked := signer.Token(assignment.Exposure{
			Rollout: id, Arm: split.Candidate, Unit: salt.Hash("anna").Second, Time: time.Now(),
			Segments: [assignment.MaxSegments]uint32{assignment.Mark("X-Country=MT")},
		})
		b.report(t, outcome("1", marked, 1), outcome("2", token(0, split.Candidate, "anna"), 1))
		check := func() {
			t.Helper()
			if n, right := b.inSegment(t, "X-Country=MT"); n != 2 || right != 1 {
				t.Errorf("MT: %d requests, %d right; want 2 and 1", n, right)
			}
			if n, right := b.inSegment(t, "X-Country=DE"); n != 5 || right != 0 {
				t.Errorf("DE: %d requests, %d right; want 5 and none", n, right)
			}
			if got := b.correct(t, 0, split.Candidate); got != [2]uint64{2, 2} {
				t.Errorf("the whole: %v", got)
			}
		}
		check()
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		check()
	})
}

func TestOutcomesOfSegmentsBeyondTheBoundCountAsOther(t *testing.T) {
	run(t, false, func(t *testing.T, b *bench) {
		for i := range evidence.MaxSegments + 3 {
			b.seeSegment(t, fmt.Sprint("X-Country=", i), split.Candidate, 1)
		}
		marked := signer.Token(assignment.Exposure{
			Rollout: id, Arm: split.Candidate, Time: time.Now(),
			Segments: [assignment.MaxSegments]uint32{assignment.Mark(fmt.Sprint("X-Country=", evidence.MaxSegments+1))},
		})
		b.report(t, outcome("1", marked, 1))
		if n, right := b.inSegment(t, evidence.OtherSegment); n != 3 || right != 1 {
			t.Errorf("other: %d requests, %d right; want 3 and 1", n, right)
		}
	})
}
