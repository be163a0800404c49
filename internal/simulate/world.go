package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
)

// World is a plan in a scenario, ready to play.
type World struct {
	Plan     rollout.Plan
	Scenario scenario.Scenario
	// Notes say what was taken for granted because the scenario does not say it.
	Notes []string

	outcomes []int // of the baseline's outcomes, those that some gate reads
	scores   []int
	sinks    [][]sink // by outcomes
	outputs  []int    // the value series of each of scores
	ages     []age
	gauges   []gauge
}

// sink is a series of the evidence that an outcome feeds.
type sink struct {
	value   bool // of the layout's values, not of its rates
	series  uint8
	horizon float64 // in seconds; 0 counts as it comes
	// successes is set where failures are never reported.
	successes bool
}

// age is a count of the exposures of some age.
type age struct {
	series  int
	seconds int64
}

// gauge is a resource that some gate reads.
type gauge struct {
	series int
	scenario.Gauge
}

// Prepare compiles a rollout as it would be compiled if it started in the
// scenario. Outcomes that its gates read and the scenario lacks are taken as
// usual ones, and noted.
func Prepare(r spec.Resolved, s scenario.Scenario) (*World, error) {
	s, notes := complete(r, s.Filled())
	plan, err := rollout.Compile(r, 1, func(outcome string) (float64, bool) {
		i := outcomeOf(&s, outcome)
		if i < 0 {
			return 0, false
		}
		return s.Baseline.Outcomes[i].Rate, true
	})
	if err != nil {
		return nil, err
	}
	w, err := NewWorld(plan, s)
	if err != nil {
		return nil, err
	}
	w.Notes = append(notes, w.Notes...)
	return w, nil
}

// The usual outcomes, where a scenario does not know one.
const (
	usualConversion = 0.05
	usualQuality    = 0.94
	usualWorth      = 30
	usualDelay      = time.Minute
)

// complete adds the outcomes, scores and gauges that gates read and the scenario
// lacks.
func complete(r spec.Resolved, s scenario.Scenario) (scenario.Scenario, []string) {
	var notes []string
	s.Baseline.Outcomes = slices.Clone(s.Baseline.Outcomes)
	s.Baseline.Gauges = slices.Clone(s.Baseline.Gauges)
	for _, g := range r.Gates {
		switch {
		case g.Outcome != "" && outcomeOf(&s, g.Outcome) < 0:
			o := usual(g)
			s.Baseline.Outcomes = append(s.Baseline.Outcomes, o)
			notes = append(notes, fmt.Sprintf("scenario %s does not know %s: it is taken for %s", s.Name, g.Metric, describe(o)))
		case g.Kind == spec.KindGauge && gaugeOf(&s, g.Metric) < 0:
			s.Baseline.Gauges = append(s.Baseline.Gauges, scenario.Gauge{Name: g.Metric, Level: 1000, Noise: 0.05, Memory: 0.9})
			notes = append(notes, fmt.Sprintf("scenario %s does not know %s: it is taken for steady within 5%%", s.Name, g.Metric))
		}
	}
	return s.Filled(), notes
}

// usual is an outcome as most are, of the kind that a gate reads.
func usual(g spec.ResolvedGate) scenario.Outcome {
	o := scenario.Outcome{Name: g.Outcome, Rate: usualQuality, Delay: usualDelay}
	switch {
	case g.Kind == spec.KindMean:
		o.Rate, o.Mean, o.Sigma = usualConversion, usualWorth, 1
	case g.Expect > 0:
		o.Rate = float64(g.Expect)
	case g.Per == spec.PerExposure:
		o.Rate = usualConversion
	}
	return o
}

func describe(o scenario.Outcome) string {
	text := fmt.Sprintf("%.4g%% successes", 100*o.Rate)
	if o.Mean > 0 {
		text += fmt.Sprintf(" worth %.4g on average", o.Mean)
	}
	return text + fmt.Sprintf(", reported after %s", o.Delay)
}

func outcomeOf(s *scenario.Scenario, name string) int {
	return slices.IndexFunc(s.Baseline.Outcomes, func(o scenario.Outcome) bool { return o.Name == name })
}

func gaugeOf(s *scenario.Scenario, name string) int {
	return slices.IndexFunc(s.Baseline.Gauges, func(g scenario.Gauge) bool { return g.Name == name })
}

// NewWorld puts a plan into a scenario, which must be Filled. A series that the
// scenario does not know stays without data.
func NewWorld(p rollout.Plan, s scenario.Scenario) (*World, error) {
	if p.Layout.Clustered && s.Traffic.Users == nil {
		s.Traffic.Users = &scenario.Users{Count: min(max(1000, int(200*s.Traffic.Rate)), 5_000_000)}
		s = s.Filled()
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	w := &World{Plan: p, Scenario: s}
	for i, name := range p.Layout.Rates {
		w.bind(name, sink{series: uint8(i), horizon: p.Layout.Horizons[name].Seconds(), successes: w.perExposure(name)}) //nolint:gosec // A layout has few series.
		if strings.HasPrefix(name, "exposures@") {
			w.ages = append(w.ages, age{i, int64((p.Layout.Horizons[name] + time.Second - 1) / time.Second)})
		}
	}
	for i, v := range p.Layout.Values {
		if at := scoreOf(&s, v.Name); at >= 0 {
			w.scores, w.outputs = append(w.scores, at), append(w.outputs, i)
			continue
		}
		w.bind(v.Name, sink{value: true, series: uint8(i), horizon: p.Layout.Horizons[v.Name].Seconds(), successes: w.perExposure(v.Name)}) //nolint:gosec // As above.
	}
	w.follow()
	for i, name := range p.Layout.Gauges {
		if at := gaugeOf(&s, name); at >= 0 {
			w.gauges = append(w.gauges, gauge{i, s.Baseline.Gauges[at]})
		}
	}
	w.Notes = append(w.Notes, w.unseen()...)
	return w, nil
}

// outcomePrefix begins the names of outcomes among the metrics.
const outcomePrefix = "outcome:"

// bind lets an outcome feed a series.
func (w *World) bind(metric string, to sink) {
	name, ok := strings.CutPrefix(metric, outcomePrefix)
	i := outcomeOf(&w.Scenario, name)
	if !ok || i < 0 {
		return
	}
	at := slices.Index(w.outcomes, i)
	if at < 0 {
		at = len(w.outcomes)
		w.outcomes, w.sinks = append(w.outcomes, i), append(w.sinks, nil)
	}
	w.sinks[at] = append(w.sinks[at], to)
}

// perExposure reports whether some gate counts a metric over all exposures, so
// that its application need not report what is no success.
func (w *World) perExposure(metric string) bool {
	return slices.ContainsFunc(w.Plan.Gates, func(g gate.Gate) bool { return g.Name == metric && g.PerExposure })
}

// scoreOf finds the score that an output's series is of: by its name, with or
// without what stands before a colon.
func scoreOf(s *scenario.Scenario, name string) int {
	if strings.HasPrefix(name, outcomePrefix) {
		return -1
	}
	_, short, found := strings.Cut(name, ":")
	return slices.IndexFunc(s.Baseline.Scores, func(x scenario.Score) bool { return x.Name == name || found && x.Name == short })
}
