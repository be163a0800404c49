package stream

import (
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// sticky is a service with some heavy users, of whom some fail often.
func sticky(count int) scenario.Scenario {
	return service(func(s *scenario.Scenario) {
		s.Traffic.Users = &scenario.Users{
			Count: count, Activity: scenario.Lognormal, Spread: 1.2, Errors: 0.5, Latency: 0.2, Outcomes: 0.5, Odd: 0.02, OddErrors: 0.1,
		}
	})
}

func TestTheArmsShareAllUsers(t *testing.T) {
	t.Parallel()
	w := world(t, sticky(5000), 1)
	for _, weight := range []float64{0, 0.01, 0.1, 0.5, 0.99, 1} {
		t1, c := w.crowd(span{0, weight}), w.crowd(span{weight, 1})
		if len(t1.users)+len(c.users) != 5000 || math.Abs(t1.total()+c.total()-1) > 1e-9 {
			t.Errorf("at %v: %d and %d users with %v and %v of the requests", weight, len(t1.users), len(c.users), t1.total(), c.total())
		}
		if want := 5000 * weight; math.Abs(float64(len(t1.users))-want) > 4.5*math.Sqrt(5000*weight*(1-weight)) {
			t.Errorf("at %v: %d users at the candidate", weight, len(t1.users))
		}
	}
	small, large := w.crowd(span{0, 0.1}), w.crowd(span{0, 0.5})
	for i := range small.users {
		if small.users[i] != large.users[i] {
			t.Fatal("a user has left the candidate as it widened")
		}
	}
}

func TestTheSplitAddsUp(t *testing.T) {
	t.Parallel()
	s := world(t, sticky(5000), 2).NewStream()
	for minute := range 6 {
		m := s.Next([]float64{0.01, 0.5}[minute/3])
		split2 := m.Split()
		for arm := range split.Arms {
			served := &m.Arms[arm]
			n, errors := split2.Requests(arm, served.Requests, served.Errors)
			if sum(n) != served.Requests || sum(errors) != served.Errors {
				t.Errorf("%v: %d requests and %d errors, want %d and %d", arm, sum(n), sum(errors), served.Requests, served.Errors)
			}
			for i := range n {
				if errors[i] > n[i] {
					t.Fatalf("%v: bucket %d has %d errors in %d requests", arm, i, errors[i], n[i])
				}
			}
			if got := sum(split2.Above(arm, served.First+100, served.Slow)); got != served.Slow {
				t.Errorf("%v: %d above, want %d", arm, got, served.Slow)
			}
		}
		for i := range m.Reports {
			n, k := split2.Reports(&m.Reports[i])
			if sum(n) != m.Reports[i].Reported || sum(k) != m.Reports[i].Success {
				t.Errorf("reports %d: %d of %d", i, sum(k), sum(n))
			}
		}
	}
}

func sum(c Counts) (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

func TestBucketsHaveTheRequestsOfTheirUsers(t *testing.T) {
	t.Parallel()
	w := world(t, sticky(2000), 3)
	s := w.NewStream()
	var n, errors [split.Buckets]float64
	const minutes = 200
	for range minutes {
		m := s.Next(0.5)
		a, b := m.Split().Requests(split.Candidate, m.Arms[1].Requests, m.Arms[1].Errors)
		for i := range n {
			n[i] += float64(a[i])
			errors[i] += float64(b[i])
		}
	}
	var chi, chiErrors float64
	d := w.detailOf(w.crowd(span{0, 0.5}))
	plain := w.condition(0, 0.5).arms[split.Candidate]
	for i, part := range d.parts {
		want := part.total() * 6000 * minutes
		if want > 0 {
			chi += (n[i] - want) * (n[i] - want) / want
		}
		if want := w.errors(part, &plain) * 6000 * minutes; want > 0 {
			chiErrors += (errors[i] - want) * (errors[i] - want) / want
		}
	}
	closeTo(t, "chi-squared of requests", chi, 256, math.Sqrt(2*256))
	closeTo(t, "chi-squared of errors", chiErrors, 256, math.Sqrt(2*256))
}

func TestUsersSpreadTheErrorsAsBetweenSays(t *testing.T) {
	t.Parallel()
	const reps, minutes, count = 300, 30, 500
	m, err := NewModel(sticky(count), tenPercent())
	if err != nil {
		t.Fatal(err)
	}
	var squares, between, plain float64
	for seed := range uint64(reps) {
		s := m.NewWorld(seed).NewStream()
		got := run(s, 0.3, minutes)
		rate := (got.errors[0] + got.errors[1]) / (got.requests[0] + got.requests[1])
		off := got.errors[1] - got.requests[1]*rate
		// The rate is that of all, so the arm's deviation is 0.7 of its own.
		squares += off * off / 0.7
		between += s.Between(split.Candidate, Failures)
		plain += got.errors[1]
	}
	want := (between + plain) / reps
	if want < 3*plain/reps {
		t.Fatalf("users make no difference: %v against %v", want, plain/reps)
	}
	closeTo(t, "variance of the errors of an arm", squares/reps, want, 2*want*math.Sqrt(2.0/reps))
}

func TestBetweenFollowsUsersThroughTheStages(t *testing.T) {
	t.Parallel()
	w := world(t, sticky(3000), 5)
	s := w.NewStream()
	run(s, 0.1, 10)
	early := s.Between(split.Candidate, Failures)
	run(s, 0.5, 10)
	parts := s.parts(split.Candidate)
	if len(parts) != 2 || math.Abs(parts[0].requests-120_000) > 1 || math.Abs(parts[1].requests-60_000) > 1 {
		t.Errorf("at the candidate: %+v", parts)
	}
	parts = s.parts(split.Baseline)
	if len(parts) != 3 || parts[0].requests != 0 || math.Abs(parts[1].requests-60_000) > 1 || math.Abs(parts[2].requests-120_000) > 1 {
		t.Errorf("at the baseline: %+v", parts)
	}
	if late := s.Between(split.Candidate, Failures); late < 4*early {
		t.Errorf("%v after ten minutes, %v after twenty", early, late)
	}
	alone := world(t, service(nil), 5).NewStream()
	run(alone, 0.1, 10)
	if got := alone.Between(split.Candidate, Failures); got != 0 {
		t.Errorf("%v where each request is a unit of its own", got)
	}
}

func TestUnitsArriveAsTheirActivitySays(t *testing.T) {
	t.Parallel()
	w := world(t, sticky(20_000), 6)
	s := w.NewStream()
	a := s.Next(0.5).Arrivals(split.Candidate)
	run(s, 0.5, 4)
	var got evidence.Units
	a.Add(&got, s.out.Passed())
	var want float64
	for _, u := range w.crowd(span{0, 0.5}).users {
		want -= math.Expm1(-u.act * 6000 * 5)
	}
	closeTo(t, "units after five minutes", float64(got.At(0)), want, math.Sqrt(want))
	closeTo(t, "a half of them", float64(got.At(1)), want/2, math.Sqrt(want))
	run(s, 0.5, 5)
	a.Add(&got, s.out.Passed())
	if float64(got.At(0)) < want {
		t.Error("no units came later")
	}
}

func TestTheSliceIsAsLargeAsTheCandidate(t *testing.T) {
	t.Parallel()
	for name, sc := range map[string]scenario.Scenario{"users": sticky(20_000), "requests": service(nil)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := world(t, sc, 7).NewStream()
			var slice, errors, right float64
			const minutes = 100
			for range minutes {
				served, reports := s.Next(0.25).Slice()
				slice += float64(served.Requests)
				errors += float64(served.Errors)
				right += float64(reports[2].Success) / float64(reports[2].Reported)
			}
			closeTo(t, "requests", slice, 1500*minutes, 0.02*1500*minutes)
			closeTo(t, "right", right/minutes, 0.94, 0.004)
			if rate := errors / slice; rate < 0.003 || rate > 0.02 {
				t.Errorf("error rate %v", rate)
			}
		})
	}
}

