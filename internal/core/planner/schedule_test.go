package planner

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func TestUnitsComeAtTheWeightOfTheirStage(t *testing.T) {
	t.Parallel()
	warm := time.Minute
	tests := map[string]struct {
		gate          gate.Gate
		level         Level
		seconds       float64 // since the stage began
		length        float64 // of the stage
		candidate, of float64 // units of the candidate, and of both
	}{
		"requests":                      {errorsBy20, Level{Value: 0.01}, 1000, 2000, 1000, 10_000},
		"requests after the stage":      {errorsBy20, Level{Value: 0.01}, 5000, 2000, 2000, 20_000},
		"latencies after the warm-up":   {p99By10, Level{}, 1000, 2000, 940, 9400},
		"latencies within it":           {p99By10, Level{}, 30, 2000, 0, 0},
		"reports of a fifth":            {conversionBy(0.05), Level{Value: 0.05, Share: 0.2}, 1000, 2000, 200, 2000},
		"reports that come late":        {conversionBy(0.05), Level{Value: 0.05, Delay: 400 * time.Second}, 1000, 2000, 600, 6000},
		"reports after the stage":       {conversionBy(0.05), Level{Value: 0.05, Delay: 400 * time.Second}, 2300, 2000, 1900, 19_000},
		"reports before the first came": {conversionBy(0.05), Level{Value: 0.05, Delay: 400 * time.Second}, 300, 2000, 0, 0},
		"numbers":                       {revenueBy(0.05), Level{Value: 1, CV: 1, Share: 0.5}, 1000, 2000, 500, 5000},
	}
	for name, tt := range tests {
		p := planOf(tt.gate, 1, 0.1)
		p.Stages[0].Warmup = warm
		traffic := trafficAt(p, tt.level)
		traffic.Rate = 10
		m := newMeasure(p, &p.Gates[0], traffic)
		candidate, baseline := m.units(0, tt.seconds, tt.length)
		if math.Abs(candidate-tt.candidate) > 1e-6 || math.Abs(candidate+baseline-tt.of) > 1e-6 {
			t.Errorf("%s: %v and %v, want %v of %v", name, candidate, baseline, tt.candidate, tt.of)
		}
	}
}

func TestOutcomesOverExposuresCountAllOfThem(t *testing.T) {
	t.Parallel()
	g := conversionBy(0.05)
	g.PerExposure = true
	p := planOf(g, 1, 0.1)
	p.Layout.SetHorizon(g.Name, 400*time.Second)
	m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{Value: 0.05, Share: 0.05}))
	if candidate, _ := m.units(0, 1000, 2000); math.Abs(candidate-60) > 1e-9 {
		t.Errorf("%v exposures are of age, want 60", candidate)
	}
}

func TestBothArmsNeedTheirSamples(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate   gate.Gate
		weight float64
		want   float64
	}{
		"a small candidate":            {errorsBy20, 0.01, 50_000},
		"a half":                       {errorsBy20, 0.5, 1000},
		"a small baseline":             {errorsBy20, 0.99, 50_000},
		"a limit needs no baseline":    {kinds["a ceiling"].gate, 0.99, 500 / 0.99},
		"latencies after the warm-up":  {p99By10, 0.5, 1060},
		"few windows of each resource": {gate.Gate{Name: "memory", Kind: gate.Gauge, Method: gate.Ratio, Margin: 0.2, Worse: stats.Up}, 0.01, 20*1 + 60},
	} {
		p := planOf(tt.gate, 1, tt.weight)
		p.Stages[0].MinSamples, p.Stages[0].Warmup = 500, time.Minute
		m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{Value: 0.01, Spread: 0.1}))
		if got := m.enough(0); math.Abs(got-tt.want) > 0.01 {
			t.Errorf("%s: enough after %v s, want %v", name, got, tt.want)
		}
	}
}

func TestLooksLieCloseEnoughToMissNothing(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{60, 7200, 1e6} {
		for _, rate := range []float64{0.01, 1, 1e4} {
			p := planOf(errorsBy20, 1, 0.01, 0.5)
			traffic := trafficAt(p, Level{Value: 0.005})
			traffic.Rate = rate
			m := newMeasure(p, &p.Gates[0], traffic)
			line := over(seconds, seconds)
			for stage, period := range line {
				looks := m.looks(line, period, span{0, period.length})
				at := make([]float64, len(looks))
				for i, l := range looks {
					at[i] = l.at - period.start
					if l.stage != stage || len(l.nT) != stage+1 {
						t.Fatalf("look %d of stage %d: %+v", i, stage, l)
					}
					if i > 0 && at[i]/at[i-1] > 1.8 {
						t.Errorf("%v s at %v/s, stage %d: from %v to %v", seconds, rate, stage, at[i-1], at[i])
					}
				}
				if !slices.IsSorted(at) || math.Abs(at[len(at)-1]-seconds) > 1e-6 || at[0] <= 0 || len(at) > looksAtMost {
					t.Errorf("%v s at %v/s, stage %d: %d looks from %v to %v", seconds, rate, stage, len(at), at[0], at[len(at)-1])
				}
			}
		}
	}
}

func TestLongerThanItsTimeALookGoesOn(t *testing.T) {
	t.Parallel()
	p := planOf(errorsBy20, 1, 0.01, 0.5)
	m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{Value: 0.005}))
	long := over(1000, 9000)
	beyond := m.looks(long, long[1], span{2000, 9000})
	if len(beyond) != looksBeyond || beyond[0].at <= 3000 || math.Abs(beyond[len(beyond)-1].at-10_000) > 1e-6 {
		t.Errorf("%d looks from %v to %v", len(beyond), beyond[0].at, beyond[len(beyond)-1].at)
	}
	if last := beyond[len(beyond)-1]; math.Abs(last.nT[0]-10) > 1e-9 || math.Abs(last.nT[1]-4500) > 1e-6 {
		t.Errorf("the last has %v", last.nT)
	}
	if none := m.looks(long, long[1], span{9000, 9000}); none != nil {
		t.Errorf("no time has %d looks", len(none))
	}
}

func TestATimelineIsNotChangedByWhatFollows(t *testing.T) {
	t.Parallel()
	short := over(10, 20)
	a, b := short.then(2, 30), short.then(2, 99)
	if len(short) != 2 || a.end() != 60 || b.end() != 129 || short.end() != 30 || (timeline{}).end() != 0 {
		t.Errorf("ends %v, %v and %v", short.end(), a.end(), b.end())
	}
}

func TestExposuresFollowTheLadder(t *testing.T) {
	t.Parallel()
	p := planOf(errorsBy20, 1, 0.01, 0.1, 0.5)
	f := &forecast{plan: p, traffic: Traffic{Rate: 100}}
	line := over(100, 100, 100)
	for at, want := range map[float64]float64{0: 0, 50: 50, 100: 100, 150: 600, 300: 6100, 1000: 6100} {
		if got := f.exposed(line, at); math.Abs(got-want) > 1e-6 {
			t.Errorf("after %v s: %v requests, want %v", at, got, want)
		}
	}
}

func TestADeadlineIsThatOfItsStage(t *testing.T) {
	t.Parallel()
	if got := deadline(&rollout.Stage{MaxDuration: time.Hour}); got != 3600 {
		t.Errorf("an hour is %v", got)
	}
	if got := deadline(&rollout.Stage{}); got != longest {
		t.Errorf("none is %v", got)
	}
}
