package gate

import (
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The values of one answer resemble each other, and so do those of one user. The
// band around a distribution is for independent observations, so a stage counts
// for as many of them as its values are worth.

// disperseDrift sets the dispersion of each stage of a drift: the largest of
// either arm at any edge of the bins.
func (g *Gate) disperseDrift(v View, s *Sample) {
	var values [split.Arms][]*evidence.Value
	v.active(g, func(_ int, stratum *evidence.Stratum) {
		for arm := range values {
			values[arm] = append(values[arm], &stratum.Sides[arm].Values[g.Series])
		}
	})
	s.Dispersion = Dispersion{Phi: 1, CeilingPhi: 1}
	s.eachStage(func(stage, first, last int) Dispersion {
		d := Dispersion{Stage: stage, Phi: 1, CeilingPhi: 1}
		for arm := range values {
			d.Phi = max(d.Phi, binsPhi(values[arm][first:last]))
		}
		if d.Phi > 1 {
			d.Phi = rounded(d.Phi)
		}
		return d
	})
}

// binsPhi is the dispersion of a distribution: by how much the variance of the
// share below an edge, estimated between hash buckets, is above that of as many
// independent observations, at the edge at which it is largest. With n values, of
// which those that came alone count as independent, and of the others k_j of m_j
// below the edge in bucket j,
//
//	phi = ((n - m) p (1-p) + m^2 V) / (n p (1-p)),
//
// V being the variance of their share by stats.RatioArm and p the share of all.
// Too few buckets to tell leave no evidence.
func binsPhi(values []*evidence.Value) float64 {
	total, grouped, ok := pooled(values)
	if !ok {
		return unknownPhi
	}
	if grouped == nil {
		return 1
	}
	var below, sizes [split.Buckets]float64
	n, m := 0.0, 0.0
	for _, count := range total {
		n += count
	}
	bins := len(total)
	for j := range sizes {
		for _, count := range grouped[j*bins : (j+1)*bins] {
			sizes[j] += count
		}
		m += sizes[j]
	}
	phi, k := 1.0, 0.0
	for edge := range bins - 1 {
		k += total[edge]
		for j := range below {
			below[j] += grouped[j*bins+edge]
		}
		arm := stats.RatioArm(below[:], sizes[:], 0)
		if arm.N == 0 {
			return unknownPhi
		}
		if independent := k / n * (n - k); independent > 0 {
			phi = max(phi, ((n-m)*(k/n)*(1-k/n)+m*arm.Var)/independent)
		}
	}
	return phi
}

// pooled adds up the bins of some strata, and those of the grouped observations by
// bucket; nil where there are none. Bins of other edges are left out. It reports
// false where the groups are not those of the bins.
func pooled(values []*evidence.Value) (total, grouped []float64, ok bool) {
	for _, v := range values {
		if v.Bins == nil || total != nil && len(v.Bins) != len(total) {
			continue
		}
		total = plus(total, floats(v.Bins))
		if v.Spread != nil {
			if len(v.Spread) != split.Buckets*len(v.Bins) {
				return nil, nil, false
			}
			grouped = plus(grouped, floats(v.Spread))
		}
	}
	return total, grouped, true
}

// Readings are what was read of the gate's output, by arm, over all strata at which
// it is active; nil for a gate that is on no output.
func (g *Gate) Readings(v View) *[split.Arms]evidence.OutputCount {
	at := g.Output - 1
	if at < 0 {
		return nil
	}
	var out [split.Arms]evidence.OutputCount
	v.active(g, func(_ int, s *evidence.Stratum) {
		for arm := range out {
			if side := &s.Sides[arm]; at < len(side.Outputs) {
				out[arm].Add(side.Outputs[at])
			}
		}
	})
	return &out
}

// grouped reports whether observations come in groups, so that only the variance
// between hash buckets tells how much they say.
func (g *Gate) grouped(v View) bool {
	if v.Layout.Clustered || g.Output == 0 {
		return v.Layout.Clustered
	}
	for _, count := range g.Readings(v) {
		if count.Values > count.Answers {
			return true
		}
	}
	return false
}
