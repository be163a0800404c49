package planner

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// kinds are gates of every kind that package gate judges from counts or moments.
var kinds = map[string]struct {
	gate  gate.Gate
	level Level
}{
	"a ratio":              {errorsBy20, Level{Value: 0.005}},
	"a frequent ratio":     {errorsBy20, Level{Value: 0.25}},
	"a level":              {errorsOver, Level{Value: 0.005}},
	"below a level":        {errorsOver, Level{Value: 0.0002}},
	"a difference":         {errorsByPP, Level{Value: 0.005}},
	"a common success":     {correctBy2, Level{Value: 0.95}},
	"a rare success":       {conversionBy(0.05), Level{Value: 0.05}},
	"a quantile":           {p99By10, Level{}},
	"a mean":               {revenueBy(0.05), Level{Value: 12, CV: 3, NonZero: 0.2}},
	"a mean that may rise": {gate.Gate{Name: "outcome:cost", Outcome: true, Kind: gate.Mean, Method: gate.Ratio, Margin: 0.1, Worse: stats.Up}, Level{Value: 3, CV: 1}},
	"a ceiling":            {gate.Gate{Name: "error_rate", Kind: gate.Rate, Method: gate.None, Worse: stats.Up, Ceilings: []gate.Ceiling{{Limit: 0.02, Text: "max 2%"}}}, Level{Value: 0.005}},
	"a floor":              {gate.Gate{Name: "outcome:correct", Outcome: true, Kind: gate.Rate, Method: gate.None, Worse: stats.Up, Ceilings: []gate.Ceiling{{Limit: 0.1, Complement: true, Text: "min 90%"}}}, Level{Value: 0.95}},
	"a margin and a limit": {func() gate.Gate {
		g := errorsBy20
		g.Ceilings = []gate.Ceiling{{Limit: 0.02, Text: "max 2%"}}
		return g
	}(), Level{Value: 0.005}},
}

// TestALineLiesWhereTheVerdictFalls asks the judge on both sides of the line: just
// beyond it the gate has failed (passed), just before it it has not.
func TestALineLiesWhereTheVerdictFalls(t *testing.T) {
	t.Parallel()
	for name, tt := range kinds {
		p := planOf(tt.gate, 0.5, 0.01, 0.2, 0.5)
		m := newMeasure(p, &p.Gates[0], trafficAt(p, tt.level))
		l := m.look(over(4e6, 1e6, 1e6), period{1, 4e6, 1e6}, 1e6)
		for side, verdict := range map[side]gate.Verdict{failing: gate.Fail, passing: gate.Pass} {
			b, ok := m.boundary(&l, side, 0)
			if !ok || math.Abs(b.excess) > near {
				t.Errorf("%s, %v: found %v with an excess of %v", name, verdict, ok, b.excess)
				continue
			}
			for _, further := range []float64{0.98, 1.02} {
				y := m.beyond(further*b.distance, side)
				s := m.sample(&l, []float64{y, y}, b.yC)
				j := tt.gate
				j.Share = 0.5
				got := j.Judge(s, gate.Place{Stage: 1, Stages: 3, Alpha: 0.05}, nil).Verdict
				if (got == verdict) != (further > 1) {
					t.Errorf("%s: at %v of the distance the verdict is %v", name, further, got)
				}
			}
		}
	}
}

// TestAGuessFindsTheSameBoundary starts from everywhere.
func TestAGuessFindsTheSameBoundary(t *testing.T) {
	t.Parallel()
	p := planOf(errorsBy20, 1, 0.1)
	m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{Value: 0.005}))
	l := m.look(over(1e5), period{0, 0, 1e5}, 1e5)
	want, ok := m.boundary(&l, failing, 0)
	if !ok {
		t.Fatal("there is none")
	}
	for _, guess := range []float64{1e-6, 0.01, want.distance, 1.4, 4, 100} {
		if got, ok := m.boundary(&l, failing, guess); !ok || math.Abs(got.distance/want.distance-1) > 0.01 {
			t.Errorf("from %v: %v, want %v", guess, got.distance, want.distance)
		}
	}
}

