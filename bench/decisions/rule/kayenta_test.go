package rule

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(a, b, within float64) bool { return math.Abs(a-b) <= within }

func TestMannWhitneyKnownAnswers(t *testing.T) {
	t.Parallel()
	// From Kayenta's own tests (R's wilcox.test): both limits lie at the ends.
	got, ok := NewMannWhitney([]float64{1, 2, 3, 4}, []float64{10, 20, 30, 40}, 0.95)
	if !ok || !near(got.Lower, 6, 1e-9) || !near(got.Upper, 39, 1e-9) || !near(got.Estimate, 22.5, 1e-9) {
		t.Errorf("{1..4} and {10..40}: %+v", got)
	}
	// With ties; worked out by ranking the whole sample anew for each shift.
	x := []float64{3, 5, 5, 7, 8, 8, 8, 12, 15, 20}
	y := []float64{1, 2, 2, 4, 5, 5, 6, 8, 9, 9, 10, 11}
	for shift, want := range map[float64]float64{0: 1.1943262093, 1: 0.7617362833, 2.5: 0.0991312233, -3: 2.7843742073} {
		if got := (rankDifference{x, y}).at(shift); !near(got, want, 1e-9) {
			t.Errorf("shift %v: %v, want %v", shift, got, want)
		}
	}
	for confidence, want := range map[float64][2]float64{0.95: {-1, 6}, 0.98: {-2, 7}, 0.8: {0, 5}} {
		got, _ := NewMannWhitney(y, x, confidence)
		if !near(got.Lower, want[0], 1e-9) || !near(got.Upper, want[1], 1e-9) || !near(got.Estimate, 3, 1e-9) {
			t.Errorf("at %v: %+v, want %v and 3", confidence, got, want)
		}
	}
}

func TestMannWhitneyDoesNotCareForOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	x, y := make([]float64, 30), make([]float64, 40)
	for i := range x {
		x[i] = math.Round(10 * r.NormFloat64())
	}
	for i := range y {
		y[i] = math.Round(10*r.NormFloat64()) + 3
	}
	before, _ := NewMannWhitney(y, x, 0.98)
	r.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
	r.Shuffle(len(y), func(i, j int) { y[i], y[j] = y[j], y[i] })
	after, _ := NewMannWhitney(y, x, 0.98)
	if before != after {
		t.Errorf("%+v, and %+v in another order", before, after)
	}
	mirrored, _ := NewMannWhitney(x, y, 0.98)
	if !near(mirrored.Lower, -after.Upper, 1e-6) || !near(mirrored.Upper, -after.Lower, 1e-6) {
		t.Errorf("the other way round: %+v against %+v", mirrored, after)
	}
}

func TestMannWhitneyHasNoAnswerWhereAllIsTied(t *testing.T) {
	t.Parallel()
	if got, ok := NewMannWhitney([]float64{2, 2}, []float64{2, 2, 2}, 0.98); ok {
		t.Errorf("%+v", got)
	}
}

// series is a normal sample.
func series(seed uint64, n int, mean, deviation float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i := range out {
		out[i] = mean + deviation*r.NormFloat64()
	}
	return out
}

func TestKayentaClassifiesTheDirectionThatIsHarm(t *testing.T) {
	t.Parallel()
	control := series(1, 60, 100, 5)
	tests := map[string]struct {
		experiment []float64
		up, want   bool
	}{
		"the same":                          {series(2, 60, 100, 5), true, false},
		"a tenth higher":                    {series(3, 60, 110, 5), true, true},
		"a tenth lower is no increase":      {series(3, 60, 90, 5), true, false},
		"a tenth lower is a decrease":       {series(3, 60, 90, 5), false, true},
		"a tenth higher is no decrease":     {series(3, 60, 110, 5), false, false},
		"a shift that is not far from none": {series(4, 60, 101, 5), true, false},
		"identical data":                    {control, true, false},
		"more spread around the same":       {series(5, 60, 100, 50), true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := classify(control, tt.experiment, tt.up); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// noisy is a window whose values vary, with a candidate that fails times as often
// and is times slower as slow.
func noisy(r *rand.Rand, times, slow float64) *Window {
	seen := func(times, slow float64) Seen {
		return arm(1000, uint64(5*times+3*r.Float64()), 0.2*slow*(1+0.05*r.NormFloat64()))
	}
	return &Window{Arms: [Arms]Seen{Baseline: seen(1, 1), Candidate: seen(times, slow)}}
}

func TestKayentaScores(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		judged      []Metric
		times, slow float64
		state       State
		at          int
	}{
		"all pass":                         {[]Metric{Errors, Latency}, 1, 1, Promoted, 480},
		"one of two fails: below marginal": {[]Metric{Errors, Latency}, 3, 1, RolledBack, 60},
		"all fail":                         {[]Metric{Errors, Latency}, 3, 1.5, RolledBack, 60},
		"the only one fails":               {[]Metric{Latency}, 1, 1.5, RolledBack, 60},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(9, 9))
			act, at := play(NewKayenta(judging(tt.judged...)), 600, func(int) *Window { return noisy(r, tt.times, tt.slow) })
			want(t, act, at, tt.state, tt.at)
		})
	}
}

func TestAMarginalScoreGoesOnToTheEndOfTheStep(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	window := func(int) *Window {
		w := noisy(r, 1, 1.5) // Slow: one of five, so a score of 80.
		for arm := range w.Arms {
			for _, m := range []Metric{Conversion, Revenue, Quality} {
				w.Arms[arm].Of[m] = Moments{N: 1000, Sum: 500 + 20*r.Float64()}
			}
		}
		return w
	}
	act, at := play(NewKayenta(judging(Errors, Latency, Conversion, Revenue, Quality)), 600, window)
	want(t, act, at, RolledBack, 120)
	if act.Metric != Latency {
		t.Errorf("rolled back by %v", act.Metric)
	}
}

func TestKayentaFailsWithoutData(t *testing.T) {
	t.Parallel()
	act, at := play(NewKayenta(usual), 600, always(func() *Window { return minute(Seen{}) }))
	want(t, act, at, RolledBack, 60)
	if act.Metric != None {
		t.Errorf("by %v", act.Metric)
	}
}
