package planner

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// An eventWorld plays the only gate of a plan with counts of chance, latencies
// request by request, and asks production's own Judge at every look. Nothing of it
// comes from the planner but the times of the stages.
type eventWorld struct {
	plan  *rollout.Plan
	t     timeline
	base  float64 // the baseline's rate of the bad event, or mean
	level float64 // the candidate's
	clump int     // events happen so many at a time
	// longer is how much longer the candidate's latencies are (quantiles).
	longer float64
	looks  int // in each stage
	side   side
	r      *rand.Rand

	sample gate.Sample
	ev     *evidence.Evidence
	sums   [split.Arms]stats.Moments
}

// run returns when a rollout's verdict falls; +Inf when it does not. There is one
// request a second.
func (w *eventWorld) run(seed uint64) float64 {
	w.r = rand.New(rand.NewPCG(seed, 77))
	w.sample = gate.Sample{Dispersion: gate.Dispersion{Phi: float64(w.clump), CeilingPhi: float64(w.clump)}}
	w.ev = &evidence.Evidence{}
	g := &w.plan.Gates[0]
	for _, p := range w.t {
		w.sums = [split.Arms]stats.Moments{}
		w.sample.Strata = append(w.sample.Strata, gate.Slice{Stage: p.stage})
		weight, last := float64(w.plan.Stages[p.stage].Weight)/split.Whole, 0.0
		for i := range w.looks {
			at := p.length * square(float64(i+1)/float64(w.looks))
			w.serve(p.stage, w.poisson(weight*(at-last)), w.poisson((1-weight)*(at-last)))
			last = at
			j := g.Judge(w.sample, gate.Place{Stage: p.stage, Stages: len(w.plan.Stages), Alpha: w.plan.Alpha, Guard: w.side == failing}, nil)
			if w.side == failing && j.LogFail >= g.FailAt(w.plan.Alpha) || w.side == passing && j.LogPass >= gate.PassAt(w.plan.Alpha) {
				return p.start + at
			}
		}
	}
	return math.Inf(1)
}

// serve serves so many requests of both arms in the last stage.
func (w *eventWorld) serve(stage int, nT, nC float64) {
	g := &w.plan.Gates[0]
	s := &w.sample.Strata[len(w.sample.Strata)-1]
	switch g.Kind {
	case gate.Quantile:
		w.latencies(stage, split.Candidate, nT, 1+w.longer)
		w.latencies(stage, split.Baseline, nC, 1)
		stages := make([]int, stage+1)
		for i := range stages {
			stages[i] = i
		}
		w.sample = g.Reduce(gate.View{Layout: &w.plan.Layout, Evidence: w.ev, Stages: stages})
	case gate.Mean:
		s.Means = &stats.MeanStratum{T: w.values(split.Candidate, nT, w.level), C: w.values(split.Baseline, nC, w.base)}
		s.Counts = stats.Stratum{NT: s.Means.T.N, NC: s.Means.C.N}
	default:
		s.Counts.NT, s.Counts.KT = s.Counts.NT+nT, s.Counts.KT+w.events(nT, w.level)
		s.Counts.NC, s.Counts.KC = s.Counts.NC+nC, s.Counts.KC+w.events(nC, w.base)
	}
}

func (w *eventWorld) poisson(mean float64) float64 {
	return distuv.Poisson{Lambda: mean, Src: w.r}.Rand()
}

// events are those of so many requests, in clumps.
func (w *eventWorld) events(n, rate float64) float64 {
	clumps := math.Floor(n / float64(w.clump))
	if clumps < 1 {
		return 0
	}
	return float64(w.clump) * distuv.Binomial{N: clumps, P: rate, Src: w.r}.Rand()
}

func (w *eventWorld) latencies(stage int, arm split.Arm, n, times float64) {
	l := &w.plan.Layout
	s := w.ev.Stratum(l, stage)
	for range int(n) {
		latency := 40e6 * times * math.Exp(assumedSigma*w.r.NormFloat64())
		s.Observe(l, evidence.Observation{Arm: arm, Latency: time.Duration(latency)})
	}
}

