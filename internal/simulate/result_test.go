package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRatesHaveExactIntervals(t *testing.T) {
	t.Parallel()
	// Clopper and Pearson; 0 of n is 1-(alpha/2)^(1/n).
	for _, tt := range []struct {
		k, n         int
		lower, upper float64
	}{
		{0, 100, 0, 1 - math.Pow(0.025, 0.01)},
		{100, 100, math.Pow(0.025, 0.01), 1},
		{5, 100, 0.016431878, 0.112834911},
		{1, 2, 0.012579117, 0.987420883},
		{0, 0, 0, 1},
	} {
		r := NewRate(tt.k, tt.n, 0.05)
		if math.Abs(r.Lower-tt.lower) > 1e-8 || math.Abs(r.Upper-tt.upper) > 1e-8 || r.Count != tt.k {
			t.Errorf("%d of %d: %+v, want %v to %v", tt.k, tt.n, r, tt.lower, tt.upper)
		}
	}
}

func TestAResultTellsTimesByTheEndings(t *testing.T) {
	t.Parallel()
	w := &World{}
	w.Scenario.Name = "x"
	plays := []Play{
		{Ending: RolledBack, Reason: "GateFailed", Gate: "error_rate", Took: time.Minute, Exposed: 10, Harmed: 4, Weight: 100, Requests: 7},
		{Ending: RolledBack, Reason: "GateFailed", Gate: "latency_p99", Took: 3 * time.Minute, Exposed: 20, Weight: 2500, Requests: 7},
		{Ending: RolledBack, Reason: "GateFailed", Gate: "error_rate", Took: 2 * time.Minute, Exposed: 30, Weight: 1000, Requests: 7},
		{Ending: Promoted, Reason: "Completed", Took: time.Hour, Exposed: 1000, Requests: 7},
	}
	r := w.result(Options{Reps: 9, Seed: 3}, plays)
	if r.RolledBack.Count != 3 || r.Promoted.Count != 1 || r.Held.Count != 0 || r.Early.Count != 2 || r.Reps != 4 || r.Asked != 9 || r.Requests != 28 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(&Quantiles{Mean: 120, P50: 120, P90: 180, Max: 180}, r.ToRollback); diff != "" || r.ToHold != nil || r.Users != nil {
		t.Errorf("%s\n%+v", diff, r)
	}
	if diff := cmp.Diff(Quantiles{Mean: 265, P50: 20, P90: 1000, Max: 1000}, r.Exposed); diff != "" {
		t.Error(diff)
	}
	want := []Cause{{RolledBack, "GateFailed", "error_rate", 2}, {RolledBack, "GateFailed", "latency_p99", 1}, {Promoted, "Completed", "", 1}}
	if diff := cmp.Diff(want, r.Causes); diff != "" {
		t.Error(diff)
	}
	if none := w.result(Options{Reps: 9}, nil); none.RolledBack.Upper != 1 || none.ToRollback != nil || len(none.Causes) != 0 {
		t.Errorf("nothing played: %+v", none)
	}
}
