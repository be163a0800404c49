package contract

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/table"
)

func TestABaselineTellsAllThatWasSeen(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := command.Baseline{
		Model: "fraud", Version: "v6", Unit: table.Unit{Source: table.UnitHeader, Name: "X-User"}, Rollout: "fraud-v6",
		From: at, To: at.Add(time.Hour), Watched: time.Hour,
		Seen: planner.Seen{
			Requests: 360_000,
			Metrics: []planner.SeenMetric{
				{Name: "error_rate", Kind: "rate", Count: 300, Events: 3, Level: 0.01, PerRequest: 1, Dispersion: math.Inf(1)},
				{Name: "outcome:revenue", Kind: "mean", Count: 10, Level: 2, CV: 3, NonZero: 0.5, PerRequest: math.NaN(), Correlation: 0.5},
				{Name: "memory", Kind: "gauge", Count: 40, Level: 1e9, Spread: 0.03, Correlation: 0.4},
			},
			Latency: &planner.SeenLatency{Base: 0.0095, First: 1800, Counts: []uint64{1, math.MaxUint64}, Dispersion: 2},
		},
	}
	got := Baseline(&b)
	want := api.Baseline{
		SchemaVersion: "belay.dev/v1alpha1", Model: "fraud", Version: "v6", Unit: "header:X-User", Source: "rollout", Rollout: "fraud-v6",
		From: at, To: at.Add(time.Hour), WatchedSeconds: 3600, Requests: 360_000, RequestsPerSecond: 100,
		Metrics: []api.BaselineMetric{
			{Metric: "error_rate", Kind: "rate", Count: 300, Events: 3, Level: 0.01, PerRequest: 1},
			{Metric: "outcome:revenue", Kind: "mean", Count: 10, Level: 2, Cv: 3, NonZero: 0.5, Correlation: 0.5},
			{Metric: "memory", Kind: "gauge", Count: 40, Level: 1e9, Spread: 0.03, Correlation: 0.4},
		},
		Latency: &api.BaselineLatency{Base: 0.0095, First: 1800, Counts: []int64{1, math.MaxInt64}, Dispersion: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	b.Rollout, b.Watched = "", 0
	if got := Baseline(&b); got.Source != api.BaselineSourceRouter || got.RequestsPerSecond != 0 {
		t.Errorf("got %+v", got)
	}
}
