package stream

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
	events "github.com/belay-rollouts/belay/internal/simulate/stream"
)

// service is a scenario with 6,000 requests a minute, and what is changed of it.
func service(change func(*scenario.Scenario)) scenario.Scenario {
	s := scenario.Scenario{
		Name: "service", Traffic: scenario.Traffic{Rate: 100},
		Baseline: scenario.Behaviour{
			Errors: 0.005, Latency: scenario.Latency{Median: 80 * time.Millisecond, Sigma: 0.4},
			Outcomes: []scenario.Outcome{{Name: "conversion", Rate: 0.05}, {Name: "revenue", Rate: 0.05, Mean: 30, Sigma: 1}, {Name: "correct", Rate: 0.94}},
		},
	}
	if change != nil {
		change(&s)
	}
	return s.Filled()
}

func tenPercent() evidence.Base {
	base, _ := evidence.BaseFor(0.10)
	return base
}

func world(t testing.TB, s scenario.Scenario, seed uint64) *World {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	m, err := NewModel(s, tenPercent())
	if err != nil {
		t.Fatal(err)
	}
	return m.NewWorld(seed)
}

// close fails unless got lies within some standard errors of want.
func closeTo(t *testing.T, what string, got, want, deviation float64) {
	t.Helper()
	if math.Abs(got-want) > 4.5*deviation {
		t.Errorf("%s: %g, want %g within %g", what, got, want, 4.5*deviation)
	}
}

// sums are the totals of some minutes.
type sums struct {
	requests, errors, slow [split.Arms]float64
	reported, success      [split.Arms][maxOutcomes]float64
	worth                  [split.Arms]float64
	harm                   Harm
}

func (s *sums) add(m *Minute) {
	for arm := range m.Arms {
		s.requests[arm] += float64(m.Arms[arm].Requests)
		s.errors[arm] += float64(m.Arms[arm].Errors)
		s.slow[arm] += float64(m.Arms[arm].Slow)
	}
	for _, r := range m.Reports {
		s.reported[r.Arm][r.Outcome] += float64(r.Reported)
		s.success[r.Arm][r.Outcome] += float64(r.Success)
		for _, w := range r.Worths {
			s.worth[r.Arm] += w.Value * float64(w.Count)
		}
	}
	s.harm.Failed += m.Harm.Failed
	s.harm.Slowed += m.Harm.Slowed
	s.harm.Lost += m.Harm.Lost
}

func run(s *Stream, weight float64, minutes int) sums {
	var out sums
	for range minutes {
		out.add(s.Next(weight))
	}
	return out
}

func TestTheTotalsAreThoseOfTheScenario(t *testing.T) {
	t.Parallel()
	const minutes = 300
	got := run(world(t, service(nil), 1).NewStream(), 0.1, minutes)
	n := [split.Arms]float64{split.Baseline: 0.9 * 6000 * minutes, split.Candidate: 0.1 * 6000 * minutes}
	rates := map[string]struct {
		got  [split.Arms]float64
		rate float64
	}{
		"requests":    {got.requests, 1},
		"errors":      {got.errors, 0.005},
		"slow":        {got.slow, 0.01},
		"conversions": {[split.Arms]float64{got.success[0][0], got.success[1][0]}, 0.05},
		"purchases":   {[split.Arms]float64{got.success[0][1], got.success[1][1]}, 0.05},
		"right":       {[split.Arms]float64{got.success[0][2], got.success[1][2]}, 0.94},
		"reports":     {[split.Arms]float64{got.reported[0][2], got.reported[1][2]}, 1},
	}
	for what, r := range rates {
		for arm := range n {
			within := math.Sqrt(n[arm] * r.rate)
			if what == "slow" {
				within += 0.02 * n[arm] * r.rate // The quantile lies on the edge of a bucket.
			}
			closeTo(t, what, r.got[arm], n[arm]*r.rate, within)
		}
	}
	closeTo(t, "worth of a purchase", got.worth[1]/got.success[1][1], 30, 30*1.4/math.Sqrt(got.success[1][1]))
	if got.harm != (Harm{}) {
		t.Errorf("harm without a change: %+v", got.harm)
	}
}

