package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/bench/dataplane/load"
	"github.com/belay-rollouts/belay/bench/dataplane/measure"
)

const µs = time.Microsecond

// cost is what a proxy shows in a cell: the processor time of a request, the
// delays that it adds, and its memory.
type cost struct {
	cpu       time.Duration
	p50, p99  time.Duration
	idleBytes int64
}

func cell(proxy string, repeat int, c cost) measure.Cell {
	const requests = 1000
	delay := load.Summary{N: requests, P50: 50*µs + c.p50, P99: 100*µs + c.p99}
	return measure.Cell{
		Proxy: proxy, Repeat: repeat,
		Saturated: &measure.Saturated{Saturation: load.Saturation{Requests: requests, Took: time.Second}, CPU: requests * c.cpu, Ticks: requests * c.cpu},
		Open:      &measure.Open{Opened: load.Opened{Delay: delay, Sent: requests, Candidate: 100}, CPU: 2 * requests * c.cpu},
		Streams:   &measure.Streams{Streamed: load.Streamed{Delay: delay, Gap: delay, Sent: requests}, CPU: requests * c.cpu},
		Memory:    &measure.Memory{Start: c.idleBytes / 2, Idle: c.idleBytes, Loaded: c.idleBytes},
	}
}

// good are measurements in which everything holds that must, and is reached.
func good() map[string]cost {
	return map[string]cost{
		measure.Direct: {},
		header:         {cpu: 9 * µs, p50: 15 * µs, p99: 30 * µs, idleBytes: 20e6},
		inBody:         {cpu: 10 * µs, p50: 16 * µs, p99: 50 * µs, idleBytes: 24e6},
		haproxy:        {cpu: 12 * µs, p50: 10 * µs, p99: 60 * µs, idleBytes: 16e6},
		nginx:          {cpu: 10 * µs, p50: 10 * µs, p99: 90 * µs, idleBytes: 18e6},
		caddy:          {cpu: 90 * µs, p50: 90 * µs, p99: 900 * µs, idleBytes: 80e6},
		traefik:        {cpu: 65 * µs, p50: 80 * µs, p99: 700 * µs, idleBytes: 110e6},
		fast:           {cpu: 35 * µs, p50: 60 * µs, p99: 500 * µs, idleBytes: 110e6},
		plain:          {cpu: 50 * µs, p50: 60 * µs, p99: 300 * µs, idleBytes: 30e6},
	}
}

func reportOf(costs map[string]cost) *Report {
	r := &measure.Results{
		Began: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Took: 11 * time.Minute,
		Machine:  measure.Machine{Processor: "Some Processor", Cores: 2, System: "Linux 6.1", Load: "0.1, 0.2, 0.3"},
		Settings: measure.Settings{Seconds: 4, Repeats: 3, Saturated: 64, Rate: 2000, Conns: 64, Idle: 1000, Streams: 200, Events: 100, Wrk: "4.1.0"},
	}
	for _, name := range []string{measure.Direct, header, inBody, haproxy, nginx, caddy, traefik, fast, plain} {
		c, there := costs[name]
		if !there {
			r.Missing = append(r.Missing, measure.Missing{Name: name, Title: "<" + name + ">", Why: "there is no program\n" + name + "."})
			continue
		}
		r.Proxies = append(r.Proxies, measure.Subject{Name: name, Title: "T" + name, About: "does this", Version: "v1.2.3", Own: name == header || name == inBody})
		for repeat := range 3 {
			r.Cells = append(r.Cells, cell(name, repeat, c))
		}
	}
	return &Report{Results: r}
}

func TestClaimsAreMetWhenAllIsWell(t *testing.T) {
	t.Parallel()
	must := 0
	for _, c := range reportOf(good()).Claims() {
		if c.Reached != Met || (c.Must != "" && c.Verdict != Met) {
			t.Errorf("%s: %s %s, %s %s: %s", c.Text, c.Must, c.Verdict, c.Aim, c.Reached, c.Measured)
		}
		if c.Must != "" {
			must++
		}
	}
	if must != 8 {
		t.Errorf("%d claims must hold, want 8", must)
	}
}

