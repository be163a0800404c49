package sampler_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/metric"
	"github.com/belay-rollouts/belay/internal/metric/metrictest"
	"github.com/belay-rollouts/belay/internal/sampler"
)

const (
	baseline  = "http://v1/metrics"
	candidate = "http://v2/metrics"
)

// world is a sampler over a fake source, in virtual time.
type world struct {
	t       *testing.T
	source  *metrictest.Fake
	plan    *rollout.Plan
	sampler *sampler.Sampler
	stop    func()

	mu     sync.Mutex
	place  sampler.Place
	taken  []sampler.Window
	at     []time.Time
	closed map[query.Missing]int
	refuse bool
}

// plan is a plan with one gauge per query, in stages of an hour.
func plan(queries ...string) *rollout.Plan {
	p := &rollout.Plan{
		Baseline: rollout.Version{Name: "v1", URL: "http://v1"}, Candidate: rollout.Version{Name: "v2", URL: "http://v2"},
		Stages: []rollout.Stage{{Weight: 1000, Dwell: time.Hour}, {Weight: 5000, Dwell: time.Hour}, {Weight: 9000, Dwell: 2 * time.Minute}},
		Layout: evidence.NewLayout(false),
	}
	for i, q := range queries {
		name := string(rune('a' + i))
		p.Resources = append(p.Resources, rollout.Resource{Gauge: name, Query: q})
		p.Gates = append(p.Gates, gate.Gate{Name: name, Kind: gate.Gauge, Series: i})
	}
	return p
}

// run runs a sampler of a plan in a bubble, until the test or stop ends it.
func run(t *testing.T, p *rollout.Plan, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, source: metrictest.NewFake(), plan: p, closed: map[query.Missing]int{}}
		var err error
		w.sampler, err = sampler.New(sampler.Options{
			Source: w.source, Plan: p, Look: w.look, Take: w.take, Closed: w.close,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w.stop = sync.OnceFunc(func() {
			cancel()
			<-done
		})
		go func() {
			defer close(done)
			time.Sleep(500 * time.Millisecond) // Readings come between the seconds of the test.
			w.sampler.Run(ctx)
		}()
		defer w.stop()
		test(w)
	})
}

func (w *world) look() sampler.Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.place
}

func (w *world) take(win sampler.Window) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse {
		return false
	}
	w.taken, w.at = append(w.taken, win), append(w.at, time.Now())
	return true
}

func (w *world) close(why query.Missing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed[why]++
}

// move says where the rollout stands from now on.
func (w *world) move(stratum, stage int, warm time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place = sampler.Place{Stratum: stratum, Stage: stage, Warm: time.Now().Add(warm)}
}

// constant makes a server say the same all the time.
func (w *world) constant(address string, samples ...metrictest.Sample) {
	w.source.Say(address, func(time.Time) []metrictest.Sample { return samples })
}

// counting makes a server count up: so many a second.
func (w *world) counting(address string, perSecond float64) {
	from := time.Now()
	w.source.Say(address, func(now time.Time) []metrictest.Sample {
		return []metrictest.Sample{{Name: "n_total", Value: perSecond * now.Sub(from).Seconds()}}
	})
}

func level(v float64) metrictest.Sample { return metrictest.Sample{Name: "m", Value: v} }

// windows are the windows so far.
func (w *world) windows() []sampler.Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.taken)
}

func (w *world) dropped() map[query.Missing]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[query.Missing]int{}
	for why, n := range w.closed {
		if why != "" {
			out[why] = n
		}
	}
	return out
}

