package planner

import (
	"math"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

func measureOf(g gate.Gate, l Level) *measure {
	p := planOf(g, 1, 0.1, 0.5)
	return newMeasure(p, &p.Gates[0], trafficAt(p, l))
}

func TestHarmBeginsAtTheMargin(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ base, margin, worse float64 }{
		"a ratio":              {0.005, 0.006, 1},
		"a level":              {0.005, 0.006, 1},
		"below a level":        {0.0002, 0.001, 1},
		"a difference":         {0.005, 0.01, 1},
		"a common success":     {0.05, 0.02 + 0.98*0.05, 1},
		"a rare success":       {0.05, 0.0475, -1},
		"a quantile":           {0.01, 0.01, 1},
		"a mean":               {12, 11.4, -1},
		"a mean that may rise": {3, 3.3, 1},
		"a ceiling":            {0.005, 0.02, 1},
		"a floor":              {0.95, 0.9, -1},
	} {
		m := measureOf(kinds[name].gate, kinds[name].level)
		if math.Abs(m.base-want.base) > 1e-9 || math.Abs(m.atMargin()-want.margin) > 1e-9 || m.worse() != want.worse {
			t.Errorf("%s: from %v, harm from %v on, towards %v; want %+v", name, m.base, m.atMargin(), m.worse(), want)
		}
		if math.Abs(m.beyond(0, failing)-want.margin) > 1e-9 {
			t.Errorf("%s: at no distance it is %v", name, m.beyond(0, failing))
		}
		if fail, pass := m.beyond(0.1, failing), m.beyond(0.1, passing); want.worse*(fail-want.margin) <= 0 || want.worse*(pass-want.margin) >= 0 {
			t.Errorf("%s: beyond the margin are %v and %v", name, fail, pass)
		}
		if farthest := m.beyond(m.farthest(failing), failing); m.source(m.base).counted && (farthest > 1 || farthest < 0) {
			t.Errorf("%s: the farthest level is %v", name, farthest)
		}
		if !m.passes() {
			t.Errorf("%s: nothing that is unchanged ever passes", name)
		}
	}
}

// TestASampleIsTheOneThatProductionReduces builds evidence of whole counts and
// compares what package gate makes of it.
func TestASampleIsTheOneThatProductionReduces(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]float64{"rare": 0.01, "frequent": 0.25, "mostly": 0.75} {
		g := errorsBy20
		g.Ceilings = []gate.Ceiling{{Limit: 0.9, Text: "max 90%"}}
		p := planOf(g, 1, 0.1, 0.5)
		m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{Value: level}))
		l := look{at: 2, stage: 1, nT: []float64{400, 2000}, nC: []float64{3600, 2000}}
		yT := []float64{level * 1.2, level * 1.2}
		got := m.sample(&l, yT, []float64{level, level})

		ev := &evidence.Evidence{}
		for stage := range 2 {
			s := ev.Stratum(&p.Layout, stage)
			fill(p.Layout, s, split.Candidate, int(l.nT[stage]), int(math.Round(l.nT[stage]*yT[stage])))
			fill(p.Layout, s, split.Baseline, int(l.nC[stage]), int(math.Round(l.nC[stage]*level)))
		}
		want := p.Gates[0].Reduce(gate.View{Layout: &p.Layout, Evidence: ev, Stages: []int{0, 1}})
		// Production rounds its dispersion up to seven binary digits.
		if got.Phi > want.Phi+1e-9 || got.Phi < 0.98*want.Phi || got.CeilingPhi != want.CeilingPhi {
			t.Errorf("%s: dispersions %+v, want %+v", name, got.Dispersion, want.Dispersion)
		}
		for i := range want.Strata {
			if a, b := got.Strata[i], want.Strata[i]; math.Abs(a.Counts.KT-b.Counts.KT) > 0.51 || math.Abs(a.Counts.KC-b.Counts.KC) > 0.51 ||
				a.Counts.NT != b.Counts.NT || a.Counts.NC != b.Counts.NC || math.Abs(a.Over[0]-b.Over[0]) > 0.51 || a.Stage != b.Stage {
				t.Errorf("%s: stage %d is %+v, want %+v", name, i, a, b)
			}
		}
	}
}

// fill observes n requests of which k fail.
func fill(l evidence.Layout, s *evidence.Stratum, arm split.Arm, n, k int) {
	for i := range n {
		s.Observe(&l, evidence.Observation{Arm: arm, Error: i < k, Latency: time.Millisecond})
	}
}

func TestCeilingsOfLatenciesNeedTheirPlace(t *testing.T) {
	t.Parallel()
	g := p99By10
	g.Ceilings = []gate.Ceiling{{Limit: 0.01, Over: 200 * time.Millisecond, Text: "max 200ms"}}
	p := planOf(g, 1, 0.5)
	traffic := trafficAt(p, Level{})
	traffic.Latency, _ = NewLatency(map[float64]time.Duration{0.99: 120 * time.Millisecond, 0.5: 40 * time.Millisecond})
	m := newMeasure(p, &p.Gates[0], traffic)
	l := look{at: 1, nT: []float64{1000}, nC: []float64{1000}}
	for change, want := range map[float64]float64{0: traffic.Latency.above(math.Log(0.2)), 1: traffic.Latency.above(math.Log(0.1))} {
		over := m.sample(&l, []float64{m.at(change)}, []float64{0.01}).Strata[0].Over[0] / 1000
		if math.Abs(over-want) > 1e-6 {
			t.Errorf("%v longer: %v are over 200 ms, want %v", change, over, want)
		}
	}
	traffic.Latency = nil
	m = newMeasure(p, &p.Gates[0], traffic)
	if over := m.sample(&l, []float64{m.at(1)}, []float64{0.01}).Strata[0].Over[0]; over != 0 {
		t.Errorf("latencies of no known place break a limit: %v", over)
	}
}

