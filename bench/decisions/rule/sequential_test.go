package rule

import (
	"math"
	"testing"
)

func TestTheHalfWidthIsThatOfTheFormula(t *testing.T) {
	t.Parallel()
	// Worked out by a second program from equations 9, 134 and 161.
	two, one := Sequential{Alpha: 0.05, Tuned: 5000}, Sequential{Alpha: 0.05, Tuned: 5000, OneSided: true}
	tests := map[float64][2]float64{100: {0.669438861707, 0.660688804915}, 5000: {0.0429243371883, 0.0393023275869}, 1e5: {0.0105520700343, 0.00977054186363}}
	for n, want := range tests {
		if got := two.HalfWidth(1/n, n); !near(got, want[0], 1e-12) {
			t.Errorf("two-sided after %v: %v, want %v", n, got, want[0])
		}
		if got := one.HalfWidth(1/n, n); !near(got, want[1], 1e-12) {
			t.Errorf("one-sided after %v: %v, want %v", n, got, want[1])
		}
	}
	if got := math.Sqrt(two.rho2()); !near(got, 0.03984006677137368, 1e-15) {
		t.Errorf("rho of two sides: %v", got)
	}
	if got := math.Sqrt(one.rho2()); !near(got, 0.03557768852889753, 1e-15) {
		t.Errorf("rho of one side: %v", got)
	}
}

func TestTheIntervalIsWiderThanThatOfASingleLook(t *testing.T) {
	t.Parallel()
	for _, n := range []float64{10, 1e3, 1e5, 1e7} {
		one := Sequential{Alpha: 0.05, Tuned: 5000, OneSided: true}
		if ratio := one.HalfWidth(1/n, n) * math.Sqrt(n); ratio <= 1.645 {
			t.Errorf("after %v: %v standard errors", n, ratio)
		}
	}
}

// both is a window in which the candidate and a control of its size have n
// requests of which so many fail.
func both(n, control, treated uint64) *Window {
	w := &Window{Slice: arm(n, control, 0.2)}
	w.Arms[Candidate], w.Arms[Baseline] = arm(n, treated, 0.2), arm(9*n, 9*control, 0.2)
	return w
}

func lost(c Config, w *Window) bool {
	g := newGuardrails(c)
	g.see(w)
	_, is := g.lost(w.Units)
	return is
}

