package storetest

import (
	"errors"
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/store"
)

var exposureCases = cases{
	"an exposure keeps its first moment, and its last one only grows": exposureGrows,
	"an exposure comes back bit for bit":                              exposureExact,
	"thousands of exposures are kept at once":                         exposureMany,
	"a reader of exposures can stop, and its error comes back":        exposureStops,
	"a reader of exposures may use the store":                         exposureReenters,
}

func exposureGrows(t *testing.T, s store.Store) {
	r := seeded(t, s)
	flush := func(exposures ...store.Exposure) {
		t.Helper()
		must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: exposures}}))
	}
	flush(
		store.Exposure{Unit: 1, Stratum: 0, Arm: split.Candidate, First: at(10), Last: at(20)},
		store.Exposure{Unit: 1, Stratum: 1, Arm: split.Baseline, First: at(30), Last: at(40)},
	)
	flush(
		store.Exposure{Unit: 1, Stratum: 0, Arm: split.Candidate, First: at(15), Last: at(25)},
		store.Exposure{Unit: 2, Stratum: 0, Arm: split.Baseline, First: at(15), Last: at(15)},
		store.Exposure{Unit: 2, Stratum: 0, Arm: split.Baseline, First: at(16), Last: at(17)},
	)
	flush(store.Exposure{Unit: 1, Stratum: 1, Arm: split.Baseline, First: at(5), Last: at(35)})
	wantSame(t, "exposures", exposed(t, s, r.ID), []store.Exposure{
		{Unit: 1, Stratum: 0, Arm: split.Candidate, First: at(10), Last: at(25)},
		{Unit: 1, Stratum: 1, Arm: split.Baseline, First: at(30), Last: at(40)},
		{Unit: 2, Stratum: 0, Arm: split.Baseline, First: at(15), Last: at(17)},
	})
}

func exposureExact(t *testing.T, s store.Store) {
	r := seeded(t, s)
	want := []store.Exposure{
		{Unit: 0, Stratum: 63, Arm: split.Candidate, First: epoch, Last: at(1)},
		{Unit: math.MaxInt64, Arm: split.Baseline, First: epoch, Last: at(1)},
		{Unit: 1 << 63, Arm: split.Candidate, First: epoch, Last: at(1)},
		{Unit: math.MaxUint64, Stratum: 255, Arm: split.Candidate, First: epoch, Last: at(1)},
	}
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: want}}))
	wantSame(t, "exposures", exposed(t, s, r.ID), want)
}

func exposureMany(t *testing.T, s store.Store) {
	r := seeded(t, s)
	var want []store.Exposure
	for i := range 5000 {
		want = append(want, store.Exposure{Unit: uint64(i) * 3, Stratum: uint8(i % 3), Arm: split.Arm(i % 2), First: at(i), Last: at(2 * i)})
	}
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: want[:3000]}}))
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: want[2000:]}}))
	wantSame(t, "exposures", exposed(t, s, r.ID), want)
}

func exposureStops(t *testing.T, s store.Store) {
	r := seeded(t, s)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: []store.Exposure{{Unit: 1}, {Unit: 2}, {Unit: 3}}}}))
	enough, seen := errors.New("enough"), 0
	err := s.Exposures(t.Context(), r.ID, func(store.Exposure) error {
		if seen++; seen == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 2 {
		t.Errorf("saw %d exposures and got %v; want 2 and the reader's own error", seen, err)
	}
}

func exposureReenters(t *testing.T, s store.Store) {
	r := seeded(t, s)
	must(t, s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: []store.Exposure{{Unit: 1}, {Unit: 2}}}}))
	n := 0
	must(t, s.Exposures(t.Context(), r.ID, func(e store.Exposure) error {
		if n++; n > 10 {
			return errors.New("an exposure that came meanwhile is seen for ever")
		}
		if _, err := s.Evidence(t.Context(), r.ID); err != nil {
			return err
		}
		return s.Flush(t.Context(), []store.Kept{{ID: r.ID, Exposures: []store.Exposure{{Unit: e.Unit + 100}}}})
	}))
	if got := len(exposed(t, s, r.ID)); got < 4 {
		t.Errorf("%d exposures, want at least 4", got)
	}
}
