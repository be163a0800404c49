package gate

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// everyGate is one gate of each kind and method, over the layout of newWide.
func everyGate() []Gate {
	withCeiling := errorRatio()
	withCeiling.Ceilings = []Ceiling{{Limit: 0.05, Text: "max 5%"}}
	capped := memory()
	capped.Ceilings = []Ceiling{{Limit: 1e9, Text: "max 1GB"}}
	floored := revenuePerRequest()
	floored.Ceilings = []Ceiling{{Limit: 3, Complement: true, Text: "min 3"}}
	return append(comparing(), capped, floored, withCeiling)
}

// comparing is one gate of each kind and method that asks for both arms.
func comparing() []Gate {
	known := spend()
	known.Series = 2
	ofOutput := scoreDrift()
	ofOutput.Name, ofOutput.Output = "output:score of answers", 1
	rare := Gate{Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.05, Slope: 1, Share: 1}
	kept := correct()
	kept.Margin, kept.Slope = 0.02, 0.98
	return []Gate{
		errorRatio(), errorDifference(), errorIgnore(), correct(), kept, rare, latencyP99(),
		revenue(), revenuePerRequest(), known, memory(), scoreDrift(), ofOutput,
	}
}

// newWide is a world with a series of every kind, whose scales are fixed, as they
// are for all that is seen of one rollout.
func newWide(clustered bool, stages ...int) *world {
	w := newWorld(clustered)
	w.stages = stages
	w.layout.AddValues(evidence.Series{Name: "outcome:revenue", Cap: 500})
	w.layout.AddValues(evidence.Series{Name: "output:score", Bins: 20})
	w.layout.AddValues(evidence.Series{Name: "outcome:spend", Cap: 1000, Covariate: true})
	w.layout.AddGauge("memory")
	at := w.layout.AddOutput("score")
	w.layout.Outputs[at].Value = 1
	edges := make([]float64, 19)
	for i := range edges {
		edges[i] = 0.2 * float64(i-9)
	}
	for i := range stages {
		w.ev.Stratum(&w.layout, i).Scales = []evidence.Scale{{Cap: 500}, {Cap: 10, Edges: edges}, {Cap: 1000}}
	}
	return w
}

// arrival is what is said of one request.
type arrival struct {
	arm     split.Arm
	bucket  uint8
	error   bool
	latency time.Duration
	factor  float64 // on its numbers
}

// arrive adds a request with all that is ever reported of one.
func (w *world) arrive(stratum int, a arrival, r *rand.Rand) {
	s := w.ev.Strata[stratum]
	score := r.NormFloat64() + a.factor - 1
	s.Observe(&w.layout, evidence.Observation{
		Arm: a.arm, Bucket: a.bucket, Error: a.error, Latency: a.latency,
		Outputs: []evidence.Reading{{Kind: evidence.Number, Value: score}},
	})
	s.ObserveOutcome(2, a.arm, a.bucket, !a.error)
	w.sell(stratum, a, r)
}

// sell adds a reported revenue and what is spent.
func (w *world) sell(stratum int, a arrival, r *rand.Rand) {
	s, before := w.ev.Strata[stratum], 20*r.ExpFloat64()
	s.ObserveValue(&w.layout, evidence.Raw{Arm: a.arm, Bucket: a.bucket, Value: a.factor * math.Exp(r.NormFloat64())})
	s.ObserveValue(&w.layout, evidence.Raw{Series: 2, Arm: a.arm, Bucket: a.bucket, Value: a.factor * before, Covariate: &before})
}

// window adds a window of memory.
func (w *world) window(stratum int, factor float64, r *rand.Rand) {
	level := 1e9 * math.Exp(0.05*r.NormFloat64())
	w.ev.Strata[stratum].Gauges[0].Add(level*factor*math.Exp(0.03*r.NormFloat64()), level)
}

