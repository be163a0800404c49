package evidence

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// sales is a layout with a revenue per report and a score with bins.
func sales(clustered bool) Layout {
	l := NewLayout(clustered)
	l.AddValues(Series{Name: "outcome:revenue"})
	l.AddValues(Series{Name: "output:score", Bins: 10})
	return l
}

// revenue draws a value that is often zero, sometimes large, rarely negative.
func revenue(r *rand.Rand) float64 {
	switch r.IntN(20) {
	case 0:
		return -10 * r.Float64()
	case 1, 2, 3, 4, 5, 6, 7:
		return math.Exp(3 + 1.3*r.NormFloat64())
	}
	return 0
}

func draw(seed uint64, n int) []Raw {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]Raw, n)
	for i := range out {
		out[i] = Raw{Series: i % 2, Arm: split.Arm(r.IntN(2)), Bucket: uint8(r.IntN(256)), Value: revenue(r)}
		if out[i].Series == 1 {
			out[i].Value = r.NormFloat64()
		}
	}
	return out
}

func TestAScaleIsLearnedFromTheBaselineAlone(t *testing.T) {
	t.Parallel()
	l := sales(false)
	learn := func(candidate float64) []Scale {
		e := &Evidence{}
		for _, r := range draw(1, 12_000) {
			if r.Arm == split.Candidate {
				r.Value *= candidate
			}
			e.Stratum(&l, 0).ObserveValue(&l, r)
		}
		if !e.Learn(&l) {
			t.Fatal("12,000 values are not enough")
		}
		if e.Learn(&l) {
			t.Error("a scale was learned a second time")
		}
		return e.Strata[0].Scales
	}
	same, worse := learn(1), learn(50)
	if same[0].Cap != worse[0].Cap || !slices.Equal(same[1].Edges, worse[1].Edges) {
		t.Errorf("the candidate's values moved the scale from %v to %v", same, worse)
	}
	var nonZero []float64
	for _, r := range draw(1, 12_000) {
		if r.Series == 0 && r.Arm == split.Baseline && r.Value != 0 {
			nonZero = append(nonZero, math.Abs(r.Value))
		}
	}
	slices.Sort(nonZero)
	at, _ := slices.BinarySearch(nonZero, same[0].Cap)
	if share := float64(at) / float64(len(nonZero)); math.Abs(share-0.99) > 0.002 {
		t.Errorf("the cap %v lies at %.4f of the baseline's values other than zero, want 0.99", same[0].Cap, share)
	}
	if n := len(same[1].Edges); n != 11 {
		t.Errorf("%d edges for 10 bins and one on each side of them", n)
	}
}

func TestTooFewValuesWaitForTheirScale(t *testing.T) {
	t.Parallel()
	l := sales(false)
	e := &Evidence{}
	s := e.Stratum(&l, 0)
	for i := range LearnFrom - 1 {
		s.ObserveValue(&l, Raw{Arm: split.Baseline, Value: float64(i + 1)})
		s.ObserveValue(&l, Raw{Arm: split.Candidate, Value: float64(i + 1)})
	}
	s.ObserveValue(&l, Raw{Arm: split.Baseline})
	if e.Learn(&l) || s.Sides[split.Baseline].Values[0].Moments.N != 1 || len(s.Raw) != 2*(LearnFrom-1) {
		t.Fatalf("%d wait, %v are counted: want all but the zero to wait", len(s.Raw), s.Sides[split.Baseline].Values[0].Moments.N)
	}
	s.ObserveValue(&l, Raw{Arm: split.Baseline, Value: 5})
	if !e.Learn(&l) || len(s.Raw) != 0 || s.Sides[split.Candidate].Values[0].Moments.N != LearnFrom-1 {
		t.Errorf("%d wait after the scale is known", len(s.Raw))
	}
	if cap := s.Scales[0].Cap; cap < 980 || cap > 995 {
		t.Errorf("the cap is %v", cap)
	}
	if next := e.Stratum(&l, 1); next.Scales[0].Cap != s.Scales[0].Cap {
		t.Error("the next stratum is measured with another scale")
	}
}

