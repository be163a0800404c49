package evidence

import "github.com/belay-rollouts/belay/internal/core/split"

// Tally counts events among exposures, in all and, where units cluster, per
// hash bucket. A unit's requests all fall into one bucket, whatever its arm.
type Tally struct {
	N uint64 `json:"n"` // exposures
	K uint64 `json:"k"` // events
	// Buckets are nil where every request is a unit of its own.
	Buckets *Buckets `json:"buckets,omitempty"`
}

// Buckets are the exposures and events of each hash bucket.
type Buckets struct {
	N [split.Buckets]uint64 `json:"n"`
	K [split.Buckets]uint64 `json:"k"`
}

func newTally(clustered bool) Tally {
	if clustered {
		return Tally{Buckets: &Buckets{}}
	}
	return Tally{}
}

func (t *Tally) add(bucket uint8, event bool) {
	t.N++
	if event {
		t.K++
	}
	if t.Buckets == nil {
		return
	}
	t.Buckets.N[bucket]++
	if event {
		t.Buckets.K[bucket]++
	}
}

func (t *Tally) merge(o *Tally) {
	t.N += o.N
	t.K += o.K
	if o.Buckets == nil {
		return
	}
	if t.Buckets == nil {
		t.Buckets = &Buckets{}
	}
	for i := range o.Buckets.N {
		t.Buckets.N[i] += o.Buckets.N[i]
		t.Buckets.K[i] += o.Buckets.K[i]
	}
}

func (t *Tally) reset() {
	t.N, t.K = 0, 0
	if t.Buckets != nil {
		*t.Buckets = Buckets{}
	}
}
