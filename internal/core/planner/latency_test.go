package planner

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
)

func TestALognormalLatencyIsOne(t *testing.T) {
	t.Parallel()
	// Between p50 and p99 a lognormal one has sigma = ln(p99/p50)/2.326.
	l, err := NewLatency(map[float64]time.Duration{0.99: 120 * time.Millisecond, 0.5: 40 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	sigma := math.Log(3) / normalQuantile(0.99)
	for _, z := range []float64{-3, -1, 0, 0.7, 2, 3.5} {
		x := math.Log(0.04) + sigma*z
		if got, want := l.above(x), normalTail(z); math.Abs(got-want) > 1e-9*want {
			t.Errorf("above %v: %v, want %v", z, got, want)
		}
		if got := l.quantile(1 - normalTail(z)); math.Abs(got-x) > 1e-6 {
			t.Errorf("quantile at %v: %v, want %v", z, got, x)
		}
	}
}

func TestOneQuantileIsALognormalOfTheAssumedSpread(t *testing.T) {
	t.Parallel()
	l, err := NewLatency(map[float64]time.Duration{0.95: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got := math.Exp(l.quantile(0.95) - l.quantile(0.5)); math.Abs(got-math.Exp(assumedSigma*normalQuantile(0.95))) > 1e-9 {
		t.Errorf("p95 is %v times p50", got)
	}
	if !l.Absolute || !l.alone || AssumedLatency().Absolute {
		t.Error("what is known and what is assumed are taken for each other")
	}
}

func TestAMeasuredLatencyIsItsHistogram(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	base, _ := evidence.BaseFor(0.1)
	var h evidence.Histogram
	for range 200_000 {
		x := 40e6 * math.Exp(0.25*r.NormFloat64())
		if r.Float64() < 0.03 {
			x *= 4 // A slow path, as no lognormal distribution has it.
		}
		h.Add(base.Index(time.Duration(x)), 1)
	}
	h.Compact()
	l, err := MeasuredLatency(float64(base), int(h.Lo), h.N)
	if err != nil {
		t.Fatal(err)
	}
	total := float64(h.Total())
	for _, at := range []time.Duration{30 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond} {
		i := base.EdgeAtLeast(at)
		want := float64(h.Above(i)) / total
		if got := l.above(float64(i)*float64(base) - math.Log(1e9)); math.Abs(got-want) > 0.02*want+2e-4 {
			t.Errorf("above %v: %v, want %v", at, got, want)
		}
	}
	if got, want := math.Exp(l.quantile(0.99)), h.Quantile(base, 0.99).Seconds(); math.Abs(got/want-1) > 0.02 {
		t.Errorf("p99 is %v, want %v", got, want)
	}
}

// TestTheHarmOfALatencyIsReadFromItsTail: the specification's example is 1.57
// times as many exceedances for +20 % against a margin of +10 %.
func TestTheHarmOfALatencyIsReadFromItsTail(t *testing.T) {
	t.Parallel()
	p := planOf(p99By10, 1, 0.5)
	m := newMeasure(p, &p.Gates[0], trafficAt(p, Level{}))
	if got := m.at(0.2) / m.base; math.Abs(got-1.57) > 0.02 {
		t.Errorf("+20 %% are %v times as many exceedances, want 1.57", got)
	}
	if got := m.at(0.1) / m.base; math.Abs(got-1) > 1e-9 {
		t.Errorf("at the margin they are %v times as many", got)
	}
	for _, change := range []float64{-0.2, 0.05, 0.3, 2} {
		if got := m.change(m.at(change)).Relative; math.Abs(got-change) > 1e-9 {
			t.Errorf("a change of %v comes back as %v", change, got)
		}
	}
}

func TestHistogramsThatSayNothingAreRefused(t *testing.T) {
	t.Parallel()
	for name, counts := range map[string][]uint64{"none": nil, "empty": {0, 0, 0}, "few": {1, 1, 1}, "one bucket": {0, 1000, 0}} {
		if l, err := MeasuredLatency(0.01, 100, counts); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if _, err := MeasuredLatency(0, 100, []uint64{10, 10, 10}); err == nil {
		t.Error("buckets without width")
	}
	if _, err := NewLatency(nil); err == nil {
		t.Error("no quantile")
	}
}

func TestChangesComeBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate    gate.Gate
		level   Level
		changes []float64
		text    string // of the last change
	}{
		"errors":             {errorsBy20, Level{Value: 0.005}, []float64{0.3, 1, 4}, "x5"},
		"errors in points":   {errorsByPP, Level{Value: 0.005}, []float64{0.3, 1, 2.6}, "+1.3pp"},
		"conversion":         {conversionBy(0.05), Level{Value: 0.05}, []float64{-0.1, -0.31}, "-31%"},
		"a common success":   {correctBy2, Level{Value: 0.95}, []float64{-0.1, -0.04}, "-4%"},
		"revenue":            {revenueBy(0.05), Level{Value: 12.5, CV: 8}, []float64{-0.5, -0.127}, "-13%"},
		"success, in points": {gate.Gate{Name: "outcome:correct", Outcome: true, Kind: gate.Rate, Method: gate.Difference, Margin: 0.04, Slope: 1, Complement: true, Worse: 1}, Level{Value: 0.9}, []float64{-0.1}, "-9pp"},
	} {
		p := planOf(tt.gate, 1, 0.5)
		m := newMeasure(p, &p.Gates[0], trafficAt(p, tt.level))
		for i, change := range tt.changes {
			c := m.change(m.at(change))
			if math.Abs(c.Relative-change) > 1e-9 {
				t.Errorf("%s: a change of %v comes back as %v", name, change, c.Relative)
			}
			if i == len(tt.changes)-1 && c.Text != tt.text {
				t.Errorf("%s: a change of %v reads %s, want %s", name, change, c.Text, tt.text)
			}
		}
	}
}

func TestNumbersAndTimesAreReadAtAGlance(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{
		0: "0", 0.42: "0.42", 7: "7", 9.96: "10", 720: "720", 999.4: "999", 999.6: "1k", 7200: "7.2k", 12_345: "12.3k", 712_800: "713k",
		999_700: "1M", 1_234_567: "1.23M", 3.4e9: "3.4G", -720: "720",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%v) is %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{
		0.2: "1s", 45: "45s", 98: "98s", 120: "2m", 3560: "59m", 3600: "1h", 5460: "1h 31m", 12_000: "3h 20m", 36_000: "10h", 62_040: "17h 15m",
		172_800: "2d", 280_000: "3d 6h", 14.2 * 86_400: "14d", math.Inf(1): "never",
	} {
		if got := Span(s); got != want {
			t.Errorf("Span(%v) is %s, want %s", s, got, want)
		}
	}
	for p, want := range map[float64]string{1: ">99%", 0.97: "97%", 0.001: "<1%"} {
		if got := shareText(p); got != want {
			t.Errorf("shareText(%v) is %s, want %s", p, got, want)
		}
	}
}
