package simulate

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// withGates is a ladder of one long stage with gates.
func withGates(gates string) string {
	return `
---
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: own}
spec:
  extends: fast
  warmup: 2m
  stages: [{weight: 50%, dwell: 1h, require: no-harm}, {weight: 100%, dwell: 20m, holdback: 1%}]
  gates: [` + gates + "]\n"
}

// observed plays an hour of a world and returns the evidence of its first stratum.
func observed(t *testing.T, w *World, seconds int64) *evidence.Stratum {
	t.Helper()
	p := newPlayer(w, Options{Limit: time.Duration(seconds) * time.Second})
	play, ok := p.run(t.Context(), 1)
	if !ok || play.Ending == RolledBack {
		t.Fatalf("%+v", play)
	}
	return p.ev.Strata[0]
}

// rates are the reports of a series by arm, and their successes.
func rates(t *testing.T, w *World, s *evidence.Stratum, name string) (n, k [split.Arms]float64) {
	t.Helper()
	i, ok := w.Plan.Layout.Rate(name)
	if !ok {
		t.Fatalf("no series %s among %v", name, w.Plan.Layout.Rates)
	}
	for arm := range n {
		n[arm], k[arm] = float64(s.Sides[arm].Rates[i].N), float64(s.Sides[arm].Rates[i].K)
	}
	return n, k
}

func TestEveryKindOfGateIsFed(t *testing.T) {
	t.Parallel()
	r := resolved(t, "own", withGates(`{metric: error_rate, maxIncrease: 50%}, {metric: latency_p95, maxIncrease: 10%},
    {metric: "outcome:correct", kind: rate, maxDecrease: 5pp}, {metric: "outcome:conversion", kind: rate, maxDecrease: 50%, per: exposure},
    {metric: "outcome:revenue", kind: mean, maxDecrease: 50%, per: exposure, horizon: 10m},
    {metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 50%}`))
	w := prepared(t, r, builtin(t, "no-change"))
	s := observed(t, w, 1800)
	c := split.Candidate
	requests := float64(s.Sides[c].Requests)
	if requests < 80_000 || requests > 100_000 {
		t.Fatalf("%v requests of the candidate", requests)
	}
	if n := float64(s.Sides[c].Latency[0].Total()); n < 0.9*requests || n == requests {
		t.Errorf("%v latencies of %v requests with a warm-up", n, requests)
	}
	// Labels come after a minute on average, but not for what failed.
	n, k := rates(t, w, s, "outcome:correct")
	if share := n[c] / requests; share < 0.93 || share > 0.97 || math.Abs(k[c]/n[c]-0.94) > 0.01 {
		t.Errorf("%v of %v right, %v requests", k[c], n[c], requests)
	}
	// Only successes are reported, a third of them not yet.
	n, k = rates(t, w, s, "outcome:conversion")
	if n[c] != k[c] || math.Abs(n[c]/requests-0.05*0.683) > 0.005 {
		t.Errorf("%v of %v converted, %v requests", k[c], n[c], requests)
	}
	// Exposures count at the age of ten minutes, with what was reported by then.
	aged, _ := rates(t, w, s, "exposures@10m0s")
	if math.Abs(aged[c]/requests-2.0/3) > 0.01 {
		t.Errorf("%v of %v requests are ten minutes old", aged[c], requests)
	}
	revenue := &s.Sides[c].Values[0]
	if bought := float64(revenue.NonZero) / aged[c]; math.Abs(bought-0.05*(1-math.Exp(-1))) > 0.004 {
		t.Errorf("%v of the aged exposures bought within ten minutes", bought)
	}
	if windows := s.Gauges[0].Ratio.N(); windows < 100 || windows > 120 {
		t.Errorf("%v windows of the gauge in half an hour", windows)
	}
	if len(w.Notes) > 0 {
		t.Error(w.Notes)
	}
}

