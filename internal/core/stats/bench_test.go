package stats

import (
	"math"
	"testing"
)

// benchCounts returns a rollout's counts after n strata: half a percent of
// errors, the ladder 1, 5, 10, 25, 50 %.
func benchCounts(n int) Counts {
	var c Counts
	for _, w := range []float64{.01, .05, .10, .25, .50}[5-n:] {
		const total = 100_000
		c.Strata = append(c.Strata, Stratum{
			NT: total * w, KT: math.Round(total * w * .0055),
			NC: total * (1 - w), KC: math.Round(total * (1 - w) * .005),
		})
	}
	return c
}

var sink float64

func BenchmarkLogERatio(b *testing.B) {
	for _, strata := range []struct {
		name string
		n    int
	}{{"1 stratum", 1}, {"4 strata", 4}, {"5 strata", 5}} {
		b.Run(strata.name, func(b *testing.B) {
			c, p := benchCounts(strata.n), Prior3(.5)
			b.ReportAllocs()
			for b.Loop() {
				sink = c.LogERatio(ln12, Up, p)
			}
		})
	}
}

func BenchmarkLogEDiff(b *testing.B) {
	for _, strata := range []struct {
		name string
		n    int
	}{{"1 stratum", 1}, {"5 strata", 5}} {
		for _, dir := range []Dir{Up, Down} {
			b.Run(strata.name+" "+dir.String(), func(b *testing.B) {
				c, p := benchCounts(strata.n), Prior3(.005)
				b.ReportAllocs()
				for b.Loop() {
					sink = c.LogEDiff(.005, 1, dir, p)
				}
			})
		}
	}
}

func BenchmarkLogEIgnoreFail(b *testing.B) {
	c, p := benchCounts(5), Prior3(.5)
	b.ReportAllocs()
	for b.Loop() {
		sink = c.LogEIgnoreFail(ln12, .001, p)
	}
}

func BenchmarkRatioBound(b *testing.B) {
	c, p := benchCounts(5), Prior3(.5)
	b.ReportAllocs()
	for b.Loop() {
		sink = c.RatioBound(ln20, Up, p)
	}
}

func BenchmarkDiffBound(b *testing.B) {
	c, p := benchCounts(5), Prior3(.005)
	b.ReportAllocs()
	for b.Loop() {
		sink = c.DiffBound(1, ln20, Down, p)
	}
}

// BenchmarkGate is what a tick works out for one gate of a rollout in its fifth
// stage: pooled fail, five stages' fails, pass.
func BenchmarkGate(b *testing.B) {
	c := benchCounts(5)
	for _, gate := range []struct {
		name       string
		fail, pass func(c Counts) float64
	}{
		{
			"ratio",
			func(c Counts) float64 { return c.LogERatio(ln12, Up, Prior3(.5)) },
			func(c Counts) float64 { return c.LogERatio(ln12, Down, Prior3(ln12)) },
		},
		{
			"difference",
			func(c Counts) float64 { return c.LogEDiff(.005, 1, Up, Prior3(.005)) },
			func(c Counts) float64 { return c.LogEDiff(.005, 1, Down, Prior3(.005)) },
		},
		{
			"ignoreBelow",
			func(c Counts) float64 { return c.LogEIgnoreFail(ln12, .001, Prior3(.5)) },
			func(c Counts) float64 { return c.LogEIgnorePass(ln12, .001, Prior3(ln12)) },
		},
	} {
		b.Run(gate.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = evidence(c.Strata, 5, gate.fail) + gate.pass(c)
			}
		})
	}
}

func BenchmarkDispersion(b *testing.B) {
	d := newDraw(1, 1)
	var strata []Buckets
	for range 5 {
		var s Buckets
		s.KT, s.NT = even(d.Rand, 5000, .01)
		s.KC, s.NC = even(d.Rand, 5000, .01)
		strata = append(strata, s)
	}
	for name, f := range map[string]func() float64{
		"ratio":      func() float64 { return ScorePhi(strata, ln12) },
		"difference": func() float64 { return DiffPhi(strata, 1) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = f()
			}
		})
	}
}

func BenchmarkMeans(b *testing.B) {
	var m Means
	for range 5 {
		m.Strata = append(m.Strata, skewed)
	}
	b.ReportAllocs()
	for b.Loop() {
		sink = m.LogE(-.02, Down, Prior3(.1))
	}
}

func BenchmarkGauge(b *testing.B) {
	var strata []*Batches
	for range 5 {
		x := &Batches{}
		for i := range 700 {
			x.Add(math.Sin(float64(i)))
		}
		strata = append(strata, x)
	}
	b.ReportAllocs()
	for b.Loop() {
		sink = GaugeLogE(strata, .1, Up, Prior3(.1))
	}
}

func BenchmarkRatioArm(b *testing.B) {
	y, n := make([]float64, 256), make([]float64, 256)
	for j := range y {
		y[j], n[j] = float64(j%17), 30
	}
	b.ReportAllocs()
	for b.Loop() {
		sink = RatioArm(y, n, 1000).Var
	}
}

func BenchmarkDrift(b *testing.B) {
	d := Drift{T: make([]float64, 50), C: make([]float64, 50)}
	for i := range d.T {
		d.T[i], d.C[i] = 100, float64(90+i)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, sink, _ = d.Bounds(.05)
	}
}

func BenchmarkCrossing(b *testing.B) {
	c, g := NewCrossing(Prior3(.5), ln20), perRequest(.1, .01, .005).RatioGrowth(ln12, Up)
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			c = NewCrossing(Prior3(.5), ln20)
		}
	})
	b.Run("requests", func(b *testing.B) {
		for b.Loop() {
			sink = c.Requests(g, .8)
		}
	})
	b.Run("growth", func(b *testing.B) {
		for b.Loop() {
			sink = perRequest(.1, .01, .005).DiffGrowth(.001, 1, Up).Info
		}
	})
}
