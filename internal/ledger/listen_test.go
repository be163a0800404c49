package ledger_test

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// A rollout has ended, and nobody asks the data plane any more, when the last
// requests of the candidate are answered.
func TestWhatIsSeenAfterTheEndIsCounted(t *testing.T) {
	run(t, false, func(t *testing.T, b *bench) {
		b.flushes(t)
		b.End(id, time.Now())
		before := b.Version(id)
		late := evidence.Batch{Rollout: id, Delta: evidence.NewStratum(b.layout)}
		late.Delta.Observe(b.layout, evidence.Observation{Arm: split.Candidate, Latency: time.Second})
		b.target.Inject(late)
		time.Sleep(time.Second)
		ev, ok := b.Evidence(id)
		if !ok || ev.Exposed(split.Candidate) != 1 {
			t.Fatalf("the late request is not counted: %+v", ev)
		}
		if after := b.Version(id); after == before {
			t.Errorf("the evidence changed and its version is %d still", after)
		}
	})
}
