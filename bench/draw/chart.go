package draw

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is a plot of points: a row for each rule, a point for each rate.
type Chart struct {
	Title string
	// Axis says what is measured, with its unit.
	Axis   string
	Series []string // names of the points of a row
	Rows   []Row
	// Log makes the axis logarithmic, from From to To; otherwise it is linear.
	Log      bool
	From, To float64
	// Bound draws a line, where it is not 0.
	Bound     float64
	BoundName string
	Tick      func(v float64) string
}

// Row is one rule and its points; NaN where there is none.
type Row struct {
	Name   string
	Values []float64
	Bold   bool
}

// The measures of a chart, in pixels.
const (
	chartLeft   = 300
	chartWidth  = 470
	chartTop    = 64
	chartRow    = 26
	chartRight  = 28
	chartBottom = 54
)

// style follows the reader's light or dark ground.
const style = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}.b{font-weight:700}.s{font-size:12px;fill:#59636e}
.g{stroke:#d1d9e0}.l{stroke:#59636e;stroke-dasharray:4 3}.p0{fill:#0072b2}.p1{fill:#e69f00}.p2{fill:#cc3d6d}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.g{stroke:#3d444d}.l{stroke:#9198a1}.p0{fill:#56b4e9}.p2{fill:#f08bb0}}
</style>`

// SVG draws the chart.
func (c *Chart) SVG() string {
	var b strings.Builder
	height := chartTop + chartRow*len(c.Rows) + chartBottom
	width := chartLeft + chartWidth + chartRight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n%s\n",
		width, height, width, height, html.EscapeString(c.Title), style)
	fmt.Fprintf(&b, `<text class="t" x="8" y="22">%s</text>`+"\n", html.EscapeString(c.Title))
	c.legend(&b)
	bottom := chartTop + chartRow*len(c.Rows)
	for _, v := range c.ticks() {
		x := c.x(v)
		fmt.Fprintf(&b, `<line class="g" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text class="s" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, chartTop-6, x, bottom, x, bottom+18, html.EscapeString(c.Tick(v)))
	}
	if c.Bound > 0 {
		x := c.x(c.Bound)
		fmt.Fprintf(&b, `<line class="l" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text class="s" x="%.1f" y="%d">%s</text>`+"\n",
			x, chartTop-6, x, bottom, x+4, chartTop-10, html.EscapeString(c.BoundName))
	}
	for i := range c.Rows {
		c.row(&b, i)
	}
	fmt.Fprintf(&b, `<text class="s" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n</svg>\n", chartLeft+chartWidth/2, bottom+40, html.EscapeString(c.Axis))
	return b.String()
}

func (c *Chart) legend(b *strings.Builder) {
	x := chartLeft
	for i, name := range c.Series {
		mark(b, i, float64(x), 38, name)
		fmt.Fprintf(b, `<text class="s" x="%d" y="42">%s</text>`+"\n", x+10, html.EscapeString(name))
		x += 18 + 8*len(name)
	}
}

func (c *Chart) row(b *strings.Builder, i int) {
	row := &c.Rows[i]
	y := float64(chartTop + chartRow*i + chartRow/2)
	bold := ""
	if row.Bold {
		bold = ` class="b"`
	}
	fmt.Fprintf(b, `<text%s x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", bold, chartLeft-14, y+4, html.EscapeString(row.Name))
	for k, v := range row.Values {
		if !math.IsNaN(v) {
			mark(b, k, c.x(v), y+5*float64(k-len(row.Values)/2), fmt.Sprintf("%s, %s: %s", row.Name, c.Series[k], c.Tick(v)))
		}
	}
}

// mark draws the point of a series: a circle, a square or a diamond.
func mark(b *strings.Builder, series int, x, y float64, title string) {
	shape := fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="4.2" class="p0">`, x, y)
	end := "circle"
	switch series {
	case 1:
		shape, end = fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="7.4" height="7.4" class="p1">`, x-3.7, y-3.7), "rect"
	case 2:
		shape, end = fmt.Sprintf(`<path d="M%.1f %.1fl5 5-5 5-5-5z" class="p2">`, x, y-5), "path"
	}
	fmt.Fprintf(b, "%s<title>%s</title></%s>\n", shape, html.EscapeString(title), end)
}

// x is the place of a value on the axis. What lies outside lies at its end.
func (c *Chart) x(v float64) float64 {
	part := (v - c.From) / (c.To - c.From)
	if c.Log {
		part = math.Log(v/c.From) / math.Log(c.To/c.From)
	}
	return chartLeft + chartWidth*min(max(part, 0), 1)
}

// ticks are the values that are named on the axis.
func (c *Chart) ticks() []float64 {
	var out []float64
	if c.Log {
		for v := c.From; v <= c.To*1.0001; v *= 10 {
			out = append(out, v)
		}
		return out
	}
	for i := range 6 {
		out = append(out, c.From+(c.To-c.From)*float64(i)/5)
	}
	return out
}
