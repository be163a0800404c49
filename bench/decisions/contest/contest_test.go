package contest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate"
)

func benchOf(t *testing.T, name string, rate int) *bench {
	t.Helper()
	c, err := corpus.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(c.At(rate))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOthersAtTheTableChangeNothingForBelay(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]int{"errors-x5": 6000, "latency-+20%": 6000, "sticky-x5": 600, "conversion--30%": 6000} {
		b := benchOf(t, name, rate)
		for seed := range uint64(3) {
			alone, beside := b.play(seed, false), b.play(seed, true)
			if diff := cmp.Diff(alone[BelayName], beside[BelayName]); diff != "" {
				t.Errorf("%s, seed %d (-alone +beside):\n%s", name, seed, diff)
			}
			if len(beside) != len(rules()) {
				t.Errorf("%s: %d have played, want %d", name, len(beside), len(rules()))
			}
		}
	}
}

func TestEveryEndingIsWhatHappened(t *testing.T) {
	t.Parallel()
	out := benchOf(t, "errors-+20pp", 6000).play(1, true)
	own, once := out[BelayName], out[rule.AllAtOnceName]
	if own.Ending != RolledBack || own.By != "error_rate" || own.Weight != 0.01 || own.Minute > 10 || own.Onset != 0 || own.Whole {
		t.Errorf("Belay: %+v", own)
	}
	if once.Ending != Promoted || !once.Whole || once.Weight != 1 {
		t.Errorf("all at once: %+v", once)
	}
	// 1,200 requests a minute fail besides, in the first minute and for a day.
	if want := 1200.0 * (1 + 24*60); math.Abs(once.Harmed-want) > 1 {
		t.Errorf("all at once harms %v requests, want %v", once.Harmed, want)
	}
	if want := 0.01 * 1200 * float64(own.Minute); math.Abs(own.Harmed-want) > 1 {
		t.Errorf("Belay harms %v requests in %d minutes, want %v", own.Harmed, own.Minute, want)
	}
	for name, p := range benchOf(t, "technical", 6000).play(1, true) {
		if p.Harmed != 0 || p.Onset != -1 {
			t.Errorf("%s harms %v requests where nothing is wrong", name, p.Harmed)
		}
	}
}

func TestUsersAreHarmedWhereTheyComeBack(t *testing.T) {
	t.Parallel()
	out := benchOf(t, "sticky-x5", 6000).play(1, true)
	own, once := out[BelayName], out[rule.AllAtOnceName]
	if own.Users <= 0 || own.Users > own.Harmed || once.Users < 10*own.Users || once.Users > 20_000 {
		t.Errorf("users harmed: Belay %v of %v requests, all at once %v", own.Users, own.Harmed, once.Users)
	}
}

func TestTheEvidenceIsWhatTheDataPlaneWouldHaveCounted(t *testing.T) {
	t.Parallel()
	for name := range map[string]bool{"sticky-business": true, "business": false} {
		b := benchOf(t, name, 6000)
		w := b.model.NewWorld(3)
		s, own := w.NewStream(), newBelay(&b.plan)
		weight := own.start()
		var requests, failed, reported [split.Arms]uint64
		for range 150 {
			m := s.Next(weight)
			for arm := range m.Arms {
				requests[arm] += m.Arms[arm].Requests
				failed[arm] += m.Arms[arm].Errors
			}
			for _, r := range m.Reports {
				if r.Outcome == corpus.Conversion {
					reported[r.Arm] += r.Reported
				}
			}
			weight = own.see(m, nil).weight
			own.flush(m) // So that nothing is pending.
		}
		var gotRequests, gotFailed, gotReported [split.Arms]uint64
		conversion, _ := b.plan.Layout.Rate("outcome:conversion")
		for _, st := range own.ev.Strata {
			for arm := range st.Sides {
				side := &st.Sides[arm]
				gotRequests[arm] += side.Requests
				gotFailed[arm] += side.Rates[0].K
				gotReported[arm] += side.Rates[conversion].N
				for i := range side.Rates {
					checkBuckets(t, name, side.Rates[i].N, side.Rates[i].K, side.Rates[i].Buckets)
				}
				for i := range side.Tails {
					checkBuckets(t, name+": a tail", side.Tails[i].N, side.Tails[i].K, side.Tails[i].Buckets)
				}
				if v := side.Values[0]; v.Moments.N+float64(len(st.Raw)) < float64(v.NonZero) {
					t.Errorf("%s: %v worths, %d of them not zero", name, v.Moments.N, v.NonZero)
				}
			}
			if len(own.ev.Strata) > 1 && st.Edges == nil == b.plan.Layout.Clustered {
				t.Errorf("%s: edges %v", name, st.Edges)
			}
		}
		if gotRequests != requests || gotFailed != failed || gotReported != reported {
			t.Errorf("%s: %v requests, %v failures, %v reports; want %v, %v, %v", name, gotRequests, gotFailed, gotReported, requests, failed, reported)
		}
		if weight != 0.10 || len(own.ev.Strata) != 2 {
			t.Errorf("%s: weight %v in %d strata after 150 minutes", name, weight, len(own.ev.Strata))
		}
	}
}

