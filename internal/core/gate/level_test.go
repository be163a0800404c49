package gate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The gates on numbers.
func revenue() Gate {
	return Gate{Name: "outcome:revenue", Kind: Mean, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.05, Share: 1}
}

func revenuePerRequest() Gate {
	g := revenue()
	g.PerExposure = true
	return g
}

func memory() Gate {
	return Gate{Name: "memory", Kind: Gauge, Method: Ratio, Worse: stats.Up, Margin: 0.2, Share: 1}
}

func scoreDrift() Gate {
	return Gate{Name: "output:score", Kind: Drift, Series: 1, Method: Ratio, Worse: stats.Up, Margin: 0.1, Share: 1}
}

// numbers is a world with series of numbers.
type numbers struct {
	*world
	r *rand.Rand
}

func newNumbers(seed uint64, clustered bool, stages ...int) *numbers {
	w := &world{layout: evidence.NewLayout(clustered), stages: stages}
	w.layout.AddValues(evidence.Series{Name: "outcome:revenue", Cap: 500})
	w.layout.AddValues(evidence.Series{Name: "output:score", Bins: 20})
	w.layout.AddGauge("memory")
	for i := range stages {
		w.ev.Stratum(&w.layout, i)
	}
	return &numbers{w, rand.New(rand.NewPCG(seed, 17))}
}

// sales adds n reports of which a fifth are worth something, scaled.
func (w *numbers) sales(stratum int, arm split.Arm, n int, scale float64) {
	for range n {
		v := 0.0
		if w.r.IntN(5) == 0 {
			v = scale * math.Exp(3+w.r.NormFloat64())
		}
		w.ev.Strata[stratum].ObserveValue(&w.layout, evidence.Raw{Arm: arm, Bucket: uint8(w.r.IntN(256)), Value: v})
	}
}

// scores adds n scores around a place.
func (w *numbers) scores(stratum int, arm split.Arm, n int, at float64) {
	for range n {
		w.ev.Strata[stratum].ObserveValue(&w.layout, evidence.Raw{Series: 1, Arm: arm, Value: at + w.r.NormFloat64()})
	}
	w.ev.Learn(&w.layout)
}

// windows adds windows in which the memory of the arms wanders alike.
func (w *numbers) windows(stratum, n int, ratio float64) {
	level := 1e9
	for range n {
		level *= math.Exp(0.01 * w.r.NormFloat64())
		w.ev.Strata[stratum].Gauges[0].Add(level*ratio*math.Exp(0.03*w.r.NormFloat64()), level)
	}
}

