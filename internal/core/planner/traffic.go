package planner

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Traffic is what is known of a model's traffic before a rollout, all of it about
// the version that serves now.
type Traffic struct {
	// Rate is the model's requests per second.
	Rate float64
	// Levels are what the metrics of the gates are at, by metric.
	Levels map[string]Level
	// Latency is the shape of the latencies; nil is assumed.
	Latency *Latency
	// LatencyDispersion is that of slow requests between units; 0 means 1.
	LatencyDispersion float64
	// Dispersion is how much more counts vary between units than independent
	// requests would, for metrics whose level does not say; 0 means 1.
	Dispersion float64
	// Measured says that the dispersion was measured, so that none need be assumed.
	Measured bool
	// Origin says in a few words where this comes from: "declared".
	Origin string
	// Notes say what a reader must know of it.
	Notes []string
}

// Level is what a metric is at.
type Level struct {
	// Value is a rate as a fraction, the mean of a number, or the level of a
	// resource.
	Value float64
	// Unit is how Value was written, empty for what was measured.
	Unit value.BoundUnit
	// CV is the standard deviation of one number over the mean (means).
	CV float64
	// NonZero is the share of numbers that are not zero (means); 0 derives it.
	NonZero float64
	// Share is how many reports come for one request; 0 means 1.
	Share float64
	// Delay is how late a report comes after its request.
	Delay time.Duration
	// Dispersion is how much more counts vary between units than independent
	// requests would; 0 leaves it to the traffic.
	Dispersion float64
	// Spread is the standard deviation of the logarithm of candidate over baseline
	// in one window (resources).
	Spread float64
	// Correlation is that of neighbouring windows (resources), or of values with
	// their covariate (means).
	Correlation float64
}

// What is assumed of a metric of which nothing is known.
const (
	assumedErrorRate       = 0.005
	assumedClientErrorRate = 0.01
	assumedSpread          = 0.05
	assumedCorrelation     = 0.5
)

// maxRate bounds the requests per second that are believed.
const maxRate = 1e9

// check answers all mistakes of the traffic for a plan at once.
func (t *Traffic) check(p *rollout.Plan) error {
	var faults []error
	if !(t.Rate > 0 && t.Rate <= maxRate) {
		faults = append(faults, problem.New(problem.Invalid, "the rate is %v requests per second; write how many the model gets, such as 100/s", t.Rate))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Levels)) {
		l := t.Levels[name]
		faults = append(faults, l.check(name))
		if l.Unit != "" { // What was measured is more than what is asked for.
			faults = append(faults, Known(p, name))
		}
	}
	for i := range p.Gates {
		if g := &p.Gates[i]; !g.Info {
			faults = append(faults, t.missing(g))
		}
	}
	return problem.Join(faults...)
}

// Faults are all that is wrong with what a metric is said to be at, for a plan.
func Faults(p *rollout.Plan, name string, l Level) []error {
	t := Traffic{Levels: map[string]Level{name: l}}
	faults := []error{l.check(name)}
	for i := range p.Gates {
		if g := &p.Gates[i]; g.Name == name && !g.Info {
			faults = append(faults, t.missing(g))
		}
	}
	return problem.List(problem.Join(faults...))
}

// Known complains of a level that no gate of the plan reads.
func Known(p *rollout.Plan, name string) error {
	names := make([]string, len(p.Gates))
	for i := range p.Gates {
		if names[i] = p.Gates[i].Name; names[i] == name {
			return nil
		}
	}
	if at, is := rank(name); is && at >= lowestRank {
		return nil // It tells of the shape of all latencies.
	}
	hint := "its gates are " + strings.Join(names, ", ")
	if near := value.Nearest(name, names); near != "" {
		hint = `did you mean "` + near + `"?`
	}
	return problem.New(problem.Invalid, "no gate of this plan measures %q; %s", name, hint)
}

// lowestRank is the lowest quantile of a latency that is taken for what it says:
// latency_p9 is rather a typing error.
const lowestRank = 0.2

// check complains of a level that cannot be.
func (l *Level) check(name string) error {
	var what string
	switch {
	case !(math.Abs(l.Value) < 1e15):
		what = "is no number"
	case l.CV < 0 || !(l.CV < 1e6):
		what = "has a cv that cannot be"
	case l.NonZero < 0 || !(l.NonZero <= 1):
		what = "has a nonzero share that is not between 0% and 100%"
	case l.Share < 0 || !(l.Share <= 1000):
		what = "has a share of reports that cannot be"
	case l.Dispersion < 0 || !(l.Dispersion < 1e6):
		what = "has a dispersion that cannot be"
	case l.Spread < 0 || !(l.Spread < 100):
		what = "has a spread that cannot be"
	case l.Correlation < 0 || !(l.Correlation < 1):
		what = "has a correlation that is not between 0 and 1"
	case l.Delay < 0:
		what = "has a negative time"
	default:
		return nil
	}
	return problem.New(problem.Invalid, "the baseline of %s %s", name, what)
}