func TestAStageIsLookedAtWhenItsTimesAreOver(t *testing.T) {
	t.Parallel()
	b := benchOf(t, "technical", 600)
	for _, s := range b.plan.Stages {
		for _, d := range []time.Duration{s.Dwell, s.MaxDuration} {
			if !due(int(d / time.Minute)) {
				t.Errorf("no look at %v", d)
			}
		}
	}
	looks := 0
	for age := 1; age <= 48*60; age++ {
		if due(age) {
			looks++
		}
	}
	if looks < 100 || looks > 250 {
		t.Errorf("%d looks in two days", looks)
	}
}

func options(names ...string) Options {
	o := Options{Rates: []int{6000}, Seed: 5, Workers: 1, Reps: func(corpus.Class) int { return 25 }, Others: func(corpus.Class) int { return 2 }}
	for _, n := range names {
		c, err := corpus.Find(n)
		if err != nil {
			panic(err)
		}
		o.Cases = append(o.Cases, c)
	}
	return o
}

func collect(t *testing.T, o Options) []Cell {
	t.Helper()
	var out []Cell
	o.Done = func(c Cell) error {
		out = append(out, c)
		return nil
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b Cell) int { return len(a.Case) - len(b.Case) })
	return out
}

func TestTheSameSeedGivesTheSameCellsHoweverManyWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("a long simulation")
	}
	t.Parallel()
	o := options("errors-x5", "latency-x2")
	one := collect(t, o)
	o.Workers = 3
	if diff := cmp.Diff(one, collect(t, o)); diff != "" {
		t.Errorf("-one worker +three:\n%s", diff)
	}
	if own := one[0].Rules[BelayName]; own.Reps != 25 || one[0].Rules["Kayenta"].Reps != 2 || !one[0].Critical {
		t.Errorf("%d repetitions of Belay, %d of Kayenta, critical %v", own.Reps, one[0].Rules["Kayenta"].Reps, one[0].Critical)
	}
	o.Seed = 6
	if cmp.Equal(one, collect(t, o)) {
		t.Error("another seed gives the same")
	}
}

func TestWhatIsKnownIsNotPlayedAgain(t *testing.T) {
	t.Parallel()
	o := options("errors-x5", "errors-x10")
	o.Known = []Cell{{Case: "errors-x5", Rate: 6000}}
	if got := collect(t, o); len(got) != 1 || got[0].Case != "errors-x10" {
		t.Errorf("played %v", got)
	}
}

func TestARunStopsWhenItIsTold(t *testing.T) {
	t.Parallel()
	o := options("technical", "daily")
	o.Reps = func(corpus.Class) int { return 1000 }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Done = func(Cell) error { return errors.New("a cell of a run that was stopped") }
	if err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	failed := errors.New("disk full")
	o = options("errors-x10", "errors-x5")
	o.Done = func(Cell) error { return failed }
	if err := Run(t.Context(), o); !errors.Is(err, failed) {
		t.Errorf("%v, want %v", err, failed)
	}
}