func TestCountsArePoisson(t *testing.T) {
	t.Parallel()
	s := world(t, service(nil), 2).NewStream()
	const minutes = 4000
	var sum, squares [3]float64
	for range minutes {
		m := s.Next(0.01)
		for i, v := range []uint64{m.Arms[1].Requests, m.Arms[0].Errors, m.Arms[0].Tail[20]} {
			sum[i] += float64(v)
			squares[i] += float64(v) * float64(v)
		}
	}
	for i, name := range []string{"requests of the candidate", "errors of the baseline", "a bucket of latency"} {
		mean := sum[i] / minutes
		variance := squares[i]/minutes - mean*mean
		closeTo(t, name+": variance over mean", variance/mean, 1, math.Sqrt(2.0/minutes)+1/math.Sqrt(minutes*mean))
	}
}

func TestStreamsWithTheSameWeightsShowTheSameMinutes(t *testing.T) {
	t.Parallel()
	w := world(t, service(func(s *scenario.Scenario) { s.Baseline.Outcomes[0].Delay = 5 * time.Minute }), 3)
	a, b := w.NewStream(), w.NewStream()
	var fork *Stream
	for minute := range 60 {
		weight := []float64{0.01, 0.1, 0.25}[minute/20]
		x, y := copied(a.Next(weight)), copied(b.Next(weight))
		b.out.Slice() // Draws from a chance of its own.
		if diff := cmp.Diff(x, y); diff != "" {
			t.Fatalf("minute %d (-one +other):\n%s", minute, diff)
		}
		if minute == 30 {
			fork = a.Fork()
		}
		if minute > 30 {
			if diff := cmp.Diff(x, copied(fork.Next(weight))); diff != "" {
				t.Fatalf("minute %d of the fork:\n%s", minute, diff)
			}
		}
	}
	other := world(t, service(nil), 4).NewStream()
	if cmp.Equal(copied(other.Next(0.01)).Arms, copied(w.NewStream().Next(0.01)).Arms) {
		t.Error("two seeds, one minute")
	}
}

// seen is what a minute shows.
type seen struct {
	Arms    [split.Arms]Served
	Reports []Reports
}

func copied(m *Minute) seen {
	out := seen{Arms: m.Arms, Reports: slices.Clone(m.Reports)}
	for arm := range out.Arms {
		out.Arms[arm].Tail = slices.Clone(m.Arms[arm].Tail)
	}
	return out
}

func TestDelayedReportsBelongToTheStratumOfTheirRequests(t *testing.T) {
	t.Parallel()
	s := world(t, service(func(s *scenario.Scenario) { s.Baseline.Outcomes[2].Delay = 20 * time.Minute }), 5).NewStream()
	var first, second float64
	for minute := range 400 {
		weight := 0.1
		if minute >= 30 {
			weight = 0.5
		}
		for _, r := range s.Next(weight).Reports {
			if r.Arm != split.Candidate || r.Outcome != 2 {
				continue
			}
			if r.Stratum == 0 {
				first += float64(r.Reported)
			} else {
				second += float64(r.Reported)
			}
		}
	}
	closeTo(t, "reports of the first half hour", first, 0.1*6000*30, math.Sqrt(0.1*6000*30))
	// What is still due of a constant flow is the flow times the delay.
	want := 0.5 * 6000 * (370 - 20.0)
	closeTo(t, "reports of the rest", second, want, math.Sqrt(want))
}

func TestHalfOfTheReportsComeWithinTheMedianOfTheirDelay(t *testing.T) {
	t.Parallel()
	due, in := 0.0, 0.0
	in += flow(&due, 1, 10)
	for range 9 {
		in += flow(&due, 0, 10)
	}
	// Requests are spread over the first minute, reports exponential.
	want := 1 - 10*math.Expm1(0.1)*math.Exp(-1)
	closeTo(t, "share after ten minutes", in, want, 1e-12)
}

