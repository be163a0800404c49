package sample_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

func TestOneFileOfBothArms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		data string
		arms [split.Arms]string
		ask  []string
		nC   float64
		nT   float64
		bad  []string
	}{
		"by the names of the arms":      {data: "arm,status\nbaseline,200\nCandidate,500\ncandidate,200\n", nC: 1, nT: 2},
		"by the names of the versions":  {data: "version,status\nv6,200\nv7,500\nv8,200\n,200\n", arms: [split.Arms]string{"v6", "v7"}, ask: []string{"arm=version"}, nC: 1, nT: 1, bad: []string{"1 × version is empty (line 5)", "1 × version names no arm (line 4)"}},
		"by another name of the column": {data: "variant,status\nbaseline,200\n", nC: 1},
		"in JSON":                       {data: `{"arm":"baseline","status":200}` + "\n" + `{"arm":"candidate","status":500}` + "\n{\"arm\":", nC: 1, nT: 1, bad: []string{"1 × no JSON object (line 3)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := read(t, sample.Options{Data: text("d", tt.data), Arms: tt.arms, Columns: asks(t, tt.ask...), Gates: gates(t, "error_rate max 5%"), MaxIDs: 10})
			if c := counted(s.Gates[0]); c.NC != tt.nC || c.NT != tt.nT {
				t.Errorf("baseline %v, candidate %v", c.NC, c.NT)
			}
			if diff := cmp.Diff(tt.bad, faults(s.Files[0])); diff != "" {
				t.Error(diff)
			}
			// Rows of no arm are bad rows of the file, and of no arm.
			if known := s.Arms[0].Rows + s.Arms[1].Rows; known != uint64(tt.nC+tt.nT) || s.Arms[0].Bad+s.Arms[1].Bad != 0 {
				t.Errorf("arms %+v", s.Arms)
			}
		})
	}
}

func TestOptionsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	const file = "id,country,status,output\n1,NZ,200,x\n"
	for name, tt := range map[string]struct {
		change func(*sample.Options)
		want   string
	}{
		"no files":                {func(o *sample.Options) { o.Baseline = nil }, "name the files of both arms"},
		"three files":             {func(o *sample.Options) { o.Data = o.Baseline }, "name the files of both arms"},
		"no arms":                 {func(o *sample.Options) { *o = sample.Options{Data: o.Baseline, Gates: o.Gates} }, "no column that says the arm"},
		"agreement with a margin": {func(o *sample.Options) { o.Gates = gates(t, "agreement maxDecrease 1pp") }, "write min"},
		"agreement without pairs": {func(o *sample.Options) { o.Gates, o.Unpaired = gates(t, "agreement min 90%"), true }, "needs pairs"},
		"a stratum and a segment": {func(o *sample.Options) { o.By, o.StratifyBy = []string{"country"}, "country" }, "both stratum and segment"},
		"a segment not there":     {func(o *sample.Options) { o.By = []string{"county"} }, `no column "county"`},
		"a stratum not there":     {func(o *sample.Options) { o.StratifyBy = "hour" }, `no column "hour"`},
		"a file not there": {func(o *sample.Options) {
			o.Candidate = &sample.Source{Name: "c", Open: func() (io.ReadCloser, error) { return nil, errors.New("open c: no such file") }}
		}, "open c: no such file"},
		"a file that is none": {func(o *sample.Options) { o.Candidate = text("c", "PAR1") }, "c is Parquet"},
		"two columns of a name": {func(o *sample.Options) {
			o.Candidate = text("c", "status,status\n200,200\n")
		}, `c: two columns are named "status"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(file, file)
			o.Gates = gates(t, "error_rate max 5%")
			tt.change(&o)
			_, err := sample.Read(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !problem.Is(err, problem.Invalid) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	o := options("status\n200\n", "status\n200\n")
	o.Gates = gates(t, "error_rate max 5%")
	if _, err := sample.Read(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatBreaksInItsMiddleIsAnError(t *testing.T) {
	t.Parallel()
	o := options("status\n200\n", "")
	o.Gates = gates(t, "error_rate max 5%")
	opened := 0
	o.Candidate = &sample.Source{Name: "c", Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(io.MultiReader(strings.NewReader("status\n"+strings.Repeat("200\n", 200_000)), broken{})), nil
	}}
	_, err := sample.Read(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), "read c: bad sector") {
		t.Errorf("got %v", err)
	}
	if opened > 2 {
		t.Errorf("opened %d times", opened)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("bad sector") }

func TestStrata(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file  string
		by    string
		every time.Duration
		want  []float64 // rows of the candidate, by stratum
		bad   []string
	}{
		"none":                   {file: "status,hour\n200,1\n200,2\n", want: []float64{2}},
		"by a name":              {file: "status,stage\n200,1\n200,2\n200,1\n", want: []float64{2, 1}},
		"by what is asked for":   {file: "status,hour\n200,7\n200,8\n200,8\n,8\n200,\n", by: "hour", want: []float64{1, 2}, bad: []string{"1 × hour is empty (line 6)", "1 × status is empty (line 5)"}},
		"by stretches of time":   {file: "status,t\n200,2026-11-23T10:59:00Z\n200,2026-11-23T11:00:00Z\n200,2026-11-23T12:59:59+01:00\n200,2026-11-23 11:30:00\n200,yesterday\n", by: "t", every: time.Hour, want: []float64{1, 3}, bad: []string{"1 × t is no time (line 6)"}},
		"by seconds since 1970":  {file: "status,t\n200,1700000000\n200,1700000100.5\n200,1700100000\n200,1e300\n", by: "t", every: time.Hour, want: []float64{2, 1}, bad: []string{"1 × t is no time (line 5)"}},
		"by milliseconds of it":  {file: "status,t\n200,1700000000000\n200,1700000100000\n200,1700100000000\n", by: "t", every: time.Hour, want: []float64{2, 1}},
		"by days":                {file: "status,t\n200,2026-11-23\n200,2026-11-24\n", by: "t", every: 24 * time.Hour, want: []float64{1, 1}},
		"as words, not as times": {file: "status,t\n200,2026-11-23\n200,2026-11-23 \n", by: "t", want: []float64{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options("status\n", tt.file)
			o.Gates, o.StratifyBy, o.Every = gates(t, "error_rate max 5%"), tt.by, tt.every
			s := read(t, o)
			var got []float64
			for _, slice := range s.Gates[0].Judged.Reduce(s.Gates[0].View(&s.Gates[0].Evidence)).Strata {
				got = append(got, slice.Counts.NT)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.bad, faults(s.Files[1])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTooManyStrataAreAnError(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("status,user\n")
	for i := range 65 {
		fmt.Fprintf(&b, "200,%d\n", i)
	}
	o := options("status,user\n", b.String())
	o.Gates, o.StratifyBy = gates(t, "error_rate max 5%"), "user"
	_, err := sample.Read(context.Background(), o)
	if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "time:6h") {
		t.Errorf("got %v", err)
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("status,country,tenant\n500,NZ,x\n200,NZ,y\n200,,x\n")
	for i := range 100 {
		fmt.Fprintf(&b, "200,c%d,x\n", i)
	}
	b.WriteString("200," + strings.Repeat("long", 100) + ",x\n")
	o := options("status,country,tenant\n200,NZ,x\n", b.String())
	o.Gates, o.By = gates(t, "error_rate max 5%"), []string{"country", "tenant"}
	s := read(t, o)
	if !s.Segmented {
		t.Error("no segments")
	}
	e := s.Gates[0].Evidence
	if len(e.Segments) != evidence.MaxSegments+1 || e.Segments[evidence.MaxSegments].Name != evidence.OtherSegment {
		t.Fatalf("%d segments", len(e.Segments))
	}
	rows := map[string]uint64{}
	for _, segment := range e.Segments {
		for _, stratum := range segment.Strata {
			rows[segment.Name] += stratum.Sides[split.Candidate].Rates[0].N
		}
	}
	if rows["country=NZ"] != 2 || rows["country=none"] != 1 || rows["tenant=x"] != 103 || rows["tenant=y"] != 1 {
		t.Errorf("rows %v", rows)
	}
	total := uint64(0)
	for _, n := range rows {
		total += n
	}
	if total != 2*104 || counted(s.Gates[0]).NT != 104 {
		t.Errorf("%d rows in all segments, %v in the whole", total, counted(s.Gates[0]).NT)
	}
}

func TestRowsWithTheSameIDArePaired(t *testing.T) {
	t.Parallel()
	o := options(
		"id,correct,revenue\n1,1,10\n2,0,20\n3,1,30\n4,1,40\n5,1,50\n1,0,99\n",
		"id,correct,revenue\n3,0,33\n2,1,22\n6,1,66\n1,1,11\n4,1,\n,1,1\n")
	o.Gates = gates(t, "accuracy maxDecrease 1pp", "outcome:revenue kind mean maxDecrease 5% cap 30")
	o.Optional = []column.Role{"outcome:revenue"}
	s := read(t, o)
	want := sample.Match{Pairs: 4, BaselineOnly: 1, CandidateOnly: 1}
	if diff := cmp.Diff(want, *s.Match); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 × id comes a second time (line 7)"}, faults(s.Files[0])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1 × id is empty (line 7)"}, faults(s.Files[1])); diff != "" {
		t.Error(diff)
	}
	accuracy := s.Gates[0].Scope("").Pairs
	if accuracy.N != 4 || accuracy.OnlyT != 1 || accuracy.OnlyC != 1 || accuracy.Both != 2 {
		t.Errorf("accuracy %+v", accuracy)
	}
	// The row of id 4 says no revenue; what is said is capped.
	revenue := s.Gates[1].Scope("").Pairs.Values
	if revenue.N != 3 || revenue.X != 10+20+30 || revenue.Y != 11+22+30 {
		t.Errorf("revenue %+v", revenue)
	}
	// The second row of an id counts for nothing.
	if c := counted(s.Gates[0]); c.NC != 5 || c.NT != 5 {
		t.Errorf("counted %+v", c)
	}
	o.Unpaired = true
	if s := read(t, o); s.Match != nil || counted(s.Gates[0]).NC != 6 {
		t.Errorf("unpaired: %+v", s.Match)
	}
}

func TestRowsArePairedByTheirNumber(t *testing.T) {
	t.Parallel()
	// Also where a row in between is bad.
	o := options("correct\n1\n0\nx\n1\n", "correct\n1\n1\n1\n0\n")
	o.Gates, o.Columns = gates(t, "accuracy maxDecrease 1pp"), asks(t, "id=#")
	s := read(t, o)
	if p := s.Gates[0].Scope("").Pairs; p.N != 3 || p.OnlyT != 1 || p.OnlyC != 1 || p.Both != 1 {
		t.Errorf("pairs %+v", p)
	}
}

func TestAnswersAreCompared(t *testing.T) {
	t.Parallel()
	o := options(
		"id,status,output\n1,200,a\n2,200,0.5\n3,200,\"{\"\"x\"\":1}\"\n4,500,\n5,200,b\n6,200,\n7,200,c\n8,200,d\n",
		`{"id":1,"status":200,"output":"a"}`+"\n"+`{"id":2,"status":200,"output":0.50000001}`+"\n"+`{"id":3,"status":200,"output":{"x":1.0}}`+"\n"+
			`{"id":4,"status":200,"output":"a"}`+"\n"+`{"id":5,"status":503,"output":null}`+"\n"+`{"id":6,"status":200}`+"\n"+`{"id":7,"status":200}`+"\n"+`{"id":8,"status":200,"output":"D"}`+"\n")
	o.Gates = gates(t, "agreement min 99%")
	s := read(t, o)
	// 4 and 5 failed in one arm, 6 has no answer in either; 7 has one in the baseline alone.
	if c := counted(s.Gates[0]); c.NT != 5 || c.KT != 3 || c.NC != 0 {
		t.Errorf("%v of %v agree", c.KT, c.NT)
	}
	o.Tolerance = 0
	if c := counted(read(t, o).Gates[0]); c.KT != 2 {
		t.Errorf("without tolerance %v agree", c.KT)
	}
}

func TestOutputsAreFoundByTheirPointers(t *testing.T) {
	t.Parallel()
	file := `{"id":1,"answer":{"score":0.5,"label":"fraud"}}` + "\n" + `{"id":2,"answer":{"score":0.7,"label":"ham"}}` + "\n"
	o := options(file, file)
	o.Gates = gates(t, "output:/answer/score max 0.2", "output:/answer/label class fraud maxIncrease 1pp", "output:/other/score max 0.2")
	s := read(t, o)
	if c := counted(s.Gates[1]); c.NT != 2 || c.KT != 1 || s.Gates[0].Absent != "" || s.Gates[2].Absent != sample.NoColumn {
		t.Errorf("%+v; absent %q, %q", c, s.Gates[0].Absent, s.Gates[2].Absent)
	}
	o.Columns = asks(t, "output:/answer/label=/id")
	if c := counted(read(t, o).Gates[1]); c.NT != 2 || c.KT != 0 {
		t.Errorf("by another pointer: %+v", c)
	}
}

func TestUnitsFallIntoTheSameBucketInBothArms(t *testing.T) {
	t.Parallel()
	rows := "user_id,status\n"
	for i := range 300 {
		rows += fmt.Sprintf("u%d,%d\n", i%40, 200+300*(i%2))
	}
	o := options(rows, rows)
	o.Gates = gates(t, "error_rate maxIncrease 1pp")
	g := read(t, o).Gates[0]
	sides := g.Evidence.Strata[0].Sides
	if sides[0].Rates[0].Buckets == nil || *sides[0].Rates[0].Buckets != *sides[1].Rates[0].Buckets {
		t.Error("the arms are spread over other buckets")
	}
	if n := g.Scope("").Occupied(split.Candidate); n < 30 || n > 40 {
		t.Errorf("40 users are in %d buckets", n)
	}
	o.Columns = asks(t, "unit=")
	if g := read(t, o).Gates[0]; g.Layout.Clustered {
		t.Error("units that are not wanted")
	}
}

func TestTheColumnsOfTheFilesMayDiffer(t *testing.T) {
	t.Parallel()
	o := options("latency_ms,status\n5,200\n6,200\n", "status\n200\n500\n")
	o.Gates = gates(t, "error_rate max 5%", "latency_p50 maxIncrease 10%")
	s := read(t, o)
	if s.Files[1].Bad != 0 {
		t.Errorf("faults %v", faults(s.Files[1]))
	}
	if c := counted(s.Gates[1]); c.NC != 2 || c.NT != 0 {
		t.Errorf("latencies %+v", c)
	}
}

func TestEmptyFilesSayNothing(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{"empty": "", "a header alone": "status\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(file, file)
			o.Gates = gates(t, "error_rate maxIncrease 1pp")
			s := read(t, o)
			if c := counted(s.Gates[0]); c.NT != 0 || c.NC != 0 || s.Files[0].Rows != 0 {
				t.Errorf("counted %+v", c)
			}
			if _, err := sample.Read(context.Background(), sample.Options{Data: text("d", file), Gates: o.Gates}); (err != nil) != (file != "") {
				t.Errorf("one file of both: %v", err)
			}
		})
	}
}

// The order of the rows is chance, and no verdict may hang on it.
func TestTheOrderOfRowsChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "rows")
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("%s,r%d,u%d,%d,%d,%d,s%d,%s",
				rapid.SampledFrom([]string{"baseline", "candidate"}).Draw(t, "arm"), rapid.IntRange(0, 1000).Draw(t, "id"), rapid.IntRange(0, 9).Draw(t, "unit"),
				rapid.SampledFrom([]int{200, 404, 500}).Draw(t, "status"), rapid.IntRange(1, 500).Draw(t, "ms"), rapid.IntRange(-9, 9).Draw(t, "revenue"),
				rapid.IntRange(0, 2).Draw(t, "stage"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "output"))
		}
		rows = firstOfEach(rows)
		shuffled := rapid.Permutation(rows).Draw(t, "order")
		of := func(rows []string) *sample.Sample {
			words := []string{"error_rate maxIncrease 1pp", "latency_p90 maxIncrease 10%", "outcome:revenue kind mean maxDecrease 5% cap 5", "agreement min 90%"}
			o := sample.Options{
				Data: text("d", "arm,id,unit,status,latency_ms,revenue,stage,output\n"+strings.Join(rows, "\n")), MaxIDs: 1000, Tolerance: 1e-6,
			}
			for _, w := range words {
				g, err := parsed(w)
				if err != nil {
					t.Fatal(err)
				}
				o.Gates = append(o.Gates, g)
			}
			s, err := sample.Read(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b := of(rows), of(shuffled)
		if diff := cmp.Diff(a.Match, b.Match); diff != "" {
			t.Fatal(diff)
		}
		for i := range a.Gates {
			x, y := a.Gates[i], b.Gates[i]
			for arm := range split.Arms {
				if total(x, arm) != total(y, arm) {
					t.Fatalf("gate %d, arm %d: %v, shuffled %v", i, arm, total(x, arm), total(y, arm))
				}
			}
			if p, q := x.Scope("").Pairs, y.Scope("").Pairs; p != q {
				t.Fatalf("gate %d: pairs %+v, shuffled %+v", i, p, q)
			}
		}
	})
}

// firstOfEach keeps the first row of an id and arm, because the second is bad.
func firstOfEach(rows []string) (out []string) {
	seen := map[string]bool{}
	for _, r := range rows {
		parts := strings.SplitN(r, ",", 3)
		if key := parts[0] + parts[1]; !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}

// total is what a gate has counted of an arm, whatever the order of its strata.
func total(g *sample.Gate, arm split.Arm) (sum [4]float64) {
	for _, s := range g.Evidence.Strata {
		side := &s.Sides[arm]
		for i := range side.Rates {
			sum[0] += float64(side.Rates[i].N)
			sum[1] += float64(side.Rates[i].K)
		}
		for i := range side.Latency {
			sum[2] += float64(side.Latency[i].Total())
		}
		for i := range side.Values {
			sum[3] += side.Values[i].Moments.N
		}
	}
	return sum
}

func TestFaultsNameTheirFirstLines(t *testing.T) {
	t.Parallel()
	o := options("status\n", "status\n"+strings.Repeat("x\n", 7)+"200\n")
	o.Gates = gates(t, "error_rate max 5%")
	f := read(t, o).Files[1]
	want := []sample.Fault{{Reason: row.NotNumber, Column: "status", Count: 7, Lines: []int{2, 3, 4, 5, 6}}}
	if diff := cmp.Diff(want, f.Faults); diff != "" || f.Bad != 7 || f.Rows != 8 {
		t.Errorf("%d of %d bad (-want +got):\n%s", f.Bad, f.Rows, diff)
	}
	if got := f.Faults[0].String(); got != "7 × status is no number (line 2, 3, 4, 5, 6, …)" {
		t.Errorf("in words: %s", got)
	}
}

func parsed(words string) (spec.ResolvedGate, error) { return plan.ParseGate(words) }
