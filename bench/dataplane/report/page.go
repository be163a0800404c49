package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/bench/dataplane/measure"
	"github.com/belay-rollouts/belay/bench/draw"
)

// Page is the page of Markdown.
func (r *Report) Page() string {
	var b strings.Builder
	b.WriteString("<!-- Written by bench/dataplane; edit that. -->\n# The data plane compared\n\n" + intro)
	fmt.Fprintf(&b, "\n%s\n\n## What must hold\n\n%s", r.place(), r.claims())
	for _, section := range []func(*strings.Builder){r.saturatedSection, r.openSection, r.streamSection, r.memorySection, r.gapSection, r.methodSection} {
		section(&b)
	}
	return b.String()
}

const intro = `What a request costs in Belay's data plane, beside other proxies, all measured in one interleaved run with the same upstreams, the same
requests and one core each. Compare the ratios: absolute figures are those of this machine, on this day.
`

// place says where and when it was measured, and what else went on.
func (r *Report) place() string {
	m := r.Results.Machine
	text := fmt.Sprintf("Measured on %s on %d cores (%s, %s), within %s.", r.Results.Began.UTC().Format("2 January 2006"), m.Cores, m.Processor, m.System,
		r.Results.Took.Round(time.Minute))
	var others values
	for _, p := range r.Results.Proxies {
		others = append(others, r.of(p.Name, foreign)...)
	}
	if len(others) == 0 {
		return text
	}
	text += fmt.Sprintf(" Other programs kept %.2f cores busy meanwhile (median; at most %.2f), load averages at the beginning: %s.", others.median(), slices.Max(others), m.Load)
	const quiet = 0.1
	if others.median() > quiet {
		text += " **The machine did other work, too**: absolute figures are upper ends, and delays suffer more than processor times."
	}
	return text
}

func (r *Report) claims() string {
	t := draw.NewTable("claim", "measured", "must", "verdict", "aim", "reached")
	for _, c := range r.Claims() {
		must, verdict := c.Must, loud(c.Verdict)
		if must == "" {
			must, verdict = "–", "–"
		}
		t.Row(c.Text, c.Measured, must, verdict, c.Aim, string(c.Reached))
	}
	about := "Belay is the one that finds the user in the JSON body.\n"
	if r.subject(perRequest) != inBody {
		about = "Belay is the one that finds the user in a header; the one that finds it in the body was not measured.\n"
	}
	return t.String() + "\n" + about + howRead
}

const howRead = `A figure is the median of the repetitions (the least … the greatest); ratios and what is added are taken within each repetition.
`

func loud(v Verdict) string {
	if v == NotMet {
		return "**not met**"
	}
	return string(v)
}

// column is a column of a table of proxies.
type column struct {
	head string
	cell func(proxy string) string
}

// figures is a column of a quantity.
func (r *Report) figures(head string, q quantity, digits int) column {
	return column{head, func(proxy string) string { return r.of(proxy, q).text(digits) }}
}

// cost is the same of something that the way without a proxy does not have.
func (r *Report) cost(head string, q quantity, digits int) column {
	c := r.figures(head, q, digits)
	return column{head, func(proxy string) string {
		if proxy == measure.Direct {
			return "–"
		}
		return c.cell(proxy)
	}}
}

// more is a column of what is added.
func (r *Report) more(head string, q quantity) column {
	return column{head, func(proxy string) string {
		if proxy == measure.Direct {
			return "–"
		}
		return r.added(proxy, q).text(0)
	}}
}

// table is a table with a row for each proxy of which anything is known.
func (r *Report) table(columns ...column) string {
	head := []string{"proxy"}
	for _, c := range columns {
		head = append(head, c.head)
	}
	t := draw.NewTable(head...)
	for _, p := range r.Results.Proxies {
		row, known := []string{p.Title}, false
		if p.Own {
			row[0] = "**" + p.Title + "**"
		}
		for _, c := range columns {
			text := c.cell(p.Name)
			row, known = append(row, text), known || text != "–"
		}
		if known {
			t.Row(row...)
		}
	}
	return t.String()
}

func (r *Report) figure(b *strings.Builder, file string) {
	for _, f := range r.Figures() {
		if f.File == file && len(f.Chart.Rows) > 0 {
			fmt.Fprintf(b, "\n![%s](%s)\n", f.Alt, f.File)
		}
	}
}

func (r *Report) saturatedSection(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Saturated\n\nAs many requests as the proxy takes, over %d connections.\n", r.Results.Settings.Saturated)
	r.figure(b, cpuFile)
	r.figure(b, rateFile)
	failed := column{"failed", func(proxy string) string {
		n, known := 0, false
		for _, c := range r.Results.Cells {
			if c.Proxy == proxy && c.Saturated != nil {
				n, known = n+c.Saturated.Failed, true
			}
		}
		if !known {
			return "–"
		}
		return draw.Thousands(n)
	}}
	fmt.Fprintf(b, "\n%s", r.table(r.cost("CPU per request, µs", perRequest, 1), r.cost("by ticks, µs", byTicks, 1), r.figures("requests a second", perSecond, 0), failed))
}

