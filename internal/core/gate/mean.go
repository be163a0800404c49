package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// meanSlice is one stratum of a mean: the moments of both arms. Its counts are
// the observations and those of them that are not zero.
func (g *Gate) meanSlice(s *evidence.Stratum, grouped bool) Slice {
	t, c := tellable(g.meanArm(&s.Sides[split.Candidate], grouped)), tellable(g.meanArm(&s.Sides[split.Baseline], grouped))
	return Slice{
		Counts: stats.Stratum{NT: t.N, KT: t.NonZero, NC: c.N, KC: c.NonZero},
		Means:  &stats.MeanStratum{T: t, C: c},
	}
}

// tellable is an arm of numbers, or one that has nothing where a sum went beyond
// them: what cannot be compared is no data.
func tellable(a stats.MeanArm) stats.MeanArm {
	for _, x := range []float64{a.N, a.Mean, a.Var, a.NonZero} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return stats.MeanArm{}
		}
	}
	if a.N < 0 || a.Var < 0 {
		return stats.MeanArm{}
	}
	return a
}

// possible reports whether moments can be those of numbers.
func possible(m stats.Moments) bool {
	return m.N >= 0 && m.M2 >= 0 && !math.IsInf(m.N, 0) && !math.IsInf(m.M2, 0) && !math.IsNaN(m.Mean) && !math.IsInf(m.Mean, 0)
}

// meanArm is one arm of a mean. Where a unit or an answer has many observations
// their mean is a ratio of two sums, and its variance is that between units.
func (g *Gate) meanArm(side *evidence.Side, grouped bool) stats.MeanArm {
	v, nonZero := &side.Values[g.Series], float64(side.Values[g.Series].NonZero)
	if v.Sums == nil || !grouped {
		m := v.Moments
		if !possible(m) {
			return stats.MeanArm{}
		}
		if g.PerExposure {
			m = amongAll(m, float64(side.Rates[g.Exposures].N))
		}
		return stats.MeanArm{N: m.N, Mean: m.Mean, Var: m.Variance(), NonZero: nonZero}
	}
	n := g.groups(side)
	return stats.RatioArm(v.Sums.Y[:], n[:], nonZero)
}

// groups are the observations of each hash bucket.
func (g *Gate) groups(side *evidence.Side) [split.Buckets]float64 {
	n := side.Values[g.Series].Sums.N
	if exposed := side.Rates[g.Exposures].Buckets; g.PerExposure && exposed != nil {
		for i := range n {
			n[i] = float64(exposed.N[i])
		}
	}
	return n
}

// disperseMean sets the dispersions of a mean: by how much its variance grows
// because units are seen in several strata. That between the units of a stratum
// is in the variances of the arms already.
func (g *Gate) disperseMean(v View, s *Sample) {
	var all []stats.RatioBuckets
	v.active(g, func(_ int, stratum *evidence.Stratum) {
		t, c := &stratum.Sides[split.Candidate], &stratum.Sides[split.Baseline]
		if t.Values[g.Series].Sums == nil || c.Values[g.Series].Sums == nil {
			all = append(all, stats.RatioBuckets{})
			return
		}
		ofT, ofC := g.groups(t), g.groups(c)
		all = append(all, stats.RatioBuckets{
			TY: t.Values[g.Series].Sums.Y[:], TN: ofT[:], CY: c.Values[g.Series].Sums.Y[:], CN: ofC[:],
		})
	})
	s.Dispersion = Dispersion{Phi: rounded(stats.RatioPhi(all, g.margin())), CeilingPhi: 1}
	s.eachStage(func(stage, first, last int) Dispersion {
		return Dispersion{Stage: stage, Phi: rounded(stats.RatioPhi(all[first:last], g.margin())), CeilingPhi: 1}
	})
}

// amongAll are the moments of a sum that is reported for some of n exposures and
// is zero for the others.
func amongAll(m stats.Moments, n float64) stats.Moments {
	m.Merge(stats.Moments{N: max(n-m.N, 0)})
	return m
}

// means returns the moments of one stage, or of all.
func (s *Sample) means(stage int) stats.Means {
	out := stats.Means{Phi: s.at(stage).Phi}
	for _, slice := range s.Strata {
		if (stage < 0 || slice.Stage == stage) && slice.Means != nil {
			out.Strata = append(out.Strata, *slice.Means)
		}
	}
	return out
}

// meanTest is that of means, on the scale of their log-ratio.
type meanTest struct {
	*Gate
	stats.Means
}

func (t meanTest) fail(x float64) float64 { return t.LogE(x, t.Worse, t.failPrior()) }
func (t meanTest) pass(x float64) float64 { return t.LogE(x, -t.Worse, t.passPrior()) }
func (t meanTest) estimate() float64      { return math.Log(t.Ratio()) }

// logMeanLimit is the log e-value that the candidate's mean lies beyond a limit,
// on the side of dir: a normal mixture on its distance in units of the limit.
func logMeanLimit(m stats.Means, limit float64, dir stats.Dir) float64 {
	var n, sum, variance, nonZero float64
	for _, s := range m.Strata {
		n += s.T.N
		sum += s.T.N * s.T.Mean
		variance += s.T.N * s.T.Var
		nonZero += s.T.NonZero
	}
	if nonZero < stats.MinNonZero || n < 2 {
		return 0
	}
	return logLimit(sum/n, variance/(n*n), limit, dir)
}

// logLimit is the log e-value that a mean with a variance lies beyond a limit.
func logLimit(mean, variance, limit float64, dir stats.Dir) float64 {
	if !(variance > 0) || limit == 0 {
		return 0
	}
	z := float64(dir) * (mean - limit) / math.Sqrt(variance)
	return stats.LogENormalMix(z, limit*limit/variance, stats.Prior3(levelPrior))
}