// values are numbers of which four fifths are zero and the others exponential: a
// standard deviation of three times the mean.
func (w *eventWorld) values(arm split.Arm, n, level float64) stats.MeanArm {
	for range int(n) {
		x := 0.0
		if w.r.Float64() < 0.2 {
			x = 5 * level * w.r.ExpFloat64()
		}
		w.sums[arm].Add(x)
	}
	m := w.sums[arm]
	return stats.MeanArm{N: m.N, Mean: m.Mean, Var: m.Variance(), NonZero: 0.2 * m.N}
}

var planReps = flag.Int("planner.reps", 0, "replications of each simulated rollout; 0 takes a number that suits a quick test")

// times is how often a rollout is simulated, given how often it is in a quick test.
func times(quick int) int {
	if *planReps > 0 {
		return *planReps
	}
	return quick
}

// check compares a curve with so many rollouts. A time breaks the planner's promise
// when the interval in which the simulated one lies, two standard errors wide on
// either side, is more than a quarter off.
func (w *eventWorld) check(t *testing.T, c curve, reps int) {
	t.Helper()
	reps = times(reps)
	at := make([]float64, reps)
	for i := range at {
		at[i] = w.run(uint64(i + 1))
	}
	slices.Sort(at)
	for _, share := range []float64{0.5, 0.8} {
		rank := share * float64(reps)
		width := 2 * math.Sqrt(rank*(1-share))
		low, high := at[int(rank-width)], at[min(int(rank+width), reps-1)]
		got, ok := c.when(share)
		t.Logf("%.0f %% of the rollouts after %s requests, simulated %s (%s to %s): %.2f", 100*share, Size(got), Size(at[int(rank)]), Size(low), Size(high), got/at[int(rank)])
		if !ok || got > 1.25*high || got < low/1.25 {
			t.Errorf("%.0f %% of the rollouts after %s requests, simulated %s to %s", 100*share, Size(got), Size(low), Size(high))
		}
	}
}

// TestThePlanIsWhatEventsDo compares the plan with simulated rollouts, for harms of
// up to three times and for passes, at 1 %, 10 % and 50 % and on a ladder. The bound
// is what the planner promises; the simulation is some 5 % late, because it looks
// less often than production.
func TestThePlanIsWhatEventsDo(t *testing.T) {
	if testing.Short() {
		t.Skip("simulations take seconds")
	}
	t.Parallel()
	half := Level{Value: 0.005}
	type row struct {
		gate    gate.Gate
		level   Level
		side    side
		change  float64
		clump   int
		weights []float64
		seconds []float64 // of each stage, a request each
		reps    int
	}
	rows := map[string]row{
		"ladder, errors x2":        {errorsBy20, half, failing, 1, 1, []float64{0.01, 0.1, 0.25, 0.5}, []float64{72e3, 72e3, 72e3, 200e3}, 150},
		"ladder, errors unchanged": {errorsBy20, half, passing, 0, 1, []float64{0.01, 0.1, 0.5}, []float64{72e3, 72e3, 900e3}, 150},
		"holdback, errors x3":      {errorsBy20, half, failing, 2, 1, []float64{0.99}, []float64{600e3}, 160},
		"clumps of 4, errors x3":   {errorsBy20, half, failing, 2, 4, []float64{0.1}, []float64{150e3}, 160},
		"p99 +50 % at 50 %":        {p99By10, Level{}, failing, 0.5, 1, []float64{0.5}, []float64{4e3}, 160},
		"p99 +50 % at 10 %":        {p99By10, Level{}, failing, 0.5, 1, []float64{0.1}, []float64{12e3}, 160},
		"p99 unchanged at 50 %":    {p99By10, Level{}, passing, 0, 1, []float64{0.5}, []float64{50e3}, 160},
		"revenue -20 %":            {revenueBy(0.02), Level{Value: 1, CV: 3, NonZero: 0.2}, failing, -0.2, 1, []float64{0.5}, []float64{30e3}, 160},
		"revenue unchanged":        {revenueBy(0.05), Level{Value: 1, CV: 3, NonZero: 0.2}, passing, 0, 1, []float64{0.5}, []float64{300e3}, 160},
		"few errors x3":            {errorsOver, Level{Value: 0.0005}, failing, 2, 1, []float64{0.5}, []float64{150e3}, 160},
		"few errors unchanged":     {errorsOver, Level{Value: 0.0005}, passing, 0, 1, []float64{0.5}, []float64{200e3}, 160},
		"errors +1pp":              {errorsByPP, half, failing, 2, 1, []float64{0.5}, []float64{40e3}, 160},
		"errors unchanged, +0.5pp": {errorsByPP, half, passing, 0, 1, []float64{0.01}, []float64{1e6}, 160},
		"wrong x2.2":               {correctBy2, Level{Value: 0.95}, failing, -0.06, 1, []float64{0.1}, []float64{25e3}, 160},
		"wrong unchanged":          {correctBy2, Level{Value: 0.95}, passing, 0, 1, []float64{0.5}, []float64{15e3}, 160},
	}
	for name, w := range map[string]float64{"1 %": 0.01, "10 %": 0.1, "50 %": 0.5} {
		scale := 0.25 / (w * (1 - w))
		add := func(what string, g gate.Gate, level float64, s side, change, seconds float64) {
			rows[what+" at "+name] = row{g, Level{Value: level}, s, change, 1, []float64{w}, []float64{scale * seconds}, 160}
		}
		add("errors x2", errorsBy20, 0.005, failing, 1, 70e3)
		add("errors x3", errorsBy20, 0.005, failing, 2, 20e3)
		add("errors unchanged", errorsBy20, 0.005, passing, 0, 700e3)
		add("conversion -20 %", conversionBy(0.05), 0.05, failing, -0.2, 100e3)
		add("conversion unchanged", conversionBy(0.05), 0.05, passing, 0, 700e3)
	}
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planOf(tt.gate, 1, tt.weights...)
			p.Layout.Clustered = tt.clump > 1
			tt.level.Dispersion = float64(tt.clump)
			m, c := curveOf(p, tt.level, over(tt.seconds...), tt.side, tt.change)
			p.Layout.Clustered = false
			w := eventWorld{
				plan: p, t: over(tt.seconds...), base: m.base, level: m.at(tt.change), clump: tt.clump, longer: tt.change,
				looks: 120, side: tt.side,
			}
			w.check(t, c, tt.reps)
		})
	}
}