func TestEveryWindowOfFifteenSecondsHasThreeReadingsOfBothArms(t *testing.T) {
	t.Parallel()
	run(t, plan("m"), func(w *world) {
		w.constant(baseline, level(100))
		w.constant(candidate, level(120))
		w.move(0, 0, 0)
		start := time.Now()
		time.Sleep(time.Minute + 10*time.Second)
		b, c := w.source.Reads(baseline), w.source.Reads(candidate)
		if diff := cmp.Diff(b, c); diff != "" {
			t.Errorf("the arms are not read at the same moments:\n%s", diff)
		}
		first := b[0].Sub(start)
		if first > time.Second {
			t.Errorf("first read after %v", first)
		}
		for i, at := range b[1:] {
			if step := at.Sub(b[i]); step != 5*time.Second {
				t.Errorf("reading %d comes %v after the one before", i+1, step)
			}
		}
		want := []sampler.Window{}
		for range 4 {
			want = append(want, sampler.Window{Stratum: 0, Gauge: "a", Candidate: 120, Baseline: 100})
		}
		if diff := cmp.Diff(want, w.windows()); diff != "" {
			t.Errorf("windows of 70 s (-want +got):\n%s", diff)
		}
		state := w.sampler.States()[0]
		if state.Windows != 4 || len(state.Dropped) != 0 || state.Missing != "" || state.Complete.Sub(b[0].UTC()) != time.Minute {
			t.Errorf("state %+v", state)
		}
	})
}

func TestWindowsOfShortStagesAreShorter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dwell, warmup time.Duration
		step          time.Duration
		readings      int
	}{
		"two hours":            {2 * time.Hour, 2 * time.Minute, 5 * time.Second, 3},
		"twenty minutes":       {20 * time.Minute, 0, 5 * time.Second, 3},
		"ten minutes":          {10 * time.Minute, time.Minute, 2250 * time.Millisecond, 3},
		"three minutes":        {3 * time.Minute, 20 * time.Second, time.Second, 2},
		"two minutes":          {2 * time.Minute, 12 * time.Second, 1350 * time.Millisecond, 1},
		"three seconds":        {3 * time.Second, 0, time.Second, 1},
		"no dwell to speak of": {0, 0, time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan("m")
			p.Stages[0].Dwell, p.Stages[0].Warmup = tt.dwell, tt.warmup
			run(t, p, func(w *world) {
				w.constant(baseline, level(1))
				w.constant(candidate, level(1))
				w.move(0, 0, 0)
				time.Sleep(2 * time.Minute)
				reads := w.source.Reads(baseline)
				if step := reads[1].Sub(reads[0]); step != tt.step {
					t.Errorf("read every %v, want %v", step, tt.step)
				}
				if got, want := len(w.windows()), (len(reads)-1)/tt.readings; got != want {
					t.Errorf("%d windows of %d readings, want %d", got, len(reads), want)
				}
				if tt.dwell >= 2*time.Minute {
					if inDwell := float64(tt.dwell-tt.warmup) / float64(tt.step*time.Duration(tt.readings)); inDwell < 80 {
						t.Errorf("a dwell has %.1f windows", inDwell)
					}
				}
			})
		})
	}
}

func TestLevelsAreAveragedAndRatesAreIncreases(t *testing.T) {
	t.Parallel()
	run(t, plan("m", "rate(n_total)", "rate(n_total) / m"), func(w *world) {
		from := time.Now()
		for address, scale := range map[string]float64{baseline: 1, candidate: 2} {
			w.source.Say(address, func(now time.Time) []metrictest.Sample {
				s := now.Sub(from).Seconds()
				return []metrictest.Sample{level(scale * (100 + s)), {Name: "n_total", Value: scale * scale * s * s}}
			})
		}
		w.move(3, 0, 0)
		time.Sleep(17 * time.Second)
		s := w.source.Reads(baseline)[0].Sub(from).Seconds()
		m := 100 + s + 10  // the average of the readings 5, 10 and 15 s later
		rate := (2*s + 15) // ((s+15)^2 - s^2)/15
		want := []sampler.Window{
			{Stratum: 3, Gauge: "a", Baseline: m, Candidate: 2 * m},
			{Stratum: 3, Gauge: "b", Baseline: rate, Candidate: 4 * rate},
			{Stratum: 3, Gauge: "c", Baseline: rate / m, Candidate: 2 * rate / m},
		}
		got := w.windows()
		if len(got) != len(want) {
			t.Fatalf("windows %+v", got)
		}
		for i := range want {
			g := got[i]
			if g.Gauge != want[i].Gauge || g.Stratum != 3 || math.Abs(g.Baseline/want[i].Baseline-1) > 1e-9 || math.Abs(g.Candidate/want[i].Candidate-1) > 1e-9 {
				t.Errorf("window %+v, want %+v", g, want[i])
			}
		}
	})
}

