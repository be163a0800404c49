package frame

import (
	"math"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/client"
)

const (
	// heights are the marks of a bin, from nothing in it to the fullest of all.
	heights = " .:-=+*#%@"
	// movedBins is how many of the bins that moved most are named.
	movedBins = 3
)

// distribution draws what a drift compares: the bins of both arms on one scale,
// the lowest value at the left, and in words which moved most. As the bins are
// about equally frequent at the baseline, its row is about even, and what stands
// out in the candidate's is what has changed.
func distribution(g *client.Gate) []string {
	d := g.Distribution
	if d == nil || len(d.Bins) == 0 {
		return nil
	}
	most := 0.0
	for _, b := range d.Bins {
		most = max(most, b.CandidateShare, b.BaselineShare)
	}
	row := func(name string, values int64, missing float64, share func(*client.Bin) float64) string {
		var cells strings.Builder
		for i := range d.Bins {
			cells.WriteByte(height(share(&d.Bins[i]), most))
		}
		line := "   " + name + " |" + cells.String() + "| " + Things(values, "value")
		if missing > 0 {
			line += ", " + rate(missing) + " not found"
		}
		return line
	}
	out := []string{
		row("candidate", d.CandidateValues, d.CandidateMissing, candidateShare),
		row("baseline ", d.BaselineValues, d.BaselineMissing, baselineShare),
	}
	var words []string
	if d.Psi != nil {
		words = append(words, "PSI "+trimmed(*d.Psi, 3)+" (bias-corrected, information only)")
	}
	if moved := moved(d); moved != "" {
		words = append(words, "most moved "+moved)
	}
	if len(words) == 0 {
		return out
	}
	return append(out, "   "+strings.Join(words, "; "))
}

// height is the mark of a share; only nothing is drawn as nothing.
func height(share, most float64) byte {
	if !(share > 0) || !(most > 0) {
		return heights[0]
	}
	last := len(heights) - 1
	return heights[max(1, min(last, int(math.Ceil(share/most*float64(last)))))]
}

func candidateShare(b *client.Bin) float64 { return b.CandidateShare }
func baselineShare(b *client.Bin) float64  { return b.BaselineShare }

// moved names the bins of which the shares differ most.
func moved(d *client.Distribution) string {
	if d.CandidateValues == 0 || d.BaselineValues == 0 {
		return ""
	}
	apart := func(b *client.Bin) float64 { return math.Abs(b.CandidateShare - b.BaselineShare) }
	bins := make([]*client.Bin, 0, len(d.Bins))
	for i := range d.Bins {
		if apart(&d.Bins[i]) > 0 {
			bins = append(bins, &d.Bins[i])
		}
	}
	slices.SortStableFunc(bins, func(a, b *client.Bin) int {
		if apart(a) > apart(b) {
			return -1
		}
		if apart(a) < apart(b) {
			return 1
		}
		return 0
	})
	parts := make([]string, 0, movedBins)
	for _, b := range bins[:min(movedBins, len(bins))] {
		parts = append(parts, binName(b)+" "+rate(b.BaselineShare)+" -> "+rate(b.CandidateShare))
	}
	return strings.Join(parts, ", ")
}

// binName says which values are in a bin.
func binName(b *client.Bin) string {
	switch {
	case b.Class != "":
		return b.Class
	case b.From == nil && b.Below == nil:
		return "all"
	case b.From == nil:
		return "below " + number(*b.Below)
	case b.Single:
		return number(*b.From)
	case b.Below == nil:
		return "from " + number(*b.From)
	}
	return number(*b.From) + " to " + number(*b.Below)
}