func TestVerdictsOfNumbers(t *testing.T) {
	t.Parallel()
	limited := func(g Gate, c Ceiling) Gate {
		g.Method, g.Ceilings = None, []Ceiling{c}
		return g
	}
	tests := map[string]struct {
		gate    Gate
		build   func(w *numbers)
		verdict Verdict
		reason  Reason
	}{
		"revenue that falls by a third is harm": {revenue(), func(w *numbers) {
			w.sales(0, split.Baseline, 40_000, 1)
			w.sales(0, split.Candidate, 20_000, 0.66)
		}, Fail, HarmProven},
		"the same revenue passes with enough reports": {revenue(), func(w *numbers) {
			w.sales(0, split.Baseline, 400_000, 1)
			w.sales(0, split.Candidate, 400_000, 1)
		}, Pass, MarginProven},
		"hardly a sale at the candidate is no evidence yet": {revenue(), func(w *numbers) {
			w.sales(0, split.Baseline, 40_000, 1)
			w.sales(0, split.Candidate, 300, 0.1)
		}, Undecided, NotProvenYet},
		"no report of the candidate is no data": {revenue(), func(w *numbers) {
			w.sales(0, split.Baseline, 40_000, 1)
		}, NoData, NoCandidateData},
		"revenue per request sees that fewer requests pay": {revenuePerRequest(), func(w *numbers) {
			w.sales(0, split.Baseline, 20_000, 1)
			w.requests(0, split.Baseline, 100_000, 0)
			w.sales(0, split.Candidate, 12_000, 1)
			w.requests(0, split.Candidate, 100_000, 0)
		}, Fail, HarmProven},
		"revenue below its floor breaks the ceiling": {limited(revenue(), Ceiling{Limit: 20, Complement: true, Text: "min 20"}), func(w *numbers) {
			w.sales(0, split.Candidate, 20_000, 1)
		}, Fail, CeilingBroken},
		"revenue above its floor passes": {limited(revenue(), Ceiling{Limit: 2, Complement: true, Text: "min 2"}), func(w *numbers) {
			w.sales(0, split.Candidate, 20_000, 1)
		}, Pass, MarginProven},
		"memory that grows by half is harm": {memory(), func(w *numbers) { w.windows(0, 120, 1.5) }, Fail, HarmProven},
		"the same memory passes":            {memory(), func(w *numbers) { w.windows(0, 400, 1) }, Pass, MarginProven},
		"a few windows prove nothing":       {memory(), func(w *numbers) { w.windows(0, 10, 1.5) }, Undecided, NotProvenYet},
		"no window is no data":              {memory(), func(*numbers) {}, NoData, NoCandidateData},
		"memory above its limit breaks the ceiling": {limited(memory(), Ceiling{Limit: 1e8, Text: "max 100MB"}), func(w *numbers) {
			w.windows(0, 2000, 1)
		}, Fail, CeilingBroken},
		"scores elsewhere are a drift": {scoreDrift(), func(w *numbers) {
			w.scores(0, split.Baseline, 20_000, 0)
			w.scores(0, split.Candidate, 20_000, 0.6)
		}, Fail, HarmProven},
		"the same scores are proven to be near": {scoreDrift(), func(w *numbers) {
			w.scores(0, split.Baseline, 30_000, 0)
			w.scores(0, split.Candidate, 30_000, 0)
		}, Pass, MarginProven},
		"a few scores say nothing": {scoreDrift(), func(w *numbers) {
			w.scores(0, split.Baseline, 2_000, 0)
			w.scores(0, split.Candidate, 300, 0.2)
		}, Undecided, NotProvenYet},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNumbers(1, false, 0)
			tt.build(w)
			j := w.judge(tt.gate, at(0, 3))
			if j.Verdict != tt.verdict || j.Reason != tt.reason {
				t.Errorf("%s (%s), fail %.3g, pass %.3g; want %s (%s)", j.Verdict, j.Reason, j.LogFail, j.LogPass, tt.verdict, tt.reason)
			}
			text, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			var back Judgement
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(j, back); diff != "" {
				t.Errorf("stored and read back (-want +got)\n%s", diff)
			}
		})
	}
}

// What units a metric is measured in makes no difference (9.3.7).
func TestVerdictsDoNotDependOnTheUnitOfMeasurement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		n := rapid.IntRange(2_000, 6_000).Draw(t, "n")
		change := rapid.Float64Range(0.5, 1.2).Draw(t, "change")
		scale := math.Exp(rapid.Float64Range(-3, 3).Draw(t, "scale"))
		build := func(scale float64) *numbers {
			w := newNumbers(seed, false, 0)
			w.layout.Values[0].Cap *= scale
			w.sales(0, split.Baseline, n, scale)
			w.sales(0, split.Candidate, n/2, scale*change)
			w.windows(0, 60, change)
			return w
		}
		one, other := build(1), build(scale)
		for _, g := range []Gate{revenue(), memory()} {
			a, b := one.judge(g, at(0, 2)), other.judge(g, at(0, 2))
			if math.Abs(a.LogFail-b.LogFail) > 1e-6*(1+math.Abs(a.LogFail)) || math.Abs(a.LogPass-b.LogPass) > 1e-6*(1+math.Abs(a.LogPass)) {
				t.Fatalf("%s at scale %g: fail %g and %g, pass %g and %g", g.Name, scale, a.LogFail, b.LogFail, a.LogPass, b.LogPass)
			}
		}
	})
}

