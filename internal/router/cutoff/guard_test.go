package cutoff

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

// failing sends n failures of units that the baseline answers, every so many
// milliseconds, and returns the trip and how many it took.
func failing(g *Guard, n, every int, unit func(i int) uint64) (*Trip, int) {
	for i := range n {
		if trip := g.Failure(at(i*every), unit(i), Rescued); trip != nil {
			return trip, i + 1
		}
	}
	return nil, n
}

func fresh(i int) uint64 { return uint64(i) + 1 }

func among(units int) func(int) uint64 { return func(i int) uint64 { return uint64(i%units) + 1 } }

func TestTheStepsOfTheScore(t *testing.T) {
	t.Parallel()
	var g Guard
	g.Failure(at(0), 1, Rescued)
	up := g.Score()
	g.Failure(at(1), 2, Rescued)
	g.Success(at(2))
	down := 2*up - g.Score()
	// ln(0.6/0.1) and ln(0.9/0.4).
	if math.Abs(up-1.791759) > 1e-6 || math.Abs(down-0.810930) > 1e-6 {
		t.Errorf("steps %+.6f and -%.6f, want +1.791759 and -0.810930", up, down)
	}
}

func TestACandidateThatFailsEverythingIsCutOffAtTheFourteenthFailure(t *testing.T) {
	t.Parallel()
	for name, units := range map[string]func(int) uint64{"many units": fresh, "three units": among(3)} {
		var g Guard
		trip, n := failing(&g, 100, 100, units)
		if trip == nil || n != 14 {
			t.Fatalf("%s: trip %v after %d failures, want one after 14", name, trip, n)
		}
		if trip.Reason != CandidateFailing || !trip.At.Equal(at(1300)) || !strings.Contains(trip.Detail, "failed 14 of its last 14 requests") {
			t.Errorf("%s: trip %+v", name, trip)
		}
	}
}

func TestOneOrTwoUnitsNeverCutACandidateOff(t *testing.T) {
	t.Parallel()
	for _, units := range []int{1, 2} {
		var g Guard
		if trip, n := failing(&g, 100_000, 10, among(units)); trip != nil {
			t.Errorf("%d units: cut off after %d failures: %s", units, n, trip.Detail)
		}
		if limit := float64(units) * UnitLifts * math.Log(6); g.Score() > limit+1e-9 {
			t.Errorf("%d units lifted the score to %.2f, want at most %.2f", units, g.Score(), limit)
		}
	}
}

// The poisoned request of one caller, among others that do well: a unit that is
// a fifth of the traffic and always fails (STATISTICS, the last line of 7.9).
func TestAPoisonedUnitIsNoReasonWhateverItsShare(t *testing.T) {
	t.Parallel()
	for _, share := range []int{2, 3, 5, 50} {
		var g Guard
		for i := range million / 20 {
			now := at(i)
			g.Baseline(now, false)
			if i%share == 0 {
				if trip := g.Failure(now, 7, Rescued); trip != nil {
					t.Fatalf("every %dth request poisoned: cut off after %d: %s", share, i, trip.Detail)
				}
				continue
			}
			g.Success(now)
		}
	}
}

func TestAUnitLiftsAgainInTheNextExcursion(t *testing.T) {
	t.Parallel()
	var g Guard
	for i := range 20 {
		g.Failure(at(i), 1, Rescued)
	}
	high := g.Score()
	for g.Score() > 0 {
		g.Success(at(100))
	}
	for i := range 20 {
		g.Failure(at(200+i), 1, Rescued)
	}
	if got := g.Score(); math.Abs(got-high) > 1e-9 || math.Abs(high-UnitLifts*math.Log(6)) > 1e-9 {
		t.Errorf("score %.3f in the first excursion and %.3f in the second, want %.3f in both", high, got, UnitLifts*math.Log(6))
	}
}

func TestABurstShorterThanASecondIsRiddenOut(t *testing.T) {
	t.Parallel()
	var g Guard
	// 60 failures within 0.6 s, then the candidate is well again.
	if trip, n := failing(&g, 60, 10, fresh); trip != nil {
		t.Fatalf("cut off after %d failures within %v: %s", n, trip.At.Sub(start), trip.Detail)
	}
	for i := range 200 {
		now := at(600 + i)
		if trip := g.Due(now); trip != nil {
			t.Fatalf("cut off %v after the burst began: %s", now.Sub(start), trip.Detail)
		}
		g.Success(now)
	}
	if g.Score() != 0 || g.Due(at(5000)) != nil {
		t.Errorf("score %.2f after the burst", g.Score())
	}
}

