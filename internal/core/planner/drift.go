package planner

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A drift is judged by bands around two distributions, which are far wider than
// what chance does to their distance: nearly all rollouts find the same distance
// at the same moment.

// bands are the sum of the half-widths around both arms, of one stage's samples.
func bands(nT, nC, alpha float64) float64 {
	constant := stats.DKWConstant(alpha / 2)
	return stats.DKWBand(nT, constant) + stats.DKWBand(nC, constant)
}

// failLevel is the level of the band of one stage (package gate).
func (m *measure) failLevel() float64 {
	return m.plan.Alpha * m.gate.Share / float64(len(m.plan.Stages)-m.gate.From)
}

// chance is the distance that two samples without any difference have: the mean
// of Kolmogorov's distribution.
func chance(nT, nC float64) float64 { return 0.8687 * math.Sqrt(1/nT+1/nC) }

// driftFails is the curve of the rollouts that find a distance.
func (m *measure) driftFails(t timeline, distance float64) curve {
	return m.steps(t, func(nT, nC float64) bool { return distance-bands(nT, nC, m.failLevel()) > m.gate.Margin })
}

// driftPasses is the curve of the rollouts that find no distance.
func (m *measure) driftPasses(t timeline) curve {
	return m.steps(t, func(nT, nC float64) bool {
		return chance(nT, nC)+bands(nT, nC, m.plan.Alpha) < m.gate.Margin
	})
}

// steps is the curve that is 1 from the first look on at which a stage's samples
// are enough.
func (m *measure) steps(t timeline, enough func(nT, nC float64) bool) curve {
	c := curve{at: []float64{0}, p: []float64{0}}
	done := 0.0
	for _, p := range t {
		for _, l := range m.looks(t, p, span{0, p.length}) {
			if p.stage >= m.gate.From && enough(l.nT[p.stage], l.nC[p.stage]) {
				done = 1
			}
			c.at, c.p = append(c.at, l.at), append(c.p, done)
		}
	}
	return c
}

// ends are the bands at the end of each stage at a level.
func (f *forecast) driftBand(m *measure, stage int, alpha float64) float64 {
	p := f.calm[stage]
	l := m.look(f.calm, p, p.length)
	return bands(l.nT[stage], l.nC[stage], alpha)
}

// driftCatches are the smallest distances that are found by each stage's end.
func (f *forecast) driftCatches(m *measure) []Powered {
	out := make([]Powered, len(f.calm))
	least := math.Inf(1)
	for i := range f.calm {
		if !f.compares(m, i) {
			continue
		}
		if least = min(least, m.gate.Margin+f.driftBand(m, i, m.failLevel())); least < 1 {
			c := m.change(least)
			out[i] = Powered{&c, &c}
		}
	}
	return out
}

// driftProves are the smallest distances that are excluded at a stage's end.
func (f *forecast) driftProves(m *measure, stage int) Powered {
	p := f.calm[stage]
	l := m.look(f.calm, p, p.length)
	if d := f.driftBand(m, stage, m.plan.Alpha) + chance(l.nT[stage], l.nC[stage]); d < 1 {
		c := m.change(d)
		return Powered{&c, &c}
	}
	return Powered{}
}
