package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawMoments draws the moments of a few values of a skewed kind.
func drawMoments(t *rapid.T) (m Moments, values []float64) {
	values = rapid.SliceOfN(rapid.Float64Range(0, 50), 2, 40).Draw(t, "values")
	for _, x := range values {
		m.Add(x)
	}
	return m, values
}

func drawMeanArm(t *rapid.T) MeanArm {
	n := math.Floor(math.Exp(rapid.Float64Range(1, 12).Draw(t, "ln n")))
	return MeanArm{
		N:       n,
		Mean:    math.Exp(rapid.Float64Range(-2, 3).Draw(t, "ln mean")),
		Var:     math.Exp(rapid.Float64Range(-2, 6).Draw(t, "ln var")),
		NonZero: math.Floor(n * rapid.Float64Range(0, 1).Draw(t, "non-zero")),
	}
}

func drawMeans(t *rapid.T) Means {
	stratum := rapid.Custom(func(t *rapid.T) MeanStratum { return MeanStratum{T: drawMeanArm(t), C: drawMeanArm(t)} })
	return Means{Strata: rapid.SliceOfN(stratum, 1, 5).Draw(t, "strata"), MinNonZero: 1e-9}
}

// scaled multiplies every value by a constant.
func (m Means) scaled(by float64) Means {
	r := Means{MinNonZero: m.MinNonZero, Phi: m.Phi}
	for _, s := range m.Strata {
		for _, a := range []*MeanArm{&s.T, &s.C} {
			a.Mean *= by
			a.Var *= by * by
		}
		r.Strata = append(r.Strata, s)
	}
	return r
}

func TestTheUnitOfAMeanDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, dir := drawMeans(t), drawDir(t)
		logC := rapid.Float64Range(-.3, .3).Draw(t, "logC")
		other := m.scaled(math.Exp(rapid.Float64Range(-30, 30).Draw(t, "ln unit")))
		if a, b := m.LogE(logC, dir, Prior3(.1)), other.LogE(logC, dir, Prior3(.1)); !near(a, b, 1e-9) {
			t.Fatalf("%v, in another unit %v", a, b)
		}
		if a, b := m.Ratio(), other.Ratio(); !near(a, b, 1e-9) {
			t.Fatalf("ratio %v, in another unit %v", a, b)
		}
		// The bound is the same one, to the precision of a search.
		a, b := m.Bound(ln20, dir, Prior3(.1)), other.Bound(ln20, dir, Prior3(.1))
		if !near(a, b, 1e-6) {
			t.Fatalf("bound %v, in another unit %v", a, b)
		}
	})
}

func TestTheUnitOfAGaugeDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loads := rapid.SliceOfN(rapid.Float64Range(.1, 10), 60, 300).Draw(t, "loads")
		unit := math.Exp(rapid.Float64Range(-30, 30).Draw(t, "ln unit"))
		var a, b Batches
		for i, x := range loads {
			base := 1 + .5*math.Sin(float64(i))
			a.Add(math.Log(x / base))
			b.Add(math.Log(x * unit / (base * unit)))
		}
		dir := drawDir(t)
		if x, y := a.LogE(ln11, dir, Prior3(.1)), b.LogE(ln11, dir, Prior3(.1)); !near(x, y, 1e-9) {
			t.Fatalf("%v, in another unit %v", x, y)
		}
	})
}

func TestMoreOfAMeanIsMoreEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMeans(t)
		logC := rapid.Float64Range(-.3, .3).Draw(t, "logC")
		logE := func(m Means, logC float64) float64 { return m.LogE(logC, Up, Prior3(.1)) }
		before := logE(m, logC)
		more := m.scaled(1)
		more.Strata[0].T.Mean *= 1.1
		if after := logE(more, logC); after < before-1e-9*(1+math.Abs(before)) {
			t.Fatalf("with a larger mean %v, was %v", after, before)
		}
		// Where there is evidence, a wider margin takes some of it away.
		if after := logE(m, logC+.05); before > 1 && after > before+1e-9 {
			t.Fatalf("with a wider margin %v, was %v", after, before)
		}
		noisy := m.scaled(1)
		noisy.Phi = 1.5
		if after := logE(noisy, logC); before > 3 && after > before+1e-9 {
			t.Fatalf("with more dispersion %v, was %v", after, before)
		}
	})
}

func TestABoundOfAMeanAndAVerdictSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, dir, p := drawMeans(t), drawDir(t), Prior3(.1)
		threshold := math.Log(rapid.SampledFrom([]float64{20, 80, 1000}).Draw(t, "1/alpha"))
		agree(t, frontier{
			bound: m.Bound(threshold, dir, p), margin: rapid.Float64Range(-.5, .5).Draw(t, "margin"),
			threshold: threshold, dir: dir,
			logE: func(x float64) float64 { return m.LogE(x, dir, p) },
		})
	})
}

func TestABoundOfAGaugeAndAVerdictSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 40, 200).Draw(t, "values")
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		var a, b Batches
		for i, x := range values {
			if i < cut {
				a.Add(x)
			} else {
				b.Add(x)
			}
		}
		strata := []*Batches{&a, nil, &b}
		dir, p := drawDir(t), Prior3(.1)
		agree(t, frontier{
			bound: GaugeBound(strata, ln20, dir, p), margin: rapid.Float64Range(-1, 1).Draw(t, "margin"),
			threshold: ln20, dir: dir,
			logE: func(x float64) float64 { return GaugeLogE(strata, x, dir, p) },
		})
	})
}

func TestMergedMomentsAreThoseOfAllValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, x := drawMoments(t)
		b, y := drawMoments(t)
		var all Moments
		for _, v := range append(x, y...) {
			all.Add(v)
		}
		ab, ba := a, b
		ab.Merge(b)
		ba.Merge(a)
		ab.Merge(Moments{})
		for _, m := range []Moments{ab, ba} {
			if m.N != all.N || !near(m.Mean, all.Mean, 1e-12) || !near(m.Variance(), all.Variance(), 1e-9) {
				t.Fatalf("merged %+v, of all values %+v", m, all)
			}
		}
	})
}

func TestMergedCovariatesAreThoseOfAllUnits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-5, 5), 8, 60).Draw(t, "values")
		var all, a, b Covariate
		var y Moments
		theta, centre := rapid.Float64Range(-2, 2).Draw(t, "theta"), rapid.Float64Range(-2, 2).Draw(t, "centre")
		for i := range len(values) / 2 {
			x, v := values[2*i], values[2*i+1]
			all.Add(x, v)
			y.Add(v - theta*(x-centre))
			if i%3 == 0 {
				a.Add(x, v)
			} else {
				b.Add(x, v)
			}
		}
		b.Merge(a)
		got, want := b.Adjusted(theta, centre, 3), all.Adjusted(theta, centre, 3)
		if !near(got.Mean, want.Mean, 1e-9) || !near(got.Var, want.Var, 1e-9) || got.N != want.N {
			t.Fatalf("merged %+v, of all units %+v", got, want)
		}
		if !near(want.Mean, y.Mean, 1e-9) || math.Abs(want.Var-y.Variance()) > 1e-9*(1+y.Variance()) {
			t.Fatalf("from sums %+v, from adjusted values %+v", want, y)
		}
		// No slope leaves less variance than the best one.
		if best := all.Adjusted(all.Theta(), centre, 3); best.Var > want.Var*(1+1e-9)+1e-9 {
			t.Fatalf("the best slope leaves %v, another one %v", best.Var, want.Var)
		}
	})
}

func TestARatioOfSingleObservationsIsAMean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-5, 50), MinBuckets, 60).Draw(t, "values")
		ones := make([]float64, len(values))
		var m Moments
		for i, x := range values {
			ones[i] = 1
			m.Add(x)
		}
		arm := RatioArm(values, ones, 7)
		if arm.N != m.N || !near(arm.Mean, m.Mean, 1e-9) || !near(arm.Var, m.Variance(), 1e-9) || arm.NonZero != 7 {
			t.Fatalf("as a ratio %+v, as a mean %+v", arm, m)
		}
	})
}

func TestTheOrderOfBucketsDoesNotMatterToARatio(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type bucket struct{ y, n float64 }
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) bucket {
			return bucket{rapid.Float64Range(0, 9).Draw(t, "y"), float64(rapid.IntRange(0, 9).Draw(t, "n"))}
		}), 60, 80).Draw(t, "buckets")
		arm := func(list []bucket) MeanArm {
			var y, n []float64
			for _, b := range list {
				y, n = append(y, b.y), append(n, b.n)
			}
			return RatioArm(y, n, 10)
		}
		a, b := arm(list), arm(rapid.Permutation(list).Draw(t, "order"))
		if !near(a.Var, b.Var, 1e-9) || !near(a.Mean, b.Mean, 1e-9) || a.N != b.N {
			t.Fatalf("%+v, in another order %+v", a, b)
		}
	})
}

func TestADistanceOfHistogramsIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		histogram := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 500), func(i int) float64 { return float64(i) }), 3, 40)
		a, b := histogram.Draw(t, "a"), histogram.Draw(t, "b")
		a[0]++
		b[0]++
		d := KS(a, b)
		if !(d >= 0 && d <= 1) || d != KS(b, a) || KS(a, a) != 0 {
			t.Fatalf("distance %v, swapped %v, to itself %v", d, KS(b, a), KS(a, a))
		}
		last := 0.0
		for _, alpha := range []float64{.5, .05, .001} {
			lower, estimate, upper := Drift{T: a, C: b}.Bounds(alpha)
			if estimate != d || lower > d || upper < d || lower < 0 || upper > 1 || upper-lower < last-1e-12 {
				t.Fatalf("alpha %v: %v to %v around %v", alpha, lower, upper, d)
			}
			last = upper - lower
		}
		if x, y := PSI(a, b), PSI(b, a); !near(x, y, 1e-9) {
			t.Fatalf("index %v, swapped %v", x, y)
		}
	})
}
