package gate

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// disperse sets the sample's dispersions. Where every request is a unit of its
// own the counts are binomial and only the floor remains.
func (g *Gate) disperse(v View, s *Sample) {
	s.Phi = g.floor(s.countsWith(1))
	if !v.Layout.Clustered {
		return
	}
	buckets := g.buckets(v)
	if len(buckets) == 0 {
		return
	}
	s.Phi = stats.Dispersion(s.Phi, g.between(s, buckets))
	s.CeilingPhi = stats.Dispersion(1, ceilingPhi(buckets))
}

// floor is the least dispersion. Conditioning on the events treats them as
// rare; where they are not, the binomial variance is smaller by one less the
// rate, which for exceedances of a quantile is known beforehand (STATISTICS
// 3.2, 3.3).
func (g *Gate) floor(c stats.Counts) float64 {
	switch {
	case g.Kind == Quantile:
		return g.Quantile
	case g.Method == Ratio:
		return c.PhiFloor()
	}
	return 1
}

// between is the dispersion between units of the contrast that the gate tests.
func (g *Gate) between(s *Sample, buckets []stats.Buckets) float64 {
	if g.Method == Difference {
		return stats.DiffPhi(buckets, g.Slope)
	}
	return stats.SandwichPhi(buckets, s.countsWith(1).RatioMLE())
}

// buckets returns the bad events and exposures by hash bucket, stratum by
// stratum; for a quantile those at the stratum's frozen edge.
func (g *Gate) buckets(v View) []stats.Buckets {
	var out []stats.Buckets
	v.active(g, func(_ int, s *evidence.Stratum) {
		t, c := g.tally(s, split.Candidate), g.tally(s, split.Baseline)
		if t == nil || c == nil || t.Buckets == nil || c.Buckets == nil {
			return
		}
		b := stats.Buckets{}
		b.NT, b.KT = bucketCounts(t, g.Complement)
		b.NC, b.KC = bucketCounts(c, g.Complement)
		out = append(out, b)
	})
	return out
}

func (g *Gate) tally(s *evidence.Stratum, arm split.Arm) *evidence.Tally {
	if g.Kind == Rate {
		return &s.Sides[arm].Rates[g.Series]
	}
	if s.Edges == nil || g.Tail >= len(s.Sides[arm].Tails) {
		return nil
	}
	return &s.Sides[arm].Tails[g.Tail]
}

func bucketCounts(t *evidence.Tally, complement bool) (n, k []float64) {
	n, k = make([]float64, split.Buckets), make([]float64, split.Buckets)
	for i := range n {
		n[i], k[i] = float64(t.Buckets.N[i]), float64(t.Buckets.K[i])
		if complement {
			k[i] = n[i] - k[i]
		}
	}
	return n, k
}

// ceilingPhi is the dispersion of the candidate's own rate over all strata.
func ceilingPhi(buckets []stats.Buckets) float64 {
	n, k := make([]float64, split.Buckets), make([]float64, split.Buckets)
	for _, b := range buckets {
		for i := range n {
			n[i] += b.NT[i]
			k[i] += b.KT[i]
		}
	}
	return stats.BernoulliPhi(k, n)
}
