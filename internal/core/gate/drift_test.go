package gate

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// answering is a world whose model answers with a score.
type answering struct {
	*world
	r        *rand.Rand
	readings []evidence.Reading
	places   []float64
}

func newAnswering(seed uint64, clustered bool, stages ...int) *answering {
	w := &world{layout: evidence.NewLayout(clustered), stages: stages}
	at := w.layout.AddOutput("score")
	w.layout.Outputs[at].Value = w.layout.AddValues(evidence.Series{Name: "output:score", Bins: 20, Grouped: true})
	w.layout.AddClass(at, "1", "output:score=1")
	for i := range stages {
		w.ev.Stratum(&w.layout, i)
	}
	return &answering{world: w, r: rand.New(rand.NewPCG(seed, 23))}
}

// answer adds an answer with these scores.
func (w *answering) answer(stratum int, arm split.Arm, bucket uint8, scores ...float64) {
	w.readings = w.readings[:0]
	for _, v := range scores {
		class := uint64(0)
		if v == 1 {
			class = 1
		}
		w.readings = append(w.readings, evidence.Reading{Kind: evidence.Number, Value: v, Classes: class})
	}
	w.ev.Strata[stratum].Observe(&w.layout, evidence.Observation{Arm: arm, Bucket: bucket, Outputs: w.readings})
}

func outputDrift() Gate {
	g := scoreDrift()
	g.Series, g.Output = 0, 1
	return g
}

// shiftOf is how far a normal distribution is moved to lie at a distance of
// Kolmogorov and Smirnov from where it was.
func shiftOf(distance float64) float64 { return 2 * math.Sqrt2 * math.Erfinv(distance) }

var driftScale = flag.Int("drift.scale", 1, "how many times as often each simulation of drifts is run")

// atMost complains of verdicts that more of the runs have than alpha allows.
func atMost(t *testing.T, what string, n, runs int) {
	t.Helper()
	t.Logf("%s: %.2f %%", what, 100*float64(n)/float64(runs))
	if float64(n) > 0.05*float64(runs) {
		t.Errorf("%s: %d of %d runs", what, n, runs)
	}
}

// looks plays n answers of both arms and counts verdicts: at how many of the runs
// a verdict was ever given.
func looks(runs int, play func(w *answering), clustered bool, verdicts ...Verdict) map[Verdict]int {
	const looks = 12
	out := map[Verdict]int{}
	g := outputDrift()
	for run := range runs {
		w := newAnswering(uint64(run), clustered, 0)
		seen := map[Verdict]bool{}
		var prev *Judgement
		for range looks {
			play(w)
			w.ev.Learn(&w.layout)
			j := g.Judge(g.Reduce(w.view()), at(0, 1), prev)
			prev = &j
			seen[j.Verdict] = true
		}
		for _, v := range verdicts {
			if seen[v] {
				out[v]++
			}
		}
	}
	return out
}

// long leaves a simulation out where only the rest is wanted.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a simulation")
	}
}

// normal plays a look of single scores, the candidate's shifted.
func normal(shift float64) func(w *answering) {
	return func(w *answering) {
		for range 2000 {
			w.answer(0, split.Baseline, uint8(w.r.IntN(256)), w.r.NormFloat64())
		}
		for range 600 {
			w.answer(0, split.Candidate, uint8(w.r.IntN(256)), shift+w.r.NormFloat64())
		}
	}
}

func TestDriftKeepsItsLevelAndCatchesAShift(t *testing.T) {
	t.Parallel()
	long(t)
	runs := 200 * *driftScale
	atMost(t, "nothing changed, failed", looks(runs, normal(0), false, Fail)[Fail], runs)
	border := looks(runs, normal(shiftOf(0.1)), false, Fail, Pass)
	atMost(t, "at the margin, failed", border[Fail], runs)
	atMost(t, "at the margin, passed", border[Pass], runs)
	far := 20 * *driftScale
	if n := looks(far, normal(shiftOf(0.25)), false, Fail)[Fail]; n < far {
		t.Errorf("a distance of 0.25: %d of %d runs fail", n, far)
	}
}

