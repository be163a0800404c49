package evidence

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAMarginIsAWholeNumberOfBuckets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		margin := rapid.Float64Range(-0.9, 10).Draw(t, "margin")
		base, steps := BaseFor(margin)
		if got := math.Exp(float64(base)*float64(steps)) - 1; math.Abs(got-margin) > 1e-9*(1+math.Abs(margin)) {
			t.Fatalf("%d steps of base %g are a margin of %g, want %g", steps, float64(base), got, margin)
		}
		if width := math.Expm1(float64(base)); width > resolution+1e-9 || width <= 0 {
			t.Fatalf("a bucket is %g wide, want above 0 and at most %g", width, resolution)
		}
	})
}

func TestBaseForKnownMargins(t *testing.T) {
	t.Parallel()
	for margin, want := range map[float64]int32{0.10: 10, 0.01: 1, 0.5: 41, -0.10: -11, 0.001: 1, 1: 70, 0: 0} {
		if base, steps := BaseFor(margin); steps != want || base <= 0 {
			t.Errorf("margin %g takes %d steps of %g, want %d", margin, steps, float64(base), want)
		}
	}
}

func TestAnEdgeBelongsToTheBucketAboveIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, _ := BaseFor(rapid.Float64Range(0.001, 3).Draw(t, "margin"))
		i := rapid.Int32Range(base.Index(MinLatency), base.Index(MaxLatency)).Draw(t, "bucket")
		// The edge itself, not rounded to nanoseconds.
		if got := base.index(math.Exp(float64(i) * float64(base))); got != i {
			t.Fatalf("edge %d lies in bucket %d", i, got)
		}
		d := time.Duration(rapid.Int64Range(int64(MinLatency), int64(MaxLatency)).Draw(t, "latency"))
		at := base.Index(d)
		// A nanosecond of slack for the rounding of edges.
		if base.Edge(at) > d+1 || base.Edge(at+1) < d-1 {
			t.Fatalf("%v lies in bucket %d, which is %v to %v", d, at, base.Edge(at), base.Edge(at+1))
		}
		if up := base.EdgeAtLeast(d); base.Edge(up) < d-1 || base.Edge(up-1) > d {
			t.Fatalf("the lowest edge from %v on is %v, the one below %v", d, base.Edge(up), base.Edge(up-1))
		}
	})
}

// Scaling all latencies by the margin moves every one of them by the margin's
// steps, so the two arms are compared at exact edges.
func TestTimesTheMarginIsStepsFurther(t *testing.T) {
	t.Parallel()
	base, steps := BaseFor(0.10)
	for i := base.Index(MinLatency); i < base.Index(MaxLatency)-steps; i++ {
		edge := math.Exp(float64(i) * float64(base))
		if got := base.index(1.1 * edge); got != i+steps {
			t.Fatalf("1.1 times edge %d lies in bucket %d, want %d", i, got, i+steps)
		}
	}
}

func TestLatenciesBeyondTheBoundsCountAtTheEdge(t *testing.T) {
	t.Parallel()
	base, _ := BaseFor(0.1)
	for _, tt := range []struct{ in, as time.Duration }{
		{0, MinLatency}, {-time.Second, MinLatency}, {1, MinLatency}, {2 * time.Hour, MaxLatency}, {math.MaxInt64, MaxLatency},
	} {
		if got, want := base.Index(tt.in), base.Index(tt.as); got != want {
			t.Errorf("%v lies in bucket %d, want that of %v, %d", tt.in, got, tt.as, want)
		}
	}
}

// histogramOf adds buckets in the given order.
func histogramOf(buckets []int32) *Histogram {
	h := &Histogram{}
	for _, b := range buckets {
		h.Add(b, 1)
	}
	return h
}

func buckets(t *rapid.T, label string, least int) []int32 {
	return rapid.SliceOfN(rapid.Int32Range(-40, 40), least, 60).Draw(t, label)
}

func TestAboveCountsWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := buckets(t, "buckets", 0)
		h := histogramOf(b)
		edge := rapid.Int32Range(-50, 50).Draw(t, "edge")
		var want uint64
		for _, at := range b {
			if at >= edge {
				want++
			}
		}
		if got := h.Above(edge); got != want || h.Total() != uint64(len(b)) {
			t.Fatalf("%d of %d above edge %d, want %d of %d", got, h.Total(), edge, want, len(b))
		}
	})
}

// EdgeFor against every edge there is.
func TestEdgeForFindsTheClosestCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := buckets(t, "buckets", 1)
		h := histogramOf(b)
		if rapid.Bool().Draw(t, "room") {
			h.grow(-60, 60)
		}
		p := rapid.Float64Range(0, 1).Draw(t, "p")
		want := p * float64(len(b))
		closest := math.Inf(1)
		for edge := int32(-41); edge <= 42; edge++ {
			closest = min(closest, math.Abs(float64(h.Above(edge))-want))
		}
		edge, above := h.EdgeFor(p)
		if above != h.Above(edge) {
			t.Fatalf("edge %d is said to have %d above it, and has %d", edge, above, h.Above(edge))
		}
		if got := math.Abs(float64(above) - want); got > closest+1e-9 {
			t.Fatalf("edge %d has %d above it, %g off; another is %g off", edge, above, got, closest)
		}
	})
}

func TestEdgeForKnownAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		n     []uint64 // from bucket 100 on
		p     float64
		edge  int32
		above uint64
	}{
		"nothing":                            {n: nil, p: 0.01, edge: 0, above: 0},
		"an exact share":                     {n: []uint64{90, 9, 1}, p: 0.10, edge: 101, above: 10},
		"the closer count above":             {n: []uint64{90, 9, 1}, p: 0.02, edge: 102, above: 1},
		"the closer count below":             {n: []uint64{90, 9, 1}, p: 0.09, edge: 101, above: 10},
		"the lower edge wins a tie":          {n: []uint64{90, 8, 2}, p: 0.06, edge: 101, above: 10},
		"less than half a request is none":   {n: []uint64{30, 10}, p: 0.01, edge: 102, above: 0},
		"all of them":                        {n: []uint64{30, 10}, p: 1, edge: 100, above: 40},
		"the lowest edge of a gap":           {n: []uint64{99, 0, 0, 1}, p: 0.01, edge: 101, above: 1},
		"a rounding error jumps over no gap": {n: []uint64{1980, 0, 0, 20}, p: 1 - 0.99, edge: 101, above: 20},
		"all of them, with room to spare":    {n: []uint64{0, 0, 5, 1, 0}, p: 1, edge: 102, above: 6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &Histogram{N: tt.n}
			if tt.n != nil {
				h.Lo = 100
			}
			if edge, above := h.EdgeFor(tt.p); edge != tt.edge || above != tt.above {
				t.Errorf("edge %d with %d above, want %d with %d", edge, above, tt.edge, tt.above)
			}
		})
	}
}

// Quantile against the sorted sample, over shapes that latencies have: the
// error is at most one bucket.
func TestQuantilesAreWithinABucketOfTheExactOnes(t *testing.T) {
	t.Parallel()
	const n = 20_000
	rng := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() float64{
		"lognormal": func() float64 { return 8e6 * math.Exp(0.25*rng.NormFloat64()) },
		"heavy":     func() float64 { return 2e6 * math.Pow(rng.Float64(), -1/1.5) },
		"two modes": func() float64 { return []float64{5e6, 20e6}[rng.IntN(2)] * math.Exp(0.05*rng.NormFloat64()) },
		"constant":  func() float64 { return 3e6 },
	}
	base, _ := BaseFor(0.10)
	for name, draw := range shapes {
		values := make([]time.Duration, n)
		h := &Histogram{}
		for i := range values {
			values[i] = time.Duration(draw())
			h.Add(base.Index(values[i]), 1)
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := float64(values[min(int(q*n), n-1)])
			got := float64(h.Quantile(base, q))
			if r := math.Abs(math.Log(got / exact)); r > 2*float64(base) {
				t.Errorf("%s: the %g-quantile is %v, exactly %v", name, q, time.Duration(got), time.Duration(exact))
			}
		}
	}
	if got := (&Histogram{}).Quantile(base, 0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestQuantilesGrow(t *testing.T) {
	t.Parallel()
	base, _ := BaseFor(0.10)
	rapid.Check(t, func(t *rapid.T) {
		h := histogramOf(buckets(t, "buckets", 1))
		h.Lo += 1500 // Away from 0 ns, where edges round to nothing.
		a, b := rapid.Float64Range(0, 1).Draw(t, "a"), rapid.Float64Range(0, 1).Draw(t, "b")
		if a, b = min(a, b), max(a, b); h.Quantile(base, a) > h.Quantile(base, b) {
			t.Fatalf("the %g-quantile %v is above the %g-quantile %v", a, h.Quantile(base, a), b, h.Quantile(base, b))
		}
	})
}

func TestCompactDropsOnlyEmptyRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := buckets(t, "buckets", 0)
		h := histogramOf(b)
		h.grow(-70, 70)
		h.Compact()
		for edge := int32(-71); edge <= 71; edge++ {
			if got, want := h.Above(edge), histogramOf(b).Above(edge); got != want {
				t.Fatalf("%d above edge %d after compacting, want %d", got, edge, want)
			}
		}
		if n := len(h.N); n > 0 && (h.N[0] == 0 || h.N[n-1] == 0) || n > 81 {
			t.Fatalf("%d buckets are kept, from %v", n, h.N)
		}
	})
}

// FuzzHistogram adds, merges and compacts in any order, against a plain map.
func FuzzHistogram(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{0, 255, 128, 7, 7, 7, 200, 13})
	f.Fuzz(func(t *testing.T, script []byte) {
		want := map[int32]uint64{}
		h, side := &Histogram{}, &Histogram{}
		for i, c := range script {
			at, n := int32(c)*7-600, uint64(i%5)
			switch c % 4 {
			case 0, 1:
				h.Add(at, n)
			case 2:
				side.Add(at, n)
				h.Merge(side)
				for b, k := range counts(side) {
					want[b] += k
				}
				continue
			case 3:
				h.Compact()
				h.Add(at, n)
			}
			want[at] += n
		}
		got := counts(h)
		for b, n := range want {
			if got[b] != n {
				t.Fatalf("bucket %d holds %d, want %d", b, got[b], n)
			}
		}
		var total uint64
		for b, n := range got {
			if want[b] != n {
				t.Fatalf("bucket %d holds %d, want %d", b, n, want[b])
			}
			total += n
		}
		if h.Total() != total || h.Above(math.MinInt32/2) != total {
			t.Fatalf("total %d, above everything %d, want %d", h.Total(), h.Above(math.MinInt32/2), total)
		}
	})
}

func counts(h *Histogram) map[int32]uint64 {
	out := map[int32]uint64{}
	for i, n := range h.N {
		if n > 0 {
			out[h.Lo+int32(i)] = n
		}
	}
	return out
}