func TestWhatAScenarioDoesNotKnowIsTakenAsUsualAndNoted(t *testing.T) {
	t.Parallel()
	r := resolved(t, "own", withGates(`{metric: "outcome:kept", kind: rate, maxDecrease: 5pp}, {metric: "outcome:tip", kind: mean, maxDecrease: 5%},
    {metric: "outcome:click", kind: rate, maxDecrease: 5%, per: exposure}, {metric: "outcome:rare", kind: rate, maxDecrease: 5%, expect: 2%},
    {metric: heap, source: scrape, query: heap_bytes, maxIncrease: 20%}`))
	w := prepared(t, r, builtin(t, "no-change"))
	want := []string{"outcome:kept: it is taken for 94% successes", "outcome:tip: it is taken for 5% successes worth 30", "outcome:click: it is taken for 5%", "outcome:rare: it is taken for 2%", "heap: it is taken for steady"}
	if len(w.Notes) != len(want) {
		t.Fatalf("%q", w.Notes)
	}
	for i, text := range want {
		if !strings.Contains(w.Notes[i], text) {
			t.Errorf("%s: want %s", w.Notes[i], text)
		}
	}
	if again := builtin(t, "no-change"); len(again.Baseline.Outcomes) != 3 || len(again.Baseline.Gauges) != 1 {
		t.Errorf("the built-in scenario was changed: %+v", again.Baseline)
	}
}

func TestTheScenarioSettlesHowASuccessIsTested(t *testing.T) {
	t.Parallel()
	r := resolved(t, "own", withGates(`{metric: "outcome:conversion", kind: rate, maxDecrease: 5%}, {metric: "outcome:correct", kind: rate, maxDecrease: 5%}`))
	w := prepared(t, r, builtin(t, "no-change"))
	if a, b := w.Plan.Gates[0].Method, w.Plan.Gates[1].Method; a != "ratio" || b != "difference" {
		t.Errorf("a rare success is tested as %s, a common one as %s", a, b)
	}
}

func TestAStickyPlanGetsUsers(t *testing.T) {
	t.Parallel()
	w := prepared(t, resolved(t, "fast", "", "unit: request", "unit: header:X-User"), builtin(t, "no-change"))
	if u := w.Scenario.Traffic.Users; u == nil || u.Count != 20_000 || u.Spread != 1 {
		t.Errorf("%+v", u)
	}
}

func TestMemoryGrowsWithItsEffect(t *testing.T) {
	t.Parallel()
	s := builtin(t, "no-change")
	s.Effects = []scenario.Effect{{Gauges: scenario.Times(2)}}
	s.Baseline.Gauges[0].Memory = 0.3
	r := resolved(t, "own", withGates(`{metric: memory, source: scrape, query: m, maxIncrease: 20%}`))
	res := played(t, prepared(t, r, s), Options{Reps: 8})
	if res.RolledBack.Count < 7 || res.Causes[0].Gate != "memory" {
		t.Errorf("%+v", res.Causes)
	}
}

func TestLooksAreFrequentWhileThingsAreNew(t *testing.T) {
	t.Parallel()
	p := &player{looks: []int64{5000, 6000}}
	p.state.StageAt = at(1000)
	for _, tt := range []struct{ tick, wake, want int64 }{
		{1000, 0, 1001},
		{1059, 0, 1060},
		{1600, 0, 1610},
		{4900, 0, 4960},
		{5000, 0, 5001},
		{5600, 0, 5610},
		{6001, 0, 6002},
		{50_000, 0, 50_060},
		{4900, 4903, 4903},
		{4900, 5900, 4960},
		{4900, 4900, 4960},
		{4900, 10, 4960},
	} {
		p.tick = tt.tick
		d := rollout.Decision{}
		if tt.wake > 0 {
			d.Wake = at(tt.wake)
		}
		if got := p.nextLook(&d); got != tt.want {
			t.Errorf("after second %d with a wake at %d: %d, want %d", tt.tick, tt.wake, got, tt.want)
		}
	}
	p.opts.Every, p.tick = 7*time.Second, 50_000
	if got := p.nextLook(&rollout.Decision{}); got != 50_007 {
		t.Errorf("every 7 s: %d", got)
	}
}