func TestALineTurnsTowardsHarm(t *testing.T) {
	t.Parallel()
	for name, tt := range kinds {
		p := planOf(tt.gate, 1, 0.1, 0.5)
		m := newMeasure(p, &p.Gates[0], trafficAt(p, tt.level))
		l := m.look(over(1e6, 1e6), period{1, 1e6, 1e6}, 1e6)
		for _, side := range []side{failing, passing} {
			b, ok := m.boundary(&l, side, 0)
			if !ok {
				t.Errorf("%s: no boundary", name)
				continue
			}
			tangent := m.tangent(&l, side, b)
			up := m.worse()
			if side == passing {
				up = -up
			}
			for s := range tangent.a {
				if tangent.a[s]*up <= 0 {
					t.Errorf("%s: more events of the candidate in stage %d turn away from the line: %v", name, s, tangent.a)
				}
				if b := tangent.b[s] * up; b > 0 || b == 0 && !m.ceilingOnly() && name != "below a level" && name != "a margin and a limit" && name != "a level" {
					t.Errorf("%s: more events of the baseline in stage %d turn towards it: %v", name, s, tangent.b)
				}
			}
		}
	}
}

func TestNoLineIsDrawnBeforeThereIsEvidence(t *testing.T) {
	t.Parallel()
	p := planOf(p99By10, 1, 0.5)
	m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{}))
	few := m.look(over(1000), period{0, 0, 1000}, 150) // 75 latencies, less than one beyond the p99
	if m.begun(&few) {
		t.Error("a quantile of 75 latencies is compared")
	}
	p.Layout.Clustered = true
	more := m.look(over(1e4), period{0, 0, 1e4}, 3900)
	if m.begun(&more) {
		t.Error("a quantile of users is compared before its edge is frozen")
	}
	later := planOf(errorsBy20, 1, 0.1, 0.5)
	later.Gates[0].From = 1
	m = newMeasure(later, &later.Gates[0], trafficAt(later, Level{Value: 0.01}))
	off := m.look(over(1e6), period{0, 0, 1e6}, 1e6)
	if m.begun(&off) || off.nT[0] != 0 {
		t.Errorf("a gate that is off has %v", off.nT)
	}
	lines := m.lines([]look{off}, failing)
	if lines[0].on {
		t.Error("a gate that is off has a line")
	}
}

// TestAResourceIsJudgedAsItsBatchesAre compares the closed form for resources with
// the judge on windows of chance.
func TestAResourceIsJudgedAsItsBatchesAre(t *testing.T) {
	t.Parallel()
	memory := gate.Gate{Name: "memory", Kind: gate.Gauge, Method: gate.Ratio, Margin: 0.2, Worse: stats.Up}
	p := planOf(memory, 0.5, 0.1)
	p.Layout.AddGauge("memory")
	p.Stages[0].Dwell = 7200e9
	level := Level{Value: 1e9, Spread: 0.1, Correlation: 0.5}
	m := newMeasure(p, &p.Gates[0], trafficAt(p, level))
	const windows = 300
	for _, side := range []side{failing, passing} {
		change := 0.3
		if side == passing {
			change = 0.1
		}
		l := look{at: 1, nT: []float64{windows}, nC: []float64{windows}}
		want := m.excess(&l, side, []float64{1 + change}, []float64{1})
		sum, reps := 0.0, times(200)
		for seed := range reps {
			sum += gaugeExcess(p, side, change, windows, uint64(seed))
		}
		// The variance is estimated, too.
		if got := sum / float64(reps); math.Abs(got-want) > 0.1*math.Abs(want)+1 {
			t.Errorf("side %v: %.2f, in simulated windows %.2f", side, want, got)
		}
	}
}

// gaugeExcess is the excess of simulated windows.
func gaugeExcess(p *rollout.Plan, side side, change float64, windows int, seed uint64) float64 {
	g := &p.Gates[0]
	s := evidence.NewStratum(&p.Layout)
	addWindows(s, rand.New(rand.NewPCG(seed, 5)), change, windows)
	sample := g.Reduce(gate.View{Layout: &p.Layout, Evidence: &evidence.Evidence{Strata: []*evidence.Stratum{s}}, Stages: []int{0}})
	j := g.Judge(sample, gate.Place{Stages: 1, Alpha: p.Alpha}, nil)
	if side == failing {
		return j.LogFail - g.FailAt(p.Alpha)
	}
	return j.LogPass - gate.PassAt(p.Alpha)
}

// addWindows adds windows of which each has half of what the one before was off by.
func addWindows(s *evidence.Stratum, r *rand.Rand, change float64, windows int) {
	const sigma, carried = 0.1, 0.5
	x := sigma * r.NormFloat64()
	for range windows {
		s.Gauges[0].Add(1e9*(1+change)*math.Exp(x), 1e9)
		x = carried*x + sigma*math.Sqrt(1-carried*carried)*r.NormFloat64()
	}
}
