package gate

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The gates that the tests judge, one of each method.
func errorRatio() Gate {
	return Gate{Name: "error_rate", Kind: Rate, Method: Ratio, Worse: stats.Up, Margin: 0.2, Share: 1, Slope: 1}
}

func errorDifference() Gate {
	return Gate{Name: "error_rate", Kind: Rate, Method: Difference, Worse: stats.Up, Margin: 0.01, Slope: 1, Share: 1}
}

func errorIgnore() Gate {
	return Gate{Name: "error_rate", Kind: Rate, Method: Ignore, Worse: stats.Up, Margin: 0.2, Level: 0.001, Share: 1, Slope: 1}
}

func correct() Gate {
	return Gate{Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: Difference, Complement: true, Worse: stats.Up, Margin: 0.04, Slope: 1, Share: 1}
}

func latencyP99() Gate {
	_, steps := evidence.BaseFor(0.1)
	return Gate{Name: "latency_p99", Kind: Quantile, Method: Ratio, Worse: stats.Up, Margin: 0.1, Quantile: 0.99, Steps: steps, Share: 1, Slope: 1}
}

// world is evidence under construction.
type world struct {
	layout evidence.Layout
	ev     evidence.Evidence
	stages []int
}

func newWorld(clustered bool, stages ...int) *world {
	w := &world{layout: evidence.NewLayout(clustered, "outcome:correct"), stages: stages}
	base, steps := evidence.BaseFor(0.1)
	w.layout.Sketches = []evidence.Base{base}
	w.layout.Tails = []evidence.Tail{{Sketch: 0, Quantile: 0.99, Steps: steps}}
	for i := range stages {
		w.ev.Stratum(&w.layout, i)
	}
	return w
}

func (w *world) view() View {
	return View{Layout: &w.layout, Evidence: &w.ev, Stages: w.stages}
}

// requests adds n requests of an arm to a stratum, k of them errors.
func (w *world) requests(stratum int, arm split.Arm, n, k int) {
	for i := range n {
		w.ev.Strata[stratum].Observe(&w.layout, evidence.Observation{Arm: arm, Bucket: uint8(i), Error: i < k})
	}
}

func (w *world) latencies(stratum int, arm split.Arm, n int, quantile func(u float64) time.Duration) {
	for i := range n {
		u := (float64(i) + 0.5) / float64(n)
		w.ev.Strata[stratum].Observe(&w.layout, evidence.Observation{Arm: arm, Bucket: uint8(i), Latency: quantile(u)})
	}
}

func (w *world) outcomes(stratum int, arm split.Arm, n, right int) {
	for i := range n {
		w.ev.Strata[stratum].ObserveOutcome(2, arm, uint8(i), i < right)
	}
}

func (w *world) judge(g Gate, at Place) Judgement { return g.Judge(g.Reduce(w.view()), at, nil) }

func at(stage, stages int) Place { return Place{Stage: stage, Stages: stages, Alpha: 0.05} }

