package sampler

import (
	"maps"
	"time"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/rollout"
)

// State is what became of the windows of one gauge since the Sampler began.
type State struct {
	rollout.Source
	// Windows is how many were complete.
	Windows uint64
	// Dropped is how many were not, by reason.
	Dropped map[query.Missing]uint64
}

// States returns what became of the windows, in the order of the plan's
// resources. It is as of the last window, and never changes afterwards.
func (s *Sampler) States() []State { return *s.states.Load() }

// tell publishes the states as change leaves them.
func (s *Sampler) tell(change func([]State)) {
	before := s.States()
	after := make([]State, len(before))
	for i, state := range before {
		after[i] = state
		after[i].Dropped = maps.Clone(state.Dropped)
		after[i].Since = stamp(s.since)
	}
	change(after)
	s.states.Store(&after)
}

// took counts a complete window.
func (s *Sampler) took(gauge int, end time.Time) {
	s.tell(func(states []State) {
		states[gauge].Windows++
		states[gauge].Complete, states[gauge].Missing = stamp(end), ""
	})
	s.o.Closed("")
}

// dropped counts a window that was not. where says what is missing at whom; it
// is empty where nobody is to blame.
func (s *Sampler) dropped(gauge int, why query.Missing, where string) {
	s.tell(func(states []State) {
		state := &states[gauge]
		if state.Dropped == nil {
			state.Dropped = map[query.Missing]uint64{}
		}
		state.Dropped[why]++
		if where != "" {
			state.Missing = where
		}
	})
	s.o.Closed(why)
	s.o.Log.Debug("a window of a resource is dropped", "gate", s.gauges[gauge].name, "reason", string(why), "detail", where)
}

// stamp is a time as it is stored: without the monotonic reading.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
