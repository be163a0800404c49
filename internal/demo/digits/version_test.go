package digits

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
)

// seeds is small by default, for a seed costs about a second of one core, and 15 under the race detector. The recorded run is made with
// `go test ./internal/demo/digits -run Bands -v -seeds 120`.
var seeds = flag.Uint64("seeds", 1, "how many seeds each version of the demo is trained with")

func TestEveryVersionStaysInsideItsBandsForEverySeed(t *testing.T) {
	t.Parallel()
	// What the demo needs of each version, said once more and apart from the code's own bands.
	cases := map[string]struct {
		version  Version
		min, max float64
	}{
		"v1 serves with about 6 % wrong": {Serving(), 0.05, 0.07},
		"v2 reads at most 4 % wrong":     {Better(), 0, 0.04},
		"v5 reads 14 % wrong or more":    {Mislabelled(), 0.14, 0.35},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found, took []float64
			attempts := 0
			for seed := range *seeds {
				split := newSplit(t, seed)
				start := time.Now()
				got, err := c.version.Train(t.Context(), split, seed)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				took = append(took, time.Since(start).Seconds()*1000)
				measured := got.Network.Error(split.HeldOut)
				if measured != got.HeldOutError || measured < c.min || measured > c.max {
					t.Errorf("seed %d: %.2f %% wrong (said to be %.2f %%), want %.1f to %.1f %%",
						seed, 100*measured, 100*got.HeldOutError, 100*c.min, 100*c.max)
				}
				found = append(found, 100*measured)
				attempts = max(attempts, got.Attempts)
			}
			slices.Sort(found)
			slices.Sort(took)
			last, mid := len(found)-1, len(found)/2
			t.Logf("%d seeds: wrong min %.2f median %.2f max %.2f %%; trained in %.0f / %.0f / %.0f ms; at most %d attempts",
				len(found), found[0], found[mid], found[last], took[0], took[mid], took[last], attempts)
		})
	}
}

func TestAVersionThatMissesItsBandIsTrainedAnewWithMoreWrongLabels(t *testing.T) {
	t.Parallel()
	version := Version{Name: "v", Hidden: 16, Epochs: 3, WrongLabels: 0, MoreWrong: 0.45, MinError: 0.6, MaxError: 1}
	got, err := version.Train(t.Context(), newSplit(t, 4), 4)
	if err != nil {
		t.Fatalf("train: %v", err)
	}
	if got.Attempts < 2 || got.WrongLabels != min(0.45*float64(got.Attempts-1), 1) {
		t.Errorf("%d attempts, %v wrong labels at the last", got.Attempts, got.WrongLabels)
	}
}

func TestAVersionThatNeverMeetsItsBandIsNeverHandedOut(t *testing.T) {
	t.Parallel()
	version := Version{Name: "dreamer", Hidden: 1, Epochs: 1, MinError: 0, MaxError: 0.001}
	got, err := version.Train(t.Context(), newSplit(t, 4), 4)
	if err == nil || got.Network != nil {
		t.Fatalf("got %+v, %v; want an error and no network", got, err)
	}
	if want := `version "dreamer"`; !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
}

func TestAVersionStopsTrainingWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Better().Train(ctx, newSplit(t, 1), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