func TestDrawsHaveTheirMoments(t *testing.T) {
	t.Parallel()
	r := world(t, service(nil), 1)
	s := r.NewStream()
	s.Next(0.1)
	rng := s.random(9)
	const n = 200_000
	for _, mean := range []float64{0.01, 0.7, 5, 23, 25, 400} {
		var sum, squares float64
		for range n {
			k := float64(poisson(rng, mean))
			sum += k
			squares += k * k
		}
		got := sum / n
		closeTo(t, "mean of a Poisson number", got, mean, math.Sqrt(mean/n))
		closeTo(t, "its variance", squares/n-got*got, mean, math.Sqrt((mean+2*mean*mean)/n))
	}
	for _, c := range []struct {
		n uint64
		p float64
	}{{1, 0.3}, {10, 0.5}, {60, 0.005}, {6000, 0.001}, {5000, 0.2}, {100, 0.95}} {
		var sum, squares float64
		for range n / 4 {
			k := float64(binomial(rng, c.n, c.p))
			sum += k
			squares += k * k
		}
		mean, variance := float64(c.n)*c.p, float64(c.n)*c.p*(1-c.p)
		got := sum / (n / 4)
		closeTo(t, "mean of a binomial number", got, mean, math.Sqrt(variance/(n/4)))
		closeTo(t, "its variance", squares/(n/4)-got*got, variance, variance*math.Sqrt(2/(n/4.0))+math.Sqrt(variance/(n/4)))
	}
}

