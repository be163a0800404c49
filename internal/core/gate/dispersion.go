package gate

import (
	"math"
	"slices"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// unknownPhi is a dispersion under which nothing is evidence. It is a number,
// so that it can be stored.
const unknownPhi = math.MaxFloat64

// disperse sets the sample's dispersions: that of all strata together, and of
// each stage by itself. A unit that moves from the baseline to the candidate as
// the weight grows weighs on both sides of the whole, where it cancels, and on
// one side of each stage, where it does not.
func (g *Gate) disperse(v View, s *Sample) {
	if !v.Layout.Clustered {
		s.Dispersion = Dispersion{Phi: g.floor(s.Strata), CeilingPhi: 1}
		if g.Method == Ratio && g.Kind == Rate {
			s.eachStage(func(stage, first, last int) Dispersion {
				return Dispersion{Stage: stage, Phi: g.floor(s.Strata[first:last]), CeilingPhi: 1}
			})
		}
		return
	}
	buckets := g.buckets(v)
	s.Dispersion = g.dispersion(s.Strata, buckets, buckets)
	s.eachStage(func(stage, first, last int) Dispersion {
		d := g.dispersion(s.Strata[first:last], buckets[first:last], buckets)
		d.Stage = stage
		return d
	})
}

// eachStage sets the dispersion of each stage, given its number and its strata.
func (s *Sample) eachStage(of func(stage, first, last int) Dispersion) {
	for first := 0; first < len(s.Strata); {
		stage, last := s.Strata[first].Stage, first+1
		for last < len(s.Strata) && s.Strata[last].Stage == stage {
			last++
		}
		s.Stages = append(s.Stages, of(stage, first, last))
		first = last
	}
}

// dispersion is that of some strata together; all are the buckets of every
// stratum.
func (g *Gate) dispersion(strata []Slice, buckets, all []stats.Buckets) Dispersion {
	d := Dispersion{
		Phi:        stats.Dispersion(g.floor(strata), g.between(buckets)),
		CeilingPhi: stats.Dispersion(1, candidatePhi(buckets)),
	}
	if g.Kind == Quantile && slices.ContainsFunc(buckets, young) {
		widest := widestPhi(all)
		d.Phi, d.CeilingPhi = max(d.Phi, widest), max(d.CeilingPhi, widest)
	}
	d.Phi, d.CeilingPhi = rounded(d.Phi), rounded(d.CeilingPhi)
	return d
}

// young reports whether the dispersion of a quantile in a stratum does not rest
// on enough requests yet. Those that fixed the edges are not among them, so that
// at first there is a count of slow requests and no word of how few units sent
// them.
func young(b stats.Buckets) bool { return sum(b.NC) < evidence.FreezeAfter }

// widestPhi is the largest dispersion of either arm in any stratum that is old
// enough to have one. Until a young stratum can speak for itself, its slow
// requests count as if they came from units as different as that.
func widestPhi(all []stats.Buckets) float64 {
	widest := 0.0
	for _, b := range all {
		if !young(b) {
			widest = max(widest, 1, stats.BernoulliPhi(b.KT, b.NT), stats.BernoulliPhi(b.KC, b.NC))
		}
	}
	if widest == 0 {
		return unknownPhi
	}
	return widest
}

// rounded rounds a dispersion up to seven binary digits. It is an estimate, and
// so one that stands still from tick to tick: finished stages need not be judged
// again.
func rounded(phi float64) float64 {
	if !(phi < 1e99) {
		return unknownPhi
	}
	fraction, exponent := math.Frexp(phi)
	return math.Ldexp(math.Ceil(fraction*128)/128, exponent)
}

// Events as frequent as this are no longer near Poisson, and no rate below
// mostCommon is taken for more frequent than it is.
const (
	common     = 0.1
	mostCommon = 0.5
)

// floor is the least dispersion. Conditioning on the events treats them as
// rare; where they are not, the binomial variance is smaller by one less the
// rate, which for exceedances of a quantile is known beforehand (STATISTICS
// 3.2, 3.3). Of rates that differ between strata or arms the rarest counts, so
// that no stage is judged by the frequency of another.
func (g *Gate) floor(strata []Slice) float64 {
	if g.Kind == Quantile {
		return g.Quantile
	}
	if g.Method != Ratio {
		return 1
	}
	rarest := mostCommon
	for _, slice := range strata {
		if c := slice.Counts; c.NT > 0 && c.NC > 0 {
			rarest = min(rarest, c.KT/c.NT, c.KC/c.NC)
		}
	}
	if len(strata) == 0 || rarest < common {
		return 1
	}
	return rounded(1 - rarest)
}

// between is the dispersion between units of the contrast that the gate tests.
func (g *Gate) between(buckets []stats.Buckets) float64 {
	switch g.Method {
	case Difference:
		return sandwich(buckets, func(s stats.Stratum) contrast { return differenceScore(s, g.Slope) })
	case Ignore: // The level is a test of the candidate alone.
		return max(sandwich(buckets, g.ratioScore), candidatePhi(buckets))
	}
	return sandwich(buckets, g.ratioScore)
}

// buckets returns the bad events and exposures by hash bucket, stratum by
// stratum; for a quantile those at the stratum's frozen edge. What is not known
// is empty.
func (g *Gate) buckets(v View) []stats.Buckets {
	var out []stats.Buckets
	v.active(g, func(_ int, s *evidence.Stratum) {
		var b stats.Buckets
		t, c := g.tally(s, split.Candidate), g.tally(s, split.Baseline)
		if t != nil && c != nil && t.Buckets != nil && c.Buckets != nil {
			b.NT, b.KT = bucketCounts(t, g.Complement)
			b.NC, b.KC = bucketCounts(c, g.Complement)
		}
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
	room := make([]float64, 2*split.Buckets)
	n, k = room[:split.Buckets:split.Buckets], room[split.Buckets:]
	for i := range n {
		n[i], k[i] = float64(t.Buckets.N[i]), float64(t.Buckets.K[i])
		if complement {
			k[i] = n[i] - k[i]
		}
	}
	return n, k
}

// candidatePhi is the dispersion of the candidate's own rate over all strata.
func candidatePhi(buckets []stats.Buckets) float64 {
	var n, k [split.Buckets]float64
	for _, b := range buckets {
		for i := range b.NT {
			n[i] += b.NT[i]
			k[i] += b.KT[i]
		}
	}
	return stats.BernoulliPhi(k[:], n[:])
}
