package gate

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A covariate was known of a unit before its exposure, so the candidate cannot
// have changed it: what the arms differ in it is chance, and what chance did to
// the metric by way of it is taken back (STATISTICS 3.11). A slope that followed
// the data that it is applied to would fit the difference itself, so it comes from
// the baseline's earlier strata; the first stratum has none.

// slopes are those of the strata, by which their covariate is taken back.
func (g *Gate) slopes(v View) map[*evidence.Stratum]float64 {
	if g.Kind != Mean || !g.Covariate || g.PerExposure {
		return nil
	}
	out := make(map[*evidence.Stratum]float64, len(v.Evidence.Strata))
	var before stats.Covariate
	for _, s := range v.Evidence.Strata {
		if s == nil {
			continue
		}
		out[s] = before.Theta()
		if c := s.Sides[split.Baseline].Values[g.Series].Covariate; c != nil {
			before.Merge(*c)
		}
	}
	return out
}

// adjustment is how values are adjusted: less slope times what the covariate lies
// above centre.
type adjustment struct {
	slope, centre float64
	grouped       bool
}

// adjust takes the covariate of a stratum back, if all that was observed has one.
func (g *Gate) adjust(slice *Slice, s *evidence.Stratum, by adjustment) {
	t, c := &s.Sides[split.Candidate].Values[g.Series], &s.Sides[split.Baseline].Values[g.Series]
	if !covers(t) || !covers(c) {
		return
	}
	by.centre = stats.MeanX(*t.Covariate, *c.Covariate)
	plain := slice.Means.T
	slice.Plain, slice.Means = &plain, &stats.MeanStratum{T: by.arm(t), C: by.arm(c)}
}

// covers reports whether every observation has a covariate.
func covers(v *evidence.Value) bool {
	return v.Covariate != nil && v.Covariate.N == v.Moments.N && (v.Sums == nil || v.Sums.X != nil)
}

// arm are the adjusted moments of an arm. Where a unit has many observations their
// variance is that between units, as it is without a covariate.
func (a adjustment) arm(v *evidence.Value) stats.MeanArm {
	nonZero := float64(v.NonZero)
	if v.Sums == nil || !a.grouped {
		return v.Covariate.Adjusted(a.slope, a.centre, nonZero)
	}
	y := v.Sums.Y
	for i := range y {
		y[i] -= a.slope * (v.Sums.X[i] - a.centre*v.Sums.N[i])
	}
	return stats.RatioArm(y[:], v.Sums.N[:], nonZero)
}

// plain returns the moments of one stage, or of all, as they are. The level of an
// adjusted arm varies with the other's, which a limit on the candidate alone does
// not see.
func (s *Sample) plain(stage int) stats.Means {
	var out stats.Means
	for _, slice := range s.Strata {
		if stage >= 0 && slice.Stage != stage || slice.Means == nil {
			continue
		}
		m := *slice.Means
		if slice.Plain != nil {
			m.T = *slice.Plain
		}
		out.Strata = append(out.Strata, m)
	}
	return out
}
