package planner

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// within complains of a curve whose times are not those of simulated rollouts.
func within(t *testing.T, c curve, at []float64, factor float64) {
	t.Helper()
	slices.Sort(at)
	for _, share := range []float64{0.5, 0.8} {
		want := at[int(share*float64(len(at)))]
		got, ok := c.when(share)
		t.Logf("%.0f %%: %s, simulated %s: %.2f", 100*share, Size(got), Size(want), got/want)
		if !ok || off(got, want, factor) {
			t.Errorf("%.0f %% after %s, simulated %s", 100*share, Size(got), Size(want))
		}
	}
}

// stickyWorld are users who come once, send a few requests and leave; one in a
// hundred of them fails half of the time.
type stickyWorld struct {
	plan     *rollout.Plan
	requests int
	session  int     // requests of each user
	times    float64 // the candidate's failing users over the baseline's
	looks    int
}

// run plays one rollout and returns the requests until its verdict. looked, if
// given, sees all of its evidence.
func (w *stickyWorld) run(seed uint64, looked func(*evidence.Evidence)) float64 {
	r := rand.New(rand.NewPCG(seed, 11))
	salt := split.Salt(seed*977 + 5)
	g, l := &w.plan.Gates[0], &w.plan.Layout
	ev := &evidence.Evidence{}
	s := ev.Stratum(l, 0)
	next := 1
	var h split.Hash
	arm, rate := split.Baseline, 0.0
	for i := range w.requests {
		if i%w.session == 0 {
			h = salt.Hash(strconv.Itoa(i))
			arm, rate = split.Pick(h, w.plan.Stages[0].Weight), 0.001
			bad := 0.01
			if arm == split.Candidate {
				bad, rate = bad*w.times, rate*w.times
			}
			if r.Float64() < bad {
				rate = 0.5
			}
		}
		s.Observe(l, evidence.Observation{Arm: arm, Bucket: h.Bucket(), Error: r.Float64() < rate})
		if i+1 < w.requests*next*next/(w.looks*w.looks) {
			continue
		}
		next++
		j := g.Judge(g.Reduce(gate.View{Layout: l, Evidence: ev, Stages: []int{0}}), gate.Place{Stages: 1, Alpha: w.plan.Alpha, Guard: true}, nil)
		if j.LogFail >= g.FailAt(w.plan.Alpha) && looked == nil {
			return float64(i + 1)
		}
	}
	if looked != nil {
		looked(ev)
	}
	return math.Inf(1)
}

// TestStickyUsersTakeAsLongAsTheirDispersionSays measures the dispersion of users
// from the evidence of a rollout, plans with it, and compares the plan with rollouts
// of such users.
func TestStickyUsersTakeAsLongAsTheirDispersionSays(t *testing.T) {
	if testing.Short() {
		t.Skip("simulations take seconds")
	}
	t.Parallel()
	p := planOf(errorsBy20, 1, 0.5)
	p.Layout = evidence.NewLayout(true)
	w := stickyWorld{plan: p, requests: 400_000, session: 8, times: 1, looks: 1}
	var seen Seen
	w.run(999, func(ev *evidence.Evidence) { seen = See(p, ev, split.Baseline) })
	var level Level
	for _, m := range seen.Metrics {
		if m.Name == "error_rate" {
			level = Level{Value: m.Level, Dispersion: m.Dispersion}
		}
	}
	if level.Dispersion < 3 || level.Dispersion > 5.5 {
		t.Fatalf("users of whom some fail half of their eight requests are at %+v", level)
	}
	w.times, w.requests, w.looks = 2.2, 110_000, 120
	_, c := curveOf(p, level, over(float64(w.requests)), failing, w.times-1)
	at := make([]float64, times(200))
	for i := range at {
		at[i] = w.run(uint64(i+1), nil)
	}
	within(t, c, at, 1.25)
}

// TestResourcesTakeAsLongAsWindowsDo plays windows that resemble each other.
func TestResourcesTakeAsLongAsWindowsDo(t *testing.T) {
	t.Parallel()
	memory := gate.Gate{Name: "memory", Kind: gate.Gauge, Method: gate.Ratio, Margin: 0.05, Worse: stats.Up}
	p := planOf(memory, 0.5, 0.1)
	p.Layout.AddGauge("memory")
	p.Stages[0].Dwell = 7200 * time.Second
	g := &p.Gates[0]
	for side, change := range map[side]float64{failing: 0.12, passing: 0} {
		m, c := curveOf(p, Level{Value: 1e9, Spread: 0.1, Correlation: 0.5}, over(20_000), side, change)
		at := make([]float64, times(200))
		for i := range at {
			at[i] = math.Inf(1)
			r := rand.New(rand.NewPCG(uint64(i), 9))
			s := evidence.NewStratum(&p.Layout)
			x := 0.1 * r.NormFloat64()
			for n := range 1300 {
				s.Gauges[0].Add(1e9*(1+change)*math.Exp(x), 1e9)
				x = 0.5*x + 0.1*math.Sqrt(0.75)*r.NormFloat64()
				sample := g.Reduce(gate.View{Layout: &p.Layout, Evidence: &evidence.Evidence{Strata: []*evidence.Stratum{s}}, Stages: []int{0}})
				j := g.Judge(sample, gate.Place{Stages: 1, Alpha: p.Alpha}, nil)
				if side == failing && j.LogFail >= g.FailAt(p.Alpha) || side == passing && j.LogPass >= gate.PassAt(p.Alpha) {
					at[i] = float64(n+1) / m.perSecond(0)
					break
				}
			}
		}
		within(t, c, at, 1.35)
	}
}

