package rule

import (
	"testing"
)

// usual is a service that fails once in two hundred requests.
var usual = Config{
	Judged:  []Metric{Errors, Latency},
	Usual:   [Metrics]float64{Errors: 0.005, Latency: 0.2, Conversion: 0.05, Revenue: 1.5, Quality: 0.94},
	Margins: [Metrics]float64{Errors: 1.2, Latency: 1.1, Conversion: 0.95, Revenue: 0.95, Quality: 0.98}, SlowMargin: 1.5,
}

func judging(m ...Metric) Config {
	c := usual
	c.Judged = m
	return c
}

// arm is an arm with n requests, of which k fail and slow are slow.
func arm(n, k uint64, p99 float64) Seen {
	s := Seen{P99: p99}
	s.Of[Errors], s.Of[Latency] = Events(k, n), Events(n/100, n)
	return s
}

// healthy and broken are windows of two arms: the broken candidate fails once in
// ten requests.
func healthy() *Window { return minute(arm(1000, 5, 0.2)) }
func broken() *Window  { return minute(arm(1000, 100, 0.2)) }

func minute(candidate Seen) *Window {
	baseline := arm(1000, 5, 0.2)
	return &Window{Arms: [Arms]Seen{Baseline: baseline, Candidate: candidate}, Slice: baseline}
}

// play runs a rule over windows, minute by minute, until it ends, and returns the
// act and the minute of it.
func play(r Rule, longest int, window func(minute int) *Window) (Act, int) {
	act := going(r.Start())
	for at := 1; at <= longest; at++ {
		w := window(at)
		w.Minute = at
		act = r.Look(w)
		if act.State != Running {
			return act, at
		}
	}
	return act, longest
}

func always(w func() *Window) func(int) *Window { return func(int) *Window { return w() } }

// from is healthy until a minute, and broken from then on.
func from(minute int) func(int) *Window {
	return func(at int) *Window {
		if at >= minute {
			return broken()
		}
		return healthy()
	}
}

func want(t *testing.T, act Act, at int, state State, minute int) {
	t.Helper()
	if act.State != state || at != minute {
		t.Errorf("%v at minute %d, want %v at %d", act.State, at, state, minute)
	}
}

func TestEveryRulePromotesWhatHasNoFaultAndStopsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			act, at := play(kind.New(usual), 4*24*60, always(healthy))
			if act.State != Promoted || act.Weight != 1 {
				t.Errorf("nothing wrong: %v with weight %v at minute %d", act.State, act.Weight, at)
			}
			act, _ = play(kind.New(usual), 4*24*60, always(broken))
			if kind.Name == AllAtOnceName {
				return
			}
			if act.State != RolledBack || act.Weight != 0 || act.Metric != Errors {
				t.Errorf("ten in a hundred fail: %v with weight %v by %v", act.State, act.Weight, act.Metric)
			}
		})
	}
}

func TestARuleStartsAtItsFirstWeight(t *testing.T) {
	t.Parallel()
	starts := map[string]float64{
		AllAtOnceName: 1, "Kayenta": 0.01, "LaunchDarkly": 0.01, "repeated z-test": 0.01,
		"GrowthBook Safe Rollout": 0.05, "GrowthBook ramp schedule": 0.01, "Flagger, absolute, threshold 5": 0, "Argo Rollouts, absolute, failureLimit 0": 0.01,
	}
	for _, kind := range Kinds() {
		if w, ok := starts[kind.Name]; ok && kind.New(usual).Start() != w {
			t.Errorf("%s starts at %v, want %v", kind.Name, kind.New(usual).Start(), w)
		}
	}
}

func TestTheNamesOfKindsAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range Kinds() {
		if seen[kind.Name] || kind.About == "" {
			t.Errorf("%q is there twice or says nothing", kind.Name)
		}
		seen[kind.Name] = true
	}
}

func TestTheLadderGoesUpByTime(t *testing.T) {
	t.Parallel()
	for at, weight := range map[int]float64{0: 0.01, 119: 0.01, 120: 0.10, 240: 0.25, 360: 0.50, 479: 0.50, 480: 1, 900: 1} {
		act := common.next(at)
		if act.Weight != weight || (act.State == Promoted) != (at >= 480) {
			t.Errorf("minute %d: %+v, want weight %v", at, act, weight)
		}
	}
}

func TestMomentsAreThoseOfTheirObservations(t *testing.T) {
	t.Parallel()
	share := Events(3, 12)
	if share.Mean() != 0.25 || share.Variance() != 0.25*0.75*12/11 {
		t.Errorf("3 of 12: mean %v, variance %v", share.Mean(), share.Variance())
	}
	sum := Moments{2, 5, 13}.plus(Moments{1, 4, 16}) // 2, 3 and 4
	if sum.Mean() != 3 || !near(sum.Variance(), 1, 1e-12) {
		t.Errorf("2, 3, 4: mean %v, variance %v", sum.Mean(), sum.Variance())
	}
	if back := sum.minus(Moments{1, 4, 16}); back != (Moments{2, 5, 13}) {
		t.Errorf("less 4: %+v", back)
	}
}

func TestTrailingForgetsWhatIsTooOld(t *testing.T) {
	t.Parallel()
	hour := trailing{over: 3}
	for i := range 10 {
		w := &Window{}
		w.Arms[Candidate].Of[Quality] = Moments{N: 1, Sum: float64(i), Squares: float64(i * i)}
		hour.add(w)
	}
	if got := hour.sum[Candidate].Of[Quality]; got != (Moments{3, 24, 194}) {
		t.Errorf("the last three of 0 to 9: %+v", got)
	}
}