func TestTheDefaultNumberOfRolloutsSuitsTheTraffic(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]int{10: 200, 100: 100, 1000: 20, 1e5: 20} {
		s := builtin(t, "no-change")
		s.Traffic.Rate = rate
		s.Baseline.Outcomes = nil
		if got := prepared(t, resolved(t, "standard", ""), s).DefaultReps(); got != want {
			t.Errorf("at %v/s %d rollouts, want %d", rate, got, want)
		}
	}
}

func TestScenariosSuitTheGates(t *testing.T) {
	t.Parallel()
	for gates, want := range map[string]string{
		`{metric: error_rate, maxIncrease: 50%}`: "no-change improvement errors-x2 errors-x10",
		`{metric: client_error_rate, maxIncrease: 50%}, {metric: "outcome:bought", kind: rate, maxDecrease: 5%, per: exposure}`: "no-change improvement client-errors-x5 conversion--10%",
		`{metric: "outcome:revenue", kind: mean, maxDecrease: 5%}, {metric: "outcome:correct", kind: rate, maxDecrease: 2pp}`:   "no-change improvement revenue--15% quality--2pp quality--10pp",
		`{metric: latency_p99, maxIncrease: 10%}, {metric: latency_p50, maxIncrease: 10%}`:                                      "no-change improvement latency-p99-+20% latency-x2",
	} {
		names := Suitable(resolved(t, "own", withGates(gates)))
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", gates, got, want)
		}
		for _, name := range names {
			builtin(t, name)
		}
	}
}

func TestHarmThatNoGateLooksAtIsCountedAndNoted(t *testing.T) {
	t.Parallel()
	s := builtin(t, "no-change")
	s.Effects = []scenario.Effect{
		{Conversion: scenario.Change{Relative: -0.5}, ClientErrors: scenario.Times(2), Scores: 1, Gauges: scenario.Times(2)},
		{Arm: scenario.Both, Quality: scenario.Plus(-0.1)},
	}
	w := prepared(t, resolved(t, "own", withGates(`{metric: error_rate, maxIncrease: 100%}`)), s)
	want := "scenario no-change worsens client_error_rate, scores, resources, outcome:conversion and outcome:revenue, which no gate looks at"
	if len(w.Notes) != 1 || w.Notes[0] != want {
		t.Errorf("%q\nwant %q", w.Notes, want)
	}
	r := played(t, w, Options{Reps: 2, Limit: 10 * time.Minute})
	if share := r.Worse.P50 / r.Exposed.P50; share < 0.03 || share > 0.07 || r.Harmed != r.Worse {
		t.Errorf("%v of the exposed requests came to a worse outcome: %+v", share, r.Worse)
	}
	if notes := prepared(t, resolved(t, "quick", quickPolicy), builtin(t, "improvement")).Notes; notes != nil {
		t.Errorf("%q", notes)
	}
}

func TestOutputsOfTheModelAreRead(t *testing.T) {
	t.Parallel()
	s := builtin(t, "no-change")
	s.Baseline.Latency.Median = 2 * time.Second // Most answers come in a later second.
	r := resolved(t, "own", withGates(`{metric: "output:score", max: 0.1, onFail: hold}, {metric: "output:amount", kind: mean, maxIncrease: 50%},
    {metric: "output:label", kind: rate, class: fraud, maxIncrease: 50%}`))
	w := prepared(t, r, s)
	if len(w.Notes) != 2 || !strings.Contains(w.Notes[0], "output:amount: it is taken for normal") || !strings.Contains(w.Notes[1], "output:label=fraud: it is taken for 10%") {
		t.Errorf("%q", w.Notes)
	}
	st := observed(t, w, 600)
	c := &st.Sides[split.Candidate]
	if answers := float64(c.Outputs[0].Answers) / float64(c.Requests-c.Rates[0].K); answers != 1 {
		t.Errorf("%v of the answers were read", answers)
	}
	at, _ := w.Plan.Layout.Value("output:amount")
	if mean := c.Values[at].Moments.Mean; math.Abs(mean-1) > 0.02 {
		t.Errorf("amount %v, want 1", mean)
	}
	n, k := rates(t, w, st, "output:label=fraud")
	if math.Abs(k[0]/n[0]-0.1) > 0.01 || n[1] < 0.99*float64(c.Requests-c.Rates[0].K) {
		t.Errorf("%v of %v are of the class", k, n)
	}
	s = builtin(t, "drift")
	held := played(t, prepared(t, r, s), Options{Reps: 4})
	if held.Held.Count != 4 || held.Causes[0].Gate != "output:score" {
		t.Errorf("a drift: %+v", held.Causes)
	}
}

