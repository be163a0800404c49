package stream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// world is the usual world at a rate, with effects.
func world(rate float64, effects ...scenario.Effect) scenario.Scenario {
	s := scenario.Builtins()[0]
	s.Traffic.Rate, s.Effects = rate, effects
	return s.Filled()
}

// tally is what was seen of an arm.
type tally struct {
	n, errors, refused, slow, failed, slowed, worse float64
	success, value, delay                           [3]float64
	reports                                         [3]float64
	scores                                          float64
}

// seen draws some time and adds up both arms. slow counts what is beyond the
// baseline's usual 99th percentile.
func seen(s scenario.Scenario, o Options, from, to float64, weight uint32) [split.Arms]tally {
	o.Outcomes, o.Scores = []int{0, 1, 2}, []int{0}
	st := New(s, o)
	var sums [split.Arms]tally
	st.Draw(from, weight, func(*Request) {})
	st.Draw(to, weight, func(q *Request) {
		t := &sums[q.Arm]
		t.n++
		t.errors += one(q.Error)
		t.refused += one(q.ClientError)
		t.slow += one(math.Log(float64(q.Latency)) > st.latency.usual)
		t.failed, t.slowed, t.worse = t.failed+one(q.Failed), t.slowed+one(q.Slowed), t.worse+one(q.Worse)
		for _, r := range q.Reports {
			t.reports[r.Index]++
			t.success[r.Index] += one(r.Success)
			t.value[r.Index] += r.Value
			t.delay[r.Index] += r.Delay - q.Latency.Seconds()
		}
		t.scores += q.Scores[0]
	})
	return sums
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// near fails where a count is further from its mean than chance explains.
func near(t *testing.T, what string, got, n, p float64) {
	t.Helper()
	if sd := math.Sqrt(n*p*(1-p)) + 1; math.Abs(got-n*p) > 5*sd {
		t.Errorf("%s: %v of %v, want a share of %.4f", what, got, n, p)
	}
}

func TestBothArmsBehaveAsTheBaselineWhereNothingChanges(t *testing.T) {
	t.Parallel()
	both := seen(world(1000), Options{Seed: 1}, 0, 300, 2500)
	total := both[0].n + both[1].n
	if math.Abs(total-300_000) > 5*math.Sqrt(300_000) {
		t.Errorf("%v requests in 300 s at 1000/s", total)
	}
	near(t, "candidate", both[1].n, total, 0.25)
	for arm, a := range both {
		name := split.Arm(arm).String()
		near(t, name+" errors", a.errors, a.n, 0.005)
		near(t, name+" refused", a.refused, a.n, 0.01*0.995)
		near(t, name+" slow", a.slow, a.n, 0.01)
		near(t, name+" conversions", a.success[0], a.reports[0], 0.05)
		near(t, name+" right", a.success[2], a.reports[2], 0.94)
		if worth := a.value[1] / a.success[1]; math.Abs(worth-30) > 5*30*1.31/math.Sqrt(a.success[1]) {
			t.Errorf("%s: a success is worth %v, want 30", name, worth)
		}
		if late := a.delay[0] / a.reports[0]; math.Abs(late-600) > 5*600/math.Sqrt(a.reports[0]) {
			t.Errorf("%s: reports come %v s late, want 600", name, late)
		}
		if math.Abs(a.scores) > 5*math.Sqrt(a.n) {
			t.Errorf("%s: scores add up to %v", name, a.scores)
		}
		if a.failed+a.slowed+a.worse > 0 {
			t.Errorf("%s: harm without a change: %+v", name, a)
		}
	}
}

func TestEffectsAreFeltAsTheyAreDescribed(t *testing.T) {
	t.Parallel()
	type want struct{ errors, slow, conversion, right float64 }
	usual := want{0.005, 0.01, 0.05, 0.94}
	with := func(change func(w *want)) want { w := usual; change(&w); return w }
	x2 := scenario.Times(2)
	// beyond is the share beyond the 99th percentile when latencies grow by a factor.
	beyond := func(factor float64) float64 {
		return 0.5 * math.Erfc((2.3263478740408408-math.Log(factor)/0.4)/math.Sqrt2)
	}
	for name, tt := range map[string]struct {
		effect   scenario.Effect
		baseline want
		want     want
	}{
		"errors":             {scenario.Effect{Errors: x2}, usual, with(func(w *want) { w.errors = 0.01 })},
		"added errors":       {scenario.Effect{Errors: scenario.Plus(0.03)}, usual, with(func(w *want) { w.errors = 0.035 })},
		"both arms":          {scenario.Effect{Arm: scenario.Both, Errors: x2}, with(func(w *want) { w.errors = 0.01 }), with(func(w *want) { w.errors = 0.01 })},
		"the baseline alone": {scenario.Effect{Arm: scenario.Baseline, Errors: x2}, with(func(w *want) { w.errors = 0.01 }), usual},
		"all latencies":      {scenario.Effect{Latency: x2}, usual, with(func(w *want) { w.slow = beyond(2) })},
		"the tail":           {scenario.Effect{Latency: x2, Slowest: 0.04}, usual, with(func(w *want) { w.slow = 0.04 })},
		"a second mode":      {scenario.Effect{Latency: scenario.Times(10), Portion: 0.03}, usual, with(func(w *want) { w.slow = 0.01*0.97 + 0.03*beyond(10) })},
		"conversion":         {scenario.Effect{Conversion: scenario.Change{Relative: -0.4}}, usual, with(func(w *want) { w.conversion = 0.03 })},
		"quality":            {scenario.Effect{Quality: scenario.Plus(-0.04)}, usual, with(func(w *want) { w.right = 0.9 })},
		"one outcome": {
			scenario.Effect{Outcomes: []scenario.OutcomeEffect{{Name: "correct", Rate: scenario.Plus(-0.04)}}},
			usual,
			with(func(w *want) { w.right = 0.9 }),
		},
		"not yet":                {scenario.Effect{Errors: x2, When: scenario.When{At: 101 * time.Second}}, usual, usual},
		"no longer":              {scenario.Effect{Errors: x2, When: scenario.When{At: 10 * time.Second, Lasts: 20 * time.Second}}, usual, usual},
		"now":                    {scenario.Effect{Errors: x2, When: scenario.When{At: 50 * time.Second, Lasts: 50 * time.Second}}, usual, with(func(w *want) { w.errors = 0.01 })},
		"half way up":            {scenario.Effect{Errors: scenario.Plus(0.1), When: scenario.When{Ramp: 149 * time.Second}}, usual, with(func(w *want) { w.errors = 0.005 + 0.05 })},
		"a segment":              {scenario.Effect{Errors: scenario.Times(11), When: scenario.When{Segment: 0.1}}, usual, with(func(w *want) { w.errors = 0.01 })},
		"half of its load":       {scenario.Effect{Errors: scenario.Plus(0.1), When: scenario.When{FullAt: 0.8}}, usual, with(func(w *want) { w.errors = 0.055 })},
		"grows from a weight":    {scenario.Effect{Errors: scenario.Plus(0.1), When: scenario.When{Above: 0.3, FullAt: 0.5}}, usual, with(func(w *want) { w.errors = 0.055 })},
		"below its load":         {scenario.Effect{Errors: x2, When: scenario.When{Above: 0.4}}, usual, usual},
		"above its load":         {scenario.Effect{Errors: x2, When: scenario.When{Above: 0.39}}, usual, with(func(w *want) { w.errors = 0.01 })},
		"at night, by day":       {scenario.Effect{Errors: x2, When: scenario.When{Night: 0.33}}, usual, usual},
		"more than there can be": {scenario.Effect{Conversion: scenario.Times(100)}, usual, with(func(w *want) { w.conversion = 1 })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := seen(world(2000, tt.effect), Options{Seed: 7}, 49.5, 99.5, 4000)
			for arm, w := range []want{tt.baseline, tt.want} {
				a, name := both[arm], split.Arm(arm).String()
				near(t, name+" errors", a.errors, a.n, w.errors)
				near(t, name+" slow", a.slow, a.n, w.slow)
				near(t, name+" conversions", a.success[0], a.reports[0], w.conversion)
				near(t, name+" right", a.success[2], a.reports[2], w.right)
			}
			c := both[split.Candidate]
			near(t, "failed because of it", c.failed, c.n, max(0, tt.want.errors-tt.baseline.errors))
			near(t, "slowed because of it", c.slowed, c.n, max(0, tt.want.slow-tt.baseline.slow))
		})
	}
}