func (r *Report) openSection(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Delay at a fixed rate\n\n%v requests a second at random moments over %d connections; a delay counts from the moment at which the request\nwas meant to be sent.\n",
		r.Results.Settings.Rate, r.Results.Settings.Conns)
	r.figure(b, openFile)
	fmt.Fprintf(b, "\n%s", r.table(r.figures("p50, µs", openP50, 0), r.figures("p99, µs", openP99, 0), r.more("added p50, µs", openP50), r.more("added p99, µs", openP99),
		r.cost("CPU per request, µs", openCPU, 1), r.cost("of the candidate, %", openShare, 1)))
	fmt.Fprintf(b, "\nThe generator itself sent 99 %% of the requests within %s µs of their moment where there was no proxy.\n", r.of(measure.Direct, openLag).text(0))
}

func (r *Report) streamSection(b *strings.Builder) {
	s := r.Results.Settings
	fmt.Fprintf(b, "\n## Streams\n\n%d streams of server-sent events, %v events a second each. A gap is that between two arrivals of one stream, of nominally %.0f µs.\n",
		s.Streams, s.Events, 1e6/s.Events)
	r.figure(b, streamFile)
	fmt.Fprintf(b, "\n%s", r.table(r.figures("p50, µs", streamP50, 0), r.figures("p99, µs", streamP99, 0), r.more("added p50, µs", streamP50), r.more("added p99, µs", streamP99),
		r.figures("p99 of the gaps, µs", streamGap, 0), r.cost("CPU per event, µs", perEvent, 1)))
}

func (r *Report) memorySection(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Memory\n\nResident memory of all processes of a proxy, in MB (1,000,000 bytes), with %s idle connections of callers that have carried one request each.\n",
		draw.Thousands(r.Results.Settings.Idle))
	r.figure(b, memoryFile)
	fmt.Fprintf(b, "\n%s", r.table(r.figures("alone", memStart, 1), r.figures("with idle connections", memIdle, 1), r.figures("after saturation", memLoaded, 1)))
}

// gapSection names what is missing and what failed.
func (r *Report) gapSection(b *strings.Builder) {
	b.WriteString("\n## What is missing\n\n")
	var lines []string
	for _, m := range r.Results.Missing {
		lines = append(lines, fmt.Sprintf("- %s was not measured: %s.", m.Title, oneLine(m.Why)))
	}
	for _, c := range r.Results.Cells {
		for _, f := range c.Failures {
			lines = append(lines, fmt.Sprintf("- %s failed in repetition %d: %s.", c.Proxy, c.Repeat+1, oneLine(f)))
		}
	}
	if len(lines) == 0 {
		lines = []string{"Nothing: every proxy was measured, and nothing failed."}
	}
	b.WriteString(strings.Join(lines, "\n") + "\n")
}

func oneLine(text string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
}

func (r *Report) methodSection(b *strings.Builder) {
	s := r.Results.Settings
	b.WriteString("\n## How this was measured\n\n")
	for _, p := range r.Results.Proxies {
		version := ""
		if p.Version != "" {
			version = " " + p.Version
		}
		fmt.Fprintf(b, "- %s%s: %s.\n", p.Title, version, p.About)
	}
	fmt.Fprintf(b, method, s.Wrk, s.Seconds, s.Repeats, s.Seconds, s.Repeats)
}

const method = `
A proxy has one core and one thread (` + "`GOMAXPROCS=1`, `nbthread 1`, `worker_processes 1`" + `); what loads it and two nginx that answer 200 with some 200 bytes
of JSON share another. A request is a POST of some 450 bytes by one of 4,096 users, over connections that stay open, without TLS. Each
repetition goes once through all proxies, every other one backwards; each proxy is started anew each time.

Saturated, by wrk %s: processor time is the run time that the scheduler counted for all threads of the proxy, over the requests that were
answered; the ticks of the kernel's accounts, in steps of 10 ms, stand beside it as a check. For delays everything runs on one core, which
is kept awake: waking another core of a virtual machine takes tens of microseconds that are no proxy's, while sharing one core puts the
generator's and the upstream's work into everybody's delays. The delay without a proxy is measured in the same way, and taken off.
Delays are of %d s in each of %d repetitions, after a second that does not count. Each event of a stream carries the moment at which it was
written, and is read by the same clock in the same process, which is caller and upstream in one.

Features are not equal: all of them check and rewrite heads and pool connections, HAProxy, nginx and Belay also record each request; Belay
alone answers for a failing candidate. Nothing was tuned beyond the number of idle connections.

Written by

    go run ./bench/dataplane -seconds %d -repeats %d
`
