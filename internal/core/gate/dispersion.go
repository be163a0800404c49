package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// unknownPhi is a dispersion under which nothing is evidence. It is a number,
// so that it can be stored.
const unknownPhi = math.MaxFloat64

// disperse sets the sample's dispersions. Where every request is a unit of its
// own the counts are binomial and only the floor remains.
func (g *Gate) disperse(v View, s *Sample) {
	s.Phi = g.floor(s)
	if !v.Layout.Clustered {
		return
	}
	buckets := g.buckets(v)
	if g.Kind == Quantile && !settled(buckets) {
		s.Phi, s.CeilingPhi = unknownPhi, unknownPhi
		return
	}
	if len(buckets) == 0 {
		return
	}
	s.Phi = rounded(stats.Dispersion(s.Phi, g.between(buckets)))
	s.CeilingPhi = rounded(stats.Dispersion(1, candidatePhi(buckets)))
}

// settled reports whether the dispersion of a quantile rests on enough
// requests. Those that fixed the edges are not among them, so that early on
// there would be a count of slow requests and no word yet of how few units sent
// them.
func settled(buckets []stats.Buckets) bool {
	n := 0.0
	for _, b := range buckets {
		for _, x := range b.NC {
			n += x
		}
	}
	return n >= evidence.FreezeAfter
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
func (g *Gate) floor(s *Sample) float64 {
	if g.Kind == Quantile {
		return g.Quantile
	}
	if g.Method != Ratio {
		return 1
	}
	rarest := mostCommon
	for _, slice := range s.Strata {
		if c := slice.Counts; c.NT > 0 && c.NC > 0 {
			rarest = min(rarest, c.KT/c.NT, c.KC/c.NC)
		}
	}
	if len(s.Strata) == 0 || rarest < common {
		return 1
	}
	return rounded(1 - rarest)
}

// between is the dispersion between units of the contrast that the gate tests.
func (g *Gate) between(buckets []stats.Buckets) float64 {
	switch g.Method {
	case Difference:
		return stats.DiffPhi(buckets, g.Slope)
	case Ignore: // The level is a test of the candidate alone.
		return max(scorePhi(buckets, g.margin()), candidatePhi(buckets))
	}
	return scorePhi(buckets, g.margin())
}

// scorePhi is the dispersion between units of the conditional score at the log
// ratio lam0 of the margin,
//
//	u_j = sum_s (1-theta_s)(k_Tsj - p_Ts n_Tsj) - theta_s (k_Csj - p_Cs n_Csj)
//	phi = J/(J-1) sum_j u_j^2 / sum_s [ (1-theta_s)^2 K_Ts + theta_s^2 K_Cs ],
//
// each arm's events weighing as they do at the margin. At the estimate instead
// (STATISTICS 3.6) the arm with most of the events would weigh least: one unit
// with thirty errors at the candidate against a clean baseline would count as
// thirty units. In expectation both are the same at the margin, where a false
// alarm is made.
func scorePhi(strata []stats.Buckets, lam0 float64) float64 {
	var scores [split.Buckets]float64
	model := 0.0
	for i := range strata {
		b := &strata[i]
		nT, kT, nC, kC := sum(b.NT), sum(b.KT), sum(b.NC), sum(b.KC)
		if nT <= 0 || nC <= 0 {
			continue
		}
		theta := 1 / (1 + math.Exp(-lam0)*nC/nT)
		model += (1-theta)*(1-theta)*kT + theta*theta*kC
		pT, pC := kT/nT, kC/nC
		for j := range scores {
			scores[j] += (1-theta)*(b.KT[j]-pT*b.NT[j]) - theta*(b.KC[j]-pC*b.NC[j])
		}
	}
	if model == 0 {
		return 1
	}
	squares := 0.0
	for _, u := range scores {
		squares += u * u
	}
	return split.Buckets / (split.Buckets - 1.0) * squares / model
}

func sum(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total
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
		var b stats.Buckets
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
		for i := range n {
			n[i] += b.NT[i]
			k[i] += b.KT[i]
		}
	}
	return stats.BernoulliPhi(k[:], n[:])
}