func TestWorthDelayAndScoresChange(t *testing.T) {
	t.Parallel()
	e := scenario.Effect{Revenue: scenario.Change{Relative: -0.5}, Delay: scenario.Times(3), Scores: 0.5}
	both := seen(world(2000, e), Options{Seed: 3}, 0, 100, 5000)
	c := both[split.Candidate]
	if worth := c.value[1] / c.success[1]; math.Abs(worth-15) > 5*15*1.31/math.Sqrt(c.success[1]) {
		t.Errorf("a success is worth %v, want 15", worth)
	}
	if late := c.delay[0] / c.reports[0]; math.Abs(late-1800) > 5*1800/math.Sqrt(c.reports[0]) {
		t.Errorf("reports come %v s late, want 1800", late)
	}
	if math.Abs(c.scores/c.n-0.5) > 5/math.Sqrt(c.n) {
		t.Errorf("the mean score is %v, want 0.5", c.scores/c.n)
	}
	if c.worse != c.success[1] || both[split.Baseline].worse != 0 {
		t.Errorf("%v requests came to worse, %v had a worth", c.worse, c.success[1])
	}
}

func TestTheNightIsWhereTheTrafficIsLowest(t *testing.T) {
	t.Parallel()
	s := world(50, scenario.Effect{Errors: scenario.Plus(0.5), When: scenario.When{Night: 0.25}})
	s.Traffic.Daily = &scenario.Daily{Amplitude: 0.8, Period: 1000 * time.Second}
	s = s.Filled()
	for _, tt := range []struct {
		from, rate, errors float64
	}{{200, 90, 0.005}, {490, 50, 0.005}, {700, 10, 0.505}, {860, 19, 0.505}, {890, 24, 0.005}} {
		both := seen(s, Options{Seed: 5}, tt.from, tt.from+10, 5000)
		near(t, "errors", both[1].errors, both[1].n, tt.errors)
		if n := both[0].n + both[1].n; math.Abs(n-10*tt.rate) > 60+5*math.Sqrt(10*tt.rate) {
			t.Errorf("at %v s %v requests in 10 s, want about %v a second", tt.from, n, tt.rate)
		}
	}
}

