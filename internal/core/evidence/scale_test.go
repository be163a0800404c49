package evidence_test

import (
	"slices"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

func TestAScaleOfAllObservationsIsTheOneThatIsLearned(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := range evidence.LearnFrom {
		values = append(values, float64(1+i*i%997))
	}
	for name, series := range map[string]evidence.Series{
		"a cap that is learned": {Name: "x"},
		"a cap that is given":   {Name: "x", Cap: 12},
		"a distribution":        {Name: "x", Bins: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout := evidence.NewLayout(false)
			layout.AddValues(series)
			var ev evidence.Evidence
			for _, v := range values {
				ev.Stratum(&layout, 0).ObserveValue(&layout, evidence.Raw{Arm: split.Baseline, Value: v})
			}
			ev.Learn(&layout)
			given := slices.Clone(values)
			if got, want := evidence.ScaleOf(series, given), ev.Strata[0].Scales[0]; !got.Equal(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !slices.Equal(given, values) {
				t.Error("the observations were changed")
			}
		})
	}
}

func TestTooFewObservationsCapNothing(t *testing.T) {
	t.Parallel()
	if got := evidence.ScaleOf(evidence.Series{Name: "x"}, []float64{1, 2, 3, 0, 0}); got.Cap != evidence.MaxValue || got.Edges != nil {
		t.Errorf("got %+v", got)
	}
	if got := evidence.ScaleOf(evidence.Series{Name: "x", Bins: 20}, nil); got.Cap != evidence.MaxValue || got.Edges != nil {
		t.Errorf("of nothing: got %+v", got)
	}
}
