package rule

import "testing"

func TestFlaggerRollsBackAtTheStartOfTheNextTick(t *testing.T) {
	t.Parallel()
	f := NewFlagger(usual, 3, false)
	var weights []float64
	act, at := play(f, 60, func(at int) *Window {
		weights = append(weights, f.weight)
		return broken()
	})
	// Tick 1 gives the first traffic and reads no metric; 2, 3 and 4 fail.
	want(t, act, at, RolledBack, 5)
	for i, w := range weights {
		if want := []float64{0, 0.05, 0.05, 0.05, 0.05}[i]; w != want {
			t.Errorf("weight %v before tick %d, want %v", w, i+1, want)
		}
	}
}

func TestFlaggerNeverForgetsAFailedCheck(t *testing.T) {
	t.Parallel()
	f := NewFlagger(usual, 3, false)
	act, at := play(f, 60, func(at int) *Window {
		if at%3 == 0 {
			return broken()
		}
		return healthy()
	})
	// Ticks 3, 6 and 9 fail; tick 10 would be a healthy one.
	want(t, act, at, RolledBack, 10)
	if f.weight < 0.2999 || f.weight > 0.3001 {
		t.Errorf("weight %v at the rollback, want 0.30", f.weight)
	}
}

func TestFlaggerPromotesAfterItsSteps(t *testing.T) {
	t.Parallel()
	// One tick without metrics and ten with: 5 to 50 % and the promotion.
	act, at := play(NewFlagger(usual, 5, false), 60, always(healthy))
	want(t, act, at, Promoted, 11)
	// Each failed check below the threshold costs one tick.
	act, at = play(NewFlagger(usual, 5, false), 60, func(at int) *Window {
		if at == 4 || at == 5 || at == 9 {
			return broken()
		}
		return healthy()
	})
	want(t, act, at, Promoted, 14)
}

func TestFlaggerCountsNoValueAsFailed(t *testing.T) {
	t.Parallel()
	act, at := play(NewFlagger(usual, 5, false), 60, always(func() *Window { return minute(Seen{}) }))
	want(t, act, at, RolledBack, 7)
}

func TestAThresholdOfZeroIsOne(t *testing.T) {
	t.Parallel()
	act, at := play(NewFlagger(usual, 0, false), 60, from(3))
	want(t, act, at, RolledBack, 4)
}

func TestFlaggerCountsOneFailureATickWhateverTheMetrics(t *testing.T) {
	t.Parallel()
	act, at := play(NewFlagger(usual, 5, false), 60, func(at int) *Window {
		if at == 3 || at == 4 {
			return minute(arm(1000, 100, 0.9)) // Both metrics are bad.
		}
		return healthy()
	})
	want(t, act, at, Promoted, 13)
}
