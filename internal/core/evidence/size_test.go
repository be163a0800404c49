package evidence

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// bytesOf is the memory of a value and of all that it points to.
func bytesOf(v reflect.Value) int {
	return int(v.Type().Size()) + beyond(v)
}

// beyond is the memory that a value points to.
func beyond(v reflect.Value) int {
	n := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			n = bytesOf(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			n += beyond(field)
		}
	case reflect.Array:
		for i := range v.Len() {
			n += beyond(v.Index(i))
		}
	case reflect.Slice:
		n = v.Cap() * int(v.Type().Elem().Size())
		for i := range v.Len() {
			n += beyond(v.Index(i))
		}
	default: // The others are their own size.
	}
	return n
}

// What a gate keeps for a stage and an arm has a bound by its kind, whatever the
// number of requests. Of users, or of any units that come back, everything is also
// kept for each of the 256 hash buckets. A case that says "at most" is what no
// traffic can go beyond; the others are worked examples, whose size goes with how
// wide the observations lie apart, and the least is there to show that they are not
// of something smaller.
func TestTheStateOfAGateIsSmallWhateverTheTraffic(t *testing.T) {
	t.Parallel()
	const kilobyte = 1 << 10
	normal, wide := play{sigma: 0.4, bins: 50}, play{sigma: 1, bins: 50}
	users, production := play{sigma: 0.4, bins: 50, clustered: true}, play{sigma: 0.4, bins: 20, clustered: true}
	known, usersKnown := play{sigma: 0.4, covariate: true}, play{sigma: 0.4, covariate: true, clustered: true}
	for name, c := range map[string]struct {
		of          play
		size        func(s *Stratum) int
		least, most int
	}{
		"a rate, at most":                  {normal, rateSize, 16, 32},
		"a rate of users, at most":         {users, rateSize, 4 * kilobyte, 4*kilobyte + 32},
		"latencies of sigma 0.4":           {normal, latencySize, 2 * kilobyte, 4 * kilobyte},
		"latencies of sigma 1":             {wide, latencySize, 6 * kilobyte, 8 * kilobyte},
		"the tail of users, at most":       {users, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Tails[0])) }, 4 * kilobyte, 4*kilobyte + 32},
		"a mean, at most":                  {normal, meanSize, 64, 128},
		"a mean of users, at most":         {users, meanSize, 4 * kilobyte, 4*kilobyte + 128},
		"one with a covariate, at most":    {known, meanSize, 100, 128 + 48},
		"the same of users, at most":       {usersKnown, meanSize, 6 * kilobyte, 6*kilobyte + 128 + 48},
		"a resource, one series, at most":  {normal, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Gauges[0].Ratio)) }, 512, 640},
		"a resource of both arms, at most": {normal, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Gauges[0])) }, 1536, 3 * 640},
		"50 bins":                          {normal, binSize, 52 * 8, 128 + 52*8},
		"50 bins of users":                 {users, binSize, 104 * kilobyte, 112 * kilobyte},
		"20 bins of users, as compiled":    {production, binSize, 44 * kilobyte, 49 * kilobyte},
		"the number of units, at most":     {normal, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Units)) }, 24, 24 + Levels*8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.size(busy(t, c.of)); got > c.most || got < c.least {
				t.Errorf("%d bytes, want %d to %d", got, c.least, c.most)
			}
		})
	}
}

func rateSize(s *Stratum) int    { return bytesOf(reflect.ValueOf(s.Sides[1].Rates[0])) }
func latencySize(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Latency[0])) }
func meanSize(s *Stratum) int    { return bytesOf(reflect.ValueOf(s.Sides[1].Values[0])) }
func binSize(s *Stratum) int     { return bytesOf(reflect.ValueOf(s.Sides[1].Values[1])) }