// What is counted by window says nothing but its sums: the same traffic in twice as
// many windows is the same evidence, and windows that are there twice are twice the
// counts, and nothing else (9.3.7).
func TestWindowsOfCountsSayNothingButTheirSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clustered := rapid.Bool().Draw(t, "clustered")
		whole, windows, twice := newWide(clustered, 0), newWide(clustered, 0), newWide(clustered, 0)
		for range rapid.IntRange(1, 6).Draw(t, "windows") {
			window := newWide(clustered, 0)
			seed, n := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 400).Draw(t, "n")
			for _, w := range []*world{whole, window} {
				r := rand.New(rand.NewPCG(seed, 19))
				for range n {
					w.arrive(0, arrival{
						arm: split.Arm(r.IntN(2)), bucket: uint8(r.IntN(256)), error: r.IntN(9) == 0, factor: 1,
						latency: lognormal(1)(r.Float64()),
					}, r)
				}
			}
			windows.ev.Strata[0].Merge(window.ev.Strata[0])
			twice.ev.Strata[0].Merge(window.ev.Strata[0])
			twice.ev.Strata[0].Merge(window.ev.Strata[0])
		}
		double := whole.ev.Clone(&whole.layout)
		double.Strata[0].Merge(whole.ev.Strata[0])
		for _, g := range comparing() {
			if g.Kind == Gauge {
				continue
			}
			one, apart := whole.judge(g, at(0, 2)), windows.judge(g, at(0, 2))
			if !sameJudgement(t, &g, &one, &apart) {
				t.Fatalf("%s: in one %+v, in windows %+v", g.Name, one, apart)
			}
			two, sums := twice.judge(g, at(0, 2)), g.Judge(g.Reduce(View{&whole.layout, double, whole.stages}), at(0, 2), nil)
			if !sameJudgement(t, &g, &two, &sums) {
				t.Fatalf("%s: with windows twice %+v, with counts twice %+v", g.Name, two, sums)
			}
		}
	})
}

// A resource that is read twice as often as it changes is no more evidence: windows
// that are there twice resemble each other as much as any can.
func TestWindowsOfAResourceThatAreThereTwiceAreNoMoreEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once, twice := newWide(false, 0), newWide(false, 0)
		factor, keeps := rapid.Float64Range(0.8, 2).Draw(t, "factor"), rapid.Float64Range(0, 0.9).Draw(t, "keeps")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 37))
		noise := 0.0
		for range rapid.IntRange(60, 300).Draw(t, "n") {
			noise = keeps*noise + 0.05*r.NormFloat64()
			level := 1e9 * factor * math.Exp(noise)
			once.ev.Strata[0].Gauges[0].Add(level, 1e9)
			twice.ev.Strata[0].Gauges[0].Add(level, 1e9)
			twice.ev.Strata[0].Gauges[0].Add(level, 1e9)
		}
		g := memory()
		one, two := once.judge(g, at(0, 1)), twice.judge(g, at(0, 1))
		_, _, independent := once.ev.Strata[0].Gauges[0].Ratio.Estimate()
		if _, _, n := twice.ev.Strata[0].Gauges[0].Ratio.Estimate(); n > 1.25*independent+2 {
			t.Fatalf("as good as %.1f independent windows, with windows twice as %.1f", independent, n)
		}
		if independent < stats.MinEffective {
			return // What is judged of a few more is nothing that a few less would not say.
		}
		if two.LogFail > max(0, one.LogFail)*1.4+1 || two.LogPass > max(0, one.LogPass)*1.4+1 {
			t.Fatalf("fail %.3g and pass %.3g, with windows twice %.3g and %.3g", one.LogFail, one.LogPass, two.LogFail, two.LogPass)
		}
	})
}

