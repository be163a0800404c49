package router

import (
	"sync/atomic"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Classes are the classes of status that requests are counted by: none (the
// caller went away first), then 1xx to 5xx.
const Classes = 6

// counts are the router's own.
type counts struct {
	running   atomic.Int64
	dropped   atomic.Uint64
	unmatched atomic.Uint64
	unread    atomic.Uint64
	panics    atomic.Uint64
	conns     atomic.Int64
}

// modelCounts outlive the tables that name their model.
type modelCounts struct {
	byArm [split.Arms][Classes]atomic.Uint64
}

func (m *modelCounts) add(arm split.Arm, status int) {
	class := status / 100
	if class < 0 || class >= Classes {
		class = Classes - 1
	}
	m.byArm[arm][class].Add(1)
}

func (r *Router) modelCounts(model string) *modelCounts {
	m := r.models[model]
	if m == nil {
		m = &modelCounts{}
		r.models[model] = m
	}
	return m
}

// Stats are the router's counts since it began.
type Stats struct {
	Models map[string]ModelStats
	// Rescued counts the requests of running rollouts that the baseline
	// answered in the candidate's place, by rollout name.
	Rescued     map[string]uint64
	Running     int64  // requests under way
	Connections int64  // of callers, open
	Idle        int    // connections to versions that wait for a request
	Held        int64  // bytes of bodies that are held to be sent again
	Dropped     uint64 // requests refused because there were too many at a time
	Unmatched   uint64 // requests that no model takes
	Unread      uint64 // requests whose body did not arrive
	Panics      uint64 // requests that the router itself failed
}

// ModelStats counts finished requests by assigned arm and class of the status
// that the caller got.
type ModelStats [split.Arms][Classes]uint64

// Stats returns the counts. It is cheap enough to be asked every second.
func (r *Router) Stats() Stats {
	s := Stats{
		Models: map[string]ModelStats{}, Rescued: map[string]uint64{},
		Running: r.counts.running.Load(), Connections: r.counts.conns.Load(), Idle: r.set.Idle(), Held: r.room.used.Load(),
		Dropped: r.counts.dropped.Load(), Unmatched: r.counts.unmatched.Load(), Unread: r.counts.unread.Load(),
		Panics: r.counts.panics.Load(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, m := range r.models {
		var out ModelStats
		for arm := range out {
			for class := range out[arm] {
				out[arm][class] = m.byArm[arm][class].Load()
			}
		}
		s.Models[name] = out
	}
	for _, ro := range r.rollouts {
		s.Rescued[ro.name] = ro.rescued.Load()
	}
	return s
}