func TestNothingIsReadWhileNothingIsCompared(t *testing.T) {
	t.Parallel()
	p := plan("m")
	p.Gates[0].From = 1
	run(t, p, func(w *world) {
		w.constant(baseline, level(1))
		w.constant(candidate, level(1))
		w.move(sampler.Nothing, 0, 0)
		time.Sleep(time.Minute)
		w.move(0, 0, 0) // Its gate begins at the second stage.
		time.Sleep(time.Minute)
		if n := len(w.source.Reads(baseline)); n != 0 {
			t.Errorf("%d readings before anything is compared", n)
		}
		if state := w.sampler.States()[0]; !state.Since.IsZero() {
			t.Errorf("windows are taken since %v", state.Since)
		}
		w.move(1, 1, 2*time.Minute)
		time.Sleep(2*time.Minute - time.Second)
		if n := len(w.source.Reads(baseline)); n != 0 {
			t.Errorf("%d readings within the warm-up", n)
		}
		time.Sleep(time.Minute)
		if n := len(w.windows()); n < 3 {
			t.Errorf("%d windows in the minute after the warm-up", n)
		}
		if state := w.sampler.States()[0]; time.Since(state.Since) > time.Minute {
			t.Errorf("windows are taken since %v", state.Since)
		}
	})
}

func TestAWindowAcrossAChangeOfWeightIsDropped(t *testing.T) {
	t.Parallel()
	run(t, plan("m", "rate(n_total)"), func(w *world) {
		for _, address := range []string{baseline, candidate} {
			w.source.Say(address, func(now time.Time) []metrictest.Sample {
				return []metrictest.Sample{level(1), {Name: "n_total", Value: float64(now.Unix())}}
			})
		}
		w.move(0, 0, 0)
		time.Sleep(23 * time.Second) // One window, and eight seconds.
		w.move(1, 1, 0)
		time.Sleep(22 * time.Second)
		for _, win := range w.windows() {
			if win.Gauge == "b" && math.Abs(win.Baseline-1) > 0.3 {
				t.Errorf("window %+v", win)
			}
		}
		var strata []int
		for _, win := range w.windows() {
			strata = append(strata, win.Stratum)
		}
		if !slices.Equal(strata, []int{0, 0, 1, 1}) {
			t.Errorf("windows of the strata %v", strata)
		}
		if diff := cmp.Diff(map[query.Missing]int{sampler.WeightChanged: 2}, w.dropped()); diff != "" {
			t.Errorf("dropped (-want +got):\n%s", diff)
		}
		if state := w.sampler.States()[0]; state.Dropped[sampler.WeightChanged] != 1 || state.Missing != "" {
			t.Errorf("nobody is to blame for a change of weight: %+v", state)
		}
		time.Sleep(5 * time.Second)
		w.move(sampler.Nothing, 1, 0)
		time.Sleep(10 * time.Second)
		if got := w.dropped()[sampler.WeightChanged]; got != 4 {
			t.Errorf("%d windows dropped when the rollout left its weight", got)
		}
	})
}

// A change while the servers are read is a change within the window.
func TestAChangeOfWeightDuringAReadingIsSeen(t *testing.T) {
	t.Parallel()
	run(t, plan("m"), func(w *world) {
		w.constant(candidate, level(1))
		w.source.Say(baseline, func(now time.Time) []metrictest.Sample {
			if len(w.source.Reads(baseline)) == 4 { // Where the first window would end.
				w.move(1, 1, 0)
			}
			return []metrictest.Sample{level(1)}
		})
		w.move(0, 0, 0)
		time.Sleep(17 * time.Second)
		if got := w.windows(); len(got) != 0 {
			t.Errorf("taken %+v", got)
		}
		time.Sleep(15 * time.Second)
		if got := w.windows(); len(got) != 1 || got[0].Stratum != 1 {
			t.Errorf("taken %+v", got)
		}
	})
}

func TestAWindowIsMissingForBothArmsAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		query string
		spoil func(w *world)
		why   query.Missing
		text  string
	}{
		"the candidate refuses": {
			"m", func(w *world) { w.source.Misbehave(candidate, metrictest.Refuse) },
			query.Unreachable, "the candidate's http://v2/metrics: connection refused",
		},
		"the baseline fails": {
			"m", func(w *world) { w.source.Misbehave(baseline, metrictest.Fail) },
			query.Unreachable, "the baseline's http://v1/metrics: it answers 500 Internal Server Error",
		},
		"the baseline hangs": {
			"m", func(w *world) { w.source.Misbehave(baseline, metrictest.Hang) },
			query.Unreachable, "the baseline's http://v1/metrics: it did not answer in time",
		},
		"there is no such series": {
			"m{x=\"y\"}", func(*world) {}, query.NoSeries, `the candidate's http://v2/metrics: it has no series m{x="y"}`,
		},
		"not a number": {
			"m", func(w *world) { w.constant(candidate, level(math.NaN())) },
			query.NotANumber, "the candidate's http://v2/metrics: m is not a number",
		},
		"zero": {
			"m", func(w *world) { w.constant(baseline, level(0)) },
			query.NotPositive, "the baseline's http://v1/metrics: m is not above zero",
		},
		"a zero below the line": {
			"m / k", func(w *world) { w.constant(candidate, level(1), metrictest.Sample{Name: "k"}) },
			query.NotPositive, "the candidate's http://v2/metrics: k is not above zero",
		},
		"a counter that goes back in every window": {
			"rate(n_total)", func(w *world) {
				w.counting(candidate, 1)
				w.source.Say(baseline, func(now time.Time) []metrictest.Sample {
					return []metrictest.Sample{{Name: "n_total", Value: float64(now.Unix() % 15)}}
				})
			}, query.CounterBack, "the baseline's http://v1/metrics: its counter n_total went back: the server started again, or another one answers there",
		},
		"nobody takes it": {
			"m", func(w *world) { w.refuse = true }, sampler.NotKept, "the levels 1 of the candidate and 1 of the baseline are not kept",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, plan(tt.query), func(w *world) {
				w.constant(baseline, level(1))
				w.constant(candidate, level(1))
				tt.spoil(w)
				w.move(0, 0, 0)
				time.Sleep(2 * time.Minute)
				if got := w.windows(); len(got) != 0 {
					t.Errorf("taken %+v", got)
				}
				state := w.sampler.States()[0]
				if state.Missing != tt.text || !state.Complete.IsZero() || state.Windows != 0 {
					t.Errorf("state %+v, want %s", state, tt.text)
				}
				if n := state.Dropped[tt.why]; n < 6 || len(state.Dropped) != 1 || w.dropped()[tt.why] != int(n) {
					t.Errorf("dropped %v, told %v, want %s alone", state.Dropped, w.dropped(), tt.why)
				}
			})
		})
	}
}

func TestOneLostReadingCostsItsWindowAndNoMore(t *testing.T) {
	t.Parallel()
	run(t, plan("m", "rate(n_total)"), func(w *world) {
		for _, address := range []string{baseline, candidate} {
			w.source.Say(address, func(now time.Time) []metrictest.Sample {
				return []metrictest.Sample{level(2), {Name: "n_total", Value: float64(now.UnixMilli()) / 1000}}
			})
		}
		w.move(0, 0, 0)
		time.Sleep(17 * time.Second) // One window is complete.
		w.source.Misbehave(candidate, metrictest.Fail)
		time.Sleep(5 * time.Second)
		w.source.Misbehave(candidate, metrictest.None)
		time.Sleep(40 * time.Second)
		states := w.sampler.States()
		for _, state := range states {
			if state.Windows != 3 || state.Dropped[query.Unreachable] != 1 || state.Missing != "" {
				t.Errorf("%s: %+v", state.Gauge, state)
			}
		}
	})
}

