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
func (g *Gate) disperse(v View, s *Sample, grouped bool) {
	if !grouped {
		s.Dispersion = Dispersion{Phi: g.floor(s.Strata), CeilingPhi: 1}
		if g.Method == Ratio && g.Kind == Rate {
			s.eachStage(func(stage, first, last int) Dispersion {
				return Dispersion{Stage: stage, Phi: g.floor(s.Strata[first:last]), CeilingPhi: 1}
			})
		}
		return
	}
	spreads := g.spreads(v)
	s.Dispersion = g.dispersion(s.Strata, spreads, spreads)
	s.eachStage(func(stage, first, last int) Dispersion {
		d := g.dispersion(s.Strata[first:last], spreads[first:last], spreads)
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

// dispersion is that of some strata together, of all that there are.
func (g *Gate) dispersion(strata []Slice, some, all []spread) Dispersion {
	fail, pass := sandwich(some)
	if g.Worse == stats.Down {
		fail, pass = pass, fail
	}
	d := Dispersion{Phi: max(g.floor(strata), fail), PassPhi: max(g.floor(strata), pass), CeilingPhi: 1}
	if len(g.Ceilings) > 0 || g.Method == Ignore {
		d.CeilingPhi = max(1, candidatePhi(some))
	}
	if g.Method == Ignore { // The level is a test of the candidate alone.
		d.Phi, d.PassPhi = max(d.Phi, d.CeilingPhi), max(d.PassPhi, d.CeilingPhi)
	}
	if g.Kind == Quantile && slices.ContainsFunc(some, spread.young) {
		widest := widestPhi(all)
		d.Phi, d.PassPhi, d.CeilingPhi = max(d.Phi, widest), max(d.PassPhi, widest), max(d.CeilingPhi, widest)
	}
	d.Phi, d.PassPhi, d.CeilingPhi = rounded(d.Phi), rounded(d.PassPhi), rounded(d.CeilingPhi)
	return d
}

// widestPhi is the largest dispersion of either arm in any stratum that is old
// enough to have one. Until a young stratum can speak for itself, its slow
// requests count as if they came from units as different as that.
func widestPhi(all []spread) float64 {
	widest := 0.0
	for i := range all {
		if !all[i].young() {
			widest = max(widest, 1, armPhi(all[i].candidate), armPhi(all[i].baseline))
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

// spreads returns the scores of each stratum; for a quantile those at the
// stratum's frozen edge.
func (g *Gate) spreads(v View) []spread {
	var out []spread
	v.active(g, func(_ int, s *evidence.Stratum) {
		out = append(out, spread{candidate: g.tally(s, split.Candidate), baseline: g.tally(s, split.Baseline)})
	})
	for i := range out {
		if out[i].comparable() {
			out[i].score(g)
		}
	}
	return out
}

// tally is what an arm is counted by, or nil where it is not counted by unit.
func (g *Gate) tally(s *evidence.Stratum, arm split.Arm) *evidence.Tally {
	side := &s.Sides[arm]
	if g.Kind == Rate {
		return byUnit(g.counted(s, arm))
	}
	if s.Edges == nil || g.Tail >= len(side.Tails) {
		return nil
	}
	return byUnit(&side.Tails[g.Tail])
}

func byUnit(t *evidence.Tally) *evidence.Tally {
	if t.Buckets == nil {
		return nil
	}
	return t
}

// candidatePhi is the dispersion of the candidate's own rate over some strata.
func candidatePhi(some []spread) float64 {
	tallies := make([]*evidence.Tally, len(some))
	for i := range some {
		tallies[i] = some[i].candidate
	}
	return armPhi(tallies...)
}

// armPhi is the dispersion of the rate of an arm.
func armPhi(tallies ...*evidence.Tally) float64 {
	var n, k [split.Buckets]float64
	for _, t := range tallies {
		if t == nil {
			continue
		}
		for i := range n {
			n[i] += float64(t.Buckets.N[i])
			k[i] += float64(t.Buckets.K[i])
		}
	}
	return stats.BernoulliPhi(k[:], n[:])
}
