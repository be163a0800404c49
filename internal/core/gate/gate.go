// Package gate turns evidence into verdicts.
//
// A gate compares one metric of the candidate with the concurrent baseline at a
// margin, or with an absolute ceiling. Judging is a pure function of the gate,
// the evidence and the place in the plan: no memory, no clock, no path. Looking
// at every tick costs nothing, because every number here is an e-value: the
// chance that it ever reaches 1/alpha while the candidate is no worse than the
// margin is at most alpha, however often it is looked at.
//
// Evidence is reduced to counts per stratum (Reduce), the counts are judged
// (Judge), and bounds are worked out only when somebody wants to see them
// (Bound), by inverting the very same e-values, so bounds and verdicts cannot
// disagree. What cannot be judged (an empty arm, no data) is never a pass and
// never a fail.
package gate

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Verdict is what a gate makes of the evidence.
type Verdict string

// The verdicts.
const (
	Pass      Verdict = "pass"      // the harm is proven to be inside the margin
	Fail      Verdict = "fail"      // the harm is proven to be beyond it
	Undecided Verdict = "undecided" // neither is proven yet
	NoData    Verdict = "no-data"   // an arm has nothing to compare
	Off       Verdict = "off"       // not yet active at this stage
)

// Kind says what a gate counts.
type Kind string

// The kinds of gates.
const (
	Rate     Kind = "rate"     // events among exposures
	Quantile Kind = "quantile" // a latency quantile, by exceedance of the baseline's
	Mean     Kind = "mean"     // the mean of numbers, or their sum by request
	Gauge    Kind = "gauge"    // a resource of the servers, window by window
	Drift    Kind = "drift"    // the distance between two distributions
)

// Method is how the margin of a rate is tested. It is fixed before the start,
// because choosing it by the data would spoil the error rate.
type Method string

// The methods.
const (
	// Ratio conditions on the events (STATISTICS: engine R).
	Ratio Method = "ratio"
	// Difference profiles the baseline's rate out (engine D).
	Difference Method = "difference"
	// Ignore is Ratio with a level under which nothing matters.
	Ignore Method = "ignore"
	// None leaves only ceilings.
	None Method = "none"
)

// Gate is one gate of a plan, ready to judge.
type Gate struct {
	Name string `json:"name"` // the metric's name, unique in a plan
	Kind Kind   `json:"kind"`
	// Series is the index of the metric in the layout: among its rates (Kind
	// Rate), its values (Mean, Drift) or its gauges (Gauge).
	Series int `json:"series,omitempty"`
	// Output is one more than the index in the layout of the output that the
	// metric is read from; 0 for other metrics.
	Output int `json:"output,omitempty"`
	// PerExposure counts over all exposed requests, of which Exposures in the
	// layout's rates has the number, and not over those that were reported.
	PerExposure bool `json:"perExposure,omitempty"`
	Exposures   int  `json:"exposures,omitempty"`
	// Covariate takes from a mean what was known of its units before.
	Covariate bool `json:"covariate,omitempty"`
	// Sketch, Tail, Quantile and Steps place a quantile (Kind Quantile): the
	// sketch and the dispersion tail in the layout, the quantile as a fraction
	// and the margin in steps of the sketch.
	Sketch   int     `json:"sketch,omitempty"`
	Tail     int     `json:"tail,omitempty"`
	Quantile float64 `json:"quantile,omitempty"`
	Steps    int32   `json:"steps,omitempty"`

	// Outcome is true for a rate that applications report.
	Outcome bool `json:"outcome,omitempty"`

	Method Method `json:"method"`
	// Complement is true when the bad event is that the series' event does not
	// happen: an outcome that must not decrease.
	Complement bool `json:"complement,omitempty"`
	// Worse is the direction of change of the bad event that is harm; Up for
	// all but rare successes, which are compared as they are.
	Worse stats.Dir `json:"worse"`
	// Margin is the tolerated change: for Ratio and Ignore the ratio less one
	// (0.2 for +20 %, -0.05 for -5 %), for Difference the shift a of
	// p_candidate <= a + Slope*p_baseline on the bad event. For a drift it is
	// the tolerated distance.
	Margin float64 `json:"margin,omitempty"`
	// Slope is 1 for a plain difference and the kept share (0.98) for a
	// relative margin on a common success.
	Slope float64 `json:"slope,omitempty"`
	// Level is the rate under which an increase does not matter (Ignore).
	Level float64 `json:"level,omitempty"`
	// Ceilings are absolute limits of the candidate.
	Ceilings []Ceiling `json:"ceilings,omitempty"`

	Share     float64 `json:"share"`               // of the family's alpha; fixed at the start
	Holds     bool    `json:"holds,omitempty"`     // a fail holds and does not roll back
	GuardOnly bool    `json:"guardOnly,omitempty"` // never a condition of promotion
	Info      bool    `json:"info,omitempty"`      // shows and never decides
	From      int     `json:"from,omitempty"`      // the first stage at which it is active
}