func TestVerdicts(t *testing.T) {
	tests := map[string]struct {
		gate    Gate
		build   func(w *world)
		verdict Verdict
		reason  Reason
	}{
		"thirteen candidate requests suffice for a gross error regression": {errorRatio(), func(w *world) {
			w.requests(0, split.Baseline, 1300, 6)
			w.requests(0, split.Candidate, 13, 5)
		}, Fail, HarmProven},
		"zero errors at the baseline do not hide errors at the candidate": {errorIgnore(), func(w *world) {
			w.requests(0, split.Baseline, 20_000, 0)
			w.requests(0, split.Candidate, 200, 12)
		}, Fail, HarmProven},
		"zero errors at the baseline do not hide errors at the candidate, as a difference": {errorDifference(), func(w *world) {
			w.requests(0, split.Baseline, 20_000, 0)
			w.requests(0, split.Candidate, 200, 16)
		}, Fail, HarmProven},
		"a model without errors passes a gate that ignores small levels": {errorIgnore(), func(w *world) {
			w.requests(0, split.Baseline, 8_000, 0)
			w.requests(0, split.Candidate, 8_000, 0)
		}, Pass, MarginProven},
		"no errors on either arm never pass a plain ratio": {errorRatio(), func(w *world) {
			w.requests(0, split.Baseline, 100_000, 0)
			w.requests(0, split.Candidate, 100_000, 0)
		}, Undecided, NotProvenYet},
		"an even record is undecided while the sample is small": {errorDifference(), func(w *world) {
			w.requests(0, split.Baseline, 100, 1)
			w.requests(0, split.Candidate, 100, 1)
		}, Undecided, NotProvenYet},
		"an even record passes a difference once the sample is large": {errorDifference(), func(w *world) {
			w.requests(0, split.Baseline, 10_000, 50)
			w.requests(0, split.Candidate, 10_000, 50)
		}, Pass, MarginProven},
		"an empty candidate is no data": {errorRatio(), func(w *world) {
			w.requests(0, split.Baseline, 1000, 5)
		}, NoData, NoCandidateData},
		"an empty baseline is no data": {errorDifference(), func(w *world) {
			w.requests(0, split.Candidate, 1000, 900)
		}, NoData, NoBaselineData},
		"a candidate that is wrong more often fails on its outcomes": {correct(), func(w *world) {
			w.outcomes(0, split.Baseline, 1000, 940)
			w.outcomes(0, split.Candidate, 1000, 850)
		}, Fail, HarmProven},
		"as many right answers pass": {correct(), func(w *world) {
			w.outcomes(0, split.Baseline, 2000, 1880)
			w.outcomes(0, split.Candidate, 2000, 1890)
		}, Pass, MarginProven},
		"successes alone prove nothing": {correct(), func(w *world) {
			w.outcomes(0, split.Baseline, 5000, 5000)
			w.outcomes(0, split.Candidate, 5000, 5000)
		}, Undecided, OnlySuccesses},
		"a slower tail fails": {latencyP99(), func(w *world) {
			w.latencies(0, split.Baseline, 20_000, lognormal(1))
			w.latencies(0, split.Candidate, 5_000, lognormal(1.5))
		}, Fail, HarmProven},
		"the same tail passes": {latencyP99(), func(w *world) {
			w.latencies(0, split.Baseline, 60_000, lognormal(1))
			w.latencies(0, split.Candidate, 60_000, lognormal(1))
		}, Pass, MarginProven},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false, 0)
			tt.build(w)
			j := w.judge(tt.gate, at(0, 1))
			if j.Verdict != tt.verdict || j.Reason != tt.reason {
				t.Errorf("got %s (%s), want %s (%s); log e-values: fail %.3g of %.3g, pass %.3g of %.3g",
					j.Verdict, j.Reason, tt.verdict, tt.reason, j.LogFail, tt.gate.FailAt(0.05), j.LogPass, PassAt(0.05))
			}
		})
	}
}

// lognormal has sigma 0.25 around 8 ms, times a factor.
func lognormal(factor float64) func(u float64) time.Duration {
	return func(u float64) time.Duration {
		z := math.Sqrt2 * math.Erfinv(2*u-1)
		return time.Duration(factor * 8e6 * math.Exp(0.25*z))
	}
}

func TestAGateIsOffBeforeItsStageAndSeesNothingFromBefore(t *testing.T) {
	g := errorRatio()
	g.From = 1
	w := newWorld(false, 0, 1)
	w.requests(0, split.Baseline, 10_000, 10)
	w.requests(0, split.Candidate, 1_000, 500)
	if j := w.judge(g, at(0, 3)); j.Verdict != Off || j.LogFail != 0 {
		t.Errorf("before its stage: got %s with log e-value %g", j.Verdict, j.LogFail)
	}
	if j := w.judge(g, at(1, 3)); j.Verdict != NoData {
		t.Errorf("at its stage without data: got %s, want %s", j.Verdict, NoData)
	}
	w.requests(1, split.Baseline, 10_000, 10)
	w.requests(1, split.Candidate, 1_000, 100)
	if j := w.judge(g, at(1, 3)); j.Verdict != Fail {
		t.Errorf("at its stage with harm: got %s, want %s", j.Verdict, Fail)
	}
}

