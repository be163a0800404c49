package report

import (
	"math"
	"strconv"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
	"github.com/belay-rollouts/belay/bench/draw"
)

// Figure is a chart and the name of its file.
type Figure struct {
	File  string
	Alt   string
	Chart draw.Chart
}

// series is what a chart shows as one kind of points.
type series struct {
	name string
	read func(proxy string) values
}

// The files of the figures.
const (
	cpuFile    = "dataplane-cpu.svg"
	rateFile   = "dataplane-throughput.svg"
	openFile   = "dataplane-delay.svg"
	streamFile = "dataplane-streams.svg"
	memoryFile = "dataplane-memory.svg"
)

// Figures are the charts of the page.
func (r *Report) Figures() []Figure {
	all := func(q quantity) func(string) values {
		return func(proxy string) values { return r.of(proxy, q) }
	}
	proxied := func(q quantity) func(string) values {
		return func(proxy string) values {
			if proxy == measure.Direct {
				return nil
			}
			return r.of(proxy, q)
		}
	}
	added := func(q quantity) func(string) values {
		return func(proxy string) values {
			if proxy == measure.Direct {
				return nil
			}
			return r.added(proxy, q)
		}
	}
	return []Figure{
		{cpuFile, "Processor time for each request, by proxy", r.linear(
			draw.Chart{Title: "Processor time for each request, saturated", Axis: "µs of one core, median (less is better)"},
			series{"CPU per request", proxied(perRequest)})},
		{rateFile, "Requests a second, by proxy", r.linear(
			draw.Chart{Title: "Requests a second on one core, saturated", Axis: "requests a second, median (more is better)"},
			series{"requests a second", proxied(perSecond)})},
		{openFile, "Delays that proxies add, by proxy", r.logarithmic(
			draw.Chart{Title: "Delay that is added at " + strconv.FormatFloat(r.Results.Settings.Rate, 'f', -1, 64) + " requests a second", Axis: "µs from the intended moment to the whole answer, less that without a proxy"},
			series{"p50", added(openP50)}, series{"p99", added(openP99)})},
		{streamFile, "Delays that proxies add to events, by proxy", r.logarithmic(
			draw.Chart{Title: "Delay that is added to the events of streams", Axis: "µs from the writing of an event to its arrival, less that without a proxy"},
			series{"p50", added(streamP50)}, series{"p99", added(streamP99)})},
		{memoryFile, "Resident memory, by proxy", r.linear(
			draw.Chart{Title: "Resident memory", Axis: "MB, median (less is better)"},
			series{"alone", all(memStart)}, series{"with idle connections", all(memIdle)}, series{"after saturation", all(memLoaded)})},
	}
}

// linear gives a chart its rows and an axis from 0.
func (r *Report) linear(c draw.Chart, all ...series) draw.Chart {
	most := r.fill(&c, all)
	c.To = roundUp(most)
	c.Tick = func(v float64) string { return draw.Thousands(int(math.Round(v))) }
	if c.To <= 5 {
		c.Tick = func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	}
	return c
}

// logarithmic gives a chart its rows and an axis of powers of ten, from 1.
func (r *Report) logarithmic(c draw.Chart, all ...series) draw.Chart {
	most := r.fill(&c, all)
	c.Log, c.From, c.To = true, 1, math.Pow(10, max(math.Ceil(math.Log10(max(most, 1))), 1))
	c.Tick = func(v float64) string { return draw.Thousands(int(math.Round(v))) }
	return c
}

// fill gives a chart its rows, the proxies of which something is known, and
// returns the greatest value.
func (r *Report) fill(c *draw.Chart, all []series) (most float64) {
	for _, s := range all {
		c.Series = append(c.Series, s.name)
	}
	for _, p := range r.Results.Proxies {
		row, known := draw.Row{Name: p.Title, Bold: p.Own}, false
		for _, s := range all {
			v := math.NaN()
			if read := s.read(p.Name); len(read) > 0 {
				v, known = read.median(), true
				most = max(most, v)
			}
			row.Values = append(row.Values, v)
		}
		if known {
			c.Rows = append(c.Rows, row)
		}
	}
	return most
}

// roundUp is the least number of 1, 2, 2.5 and 5 times a power of ten that has
// room for v.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 2.5, 5} {
		if v <= step*power {
			return step * power
		}
	}
	return 10 * power
}