// anyWorld draws evidence of every kind, with empty arms and strata among it.
func anyWorld(t *rapid.T) *world {
	w := newWide(rapid.Bool().Draw(t, "clustered"), 0, 0, 1, 2)
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 29))
	for i := range w.stages {
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			n := rapid.SampledFrom([]int{0, 0, 1, 7, 150, 2500}).Draw(t, "n")
			k := rapid.IntRange(0, n).Draw(t, "k")
			slow := rapid.SampledFrom([]float64{1, 1, 1.5, 100}).Draw(t, "slow")
			spread := rapid.IntRange(1, 256).Draw(t, "spread")
			for j := range n {
				w.arrive(i, arrival{
					arm: arm, bucket: uint8(j % spread), error: j < k, factor: slow,
					latency: lognormal(slow)((float64(j) + 0.5) / float64(n)),
				}, r)
				w.ev.Strata[i].Freeze(&w.layout)
			}
		}
		factor := rapid.SampledFrom([]float64{1, 1.5, 0.5}).Draw(t, "factor")
		for range rapid.SampledFrom([]int{0, 1, 30, 90}).Draw(t, "windows") {
			w.window(i, factor, r)
		}
	}
	return w
}

// settled is a world whose every gate of comparing() has a verdict, a fail of the
// worse candidate and a pass of the same.
func settled(clustered bool, factor float64) *world {
	w := newWide(clustered, 0)
	r := rand.New(rand.NewPCG(3, 31))
	for arm := range split.Arms {
		a := arrival{arm: arm, factor: 1}
		errors := 0.04
		if arm == split.Candidate {
			a.factor, errors = factor, errors*(1+8*(1-factor))
		}
		const n = 30_000
		for i := range n {
			a.bucket, a.error = uint8(i), r.Float64() < errors
			a.latency = lognormal(1 / a.factor)((float64(i) + 0.5) / n)
			w.arrive(0, a, r)
			if i == evidence.FreezeAfter {
				w.ev.Strata[0].Freeze(&w.layout)
			}
		}
	}
	for range 400 {
		w.window(0, 1/factor, r)
	}
	return w
}

// numbersOf are the places of all numbers from which a gate judges one arm of a
// stratum, and those among them that can be no less than nothing.
func numbersOf(g *Gate, s *evidence.Stratum, arm split.Arm) (all, counts []*float64) {
	switch g.Kind {
	case Mean:
		v := &s.Sides[arm].Values[g.Series]
		if v.Sums == nil {
			return []*float64{&v.Moments.N, &v.Moments.Mean, &v.Moments.M2}, []*float64{&v.Moments.N, &v.Moments.M2}
		}
		for i := range v.Sums.N {
			if !g.PerExposure {
				all, counts = append(all, &v.Sums.N[i]), append(counts, &v.Sums.N[i])
			}
			all = append(all, &v.Sums.Y[i])
		}
	case Gauge:
		for _, b := range []*stats.Batches{&s.Gauges[g.Series].Ratio, &s.Gauges[g.Series].Candidate, &s.Gauges[g.Series].Baseline} {
			for i := range b.Full {
				all = append(all, &b.Full[i])
			}
			all, counts = append(all, &b.Open, &b.First, &b.Last, &b.Sum, &b.Sum2, &b.Lag), append(counts, &b.Sum2)
		}
	case Drift:
		n := &s.Sides[arm].Values[g.Series].Moments.N
		return []*float64{n}, []*float64{n}
	case Rate, Quantile: // Counts of whole numbers.
	}
	return all, counts
}

// impossible reports whether a number of an arm from which a gate judges a stratum
// cannot be.
func impossible(g *Gate, s *evidence.Stratum, arm split.Arm) bool {
	all, counts := numbersOf(g, s, arm)
	return slices.ContainsFunc(all, func(x *float64) bool { return math.IsNaN(*x) || math.IsInf(*x, 0) }) ||
		slices.ContainsFunc(counts, func(x *float64) bool { return *x < 0 })
}

// fuzzLayout has a series of every kind.
func fuzzLayout(clustered bool) evidence.Layout { return newWide(clustered).layout }
