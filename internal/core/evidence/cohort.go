package evidence

import (
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// A series with a horizon counts an exposure when it has reached that age, so
// that both arms are seen at the same age however fast their outcomes come in.
// Until then what is known of it waits in a cohort.

// Cohort is what is known of the exposures of one slot of time in one stratum.
// It waits until all of them are as old as their series' horizon.
type Cohort struct {
	Stratum int `json:"stratum"`
	// Until is when the youngest exposure reaches its age.
	Until time.Time `json:"until"`
	// Delta is what the stratum gets then. No gate reads it before.
	Delta *Stratum `json:"delta"`
}

// Slots is how many slots of time a horizon has. What waits takes the room of at
// most two slots more for each horizon and stratum, and is up to one slot late.
const Slots = 32

// exposuresAt begins the names of series that count exposures of some age.
const exposuresAt = "exposures@"

// Horizon returns the age at which an exposure counts in a series, 0 for a
// series that counts as it comes.
func (l *Layout) Horizon(series string) time.Duration { return l.Horizons[series] }

// Until returns when the slot of an exposure has reached an age as a whole.
func Until(exposed time.Time, horizon time.Duration) time.Time {
	slot := max(int64(horizon)/Slots, 1)
	at := exposed.UnixNano()
	begun := at - at%slot
	if at%slot < 0 {
		begun -= slot
	}
	return time.Unix(0, begun+slot+int64(horizon)).UTC()
}

// Cohort returns the cohort of a stratum that waits until a moment, adding it if
// there is none. It returns nil beyond MaxStrata.
func (e *Evidence) Cohort(l *Layout, stratum int, until time.Time) *Cohort {
	if stratum < 0 || stratum >= MaxStrata {
		return nil
	}
	for _, c := range e.Cohorts {
		if c.Stratum == stratum && c.Until.Equal(until) {
			return c
		}
	}
	c := &Cohort{Stratum: stratum, Until: until, Delta: newDelta(l)}
	c.Delta.Scales = slices.Clone(e.scales())
	e.Cohorts = append(e.Cohorts, c)
	return c
}

// newDelta returns a stratum without the room for what it does not get.
func newDelta(l *Layout) *Stratum {
	s := &Stratum{}
	for arm := range s.Sides {
		s.Sides[arm].Rates = make([]Tally, len(l.Rates))
		if len(l.Values) > 0 {
			s.Sides[arm].Values = make([]Value, len(l.Values))
		}
	}
	return s
}

// Clone returns a deep copy.
func (c *Cohort) Clone(l *Layout) *Cohort {
	out := &Cohort{Stratum: c.Stratum, Until: c.Until, Delta: newDelta(l)}
	out.Delta.Merge(c.Delta)
	return out
}

// ObserveOutcome adds one reported outcome of a rate.
func (c *Cohort) ObserveOutcome(l *Layout, rate int, arm split.Arm, bucket uint8, success bool) {
	c.tally(l, rate, arm).add(bucket, success)
}

// ObserveValue adds a reported number; see Stratum.ObserveValue.
func (c *Cohort) ObserveValue(l *Layout, r Raw) bool {
	if !l.takes(r) {
		return false
	}
	if v := &c.Delta.Sides[r.Arm].Values[r.Series]; (l.Clustered || l.Values[r.Series].Grouped) && v.Sums == nil {
		v.Sums = &Sums{}
	}
	return c.Delta.ObserveValue(l, r)
}

// Expose adds the requests of a batch to a series that counts exposures.
func (c *Cohort) Expose(l *Layout, rate int, seen *Stratum) {
	for arm := range seen.Sides {
		if len(seen.Sides[arm].Rates) == 0 || seen.Sides[arm].Requests == 0 {
			continue
		}
		requests := &seen.Sides[arm].Rates[errorRate]
		t := c.tally(l, rate, split.Arm(arm))
		t.N += requests.N
		if t.Buckets == nil || requests.Buckets == nil {
			continue
		}
		for i, n := range requests.Buckets.N {
			t.Buckets.N[i] += n
		}
	}
}

func (c *Cohort) tally(l *Layout, rate int, arm split.Arm) *Tally {
	t := &c.Delta.Sides[arm].Rates[rate]
	if l.Clustered && t.Buckets == nil {
		t.Buckets = &Buckets{}
	}
	return t
}

// Aged calls yield for each series that counts exposures of some age.
func (l *Layout) Aged(yield func(rate int, age time.Duration)) {
	for i, name := range l.Rates {
		if strings.HasPrefix(name, exposuresAt) {
			yield(i, l.Horizons[name])
		}
	}
}

// Mature adds the cohorts whose time has come to their strata, and returns the
// strata that it has changed.
func (e *Evidence) Mature(l *Layout, now time.Time) (changed []int) {
	left := e.Cohorts[:0]
	for _, c := range e.Cohorts {
		if now.Before(c.Until) {
			left = append(left, c)
			continue
		}
		e.Stratum(l, c.Stratum).Merge(c.Delta)
		changed = append(changed, c.Stratum)
	}
	clear(e.Cohorts[len(left):])
	e.Cohorts = left
	return changed
}

// Waiting returns how many outcomes wait for their exposure's age.
func (e *Evidence) Waiting(l *Layout) uint64 {
	var n uint64
	for _, c := range e.Cohorts {
		n += uint64(len(c.Delta.Raw))
		for arm := range c.Delta.Sides {
			n += c.Delta.Sides[arm].outcomes(l)
		}
	}
	return n
}

// outcomes is how many outcomes a side holds.
func (s *Side) outcomes(l *Layout) uint64 {
	var n uint64
	for i := range s.Rates {
		if !strings.HasPrefix(l.Rates[i], exposuresAt) {
			n += s.Rates[i].N
		}
	}
	for i := range s.Values {
		n += uint64(s.Values[i].Moments.N)
	}
	return n
}

// counted yields what is counted for the whole: the strata and what waits for
// them.
func (e *Evidence) counted(yield func(s *Stratum) bool) {
	for _, s := range e.Strata {
		if !yield(s) {
			return
		}
	}
	for _, c := range e.Cohorts {
		if !yield(c.Delta) {
			return
		}
	}
}

// scales are those of the rollout, as far as they are known; nil before anything
// was observed.
func (e *Evidence) scales() []Scale {
	var found []Scale
	for s := range e.counted {
		found, _ = joined(found, s.Scales)
	}
	return found
}

// FitsCohort reports whether a cohort, wherever it comes from, can be one of the
// layout's.
func (l *Layout) FitsCohort(c *Cohort) bool {
	if c == nil || c.Stratum < 0 || c.Stratum >= MaxStrata || !l.Fits(c.Delta) || c.Delta.Edges != nil || c.Delta.Windows != nil {
		return false
	}
	for arm := range c.Delta.Sides {
		if side := &c.Delta.Sides[arm]; len(side.Latency) > 0 || len(side.Tails) > 0 || len(side.Outputs) > 0 {
			return false
		}
	}
	return true
}
