// Package metrictest is what every metric.Source must do, as one suite of tests,
// and a documented fake of one for tests of what stands above the port.
//
// Each adapter runs the suite against a real server of its kind; the Fake passes
// the same suite, so that what is proven above the fake holds above a server.
// The package is linked by tests only.
package metrictest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/metric"
)

// Sample is one series that a server has.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Fault is how a server misbehaves.
type Fault string

// The faults.
const (
	None   Fault = ""       // it answers
	Hang   Fault = "hang"   // it takes requests and never answers
	Refuse Fault = "refuse" // it takes no connection
	Fail   Fault = "fail"   // it answers with an error
)

// World is a source to be tested, and a server that it reads.
type World struct {
	Source  metric.Source
	Address string
	// Say makes the server have these series, and no others, from now on.
	Say func(samples ...Sample)
	// Misbehave makes the server answer no more, or again.
	Misbehave func(how Fault)
}

// patience bounds every wait of the suite.
const patience = 10 * time.Second

// longest is the length that an error may have, in bytes.
const longest = 300

// Run runs the suite. Each test opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	tests := map[string]func(t *testing.T, w World){
		"values are read as the server says them":               values,
		"series are selected by their name and their labels":    selected,
		"nothing selected is an empty list":                     nothing,
		"a series keeps its key, and no other has it":           keys,
		"two selectors may select the same series":              twice,
		"each reading is of its own moment":                     fresh,
		"a server that hangs is an error when the time is over": hangs,
		"a server that is down is an error until it is back":    down,
		"a server that fails is an error until it does not":     fails,
		"many may read at the same time":                        together,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// selectors parses selectors.
func selectors(t *testing.T, texts ...string) []query.Selector {
	t.Helper()
	var out []query.Selector
	for _, text := range texts {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, q.Selectors()...)
	}
	return out
}

func (w World) read(t *testing.T, texts ...string) query.Page {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	page, err := w.Source.Read(ctx, w.Address, selectors(t, texts...))
	if err != nil {
		t.Fatalf("read %v: %v", texts, err)
	}
	if len(page) != len(texts) {
		t.Fatalf("a page of %d lists for %d selectors", len(page), len(texts))
	}
	return page
}

// numbers are the values of a list, in order of size.
func numbers(points []query.Point) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = p.Value
	}
	slices.Sort(out)
	return out
}

func values(t *testing.T, w World) {
	want := []float64{0, -1.5, 1e300, 5e-324, 123456789.25, math.NaN(), math.Inf(1), math.Inf(-1)}
	for i, v := range want {
		w.Say(Sample{Name: "level", Value: v}, Sample{Name: "other", Value: float64(i)})
		got := numbers(w.read(t, "level")[0])
		if diff := cmp.Diff([]float64{v}, got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("the value %v (-want +got):\n%s", v, diff)
		}
	}
}