// users plays a look of a few users who send much, each with scores around a
// place of his own.
func users(w *answering) {
	const users, each = 120, 25
	for len(w.places) < users {
		w.places = append(w.places, 3*w.r.NormFloat64())
	}
	for user, place := range w.places {
		for range each {
			w.answer(0, split.Arm(user%2), uint8(user*151), place+0.2*w.r.NormFloat64())
		}
	}
}

func TestUsersWhoSendMuchDoNotInflateADrift(t *testing.T) {
	t.Parallel()
	long(t)
	runs := 60 * *driftScale
	atMost(t, "as users, nothing changed, failed", looks(runs, users, true, Fail)[Fail], runs)
	if n := looks(runs, users, false, Fail)[Fail]; n < runs/4 {
		t.Errorf("as single answers: only %d of %d runs fail, so that the test shows nothing", n, runs)
	}
}

// vectors plays a look of answers that are either sure of one of 64 classes or of
// none: the probabilities of one answer are all alike.
func vectors(w *answering) {
	for i := range 60 {
		vector := make([]float64, evidence.MaxReadings)
		sure := w.r.IntN(2) == 0
		for k := range vector {
			vector[k] = 1.0 / evidence.MaxReadings
			if sure {
				vector[k] = 0
			}
		}
		if sure {
			vector[w.r.IntN(len(vector))] = 1
		}
		w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), vector...)
	}
}

func TestTheValuesOfOneAnswerDoNotInflateADrift(t *testing.T) {
	t.Parallel()
	long(t)
	runs := 40 * *driftScale
	atMost(t, "values of one answer, nothing changed, failed", looks(runs, vectors, false, Fail)[Fail], runs)
	w := newAnswering(1, false, 0)
	for range 12 {
		vectors(w)
	}
	w.ev.Learn(&w.layout)
	g := outputDrift()
	if phi := g.Reduce(w.view()).Stages[0].Phi; phi < 40 || phi > 90 {
		t.Errorf("64 values that are all alike count as %.3g", phi)
	}
}

func TestIndependentValuesHaveHardlyADispersion(t *testing.T) {
	t.Parallel()
	for name, several := range map[string]int{"alone": 1, "eight in an answer": 8} {
		w := newAnswering(3, false, 0)
		for i := range 4000 {
			values := make([]float64, several)
			for k := range values {
				values[k] = w.r.NormFloat64()
			}
			w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), values...)
		}
		w.ev.Learn(&w.layout)
		g := outputDrift()
		if phi := g.Reduce(w.view()).Stages[0].Phi; phi < 1 || phi > 1.4 || several == 1 && phi != 1 {
			t.Errorf("%s: a dispersion of %.3g", name, phi)
		}
	}
}

// A model that answers with one of two classes has a distribution as well: its
// distance is the difference of the shares, whatever number stands for a class.
func TestADriftOfTwoClassesIsTheDifferenceOfTheirShares(t *testing.T) {
	t.Parallel()
	fraud, legit := evidence.TextValue([]byte("fraud")), evidence.TextValue([]byte("legit"))
	tests := map[string]struct {
		share   float64 // of fraud at the candidate; the baseline has 10 %
		other   float64 // what the candidate says instead of legit
		verdict Verdict
	}{
		"the same shares":                     {0.1, legit, Pass},
		"more of one class":                   {0.5, legit, Fail},
		"a third class in the place of one":   {0.1, evidence.TextValue([]byte("unsure")), Fail},
		"a number in the place of a class":    {0.1, 3, Fail},
		"hardly more than is tolerated is no": {0.21, legit, Undecided},
	}
	for name, tt := range tests {
		w := newAnswering(6, false, 0)
		for i := range 20_000 {
			share, other := 0.1, legit
			if i%2 == 1 {
				share, other = tt.share, tt.other
			}
			v := other
			if w.r.Float64() < share {
				v = fraud
			}
			w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), v)
		}
		w.ev.Learn(&w.layout)
		g := outputDrift()
		j := g.Judge(g.Reduce(w.view()), at(0, 1), nil)
		b := g.Bound(w.view(), &j, at(0, 1))
		if j.Verdict != tt.verdict {
			t.Errorf("%s: %s at %+v, want %s", name, j.Verdict, b, tt.verdict)
		}
		if want := tt.share - 0.1; tt.other == legit && math.Abs(b.Estimate-want) > 0.015 {
			t.Errorf("%s: a distance of %.3g, want %.3g", name, b.Estimate, want)
		}
	}
}

