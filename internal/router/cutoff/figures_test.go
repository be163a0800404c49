package cutoff

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The published figures of the rule, from its Markov chain at p0 = 10 % and
// p1 = 60 %: requests until half and 95 % of the failing candidates are cut
// off, at a failure rate. The test sends ten requests a second, so the age of
// an excursion never binds.
func TestTimeToCutOffIsAsPublished(t *testing.T) {
	t.Parallel()
	figures := map[float64][2]int{0.3: {483, 1820}, 0.5: {45, 81}, 0.8: {18, 25}, 1: {14, 14}}
	const runs = 1 + million/500
	for rate, want := range figures {
		rng := rand.New(rand.NewPCG(79, uint64(100*rate)))
		taken := make([]int, runs)
		for i := range taken {
			taken[i] = untilCutOff(rng, rate)
		}
		slices.Sort(taken)
		for q, w := range map[float64]int{0.5: want[0], 0.95: want[1]} {
			got := taken[int(q*runs)]
			// The spread of a simulated quantile, and the steps of a chain.
			if math.Abs(float64(got-w)) > 2+0.1*float64(w)*math.Sqrt(1e6/million) {
				t.Errorf("at %g%% failures, %g%% are cut off after %d requests, published are %d", 100*rate, 100*q, got, w)
			}
		}
	}
}

func untilCutOff(rng *rand.Rand, rate float64) int {
	var g Guard
	for i := range 100_000 {
		if rng.Float64() >= rate {
			g.Success(at(i * 100))
			continue
		}
		if g.Failure(at(i*100), fresh(i), Rescued) != nil {
			return i + 1
		}
	}
	return 100_000
}

// serve lets the baseline answer n requests well.
func serve(g *Guard, now time.Time, n int) {
	if n > 0 {
		g.Baseline(now, false)
		g.baseline.slot[now.Unix()&(slots-1)].n.Add(uint64(n - 1))
	}
}

// A candidate within the rule's tolerance is not cut off in a million requests,
// whatever share of the traffic it has. By Wald's inequality the expected
// number is below 10^6 exp(-24) = 4e-5 at any rate up to p0.
func TestNoFalseCutOffInAMillionRequests(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rate float64
		own  int // baseline requests for every ten of the candidate
	}{
		"5 % at half the traffic":       {0.05, 10},
		"5 % at a tenth of the traffic": {0.05, 90},
		"5 % at 99 % of the traffic":    {0.05, 0},
		"8 % at a quarter":              {0.08, 30},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(5, uint64(tt.own)))
			var g Guard
			for i := range million {
				now := at(i) // 1,000 candidate requests a second
				serve(&g, now, tt.own/10)
				if rng.Float64() >= tt.rate {
					g.Success(now)
					continue
				}
				if trip := g.Failure(now, fresh(i), Rescued); trip != nil {
					t.Fatalf("cut off at request %d: %s", i, trip.Detail)
				}
			}
		})
	}
}

// Failures in bursts pass for a hard failure without the age that an excursion
// must have: 1 % in all, five in a row on average.
func TestBurstsAreRiddenOut(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	var g Guard
	bad := false
	for i := range million {
		now := at(i)
		g.Baseline(now, false)
		if bad {
			bad = rng.Float64() >= 1.0/5
		} else {
			bad = rng.Float64() < 0.01/5/0.99
		}
		if !bad {
			g.Success(now)
			continue
		}
		if trip := g.Failure(now, fresh(i), Rescued); trip != nil {
			t.Fatalf("cut off at request %d: %s", i, trip.Detail)
		}
	}
}