// Simpson: the baseline drifts from 0.5 % to 5 % while the weight grows, and the
// candidate is exactly as bad as the baseline at every stage. Pooled totals say
// that it is much worse.
func TestAChangeOfWeightDoesNotBiasTheComparison(t *testing.T) {
	for name, g := range map[string]Gate{"ratio": errorRatio(), "difference": errorDifference(), "ignore": errorIgnore()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false, 0, 1)
			w.requests(0, split.Baseline, 99_000, 495)
			w.requests(0, split.Candidate, 1_000, 5)
			w.requests(1, split.Baseline, 50_000, 2500)
			w.requests(1, split.Candidate, 50_000, 2500)
			j := w.judge(g, at(1, 2))
			if j.Verdict == Fail || j.LogFail > 0 {
				t.Errorf("got %s with log e-value %.3g for an identical candidate", j.Verdict, j.LogFail)
			}
			pooled := newWorld(false, 0)
			pooled.requests(0, split.Baseline, 149_000, 2995)
			pooled.requests(0, split.Candidate, 51_000, 2505)
			if j := pooled.judge(g, at(0, 1)); j.Verdict != Fail {
				t.Errorf("the test shows nothing: pooled totals give %s", j.Verdict)
			}
		})
	}
}

func TestACeilingFailsByItselfAndNeedsNoBaseline(t *testing.T) {
	g := Gate{Name: "error_rate", Kind: Rate, Method: None, Share: 1, Ceilings: []Ceiling{{Limit: 0.05, Text: "max 5%"}}}
	w := newWorld(false, 0)
	w.requests(0, split.Candidate, 500, 60)
	if j := w.judge(g, at(0, 1)); j.Verdict != Fail || j.Reason != CeilingBroken {
		t.Errorf("got %s (%s)", j.Verdict, j.Reason)
	}
	w = newWorld(false, 0)
	w.requests(0, split.Candidate, 2000, 20)
	if j := w.judge(g, at(0, 1)); j.Verdict != Pass {
		t.Errorf("well below the ceiling: got %s", j.Verdict)
	}
}

// A shared incident hits both arms alike, so only the ceiling sees it.
func TestACeilingSeesWhatARelativeMarginCannot(t *testing.T) {
	g := errorRatio()
	w := newWorld(false, 0)
	w.requests(0, split.Baseline, 5000, 1000)
	w.requests(0, split.Candidate, 5000, 1000)
	if j := w.judge(g, at(0, 1)); j.Verdict == Fail {
		t.Fatalf("a shared incident failed the relative gate: %+v", j)
	}
	g.Ceilings = []Ceiling{{Limit: 0.05, Text: "max 5%"}}
	if j := w.judge(g, at(0, 1)); j.Verdict != Fail || j.Reason != CeilingBroken {
		t.Errorf("with a ceiling: got %s (%s)", j.Verdict, j.Reason)
	}
}

func TestALatencyCeilingCountsExceedances(t *testing.T) {
	g := Gate{Name: "latency_p99", Kind: Quantile, Method: None, Quantile: 0.99, Share: 1, Ceilings: []Ceiling{{Limit: 0.01, Over: 20 * time.Millisecond, Text: "max 20ms"}}}
	w := newWorld(false, 0)
	w.latencies(0, split.Candidate, 3000, lognormal(2))
	if j := w.judge(g, at(0, 1)); j.Verdict != Fail {
		t.Errorf("a p99 of 29ms under a ceiling of 20ms: got %s", j.Verdict)
	}
}

// One heavy user with many errors is one user, not many errors.
func TestStickyUsersDoNotInflateTheEvidence(t *testing.T) {
	build := func(clustered bool) *world {
		w := newWorld(clustered, 0)
		w.requests(0, split.Baseline, 20_000, 200)
		w.requests(0, split.Candidate, 20_000, 200)
		for range 300 {
			w.ev.Strata[0].Observe(&w.layout, evidence.Observation{Arm: split.Candidate, Bucket: 7, Error: true})
		}
		return w
	}
	if j := build(false).judge(errorRatio(), at(0, 1)); j.Verdict != Fail {
		t.Fatalf("the test shows nothing: by request it is %s", j.Verdict)
	}
	j := build(true).judge(errorRatio(), at(0, 1))
	if j.Verdict == Fail || j.Sample.Phi < 10 {
		t.Errorf("by unit it is %s with dispersion %.1f", j.Verdict, j.Sample.Phi)
	}
}