// A baseline that says the same to everybody is a distribution, too.
func TestABaselineOfOneClassHidesNothing(t *testing.T) {
	t.Parallel()
	w := newAnswering(7, false, 0)
	for i := range 8000 {
		w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), float64(5+i%2))
	}
	w.ev.Learn(&w.layout)
	g := outputDrift()
	if j := g.Judge(g.Reduce(w.view()), at(0, 1), nil); j.Verdict != Fail {
		t.Errorf("all fives against all sixes: %s", j.Verdict)
	}
}

// Of answers with several values too few say nothing, however many values that
// are; of those that come alone a hundred say something.
func TestTooFewAnswersAreNoDrift(t *testing.T) {
	t.Parallel()
	g := outputDrift()
	w := newAnswering(4, false, 0)
	many := func(v float64) []float64 {
		out := make([]float64, evidence.MaxReadings)
		for i := range out {
			out[i] = v
		}
		return out
	}
	for i := range 2000 {
		w.answer(0, split.Baseline, uint8(i), w.r.NormFloat64())
	}
	for i := range 15 {
		w.answer(0, split.Candidate, uint8(i), many(9)...)
	}
	w.ev.Learn(&w.layout)
	j := g.Judge(g.Reduce(w.view()), at(0, 1), nil)
	b := g.Bound(w.view(), &j, at(0, 1))
	if j.Verdict != Undecided || b.Lower != 0 || b.Upper != 1 || !(b.Estimate > 0.9) {
		t.Errorf("15 answers of 64 values: %s, %+v", j.Verdict, b)
	}
}

// A bound beyond the margin is a verdict, and the other way about, in any stage.
func TestBoundsAndVerdictsOfADriftAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newAnswering(rapid.Uint64().Draw(t, "seed"), rapid.Bool().Draw(t, "clustered"), 0, 0, 1)
		shift, several := rapid.Float64Range(-1, 1).Draw(t, "shift"), rapid.IntRange(1, 3).Draw(t, "several")
		n := rapid.IntRange(100, 2500).Draw(t, "n")
		for i := range 2 * n {
			values := make([]float64, several)
			for k := range values {
				values[k] = w.r.NormFloat64() + shift*float64(i%2)
			}
			w.answer(w.r.IntN(3), split.Arm(i%2), uint8(w.r.IntN(256)), values...)
		}
		w.ev.Learn(&w.layout)
		g := outputDrift()
		g.Share = rapid.SampledFrom([]float64{1, 0.25}).Draw(t, "share")
		place := at(1, 2)
		j := g.Judge(g.Reduce(w.view()), place, nil)
		b := g.Bound(w.view(), &j, place)
		if failed := j.Verdict == Fail; b.Lower > g.Margin && !failed {
			t.Fatalf("%s at %+v", j.Verdict, b)
		}
		if passed := j.Verdict == Pass; passed != (b.Upper < g.Margin) && j.Verdict != Fail {
			t.Fatalf("%s at %+v", j.Verdict, b)
		}
		if !(b.Lower <= b.Estimate && b.Estimate <= b.Upper) && !math.IsNaN(b.Estimate) || b.Lower < 0 || b.Upper > 1 {
			t.Fatalf("%+v", b)
		}
		if again := g.Judge(g.Reduce(w.view()), place, &j); again.LogFail != j.LogFail || again.LogPass != j.LogPass {
			t.Fatalf("judged again: %v and %v, before %v and %v", again.LogFail, again.LogPass, j.LogFail, j.LogPass)
		}
	})
}

