package gate

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// leastWindows is how many windows of a stage a resource needs, however many
// samples are asked of others: windows are few, and what their dependence takes
// from them the test knows.
const leastWindows = 20

// Needs is how many samples the gate needs of each arm in a stage that asks for
// a number of requests.
func (g *Gate) Needs(minSamples uint64) float64 {
	if g.Kind == Gauge {
		return float64(min(minSamples, leastWindows))
	}
	return float64(minSamples)
}

// gaugeSlice is one stratum of a resource. Its counts are windows.
func (g *Gate) gaugeSlice(s *evidence.Stratum) Slice {
	if g.Series >= len(s.Gauges) || !s.Gauges[g.Series].Sound() {
		return Slice{}
	}
	gauge := &s.Gauges[g.Series]
	n := float64(gauge.Ratio.N())
	return Slice{Counts: stats.Stratum{NT: n, NC: n}, Gauge: gauge}
}

// gauges returns the windows of one stage, or of all.
func (s *Sample) gauges(stage int) []*evidence.Gauge {
	var out []*evidence.Gauge
	for _, slice := range s.Strata {
		if (stage < 0 || slice.Stage == stage) && slice.Gauge != nil {
			out = append(out, slice.Gauge)
		}
	}
	return out
}

// gaugeTest is that of resources, on the scale of their log-ratio.
type gaugeTest struct {
	*Gate
	windows []*evidence.Gauge
}

func (t gaugeTest) ratios() []*stats.Batches {
	out := make([]*stats.Batches, len(t.windows))
	for i, w := range t.windows {
		out[i] = &w.Ratio
	}
	return out
}

func (t gaugeTest) fail(x float64) float64 {
	return stats.GaugeLogE(t.ratios(), x, t.Worse, t.failPrior())
}

func (t gaugeTest) pass(x float64) float64 {
	return stats.GaugeLogE(t.ratios(), x, -t.Worse, t.passPrior())
}

func (t gaugeTest) estimate() float64 {
	mean, _, _ := stats.GaugeEstimate(t.ratios())
	return mean
}

// candidates and baselines are the levels of the arms.
func candidates(windows []*evidence.Gauge) []*stats.Batches {
	out := make([]*stats.Batches, len(windows))
	for i, w := range windows {
		out[i] = &w.Candidate
	}
	return out
}

func baselines(windows []*evidence.Gauge) []*stats.Batches {
	out := make([]*stats.Batches, len(windows))
	for i, w := range windows {
		out[i] = &w.Baseline
	}
	return out
}

// logGaugeLimit is the log e-value that the candidate's level lies beyond a
// limit. Its windows are as dependent as those of the ratio.
func logGaugeLimit(windows []*evidence.Gauge, limit float64, dir stats.Dir) float64 {
	mean, variance, effective := stats.GaugeEstimate(candidates(windows))
	if effective < stats.MinEffective {
		return 0
	}
	return logLimit(mean, variance, limit, dir)
}

// gaugeLevels are the arms' levels over the windows.
func gaugeLevels(windows []*evidence.Gauge) (baseline, candidate float64) {
	baseline, _, _ = stats.GaugeEstimate(baselines(windows))
	candidate, _, _ = stats.GaugeEstimate(candidates(windows))
	return baseline, candidate
}