func TestEachClaimCanBeBroken(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		proxy  string
		change func(c *cost)
		claim  string // the beginning of what is broken
	}{
		"HAProxy is cheap":           {haproxy, func(c *cost) { c.cpu = 6 * µs }, "CPU per request, saturated, against HAProxy"},
		"fastProxy is cheap":         {fast, func(c *cost) { c.cpu = 15 * µs }, "the same against Traefik with fastProxy"},
		"Traefik is cheap":           {traefik, func(c *cost) { c.cpu = 30 * µs }, "the same against Traefik"},
		"Caddy is cheap":             {caddy, func(c *cost) { c.cpu = 37 * µs }, "the same against Caddy"},
		"ReverseProxy is cheap":      {plain, func(c *cost) { c.cpu = 19 * µs }, "the same against `httputil"},
		"events are late":            {inBody, func(c *cost) { c.p50 = 26 * µs }, "events of streams: added p50"},
		"nginx is never late":        {nginx, func(c *cost) { c.p99 = 49 * µs }, "events of streams: added p99"},
		"idle connections cost much": {inBody, func(c *cost) { c.idleBytes = 41e6 }, "resident memory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			costs := good()
			c := costs[tt.proxy]
			tt.change(&c)
			costs[tt.proxy] = c
			r := reportOf(costs)
			broken := 0
			for _, c := range r.Claims() {
				if c.Verdict == NotMet {
					broken++
					if !strings.HasPrefix(c.Text, tt.claim) || c.Reached != NotMet {
						t.Errorf("%s is broken, too: %s", c.Text, c.Measured)
					}
				}
			}
			if broken != 1 || strings.Count(r.Page(), "**not met**") != 1 {
				t.Errorf("%d claims are broken", broken)
			}
		})
	}
}