func TestAnExcursionThatComesOfAgeIsDueWithoutAnotherFailure(t *testing.T) {
	t.Parallel()
	var g Guard
	failing(&g, 20, 10, fresh)
	if trip := g.Due(at(999)); trip != nil {
		t.Fatalf("due after 999 ms: %s", trip.Detail)
	}
	trip := g.Due(at(1000))
	if trip == nil || trip.Reason != CandidateFailing {
		t.Fatalf("after a second: %v, want a trip", trip)
	}
	if again := g.Due(at(1001)); again != nil {
		t.Errorf("tripped twice: %v", again)
	}
}

func TestAStormIsCutOffAtOnce(t *testing.T) {
	t.Parallel()
	var g Guard
	// 140 / ln 6 = 78.1 failures, of which a unit gives 5: at least 16 units.
	trip, n := failing(&g, 200, 1, fresh)
	if trip == nil || n != 79 {
		t.Errorf("trip %v after %d failures in as many milliseconds, want one after 79", trip, n)
	}
	var few Guard
	for range 10_000 {
		few.Baseline(at(0), false) // So that the rescues are few beside them.
	}
	if trip, _ := failing(&few, 900, 1, among(15)); trip != nil {
		t.Errorf("15 units reached the hard limit: %s", trip.Detail)
	}
	var enough Guard
	if trip, _ := failing(&enough, 900, 1, among(16)); trip == nil {
		t.Error("16 units did not reach the hard limit")
	}
}

func TestAFailureThatTheBaselineSharesSaysNothing(t *testing.T) {
	t.Parallel()
	var g Guard
	for i := range 1000 {
		if trip := g.Failure(at(i*10), fresh(i), FailedTwice); trip != nil {
			t.Fatalf("cut off: %s", trip.Detail)
		}
	}
	if g.Score() != 0 {
		t.Errorf("score %.2f", g.Score())
	}
}

func TestWithoutAShieldFailuresCountWhileTheBaselineDoesWell(t *testing.T) {
	t.Parallel()
	send := func(baselineFails bool) *Trip {
		var g Guard
		for i := range 500 {
			g.Baseline(at(i*20), baselineFails)
			if trip := g.Failure(at(i*20), fresh(i), Unrescued); trip != nil {
				return trip
			}
		}
		return nil
	}
	if trip := send(false); trip == nil || trip.At.After(at(1100)) {
		t.Errorf("a candidate that fails beside a healthy baseline: %v, want it cut off in about a second", trip)
	}
	if trip := send(true); trip != nil {
		t.Errorf("a candidate that fails with the baseline was cut off: %s", trip.Detail)
	}
}

func TestTheBaselinesErrorsRaiseTheBar(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64][2]float64{0: {0.10, 0.60}, 0.02: {0.10, 0.60}, 0.10: {0.30, 0.65}, 0.20: {0.60, 0.80}, 0.50: {0.80, 0.90}, 1: {0.80, 0.90}} {
		var g Guard
		for i := range 1000 {
			g.Baseline(at(i), float64(i%100) < 100*rate)
		}
		p0, p1 := g.rates(at(999))
		if math.Abs(p0-want[0]) > 0.01 || math.Abs(p1-want[1]) > 0.01 {
			t.Errorf("at a baseline error rate of %g: p0 %.3f and p1 %.3f, want %.2f and %.2f", rate, p0, p1, want[0], want[1])
		}
	}
}

func TestThreeRefusalsInARowCutOffAtOnce(t *testing.T) {
	t.Parallel()
	var g Guard
	for i := range 2 {
		if trip := g.Refused(at(i)); trip != nil {
			t.Fatalf("cut off at refusal %d", i+1)
		}
	}
	if trip := g.Refused(at(2)); trip == nil || trip.Reason != CandidateRefusing {
		t.Errorf("after three: %v, want a trip", trip)
	}
	if trip := g.Refused(at(3)); trip != nil {
		t.Error("tripped twice")
	}
}

func TestAConnectionBetweenEndsTheRowOfRefusals(t *testing.T) {
	t.Parallel()
	between := map[string]func(g *Guard){
		"a success":             func(g *Guard) { g.Reached(); g.Success(at(5)) },
		"an answer of any kind": func(g *Guard) { g.Reached() },
	}
	for name, event := range between {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var g Guard
			for i := range 50 {
				g.Refused(at(i))
				g.Refused(at(i))
				event(&g)
			}
			if g.Refused(at(99)) != nil {
				t.Error("cut off without three in a row")
			}
		})
	}
}

