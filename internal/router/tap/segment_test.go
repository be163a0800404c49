package tap

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// bySegment adds up the requests of all batches.
func bySegment(batches []evidence.Batch, into map[string]uint64) {
	for _, b := range batches {
		for arm := range b.Delta.Sides {
			into[b.Segment] += b.Delta.Sides[arm].Requests
		}
	}
}

func TestSegmentsAreCountedApartAndBounded(t *testing.T) {
	t.Parallel()
	l := evidence.NewLayout(true)
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: &l})
	const names, each = evidence.MaxSegments + 20, 50
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range names * each {
				o := evidence.Observation{Arm: split.Arm(i % 2), Bucket: uint8(i), Latency: time.Millisecond}
				r.Record(o, Sighting{Unit: uint64(i) << 32})
				r.Segment(fmt.Sprint("X=", (i+worker)%names)).Record(o, Sighting{})
			}
		})
	}
	got := map[string]uint64{}
	bySegment(tap.Collect(), got)
	wg.Wait()
	tap.Keep(nil)
	bySegment(tap.Collect(), got)
	if len(got) != evidence.MaxSegments+2 {
		t.Errorf("%d kinds of batches, want the whole, %d segments and the others", len(got), evidence.MaxSegments)
	}
	sum := uint64(0)
	for name, n := range got {
		if name != "" {
			sum += n
		}
	}
	if got[""] != 4*names*each || sum != got[""] {
		t.Errorf("the whole has %d requests, its parts %d, sent were %d", got[""], sum, 4*names*each)
	}
	if n := tap.Strata(); n != 0 {
		t.Errorf("%d recorders are still open", n)
	}
}

// A request that ends after its stratum did counts for its segment, too.
func TestALateRequestCountsForItsSegment(t *testing.T) {
	t.Parallel()
	l := evidence.NewLayout(false)
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: &l})
	s := r.Segment("X=a")
	tap.Keep(nil)
	tap.Collect()
	s.Record(evidence.Observation{Arm: split.Candidate}, Sighting{})
	r.Segment("X=b").Record(evidence.Observation{Arm: split.Candidate}, Sighting{})
	got := map[string]uint64{}
	bySegment(tap.Collect(), got)
	if got["X=a"] != 1 || got["X=b"] != 1 {
		t.Errorf("%v", got)
	}
	tap.Collect()
	if n := tap.Strata(); n != 0 {
		t.Errorf("%d recorders are still open", n)
	}
}

func TestARecorderThatIsKeptKeepsItsSegments(t *testing.T) {
	t.Parallel()
	l := evidence.NewLayout(false)
	tap := New()
	r := tap.Open(Stratum{Rollout: 1, Layout: &l})
	r.Segment("X=a")
	tap.Keep([]*Recorder{r})
	tap.Collect()
	if n := tap.Strata(); n != 2 {
		t.Errorf("%d recorders are open, want the whole and its segment", n)
	}
}