func TestEffectsChangeWhatTheySay(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		effect scenario.Effect
		check  func(t *testing.T, s sums)
	}{
		"errors": {scenario.Effect{Errors: scenario.Times(4)}, func(t *testing.T, s sums) {
			closeTo(t, "errors", s.errors[1], 0.02*s.requests[1], math.Sqrt(0.02*s.requests[1]))
			closeTo(t, "harm", s.harm.Failed, 0.015*0.5*6000*100, 1)
		}},
		"errors of a segment": {scenario.Effect{Errors: scenario.Times(11), When: scenario.When{Segment: 0.1}}, func(t *testing.T, s sums) {
			closeTo(t, "errors", s.errors[1], 0.01*s.requests[1], math.Sqrt(0.01*s.requests[1]))
		}},
		"at both arms": {scenario.Effect{Arm: scenario.Both, Errors: scenario.Plus(0.05)}, func(t *testing.T, s sums) {
			closeTo(t, "errors", s.errors[0], 0.055*s.requests[0], math.Sqrt(0.055*s.requests[0]))
			if s.harm != (Harm{}) {
				t.Errorf("harm: %+v", s.harm)
			}
		}},
		"latencies": {scenario.Effect{Latency: scenario.Times(1.5)}, func(t *testing.T, s sums) {
			want := upper(2.3263479-math.Log(1.5)/0.4) * s.requests[1]
			closeTo(t, "slow", s.slow[1], want, math.Sqrt(want)+0.02*want)
		}},
		"a portion of latencies": {scenario.Effect{Latency: scenario.Times(10), Portion: 0.03}, func(t *testing.T, s sums) {
			want := (0.01 + 0.03*0.99) * s.requests[1]
			closeTo(t, "slow", s.slow[1], want, math.Sqrt(want)+0.02*want)
			closeTo(t, "harm", s.harm.Slowed, 0.03*0.99*0.5*6000*100, 100)
		}},
		"conversion": {scenario.Effect{Conversion: scenario.Times(0.7)}, func(t *testing.T, s sums) {
			closeTo(t, "conversions", s.success[1][0], 0.035*s.requests[1], math.Sqrt(0.035*s.requests[1]))
			closeTo(t, "right", s.success[1][2], 0.94*s.requests[1], math.Sqrt(2*0.94*s.requests[1]))
		}},
		"revenue": {scenario.Effect{Revenue: scenario.Times(0.8)}, func(t *testing.T, s sums) {
			closeTo(t, "worth", s.worth[1]/s.success[1][1], 24, 24*1.4/math.Sqrt(s.success[1][1]))
			closeTo(t, "harm", s.harm.Lost, 0.2*0.05*0.5*6000*100, 1)
		}},
		"quality": {scenario.Effect{Quality: scenario.Plus(-0.1)}, func(t *testing.T, s sums) {
			closeTo(t, "right", s.success[1][2], 0.84*s.requests[1], math.Sqrt(0.84*s.requests[1]))
			closeTo(t, "harm", s.harm.Lost, 0.1*0.5*6000*100, 1)
		}},
		"not yet": {scenario.Effect{Errors: scenario.Times(4), When: scenario.When{At: 100 * time.Minute}}, func(t *testing.T, s sums) {
			closeTo(t, "errors", s.errors[1], 0.005*s.requests[1], math.Sqrt(0.005*s.requests[1]))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service(func(s *scenario.Scenario) { s.Effects = []scenario.Effect{tt.effect} })
			tt.check(t, run(world(t, s, 6).NewStream(), 0.5, 100))
		})
	}
}

