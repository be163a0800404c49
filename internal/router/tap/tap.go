// Package tap carries observations out of the data plane: one Record per
// finished request, straight into the sufficient statistics of the request's
// stratum.
//
// It promises that a request is never slowed down by whoever reads (Record
// takes one short lock of a shard and allocates nothing once a shard is warm),
// and that nothing is lost: what finishes after its stratum ended, or after
// its rollout left the routing table, still counts for the stratum that it was
// exposed in and comes with the next Collect. Memory is bounded by the layout
// and by the room for sightings of units; what does not fit there is counted
// as lost, while the requests themselves are counted all the same. If nobody
// collects, the counts simply grow.
package tap

import (
	"math/bits"
	"runtime"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// maxShards bounds the memory of a stratum on machines with many cores.
const maxShards = 8

// Stratum names what a Recorder records.
type Stratum struct {
	Rollout uint64
	Stratum uint8
	Layout  *evidence.Layout
	Edges   []int32          // frozen sketch edges; nil until frozen
	Scales  []evidence.Scale // of the layout's values, as far as they are known
	Segment string           // a part of the traffic; empty for the whole
}

// Tap is all recorders of a data plane. It is safe for concurrent use.
type Tap struct {
	shards int

	mu   sync.Mutex
	open map[key]*Recorder
}

// key tells the strata of all rollouts apart.
type key struct {
	rollout uint64
	stratum uint8
	segment string
}

func (s Stratum) key() key { return key{s.Rollout, s.Stratum, s.Segment} }

// New returns a Tap with as many shards as there are processors.
func New() *Tap {
	n := 1 << bits.Len(uint(runtime.GOMAXPROCS(0)-1))
	return &Tap{shards: min(n, maxShards), open: map[key]*Recorder{}}
}

// Open returns the recorder of a stratum, the same one each time while it is
// open. Edges that have been frozen since are taken over.
func (t *Tap) Open(s Stratum) *Recorder {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.open[s.key()]
	if r == nil {
		r = newRecorder(t, s, t.shards)
		t.open[s.key()] = r
	}
	r.retired = false
	r.freeze(s.Edges)
	r.rescale(s.Scales)
	r.eachSegment(func(s *Recorder) {
		s.retired = false
		s.freeze(r.is.Edges)
		s.rescale(r.is.Scales)
	})
	return r
}

// Keep retires every recorder that is not listed: it is closed by the next
// Collect, which takes what it holds.
func (t *Tap) Keep(wanted []*Recorder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.open {
		r.retired = true
	}
	for _, r := range wanted {
		r.retired = false
		r.eachSegment(func(s *Recorder) { s.retired = false })
	}
}

// Collect returns what was recorded since the last Collect, one batch for each
// stratum that saw anything.
func (t *Tap) Collect() []evidence.Batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []evidence.Batch
	for k, r := range t.open {
		b, found := r.collect(r.retired)
		if found {
			out = append(out, b)
		}
		if r.retired {
			delete(t.open, k)
		}
	}
	return out
}

// late returns an open recorder for one that was closed before all its
// requests had finished. It is closed again once it was collected.
func (t *Tap) late(closed *Recorder) *Recorder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.open[closed.is.key()]; r != nil {
		return r
	}
	r := newRecorder(t, closed.is, 1)
	r.retired = true
	t.open[closed.is.key()] = r
	return r
}

// Strata returns how many recorders are open, for tests and metrics.
func (t *Tap) Strata() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}