// TestHarmsThatAHandfulOfEventsDecide are beyond what a Brownian planner sees; here
// the events are counted one by one.
func TestHarmsThatAHandfulOfEventsDecide(t *testing.T) {
	if testing.Short() {
		t.Skip("simulations take seconds")
	}
	t.Parallel()
	for change, horizon := range map[float64]float64{4: 120e3, 9: 40e3, 39: 6e3} {
		p := planOf(errorsBy20, 0.5, 0.01, 0.1, 0.5)
		seconds := over(horizon)
		m, c := curveOf(p, Level{Value: 0.005}, seconds, failing, change)
		w := eventWorld{plan: p, t: seconds, base: m.base, level: m.at(change), clump: 1, looks: 150, side: failing}
		w.check(t, c, 200)
	}
}

// TestWhatIsSaidToBeCaughtIsCaught compares the probability of Caught with
// simulated rollouts on the default ladder, near the line of 95 %.
func TestWhatIsSaidToBeCaughtIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("simulations take seconds")
	}
	t.Parallel()
	p := planOf(errorsBy20, 0.5, 0.01, 0.1, 0.25, 0.5)
	for i, s := range []time.Duration{7200, 7200, 7200, 7200} {
		p.Stages[i].Dwell = s * time.Second
	}
	for _, change := range []float64{1, 2, 4} {
		got, err := Caught(p, *trafficAt(p, Level{Value: 0.005}), Harm{Gate: "error_rate", Change: change}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		w := eventWorld{plan: p, t: over(7200, 7200), base: 0.005, level: 0.005 * (1 + change), clump: 1, looks: 70, side: failing}
		caught, reps := 0.0, times(200)
		for i := range reps {
			if !math.IsInf(w.run(uint64(i+1)), 1) {
				caught++
			}
		}
		if simulated := caught / float64(reps); math.Abs(got-simulated) > 0.08 {
			t.Errorf("x%v: %.3f, simulated %.3f", 1+change, got, simulated)
		}
	}
}
