package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/simulate/scenario"
	"github.com/belay-rollouts/belay/internal/simulate/stream"
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
	outputs  []int    // the output of the layout that each of scores is
	horizons []time.Duration
	// covariates says that some series comes with one.
	covariates bool
	ages       []age
	gauges     []gauge
	// segments are the upper ends of the segments' places, and names theirs.
	segments []float64
	names    []string
}

// sink is a series of the evidence that an outcome feeds.
type sink struct {
	value     bool // of the layout's values, not of its rates
	covariate bool
	series    uint8
	horizon   int // of the world's; negative counts as it comes
	// successes is set where failures are never reported.
	successes bool
}

// age is a count of the exposures of some age.
type age struct {
	series  int
	horizon int // of the world's
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
	s.Baseline.Scores = slices.Clone(s.Baseline.Scores)
	for _, g := range r.Gates {
		switch {
		case g.Output != "" && g.Kind == spec.KindRate && outcomeOf(&s, g.Name()) < 0:
			s.Baseline.Outcomes = append(s.Baseline.Outcomes, scenario.Outcome{Name: g.Name(), Rate: classRate(g)})
			notes = append(notes, fmt.Sprintf("scenario %s does not know %s: it is taken for %.4g%% of all answers", s.Name, g.Name(), 100*classRate(g)))
		case g.Output != "" && g.Kind != spec.KindRate && scoreOf(&s, g.Output) < 0:
			s.Baseline.Scores = append(s.Baseline.Scores, scenario.Score{Name: g.Output, Mean: 1, Deviation: 0.5})
			notes = append(notes, fmt.Sprintf("scenario %s does not know %s: it is taken for normal with mean 1 and deviation 0.5", s.Name, g.Metric))
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

// usualClass is the share of a class of which nothing is said.
const usualClass = 0.1

func classRate(g spec.ResolvedGate) float64 {
	if g.Expect > 0 {
		return float64(g.Expect)
	}
	return usualClass
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
		horizon := w.horizon(name)
		w.bind(name, sink{series: uint8(i), horizon: horizon, successes: w.perExposure(name)}) //nolint:gosec // A layout has few series.
		if strings.HasPrefix(name, "exposures@") {
			w.ages = append(w.ages, age{i, horizon})
		}
	}
	for i, v := range p.Layout.Values {
		w.covariates = w.covariates || v.Covariate
		w.bind(v.Name, sink{value: true, covariate: v.Covariate, series: uint8(i), horizon: w.horizon(v.Name), successes: w.perExposure(v.Name)}) //nolint:gosec // As above.
	}
	for i, o := range p.Layout.Outputs {
		if at := scoreOf(&s, o.Name); at >= 0 && o.Value != evidence.NoSeries {
			w.scores, w.outputs = append(w.scores, at), append(w.outputs, i)
		}
	}
	w.divide()
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

// bind lets an outcome feed a series. A class of an output is an outcome of its
// own, by its whole name.
func (w *World) bind(metric string, to sink) {
	i := outcomeOf(&w.Scenario, metric)
	if name, ok := strings.CutPrefix(metric, outcomePrefix); ok {
		i = outcomeOf(&w.Scenario, name)
	}
	if i < 0 {
		return
	}
	at := slices.Index(w.outcomes, i)
	if at < 0 {
		at = len(w.outcomes)
		w.outcomes, w.sinks = append(w.outcomes, i), append(w.sinks, nil)
	}
	w.sinks[at] = append(w.sinks[at], to)
}

// horizon returns the index of a series' horizon, or a negative number.
func (w *World) horizon(series string) int {
	h := w.Plan.Layout.Horizon(series)
	if h == 0 {
		return -1
	}
	if i := slices.Index(w.horizons, h); i >= 0 {
		return i
	}
	w.horizons = append(w.horizons, h)
	return len(w.horizons) - 1
}

// perExposure reports whether some gate counts a metric over all exposures, so
// that its application need not report what is no success.
func (w *World) perExposure(metric string) bool {
	return slices.ContainsFunc(w.Plan.Gates, func(g gate.Gate) bool { return g.Name == metric && g.PerExposure })
}

// scoreOf finds the score of an output.
func scoreOf(s *scenario.Scenario, output string) int {
	return slices.IndexFunc(s.Baseline.Scores, func(x scenario.Score) bool { return x.Name == output })
}

// divide names the segments that the policy looks at: those of the scenario, or the
// parts into which its effects divide the units.
func (w *World) divide() {
	if w.Plan.Segments == nil || len(w.Plan.Segments.By) == 0 {
		return
	}
	if len(w.Scenario.Traffic.Segments) == 0 {
		w.segments = stream.Cuts(w.Scenario)
	} else {
		sum := 0.0
		for _, share := range w.Scenario.Traffic.Segments {
			sum += share
			w.segments = append(w.segments, sum)
		}
		if sum < 1-1e-9 {
			w.segments = append(w.segments, 1)
		}
	}
	w.segments[len(w.segments)-1] = 1
	for i := range w.segments {
		w.names = append(w.names, fmt.Sprintf("segment %d of %d", i+1, len(w.segments)))
	}
}
