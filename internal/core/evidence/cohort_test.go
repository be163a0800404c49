package evidence

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

const day = 24 * time.Hour

var monday = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// aged is a layout with a rate over all exposures and a revenue, both at the age
// of a day.
func aged(clustered bool) (l Layout, bought, exposed, revenue int) {
	l = NewLayout(clustered, "outcome:bought")
	l.SetHorizon("outcome:bought", day)
	exposed = l.AddExposures(day)
	revenue = l.AddValues(Series{Name: "outcome:revenue"})
	l.SetHorizon("outcome:revenue", day)
	return l, 2, exposed, revenue
}

func TestASlotWaitsUntilAllOfItIsOfAge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		horizon := time.Duration(rapid.Int64Range(int64(time.Second), int64(90*day)).Draw(t, "horizon"))
		at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "second"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanosecond"))
		until := Until(at, horizon)
		if age := until.Sub(at); age <= horizon || age > horizon+horizon/Slots {
			t.Fatalf("an exposure counts at the age of %v, want more than %v and at most a slot more", age, horizon)
		}
		later := at.Add(time.Duration(rapid.Int64Range(0, int64(2*horizon)).Draw(t, "later")))
		if next := Until(later, horizon); next.Before(until) {
			t.Fatalf("an exposure at %v counts at %v, before one at %v", later, next, at)
		}
	})
}

func TestNothingCountsBeforeItsAge(t *testing.T) {
	t.Parallel()
	l, bought, exposed, revenue := aged(true)
	e := &Evidence{}
	e.Stratum(&l, 1)
	until := Until(monday, day)
	c := e.Cohort(&l, 1, until)
	seen := NewStratum(&l)
	for range 5 {
		seen.Observe(&l, Observation{Arm: split.Candidate, Bucket: 3})
	}
	c.Expose(&l, exposed, seen)
	c.ObserveOutcome(&l, bought, split.Candidate, 3, true)
	if !c.ObserveValue(&l, Raw{Series: revenue, Arm: split.Candidate, Bucket: 3}) || !c.ObserveValue(&l, Raw{Series: revenue, Arm: split.Candidate, Value: 7}) {
		t.Fatal("a value was not taken")
	}
	if c.ObserveValue(&l, Raw{Series: 9}) {
		t.Error("a value of no series was taken")
	}
	if n := e.Waiting(&l); n != 3 {
		t.Errorf("%d outcomes wait, want 3", n)
	}
	if changed := e.Mature(&l, until.Add(-1)); changed != nil || !e.Strata[1].Empty() {
		t.Errorf("strata %v have changed before the age is reached", changed)
	}
	if changed := e.Mature(&l, until); !slices.Equal(changed, []int{1}) || len(e.Cohorts) != 0 || e.Waiting(&l) != 0 {
		t.Errorf("strata %v have changed, and %d cohorts are left", changed, len(e.Cohorts))
	}
	side := &e.Strata[1].Sides[split.Candidate]
	if got := side.Rates[bought]; got.N != 1 || got.K != 1 || got.Buckets.K[3] != 1 {
		t.Errorf("bought: %d of %d", got.K, got.N)
	}
	if got := side.Rates[exposed]; got.N != 5 || got.K != 0 || got.Buckets.N[3] != 5 {
		t.Errorf("%d exposures, want 5", got.N)
	}
	if got := side.Values[revenue]; got.Moments.N != 1 || got.Sums.N[3] != 1 || len(e.Strata[1].Raw) != 1 {
		t.Errorf("revenue: %+v, and %d wait for their scale", got.Moments, len(e.Strata[1].Raw))
	}
	if side.Requests != 0 || side.Rates[errorRate].N != 0 {
		t.Error("requests are counted twice")
	}
}

// However the outcomes come in and whenever they are looked at: in the end the
// evidence is what it would have been without waiting.
func TestWaitingLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, bought, exposed, revenue := aged(rapid.Bool().Draw(t, "clustered"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		waits, direct := &Evidence{}, &Evidence{}
		now, alive := monday, 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rng.Int64N(int64(3 * time.Hour))))
			waits.Mature(&l, now)
			at := now.Add(-time.Duration(rng.Int64N(int64(day))))
			stratum, arm, bucket := rng.IntN(2), split.Arm(rng.IntN(2)), uint8(rng.IntN(256))
			c, d := waits.Cohort(&l, stratum, Until(at, day)), direct.Stratum(&l, stratum)
			switch rng.IntN(3) {
			case 0:
				success := rng.IntN(2) == 0
				c.ObserveOutcome(&l, bought, arm, bucket, success)
				d.ObserveOutcome(bought, arm, bucket, success)
			case 1:
				r := Raw{Series: revenue, Arm: arm, Bucket: bucket, Value: revenueOf(rng)}
				c.ObserveValue(&l, r)
				d.ObserveValue(&l, r)
			case 2:
				seen := NewStratum(&l)
				seen.Observe(&l, Observation{Arm: arm, Bucket: bucket})
				c.Expose(&l, exposed, seen)
				d.ObserveOutcome(exposed, arm, bucket, false)
			}
			if alive = max(alive, len(waits.Cohorts)); alive > 2*(Slots+2) {
				t.Fatalf("%d cohorts of two strata wait", alive)
			}
		}
		if rng.IntN(2) == 0 {
			waits = waits.Clone(&l)
		}
		waits.Mature(&l, now.Add(2*day))
		if len(waits.Cohorts) != 0 {
			t.Fatal("cohorts wait beyond their age")
		}
		sameOutcomes(t, direct, waits)
	})
}

