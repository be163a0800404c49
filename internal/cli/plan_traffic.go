package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// trafficFile is a file of --traffic. A level is written as on the command line, or
// as a map whose value is that of the metric.
type trafficFile struct {
	Rate     string         `yaml:"rate"`
	Baseline map[string]any `yaml:"baseline"`
}

// declared is the traffic of the flags, over that of the file.
func (s *session) declared(a planning) (planner.Traffic, error) {
	var file planner.Traffic
	if a.traffic != "" {
		var err error
		if file, err = s.trafficFile(a.traffic); err != nil {
			return file, err
		}
	}
	flags, err := planner.Declare(a.rate, a.baselines)
	if err != nil {
		return flags, err
	}
	return file.Under(flags), nil
}

// trafficFile reads a file of --traffic.
func (s *session) trafficFile(path string) (planner.Traffic, error) {
	data, err := s.readAll(path, maxDocument)
	if err != nil {
		return planner.Traffic{}, err
	}
	var f trafficFile
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return planner.Traffic{}, usagef("%s: %s", path, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	var levels []string
	for _, name := range slices.Sorted(maps.Keys(f.Baseline)) {
		text, err := levelText(f.Baseline[name])
		if err != nil {
			return planner.Traffic{}, usagef("%s: the baseline of %s %w", path, name, err)
		}
		levels = append(levels, name+"="+text)
	}
	t, err := planner.Declare(f.Rate, levels)
	if err != nil {
		return t, usagef("%s: %w", path, err)
	}
	return t, nil
}

// levelText is a level as the command line has it.
func levelText(v any) (string, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprint(v), nil
	}
	value, ok := m["value"]
	if !ok {
		return "", fmt.Errorf("has no value; write {value: 5%%, …}")
	}
	parts := []string{fmt.Sprint(value)}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key != "value" {
			parts = append(parts, key+"="+fmt.Sprint(m[key]))
		}
	}
	return strings.Join(parts, ","), nil
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
