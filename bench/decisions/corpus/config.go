package corpus

import (
	"slices"

	"github.com/belay-rollouts/belay/bench/decisions/rule"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
)

// The places of the outcomes in the scenarios that have any.
const (
	Conversion = iota
	Revenue
	Quality
)

// Config is what users of other tools would write down for the case: the same
// margins that Belay is given, and what the baseline usually shows.
func (c *Case) Config(m *stream.Model) rule.Config {
	out := rule.Config{Judged: slices.Clone(c.Judged)}
	out.Usual[rule.Errors] = c.Baseline.Errors
	out.Usual[rule.Latency], _ = m.Usual(1)
	out.Margins = [rule.Metrics]float64{rule.Errors: 1.2, rule.Latency: 1.1, rule.Conversion: 0.95, rule.Revenue: 0.95}
	_, out.SlowMargin = m.Usual(out.Margins[rule.Latency])
	if o := c.Baseline.Outcomes; len(o) > 0 {
		out.Usual[rule.Conversion] = o[Conversion].Rate
		out.Usual[rule.Revenue] = o[Revenue].Rate * o[Revenue].Mean
		out.Usual[rule.Quality] = o[Quality].Rate
		out.Margins[rule.Quality] = 1 - 0.02/o[Quality].Rate
	}
	return out
}

// What is critical by definition.
const (
	criticalErrors   = 5.0
	criticalLatency  = 2.0
	criticalOutcomes = 0.7
)

// Critical reports whether the harm of the case is critical at its full size:
// five times the failures or more, twice the 99th percentile or more, or three
// conversions in ten or more lost.
func (c *Case) Critical(m *stream.Model) bool {
	if c.Class != Harm {
		return false
	}
	const rounding = 1e-9
	errors, p99, outcomes := m.Size()
	return errors >= criticalErrors-rounding || p99 >= criticalLatency-rounding || outcomes <= criticalOutcomes+rounding
}
