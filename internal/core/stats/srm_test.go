package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// plainSRM is the same Bayes factor by log-gamma functions, which lose their
// digits as counts grow.
func plainSRM(nT, nC, w, kappa float64) float64 {
	beta := func(a, b float64) float64 {
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		return x + y - z
	}
	return beta(kappa*w+nT, kappa*(1-w)+nC) - beta(kappa*w, kappa*(1-w)) - nT*math.Log(w) - nC*math.Log(1-w)
}

func TestSampleRatioMismatchIsTheBayesFactor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom([]float64{.0001, .01, .1, .5, .9, .9999}).Draw(t, "w")
		kappa := rapid.SampledFrom([]float64{1, 50, 1000}).Draw(t, "kappa")
		n := rapid.Float64Range(0, 1e5)
		nT, nC := math.Floor(n.Draw(t, "nT")), math.Floor(n.Draw(t, "nC"))
		got, want := LogESRM(nT, nC, w, kappa), plainSRM(nT, nC, w, kappa)
		if math.Abs(got-want) > 1e-6*(1+1e-3*math.Abs(want)) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSampleRatioMismatchIsTheSameSeenFromTheOtherArm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Float64Range(.001, .999).Draw(t, "w")
		n := rapid.Float64Range(0, 1e9)
		nT, nC := n.Draw(t, "nT"), n.Draw(t, "nC")
		a, b := LogESRM(nT, nC, w, 1000), LogESRM(nC, nT, 1-w, 1000)
		if !near(a, b, 1e-7) {
			t.Fatalf("%v, from the other arm %v", a, b)
		}
	})
}

func TestALargerMismatchIsMoreEvidence(t *testing.T) {
	t.Parallel()
	last := math.Inf(-1)
	for off := 0.0; off <= .02; off += .001 {
		got := LogESRM(1e5*(.5+off), 1e5*(.5-off), .5, 1000)
		if got < last {
			t.Errorf("%v off: %v, less than %v", off, got, last)
		}
		last = got
	}
	if last < math.Log(1000) {
		t.Errorf("2 points off in 100,000: %v, want an alarm", last)
	}
}