func TestStrengths(t *testing.T) {
	t.Parallel()
	daily := &scenario.Scenario{Traffic: scenario.Traffic{Daily: &scenario.Daily{Period: 24 * time.Hour}}}
	tests := map[string]struct {
		when   scenario.When
		at     time.Duration
		weight float64
		want   float64
	}{
		"always":                      {scenario.When{}, 0, 0.01, 1},
		"before it begins":            {scenario.When{At: time.Hour}, 59 * time.Minute, 0.01, 0},
		"after it has ended":          {scenario.When{At: time.Hour, Lasts: time.Hour}, 2 * time.Hour, 0.01, 0},
		"half way up":                 {scenario.When{Ramp: 4 * time.Hour}, 2 * time.Hour, 0.01, 0.5},
		"by the weight":               {scenario.When{FullAt: 0.5}, 0, 0.1, 0.2},
		"by the weight above another": {scenario.When{Above: 0.1, FullAt: 0.5}, 0, 0.3, 0.5},
		"not at a low weight":         {scenario.When{Above: 0.1}, 0, 0.1, 0},
		"wholly above it":             {scenario.When{Above: 0.1}, 0, 0.11, 1},
		"by day":                      {scenario.When{Night: 1.0 / 3}, 6 * time.Hour, 0.1, 0},
		"at night":                    {scenario.When{Night: 1.0 / 3}, 18 * time.Hour, 0.1, 1},
		"the next night":              {scenario.When{Night: 1.0 / 3}, 43 * time.Hour, 0.1, 1},
		"a night over midnight":       {scenario.When{Night: 0.9}, 0, 0.1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strength(daily, &scenario.Effect{When: tt.when}, tt.at, tt.weight); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheDayMovesTrafficErrorsAndLatencies(t *testing.T) {
	t.Parallel()
	w := world(t, service(func(s *scenario.Scenario) {
		s.Traffic.Daily = &scenario.Daily{Amplitude: 0.6, Errors: 0.5, Latency: 0.3}
	}), 7)
	s := w.NewStream()
	var hours [24]sums
	for minute := range 24 * 60 {
		hours[minute/60].add(s.Next(0.1))
	}
	peak, low := hours[5], hours[17]
	closeTo(t, "requests at the peak", peak.requests[0], 0.9*6000*60*1.595, 800)
	closeTo(t, "requests at night", low.requests[0], 0.9*6000*60*0.405, 400)
	closeTo(t, "error rate at the peak", peak.errors[0]/peak.requests[0], 0.0075, 0.0002)
	closeTo(t, "error rate at night", low.errors[0]/low.requests[0], 0.0025, 0.0002)
	if peak.slow[0]/peak.requests[0] < 0.03 || low.slow[0]/low.requests[0] > 0.003 {
		t.Errorf("slow: %v at the peak, %v at night", peak.slow[0]/peak.requests[0], low.slow[0]/low.requests[0])
	}
}

func TestBurstsHaveTheirVariance(t *testing.T) {
	t.Parallel()
	w := world(t, service(func(s *scenario.Scenario) {
		s.Traffic.Bursts = &scenario.Bursts{Arrivals: 0.3, Errors: 1, Lasts: time.Minute}
	}), 8)
	const minutes = 4000
	var sum, squares [2]float64
	for i := range minutes {
		sky := w.weather(i)
		if sky.errors[0] != sky.errors[1] {
			t.Fatalf("minute %d: arms differ, %+v", i, sky)
		}
		for k, v := range []float64{sky.arrivals, sky.errors[0]} {
			sum[k] += v
			squares[k] += v * v
		}
	}
	for k, variance := range []float64{0.3, 1} {
		mean := sum[k] / minutes
		closeTo(t, "mean factor", mean, 1, math.Sqrt(variance/minutes))
		closeTo(t, "variance", squares[k]/minutes-mean*mean, variance, 3*variance/math.Sqrt(minutes))
	}
	one := world(t, service(func(s *scenario.Scenario) {
		s.Traffic.Bursts = &scenario.Bursts{Errors: 1, Arm: scenario.Candidate}
	}), 8)
	if sky := one.weather(5); sky.errors[split.Baseline] != 1 || sky.errors[split.Candidate] == 1 {
		t.Errorf("bursts of the candidate: %+v", sky)
	}
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*scenario.Scenario){
		"two segments": func(s *scenario.Scenario) {
			s.Effects = []scenario.Effect{{Errors: scenario.Times(2), When: scenario.When{Segment: 0.1}}, {Errors: scenario.Times(2), When: scenario.When{Segment: 0.2}}}
		},
		"lognormal delays": func(s *scenario.Scenario) {
			s.Baseline.Outcomes[0].Delay, s.Baseline.Outcomes[0].Spread = time.Minute, 1
		},
		"users who come and go": func(s *scenario.Scenario) { s.Traffic.Users = &scenario.Users{Count: 5, New: 1} },
		"odd bursts": func(s *scenario.Scenario) {
			s.Traffic.Bursts = &scenario.Bursts{Errors: 1, Lasts: 7 * time.Second}
		},
		"the worth of a segment": func(s *scenario.Scenario) {
			s.Effects = []scenario.Effect{{Revenue: scenario.Times(0.5), When: scenario.When{Segment: 0.1}}}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewModel(service(change), tenPercent()); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// The stream that draws request by request must show the same.
func TestRequestByRequestComesToTheSame(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*scenario.Scenario){
		"a slower tail": func(s *scenario.Scenario) {
			s.Effects = []scenario.Effect{{Latency: scenario.Times(1.5), Slowest: 0.02}}
		},
		"a second mode": func(s *scenario.Scenario) {
			s.Baseline.Latency.Slow, s.Baseline.Latency.SlowTimes = 0.03, 4
			s.Effects = []scenario.Effect{{Latency: scenario.Times(3), Portion: 0.05}, {Errors: scenario.Plus(0.02), When: scenario.When{Segment: 0.5}}}
		},
		"a heavy tail among users": func(s *scenario.Scenario) {
			s.Baseline.Latency.Heavy, s.Baseline.Latency.HeavyIndex = 0.05, 1.5
			s.Traffic.Users = &scenario.Users{Count: 2_000_000, Spread: 0.5, Errors: 1, Latency: 0.3, Outcomes: 0.7, Odd: 0.02, OddErrors: 0.2}
			s.Effects = []scenario.Effect{{Latency: scenario.Times(1.3), Errors: scenario.Times(2), Conversion: scenario.Times(0.8)}}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := service(change)
			const minutes = 40
			users := sc.Traffic.Users != nil
			if users {
				sc.Traffic.Users.Count = 200_000
			}
			got := run(world(t, sc, 9).NewStream(), 0.5, minutes)
			base := tenPercent()
			var want sums
			usual := world(t, sc, 9).model.lat
			events.New(sc, events.Options{Seed: 1, Sticky: users, Outcomes: []int{0, 1, 2}}).Draw(minutes*60, 5000, func(r *events.Request) {
				want.requests[r.Arm]++
				if r.Error {
					want.errors[r.Arm]++
				}
				if base.Index(r.Latency) >= usual.first+int32(usual.usual) {
					want.slow[r.Arm]++
				}
				for _, o := range r.Reports {
					want.reported[r.Arm][o.Index]++
					if o.Success {
						want.success[r.Arm][o.Index]++
					}
				}
			})
			for arm := range got.requests {
				compare := func(what string, a, na, b, nb float64) {
					p := (a + b) / (na + nb)
					deviation := math.Sqrt(p * (1 - p) * (1/na + 1/nb))
					if users { // They differ between the two.
						deviation *= 2
					}
					closeTo(t, split.Arm(arm).String()+": "+what, a/na, b/nb, deviation)
				}
				compare("errors", got.errors[arm], got.requests[arm], want.errors[arm], want.requests[arm])
				compare("slow", got.slow[arm], got.requests[arm], want.slow[arm], want.requests[arm])
				for o := range 3 {
					compare(sc.Baseline.Outcomes[o].Name, got.success[arm][o], got.reported[arm][o], want.success[arm][o], want.reported[arm][o])
				}
			}
		})
	}
}