// TestADriftTakesAsLongAsItsBandsDo plays distributions that lie a part of a
// standard deviation apart.
func TestADriftTakesAsLongAsItsBandsDo(t *testing.T) {
	t.Parallel()
	p := planOf(gate.Gate{Name: "output:score", Kind: gate.Drift, Method: gate.Ratio, Margin: 0.1, Worse: stats.Up, Holds: true}, 1, 0.3)
	g := &p.Gates[0]
	const bins = 40
	for _, shift := range []float64{0, 0.8} {
		// The largest distance of two normal distributions that lie so far apart.
		distance := 1 - 2*normalTail(shift/2)
		m := newMeasure(p, g, trafficAt(p, Level{}))
		line := over(20_000)
		c := m.driftPasses(line)
		if shift > 0 {
			c = m.driftFails(line, distance)
		}
		at := make([]float64, times(60))
		for i := range at {
			r := rand.New(rand.NewPCG(uint64(i), 21))
			at[i] = driftTime(p, r, shift, bins)
		}
		within(t, c, at, 1.25)
	}
}

// driftTime is after how many requests a drift has failed, or passed where there is
// none.
func driftTime(p *rollout.Plan, r *rand.Rand, shift float64, bins int) float64 {
	g := &p.Gates[0]
	d := stats.Drift{T: make([]float64, bins), C: make([]float64, bins)}
	at := func(x float64) int { return min(int(float64(bins)*(1-normalTail(x))), bins-1) }
	var nT, nC float64
	for n := 1; n <= 20_000; n++ {
		if r.Float64() < 0.3 {
			d.T[at(r.NormFloat64()+shift)]++
			nT++
		} else {
			d.C[at(r.NormFloat64())]++
			nC++
		}
		if n%100 != 0 {
			continue
		}
		sample := gate.Sample{Dispersion: gate.Dispersion{Phi: 1, CeilingPhi: 1}, Strata: []gate.Slice{{Counts: stats.Stratum{NT: nT, NC: nC}, Bins: &d}}}
		v := g.Judge(sample, gate.Place{Stages: 1, Alpha: p.Alpha}, nil).Verdict
		if shift > 0 && v == gate.Fail || shift == 0 && v == gate.Pass {
			return float64(n)
		}
	}
	return math.Inf(1)
}

// TestOutcomesThatComeLateArePlannedSo plays a ladder whose outcomes come after the
// stage that they belong to.
func TestOutcomesThatComeLateArePlannedSo(t *testing.T) {
	if testing.Short() {
		t.Skip("simulations take seconds")
	}
	t.Parallel()
	const delay = 30_000
	p := planOf(conversionBy(0.05), 1, 0.1, 0.5)
	line := over(40_000, 300_000)
	_, c := curveOf(p, Level{Value: 0.05, Delay: delay * time.Second}, line, failing, -0.25)
	g := &p.Gates[0]
	at := make([]float64, times(150))
	for i := range at {
		at[i] = lateTime(p, g, rand.New(rand.NewPCG(uint64(i), 31)), line, delay)
	}
	within(t, c, at, 1.25)
	if first, _ := c.when(0.001); first < delay {
		t.Errorf("something is found after %v s, before the first outcome", first)
	}
}

// lateTime is when a conversion of a quarter less is found by outcomes that come so
// late.
func lateTime(p *rollout.Plan, g *gate.Gate, r *rand.Rand, line timeline, delay float64) float64 {
	w := eventWorld{clump: 1, r: r}
	var sample gate.Sample
	sample.Dispersion = gate.Dispersion{Phi: 1, CeilingPhi: 1}
	const step = 500.0
	for now := step; now <= line.end(); now += step {
		exposed := now - delay // the requests whose outcomes are there
		for s, period := range line {
			if exposed-step < period.start || exposed-step >= period.end() {
				continue
			}
			if len(sample.Strata) <= s {
				sample.Strata = append(sample.Strata, gate.Slice{Stage: s})
			}
			weight := float64(p.Stages[s].Weight) / split.Whole
			counts := &sample.Strata[s].Counts
			nT, nC := w.poisson(step*weight), w.poisson(step*(1-weight))
			counts.NT, counts.KT = counts.NT+nT, counts.KT+w.events(nT, 0.05*0.75)
			counts.NC, counts.KC = counts.NC+nC, counts.KC+w.events(nC, 0.05)
		}
		stage := 0
		if now > line[1].start {
			stage = 1
		}
		j := g.Judge(sample, gate.Place{Stage: stage, Stages: 2, Alpha: p.Alpha, Guard: true}, nil)
		if j.LogFail >= g.FailAt(p.Alpha) {
			return now
		}
	}
	return math.Inf(1)
}

// TestAPlanOfSegmentsIsThatOfTheWhole: segments take a fifth of alpha and are
// guards of their own, which a plan does not follow.
func TestAPlanOfSegmentsIsThatOfTheWhole(t *testing.T) {
	t.Parallel()
	text := "  stages: [{weight: 10%, dwell: 1h}, {weight: 100%}]\n  gates: [{metric: error_rate, maxIncrease: 20%}]\n"
	traffic := declared(t, "100/s", "error_rate=0.5%")
	plain := outlookOf(t, text, traffic)
	r := resolved(t, text)
	by, _ := spec.ParseUnit("header:X-Country")
	r.Segments = spec.ResolvedSegments{By: []spec.Unit{by}, Guard: true}
	guarded, err := Look(r, traffic)
	if err != nil {
		t.Fatal(err)
	}
	a, b := plain.Gates[0].Harms[1].Times.P50, guarded.Gates[0].Harms[1].Times.P50
	if b <= a || b > 1.2*a {
		t.Errorf("with four fifths of alpha x2 is found after %v s, with all of it after %v", b, a)
	}
}
