package gate

import (
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Distribution is what a drift compares, arm by arm, for people: what moved, and
// not only how far. Nothing is decided by it.
type Distribution struct {
	Stage int `json:"stage"` // of the plan
	// Bins are all there are, from the lowest to the highest. There are at most
	// two for each of the compiled ones, and two for what the baseline never had.
	Bins []Bin `json:"bins"`
	// Read is what was found of the output at this stage, by arm.
	Read [split.Arms]evidence.OutputCount `json:"read"`
	// PSI is stats.PSI for as many independent values as there are in effect; NaN
	// where that is not known.
	PSI float64 `json:"-"`
}

// Bin is one bin of a distribution: the values from Low and below High.
type Bin struct {
	Low  float64 `json:"low"`  // -Inf in the first bin
	High float64 `json:"high"` // +Inf in the last one
	// Name is the label that is the only value of the bin, where a gate on a class
	// names it. Of other texts only a hash is known.
	Name   string             `json:"name,omitempty"`
	Counts [split.Arms]uint64 `json:"counts"`
}

// Single reports whether a bin holds one value only, which is Low.
func (b *Bin) Single() bool { return b.High == math.Nextafter(b.Low, math.Inf(1)) }

// Distribution is that of a drift at the latest stage, up to the one at which the
// plan stands, of which any values are in bins; nil for any other gate, and while
// there are none.
func (g *Gate) Distribution(v View, at Place) *Distribution {
	if g.Kind != Drift {
		return nil
	}
	out := Distribution{Stage: -1}
	var binned [split.Arms][]*evidence.Value
	v.active(g, func(stage int, s *evidence.Stratum) {
		t, c := &s.Sides[split.Candidate].Values[g.Series], &s.Sides[split.Baseline].Values[g.Series]
		if stage > at.Stage || t.Bins == nil && c.Bins == nil {
			return
		}
		if stage != out.Stage {
			out = Distribution{Stage: stage, Bins: binsOf(s.Scales[g.Series].Edges)}
			binned = [split.Arms][]*evidence.Value{}
		}
		for arm := range binned {
			value := &s.Sides[arm].Values[g.Series]
			binned[arm] = append(binned[arm], value)
			out.add(arm, value.Bins)
			if i := g.Output - 1; i >= 0 && i < len(s.Sides[arm].Outputs) {
				out.Read[arm].Add(s.Sides[arm].Outputs[i])
			}
		}
	})
	if out.Stage < 0 {
		return nil
	}
	if i := g.Output - 1; i >= 0 && i < len(v.Layout.Outputs) {
		out.name(v.Layout.Outputs[i].Classes)
	}
	out.PSI = out.index(max(binsPhi(binned[split.Candidate]), binsPhi(binned[split.Baseline])))
	return &out
}

// binsOf are empty bins between edges.
func binsOf(edges []float64) []Bin {
	out := make([]Bin, len(edges)+1)
	for i := range out {
		out[i].Low, out[i].High = math.Inf(-1), math.Inf(1)
		if i > 0 {
			out[i].Low = edges[i-1]
		}
		if i < len(edges) {
			out[i].High = edges[i]
		}
	}
	return out
}

// add counts what a stratum has; bins of another scale are left out.
func (d *Distribution) add(arm int, counts []uint64) {
	if len(counts) != len(d.Bins) {
		return
	}
	for i, n := range counts {
		d.Bins[i].Counts[arm] += n
	}
}

// name names the bins of which the only value is a class.
func (d *Distribution) name(classes []evidence.Class) {
	for i := range d.Bins {
		for _, class := range classes {
			if b := &d.Bins[i]; b.Single() && b.Low == evidence.TextValue([]byte(class.Text)) {
				b.Name = class.Text
			}
		}
	}
}

// index is the population stability index, corrected for its bias as if there were
// phi times fewer values.
func (d *Distribution) index(phi float64) float64 {
	if !(phi < unknownPhi) {
		return math.NaN()
	}
	var t, c []float64
	for i := range d.Bins {
		n := &d.Bins[i].Counts
		t, c = append(t, float64(n[split.Candidate])/phi), append(c, float64(n[split.Baseline])/phi)
	}
	return stats.PSI(t, c)
}