func selected(t *testing.T, w World) {
	w.Say(
		Sample{Name: "requests_total", Labels: map[string]string{"code": "200", "path": "/a b\"c\\d{}\n,e"}, Value: 1},
		Sample{Name: "requests_total", Labels: map[string]string{"code": "404"}, Value: 2},
		Sample{Name: "requests_total", Labels: map[string]string{"code": "500", "path": "/"}, Value: 4},
		Sample{Name: "requests_total_more", Value: 8},
		Sample{Name: "requests", Value: 16},
		Sample{Name: "vllm:requests_total", Labels: map[string]string{"code": "200"}, Value: 32},
	)
	for text, want := range map[string][]float64{
		`requests_total`:                               {1, 2, 4},
		`requests_total{code="404"}`:                   {2},
		`requests_total{code=~"[45].."}`:               {2, 4},
		`requests_total{code!~"5..",path!=""}`:         {1},
		`requests_total{path="/a b\"c\\d{}\n,e"}`:      {1},
		`requests_total{path=""}`:                      {2},
		`requests`:                                     {16},
		`vllm:requests_total`:                          {32},
		`requests_total{code="200",code="404"}`:        {},
		`requests_total{path=~"/a.*",code=~"2.*|4.*"}`: {1},
	} {
		if diff := cmp.Diff(want, numbers(w.read(t, text)[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	page := w.read(t, "requests", "requests_total_more", `requests_total{code="500"}`)
	if got := [][]float64{numbers(page[0]), numbers(page[1]), numbers(page[2])}; !cmp.Equal(got, [][]float64{{16}, {8}, {4}}) {
		t.Errorf("three selectors in their order: %v", got)
	}
}

func nothing(t *testing.T, w World) {
	w.Say(Sample{Name: "level", Value: 1})
	page := w.read(t, "absent", `level{x="y"}`)
	if len(page[0]) != 0 || len(page[1]) != 0 {
		t.Errorf("read %v of what is not there", page)
	}
	w.Say()
	if page := w.read(t, "level"); len(page[0]) != 0 {
		t.Errorf("read %v of a server that says nothing", page)
	}
	if page := w.read(t); page == nil {
		t.Error("a page without selectors is told as a server that did not answer")
	}
}

func keys(t *testing.T, w World) {
	say := func(add float64) {
		w.Say(
			Sample{Name: "a", Labels: map[string]string{"x": "1", "y": "2"}, Value: 1 + add},
			Sample{Name: "a", Labels: map[string]string{"x": "1"}, Value: 2 + add},
			Sample{Name: "a", Labels: map[string]string{"y": "2"}, Value: 3 + add},
			Sample{Name: "a", Labels: map[string]string{"x": `1",y="2`}, Value: 4 + add},
			Sample{Name: "a", Value: 5 + add},
		)
	}
	read := func() map[string]float64 {
		out := map[string]float64{}
		for _, p := range w.read(t, "a")[0] {
			out[p.Key] = p.Value
		}
		return out
	}
	say(0)
	before := read()
	say(10)
	after := read()
	if len(before) != 5 || len(after) != 5 {
		t.Fatalf("five series have %d and then %d keys: %v", len(before), len(after), after)
	}
	for key, v := range before {
		if after[key] != v+10 {
			t.Errorf("%s is %v and then %v", key, v, after[key])
		}
	}
}

func twice(t *testing.T, w World) {
	w.Say(Sample{Name: "a", Labels: map[string]string{"x": "1"}, Value: 7})
	page := w.read(t, "a", `a{x="1"}`, "a")
	for i := range page {
		if got := numbers(page[i]); !cmp.Equal(got, []float64{7}) {
			t.Errorf("selector %d selects %v", i, got)
		}
	}
}

func fresh(t *testing.T, w World) {
	for i := range 3 {
		w.Say(Sample{Name: "a", Value: float64(i)})
		if got := numbers(w.read(t, "a")[0]); !cmp.Equal(got, []float64{float64(i)}) {
			t.Errorf("reading %d says %v", i, got)
		}
	}
}

// broken reads a server that does not answer as it should.
func (w World) broken(t *testing.T, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	want, failed := selectors(t, "a"), make(chan error, 1)
	go func() {
		_, err := w.Source.Read(ctx, w.Address, want)
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil {
			t.Fatal("it was read")
		}
		if text := err.Error(); text == "" || len(text) > longest || strings.ContainsAny(text, "\n\r") || strings.Contains(text, w.Address) {
			t.Errorf("the error is no short line without the address: %q", text)
		}
	case <-time.After(2 * patience):
		t.Fatal("a reading does not end with its context")
	}
}

func hangs(t *testing.T, w World) {
	w.Say(Sample{Name: "a", Value: 1})
	w.Misbehave(Hang)
	w.broken(t, 50*time.Millisecond)
	w.Misbehave(None)
	w.read(t, "a")
}

func down(t *testing.T, w World) {
	w.Say(Sample{Name: "a", Value: 1})
	w.Misbehave(Refuse)
	w.broken(t, patience)
	w.Misbehave(None)
	w.read(t, "a")
}

func fails(t *testing.T, w World) {
	w.Say(Sample{Name: "a", Value: 1})
	w.Misbehave(Fail)
	w.broken(t, patience)
	w.Misbehave(None)
	w.read(t, "a")
}

func together(t *testing.T, w World) {
	samples := make([]Sample, 50)
	for i := range samples {
		samples[i] = Sample{Name: "a", Labels: map[string]string{"i": fmt.Sprint(i)}, Value: 1}
	}
	w.Say(samples...)
	want := selectors(t, "a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			page, err := w.Source.Read(ctx, w.Address, want)
			if err != nil || len(page[0]) != len(samples) {
				t.Errorf("read %v, %v, want %d series", page, err, len(samples))
			}
		})
	}
	wg.Wait()
}