func TestRescuesBeyondATenthOfTheBaselineCutOff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		own      int // baseline requests beside each candidate request
		oneIn    int // failing candidate requests
		units    func(int) uint64
		requests int
		want     bool
	}{
		"an eighth of the candidate at half the traffic":       {own: 1, oneIn: 8, units: fresh, requests: 20_000, want: true},
		"a twentieth at half the traffic":                      {own: 1, oneIn: 20, units: fresh, requests: 20_000, want: false},
		"a quarter of the candidate at a tenth of the traffic": {own: 9, oneIn: 4, units: fresh, requests: 20_000, want: false},
		"a twentieth at almost all of the traffic":             {own: 0, oneIn: 20, units: fresh, requests: 20_000, want: false},
		"a seventh at almost all of the traffic":               {own: 0, oneIn: 7, units: fresh, requests: 20_000, want: true},
		"two units alone":                                      {own: 1, oneIn: 5, units: among(10), requests: 20_000, want: false},
		"less than a hundred":                                  {own: 0, oneIn: 7, units: fresh, requests: 690, want: false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var g Guard
			var trip *Trip
			for i := 0; i < tt.requests && trip == nil; i++ {
				now := at(i * 2) // 500 candidate requests a second
				for range tt.own {
					g.Baseline(now, false)
				}
				if i%tt.oneIn == 0 {
					trip = g.Failure(now, tt.units(i), Rescued)
				} else {
					g.Success(now)
				}
			}
			if (trip != nil) != tt.want {
				t.Fatalf("trip %+v, want one: %v", trip, tt.want)
			}
			if trip != nil && trip.Reason != RescuesExceeded {
				t.Errorf("reason %s, want %s", trip.Reason, RescuesExceeded)
			}
		})
	}
}

func TestAHandfulOfRescuesAtStartUpIsNoReason(t *testing.T) {
	t.Parallel()
	var g Guard
	for i := range 9 {
		if trip := g.Failure(at(i*150), fresh(i), Rescued); trip != nil {
			t.Fatalf("cut off at failure %d: %s", i+1, trip.Detail)
		}
	}
}

// Whatever happens, the score stays within its bounds, and a guard trips once.
func TestTheGuardUnderAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var g Guard
		now, trips := 0, 0
		units := map[uint64]bool{}
		note := func(trip *Trip) {
			if trip == nil {
				return
			}
			trips++
			if trip.Reason == CandidateFailing && len(units) < 3 {
				t.Fatalf("cut off for the failures of %d units", len(units))
			}
		}
		for range rapid.IntRange(0, 200).Draw(t, "events") {
			now += rapid.IntRange(0, 400).Draw(t, "pause")
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				g.Success(at(now))
			case 1, 2:
				unit := rapid.Uint64Range(1, 4).Draw(t, "unit")
				fate := Fate(rapid.IntRange(0, 2).Draw(t, "fate"))
				units[unit] = true
				note(g.Failure(at(now), unit, fate))
			case 3:
				g.Baseline(at(now), rapid.Bool().Draw(t, "failed"))
			case 4:
				note(g.Due(at(now)))
			case 5:
				g.Reached()
			}
			if s := g.Score(); s < 0 || math.IsNaN(s) || s > 4*UnitLifts*math.Log(6)+1e-9 {
				t.Fatalf("score %g", s)
			}
		}
		if trips > 1 {
			t.Fatalf("tripped %d times", trips)
		}
	})
}

func TestAGuardIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var g Guard
	var wg sync.WaitGroup
	var mu sync.Mutex
	trips := 0
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				now := at(i)
				g.Baseline(now, i%50 == 0)
				g.Success(now)
				trip := g.Failure(now, uint64(w*10_000+i), Rescued)
				if trip == nil {
					trip = g.Due(now)
				}
				if trip == nil {
					trip = g.Refused(now)
				}
				g.Reached()
				if trip != nil {
					mu.Lock()
					trips++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if trips != 1 {
		t.Errorf("%d trips, want exactly one", trips)
	}
}

func BenchmarkGuardSuccess(b *testing.B) {
	var g Guard
	now := at(0)
	b.ReportAllocs()
	for b.Loop() {
		g.Success(now)
	}
}

func BenchmarkGuardBaseline(b *testing.B) {
	var g Guard
	now := at(0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.Baseline(now, false)
		}
	})
}