func TestAimsAreToldApartFromWhatMustHold(t *testing.T) {
	t.Parallel()
	costs := good()
	costs[haproxy] = cost{cpu: 8 * µs, p50: 10 * µs, p99: 60 * µs, idleBytes: 16e6}
	c := reportOf(costs).Claims()[0]
	want := Claim{Text: c.Text, Measured: "1.25 (1.25 … 1.25) ×", Must: "≤ 1.6 ×", Verdict: Met, Aim: "≤ 1 ×", Reached: NotMet}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotMeasuredIsNeitherMetNorBroken(t *testing.T) {
	t.Parallel()
	costs := good()
	delete(costs, traefik)
	r := reportOf(costs)
	if c := r.Claims()[2]; c.Verdict != NotMeasured || c.Measured != "not measured" {
		t.Errorf("%+v", c)
	}
	page := r.Page()
	for _, want := range []string{"- <traefik> was not measured: there is no program traefik.\n", "| not measured | ≤ 0.33 × | not measured |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestBelayIsTheOneThatReadsTheBodyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	costs := good()
	if got := reportOf(costs).Claims()[0].Measured; got != "0.83 (0.83 … 0.83) ×" {
		t.Errorf("with it: %s", got)
	}
	delete(costs, inBody)
	r := reportOf(costs)
	if got := r.Claims()[0].Measured; got != "0.75 (0.75 … 0.75) ×" {
		t.Errorf("without it: %s", got)
	}
	if !strings.Contains(r.Page(), "finds the user in a header") {
		t.Error("the page does not say so")
	}
}

func TestRatiosAreTakenWithinARepetition(t *testing.T) {
	t.Parallel()
	r := &Report{Results: &measure.Results{}}
	// The machine slows down from one to the next; the ratio stays.
	for repeat, slow := range []time.Duration{1, 3, 2} {
		r.Results.Cells = append(r.Results.Cells, cell("a", repeat, cost{cpu: 20 * slow * µs}), cell("b", repeat, cost{cpu: 10 * slow * µs}))
	}
	r.Results.Cells = append(r.Results.Cells, cell("a", 3, cost{cpu: 1000 * µs})) // b failed.
	if diff := cmp.Diff(values{2, 2, 2}, r.pairs("a", "b", perRequest, ratio)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMediansAreWrittenWithTheirRange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values values
		digits int
		want   string
	}{
		"none":  {nil, 1, "–"},
		"one":   {values{1.26}, 1, "1.3"},
		"odd":   {values{3, 1, 2}, 0, "2 (1 … 3)"},
		"even":  {values{4, 1, 2, 3}, 1, "2.5 (1.0 … 4.0)"},
		"below": {values{-2, -1}, 0, "-2 (-2 … -1)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.values.text(tt.digits); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestThePageSaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	r := reportOf(good())
	r.Results.Cells[3].Failures = []string{"streams: the proxy\ndoes not take an event."}
	page := r.Page()
	for _, want := range []string{
		"23 November 2026", "Some Processor", "wrk 4.1.0", "-seconds 4 -repeats 3", "64 connections", "200 streams", "1,000 idle connections",
		"| **Tbelay** | 9.0 (9.0 … 9.0) | 9.0 (9.0 … 9.0) | 1000 (1000 … 1000) | 0 |", "| Tdirect | – | – | 1000 (1000 … 1000) | 0 |",
		"- belay failed in repetition 1: streams: the proxy does not take an event.\n", "- Tcaddy v1.2.3: does this.\n", "dataplane-streams.svg",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for i, line := range strings.Split(page, "\n") {
		if strings.Contains(line, "NaN") || strings.Contains(line, "%!") {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
	if strings.Contains(page, "other work, too") {
		t.Error("a quiet machine is said to do other work")
	}
	for i := range r.Results.Cells {
		r.Results.Cells[i].Saturated.Foreign = 0.5
	}
	if page := r.Page(); !strings.Contains(page, "0.50 cores busy") || !strings.Contains(page, "other work, too") {
		t.Error("a busy machine is not named")
	}
}

func TestNothingAtAllIsWrittenToo(t *testing.T) {
	t.Parallel()
	r := &Report{Results: &measure.Results{}}
	if page := r.Page(); strings.Contains(page, "NaN") || !strings.Contains(page, "not measured") {
		t.Error("a page of nothing")
	}
	for _, f := range r.Figures() {
		if svg := f.Chart.SVG(); strings.Contains(svg, "NaN") {
			t.Errorf("%s draws what is no number", f.File)
		}
	}
}

func TestFiguresShowEveryProxyWithinTheirAxes(t *testing.T) {
	t.Parallel()
	figures := reportOf(good()).Figures()
	if len(figures) != 5 {
		t.Errorf("%d figures", len(figures))
	}
	for _, f := range figures {
		for d := xml.NewDecoder(strings.NewReader(f.Chart.SVG())); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.File, err)
			}
		}
		if len(f.Chart.Rows) < 8 {
			t.Errorf("%s has %d rows", f.File, len(f.Chart.Rows))
		}
		for _, row := range f.Chart.Rows {
			if row.Bold != (row.Name == "Tbelay" || row.Name == "Tbelay-json") {
				t.Errorf("%s: %s is bold: %v", f.File, row.Name, row.Bold)
			}
			for _, v := range row.Values {
				if v > f.Chart.To {
					t.Errorf("%s: %s at %v is beyond %v", f.File, row.Name, v, f.Chart.To)
				}
			}
		}
	}
}

func TestAxesEndAtRoundNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.2: 2, 21: 25, 26: 50, 51: 100, 84_000: 100_000} {
		if got := roundUp(v); got != want {
			t.Errorf("an axis for %v ends at %v, want %v", v, got, want)
		}
	}
}
