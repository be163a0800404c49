package frame

import (
	"math"
	"strings"

	"github.com/belay-rollouts/belay/client"
)

// half is the number of columns of an interval plot on each side of its zero.
const half = 20

// interval draws what is known of a change as one line: [ and ] are the bounds,
// + the most likely change, 0 no change, ! the margin, and x where harm would be
// proven. The axis reaches twice the margin to both sides; < and > say that a
// bound lies beyond it.
//
//	-40% ........[==0==+==]..!xxxxxxxxx +40%
func interval(g *client.Gate, p Painter) string {
	b := g.Bound
	if g.MarginValue == nil || *g.MarginValue == 0 || b == nil || b.Estimate == nil || b.Lower == nil && b.Upper == nil {
		return ""
	}
	if g.Verdict == client.NoData || g.Verdict == client.Off {
		return ""
	}
	if g.Kind == client.KindDrift {
		plot := newDistancePlot(*g.MarginValue)
		plot.draw(b)
		return "0 " + plot.paint(g.Verdict, p) + " " + distance(2**g.MarginValue)
	}
	plot := newPlot(*g.MarginValue, g.Worse == "down")
	plot.draw(b)
	unit := "pp"
	if b.Relative {
		unit = "%"
	}
	edge := trimmed(200*math.Abs(*g.MarginValue), 2) + unit
	return "-" + edge + " " + plot.paint(g.Verdict, p) + " +" + edge
}

// plot is a line of cells around zero.
type plot struct {
	cells  []byte
	zero   int // the cell of no change
	margin int // the margin's cell
	down   bool
	scale  float64 // columns per unit of change
	known  [2]int  // the cells between the bounds
}

func newPlot(margin float64, down bool) *plot {
	return plotOf(plot{zero: half, down: down, scale: half / (2 * math.Abs(margin))}, margin)
}

// newDistancePlot is a plot that begins at zero.
func newDistancePlot(margin float64) *plot {
	return plotOf(plot{scale: 2 * half / (2 * margin)}, margin)
}

func plotOf(pl plot, margin float64) *plot {
	pl.cells = make([]byte, 2*half+1)
	pl.margin = pl.cell(margin)
	for i := range pl.cells {
		pl.cells[i] = '.'
		if pl.harmful(i) {
			pl.cells[i] = 'x'
		}
	}
	return &pl
}

// harmful reports whether a cell lies beyond the margin.
func (pl *plot) harmful(i int) bool {
	if pl.down {
		return i < pl.margin
	}
	return i > pl.margin
}

// cell is the cell of a change, kept within the plot.
func (pl *plot) cell(x float64) int {
	low, high := pl.ends()
	return int(math.Round(max(low, min(high, x*pl.scale)))) + pl.zero
}

// ends are where the plot begins and ends, in columns from zero.
func (pl *plot) ends() (low, high float64) {
	return -float64(pl.zero), float64(2*half - pl.zero)
}

func (pl *plot) draw(b *client.Bound) {
	low, high := 0, len(pl.cells)-1
	lowMark, highMark := byte('<'), byte('>')
	first, last := pl.ends()
	if b.Lower != nil && *b.Lower*pl.scale >= first {
		low, lowMark = pl.cell(*b.Lower), '['
	}
	if b.Upper != nil && *b.Upper*pl.scale <= last {
		high, highMark = pl.cell(*b.Upper), ']'
	}
	// An interval that lies wholly beyond an edge shows as its mark there.
	if b.Lower != nil && *b.Lower*pl.scale > last {
		low, lowMark = len(pl.cells)-1, '>'
	}
	if b.Upper != nil && *b.Upper*pl.scale < first {
		high, highMark = 0, '<'
	}
	pl.known = [2]int{low, high}
	for i := low; i <= high; i++ {
		pl.cells[i] = '='
	}
	pl.cells[pl.zero], pl.cells[pl.margin] = '0', '!'
	pl.cells[low], pl.cells[high] = lowMark, highMark
	if at := pl.cell(*b.Estimate); at > low && at < high {
		pl.cells[at] = '+'
	}
}

// paint colours the interval by the verdict.
func (pl *plot) paint(v client.Verdict, p Painter) string {
	colour := p.wait
	switch v {
	case client.Pass:
		colour = p.good
	case client.Fail:
		colour = p.Bad
	case client.Undecided, client.NoData, client.Off:
	}
	low, high := min(pl.known[0], pl.known[1]), max(pl.known[0], pl.known[1])
	var b strings.Builder
	b.WriteString(p.quiet(string(pl.cells[:low])))
	b.WriteString(colour(string(pl.cells[low : high+1])))
	b.WriteString(p.quiet(string(pl.cells[high+1:])))
	return b.String()
}