// revenueOf draws a value that is often zero.
func revenueOf(r *rand.Rand) float64 { return max(0, 20*r.NormFloat64()) }

func sameOutcomes(t *rapid.T, a, b *Evidence) {
	t.Helper()
	if len(b.Strata) > len(a.Strata) {
		a, b = b, a
	}
	for i, s := range a.Strata {
		if i >= len(b.Strata) {
			if !s.Empty() {
				t.Fatalf("stratum %d is missing", i)
			}
			continue
		}
		for arm := range s.Sides {
			if diff := cmp.Diff(s.Sides[arm].Rates, b.Strata[i].Sides[arm].Rates); diff != "" {
				t.Fatalf("stratum %d, arm %d:\n%s", i, arm, diff)
			}
		}
		sameValues(t, s, b.Strata[i])
	}
}

// Values that wait for their age fix the scale, so that what waits is bounded.
func TestAScaleIsLearnedFromWhatWaits(t *testing.T) {
	t.Parallel()
	l, _, _, revenue := aged(false)
	e := &Evidence{}
	for i := range LearnFrom {
		c := e.Cohort(&l, 0, Until(monday.Add(time.Duration(i)*time.Minute), day))
		c.ObserveValue(&l, Raw{Series: revenue, Arm: split.Baseline, Value: float64(i + 1)})
	}
	if !e.Learn(&l) || e.Learn(&l) {
		t.Fatal("the scale was not learned, or twice")
	}
	for _, c := range e.Cohorts {
		if len(c.Delta.Raw) != 0 {
			t.Fatal("values wait for a scale that is known")
		}
	}
	if n := e.Waiting(&l); n != LearnFrom {
		t.Errorf("%d outcomes wait, want %d", n, LearnFrom)
	}
	later := e.Cohort(&l, 3, Until(monday.Add(day), day))
	later.ObserveValue(&l, Raw{Series: revenue, Arm: split.Candidate, Value: 1e6})
	e.Mature(&l, monday.Add(9*day))
	if got := e.Strata[3].Sides[split.Candidate].Values[revenue]; got.Capped != 1 || e.Strata[3].Scales[0].Cap != e.Strata[0].Scales[0].Cap {
		t.Errorf("a later cohort has another scale: %+v", got)
	}
}

func TestACohortCanBeReadBack(t *testing.T) {
	t.Parallel()
	l, bought, _, revenue := aged(true)
	l.Outputs = []Output{{Name: "output:score", Value: NoSeries}}
	e := &Evidence{}
	c := e.Cohort(&l, 0, Until(monday, day))
	c.ObserveOutcome(&l, bought, split.Baseline, 9, true)
	c.ObserveValue(&l, Raw{Series: revenue, Arm: split.Baseline, Bucket: 4, Value: 2})
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back Evidence
	if err := json.Unmarshal(body, &back); err != nil {
		t.Fatal(err)
	}
	if !l.FitsCohort(back.Cohorts[0]) {
		t.Error("it does not fit")
	}
	if diff := cmp.Diff(e.Clone(&l), back.Clone(&l)); diff != "" {
		t.Errorf("read back (-was +is):\n%s", diff)
	}
	for name, damage := range map[string]func(c *Cohort){
		"of no stratum":          func(c *Cohort) { c.Stratum = -1 },
		"of a stratum too many":  func(c *Cohort) { c.Stratum = MaxStrata },
		"of nothing":             func(c *Cohort) { c.Delta = nil },
		"with latencies":         func(c *Cohort) { c.Delta.Sides[0].Latency = make([]Histogram, 1) },
		"with a series too many": func(c *Cohort) { c.Delta.Sides[1].Rates = make([]Tally, 9) },
		"with outputs":           func(c *Cohort) { c.Delta.Sides[0].Outputs = make([]OutputCount, 1) },
		"with edges":             func(c *Cohort) { c.Delta.Edges = []int32{} },
	} {
		bad := e.Cohorts[0].Clone(&l)
		damage(bad)
		if l.FitsCohort(bad) {
			t.Errorf("%s: it fits", name)
		}
	}
	if l.FitsCohort(nil) {
		t.Error("none fits")
	}
	if e.Cohort(&l, MaxStrata, monday) != nil {
		t.Error("a cohort beyond the strata")
	}
}