func TestAMeanHasTheSpreadThatItsCovariateLeaves(t *testing.T) {
	t.Parallel()
	g := revenueBy(0.05)
	plain := measureOf(g, Level{Value: 10, CV: 2, Correlation: 0.8})
	g.Covariate = true
	known := measureOf(g, Level{Value: 10, CV: 2, Correlation: 0.8})
	if plain.spread() != 400 || math.Abs(known.spread()-144) > 1e-9 {
		t.Errorf("variances %v and %v, want 400 and 144", plain.spread(), known.spread())
	}
	if got := plain.variance(5); got != 200 {
		t.Errorf("half the mean has the variance %v, want half of it", got)
	}
	if got := measureOf(g, Level{Value: 10, CV: 8}).nonZero(); math.Abs(got-2.0/65) > 1e-9 {
		t.Errorf("%v are taken to be other than zero", got)
	}
	if got := measureOf(g, Level{Value: 10, CV: 0.5}).nonZero(); got != 1 {
		t.Errorf("of values that hardly vary %v are other than zero", got)
	}
}

func TestAWiderMarginIsThatOfProduction(t *testing.T) {
	t.Parallel()
	for name, tt := range kinds {
		m := measureOf(tt.gate, tt.level)
		if m.ceilingOnly() {
			continue
		}
		wide := m.widened(4)
		if want := tt.gate.Widened(4, &m.plan.Layout); wide.gate.Margin != want.Margin || wide.gate.Slope != want.Slope {
			t.Errorf("%s: margin %v, want %v", name, wide.gate.Margin, want.Margin)
		}
		// What lies between the two margins is inside the wider one alone.
		between := m.at(1.5 * math.Copysign(m.margin(), m.harmSign()))
		if tt.gate.Method == gate.Difference && tt.gate.Slope == 1 {
			between = m.base + 1.5*m.margin()
		}
		if name == "below a level" {
			between = 1.5 * tt.gate.Level // Margins are wider, levels are not.
			if wide.inside(m, between) {
				t.Errorf("%s: a level is widened", name)
			}
			continue
		}
		if !wide.inside(m, between) || m.inside(m, between) {
			t.Errorf("%s: a level of %v is inside the wide margin %v, inside its own %v", name, between, wide.inside(m, between), m.inside(m, between))
		}
	}
}

// harmSign is the direction of the metric, not of its bad event, that is harm.
func (m *measure) harmSign() float64 {
	if m.gate.Complement {
		return -1
	}
	return m.worse()
}

func TestMarginsThatCannotBeAreNotTried(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate    gate.Gate
		level   Level
		margin  float64
		want    bool
		becomes float64
	}{
		"ten times as many":          {errorsBy20, Level{Value: 0.005}, 9, true, 9},
		"more than all":              {errorsBy20, Level{Value: 0.3}, 9, false, 0},
		"a success down by a half":   {conversionBy(0.05), Level{Value: 0.05}, 0.5, true, -0.5},
		"a success down by more":     {conversionBy(0.05), Level{Value: 0.05}, 1.2, false, 0},
		"a common one by a tenth":    {correctBy2, Level{Value: 0.95}, 0.1, true, 0.1},
		"a common one by all":        {correctBy2, Level{Value: 0.95}, 1, false, 0},
		"a limit has none":           {kinds["a ceiling"].gate, Level{Value: 0.005}, 0.1, false, 0},
		"a difference of ten points": {errorsByPP, Level{Value: 0.005}, 0.1, true, 0.1},
	} {
		m, ok := measureOf(tt.gate, tt.level).withMargin(tt.margin)
		if ok != tt.want || ok && m.gate.Margin != tt.becomes {
			t.Errorf("%s: %v", name, ok)
		}
		if ok && tt.gate.Slope != 0 && tt.gate.Slope != 1 && m.gate.Slope != 1-tt.margin {
			t.Errorf("%s: slope %v", name, m.gate.Slope)
		}
	}
}

func TestADispersionCountsOnlyWhereUnitsReturn(t *testing.T) {
	t.Parallel()
	p := planOf(errorsBy20, 1, 0.1)
	level := Level{Value: 0.01, Dispersion: 7}
	if m := newMeasure(p, &p.Gates[0], trafficAt(p, level)); m.phi != 1 {
		t.Errorf("requests that are units have %v", m.phi)
	}
	p.Layout.Clustered = true
	if m := newMeasure(p, &p.Gates[0], trafficAt(p, level)); m.phi != 7 || math.Abs(m.variance(0.01)-7*0.0099) > 1e-12 {
		t.Errorf("users have %v", m.phi)
	}
	level.Dispersion = 0.2
	if m := newMeasure(p, &p.Gates[0], trafficAt(p, level)); m.phi != 1 {
		t.Errorf("nothing varies less than independent requests, yet %v", m.phi)
	}
}

func TestDigitsAreThoseThatCanBeKnown(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]float64{0: 0, 123456: 123500, 0.00123456: 0.001235, -9.99951: -10, 7200: 7200, math.Inf(1): 0} {
		if got := digits(x); math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("%v becomes %v, want %v", x, got, want)
		}
	}
	if digits(math.NaN()) != 0 || probability(1.2) != 1 || probability(-0.1) != 0 || probability(0.12345) != 0.123 {
		t.Error("what is no probability stays none")
	}
}