// The share of a class is followed as any rate, and its answers count as such and
// not as their values.
func TestTheShareOfAClassIsARate(t *testing.T) {
	t.Parallel()
	g := Gate{Name: "output:score=1", Kind: Rate, Output: 1, Series: 2, Method: Ratio, Worse: stats.Up, Margin: 0.2, Slope: 1, Share: 1}
	play := func(several int, ones float64) Judgement {
		w := newAnswering(8, false, 0)
		for i := range 4000 {
			share := 0.2
			if i%2 == 1 {
				share = ones
			}
			values := make([]float64, several)
			if w.r.Float64() < share {
				for k := range values {
					values[k] = 1
				}
			}
			w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), values...)
		}
		return g.Judge(g.Reduce(w.view()), at(0, 1), nil)
	}
	one, many := play(1, 0.32), play(8, 0.32)
	if one.Verdict != Fail || many.Verdict != Fail {
		t.Errorf("a share of 32 %% against 20 %%: %s and %s", one.Verdict, many.Verdict)
	}
	if one.Sample.Phi > 1 || many.Sample.Phi < 6 || math.Abs(many.LogFail-one.LogFail) > 0.3*one.LogFail {
		t.Errorf("eight equal values: dispersion %.3g, evidence %.3g; one: %.3g, %.3g", many.Sample.Phi, many.LogFail, one.Sample.Phi, one.LogFail)
	}
	if same := play(8, 0.2); same.Verdict == Fail {
		t.Error("the same share fails")
	}
}

// The mean of several values in an answer has the variance of the answers.
func TestTheMeanOfAnOutputHasTheVarianceOfItsAnswers(t *testing.T) {
	t.Parallel()
	g := Gate{Name: "output:score:mean", Kind: Mean, Output: 1, Method: Ratio, Worse: stats.Up, Margin: 0.05, Share: 1}
	play := func(several int) Sample {
		w := newAnswering(9, false, 0)
		for i := range 6000 {
			v := math.Exp(0.5 * w.r.NormFloat64())
			values := make([]float64, several)
			for k := range values {
				values[k] = v
			}
			w.answer(0, split.Arm(i%2), uint8(w.r.IntN(256)), values...)
		}
		w.ev.Learn(&w.layout)
		return g.Reduce(w.view())
	}
	one, many := play(1), play(8)
	a, b := one.Strata[0].Means.T, many.Strata[0].Means.T
	if b.N != 8*a.N || math.Abs(b.Var/b.N/(a.Var/a.N)-1) > 0.25 {
		t.Errorf("variance of the mean of one value %.3g, of eight equal ones %.3g", a.Var/a.N, b.Var/b.N)
	}
}

// The proof of one stage is worth exactly what the gate needs, for any number of
// stages and gates: no rounding may be in between.
func TestAProvenDriftFailsWhateverItsShareAndItsStages(t *testing.T) {
	t.Parallel()
	for gates := 1; gates <= 12; gates++ {
		for stages := 1; stages <= 12; stages++ {
			w := newAnswering(9, false, 0)
			for range 4000 {
				w.answer(0, split.Baseline, 0, w.r.NormFloat64())
				w.answer(0, split.Candidate, 0, 3+w.r.NormFloat64())
			}
			w.ev.Learn(&w.layout)
			g := outputDrift()
			g.Share = 1 / float64(gates)
			j := g.Judge(g.Reduce(w.view()), at(0, stages), nil)
			if b := g.Bound(w.view(), &j, at(0, stages)); j.Verdict != Fail || !(b.Lower > g.Margin) {
				t.Errorf("one of %d gates, %d stages: %s at e^%v of e^%v", gates, stages, j.Verdict, j.LogFail, g.FailAt(0.05))
			}
			if e := stats.AverageLogE([]float64{g.Share}, []float64{j.LogFail}); e < -math.Log(0.05) {
				t.Errorf("one of %d gates, %d stages: its part of the average is e^%v", gates, stages, e)
			}
		}
	}
}