func TestFinishedStagesAreNotJudgedAgainAndGiveTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom([]Gate{errorRatio(), errorDifference(), errorIgnore()}).Draw(t, "gate")
		w := drawWorld(t, 3)
		before := w.judge(g, at(2, 3))
		w.requests(2, split.Candidate, rapid.IntRange(0, 200).Draw(t, "more"), 0)
		sample := g.Reduce(w.view())
		with, without := g.Judge(sample, at(2, 3), &before), g.Judge(sample, at(2, 3), nil)
		if with.LogFail != without.LogFail || !slices.Equal(with.PerStage, without.PerStage) {
			t.Fatalf("with memo %v, without %v", with, without)
		}
	})
}

func drawWorld(t *rapid.T, strata int) *world {
	stages := make([]int, strata)
	for i := range stages {
		stages[i] = i
	}
	w := newWorld(false, stages...)
	for i := range stages {
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			n := rapid.IntRange(0, 3000).Draw(t, "n")
			w.requests(i, arm, n, rapid.IntRange(0, n/4).Draw(t, "k"))
		}
	}
	return w
}

func TestFailAndTheBoundBeyondTheMarginAreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom([]Gate{errorRatio(), errorDifference(), errorIgnore()}).Draw(t, "gate")
		g.Share = rapid.SampledFrom([]float64{1, 0.5, 0.2}).Draw(t, "share")
		w := drawWorld(t, 2)
		j := w.judge(g, at(1, 2))
		if j.Verdict == NoData {
			return
		}
		b := g.Bound(w.view(), &j, at(1, 2))
		if math.Abs(j.LogFail-g.FailAt(0.05)) < 1e-3 {
			return
		}
		if beyond := b.Lower > g.Margin; beyond != (j.Verdict == Fail) {
			t.Fatalf("%s: verdict %s (log e %.4f of %.4f) but lower bound %.6f against margin %.6f", g.Name, j.Verdict, j.LogFail, g.FailAt(0.05), b.Lower, g.Margin)
		}
	})
}

func TestPassAndTheBoundInsideTheMarginAreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom([]Gate{errorRatio(), errorDifference()}).Draw(t, "gate")
		w := drawWorld(t, 2)
		j := w.judge(g, at(1, 2))
		if j.Verdict == NoData || math.Abs(j.LogPass-PassAt(0.05)) < 1e-3 {
			return
		}
		b := g.Bound(w.view(), &j, at(1, 2))
		if math.Abs(b.Upper-g.Margin) < 1e-6 {
			return // the floor under a difference steps exactly at the margin
		}
		if inside := b.Upper < g.Margin; inside != (j.LogPass >= PassAt(0.05)) {
			t.Fatalf("log pass %.4f of %.4f but upper bound %.6f against margin %.6f", j.LogPass, PassAt(0.05), b.Upper, g.Margin)
		}
	})
}

func TestTheBoundOfAQuantileLiesOnTheSideOfItsVerdict(t *testing.T) {
	for name, factor := range map[string]float64{"slower": 1.5, "same": 1, "faster": 0.8} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false, 0)
			w.latencies(0, split.Baseline, 30_000, lognormal(1))
			w.latencies(0, split.Candidate, 30_000, lognormal(factor))
			g := latencyP99()
			j := w.judge(g, at(0, 1))
			b := g.Bound(w.view(), &j, at(0, 1))
			if (b.Lower > g.Margin) != (j.Verdict == Fail) || (b.Upper < g.Margin) != (j.Verdict == Pass) {
				t.Errorf("verdict %s but bounds [%.3f, %.3f] around margin %.3f", j.Verdict, b.Lower, b.Upper, g.Margin)
			}
			if !(b.Lower <= factor-1+0.02 && factor-1-0.02 <= b.Upper) {
				t.Errorf("bounds [%.3f, %.3f] miss the truth %.3f", b.Lower, b.Upper, factor-1)
			}
		})
	}
}