func TestTheShieldLeavesTheBaselinesOutcome(t *testing.T) {
	t.Parallel()
	s := world(2000, scenario.Effect{Errors: scenario.Plus(0.5), Conversion: scenario.Times(4)})
	with := seen(s, Options{Seed: 3, Shield: true}, 0, 50, 5000)[split.Candidate]
	without := seen(s, Options{Seed: 3}, 0, 50, 5000)[split.Candidate]
	if with.reports[0] != with.n || without.reports[0] != without.n-without.errors {
		t.Errorf("%v of %v have a report with a shield, %v of %v without; %v failed", with.reports[0], with.n, without.reports[0], without.n, without.errors)
	}
	near(t, "conversions", with.success[0], with.n, 0.505*0.05+0.495*0.2)
	near(t, "conversions of what did not fail", without.success[0], without.reports[0], 0.2)
}

// course is a request without what depends on its arm.
type trace struct {
	At     float64
	User   int
	Second uint64
}

func TestTheSameTrafficComesWhateverTheWeightIs(t *testing.T) {
	t.Parallel()
	for name, users := range map[string]*scenario.Users{"requests": nil, "users": {Count: 500, Errors: 1, Odd: 0.05, OddErrors: 0.3, New: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := world(200, scenario.Effect{Errors: scenario.Times(3), Latency: scenario.Times(2), Revenue: scenario.Times(0.5), When: scenario.When{Segment: 0.3}})
			s.Traffic.Users, s.Traffic.Bursts = users, &scenario.Bursts{Arrivals: 0.5, Errors: 1}
			s = s.Filled()
			draw := func(weight uint32, pieces float64) (out []trace, latencies []time.Duration) {
				st := New(s, Options{Seed: 9, Sticky: users != nil, Outcomes: []int{0, 1, 2}, Scores: []int{0}})
				for at := pieces; at <= 60; at += pieces {
					st.Draw(at, weight, func(q *Request) {
						out, latencies = append(out, trace{q.At, q.User, q.Second}), append(latencies, q.Latency)
					})
				}
				return out, latencies
			}
			want, all := draw(0, 60)
			for _, weight := range []uint32{0, 100, 5000, split.Whole} {
				for _, pieces := range []float64{0.25, 1, 30} {
					got, latencies := draw(weight, pieces)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("weight %d in pieces of %v s:\n%s", weight, pieces, diff)
					}
					if weight == 0 && !cmp.Equal(all, latencies) {
						t.Fatalf("in pieces of %v s other latencies are drawn", pieces)
					}
				}
			}
			if other := New(s, Options{Seed: 10}); other.left == New(s, Options{Seed: 9}).left {
				t.Error("two seeds draw the same")
			}
		})
	}
}

