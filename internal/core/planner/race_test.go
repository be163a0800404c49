package planner

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// straight is a race along a line of a fixed level, with as many units as time.
func straight(looks int, end, level float64, t source) race {
	r := race{noise: newNoise(8000, drawsPerLook*looks), t: t}
	for i := range looks {
		at := end * float64(i+1) / float64(looks)
		r.looks = append(r.looks, look{at: at, nT: []float64{at}, nC: []float64{0}})
		r.lines = append(r.lines, line{on: true, a: []float64{1}, b: []float64{0}, level: level})
	}
	return r
}

// TestASumCrossesALineAsABrownianMotionDoes compares few looks with the
// distribution of the first passage time (inverse Gaussian).
func TestASumCrossesALineAsABrownianMotionDoes(t *testing.T) {
	t.Parallel()
	phi := func(x float64) float64 { return 1 - normalTail(x) }
	for _, drift := range []float64{0, 0.1, -0.05} {
		for _, looks := range []int{5, 20, 80} {
			const level, end = 8.0, 100.0
			r := straight(looks, end, level, source{mean: drift, variance: 1})
			// Between the beginning and the first look nothing is looked for, so the
			// beginning is a look.
			r.looks = append([]look{{at: 0, nT: []float64{0}, nC: []float64{0}}}, r.looks...)
			r.lines = append([]line{{on: true, a: []float64{1}, b: []float64{0}, level: level}}, r.lines...)
			r.noise = newNoise(8000, drawsPerLook*(looks+1))
			c := newCurve(r.looks, r.run())
			for _, at := range []float64{40, 100} {
				root := math.Sqrt(at)
				want := phi((drift*at-level)/root) + math.Exp(2*drift*level)*phi((-drift*at-level)/root)
				if got := c.by(at); math.Abs(got-want) > 0.015 {
					t.Errorf("drift %v, %d looks, by %v: %.4f, want %.4f", drift, looks, at, got, want)
				}
			}
		}
	}
}

// TestEventsCrossALineOneByOne compares few looks with the gamma distribution of
// the time of an event.
func TestEventsCrossALineOneByOne(t *testing.T) {
	t.Parallel()
	for _, need := range []float64{1, 3, 8} {
		for _, looks := range []int{10, 40} {
			r := straight(looks, 100, need, source{mean: 0.1, variance: 0.1, counted: true})
			c := newCurve(r.looks, r.run())
			exact := distuv.Gamma{Alpha: need, Beta: 0.1}
			for _, at := range []float64{10, 30, 100} {
				if got, want := c.by(at), exact.CDF(at); math.Abs(got-want) > 0.03 {
					t.Errorf("event %v, %d looks, by %v: %.4f, want %.4f", need, looks, at, got, want)
				}
			}
		}
	}
}

func TestNothingIsFoundBetweenLooksThatProductionDoesNotTake(t *testing.T) {
	t.Parallel()
	plain := straight(10, 100, 12, source{variance: 1})
	seldom := plain
	seldom.tick = 10 // as seldom as the looks
	often, rare := newCurve(plain.looks, plain.run()), newCurve(seldom.looks, seldom.run())
	// A random walk of ten steps passes a line that lies higher by its overshoot.
	shifted := straight(400, 100, 12+overshoot*math.Sqrt(10), source{variance: 1})
	want := newCurve(shifted.looks, shifted.run()).by(100)
	if got := rare.by(100); math.Abs(got-want) > 0.02 || often.by(100) < got+0.03 {
		t.Errorf("looked at ten times %.3f, want %.3f; always %.3f", got, want, often.by(100))
	}
}

func TestALineThatIsOffIsNotCrossed(t *testing.T) {
	t.Parallel()
	r := straight(20, 100, 5, source{mean: 1, variance: 1})
	for i := range r.lines[:15] {
		r.lines[i].on = false
	}
	crossed := r.run()
	for i, p := range crossed {
		if i < 15 && p != 0 || i >= 15 && p < 0.99 {
			t.Errorf("by look %d: %v", i, p)
		}
	}
}

func TestAllStrataAddUp(t *testing.T) {
	t.Parallel()
	// Three strata, of which the second still grows while the third does: what
	// counts is the sum, with the weight of each.
	r := race{noise: newNoise(8000, drawsPerLook*30), t: source{mean: 1, variance: 1}, c: source{mean: 2, variance: 3}}
	for i := range 30 {
		x := float64(i + 1)
		l := look{at: x, stage: min(i/10, 2)}
		for s := range l.stage + 1 {
			l.nT = append(l.nT, min(x-10*float64(s), 12))
			l.nC = append(l.nC, min(x-10*float64(s), 12))
		}
		r.looks = append(r.looks, l)
		strata := l.stage + 1
		r.lines = append(r.lines, line{on: i == 29, a: []float64{1, 2, 3}[:strata], b: []float64{-1, -1, 1}[:strata], level: 40})
	}
	last := r.looks[29]
	mean, variance := 0.0, 0.0
	for s := range 3 {
		a, b := r.lines[29].a[s], r.lines[29].b[s]
		mean += last.nT[s]*a + 2*last.nC[s]*b
		variance += last.nT[s]*a*a + 3*last.nC[s]*b*b
	}
	want := normalTail((40 - mean) / math.Sqrt(variance))
	if got := r.run()[29]; math.Abs(got-want) > 0.015 {
		t.Errorf("%.4f cross, want %.4f", got, want)
	}
}

func TestACurveIsReadInBothDirections(t *testing.T) {
	t.Parallel()
	c := curve{at: []float64{1, 2, 4, 8}, p: []float64{0, 0.2, 0.2, 0.9}}
	for at, want := range map[float64]float64{0: 0, 0.5: 0, 1: 0, 1.5: 0.1, 2: 0.2, 3: 0.2, 4: 0.2, 6: 0.55, 8: 0.9, 100: 0.9} {
		if got := c.by(at); math.Abs(got-want) > 1e-12 {
			t.Errorf("by %v: %v, want %v", at, got, want)
		}
	}
	for share, want := range map[float64]float64{0.1: 1.5, 0.2: 2, 0.55: 6, 0.9: 8} {
		if got, ok := c.when(share); !ok || math.Abs(got-want) > 1e-12 {
			t.Errorf("%v after %v, want %v", share, got, want)
		}
	}
	if at, ok := c.when(0.91); ok || !math.IsInf(at, 1) {
		t.Errorf("what never happens comes after %v", at)
	}
	if at, ok := (curve{}).when(0.5); ok || (curve{}).by(3) != 0 {
		t.Errorf("an empty curve crosses after %v", at)
	}
	if got := (Times{}); c.times() == got {
		t.Error("the times of a curve are none")
	}
}
