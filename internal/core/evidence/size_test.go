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

// What a gate keeps for a stage and an arm is bounded by its kind, whatever the
// traffic. Of users, or of any units that come
// back, everything is also kept for each of the 256 hash buckets.
func TestTheStateOfAGateIsSmallWhateverTheTraffic(t *testing.T) {
	t.Parallel()
	const kilobyte = 1 << 10
	for name, c := range map[string]struct {
		clustered bool
		size      func(s *Stratum) int
		most      int
	}{
		"a rate":              {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Rates[0])) }, 32},
		"a rate of users":     {true, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Rates[0])) }, 4*kilobyte + 32},
		"a quantile":          {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Latency[0])) }, 4 * kilobyte},
		"the tail of users":   {true, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Tails[0])) }, 4*kilobyte + 32},
		"a mean":              {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Values[0])) }, 128},
		"a mean of users":     {true, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Values[0])) }, 4*kilobyte + 128},
		"a resource":          {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Gauges[0].Ratio)) }, 640},
		"a distribution":      {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Values[1])) }, 128 + 50*8},
		"one of users":        {true, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Values[1])) }, 112 * kilobyte},
		"the number of units": {false, func(s *Stratum) int { return bytesOf(reflect.ValueOf(s.Sides[1].Units)) }, 24 + Levels*8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.size(busy(t, c.clustered)); got > c.most {
				t.Errorf("%d bytes, want %d at most", got, c.most)
			}
		})
	}
}

// busy is a stratum after many requests, with something of every kind.
func busy(t *testing.T, clustered bool) *Stratum {
	t.Helper()
	r := rand.New(rand.NewPCG(20, 26))
	l := NewLayout(clustered)
	base, steps := BaseFor(0.1)
	l.Sketches = []Base{base}
	l.Tails = []Tail{{Quantile: 0.99, Steps: steps}}
	l.AddValues(Series{Name: "revenue", Cap: 100})
	l.AddValues(Series{Name: "score", Bins: 50})
	l.AddGauge("memory")
	e := &Evidence{}
	s := e.Stratum(&l, 0)
	for i := range 100_000 {
		arm, bucket := split.Arm(i%2), uint8(r.IntN(split.Buckets))
		latency := time.Duration(20e6 * math.Exp(.4*r.NormFloat64()))
		s.Sides[arm].Units.Add(r.Uint64())
		s.Observe(&l, Observation{Arm: arm, Bucket: bucket, Latency: latency})
		s.ObserveValue(&l, Raw{Series: 0, Arm: arm, Bucket: bucket, Value: r.ExpFloat64()})
		s.ObserveValue(&l, Raw{Series: 1, Arm: arm, Bucket: bucket, Value: r.Float64()})
		s.Gauges[0].Add(1+r.Float64(), 1)
		if i == 10_000 {
			e.Learn(&l)
		}
	}
	s.Sides[1].Latency[0].Compact()
	return s
}