func TestAUserStaysOnAnArmAndOnlyMovesUp(t *testing.T) {
	t.Parallel()
	s := world(500)
	s.Traffic.Users = &scenario.Users{Count: 2000}
	s = s.Filled()
	st := New(s, Options{Seed: 2, Sticky: true})
	arms := map[uint64]split.Arm{}
	for i, weight := range []uint32{100, 1000, 5000, 9900} {
		moved := map[uint64]bool{}
		st.Draw(float64(20*(i+1)), weight, func(q *Request) {
			was, met := arms[q.Second]
			if met && was == split.Candidate && q.Arm == split.Baseline {
				t.Fatalf("user %d went back to the baseline", q.User)
			}
			if met && was != q.Arm && moved[q.Second] {
				t.Fatalf("user %d moved twice", q.User)
			}
			moved[q.Second], arms[q.Second] = true, q.Arm
		})
	}
	candidates := 0.0
	for _, arm := range arms {
		candidates += one(arm == split.Candidate)
	}
	if candidates < 0.9*float64(len(arms)) || len(arms) < 1500 {
		t.Errorf("%v of %d users at the candidate", candidates, len(arms))
	}
}

func TestUsersDiffer(t *testing.T) {
	t.Parallel()
	s := world(1000)
	s.Traffic.Users = &scenario.Users{Count: 200, Activity: scenario.Lognormal, Spread: 1.5, Errors: 1, Odd: 0.1, OddErrors: 0.4, New: 0.5}
	s = s.Filled()
	st := New(s, Options{Seed: 4, Sticky: true})
	requests, errors, fresh := map[int]float64{}, 0.0, 0
	st.Draw(100, 5000, func(q *Request) {
		requests[q.User]++
		errors += one(q.Error)
		if q.Fresh {
			fresh++
		}
	})
	most, n := 0.0, 0.0
	for _, k := range requests {
		most, n = max(most, k), n+k
	}
	if most < 10*n/200 {
		t.Errorf("the busiest of 200 users sent %v of %v requests", most, n)
	}
	if errors < 0.015*n || errors > 0.2*n {
		t.Errorf("%v of %v requests failed", errors, n)
	}
	if fresh < 10 || fresh > 50 {
		t.Errorf("%d new users were met, of about 50 that came", fresh)
	}
}

func TestUsersArePickedByTheirActivity(t *testing.T) {
	t.Parallel()
	weights := []float64{1, 0, 5, 0.1, 3, 7, 0.9}
	u := users{all: make([]user, len(weights))}
	u.keep, u.alias = aliases(weights)
	r, counts := rand.New(rand.NewPCG(1, 2)), make([]float64, len(weights))
	const n = 200_000
	for range n {
		counts[u.pick(r)]++
	}
	for i, w := range weights {
		near(t, "user", counts[i], n, w/17)
	}
}

func TestGammaHasItsMeanAndItsVariance(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, variance := range []float64{0, 0.1, 0.5, 1, 2, 5} {
		const n = 100_000
		sum, squares := 0.0, 0.0
		for range n {
			v := gamma(r, variance)
			sum, squares = sum+v, squares+v*v
		}
		mean, got := sum/n, squares/n-sum*sum/n/n
		if math.Abs(mean-1) > 5*math.Sqrt(variance/n) || math.Abs(got-variance) > 0.1*variance {
			t.Errorf("variance %v: mean %v, variance %v", variance, mean, got)
		}
	}
}

func TestBurstsMakeCountsVary(t *testing.T) {
	t.Parallel()
	dispersion := func(b *scenario.Bursts) (arrivals, errors, candidate float64) {
		s := world(100)
		s.Baseline.Errors, s.Traffic.Bursts = 0.05, b
		s = s.Filled()
		st := New(s, Options{Seed: 11})
		var n, k, c []float64
		for at := 10.0; at <= 4000; at += 10 {
			var a, b, d float64
			st.Draw(at, 5000, func(q *Request) {
				a++
				b += one(q.Error && q.Arm == split.Baseline)
				d += one(q.Error && q.Arm == split.Candidate)
			})
			n, k, c = append(n, a), append(k, b), append(c, d)
		}
		return fano(n), fano(k), fano(c)
	}
	if a, e, c := dispersion(nil); a > 1.4 || e > 1.4 || c > 1.4 {
		t.Errorf("without bursts counts vary by %v, %v and %v", a, e, c)
	}
	if a, e, c := dispersion(&scenario.Bursts{Arrivals: 0.5, Lasts: 10 * time.Second}); a < 100 || e < 3 || c < 3 {
		t.Errorf("bursts of arrivals vary by %v, %v and %v", a, e, c)
	}
	if a, e, c := dispersion(&scenario.Bursts{Errors: 2, Lasts: 10 * time.Second, Arm: scenario.Candidate}); a > 1.4 || e > 1.4 || c < 10 {
		t.Errorf("bursts of the candidate's errors vary by %v, %v and %v", a, e, c)
	}
}