// A bound beyond the margin is a verdict, and the other way about.
func TestBoundsOfNumbersAndVerdictsAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newNumbers(rapid.Uint64().Draw(t, "seed"), rapid.Bool().Draw(t, "clustered"), 0, 1)
		for stratum := range 2 {
			change := rapid.Float64Range(0.4, 1.5).Draw(t, "change")
			w.sales(stratum, split.Baseline, rapid.IntRange(500, 6_000).Draw(t, "baseline"), 1)
			w.sales(stratum, split.Candidate, rapid.IntRange(500, 6_000).Draw(t, "candidate"), change)
			w.windows(stratum, rapid.IntRange(0, 150).Draw(t, "windows"), 1/change)
			w.scores(stratum, split.Baseline, rapid.IntRange(0, 3_000).Draw(t, "scores"), 0)
			w.scores(stratum, split.Candidate, rapid.IntRange(0, 3_000).Draw(t, "of candidate"), change-1)
		}
		for _, g := range []Gate{revenue(), memory(), scoreDrift()} {
			place := at(1, 2)
			j := w.judge(g, place)
			if j.Verdict == NoData {
				continue
			}
			b := g.Bound(w.view(), &j, place)
			beyond, inside := b.Lower > g.Margin, b.Upper < g.Margin
			if g.Worse == stats.Down {
				beyond, inside = b.Upper < g.Margin, b.Lower > g.Margin
			}
			near := math.Abs(j.LogFail-g.FailAt(place.Alpha)) < 1e-3 || math.Abs(j.LogPass-PassAt(place.Alpha)) < 1e-3
			if g.Kind == Drift && j.Verdict == Fail {
				continue // An earlier stage may have failed; the bounds are the current one's.
			}
			if !near && (beyond != (j.Verdict == Fail) || inside != (j.LogPass >= PassAt(place.Alpha))) {
				t.Fatalf("%s: %s with bounds [%g, %g] of margin %g (fail %g, pass %g)", g.Name, j.Verdict, b.Lower, b.Upper, g.Margin, j.LogFail, j.LogPass)
			}
		}
	})
}

// A dispersion of revenue between units is seen where units have many reports.
func TestAHeavyBuyerIsNoHarm(t *testing.T) {
	t.Parallel()
	plain, sticky := newNumbers(5, false, 0), newNumbers(5, true, 0)
	for _, w := range []*numbers{plain, sticky} {
		w.sales(0, split.Baseline, 20_000, 1)
		w.sales(0, split.Candidate, 20_000, 1)
		for range 1500 { // Three buyers, all at the baseline.
			w.ev.Strata[0].ObserveValue(&w.layout, evidence.Raw{Arm: split.Baseline, Bucket: uint8(w.r.IntN(3)), Value: 100})
		}
	}
	g := revenue()
	if j := plain.judge(g, at(0, 1)); j.Verdict != Fail {
		t.Errorf("counted by report: %s; the test has no teeth", j.Verdict)
	}
	if j := sticky.judge(g, at(0, 1)); j.Verdict != Undecided {
		t.Errorf("counted by unit: %s, log e-value %.3g", j.Verdict, j.LogFail)
	}
}

// Bins of two stages are never pooled: a shift of the traffic is none of the model.
func TestAShiftOfTheTrafficBetweenStagesIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newNumbers(3, false, 0, 1)
	w.scores(0, split.Baseline, 30_000, 0)
	w.scores(0, split.Candidate, 1_000, 0)
	w.scores(1, split.Baseline, 5_000, 2)
	w.scores(1, split.Candidate, 30_000, 2)
	if j := w.judge(scoreDrift(), at(1, 2)); j.Verdict == Fail {
		t.Errorf("%s, log e-value %.3g", j.Verdict, j.LogFail)
	}
}
