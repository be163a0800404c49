package metrictest_test

import (
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/metric/metrictest"
)

func TestTheFakeIsASource(t *testing.T) {
	t.Parallel()
	metrictest.Run(t, func(*testing.T) metrictest.World {
		const address = "http://v1.example/metrics"
		f := metrictest.NewFake()
		return metrictest.World{
			Source: f, Address: address,
			Say: func(samples ...metrictest.Sample) {
				f.Say(address, func(time.Time) []metrictest.Sample { return samples })
			},
			Misbehave: func(how metrictest.Fault) { f.Misbehave(address, how) },
		}
	})
}

func TestTheFakeKnowsWhenItWasRead(t *testing.T) {
	t.Parallel()
	f := metrictest.NewFake()
	for range 2 {
		if _, err := f.Read(t.Context(), "http://nobody", nil); err == nil {
			t.Error("an address that nothing was said of answers")
		}
	}
	if got := len(f.Reads("http://nobody")); got != 2 {
		t.Errorf("%d readings are known of two", got)
	}
}