// fano is the variance of counts over their mean.
func fano(counts []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, c := range counts {
		sum, squares = sum+c, squares+c*c
	}
	n := float64(len(counts))
	return (squares/n - sum*sum/n/n) / (sum / n)
}

func TestMixedLatenciesHaveTheirQuantiles(t *testing.T) {
	t.Parallel()
	for name, latency := range map[string]scenario.Latency{
		"slow":             {Slow: 0.03, SlowTimes: 6},
		"faster":           {Slow: 0.3, SlowTimes: 0.2},
		"heavy":            {Heavy: 0.02, HeavyIndex: 1.5},
		"both":             {Slow: 0.03, SlowTimes: 6, Heavy: 0.02, HeavyIndex: 1.5},
		"all of it":        {Heavy: 1, HeavyIndex: 3},
		"hardly heavy":     {Heavy: 0.5, HeavyIndex: 90},
		"a wide body":      {Sigma: 3, Heavy: 0.2},
		"very heavy":       {Heavy: 0.1, HeavyIndex: 0.2},
		"next to constant": {Sigma: 0.001, Slow: 0.02},
	} {
		s := world(1)
		s.Baseline.Latency = latency
		l := newLatencies(s.Filled())
		r := rand.New(rand.NewPCG(1, 2))
		const n = 100_000
		for _, share := range []float64{0.5, 0.1, 0.01} {
			at, above := l.quantile(share), 0.0
			for range n {
				above += one(l.draw(r).ln > at)
			}
			near(t, name, above, n, share)
		}
	}
}

func TestBetaScoresLieBetweenZeroAndOne(t *testing.T) {
	t.Parallel()
	r, sum := rand.New(rand.NewPCG(1, 2)), 0.0
	const n = 50_000
	for range n {
		v := score(r, &scenario.Score{Alpha: 2, Beta: 6}, 0)
		if v < 0 || v > 1 {
			t.Fatal(v)
		}
		sum += v
	}
	if math.Abs(sum/n-0.25) > 0.005 {
		t.Errorf("mean %v, want 0.25", sum/n)
	}
}

// Whatever a scenario says, as long as it passes its check, it can be drawn from.
func TestAnyScenarioCanBeDrawnFrom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		change := func(name string) scenario.Change {
			return scenario.Change{Relative: rapid.Float64Range(-1, 50).Draw(rt, name), Add: rapid.Float64Range(-1, 1).Draw(rt, name+"+")}
		}
		s := world(rapid.Float64Range(0.1, 500).Draw(rt, "rate"), scenario.Effect{
			Errors: change("errors"), Conversion: change("conversion"), Quality: change("quality"),
			Revenue: scenario.Change{Relative: rapid.Float64Range(-1, 5).Draw(rt, "revenue")},
			Latency: scenario.Times(rapid.Float64Range(0.01, 100).Draw(rt, "latency")),
			When:    scenario.When{Segment: rapid.Float64Range(0, 1).Draw(rt, "segment"), FullAt: rapid.Float64Range(0, 1).Draw(rt, "fullAt")},
		})
		s.Traffic.Daily = (&scenario.Scenario{Traffic: scenario.Traffic{Daily: &scenario.Daily{Amplitude: rapid.Float64Range(0, 0.99).Draw(rt, "amplitude"), Phase: time.Hour}}}).Filled().Traffic.Daily
		if rapid.Bool().Draw(rt, "users?") {
			s.Traffic.Users = &scenario.Users{Count: rapid.IntRange(1, 50).Draw(rt, "count"), Spread: rapid.Float64Range(0.01, 5).Draw(rt, "spread"), Outcomes: 1, New: 0.3}
		}
		st := New(s.Filled(), Options{Seed: rapid.Uint64().Draw(rt, "seed"), Sticky: true, Outcomes: []int{0, 1, 2}, Scores: []int{0}})
		before := 0.0
		st.Draw(20, uint32(rapid.IntRange(0, split.Whole).Draw(rt, "weight")), func(q *Request) {
			if q.At < before || q.At >= 20 || q.Latency < 0 || q.Latency > time.Hour {
				rt.Fatalf("%+v after %v", q, before)
			}
			before = q.At
			for _, r := range q.Reports {
				if !(r.Delay >= 0) || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
					rt.Fatalf("%+v", r)
				}
			}
		})
	})
}