func TestWhenAGuardrailIsLost(t *testing.T) {
	t.Parallel()
	c := judging(Errors)
	tests := map[string]struct {
		w    *Window
		want bool
	}{
		"plainly":                                    {both(20000, 100, 200), true},
		"not on the better side":                     {both(20000, 200, 100), false},
		"not without an event at the control":        {both(20000, 0, 200), false},
		"not without an event at the candidate":      {both(20000, 200, 0), false},
		"not with fewer than 150 events":             {both(20000, 10, 149), false},
		"with 150 events":                            {both(20000, 10, 150), true},
		"not within the interval":                    {both(20000, 150, 170), false},
		"not below half a percent":                   {both(4e9, 2e9, 2.009e9), false},
		"a tiny change that is known to be above it": {both(4e9, 2e9, 2.011e9), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := lost(c, tt.w); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// spread is units that differ by so much.
type spread float64

func (s spread) Between(int, Metric) float64 { return float64(s) }

func TestUnitsThatDifferWidenTheInterval(t *testing.T) {
	t.Parallel()
	w := both(20000, 100, 200)
	w.Units = spread(1e4)
	if lost(judging(Errors), w) {
		t.Error("lost in spite of heavy users")
	}
	w.Units = spread(1)
	if !lost(judging(Errors), w) {
		t.Error("not lost though the users are alike")
	}
}

func TestASampleRatioMismatchStopsTheSafeRolloutFromRollingBack(t *testing.T) {
	t.Parallel()
	skewed := func(int) *Window {
		w := both(20000, 100, 2000)
		w.Slice = arm(21000, 105, 0.2)
		return w
	}
	act, _ := play(NewSafeRollout(judging(Errors)), 1439, skewed)
	if act.State != Running {
		t.Errorf("the safe rollout is %v", act.State)
	}
	act, at := play(NewRampSchedule(judging(Errors)), 1439, skewed)
	want(t, act, at, RolledBack, 144) // The newer schedule looks at harm first.
}

func TestTheSafeRolloutLooksOnceASlotAndShipsAfterADay(t *testing.T) {
	t.Parallel()
	weights := map[int]float64{1: 0.05, 71: 0.05, 72: 0.125, 144: 0.25, 216: 0.375, 288: 0.5, 1000: 0.5}
	act, at := play(NewSafeRollout(judging(Errors)), 2000, func(int) *Window { return both(1000, 5, 5) })
	want(t, act, at, Promoted, 1440)
	s := NewSafeRollout(judging(Errors))
	for minute := 1; minute <= 1000; minute++ {
		w := both(1000, 5, 5)
		w.Minute = minute
		if got := s.Look(w); weights[minute] != 0 && got.Weight != weights[minute] {
			t.Errorf("minute %d: weight %v, want %v", minute, got.Weight, weights[minute])
		}
	}
	act, at = play(NewSafeRollout(judging(Errors)), 2000, func(int) *Window { return both(1000, 5, 50) })
	want(t, act, at, RolledBack, 72)
	// After the ramp of six hours comes one look every six.
	act, at = play(NewSafeRollout(judging(Errors)), 2000, func(at int) *Window {
		if at > 361 {
			return both(1000, 5, 50)
		}
		return both(1000, 5, 5)
	})
	want(t, act, at, RolledBack, 720)
}

func TestTheRampScheduleWaitsForTheDwell(t *testing.T) {
	t.Parallel()
	act, at := play(NewRampSchedule(judging(Errors)), 2000, func(int) *Window { return both(1000, 5, 900) })
	want(t, act, at, RolledBack, 144)
	act, at = play(NewRampSchedule(judging(Errors)), 2000, func(at int) *Window {
		if at > 577 { // Within the last step, at 50 %.
			return both(1000, 5, 900)
		}
		return both(1000, 5, 5)
	})
	want(t, act, at, RolledBack, 1440)
	act, at = play(NewRampSchedule(judging(Errors)), 2000, func(int) *Window { return both(1000, 5, 5) })
	want(t, act, at, Promoted, 1440)
}

func TestLaunchDarklyLooksEveryTenMinutesAndFollowsItsStages(t *testing.T) {
	t.Parallel()
	good := func(int) *Window { return both(1000, 5, 5) }
	act, at := play(NewLaunchDarkly(judging(Errors)), 4000, good)
	want(t, act, at, Promoted, 60+2*24*60)
	act, at = play(NewLaunchDarkly(judging(Errors)), 4000, func(int) *Window { return both(1000, 5, 100) })
	want(t, act, at, RolledBack, 10)
	l := NewLaunchDarkly(judging(Errors))
	for minute := 1; minute <= 2000; minute++ {
		w := good(minute)
		w.Minute = minute
		got, want := l.Look(w).Weight, 0.10
		switch {
		case minute < 60:
			want = 0.01
		case minute >= 60+24*60:
			want = 0.50
		}
		if got != want {
			t.Fatalf("minute %d: weight %v, want %v", minute, got, want)
		}
	}
}

func TestTheZTestLooksAtTheRunningStepAlone(t *testing.T) {
	t.Parallel()
	act, at := play(NewZTest(judging(Errors)), 600, func(int) *Window { return both(10000, 50, 100) })
	want(t, act, at, RolledBack, 1)
	// On the margin the statistic is 0.
	act, at = play(NewZTest(judging(Errors)), 600, func(int) *Window { return both(10000, 50, 60) })
	want(t, act, at, Promoted, 480)
	z := NewZTest(judging(Errors))
	w := both(10000, 50, 70)
	w.Minute = 1
	z.Look(w)
	p, c := 0.007, 1.2*0.005
	squared := p*(1-p)/9999 + 1.44*0.005*0.995/89999
	if got, want := z.statistic(Errors), (p-c)/math.Sqrt(squared); !near(got, want, 1e-9) {
		t.Errorf("statistic %v, want %v", got, want)
	}
	w.Minute = 120
	z.Look(w)
	if got := z.statistic(Errors); got != 0 {
		t.Errorf("%v at the start of the second step", got)
	}
}

func TestTheZTestHasAMarginForSlowRequests(t *testing.T) {
	t.Parallel()
	window := func(slow uint64) func(int) *Window {
		return func(int) *Window {
			w := both(10000, 50, 50)
			w.Arms[Candidate].Of[Latency] = Events(slow, 10000)
			return w
		}
	}
	act, _ := play(NewZTest(judging(Latency)), 600, window(150))
	if act.State != Promoted {
		t.Errorf("on the margin: %v", act.State)
	}
	act, at := play(NewZTest(judging(Latency)), 600, window(250))
	want(t, act, at, RolledBack, 1)
}

func TestLaunchDarklyJudgesNothingByAHandfulOfEvents(t *testing.T) {
	t.Parallel()
	window := func(n, converted uint64) func(int) *Window {
		return func(int) *Window {
			w := both(100, 0, 0)
			w.Arms[Candidate].Of[Conversion], w.Arms[Baseline].Of[Conversion] = Events(converted, n), Events(495, 9900)
			return w
		}
	}
	// Ten minutes bring 60 reports without a success, where three were to be expected.
	act, _ := play(NewLaunchDarkly(judging(Conversion)), 10, window(6, 0))
	if act.State != Running {
		t.Errorf("%v by 60 reports", act.State)
	}
	act, at := play(NewLaunchDarkly(judging(Conversion)), 20, window(100, 0))
	want(t, act, at, RolledBack, 10)
}

func TestEventsAreThoseThatWeighTheSame(t *testing.T) {
	t.Parallel()
	if got := Events(7, 100).events(); got != 7 {
		t.Errorf("7 of 100: %v events", got)
	}
	if got := (Moments{N: 9, Sum: 60, Squares: 1800}).events(); got != 2 {
		t.Errorf("30 and 30: %v events", got)
	}
	if got := (Moments{N: 9}).events(); got != 0 {
		t.Errorf("nothing: %v events", got)
	}
}
