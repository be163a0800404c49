package sample_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

func text(name, s string) *sample.Source {
	return &sample.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }}
}

func gates(t testing.TB, words ...string) (out []spec.ResolvedGate) {
	t.Helper()
	for _, w := range words {
		g, err := plan.ParseGate(w)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func asks(t testing.TB, words ...string) (out []column.Ask) {
	t.Helper()
	for _, w := range words {
		a, err := column.ParseAsk(w)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// options are those of two files.
func options(baseline, candidate string) sample.Options {
	return sample.Options{
		Baseline: text("b", baseline), Candidate: text("c", candidate),
		MaxIDs: sample.DefaultMaxIDs, Tolerance: sample.DefaultTolerance,
	}
}

func read(t testing.TB, o sample.Options) *sample.Sample {
	t.Helper()
	s, err := sample.Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counted are the counts of a gate's first stratum.
func counted(g *sample.Gate) stats.Stratum {
	reduced := g.Judged.Reduce(g.View(&g.Evidence))
	if len(reduced.Strata) == 0 {
		return stats.Stratum{}
	}
	return reduced.Strata[0].Counts
}

// faults are the bad rows of a file in words.
func faults(f sample.File) (out []string) {
	for _, fault := range f.Faults {
		out = append(out, fault.String())
	}
	return out
}

func TestWhatRowsSayOfAMetric(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gate   string
		header string
		rows   []string
		asks   []string
		per    func(*sample.Options)
		n, k   float64
		silent uint64
		bad    []string
	}{
		"errors by status": {
			gate: "error_rate max 5%", header: "status", rows: []string{"200", "404", "429", "500", "503", "599", "100", "200.0"}, n: 8, k: 4,
		},
		"errors by a column": {
			gate: "error_rate max 5%", header: "error", rows: []string{"0", "1", "true", "False", "timeout", "NULL"}, n: 6, k: 3,
		},
		"errors by both": {
			gate: "error_rate max 5%", header: "status,error", rows: []string{"200,0", "200,1", "500,0", "200,", "429,"}, n: 5, k: 3,
		},
		"errors that nobody tells": {
			gate: "error_rate max 5%", header: "error,x", rows: []string{"0,1", ",1", "nan,1"}, n: 1,
			bad: []string{"1 × error is empty (line 3)", "1 × error is NaN (line 4)"},
		},
		"a status that is none": {
			gate: "error_rate max 5%", header: "status,x", rows: []string{"200,1", "0,1", "600,1", "2.5,1", "OK,1", ",1"}, n: 1,
			bad: []string{"3 × status is no HTTP status (line 3, 4, 5)", "1 × status is empty (line 7)", "1 × status is no number (line 6)"},
		},
		"mistakes of callers by status": {gate: "client_error_rate max 5%", header: "status", rows: []string{"200", "400", "404", "429", "500"}, n: 5, k: 2},
		"mistakes of callers by a column": {
			gate: "client_error_rate max 5%", header: "client_error,x", rows: []string{"0,1", "1,1", ",1"}, n: 2, k: 1, bad: []string{"1 × client_error is empty (line 4)"},
		},
		"an outcome": {
			gate: "outcome:paid min 1%", header: "paid,x", rows: []string{"1,1", "0,1", "yes,1", "2,1", ",1", "NaN,1"}, n: 3, k: 2,
			bad: []string{"1 × paid is empty (line 6)", "1 × paid is NaN (line 7)", "1 × paid is neither 0 nor 1 (line 5)"},
		},
		"an outcome that may be empty": {
			gate: "outcome:paid min 1%", header: "paid,x", rows: []string{"1,1", ",1", "0,1", "x,1"}, n: 2, k: 1, silent: 1,
			per: func(o *sample.Options) { o.Optional = []column.Role{"outcome:paid"} },
			bad: []string{"1 × paid is neither 0 nor 1 (line 5)"},
		},
		"an outcome over all rows": {gate: "outcome:paid min 1% per exposure", header: "paid,x", rows: []string{"1,1", ",1", ",1", "0,1"}, n: 4, k: 1, silent: 2},
		"an outcome of failed requests": {
			gate: "outcome:paid min 1%", header: "status,paid", rows: []string{"200,1", "500,", "500,1", "200,0"}, n: 3, k: 2, silent: 1,
		},
		"accuracy by a column": {gate: "accuracy min 90%", header: "correct,status", rows: []string{"1,200", "0,200", ",500"}, n: 3, k: 1},
		"accuracy by the label": {
			gate: "accuracy min 90%", header: "output,label", rows: []string{"a,a", "a,b", ",b", "1.0,1"}, n: 4, k: 2,
		},
		"accuracy without a label": {
			gate: "accuracy min 90%", header: "output,label", rows: []string{"a,a", "a,"}, n: 1, k: 1, bad: []string{"1 × label is empty (line 3)"},
		},
		"a class": {
			gate: "output:kind class fraud max 10%", header: "kind,x", rows: []string{"fraud,1", "ham,1", ",1"}, n: 2, k: 1, bad: []string{"1 × kind is empty (line 4)"},
		},
		"a class that is a number": {gate: "output:kind class 1 max 10%", header: "kind", rows: []string{"1", "1.0", "2"}, n: 3, k: 2},
		"a column by another name": {gate: "outcome:paid min 1%", header: "is_paid", rows: []string{"1", "0"}, asks: []string{"outcome:paid=is_paid"}, n: 2, k: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(tt.header+"\n", tt.header+"\n"+strings.Join(tt.rows, "\n")+"\n")
			o.Gates, o.Columns = gates(t, tt.gate), asks(t, tt.asks...)
			if tt.per != nil {
				tt.per(&o)
			}
			s := read(t, o)
			g := s.Gates[0]
			counts := counted(g)
			k := counts.KT
			if len(g.Judged.Ceilings) == 1 && g.Judged.Ceilings[0].Complement {
				k = counts.NT - g.Judged.Reduce(g.View(&g.Evidence)).Strata[0].Over[0]
			}
			if counts.NT != tt.n || k != tt.k || g.Silent[split.Candidate] != tt.silent {
				t.Errorf("%v of %v, %d silent; want %v of %v, %d", k, counts.NT, g.Silent[split.Candidate], tt.k, tt.n, tt.silent)
			}
			if diff := cmp.Diff(tt.bad, faults(s.Files[1])); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if want := uint64(len(tt.rows)); s.Files[1].Rows != want || s.Arms[split.Candidate].Rows != want {
				t.Errorf("%d rows of the file, %d of the arm, want %d", s.Files[1].Rows, s.Arms[split.Candidate].Rows, want)
			}
		})
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header string
		rows   []string
		asks   []string
		want   []float64 // in milliseconds
		silent uint64
		bad    []string
	}{
		"milliseconds":           {header: "latency_ms", rows: []string{"1", "2.5", "0"}, want: []float64{1, 2.5, 1e-6}},
		"seconds":                {header: "took", rows: []string{"1", "0.25"}, asks: []string{"latency=took:s"}, want: []float64{1000, 250}},
		"with a unit":            {header: "latency_ms", rows: []string{"1.5s", "20ms", "7us"}, want: []float64{1500, 20, .007}},
		"of failed requests":     {header: "status,latency_ms", rows: []string{"200,5", "500,", "504,9000"}, want: []float64{5, 9000}, silent: 1},
		"beyond all that is one": {header: "latency_ms", rows: []string{"1e20", "1"}, want: []float64{1}, bad: []string{"1 × latency_ms is too large (line 2)"}},
		"that are none": {
			header: "latency_ms,x", rows: []string{"-1,1", "NaN,1", "inf,1", ",1", "-20ms,1", "soon,1", "3,1"}, want: []float64{3},
			bad: []string{
				"2 × latency_ms is negative (line 2, 6)", "1 × latency_ms is empty (line 5)", "1 × latency_ms is infinite (line 4)",
				"1 × latency_ms is NaN (line 3)", "1 × latency_ms is no number (line 7)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(tt.header+"\n", tt.header+"\n"+strings.Join(tt.rows, "\n")+"\n")
			o.Gates, o.Columns = gates(t, "latency_p99 maxIncrease 10%"), asks(t, tt.asks...)
			s := read(t, o)
			g := s.Gates[0]
			times := g.Scope("").Times[split.Candidate]
			if len(times) != len(tt.want) {
				t.Fatalf("%v, want %v ms", times, tt.want)
			}
			for i := range times {
				if math.Abs(times[i]*1000-tt.want[i]) > 1e-9*tt.want[i] {
					t.Errorf("duration %d is %v ms, want %v", i, times[i]*1000, tt.want[i])
				}
			}
			if n := counted(g).NT; n != float64(len(tt.want)) || g.Silent[split.Candidate] != tt.silent {
				t.Errorf("%v counted, %d silent", n, g.Silent[split.Candidate])
			}
			if diff := cmp.Diff(tt.bad, faults(s.Files[1])); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	o := options("revenue\n1\n2\n3\n", "revenue,x\n10,1\n-4,1\n0,1\n1e16,1\n,1\nx,1\nNaN,1\n")
	o.Gates = gates(t, "outcome:revenue kind mean maxDecrease 5%")
	s := read(t, o)
	got := s.Gates[0].Evidence.Strata[0].Sides[split.Candidate].Values[0]
	if got.Moments.N != 3 || got.Moments.Mean != 2 || got.NonZero != 2 {
		t.Errorf("got %+v", got)
	}
	want := []string{"1 × revenue is empty (line 6)", "1 × revenue is NaN (line 8)", "1 × revenue is no number (line 7)", "1 × revenue is too large (line 5)"}
	if diff := cmp.Diff(want, faults(s.Files[1])); diff != "" {
		t.Error(diff)
	}
}

func TestACapIsThatOfTheBaselineWhereverItsRowsStand(t *testing.T) {
	t.Parallel()
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf("baseline,%d", i%100+1))
		rows = append(rows, fmt.Sprintf("candidate,%d", 1000+i))
	}
	want := evidence.Scale{}
	for _, order := range []string{"as they are", "the candidate's first"} {
		sorted := rows
		if order != "as they are" {
			var first, then []string
			for _, r := range rows {
				if strings.HasPrefix(r, "c") {
					first = append(first, r)
				} else {
					then = append(then, r)
				}
			}
			sorted = append(first, then...)
		}
		s := read(t, sample.Options{
			Data: text("d", "arm,revenue\n"+strings.Join(sorted, "\n")), Gates: gates(t, "outcome:revenue kind mean maxDecrease 5%"), MaxIDs: 10,
		})
		scale := s.Gates[0].Evidence.Strata[0].Scales[0]
		side := s.Gates[0].Evidence.Strata[0].Sides[split.Candidate].Values[0]
		if scale.Cap != 100 || side.Moments.Mean != scale.Cap || side.Capped != 1000 {
			t.Errorf("%s: cap %v, mean %v, %d capped", order, scale.Cap, side.Moments.Mean, side.Capped)
		}
		if want.Cap > 0 && !want.Equal(scale) {
			t.Errorf("%s: another scale", order)
		}
		want = scale
	}
}

func TestADistributionOfClassesHasABinForEach(t *testing.T) {
	t.Parallel()
	rows := func(classes ...string) string {
		return "kind\n" + strings.Repeat(strings.Join(classes, "\n")+"\n", 100)
	}
	o := options(rows("a", "a", "b", "c"), rows("a", "b", "d", "d"))
	o.Gates = gates(t, "output:kind max 0.1")
	g := read(t, o).Gates[0]
	reduced := g.Judged.Reduce(g.View(&g.Evidence))
	if distance := stats.KS(reduced.Strata[0].Bins.T, reduced.Strata[0].Bins.C); distance < 0.25 {
		t.Errorf("distance %v", distance)
	}
}

func TestGatesThatNoRowSpeaksOf(t *testing.T) {
	t.Parallel()
	memory, _, err := spec.Parse("x", []byte("apiVersion: belay.dev/v1alpha1\nkind: Policy\nmetadata: {name: x}\nspec: {extends: fast, gates: [{metric: memory, source: scrape, query: process_resident_memory_bytes, maxIncrease: 20%}]}"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Choose(memory, plan.Choice{Gates: []string{"error_rate max 5%", "agreement min 90%", "latency_p50 maxIncrease 10%"}})
	if err != nil {
		t.Fatal(err)
	}
	o := options("id,correct\n1,1\n", "id,correct\n1,1\n")
	o.Gates = p.Gates
	want := []gate.Reason{sample.NotInFiles, sample.NoColumn, sample.NoColumn, sample.NoColumn}
	for i, g := range read(t, o).Gates {
		if g.Absent != want[i] {
			t.Errorf("%s: %q, want %q", g.Judged.Name, g.Absent, want[i])
		}
	}
}
