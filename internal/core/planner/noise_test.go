package planner

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestAFewEventsAreDrawnAsTheyFall(t *testing.T) {
	t.Parallel()
	n := newNoise(40_000, 1)
	for _, mean := range []float64{0.03, 0.4, 3, 20} {
		d := newDraw(mean, mean, true)
		counts := map[float64]float64{}
		for p := range n.paths {
			counts[d.of(n.of(p)[0])] += 1 / float64(n.paths)
		}
		exact := distuv.Poisson{Lambda: mean}
		for k := 0.0; k < 3*mean+4; k++ {
			if want := exact.Prob(k); math.Abs(counts[k]-want) > 4*math.Sqrt(want/40_000)+2e-4 {
				t.Errorf("mean %v: %v events with probability %.4f, want %.4f", mean, k, counts[k], want)
			}
		}
	}
}

func TestManyEventsAreDrawnWithTheirSpreadAndTheirSkew(t *testing.T) {
	t.Parallel()
	n := newNoise(100_000, 1)
	for name, tt := range map[string]struct {
		mean, variance float64
		counted        bool
	}{
		"just too many to count": {26, 26, true}, "many": {4000, 4000, true}, "frequent ones": {4000, 2800, true},
		"in clumps": {900, 9000, true}, "numbers": {-30, 400, false}, "few clumps": {30, 300, true}, "one in a while": {0.5, 5, true},
	} {
		d := newDraw(tt.mean, tt.variance, tt.counted)
		var sum, squares, cubes float64
		for p := range n.paths {
			x := d.of(n.of(p)[0]) - tt.mean
			sum, squares, cubes = sum+x, squares+x*x, cubes+x*x*x
		}
		paths := float64(n.paths)
		variance := squares / paths
		if math.Abs(sum/paths) > 4*math.Sqrt(tt.variance/paths) || math.Abs(variance/tt.variance-1) > 0.04 {
			t.Errorf("%s: mean off by %v, variance %v of %v", name, sum/paths, variance, tt.variance)
		}
		want := 0.0
		if tt.counted { // Of a Poisson number of clumps.
			want = tt.variance / tt.mean / math.Sqrt(tt.variance)
		}
		if skew := cubes / paths / math.Pow(variance, 1.5); math.Abs(skew-want) > 0.06+0.12*want {
			t.Errorf("%s: skew %v, want %v", name, skew, want)
		}
	}
}

func TestNoEventsAreDrawnOfNothing(t *testing.T) {
	t.Parallel()
	for _, d := range []draw{newDraw(0, 0, true), newDraw(0, 0, false), newDraw(5, 0, true)} {
		if got := d.of(3); got != d.mean || d.jump != 0 {
			t.Errorf("%v of %+v", got, d)
		}
	}
}

func TestEveryOtherRolloutIsAMirrorImage(t *testing.T) {
	t.Parallel()
	n := newNoise(10, 7)
	again := newNoise(10, 7)
	for p := 0; p < n.paths; p += 2 {
		for i, z := range n.of(p) {
			if n.of(p + 1)[i] != -z || again.of(p)[i] != z {
				t.Fatalf("rollout %d, draw %d: %v, %v, and again %v", p, i, z, n.of(p + 1)[i], again.of(p)[i])
			}
		}
	}
}
