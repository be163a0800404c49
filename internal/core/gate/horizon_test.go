package gate

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

var horizonReps = flag.Int("horizon.reps", 60, "replications of each simulation of outcomes that come at different speeds")

// speeds is a stage at half of the traffic whose outcomes come in at different
// speeds. Every exposure ends in a success or in a failure.
type speeds struct {
	gate    Gate
	horizon time.Duration
	// success is each arm's rate of success, and delay how long after its exposure
	// an outcome is reported, 0 for never.
	success [split.Arms]float64
	delay   func(r *rand.Rand, arm split.Arm, success bool) time.Duration
}

const (
	stageOfSpeeds = 18 * time.Hour
	exposures     = 12_000
	looksAtSpeeds = 90
)

// report is an outcome on its way.
type report struct {
	exposed, due time.Time
	arm          split.Arm
	success      bool
}

// judged plays the stage once. It reports whether the gate ever failed, and
// whether it ever passed.
func (s speeds) judged(seed uint64, withHorizon bool) (failed, passed bool) {
	r := rand.New(rand.NewPCG(seed, 77))
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	g, layout := s.gate, evidence.NewLayout(false, "outcome:bought")
	var horizon time.Duration
	if withHorizon {
		horizon = s.horizon
	}
	if g.PerExposure {
		g.Exposures = layout.AddExposures(horizon)
	}
	ev := &evidence.Evidence{}
	ev.Stratum(&layout, 0)
	var waiting []report
	for range looksAtSpeeds {
		for range exposures / looksAtSpeeds {
			now = now.Add(stageOfSpeeds / exposures)
			arm := split.Arm(r.IntN(2))
			expose(ev, &layout, now, arm)
			success := r.Float64() < s.success[arm]
			if delay := s.delay(r, arm, success); delay > 0 && (horizon == 0 || delay <= horizon) {
				waiting = append(waiting, report{exposed: now, due: now.Add(delay), arm: arm, success: success})
			}
		}
		waiting = slices.DeleteFunc(waiting, func(o report) bool {
			if o.due.After(now) {
				return false
			}
			observeOutcome(ev, &layout, o, horizon)
			return true
		})
		ev.Mature(&layout, now)
		j := g.Judge(g.Reduce(View{Layout: &layout, Evidence: ev, Stages: []int{0}}), Place{Stages: 1, Alpha: 0.05}, nil)
		failed = failed || j.LogFail >= g.FailAt(0.05)
		passed = passed || j.LogPass >= PassAt(0.05)
	}
	return failed, passed
}

func expose(ev *evidence.Evidence, l *evidence.Layout, at time.Time, arm split.Arm) {
	one := evidence.NewStratum(l)
	one.Observe(l, evidence.Observation{Arm: arm})
	ev.Strata[0].Merge(one)
	l.Aged(func(rate int, age time.Duration) {
		ev.Cohort(l, 0, evidence.Until(at, age)).Expose(l, rate, one)
	})
}

func observeOutcome(ev *evidence.Evidence, l *evidence.Layout, o report, horizon time.Duration) {
	if horizon == 0 {
		ev.Strata[0].ObserveOutcome(2, o.arm, 0, o.success)
		return
	}
	ev.Cohort(l, 0, evidence.Until(o.exposed, horizon)).ObserveOutcome(l, 2, o.arm, 0, o.success)
}

// count plays the stage often.
func (s speeds) count(withHorizon bool) (failed, passed int) {
	for seed := range uint64(*horizonReps) {
		f, p := s.judged(seed, withHorizon)
		if f {
			failed++
		}
		if p {
			passed++
		}
	}
	return failed, passed
}

// hours is a delay of between nothing and so many hours.
func hours(r *rand.Rand, most float64) time.Duration {
	return time.Duration((1 - r.Float64()) * most * float64(time.Hour))
}

// sold is a rate of success over all exposures, at a relative margin.
func sold() Gate {
	return Gate{Name: "outcome:bought", Kind: Rate, Series: 2, PerExposure: true, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.2, Slope: 1, Share: 1}
}

// Outcomes that come in at different speeds, with the candidate exactly at the
// margin or no worse than the baseline. What is seen at one age is judged within
// alpha; what is counted as it comes is not, by which the simulation shows that it
// would find the bias.
func TestAHorizonMakesUpForOutcomesOfDifferentSpeeds(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulation of seconds")
	}
	t.Parallel()
	for name, tt := range map[string]struct {
		speeds
		atMargin bool // so that a pass is wrong, and not only a fail
		biased   bool // towards a fail without the horizon, and not towards a pass
	}{
		"failures come sooner": {speeds{
			gate: correct(), horizon: 6 * time.Hour, success: [split.Arms]float64{0.95, 0.91},
			delay: func(r *rand.Rand, _ split.Arm, success bool) time.Duration {
				if success {
					return hours(r, 6)
				}
				return time.Minute
			},
		}, true, true},
		"successes come sooner": {speeds{
			gate: correct(), horizon: 6 * time.Hour, success: [split.Arms]float64{0.95, 0.91},
			delay: func(r *rand.Rand, _ split.Arm, success bool) time.Duration {
				if success {
					return time.Minute
				}
				return hours(r, 6)
			},
		}, true, false},
		"a candidate that is slower and no worse": {speeds{
			gate: sold(), horizon: 4 * time.Hour, success: [split.Arms]float64{0.15, 0.15},
			delay: func(r *rand.Rand, arm split.Arm, success bool) time.Duration {
				switch {
				case !success:
					return 0
				case arm == split.Candidate:
					return 3*time.Hour + hours(r, 1)
				}
				return hours(r, 1)
			},
		}, false, true},
		"a candidate that is faster and at the margin": {speeds{
			gate: sold(), horizon: 4 * time.Hour, success: [split.Arms]float64{0.15, 0.12},
			delay: func(r *rand.Rand, arm split.Arm, success bool) time.Duration {
				switch {
				case !success:
					return 0
				case arm == split.Baseline:
					return 3*time.Hour + hours(r, 1)
				}
				return hours(r, 1)
			},
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := *horizonReps
			failed, passed := tt.count(true)
			t.Logf("with the horizon: %d of %d fail, %d pass", failed, n, passed)
			most := int(0.05*float64(n) + 3*math.Sqrt(0.05*0.95*float64(n)))
			if failed > most || tt.atMargin && passed > most {
				t.Errorf("with the horizon: %d of %d fail and %d pass, want at most %d of the wrong ones", failed, n, passed, most)
			}
			failed, passed = tt.count(false)
			t.Logf("without: %d of %d fail, %d pass", failed, n, passed)
			if wrong := map[bool]int{true: failed, false: passed}[tt.biased]; wrong < n/4 {
				t.Errorf("without the horizon %d of %d are wrong: the simulation shows nothing", wrong, n)
			}
		})
	}
}
