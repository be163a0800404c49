package contract

import (
	"math"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// Baseline turns what was seen of a version into the contract's words. Numbers
// that are none are left out.
func Baseline(b *command.Baseline) api.Baseline {
	out := api.Baseline{
		SchemaVersion: spec.APIVersion, Model: b.Model, Version: b.Version, Unit: unitText(b.Unit),
		Source: api.BaselineSourceRollout, Rollout: b.Rollout, From: utc(b.From), To: utc(b.To),
		WatchedSeconds: b.Watched.Seconds(), Requests: int64(b.Seen.Requests), Metrics: []api.BaselineMetric{},
	}
	if b.Rollout == "" {
		out.Source = api.BaselineSourceRouter
	}
	if b.Watched > 0 {
		out.RequestsPerSecond = b.Seen.Requests / b.Watched.Seconds()
	}
	for _, m := range b.Seen.Metrics {
		out.Metrics = append(out.Metrics, api.BaselineMetric{
			Metric: m.Name, Kind: api.BaselineMetricKind(m.Kind), Count: sure(m.Count), Events: sure(m.Events), Level: sure(m.Level),
			Cv: sure(m.CV), NonZero: sure(m.NonZero), PerRequest: sure(m.PerRequest), Dispersion: sure(m.Dispersion),
			Spread: sure(m.Spread), Correlation: sure(m.Correlation),
		})
	}
	if l := b.Seen.Latency; l != nil {
		latency := &api.BaselineLatency{Base: l.Base, First: l.First, Dispersion: sure(l.Dispersion), Counts: make([]int64, len(l.Counts))}
		for i, n := range l.Counts {
			latency.Counts[i] = count(n)
		}
		out.Latency = latency
	}
	return out
}

// sure is a number, or 0 for what is none.
func sure(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
