package draw

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestPointsLieWhereTheirValuesAre(t *testing.T) {
	t.Parallel()
	linear := Chart{From: 0, To: 1}
	log := Chart{From: 1, To: 1000, Log: true}
	tests := []struct {
		c    *Chart
		v    float64
		part float64
	}{{&linear, 0, 0}, {&linear, 0.25, 0.25}, {&linear, 2, 1}, {&log, 1, 0}, {&log, 10, 1.0 / 3}, {&log, 1000, 1}, {&log, 0.1, 0}}
	for _, tt := range tests {
		if got := (tt.c.x(tt.v) - chartLeft) / chartWidth; math.Abs(got-tt.part) > 1e-9 {
			t.Errorf("%v lies at %v, want %v", tt.v, got, tt.part)
		}
	}
}

func chart() Chart {
	return Chart{
		Title: "CPU & memory", Axis: "<µs>", Series: []string{"p50", "p90", "p99"}, Log: true, From: 1, To: 100,
		Bound: 10, BoundName: "at most 10", Tick: func(v float64) string { return strings.Repeat("i", int(v)) },
		Rows: []Row{{Name: "Belay", Values: []float64{2, 3, math.NaN()}, Bold: true}, {Name: `a "rival"`, Values: []float64{5, 6, 7}}},
	}
}

func TestAChartIsWellFormed(t *testing.T) {
	t.Parallel()
	c := chart()
	svg := c.SVG()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for text, times := range map[string]int{
		"CPU &amp; memory": 2, `class="b"`: 1, "at most 10": 1, "NaN": 0, "<title>Belay, p90: iii</title>": 1, "<title>Belay, p99": 0, "a &#34;rival&#34;</text>": 1, "&lt;µs&gt;": 1,
	} {
		if got := strings.Count(svg, text); got != times {
			t.Errorf("%q is there %d times, want %d", text, got, times)
		}
	}
}

func TestAnAxisNamesItsValues(t *testing.T) {
	t.Parallel()
	linear, log := Chart{From: 0, To: 50}, chart()
	if got := linear.ticks(); len(got) != 6 || got[1] != 10 || got[5] != 50 {
		t.Errorf("linear: %v", got)
	}
	if got := log.ticks(); len(got) != 3 || got[2] != 100 {
		t.Errorf("logarithmic: %v", got)
	}
}