// What waits is bounded: a baseline that shows nothing leaves the series as it is.
func TestASeriesWithoutABaselineIsNotCapped(t *testing.T) {
	t.Parallel()
	l := sales(false)
	e := &Evidence{}
	for i := range MaxRaw {
		e.Stratum(&l, 0).ObserveValue(&l, Raw{Arm: split.Candidate, Value: float64(i + 1)})
	}
	if !e.Learn(&l) || e.Strata[0].Scales[0].Cap != MaxValue {
		t.Fatalf("after %d values the scale is %v", MaxRaw, e.Strata[0].Scales)
	}
}

// In what order shards come, and whether the scale is known before or after,
// makes no difference but for the rounding of sums.
func TestValuesMergeInAnyOrderToTheSameMoments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := sales(rapid.Bool().Draw(t, "clustered"))
		all := draw(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 6000).Draw(t, "n"))
		one := &Evidence{}
		for _, r := range all {
			one.Stratum(&l, 0).ObserveValue(&l, r)
		}
		one.Learn(&l)
		parts := rapid.IntRange(1, 5).Draw(t, "parts")
		shards := make([]*Stratum, parts)
		for i := range shards {
			shards[i] = NewStratum(&l)
		}
		for i, r := range all {
			shards[i%parts].ObserveValue(&l, r)
		}
		many := &Evidence{}
		for _, at := range rapid.Permutation([]int{0, 1, 2, 3, 4}).Draw(t, "order") {
			if at < parts {
				many.Stratum(&l, 0).Merge(shards[at])
			}
		}
		many.Learn(&l)
		if len(all) == 0 {
			return
		}
		sameValues(t, one.Strata[0], many.Strata[0])
	})
}

func sameValues(t *rapid.T, a, b *Stratum) {
	t.Helper()
	if len(a.Raw) != len(b.Raw) {
		t.Fatalf("%d and %d values wait", len(a.Raw), len(b.Raw))
	}
	for arm := range a.Sides {
		for i := range a.Sides[arm].Values {
			v, w := &a.Sides[arm].Values[i], &b.Sides[arm].Values[i]
			near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*(1+math.Abs(x)) }
			if v.Moments.N != w.Moments.N || v.NonZero != w.NonZero || v.Capped != w.Capped || !slices.Equal(v.Bins, w.Bins) || !slices.Equal(v.Spread, w.Spread) {
				t.Fatalf("%+v, bins %v\n%+v, bins %v", v.Moments, v.Bins, w.Moments, w.Bins)
			}
			if !near(v.Moments.Mean, w.Moments.Mean) || !near(v.Moments.M2, w.Moments.M2) {
				t.Fatalf("moments %+v and %+v", v.Moments, w.Moments)
			}
		}
	}
}

func TestWhatIsNoValueChangesNothing(t *testing.T) {
	t.Parallel()
	l := sales(true)
	s := NewStratum(&l)
	for _, r := range []Raw{
		{Value: math.NaN()},
		{Value: math.Inf(1)},
		{Value: math.Inf(-1)},
		{Value: 2 * MaxValue},
		{Series: 2},
		{Series: -1},
		{Arm: 7},
	} {
		if s.ObserveValue(&l, r) {
			t.Errorf("%+v was taken", r)
		}
	}
	if !s.Empty() {
		t.Error("the stratum is not empty any more")
	}
}

func TestEqualValuesShareABin(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		values []float64
		want   []float64
	}{
		"two classes":           {[]float64{1, 1, 1, 1, 2, 2}, []float64{1, above(1), 2, above(2)}},
		"one class":             {[]float64{3, 3, 3}, []float64{3, above(3)}},
		"nothing":               {nil, nil},
		"as many as classes":    {[]float64{1, 2, 3, 4}, []float64{1, above(1), 2, above(2), 3, above(3), 4, above(4)}},
		"a rare class":          {[]float64{1, 1, 1, 1, 1, 1, 1, 2, 3, 3}, []float64{1, above(1), 2, above(3)}},
		"numbers":               {[]float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{1, 3, 5, 7, above(8)}},
		"the largest there are": {[]float64{MaxValue, MaxValue}, []float64{MaxValue}},
	} {
		if got := binEdges(slices.Clone(tt.values), 4); !slices.Equal(got, tt.want) {
			t.Errorf("%s: edges %v, want %v", name, got, tt.want)
		}
	}
}
