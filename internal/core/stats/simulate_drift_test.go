package stats

import (
	"math"
	"testing"
)

// scores are the outputs of a model: the logistic function of a normal value,
// moved for the candidate.
type scores struct {
	weight, shift float64
	batch, looks  int
}

func (s scores) run(d draw, look func(x Drift) (stop bool)) (requests int) {
	const bins = 30
	x := Drift{T: make([]float64, bins), C: make([]float64, bins)}
	for range s.looks {
		nT := d.binomial(s.batch, s.weight)
		for i := range s.batch {
			value, counts := d.NormFloat64()-1, x.C
			if i < nT {
				value, counts = value+s.shift, x.T
			}
			counts[int(bins*expit(value))]++
		}
		requests += s.batch
		if look(x) {
			return requests
		}
	}
	return 0
}

func (s scores) replay(seed, replications int, look func(x Drift) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = s.run(newDraw(seed, r), look)
	}
	return stops
}

func TestOutputsThatDoNotChangeDoNotDrift(t *testing.T) {
	long(t)
	const margin = .1
	same := scores{.5, 0, 200, 100}
	between(t, "beyond the margin", share(same.replay(101, 150, func(x Drift) bool {
		lower, _, _ := x.Bounds(.05)
		return lower > margin
	})), 0, .01)
	between(t, "any change", share(same.replay(102, 150, func(x Drift) bool {
		lower, _, _ := x.Bounds(.05)
		return lower > 0
	})), 0, .05)
	// An index that is not corrected has drifted by definition; a corrected one
	// mostly has not.
	stale := func(x Drift) bool {
		nT, nC := sumCounts(x.T), sumCounts(x.C)
		return nT >= 100 && PSI(x.T, x.C)+29*(1/nT+1/nC) > .1
	}
	between(t, "index above .1, not corrected", share(same.replay(103, 60, stale)), .8, 1)
	var end Moments
	same.replay(104, 100, func(x Drift) bool {
		if sumCounts(x.T)+sumCounts(x.C) == 4000 {
			end.Add(PSI(x.T, x.C))
		}
		return false
	})
	if se := math.Sqrt(end.Variance() / end.N); math.Abs(end.Mean) > 4*se {
		t.Errorf("the corrected index is %.4f on average, +-%.4f", end.Mean, se)
	}
}

func TestDriftExactlyAtItsMargin(t *testing.T) {
	long(t)
	// A shift of a standard normal by s has the distance 2 Phi(s/2) - 1.
	const margin = .1
	shift := 2 * .1256613
	edge := scores{.5, shift, 300, 100}
	between(t, "failed", share(edge.replay(105, 100, func(x Drift) bool {
		lower, _, _ := x.Bounds(.05)
		return lower > margin
	})), 0, .05)
	between(t, "passed", share(edge.replay(106, 100, func(x Drift) bool {
		_, _, upper := x.Bounds(.05)
		return upper < margin*.98 // Bins take some of the distance away.
	})), 0, .05)
}

func TestDriftIsFoundAndItsAbsenceShown(t *testing.T) {
	long(t)
	found := scores{.5, .8, 200, 100}.replay(107, 60, func(x Drift) bool {
		lower, _, _ := x.Bounds(.05)
		return lower > .1
	})
	between(t, "found", share(found), .95, 1)
	shown := scores{.5, 0, 400, 100}.replay(108, 60, func(x Drift) bool {
		_, _, upper := x.Bounds(.05)
		return upper < .1
	})
	between(t, "shown to be absent", share(shown), .95, 1)
	t.Logf("half found after %d, half shown after %d", median(found), median(shown))
}