func TestSegmentsAreLookedAtByThemselves(t *testing.T) {
	t.Parallel()
	s := builtin(t, "no-change")
	s.Traffic.Segments = []float64{0.05, 0.25}
	s.Traffic.Users = &scenario.Users{Count: 20_000}
	s.Effects = []scenario.Effect{{Errors: scenario.Plus(0.2), When: scenario.When{Segment: 0.05}}}
	guarded := strings.Replace(withGates(`{metric: error_rate, maxIncrease: 4pp}, {metric: latency_p99, maxIncrease: 20%}, {metric: "outcome:correct", kind: rate, maxDecrease: 5pp}`),
		"  stages:", "  segments: {by: ['header:X-Country'], guard: GUARD}\n  stages:", 1)
	for guard, want := range map[string]Ending{"true": RolledBack, "false": Promoted} {
		r := resolved(t, "own", guarded, "GUARD", guard, "unit: request", "unit: header:X-User")
		w := prepared(t, r, s)
		p := newPlayer(w, Options{})
		play, ok := p.run(t.Context(), 1)
		if !ok || play.Ending != want {
			t.Errorf("guard %s: %+v", guard, play)
		}
		if len(p.ev.Segments) != 3 {
			t.Fatalf("%d segments", len(p.ev.Segments))
		}
		var sum, all, labels, allLabels uint64
		for arm, side := range p.ev.Strata[0].Sides {
			all, allLabels = all+side.Requests, allLabels+side.Rates[2].N
			for _, segment := range p.ev.Segments {
				sum, labels = sum+segment.Strata[0].Sides[arm].Requests, labels+segment.Strata[0].Sides[arm].Rates[2].N
			}
		}
		if sum != all || labels != allLabels {
			t.Errorf("segments have %d requests of %d, %d labels of %d", sum, all, labels, allLabels)
		}
	}
	s.Traffic.Segments = nil
	if w := prepared(t, resolved(t, "own", guarded, "GUARD", "true"), s); len(w.segments) != 2 || w.segments[0] != 0.05 || w.segments[1] != 1 {
		t.Errorf("the effects cut the units at %v", w.segments)
	}
}

// What is known beforehand explains most of what varies, so the same is seen sooner.
func TestACovariateMakesARegressionShowSooner(t *testing.T) {
	t.Parallel()
	s := builtin(t, "no-change")
	s.Effects = []scenario.Effect{{Revenue: scenario.Change{Relative: -0.12}}}
	revenue := &s.Baseline.Outcomes[1]
	revenue.Rate, revenue.Covariate, revenue.Delay = 0.5, 0.95, time.Second
	took := map[string]float64{}
	for _, covariate := range []string{"true", "false"} {
		r := resolved(t, "own", withGates(`{metric: "outcome:revenue", kind: mean, maxDecrease: 5%, covariate: COVARIATE}`), "COVARIATE", covariate)
		res := played(t, prepared(t, r, s), Options{Reps: 12})
		if res.RolledBack.Count < 12 {
			t.Fatalf("%+v", res.Causes)
		}
		took[covariate] = res.ToRollback.Mean
	}
	if took["true"] > 0.8*took["false"] {
		t.Errorf("took %v s with a covariate, %v s without", took["true"], took["false"])
	}
}