// Ceiling is an absolute limit on the candidate's rate of a bad event.
type Ceiling struct {
	// Limit is the allowed rate of the bad event: 0.05 for `max: 5%`, 0.01 for
	// a limit on the 99th percentile.
	// For a mean or a resource it is the limit itself.
	Limit float64 `json:"limit"`
	// Complement counts exposures without the series' event (`min: 90%`).
	Complement bool `json:"complement,omitempty"`
	// Over is the latency that a quantile must not exceed (Kind Quantile).
	Over time.Duration `json:"over,omitempty"`
	// Text is the limit as the user wrote it: "max 800ms".
	Text string `json:"text"`
}

// Guards reports whether a fail of the gate rolls the rollout back.
func (g *Gate) Guards() bool { return !g.Info && !g.Holds }

// The scales of the fail side: log-ratios of events and of latencies, and those
// of levels, which change by less.
const (
	eventPrior = 0.5
	levelPrior = 0.1
)

// failPrior is the prior of the fail side: half-normal scales around a
// log-ratio of 0.5, around 0.1 for means, resources and rare successes, or
// around the margin itself for differences (STATISTICS 3.1).
func (g *Gate) failPrior() stats.Prior {
	switch {
	case g.Method == Difference:
		return stats.Prior3(g.Margin)
	case g.Kind == Mean, g.Kind == Gauge, g.Worse == stats.Down:
		return stats.Prior3(levelPrior)
	}
	return stats.Prior3(eventPrior)
}

// passPrior is the prior of the pass side, scaled to the distance between the
// margin and no change at all.
func (g *Gate) passPrior() stats.Prior {
	switch {
	case g.Method == Difference:
		return stats.Prior3(g.Margin)
	case g.Kind == Quantile:
		return stats.Prior3(eventPrior)
	}
	return stats.Prior3(math.Abs(math.Log1p(g.Margin)))
}

// margin is the margin on the scale of the test: the shift of a difference, or
// a log-ratio of rates. A quantile's margin lies in its threshold, so its
// exceedance rates are compared at ratio one.
func (g *Gate) margin() float64 {
	switch {
	case g.Method == Difference:
		return g.Margin
	case g.Kind == Quantile:
		return 0
	}
	return math.Log1p(g.Margin)
}

// MarginText is the margin as a person reads it: "+20%", "+1pp", "-4pp". Without
// a margin it is the first ceiling.
func (g *Gate) MarginText() string {
	switch {
	case g.Method == None && len(g.Ceilings) == 0:
		return "" // A gate that only informs may limit nothing.
	case g.Method == None:
		return g.Ceilings[0].Text
	case g.Kind == Drift:
		return "max " + strconv.FormatFloat(g.Margin, 'g', 3, 64)
	case g.Method == Difference:
		return g.differenceText()
	}
	return Percent(g.Margin)
}

func (g *Gate) differenceText() string {
	sign := 1.0
	if g.Complement {
		sign = -1
	}
	if g.Slope != 1 {
		return Percent(sign * g.Margin)
	}
	return Points(sign * g.Margin)
}

// Percent writes a relative change with its sign: +20%, -4.5%.
func Percent(x float64) string { return trim(100*x) + "%" }

// Points writes a difference of rates in percentage points: +1pp.
func Points(x float64) string { return trim(100*x) + "pp" }

func trim(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "+∞"
	case math.IsInf(x, -1):
		return "-∞"
	case math.Abs(x) >= 100:
		return fmt.Sprintf("%+.0f", x)
	case math.Abs(x) >= 10:
		return fmt.Sprintf("%+.3g", x)
	}
	return fmt.Sprintf("%+.2g", x)
}