func BenchmarkMinute(b *testing.B) {
	for name, sc := range map[string]scenario.Scenario{"requests": service(nil), "users": sticky(20_000)} {
		for _, rate := range []float64{10, 100, 1000} {
			b.Run(name+"/"+map[float64]string{10: "600", 100: "6000", 1000: "60000"}[rate], func(b *testing.B) {
				sc.Traffic.Rate = rate
				s := world(b, sc, 1).NewStream()
				s.Next(0.1)
				for b.Loop() {
					s.Next(0.1)
				}
			})
		}
	}
}

func TestVictimsAreUsersOnce(t *testing.T) {
	t.Parallel()
	sc := sticky(2000)
	sc.Effects = []scenario.Effect{{Errors: scenario.Times(5)}}
	w := world(t, sc.Filled(), 8)
	v, s := w.NewVictims(), w.NewStream()
	var requests float64
	for range 20 {
		m := s.Next(0.1)
		v.Add(m)
		requests += m.Harm.All()
	}
	early, _ := v.Expected()
	if early <= 0 || early > requests || early > float64(len(w.crowd(span{0, 0.1}).users)) {
		t.Errorf("%v users of %v requests", early, requests)
	}
	for minute := range 24 * 60 {
		v.AddAt(20+minute, 1)
	}
	all, failing := v.Expected()
	if failing != all {
		t.Errorf("only failures do harm; %v users of %v had one", failing, all)
	}
	if odd := 0.98 * 2000; all < 0.8*odd || all > odd*1.02 {
		t.Errorf("%v users after a day at the candidate", all)
	}
	slow := sticky(2000)
	slow.Effects = []scenario.Effect{{Latency: scenario.Times(2)}}
	slowed := world(t, slow.Filled(), 8).NewVictims()
	slowed.AddAt(0, 1)
	if all, failing := slowed.Expected(); !(all > 0) || failing != 0 {
		t.Errorf("of %v users whom slowness harms %v had a failure", all, failing)
	}
	if got, _ := world(t, service(nil), 8).NewVictims().Expected(); got != 0 {
		t.Errorf("%v users where there are none", got)
	}
}

func TestScoresFallIntoTheirBins(t *testing.T) {
	t.Parallel()
	sc := service(func(s *scenario.Scenario) {
		s.Baseline.Scores = []scenario.Score{{Name: "score", Mean: 3, Deviation: 2}}
		s.Effects = []scenario.Effect{{Scores: 0.5}}
	})
	m := world(t, sc, 9).NewStream().Next(0.5)
	edges := []float64{-1, 1, 3, 4, 8}
	const n = 100_000
	for arm, mean := range map[split.Arm]float64{split.Baseline: 3, split.Candidate: 4} {
		got := m.Split().Scores(arm, n, edges)
		before := 0.0
		for i, k := range got {
			up := 1.0
			if i < len(edges) {
				up = 1 - upper((edges[i]-mean)/2)
			}
			p := up - before
			closeTo(t, arm.String(), float64(k), n*p, math.Sqrt(n*p))
			before = up
		}
		one, s := 0.0, m.Split()
		for range 1000 {
			one += s.Score(arm) / 1000
		}
		closeTo(t, "mean score", one, mean, 2/math.Sqrt(1000))
	}
}

func TestNowIsWhatTheMinuteWasExpectedToShow(t *testing.T) {
	t.Parallel()
	sc := service(func(s *scenario.Scenario) {
		s.Effects = []scenario.Effect{{Errors: scenario.Times(3), Latency: scenario.Times(1.5), Conversion: scenario.Times(0.7)}}
	})
	w := world(t, sc, 1)
	s := w.NewStream()
	s.Next(0.1)
	n := s.Now()
	closeTo(t, "errors", n.Errors[split.Candidate]/n.Errors[split.Baseline], 3, 1e-9)
	closeTo(t, "conversions", n.Successes[0][split.Candidate]/n.Successes[0][split.Baseline], 0.7, 1e-9)
	closeTo(t, "longer", n.Longer(1.1), 1.5, 0.005)
	if got, want := w.model.Quantile(0.5).Seconds(), 0.08; math.Abs(got-want) > 1e-6 {
		t.Errorf("median %v, want %v", got, want)
	}
	if got := s.Expected(split.Candidate, Failures); got != 0 {
		t.Errorf("%v failures where there are no users", got)
	}
	u := world(t, sticky(5000), 1).NewStream()
	run(u, 0.5, 10)
	if got := u.Expected(split.Candidate, Failures); got < 0.4*0.006*60000 || got > 0.6*0.008*60000 {
		t.Errorf("%v failures of the candidate", got)
	}
}