func TestARestartOfAServerCostsOneWindowOfItsCounters(t *testing.T) {
	t.Parallel()
	run(t, plan("m", "rate(n_total)"), func(w *world) {
		w.source.Say(baseline, func(now time.Time) []metrictest.Sample {
			return []metrictest.Sample{level(2), {Name: "n_total", Value: float64(now.UnixMilli()) / 1000}}
		})
		start := func(born time.Time) {
			w.source.Say(candidate, func(now time.Time) []metrictest.Sample {
				return []metrictest.Sample{level(2), {Name: "n_total", Value: now.Sub(born).Seconds()}}
			})
		}
		start(time.Now().Add(-time.Hour))
		w.move(0, 0, 0)
		time.Sleep(22 * time.Second)
		start(time.Now())
		time.Sleep(40 * time.Second)
		states := w.sampler.States()
		if states[0].Windows != 4 || states[1].Windows != 3 || states[1].Dropped[query.CounterBack] != 1 {
			t.Errorf("a level loses nothing, a rate one window: %+v", states)
		}
		for _, win := range w.windows() {
			if math.Abs(win.Candidate/win.Baseline-1) > 1e-6 {
				t.Errorf("window %+v", win)
			}
		}
	})
}

func TestServersOfAVersionAreAveraged(t *testing.T) {
	t.Parallel()
	p := plan("m")
	p.Candidate.Metrics = []string{"http://a", "http://b"}
	p.Baseline.Metrics = []string{"http://c", "http://d", "http://e"}
	run(t, p, func(w *world) {
		for i, address := range []string{"http://a", "http://b", "http://c", "http://d", "http://e"} {
			w.constant(address, level(float64(i+1)))
		}
		w.move(0, 0, 0)
		time.Sleep(17 * time.Second)
		if diff := cmp.Diff([]sampler.Window{{Gauge: "a", Candidate: 1.5, Baseline: 4}}, w.windows()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		w.source.Misbehave("http://d", metrictest.Refuse)
		time.Sleep(15 * time.Second)
		if got := w.sampler.States()[0].Missing; got != "the baseline's http://d: connection refused" {
			t.Errorf("missing %q", got)
		}
	})
}

func TestAServerThatHangsDelaysNeitherTheOtherArmNorTheEnd(t *testing.T) {
	t.Parallel()
	run(t, plan("m"), func(w *world) {
		w.constant(baseline, level(1))
		w.source.Misbehave(candidate, metrictest.Hang)
		w.move(0, 0, 0)
		time.Sleep(time.Minute)
		b, c := w.source.Reads(baseline), w.source.Reads(candidate)
		if len(b) < 10 || len(b) != len(c) {
			t.Errorf("in a minute the baseline was read %d times, the candidate %d times", len(b), len(c))
		}
		time.Sleep(time.Second) // A reading is under way.
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("it ended after %v", took)
		}
	})
}

// panicking is a source that panics.
type panicking struct{}

func (panicking) Read(context.Context, string, []query.Selector) (query.Page, error) {
	panic("no")
}

var _ metric.Source = panicking{}

func TestASourceThatPanicsCostsReadings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := sampler.New(sampler.Options{
			Source: panicking{}, Plan: plan("m"), Look: func() sampler.Place { return sampler.Place{} },
			Take: func(sampler.Window) bool { return true },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.Run(ctx)
		if state := s.States()[0]; state.Dropped[query.Unreachable] == 0 || !strings.Contains(state.Missing, "reading it failed: no") {
			t.Errorf("state %+v", state)
		}
	})
}

func TestAPlanWithoutReadableQueriesIsRefused(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{"rate(": "read the query of a: ", "m": ""} {
		_, err := sampler.New(sampler.Options{Plan: plan(q)})
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(got, want) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func TestStatesNeverChangeOnceTheyAreRead(t *testing.T) {
	t.Parallel()
	run(t, plan("m"), func(w *world) {
		w.constant(baseline, level(1))
		w.move(0, 0, 0) // The candidate refuses.
		time.Sleep(time.Minute)
		before := w.sampler.States()
		n := before[0].Dropped[query.Unreachable]
		time.Sleep(time.Minute)
		if n == 0 || before[0].Dropped[query.Unreachable] != n {
			t.Errorf("%d windows were dropped, and now %d", n, before[0].Dropped[query.Unreachable])
		}
		if now := w.sampler.States()[0].Dropped[query.Unreachable]; now <= n {
			t.Errorf("%d windows are dropped now", now)
		}
	})
}
