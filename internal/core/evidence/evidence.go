// Package evidence holds what has been seen of a rollout, as sufficient
// statistics: counts, never requests.
//
// Evidence is split by stratum of exposure (a period of constant weight) and
// by arm. A record belongs to the stratum in which its unit or request was
// routed, also when its outcome arrives days later. Nearly everything is a count
// of whole numbers, so merging is addition: shards, replicas and batches merge in
// any order and any grouping to the same evidence; moments of values do so up to
// the rounding of sums. Memory is bounded by the layout, which is fixed when a
// rollout starts, and by MaxStrata.
//
// The package judges nothing; it is read by core/gate.
package evidence

import (
	"slices"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// MaxStrata bounds the changes of weight within one rollout.
const MaxStrata = 64

// The rates that the router itself observes come first in every layout.
const (
	ErrorRate       = "error_rate"
	ClientErrorRate = "client_error_rate"

	errorRate       = 0
	clientErrorRate = 1
)

// Layout says what a rollout's evidence holds. It is derived from the plan and
// never changes while the rollout runs.
type Layout struct {
	// Rates names the event series: ErrorRate, ClientErrorRate, then the
	// outcomes that gates read (`outcome:correct`).
	Rates []string `json:"rates"`
	// Sketches are the bases of the latency sketches, one per distinct margin.
	Sketches []Base `json:"sketches,omitempty"`
	// Tails are the quantiles whose dispersion between units is followed.
	// They are kept only where Clustered.
	Tails []Tail `json:"tails,omitempty"`
	// Values names the series of numbers.
	Values []Series `json:"values,omitempty"`
	// Outputs are what is read out of the answers.
	Outputs []Output `json:"outputs,omitempty"`
	// Gauges names the resources of the servers.
	Gauges []string `json:"gauges,omitempty"`
	// Horizons are the ages that an exposure must have before it counts in a
	// series, and beyond which nothing is counted any more. A series without one
	// counts as it comes. Among the rates may be bare counts of exposures of some
	// age (see AddExposures).
	Horizons map[string]time.Duration `json:"horizons,omitempty"`
	// Clustered is true when a unit may send many requests, so that the
	// dispersion between units has to be estimated from hash buckets.
	Clustered bool `json:"clustered,omitempty"`
}

// Tail is a latency quantile that is compared at a margin.
type Tail struct {
	Sketch   int     `json:"sketch"`   // index into Layout.Sketches
	Quantile float64 `json:"quantile"` // 0.99 for the 99th percentile
	Steps    int32   `json:"steps"`    // the margin, in steps of the sketch's base
}

// NewLayout returns a layout with the router's own rates and the given
// outcomes after them.
func NewLayout(clustered bool, outcomes ...string) Layout {
	return Layout{Rates: append([]string{ErrorRate, ClientErrorRate}, outcomes...), Clustered: clustered}
}

// AddExposures returns the index of the rate that has the number of exposures: of
// all, or of those that are of an age. Its events mean nothing.
func (l *Layout) AddExposures(age time.Duration) int {
	if age == 0 {
		return errorRate // It counts every request.
	}
	name := "exposures@" + age.String()
	if i, ok := l.Rate(name); ok {
		return i
	}
	l.Rates = append(l.Rates, name)
	l.SetHorizon(name, age)
	return len(l.Rates) - 1
}

// SetHorizon sets the horizon of a series.
func (l *Layout) SetHorizon(series string, horizon time.Duration) {
	if l.Horizons == nil {
		l.Horizons = map[string]time.Duration{}
	}
	l.Horizons[series] = horizon
}

// AddValues returns the index of a series of numbers, adding it to the layout.
func (l *Layout) AddValues(s Series) int {
	for i := range l.Values {
		if have := &l.Values[i]; have.Name == s.Name {
			have.Bins, have.Cap = max(have.Bins, s.Bins), max(have.Cap, s.Cap)
			have.Grouped = have.Grouped || s.Grouped
			have.Covariate = have.Covariate || s.Covariate
			return i
		}
	}
	l.Values = append(l.Values, s)
	return len(l.Values) - 1
}

// AddGauge returns the index of a gauge, adding it to the layout.
func (l *Layout) AddGauge(name string) int {
	if i := slices.Index(l.Gauges, name); i >= 0 {
		return i
	}
	l.Gauges = append(l.Gauges, name)
	return len(l.Gauges) - 1
}

// Value returns the index of a named series of numbers.
func (l *Layout) Value(name string) (int, bool) {
	for i := range l.Values {
		if l.Values[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// Rate returns the index of a named rate.
func (l *Layout) Rate(name string) (int, bool) {
	for i, r := range l.Rates {
		if r == name {
			return i, true
		}
	}
	return 0, false
}

// Evidence is all that has been seen of one rollout, stratum by stratum.
type Evidence struct {
	Strata []*Stratum `json:"strata"`
	// Segments are in the order of their first appearance.
	Segments []*Segment `json:"segments,omitempty"`
	// Cohorts wait for their age.
	Cohorts []*Cohort `json:"cohorts,omitempty"`
}

// Stratum is the evidence of one period of constant weight.
type Stratum struct {
	Sides [split.Arms]Side `json:"sides"` // by arm
	// Edges are the frozen sketch edges of Layout.Tails; nil until frozen.
	Edges []int32 `json:"edges,omitempty"`
	// Scales are those of Layout.Values; nil until something was observed.
	Scales []Scale `json:"scales,omitempty"`
	// Raw are observations that wait for their scale. No gate reads them.
	Raw []Raw `json:"raw,omitempty"`
	// Narrow keeps no bins: that of a segment, in which no distribution is judged.
	Narrow bool `json:"narrow,omitempty"`
	// Gauges are by Layout.Gauges.
	Gauges []Gauge `json:"gauges,omitempty"`
	// Windows are the counts by time; nil before the first Tick.
	Windows *Windows `json:"windows,omitempty"`
	// Lost counts exposures that could not be noted for want of room. The
	// requests themselves are counted all the same.
	Lost uint64 `json:"lost,omitempty"`
	// Kept is the lowest sampling level at which every unit was noted.
	Kept int `json:"kept,omitempty"`
}

// Side is what one arm did in one stratum.
type Side struct {
	Requests uint64      `json:"requests"`           // assigned to the arm and finished
	Shielded uint64      `json:"shielded,omitempty"` // answered by the baseline in the candidate's place
	Units    Units       `json:"units"`
	Rates    []Tally     `json:"rates"`             // by Layout.Rates
	Latency  []Histogram `json:"latency,omitempty"` // by Layout.Sketches
	Tails    []Tally     `json:"tails,omitempty"`   // by Layout.Tails, at the frozen edges
	Values   []Value     `json:"values,omitempty"`  // by Layout.Values
	// Outputs are by Layout.Outputs.
	Outputs []OutputCount `json:"outputs,omitempty"`
}

// Observation is one finished request, as the router saw it.
type Observation struct {
	Arm         split.Arm
	Bucket      uint8 // the unit's dispersion bucket
	Error       bool
	ClientError bool
	Shielded    bool
	// Latency is the time to the whole answer; 0 leaves latency out (a request
	// that was never answered, or one within the warm-up).
	Latency time.Duration
	// Outputs are what was read of the outputs; the caller may use them again when
	// they have been observed.
	Outputs []Reading
}

// NewStratum returns an empty stratum with room for everything in the layout.
func NewStratum(l *Layout) *Stratum {
	s := &Stratum{}
	if len(l.Gauges) > 0 {
		s.Gauges = make([]Gauge, len(l.Gauges))
	}
	for arm := range s.Sides {
		s.Sides[arm] = newSide(l)
	}
	return s
}

func newSide(l *Layout) Side {
	side := Side{Rates: make([]Tally, len(l.Rates)), Latency: make([]Histogram, len(l.Sketches))}
	for i := range side.Rates {
		side.Rates[i] = newTally(l.Clustered)
	}
	if len(l.Values) > 0 {
		side.Values = make([]Value, len(l.Values))
		for i := range side.Values {
			side.Values[i] = newValue(l.Clustered || l.Values[i].Grouped)
		}
	}
	if len(l.Outputs) > 0 {
		side.Outputs = make([]OutputCount, len(l.Outputs))
		for i := range l.Outputs {
			for _, class := range l.Outputs[i].Classes {
				side.Rates[class.Rate] = newTally(true)
			}
		}
	}
	if l.Clustered {
		side.Tails = make([]Tally, len(l.Tails))
		for i := range side.Tails {
			side.Tails[i] = newTally(true)
		}
	}
	return side
}

// Observe adds one request. It allocates only when a latency falls outside
// what its sketch has room for; see Reserve.
func (s *Stratum) Observe(l *Layout, o Observation) {
	side := &s.Sides[o.Arm]
	side.Requests++
	if o.Shielded {
		side.Shielded++
	}
	side.Rates[errorRate].add(o.Bucket, o.Error)
	side.Rates[clientErrorRate].add(o.Bucket, o.ClientError)
	if len(o.Outputs) > 0 {
		s.read(l, o)
	}
	if o.Latency <= 0 {
		return
	}
	for i, base := range l.Sketches {
		at := base.Index(o.Latency)
		side.Latency[i].Add(at, 1)
		if s.Edges != nil {
			s.observeTails(l, o, i, at)
		}
	}
}

// observeTails counts a request in bucket at of a sketch at the frozen edges:
// the baseline at the edge itself, the candidate at the edge times the margin.
func (s *Stratum) observeTails(l *Layout, o Observation, sketch int, at int32) {
	for i := range l.Tails {
		tail := &l.Tails[i]
		if tail.Sketch != sketch {
			continue
		}
		edge := s.Edges[i]
		if o.Arm == split.Candidate {
			edge += tail.Steps
		}
		s.Sides[o.Arm].Tails[i].add(o.Bucket, at >= edge)
	}
}

// ObserveOutcome adds one reported outcome of a rate.
func (s *Stratum) ObserveOutcome(rate int, arm split.Arm, bucket uint8, success bool) {
	s.Sides[arm].Rates[rate].add(bucket, success)
}

// FreezeAfter is how many latencies of the baseline in a stratum fix the edges at
// which the dispersion of its quantiles is followed. A warm-up has requests and
// no latencies.
const FreezeAfter = 2000

// Freeze fixes the edges of the layout's tails from the baseline's sketches,
// once. It reports whether it did so now.
func (s *Stratum) Freeze(l *Layout) bool {
	baseline := &s.Sides[split.Baseline]
	if !l.Clustered || len(l.Tails) == 0 || s.Edges != nil || baseline.Requests < FreezeAfter {
		return false
	}
	edges := make([]int32, len(l.Tails))
	for i, tail := range l.Tails {
		h := &baseline.Latency[tail.Sketch]
		if h.Total() < FreezeAfter {
			return false
		}
		edges[i], _ = h.EdgeFor(1 - tail.Quantile)
	}
	s.Edges = edges
	return true
}

// Merge adds other to s. Both must be of the same layout. Edges are taken over
// when s has none; the tallies of a shard that was frozen at other edges are
// the caller's mistake.
func (s *Stratum) Merge(other *Stratum) {
	s.mergeWindows(other)
	for arm := range s.Sides {
		s.Sides[arm].merge(&other.Sides[arm])
	}
	if s.Edges == nil && other.Edges != nil {
		s.Edges = append([]int32(nil), other.Edges...)
	}
	s.Narrow = s.Narrow || other.Narrow
	s.mergeValues(other)
	for i := range min(len(s.Gauges), len(other.Gauges)) {
		if other.Gauges[i].Ratio.N() > s.Gauges[i].Ratio.N() {
			s.Gauges[i] = other.Gauges[i].clone()
		}
	}
	s.Lost += other.Lost
	s.Kept = max(s.Kept, other.Kept)
}

func (s *Side) merge(b *Side) {
	s.Requests += b.Requests
	s.Shielded += b.Shielded
	s.Units.merge(&b.Units)
	for i := range b.Rates {
		s.Rates[i].merge(&b.Rates[i])
	}
	for i := range b.Latency {
		s.Latency[i].Merge(&b.Latency[i])
	}
	for i := range b.Tails {
		s.Tails[i].merge(&b.Tails[i])
	}
	for i := range b.Values {
		s.Values[i].merge(&b.Values[i])
	}
	for i := range b.Outputs {
		s.Outputs[i].Add(b.Outputs[i])
	}
}

// Reset empties the stratum and keeps its room and its edges.
func (s *Stratum) Reset() {
	for arm := range s.Sides {
		side := &s.Sides[arm]
		side.Requests, side.Shielded, side.Units = 0, 0, Units{}
		for i := range side.Rates {
			side.Rates[i].reset()
		}
		for i := range side.Latency {
			side.Latency[i].reset()
		}
		for i := range side.Tails {
			side.Tails[i].reset()
		}
		for i := range side.Values {
			side.Values[i].reset()
		}
		clear(side.Outputs)
	}
	s.Raw = s.Raw[:0]
	clear(s.Gauges)
	s.Windows = nil
	s.Lost, s.Kept = 0, 0
}

// Reserve makes room in the sketches for every latency, so that Observe
// allocates nothing.
func (s *Stratum) Reserve(l *Layout) {
	for arm := range s.Sides {
		for i, base := range l.Sketches {
			s.Sides[arm].Latency[i].reserve(base)
		}
	}
}

// Empty reports whether nothing has been added.
func (s *Stratum) Empty() bool {
	for arm := range s.Sides {
		side := &s.Sides[arm]
		if side.Requests > 0 || !side.Units.empty() {
			return false
		}
		for i := range side.Rates {
			if side.Rates[i].N > 0 {
				return false
			}
		}
	}
	return s.Lost == 0 && len(s.Raw) == 0 && !s.measured()
}

// measured reports whether a series or a gauge has been observed.
func (s *Stratum) measured() bool {
	for arm := range s.Sides {
		for i := range s.Sides[arm].Values {
			if s.Sides[arm].Values[i].Moments.N > 0 {
				return true
			}
		}
	}
	for i := range s.Gauges {
		if s.Gauges[i].Ratio.N() > 0 {
			return true
		}
	}
	return false
}

// Stratum returns stratum i, making room up to it. It returns nil beyond
// MaxStrata.
func (e *Evidence) Stratum(l *Layout, i int) *Stratum {
	if i < 0 || i >= MaxStrata {
		return nil
	}
	for len(e.Strata) <= i {
		s := NewStratum(l)
		if n := len(e.Strata); n > 0 {
			s.Scales = slices.Clone(e.Strata[n-1].Scales)
		}
		e.Strata = append(e.Strata, s)
	}
	return e.Strata[i]
}

// Clone returns a deep copy.
func (e *Evidence) Clone(l *Layout) *Evidence {
	out := &Evidence{Strata: make([]*Stratum, len(e.Strata))}
	for i, s := range e.Strata {
		out.Strata[i] = NewStratum(l)
		out.Strata[i].Merge(s)
	}
	for _, segment := range e.Segments {
		copied := &Segment{Name: segment.Name, Strata: make([]*Stratum, len(segment.Strata))}
		for i, s := range segment.Strata {
			if s != nil {
				copied.Strata[i] = NewStratum(l)
				copied.Strata[i].Merge(s)
			}
		}
		out.Segments = append(out.Segments, copied)
	}
	for _, c := range e.Cohorts {
		out.Cohorts = append(out.Cohorts, c.Clone(l))
	}
	return out
}

// Exposed returns the requests that the arm has served, over all strata.
func (e *Evidence) Exposed(arm split.Arm) uint64 {
	var n uint64
	for _, s := range e.Strata {
		n += s.Sides[arm].Requests
	}
	return n
}
