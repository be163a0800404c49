package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

// judging says what is wrong with a metric's name and with what it is at, for the
// rollout at hand.
type judging struct {
	name  func(metric string) error
	level func(metric string, l planner.Level) []error
}

// judgingFor is that of a rollout. One that cannot be compiled is told of when it is
// planned.
func judgingFor(r spec.Resolved) judging {
	p, err := planner.Compile(r, planner.Traffic{})
	if err != nil {
		return judging{func(string) error { return nil }, func(string, planner.Level) []error { return nil }}
	}
	return judging{
		name:  func(metric string) error { return planner.Known(&p, metric) },
		level: func(metric string, l planner.Level) []error { return planner.Faults(&p, metric, l) },
	}
}

// declared is the traffic of the flags, over that of the file. All that is wrong
// with either is answered at once.
func (s *session) declared(r spec.Resolved, a planning) (planner.Traffic, error) {
	check := judgingFor(r)
	var file planner.Traffic
	var wrong spec.Problems
	if a.traffic != "" {
		data, err := s.readAll(a.traffic, maxDocument)
		if err != nil {
			return file, err
		}
		name := a.traffic
		if name == "-" {
			name = "standard input"
		}
		file, wrong = readTraffic(name, data, check)
	}
	flags, err := planner.Declare(a.rate, a.baselines)
	if err == nil && len(wrong) == 0 {
		return file.Under(flags), nil
	}
	all := []error{err}
	for _, name := range slices.Sorted(maps.Keys(flags.Levels)) {
		all = append(append(all, check.name(name)), check.level(name, flags.Levels[name])...)
	}
	err = problem.Join(all...)
	if len(wrong) == 0 {
		return flags, err
	}
	for _, fault := range problem.List(err) {
		wrong = append(wrong, spec.Problem{Message: fault.Error()})
	}
	return flags, s.mistakes(wrong.Err())
}

// measured asks the server what the version of a model that serves now does.
func (s *session) measured(ctx context.Context, model string) (planner.Traffic, spec.Unit, error) {
	var unit spec.Unit
	c, err := s.client()
	if err != nil {
		return planner.Traffic{}, unit, err
	}
	defer c.Close()
	b, err := c.Baseline(ctx, model)
	if err != nil {
		return planner.Traffic{}, unit, err
	}
	if unit, err = spec.ParseUnit(b.Unit); err != nil {
		return planner.Traffic{}, unit, fmt.Errorf("the server's unit: %w", err)
	}
	t, err := trafficOf(&b, s.now())
	return t, unit, err
}

// trafficOf is what a server has seen.
func trafficOf(b *client.Baseline, now time.Time) (planner.Traffic, error) {
	t := planner.Traffic{Rate: b.RequestsPerSecond, Levels: map[string]planner.Level{}, Measured: true, Origin: originOf(b, now)}
	for _, m := range b.Metrics {
		t.Levels[m.Metric] = planner.Level{
			Value: m.Level, CV: m.Cv, NonZero: m.NonZero, Share: m.PerRequest, Dispersion: m.Dispersion,
			Spread: m.Spread, Correlation: m.Correlation,
		}
	}
	if l := b.Latency; l != nil {
		counts := make([]uint64, len(l.Counts))
		for i, n := range l.Counts {
			counts[i] = uint64(max(n, 0))
		}
		shape, err := planner.MeasuredLatency(l.Base, l.First, counts)
		if err != nil {
			return t, fmt.Errorf("the server's latencies: %w", err)
		}
		t.Latency, t.LatencyDispersion = shape, l.Dispersion
	}
	return t, nil
}

// originOf says where a measurement comes from.
func originOf(b *client.Baseline, now time.Time) string {
	watched := planner.Span(b.WatchedSeconds)
	if b.Rollout == "" {
		return fmt.Sprintf("measured: %s by the router, since the server started", watched)
	}
	text := fmt.Sprintf("measured: %s of %s, rollout %s", watched, b.Version, b.Rollout)
	if age := now.Sub(b.To); age > time.Minute {
		text += ", " + planner.Span(age.Seconds()) + " ago"
	}
	return text
}