func TestBoundsOfASuccessReadLikeTheSuccess(t *testing.T) {
	w := newWorld(false, 0)
	w.outcomes(0, split.Baseline, 4000, 3760)
	w.outcomes(0, split.Candidate, 4000, 3400)
	for name, g := range map[string]Gate{
		"points":   correct(),
		"relative": {Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: Difference, Complement: true, Worse: stats.Up, Margin: 0.05, Slope: 0.95, Share: 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := w.judge(g, at(0, 1))
			b := g.Bound(w.view(), &j, at(0, 1))
			want := -0.09
			if g.Slope != 1 {
				want = 0.85/0.94 - 1
			}
			if math.Abs(b.Estimate-want) > 1e-9 || !(b.Lower < want && want < b.Upper && b.Upper < 0) {
				t.Errorf("estimate %.4f in [%.4f, %.4f], want %.4f below zero", b.Estimate, b.Lower, b.Upper, want)
			}
			if b.AtLeast(&g) != b.Upper {
				t.Errorf("the proven harm is %.4f, want the upper bound %.4f", b.AtLeast(&g), b.Upper)
			}
		})
	}
}

func TestSampleRatio(t *testing.T) {
	w := newWorld(false, 0, 1)
	w.requests(0, split.Baseline, 99_000, 0)
	w.requests(0, split.Candidate, 1_000, 0)
	w.requests(1, split.Baseline, 4_000, 0)
	w.requests(1, split.Candidate, 6_000, 0)
	logs := SampleRatio(w.view(), []uint32{100, 5000}, 2)
	if logs[0] >= SampleRatioAt(2) || logs[1] < SampleRatioAt(2) {
		t.Errorf("log e-values %v, threshold %.2f: want the first below and the second above", logs, SampleRatioAt(2))
	}
}

func TestEmptyEvidenceIsNoDataForEveryGate(t *testing.T) {
	for _, g := range []Gate{errorRatio(), errorDifference(), errorIgnore(), correct(), latencyP99()} {
		w := newWorld(true)
		j := w.judge(g, at(0, 1))
		if j.Verdict != NoData || j.LogFail != 0 || j.LogPass != 0 {
			t.Errorf("%s on nothing: %+v", g.Name, j)
		}
		b := g.Bound(w.view(), &j, at(0, 1))
		if !math.IsInf(b.Lower, -1) || !math.IsInf(b.Upper, 1) {
			t.Errorf("%s on nothing is bounded: %+v", g.Name, b)
		}
	}
}

func TestMarginsReadAsWritten(t *testing.T) {
	relative := correct()
	relative.Margin, relative.Slope = 0.05, 0.95
	for want, g := range map[string]Gate{"+20%": errorRatio(), "+1pp": errorDifference(), "-4pp": correct(), "-5%": relative, "+10%": latencyP99()} {
		if got := g.MarginText(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The scales are those of STATISTICS 3.1 and 3.12; they decide how soon a verdict
// comes, and must not change while a rollout runs.
func TestPriorsByKindOfGate(t *testing.T) {
	t.Parallel()
	bought := Gate{Method: Ratio, Worse: stats.Down, Margin: -0.05, Outcome: true}
	for name, tt := range map[string]struct {
		gate       Gate
		fail, pass float64
	}{
		"ratio":        {errorRatio(), 0.5, math.Log1p(0.2)},
		"ignore":       {errorIgnore(), 0.5, math.Log1p(0.2)},
		"quantile":     {latencyP99(), 0.5, 0.5},
		"difference":   {errorDifference(), 0.01, 0.01},
		"success":      {correct(), 0.04, 0.04},
		"rare success": {bought, 0.1, -math.Log1p(-0.05)},
	} {
		if got := tt.gate.failPrior(); got != stats.Prior3(tt.fail) {
			t.Errorf("%s, fail side: %v", name, got)
		}
		if got := tt.gate.passPrior(); got != stats.Prior3(tt.pass) {
			t.Errorf("%s, pass side: %v", name, got)
		}
	}
}
