package evidence

import (
	"math"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// whole is a stratum with something of every kind.
func whole(t *testing.T) (*Layout, *Stratum) {
	t.Helper()
	l := sales(true)
	l.AddGauge("cpu")
	l.Sketches = []Base{0.01}
	l.Tails = []Tail{{Quantile: 0.99}}
	e := &Evidence{}
	for _, r := range draw(5, 12_000) {
		e.Stratum(&l, 0).ObserveValue(&l, r)
	}
	if !e.Learn(&l) {
		t.Fatal("no scale is known")
	}
	s := e.Strata[0]
	s.Raw = []Raw{{Value: 3}} // As if one had come too early.
	s.Edges = []int32{5}
	for i := range 200 {
		s.Gauges[0].Add(float64(1+i%3), 1)
	}
	return &l, s
}

func TestWhatWasObservedFits(t *testing.T) {
	t.Parallel()
	l, s := whole(t)
	if !l.Fits(s) || !l.Fits(NewStratum(l)) || !l.Fits(&Stratum{}) {
		t.Error("it does not fit")
	}
	for i := range 300 {
		g := &Gauge{}
		for range i {
			g.Add(2, 1)
		}
		s.Gauges[0] = *g
		if !l.Fits(s) {
			t.Fatalf("%d windows do not fit", i)
		}
	}
}

func TestWhatCannotHaveBeenObservedDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(s *Stratum){
		"a rate too many":            func(s *Stratum) { s.Sides[1].Rates = make([]Tally, 3) },
		"a sketch too many":          func(s *Stratum) { s.Sides[1].Latency = make([]Histogram, 2) },
		"a sketch below the base's":  func(s *Stratum) { s.Sides[1].Latency[0] = Histogram{Lo: -1 << 31, N: []uint64{1}} },
		"a sketch beyond the base's": func(s *Stratum) { s.Sides[1].Latency[0] = Histogram{Lo: 1<<31 - 1, N: []uint64{1}} },
		"a tail too many":            func(s *Stratum) { s.Sides[0].Tails = make([]Tally, 2) },
		"a series too many":          func(s *Stratum) { s.Sides[0].Values = make([]Value, 3) },
		"levels of another sampling": func(s *Stratum) { s.Sides[0].Units.Level = make([]uint64, 3) },
		"an edge too many":           func(s *Stratum) { s.Edges = []int32{1, 2} },
		"a scale too few":            func(s *Stratum) { s.Scales = s.Scales[:1] },
		"a cap below zero":           func(s *Stratum) { s.Scales[0].Cap = -1 },
		"a cap that is no number":    func(s *Stratum) { s.Scales[0].Cap = math.NaN() },
		"edges out of order":         func(s *Stratum) { s.Scales[1].Edges[3] = s.Scales[1].Edges[2] },
		"an edge that is no number":  func(s *Stratum) { s.Scales[1].Edges[3] = math.NaN() },
		"edges of what has no bins":  func(s *Stratum) { s.Scales[0].Edges = []float64{1} },
		"a bin too few":              func(s *Stratum) { v := &s.Sides[0].Values[1]; v.Bins = v.Bins[1:] },
		"an output too many":         func(s *Stratum) { s.Sides[0].Outputs = make([]OutputCount, 1) },
		"a spread too short":         func(s *Stratum) { v := &s.Sides[0].Values[1]; v.Spread = v.Spread[1:] },
		"a spread without bins":      func(s *Stratum) { s.Sides[0].Values[1].Bins = nil },
		"bins without a scale":       func(s *Stratum) { s.Scales[1] = Scale{} },
		"a negative count":           func(s *Stratum) { s.Sides[0].Values[0].Moments.N = -1 },
		"a count without bound":      func(s *Stratum) { s.Sides[0].Values[0].Moments.N = math.Inf(1) },
		"a mean beyond the cap":      func(s *Stratum) { s.Sides[0].Values[0].Moments.Mean = 2 * s.Scales[0].Cap },
		"a mean that is no number":   func(s *Stratum) { s.Sides[0].Values[0].Moments.Mean = math.NaN() },
		"squares below zero":         func(s *Stratum) { s.Sides[0].Values[0].Moments.M2 = -1 },
		"more non-zeros than values": func(s *Stratum) { s.Sides[0].Values[0].NonZero = 1 << 40 },
		"more capped than non-zeros": func(s *Stratum) { s.Sides[0].Values[0].Capped = 1 << 40 },
		"a covariate of too many":    func(s *Stratum) { s.Sides[0].Values[0].Covariate = &stats.Covariate{N: 1 << 40} },
		"squares of it below zero":   func(s *Stratum) { s.Sides[0].Values[0].Covariate = &stats.Covariate{XX: -1} },
		"a covariate that is NaN":    func(s *Stratum) { x := math.NaN(); s.Raw[0].Covariate = &x },
		"values before their scale":  func(s *Stratum) { s.Scales = nil },
		"a series that is not there": func(s *Stratum) { s.Raw[0].Series = 2 },
		"a series before the first":  func(s *Stratum) { s.Raw[0].Series = -1 },
		"an arm that is not there":   func(s *Stratum) { s.Raw[0].Arm = split.Arms },
		"a raw that is no number":    func(s *Stratum) { s.Raw[0].Value = math.NaN() },
		"a gauge too many":           func(s *Stratum) { s.Gauges = make([]Gauge, 2) },
		"arms of other windows":      func(s *Stratum) { s.Gauges[0].Baseline.Add(1) },
		"batches of size 0":          func(s *Stratum) { s.Gauges[0].Ratio.Size = 0 },
		"a batch too few":            func(s *Stratum) { b := &s.Gauges[0].Ratio; b.Full = b.Full[1:] },
		"batches without bound":      func(s *Stratum) { s.Gauges[0].Ratio.Full = make([]float64, 1000) },
		"an open batch that is full": func(s *Stratum) { b := &s.Gauges[0].Ratio; b.OpenN = b.Size },
		"batches without windows":    func(s *Stratum) { g := &s.Gauges[0]; g.Ratio.Count, g.Candidate.Count, g.Baseline.Count = 0, 0, 0 },
	} {
		l, s := whole(t)
		damage(s)
		if l.Fits(s) {
			t.Errorf("%s: it fits", name)
		}
	}
	l, _ := whole(t)
	if l.Fits(nil) {
		t.Error("nothing fits")
	}
}