// missing complains of a gate whose level nobody can assume, or that the gate
// cannot be at.
func (t *Traffic) missing(g *gate.Gate) error {
	l, declared := t.Levels[g.Name]
	switch g.Kind {
	case gate.Rate:
		return missingRate(g, l, declared)
	case gate.Mean:
		switch {
		case !declared:
			return problem.New(problem.Invalid, "the baseline of %s is not known; write its mean and its standard deviation over the mean, such as %s=12.5,cv=8", g.Name, g.Name)
		case l.Unit != "" && l.Unit != value.BoundNumber:
			return problem.New(problem.Invalid, "the baseline of %s is a share, but its gate is on a mean; write a plain number", g.Name)
		case !(l.Value > 0):
			return problem.New(problem.Invalid, "the baseline of %s is %v; a relative margin needs a mean above 0", g.Name, l.Value)
		case !(l.CV > 0):
			return problem.New(problem.Invalid, "the baseline of %s has no spread; add the standard deviation over the mean, such as cv=8", g.Name)
		}
	case gate.Gauge:
		if g.Method == gate.None && !(l.Value > 0) {
			return problem.New(problem.Invalid, "the baseline of %s is not known, and its gate has a limit alone; write what it is at", g.Name)
		}
	case gate.Quantile, gate.Drift: // Assumed.
	}
	return nil
}

func missingRate(g *gate.Gate, l Level, declared bool) error {
	_, assumed := assumedRate(g.Name)
	switch {
	case !declared && assumed:
		return nil
	case !declared:
		return problem.New(problem.Invalid, "the baseline of %s is not known; write its rate, such as %s=5%%", g.Name, g.Name)
	case l.CV > 0:
		return problem.New(problem.Invalid, "the baseline of %s has a cv, but its gate is on a rate; write a percentage", g.Name)
	case declared && l.Unit != "" && l.Unit != value.BoundPercent:
		return problem.New(problem.Invalid, "the baseline of %s has no %%; write a percentage, such as %s=5%%", g.Name, g.Name)
	case !(l.Value >= 0 && l.Value <= 1):
		return problem.New(problem.Invalid, "the baseline of %s is %v%%; write a percentage from 0%% to 100%%", g.Name, 100*l.Value)
	case g.Method == gate.Ratio && l.Value == 0:
		return problem.New(problem.Invalid, "the baseline of %s is 0%%, and its margin is relative to that; write the rate it has, or give the gate an ignoreBelow", g.Name)
	case g.Method == gate.Ratio && g.Worse > 0 && l.Value*(1+g.Margin) >= 1:
		return problem.New(problem.Invalid, "the baseline of %s is %v%%, so that its margin can never be passed", g.Name, 100*l.Value)
	}
	return nil
}

// assumedRate is the rate that is assumed of a metric of the router.
func assumedRate(name string) (float64, bool) {
	switch name {
	case "error_rate":
		return assumedErrorRate, true
	case "client_error_rate":
		return assumedClientErrorRate, true
	}
	return 0, false
}

// errNoGates is the answer for a plan that compares nothing.
var errNoGates = errors.New("the plan has no gate that decides")

// Under returns the traffic with all that another one says laid over it.
func (t Traffic) Under(o Traffic) Traffic {
	out := t
	out.Levels = map[string]Level{}
	maps.Copy(out.Levels, t.Levels)
	for name, l := range o.Levels {
		if below, ok := t.Levels[name]; ok && l.Share == 0 {
			l.Share = below.Share
		}
		if below, ok := t.Levels[name]; ok && l.Dispersion == 0 {
			l.Dispersion = below.Dispersion
		}
		out.Levels[name] = l
	}
	if o.Rate > 0 {
		out.Rate = o.Rate
	}
	if o.Latency != nil {
		out.Latency = o.Latency
	}
	out.LatencyDispersion = max(t.LatencyDispersion, o.LatencyDispersion)
	out.Dispersion = max(t.Dispersion, o.Dispersion)
	out.Measured = t.Measured || o.Measured
	switch said := o.Rate > 0 || len(o.Levels) > 0; {
	case t.Origin == "" || t.Rate == 0 && len(t.Levels) == 0:
		out.Origin = o.Origin
	case said && t.Origin != o.Origin:
		out.Origin = t.Origin + "; " + o.Origin
	}
	out.Notes = append(append([]string(nil), t.Notes...), o.Notes...)
	return out
}