func TestATallyAddsUp(t *testing.T) {
	t.Parallel()
	plays := []Play{
		{Ending: RolledBack, By: "error_rate", Minute: 12, Weight: 0.01, Onset: 2, Harmed: 3, Failed: 2, Exposed: 10},
		{Ending: RolledBack, By: "error_rate", Minute: 200, Weight: 0.25, Onset: -1, Harmed: 4, Failed: 3},
		{Ending: Held, Minute: 3240, Weight: 0.5, Onset: -1},
		{Ending: Held, By: "output:score", Minute: 20, Weight: 0.1, Onset: -1},
		{Ending: Promoted, Minute: 600, Weight: 1, Whole: true, Onset: -1, Users: 2, FailedUsers: 1},
	}
	var all, a, b Tally
	for i, p := range plays {
		all.add(p)
		if i%2 == 0 {
			a.add(p)
		} else {
			b.add(p)
		}
	}
	want := Tally{
		Reps: 5, Promoted: 1, RolledBack: 2, Held: 2, Early: 2, Whole: 1, Minutes: []int{10, 200},
		Harmed: 7, Failed: 5, Users: 2, FailedUsers: 1, Exposed: 10, By: map[string]int{"error_rate": 2, "output:score": 1},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	a.merge(&b)
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("in two parts (-want +got):\n%s", diff)
	}
	if all.Median() != 200 || (&Tally{}).Median() != 0 {
		t.Errorf("median %d", all.Median())
	}
}

func TestWhatIsPossibleIsAskedOfThePlanner(t *testing.T) {
	if testing.Short() {
		t.Skip("a long simulation")
	}
	t.Parallel()
	f := NewForecast()
	tests := map[string]struct {
		name       string
		rate       int
		least, top float64
	}{
		"a large harm at much traffic":           {"errors-+20pp", 60000, 0.99, 1},
		"latencies":                              {"latency-x2", 6000, 0.95, 1},
		"little traffic for a small harm":        {"errors-x1.5", 600, 0, 0.5},
		"what only begins later":                 {"errors-above-25%", 60000, 0, 0},
		"a lost conversion that is reported":     {"conversion--50%", 6000, 0.9, 1},
		"a conversion that is reported too late": {"delayed-conversion--30%", 600, 0, 0.9},
	}
	for what, tt := range tests {
		p, known := f.Possible(&Cell{Case: tt.name, Rate: tt.rate})
		if !known || p < tt.least || p > tt.top {
			t.Errorf("%s: %v (known %v), want %v to %v", what, p, known, tt.least, tt.top)
		}
		if again, _ := f.Possible(&Cell{Case: tt.name, Rate: tt.rate}); again != p {
			t.Errorf("%s: %v, then %v", what, p, again)
		}
	}
	if _, known := f.Possible(&Cell{Case: "none"}); known {
		t.Error("knows a case that does not exist")
	}
}

// The simulation of single requests must come to the same.
func TestRequestByRequestBelayDecidesAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("a long simulation")
	}
	t.Parallel()
	b := benchOf(t, "errors-x5", 600)
	const reps = 60
	var minutes, requests float64
	for seed := range uint64(reps) {
		p := b.play(seed, false)[BelayName]
		if p.Ending != RolledBack {
			t.Fatalf("seed %d: %s", seed, p.Ending)
		}
		minutes += float64(p.Minute) / reps
		requests += p.Exposed / reps
	}
	w, err := simulate.NewWorld(b.plan, b.Scenario)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.Run(t.Context(), simulate.Options{Reps: reps, Seed: 1, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.RolledBack.Count != reps {
		t.Fatalf("%d of %d were rolled back", got.RolledBack.Count, reps)
	}
	// The deviation of the time is about its mean, and a look a minute is half a
	// minute late.
	within := 4 * math.Sqrt(2.0/reps)
	if ratio := minutes * 60 / got.ToRollback.Mean; math.Abs(ratio-1) > within {
		t.Errorf("%.1f minutes by the minute, %.1f by the request", minutes, got.ToRollback.Mean/60)
	}
	if ratio := requests / got.Exposed.Mean; math.Abs(ratio-1) > within {
		t.Errorf("%.0f requests by the minute, %.0f by the request", requests, got.Exposed.Mean)
	}
}