// No latency lies outside a microsecond and an hour, so that a sketch with all of
// its buckets is the largest; the data plane reserves it beforehand. At a margin of
// less than 1 % buckets are narrower.
func TestASketchIsBoundedByTheLatenciesThatThereCanBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ margin, most float64 }{
		"a margin of 10 %":  {0.10, 18.5},
		"a margin of 100 %": {1, 17.5},
		"a margin of 1 %":   {0.01, 17.5},
		"a margin of 0.5 %": {0.005, 35},
	} {
		base, _ := BaseFor(c.margin)
		var full, met Histogram
		full.reserve(base)
		for _, d := range []time.Duration{0, time.Nanosecond, time.Second, 24 * time.Hour, math.MaxInt64} {
			met.Add(base.Index(d), 1)
		}
		size := float64(bytesOf(reflect.ValueOf(full))) / (1 << 10)
		if size > c.most || size < 0.9*c.most {
			t.Errorf("%s: %.2f KB, want %v at most and hardly less", name, size, c.most)
		}
		if got := float64(bytesOf(reflect.ValueOf(met))) / (1 << 10); got > size {
			t.Errorf("%s: latencies of all sizes take %.2f KB, the full sketch %.2f", name, got, size)
		}
	}
}

// The bins of an output are most where half of its values are so frequent that each
// has a bin of its own.
func TestADistributionIsBoundedByItsBins(t *testing.T) {
	t.Parallel()
	for name, levels := range map[string]int{"as many levels as bins": 20, "two for each bin": 40, "a hundred": 100, "one": 1} {
		values := make([]float64, 10_000)
		for i := range values {
			values[i] = float64(i % levels)
		}
		if n := len(binEdges(values, 20)); n > mostEdges(20) {
			t.Errorf("%s: %d edges", name, n)
		}
	}
	v := Value{Sums: &Sums{}, Bins: make([]uint64, mostEdges(20)+1)}
	for bucket := range split.Buckets {
		v.spread(uint8(bucket), 0, len(v.Bins))
	}
	if got, most := bytesOf(reflect.ValueOf(v)), 89<<10; got > most {
		t.Errorf("%d bytes, want %d at most", got, most)
	}
}

// play is what a stratum goes through.
type play struct {
	sigma     float64 // of the logarithm of latencies
	bins      int
	clustered bool
	covariate bool
}

// busy is a stratum after many requests, with something of every kind.
func busy(t *testing.T, p play) *Stratum {
	t.Helper()
	r := rand.New(rand.NewPCG(20, 26))
	l := NewLayout(p.clustered)
	base, steps := BaseFor(0.1)
	l.Sketches = []Base{base}
	l.Tails = []Tail{{Quantile: 0.99, Steps: steps}}
	l.AddValues(Series{Name: "revenue", Cap: 100, Covariate: p.covariate})
	l.AddValues(Series{Name: "score", Bins: p.bins})
	l.AddGauge("memory")
	e := &Evidence{}
	s := e.Stratum(&l, 0)
	for i := range 100_000 {
		arm, bucket := split.Arm(i%2), uint8(r.IntN(split.Buckets))
		latency := time.Duration(20e6 * math.Exp(p.sigma*r.NormFloat64()))
		s.Sides[arm].Units.Add(r.Uint64())
		s.Observe(&l, Observation{Arm: arm, Bucket: bucket, Latency: latency})
		sale := Raw{Series: 0, Arm: arm, Bucket: bucket, Value: r.ExpFloat64()}
		if p.covariate {
			sale.Covariate = new(r.ExpFloat64())
		}
		if !s.ObserveValue(&l, sale) {
			t.Fatal("a sale is refused")
		}
		s.ObserveValue(&l, Raw{Series: 1, Arm: arm, Bucket: bucket, Value: r.Float64()})
		s.Gauges[0].Add(1+r.Float64(), 1)
		if i == 10_000 {
			e.Learn(&l)
		}
	}
	s.Sides[1].Latency[0].Compact()
	return s
}
