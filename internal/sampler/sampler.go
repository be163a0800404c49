// Package sampler measures the resources of a rollout's servers: it reads both
// arms at the same moments, window by window, and hands the two levels of every
// complete window on.
//
//	Look ─► read baseline and candidate, side by side ─► window ─► Take
//	                                                        └────► dropped, with a reason
//
// A window counts for both arms or for none. It is dropped when a server of
// either arm could not be read, had no such series, said what is no number above
// zero, or counted backwards, and when it does not lie within one period of
// constant weight. Within a warm-up no window is taken. So what is handed on is
// never a guess, and what is missing is counted with its reason.
//
// One Sampler serves one rollout. Reading servers takes place in goroutines of
// its own, each with a deadline, and delays nobody: the loop that decides looks
// at States, which is always as of the last window. It decides nothing: that a
// source is down is for core/rollout to say.
package sampler

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/metric"
)

// Nothing is the stratum of a Place at which nothing is compared.
const Nothing = -1

// Place is where a rollout stands while its servers are read.
type Place struct {
	// Stratum in force, or Nothing: before the start, after the end, off the asked
	// weight, or with one arm without traffic.
	Stratum int
	// Stage is the planned stage of the stratum.
	Stage int
	// Warm is when its warm-up ends.
	Warm time.Time
}

// Window is one window in which both arms have a level.
type Window struct {
	Stratum             int
	Gauge               string
	Candidate, Baseline float64
}

// Windows are also dropped for these reasons, besides those of core/query.
const (
	// WeightChanged means that the window does not lie within one stratum.
	WeightChanged query.Missing = "WeightChanged"
	// NotKept means that nobody took the window.
	NotKept query.Missing = "NotKept"
)

// Options are what a Sampler needs.
type Options struct {
	Source metric.Source
	Plan   *rollout.Plan
	// Look says where the rollout stands. It must not block.
	Look func() Place
	// Take takes a complete window, and reports whether it did.
	Take func(Window) bool
	// Closed is told of every window of a gauge that ends, with "" when it was
	// complete; nil tells nobody.
	Closed func(why query.Missing)
	Log    *slog.Logger // nil is silent
}

// Sampler measures the resources of one rollout.
type Sampler struct {
	o      Options
	gauges []gauge
	arms   [split.Arms]arm
	states atomic.Pointer[[]State]

	// What follows belongs to Run.
	window *window // that is open
	since  time.Time
}

// gauge is one resource of the plan.
type gauge struct {
	name  string
	query query.Query
	from  int // the first stage at which a gate wants it
}

// arm is where the servers of a version are read.
type arm struct{ servers []string }

const (
	// readTimeout bounds the reading of one server.
	readTimeout = 5 * time.Second
	// idleLook is how often a Sampler looks whether there is something to measure.
	idleLook = time.Second
)

// New returns a Sampler that does nothing until Run. It refuses a plan whose
// queries cannot be read.
func New(o Options) (*Sampler, error) {
	s := &Sampler{o: o}
	if s.o.Log == nil {
		s.o.Log = slog.New(slog.DiscardHandler)
	}
	if s.o.Closed == nil {
		s.o.Closed = func(query.Missing) {}
	}
	states := []State{}
	for _, r := range o.Plan.Resources {
		q, err := query.Parse(r.Query)
		if err != nil {
			return nil, fmt.Errorf("read the query of %s: %w", r.Gauge, err)
		}
		s.gauges = append(s.gauges, gauge{name: r.Gauge, query: q, from: wantedFrom(o.Plan, r.Gauge)})
		states = append(states, State{Source: rollout.Source{Gauge: r.Gauge}})
	}
	s.arms[split.Baseline] = arm{servers: o.Plan.Baseline.Scraped()}
	s.arms[split.Candidate] = arm{servers: o.Plan.Candidate.Scraped()}
	s.states.Store(&states)
	return s, nil
}

// wantedFrom is the first stage at which a gate wants a gauge.
func wantedFrom(p *rollout.Plan, name string) int {
	from := len(p.Stages)
	for i := range p.Gates {
		if g := &p.Gates[i]; g.Kind == gate.Gauge && g.Name == name {
			from = min(from, g.From)
		}
	}
	return from
}

// Run measures until ctx ends. What it started has ended when it returns.
func (s *Sampler) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		next := s.look(ctx)
		timer.Reset(max(time.Until(began.Add(next)), time.Millisecond))
	}
}

// look takes a reading, if there is something to measure, and returns how long
// after its beginning the next look is due.
func (s *Sampler) look(ctx context.Context) time.Duration {
	place, now := s.o.Look(), time.Now()
	asked := s.asks(place)
	if len(asked.questions) == 0 {
		s.rest()
		return idleLook
	}
	if cold := place.Warm.Sub(now); cold > 0 {
		s.rest()
		return min(cold, idleLook)
	}
	if s.since.IsZero() {
		s.since = now
		s.tell(func([]State) {})
	}
	r := s.read(ctx, asked.selectors)
	switch {
	case ctx.Err() != nil:
		return idleLook
	case s.o.Look().Stratum != place.Stratum:
		s.rest()
		return time.Millisecond
	}
	length, readings := s.o.Plan.Stages[place.Stage].Window()
	s.add(place.Stratum, asked, r)
	if s.window.lasts(length, readings) {
		s.close()
	}
	return length / time.Duration(readings)
}

// rest drops what is open: it would not lie within one stratum.
func (s *Sampler) rest() {
	s.abandon()
	if !s.since.IsZero() {
		s.since = time.Time{}
		s.tell(func([]State) {})
	}
}
