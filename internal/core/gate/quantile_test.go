package gate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func TestAQuantileWaitsForABaselineThatHasOne(t *testing.T) {
	t.Parallel()
	g := latencyP99()
	w := newWorld(false, 0)
	w.latencies(0, split.Baseline, 99, lognormal(1))
	w.latencies(0, split.Candidate, 10_000, lognormal(10))
	if j := w.judge(g, at(0, 1)); j.Verdict != Undecided || j.LogFail != 0 {
		t.Errorf("against 99 latencies: %s, log e-value %.2f", j.Verdict, j.LogFail)
	}
	j := w.judge(g, at(0, 1))
	if b := g.Bound(w.view(), &j, at(0, 1)); b.Lower > -1 || !math.IsInf(b.Upper, 1) {
		t.Errorf("against 99 latencies the change is bounded: [%g, %g]", b.Lower, b.Upper)
	}
	w.latencies(0, split.Baseline, 1, lognormal(1))
	if j := w.judge(g, at(0, 1)); j.Verdict != Fail {
		t.Errorf("against 100 latencies: %s, log e-value %.2f", j.Verdict, j.LogFail)
	}
}

// The answers of an independent implementation on 20,000 and 5,000 latencies that
// lie at the quantiles of their distributions, in units of a whole number of
// buckets: the edge is 3.198827, 200 of the baseline lie beyond it and 116 of the
// candidate beyond 1.1 times it.
func TestLatenciesGiveTheKnownEdgeAndExceedances(t *testing.T) {
	t.Parallel()
	const buckets = 1450 // about a millisecond
	w, g := newWorld(false, 0), latencyP99()
	base := w.layout.Sketches[0]
	unit := math.Exp(buckets * float64(base))
	spread := func(times float64) func(u float64) time.Duration {
		return func(u float64) time.Duration {
			return time.Duration(unit * times * math.Exp(0.5*math.Sqrt2*math.Erfinv(2*u-1)))
		}
	}
	w.latencies(0, split.Baseline, 20_000, spread(1))
	w.latencies(0, split.Candidate, 5_000, spread(1.3))
	got := g.Reduce(w.view()).Strata[0]
	if edge := math.Exp(float64(got.Edge-buckets) * float64(base)); g.Steps != 10 || math.Abs(edge-3.198827) > 5e-7 {
		t.Errorf("%d steps, the edge lies at %.7f; want 10 and 3.198827", g.Steps, edge)
	}
	if want := (stats.Stratum{NT: 5000, KT: 116, NC: 20_000, KC: 200}); got.Counts != want {
		t.Fatalf("counted %+v, want %+v", got.Counts, want)
	}
	counts := stats.Counts{Strata: []stats.Stratum{got.Counts}}
	fail, pass := counts.LogERatio(0, stats.Up, g.failPrior()), counts.LogERatio(0, stats.Down, g.passPrior())
	if math.Abs(fail-21.085259673) > 5e-10 || math.Abs(pass+2.950235257) > 5e-10 {
		t.Errorf("log e-values %.10f and %.10f, want 21.085259673 and -2.950235257", fail, pass)
	}
}

func TestTheEdgeLiesAtTheLastOfItsExceedances(t *testing.T) {
	t.Parallel()
	g := latencyP99()
	var h evidence.Histogram
	h.Add(100, 198)
	h.Add(140, 2) // A gap, in which every edge has two above it.
	if edge, above, ok := g.edge(&h, 200); edge != 140 || above != 2 || !ok {
		t.Errorf("edge %d with %d above (%v), want 140 with 2", edge, above, ok)
	}
}

// Looking at every few requests from the very first must not find a slow
// candidate where there is none: the early edges rest on a handful of latencies.
func TestADenseLookAtACandidateAtItsMarginSeldomFails(t *testing.T) {
	t.Parallel()
	n := 200
	if testing.Short() {
		n = 30
	}
	for _, weight := range []float64{0.5, 0.9} {
		failed, passed := 0, 0
		for seed := range uint64(n) {
			fail, pass := denseLook(seed, weight)
			if fail {
				failed++
			}
			if pass {
				passed++
			}
		}
		most := 0.05*float64(n) + 3*math.Sqrt(0.05*0.95*float64(n))
		t.Logf("at %g: %d of %d failed, %d passed", weight, failed, n, passed)
		if float64(failed) > most || float64(passed) > most {
			t.Errorf("at %g: %d of %d failed, %d passed; want at most %.0f of each", weight, failed, n, passed, most)
		}
	}
}

// denseLook reports whether p99 ever fails and ever passes while the candidate is
// slower by its margin exactly.
func denseLook(seed uint64, weight float64) (failed, passed bool) {
	r := rand.New(rand.NewPCG(seed, 99))
	g, w := latencyP99(), newWorld(false, 0)
	s := w.ev.Strata[0]
	next := 10
	for i := 1; i <= 8000; i++ {
		o := evidence.Observation{Latency: time.Duration(8e6 * math.Exp(0.5*r.NormFloat64()))}
		if r.Float64() < weight {
			o.Arm, o.Latency = split.Candidate, time.Duration(1.1*float64(o.Latency))
		}
		s.Observe(&w.layout, o)
		if i < next {
			continue
		}
		next += max(5, next/50)
		j := w.judge(g, at(0, 1))
		failed, passed = failed || j.Verdict == Fail, passed || j.Verdict == Pass
	}
	return failed, passed
}

// The bounds of a judgement are asked for a little later, when the evidence has
// gone on.
func TestABoundOnEvidenceThatHasGoneOnIsNoMistake(t *testing.T) {
	t.Parallel()
	g := latencyP99()
	w := newWorld(false, 0)
	w.latencies(0, split.Baseline, 3000, lognormal(1))
	w.latencies(0, split.Candidate, 3000, lognormal(1))
	j := w.judge(g, at(0, 2))
	w.stages = append(w.stages, 1)
	w.ev.Stratum(&w.layout, 1)
	w.latencies(1, split.Baseline, 3000, lognormal(1))
	if b := g.Bound(w.view(), &j, at(0, 2)); math.IsInf(b.Lower, 0) || b.Lower >= b.Upper {
		t.Errorf("bounds [%g, %g]", b.Lower, b.Upper)
	}
}

func TestTheSameSampleIsNotJudgedAgain(t *testing.T) {
	t.Parallel()
	g := withMax(errorRatio())
	w := newWorld(false, 0, 1)
	w.requests(0, split.Baseline, 3000, 30)
	w.requests(0, split.Candidate, 300, 4)
	s := g.Reduce(w.view())
	first := g.Judge(s, at(0, 2), nil)
	// What was judged is believed, so a changed number shows that it was not judged again.
	marked := first
	marked.LogPass = 1234
	if again := g.Judge(s, at(0, 2), &marked); again.LogPass != 1234 || again.Verdict != Pass {
		t.Errorf("judged again: %+v", again)
	}
	if later := g.Judge(g.Reduce(w.view()), at(1, 2), &marked); later.LogPass == 1234 || len(later.PerStage) != 2 {
		t.Errorf("the next stage is not judged: %+v", later)
	}
	w.requests(0, split.Candidate, 1, 0)
	if more := g.Judge(g.Reduce(w.view()), at(0, 2), &marked); more.LogPass == 1234 {
		t.Error("one request more is not judged")
	}
}
