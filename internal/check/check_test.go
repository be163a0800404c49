package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/problem"
)

// options are those of two files and some gates.
func options(t testing.TB, baseline, candidate string, gates ...string) check.Options {
	t.Helper()
	p, err := plan.Choose(spec.File{}, plan.Choice{Gates: gates})
	if err != nil {
		t.Fatal(err)
	}
	return check.Options{Plan: p, MaxBad: check.DefaultMaxBad, Options: sample.Options{
		Baseline: text("b", baseline), Candidate: text("c", candidate), MaxIDs: sample.DefaultMaxIDs, Tolerance: sample.DefaultTolerance,
	}}
}

func run(t testing.TB, o check.Options) *check.Report {
	t.Helper()
	r, err := check.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// statuses is a file with so many good rows and so many bad ones.
func statuses(good, bad int) string {
	return "status\n" + strings.Repeat("200\n", good) + strings.Repeat("500\n", bad)
}

// judged is a gate in short.
func judged(g check.Gate) string { return fmt.Sprintf("%s %s", g.Verdict, g.Reason) }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	const latencies = "latency_ms\n"
	for name, tt := range map[string]struct {
		baseline, candidate string
		gate                string
		change              func(*check.Options)
		want                string
	}{
		"a harm":                          {statuses(990, 10), statuses(900, 100), "error_rate maxIncrease 1pp", nil, "fail HarmProven"},
		"none":                            {statuses(990, 10), statuses(990, 10), "error_rate maxIncrease 2pp", nil, "pass MarginProven"},
		"neither is proven":               {statuses(990, 10), statuses(980, 20), "error_rate maxIncrease 1pp", nil, "undecided NotProven"},
		"neither is proven yet":           {statuses(990, 10), statuses(980, 20), "error_rate maxIncrease 1pp", anytime, "undecided NotProvenYet"},
		"a harm at any time":              {statuses(990, 10), statuses(900, 100), "error_rate maxIncrease 1pp", anytime, "fail HarmProven"},
		"zero errors at the baseline":     {statuses(1000, 0), statuses(900, 100), "error_rate maxIncrease 20%", nil, "fail HarmProven"},
		"zero errors at both":             {statuses(1000, 0), statuses(1000, 0), "error_rate maxIncrease 1pp", nil, "pass MarginProven"},
		"zero errors, and a ratio":        {statuses(1000, 0), statuses(1000, 0), "error_rate maxIncrease 20%", nil, "undecided NotProven"},
		"a broken ceiling":                {statuses(900, 100), statuses(900, 100), "error_rate maxIncrease 5pp max 5%", nil, "fail CeilingBroken"},
		"a broken ceiling alone":          {statuses(100, 0), statuses(900, 100), "error_rate max 5%", nil, "fail CeilingBroken"},
		"a broken ceiling at any time":    {statuses(900, 100), statuses(900, 100), "error_rate maxIncrease 9pp max 5%", anytime, "fail CeilingBroken"},
		"a ceiling that holds":            {statuses(100, 0), statuses(990, 10), "error_rate max 5%", nil, "pass MarginProven"},
		"no candidate":                    {statuses(990, 10), statuses(0, 0), "error_rate maxIncrease 1pp", nil, "no-data NoCandidateData"},
		"no baseline":                     {statuses(0, 0), statuses(900, 100), "error_rate maxIncrease 1pp", nil, "no-data NoBaselineData"},
		"no baseline, and a ceiling":      {statuses(0, 0), statuses(900, 100), "error_rate max 5%", nil, "fail CeilingBroken"},
		"nothing at all":                  {"", "", "error_rate maxIncrease 1pp", nil, "no-data NoColumn"},
		"another column":                  {statuses(10, 0), statuses(10, 0), "latency_p99 maxIncrease 10%", nil, "no-data NoColumn"},
		"too few rows to pass":            {statuses(1000, 0), statuses(99, 0), "error_rate maxIncrease 90pp", nil, "undecided TooFewRows"},
		"as many as are asked for":        {statuses(1000, 0), statuses(99, 0), "error_rate maxIncrease 90pp", func(o *check.Options) { o.Plan.MinSamples = 99 }, "pass MarginProven"},
		"too few rows and a harm":         {statuses(1000, 0), statuses(20, 30), "error_rate maxIncrease 1pp", nil, "fail HarmProven"},
		"successes alone, others empty":   {"paid,x\n" + strings.Repeat("1,\n", 500) + ",\n", "paid,x\n" + strings.Repeat("1,\n", 500), "outcome:paid maxDecrease 2pp", optional, "undecided OnlySuccesses"},
		"successes alone, as all rows":    {"paid\n" + strings.Repeat("1\n", 500), "paid\n" + strings.Repeat("1\n", 500), "outcome:paid maxDecrease 2pp", nil, "pass MarginProven"},
		"a rare success, alone":           {"paid,x\n" + strings.Repeat("1,\n", 500) + ",\n", "paid,x\n" + strings.Repeat("1,\n", 500), "outcome:paid maxDecrease 20% expect 5%", optional, "undecided OnlySuccesses"},
		"units that are too few":          {"user,status\n" + strings.Repeat("a,200\n", 500), "user,status\n" + strings.Repeat("b,500\n", 500), "error_rate maxIncrease 1pp", nil, "undecided TooFewUnits"},
		"one unit with all the errors":    {unitRows(300, 0), unitRows(300, 30), "error_rate maxIncrease 1pp", nil, "undecided NotProven"},
		"all values the same":             {"revenue\n" + strings.Repeat("5\n", 500), "revenue\n" + strings.Repeat("5\n", 500), "outcome:revenue kind mean maxDecrease 5%", nil, "undecided NotProven"},
		"a mean of nothing":               {"revenue\n" + strings.Repeat("0\n", 500), "revenue\n" + strings.Repeat("0\n", 500), "outcome:revenue kind mean maxDecrease 5%", nil, "undecided NotProven"},
		"a mean that sags":                {revenues(10), revenues(7), "outcome:revenue kind mean maxDecrease 5%", nil, "fail HarmProven"},
		"a mean below its floor":          {revenues(10), revenues(7), "outcome:revenue kind mean min 9", nil, "fail CeilingBroken"},
		"a mean above its floor":          {revenues(10), revenues(10), "outcome:revenue kind mean min 9", nil, "pass MarginProven"},
		"all latencies the same":          {latencies + strings.Repeat("5\n", 900), latencies + strings.Repeat("5\n", 900), "latency_p50 maxIncrease 10%", nil, "pass MarginProven"},
		"all latencies the same, later":   {latencies + strings.Repeat("5\n", 900), latencies + strings.Repeat("9\n", 900), "latency_p50 maxIncrease 10%", nil, "fail HarmProven"},
		"a latency beyond its ceiling":    {latencies + strings.Repeat("5\n", 900), latencies + strings.Repeat("9\n", 900), "latency_p90 max 7ms", nil, "fail CeilingBroken"},
		"answers that do not agree":       {answers(500, "a"), answers(500, "b"), "agreement min 90%", nil, "fail CeilingBroken"},
		"answers that agree":              {answers(500, "a"), answers(500, "a"), "agreement min 90%", nil, "pass MarginProven"},
		"answers to other requests":       {answers(500, "a"), strings.ReplaceAll(answers(500, "a"), "r", "q"), "agreement min 90%", nil, "no-data NoCandidateData"},
		"a distribution that is another":  {answers(500, "a"), answers(500, "b"), "output:output max 0.2", nil, "fail HarmProven"},
		"a distribution that is the same": {spreadAnswers(2000), spreadAnswers(2000), "output:output max 0.2", nil, "pass MarginProven"},
		"a distribution, at any time":     {answers(500, "a"), answers(500, "b"), "output:output max 0.2", anytime, "fail HarmProven"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, tt.baseline, tt.candidate, tt.gate)
			if tt.change != nil {
				tt.change(&o)
			}
			r := run(t, o)
			if got := judged(r.Gates[0]); got != tt.want {
				t.Errorf("%s, want %s: %+v", got, tt.want, r.Gates[0])
			}
			if want := r.Gates[0].Verdict; r.Verdict != want && !r.Gates[0].Info {
				t.Errorf("the whole is %s", r.Verdict)
			}
			agree(t, r)
			roundTrip(t, r)
		})
	}
}

func anytime(o *check.Options)  { o.Anytime = true }
func optional(o *check.Options) { o.Optional = []column.Role{"outcome:paid"} }

// unitRows are rows of 60 users, so many each; all errors are of one of them.
func unitRows(rows, errors int) string {
	var b strings.Builder
	b.WriteString("user,status\n")
	for i := range rows {
		fmt.Fprintf(&b, "u%d,200\n", i%60)
	}
	return b.String() + strings.Repeat("u7,500\n", errors)
}

// revenues are 600 numbers around a mean.
func revenues(mean float64) string {
	var b strings.Builder
	b.WriteString("revenue\n")
	for i := range 600 {
		fmt.Fprintln(&b, mean*(0.5+float64(i%101)/100))
	}
	return b.String()
}

func answers(n int, answer string) string {
	var b strings.Builder
	b.WriteString("id,output\n")
	for i := range n {
		fmt.Fprintf(&b, "r%d,%s\n", i, answer)
	}
	return b.String()
}

func spreadAnswers(n int) string {
	var b strings.Builder
	b.WriteString("output\n")
	for i := range n {
		fmt.Fprintln(&b, float64(i*7919%n)/float64(n))
	}
	return b.String()
}

// complainer is a test, or a case of a property.
type complainer interface {
	Helper()
	Errorf(format string, args ...any)
}

// agree checks that verdicts and bounds do not contradict each other, and that a
// verdict rests on rows.
func agree(t complainer, r *check.Report) {
	t.Helper()
	for _, g := range append(append([]check.Gate{}, r.Gates...), r.Segments...) {
		for name, p := range map[string]float64{"fail": g.PFail, "pass": g.PPass} {
			if !(p >= 0 && p <= 1) {
				t.Errorf("%s: p-value of %s %v", g.Gate, name, p)
			}
		}
		proven := g.Verdict == gate.Pass || g.Verdict == gate.Fail
		if proven && (g.Candidate.Rows == 0 || g.MarginValue != nil && g.Baseline.Rows == 0) {
			t.Errorf("%s is %s by %v and %v rows", g.Gate, g.Verdict, g.Baseline.Rows, g.Candidate.Rows)
		}
		b := g.Bound
		if b == nil || b.Of != check.Change || g.MarginValue == nil {
			continue
		}
		harm, safe, sign := b.Lower, b.Upper, 1.0
		if g.Worse == "down" {
			harm, safe, sign = b.Upper, b.Lower, -1
		}
		// A sketch or a search is exact to a little; where a p-value stands on its
		// threshold over a stretch of margins, any of them is the bound.
		const close = 1e-3
		if math.Abs(g.PPass-g.PPassAt) < 1e-9 || math.Abs(g.PFail-g.PFailAt) < 1e-9 {
			continue
		}
		if g.Reason == gate.HarmProven && (harm == nil || sign**harm < sign**g.MarginValue-close*math.Abs(*g.MarginValue)) {
			t.Errorf("%s fails, and its bound %v lies within %v", g.Gate, show(harm), *g.MarginValue)
		}
		if g.Verdict == gate.Pass && (safe == nil || sign**safe > sign**g.MarginValue+close*math.Abs(*g.MarginValue)) && !strings.Contains(g.Gate, "ignore") {
			t.Errorf("%s passes, and its bound %v lies beyond %v", g.Gate, show(safe), *g.MarginValue)
		}
	}
}

func show(x *float64) any {
	if x == nil {
		return "none"
	}
	return *x
}

// roundTrip checks that the report can be written.
func roundTrip(t testing.TB, r *check.Report) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back check.Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*r, back); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
}

func TestTheWholeIsThatOfItsGates(t *testing.T) {
	t.Parallel()
	// Errors fail, right answers pass, latencies are undecided, payments say nothing.
	var b, c strings.Builder
	b.WriteString("status,correct,latency_ms\n")
	c.WriteString("status,correct,latency_ms\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "200,1,%d\n", i%100+1)
		fmt.Fprintf(&c, "%d,1,%v\n", 200+300*(i%10/9), float64(i%100+1)*1.1)
	}
	const fails, passes, undecided, silent = "error_rate maxIncrease 1pp", "accuracy maxDecrease 1pp", "latency_p90 maxIncrease 10%", "outcome:paid maxDecrease 1pp"
	for name, tt := range map[string]struct {
		gates   []string
		require spec.Requirement
		want    gate.Verdict
	}{
		"a pass":                              {[]string{passes}, spec.WithinMargin, gate.Pass},
		"a fail beside all others":            {[]string{passes, silent, undecided, fails}, spec.WithinMargin, gate.Fail},
		"no data beside what is undecided":    {[]string{passes, silent, undecided}, spec.WithinMargin, gate.NoData},
		"undecided beside a pass":             {[]string{passes, undecided}, spec.WithinMargin, gate.Undecided},
		"undecided is no harm":                {[]string{passes, undecided}, spec.NoHarm, gate.Pass},
		"no data is not no harm":              {[]string{passes, silent}, spec.NoHarm, gate.NoData},
		"a fail is harm":                      {[]string{passes, fails}, spec.NoHarm, gate.Fail},
		"a guard that is undecided":           {[]string{passes, undecided + " require no-harm"}, spec.WithinMargin, gate.Pass},
		"a guard that fails":                  {[]string{passes, fails + " require no-harm"}, spec.WithinMargin, gate.Fail},
		"a fail that informs":                 {[]string{passes, fails + " role info"}, spec.WithinMargin, gate.Pass},
		"nothing but what informs":            {[]string{fails + " role info"}, spec.WithinMargin, gate.NoData},
		"a fail that would hold, not go back": {[]string{passes, fails + " onFail hold"}, spec.WithinMargin, gate.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, b.String(), c.String(), tt.gates...)
			o.Plan.Require = tt.require
			r := run(t, o)
			if r.Verdict != tt.want {
				t.Errorf("%s, want %s: %+v", r.Verdict, tt.want, r.Gates)
			}
		})
	}
}

func TestNoHarmNeedsRows(t *testing.T) {
	t.Parallel()
	o := options(t, statuses(3, 0), statuses(3, 0), "error_rate maxIncrease 20%")
	o.Plan.Require = spec.NoHarm
	if r := run(t, o); r.Verdict != gate.Undecided || r.Gates[0].Reason != check.TooFewRows {
		t.Errorf("three rows are %s (%s)", r.Verdict, r.Gates[0].Reason)
	}
}

func TestHolmSharesAlphaWithinAFamily(t *testing.T) {
	t.Parallel()
	o := options(t, statuses(990, 10), statuses(900, 100),
		"error_rate maxIncrease 1pp", "client_error_rate maxIncrease 1pp", "latency_p99 maxIncrease 10%", "outcome:x maxDecrease 1pp onFail hold", "outcome:y maxDecrease 1pp role info")
	r := run(t, o)
	// The first is proven at a third; of the other two of its family none is, so both stand at a half.
	want := []float64{0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05, 0.05}
	for i, g := range r.Gates {
		if math.Abs(g.PFailAt-want[i]) > 1e-12 || g.PPassAt != 0.05 {
			t.Errorf("%s fails at %v, want %v; passes at %v", g.Gate, g.PFailAt, want[i], g.PPassAt)
		}
	}
}

func TestAHarmInOneSegment(t *testing.T) {
	t.Parallel()
	file := func(broken int) string {
		var b strings.Builder
		b.WriteString("status,country\n")
		for i := range 4000 {
			bad := i%100 == 0 || i%40 == 7 && i/40%100 < broken
			fmt.Fprintf(&b, "%d,c%d\n", map[bool]int{false: 200, true: 500}[bad], i%40)
		}
		return b.String()
	}
	o := options(t, file(0), file(80), "error_rate maxIncrease 3pp")
	o.By = []string{"country"}
	r := run(t, o)
	if r.Verdict == gate.Fail || r.Gates[0].Verdict == gate.Fail {
		t.Errorf("the whole fails: %+v", r.Gates[0])
	}
	if worst := r.Segments[0]; worst.Segment != "country=c7" || worst.Verdict != gate.Fail || len(r.Segments) != 40 || r.Guarded {
		t.Errorf("the worst of %d is %s, %s", len(r.Segments), worst.Segment, worst.Verdict)
	}
	for i := 1; i < len(r.Segments); i++ {
		if r.Segments[i].PFail < r.Segments[i-1].PFail {
			t.Fatal("segments are not in the order of harm")
		}
	}
	o.Plan.Guarded = true
	r = run(t, o)
	if r.Verdict != gate.Fail || !r.Guarded || math.Abs(r.Gates[0].PFailAt-0.04) > 1e-12 || math.Abs(r.Segments[0].PFailAt-0.01/40) > 1e-12 {
		t.Errorf("guarded: %s; the whole fails at %v, the worst segment at %v", r.Verdict, r.Gates[0].PFailAt, r.Segments[0].PFailAt)
	}
	o.Anytime = true
	if r = run(t, o); r.Verdict != gate.Fail {
		t.Errorf("guarded at any time: %s", r.Verdict)
	}
	agree(t, r)
}

func TestStrataKeepAChangingMixFromLookingLikeHarm(t *testing.T) {
	t.Parallel()
	// Errors are 1 % by day and 20 % by night in both arms; the candidate has more of the night.
	file := func(day, night int) string {
		var b strings.Builder
		b.WriteString("status,shift\n")
		for i := range day {
			fmt.Fprintf(&b, "%d,day\n", map[bool]int{false: 200, true: 500}[i%100 == 0])
		}
		for i := range night {
			fmt.Fprintf(&b, "%d,night\n", map[bool]int{false: 200, true: 500}[i%5 == 0])
		}
		return b.String()
	}
	o := options(t, file(3000, 500), file(1000, 2000), "error_rate maxIncrease 2pp")
	if r := run(t, o); r.Verdict != gate.Fail {
		t.Errorf("pooled, the shift of the mix is no harm: the test cannot fail (%s)", r.Verdict)
	}
	o.StratifyBy = "shift"
	r := run(t, o)
	if r.Verdict != gate.Pass || r.Strata != 2 {
		t.Errorf("%s over %d strata: %+v", r.Verdict, r.Strata, r.Gates[0])
	}
}

func TestBadRows(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("200,5\n", 990)
	for name, tt := range map[string]struct {
		baseline, candidate string
		maxBad              float64
		want                string
	}{
		"few":                     {good, good + strings.Repeat("200,NaN\n", 10), .01, ""},
		"too many":                {good, good + strings.Repeat("200,NaN\n", 11), .01, "11 of the 1001 rows of c are bad, more than 1%"},
		"none is allowed":         {good, good + "200,NaN\n", 0, "1 of the 991 rows of c"},
		"of the baseline":         {good + strings.Repeat("x,5\n", 11), good, .01, "rows of b are bad"},
		"nothing else":            {good, "200,NaN\n", .5, "1 of the 1 rows of c"},
		"all of them are allowed": {good, "200,NaN\n", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, "status,latency_ms\n"+tt.baseline, "status,latency_ms\n"+tt.candidate, "latency_p50 maxIncrease 10%")
			o.MaxBad = tt.maxBad
			r, err := check.Run(context.Background(), o)
			if tt.want == "" {
				if err != nil || len(r.Gates) == 0 {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !problem.Is(err, problem.Invalid) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if r == nil || r.Gates != nil || r.Verdict != "" || len(r.Files) != 2 {
				t.Errorf("beside the error: %+v", r)
			}
		})
	}
}

func TestBadRowsOfOneArmDoNotHideInALargeFile(t *testing.T) {
	t.Parallel()
	data := "arm,status\n" + strings.Repeat("baseline,200\n", 10_000) + strings.Repeat("candidate,200\n", 100) + strings.Repeat("candidate,oops\n", 60)
	o := options(t, "", "", "error_rate maxIncrease 1pp")
	o.Baseline, o.Candidate, o.Data = nil, nil, text("d", data)
	if _, err := check.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "60 of the 160 rows of the candidate") {
		t.Errorf("got %v", err)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	ids := func(from, to int) string {
		var b strings.Builder
		b.WriteString("id,correct\n")
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "%d,1\n", i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct {
		baseline, candidate string
		gate                string
		want                string
	}{
		"no id in common":              {ids(0, 200), ids(200, 400), "accuracy maxDecrease 5pp", "no id is in both arms"},
		"few ids in common":            {ids(0, 200), ids(100, 300), "accuracy maxDecrease 5pp", "only 100 ids are in both arms"},
		"ids that were lost":           {ids(0, 200), ids(0, 190), "accuracy maxDecrease 5pp", "10 ids of the baseline have no row of the candidate"},
		"ids of both alone":            {ids(0, 200), ids(5, 205), "accuracy maxDecrease 5pp", "5 ids are in the baseline alone, 5 in the candidate alone"},
		"bad rows of one arm":          {statuses(5000, 0), "status\n" + strings.Repeat("200\n", 5000) + strings.Repeat("x\n", 40), "error_rate maxIncrease 5pp", "the candidate has 40 bad rows of 5040"},
		"no column for errors":         {ids(0, 9), ids(0, 9), "error_rate maxIncrease 5pp", "--column status=COLUMN or error=COLUMN"},
		"no column for a latency":      {ids(0, 9), ids(0, 9), "ttft_p95 maxIncrease 5%", "--column ttft=COLUMN:ms"},
		"no column for an outcome":     {ids(0, 9), ids(0, 9), "outcome:paid maxDecrease 5%", "--column outcome:paid=COLUMN"},
		"no column for answers":        {statuses(1, 0), statuses(1, 0), "agreement min 5%", "--column output=COLUMN and id=COLUMN"},
		"no column for accuracy":       {statuses(1, 0), statuses(1, 0), "accuracy min 5%", "--column correct=COLUMN"},
		"no column for 4xx":            {ids(0, 9), ids(0, 9), "client_error_rate max 5%", "--column status=COLUMN or client_error=COLUMN"},
		"too few units":                {"user,status\na,200\n", "user,status\na,200\n", "error_rate max 5%", "the rows of error_rate come from too few units"},
		"units of the baseline alone":  {"user,status\na,200\n", statuses(5, 0), "error_rate maxIncrease 5pp", `c has no column "user", so nobody knows which units its rows come from; add it, name another one with --column unit=COLUMN`},
		"units of the candidate alone": {statuses(5, 0), "status,session\n200,a\n", "error_rate maxIncrease 5pp", `b has no column "session"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, options(t, tt.baseline, tt.candidate, tt.gate))
			if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], tt.want) {
				t.Errorf("notes %q, want %q", r.Notes, tt.want)
			}
		})
	}
	if r := run(t, options(t, ids(0, 200), ids(0, 200), "accuracy maxDecrease 5pp")); len(r.Notes) != 0 || !r.Gates[0].Paired {
		t.Errorf("all is well: %q", r.Notes)
	}
}

func TestBoundsAreOfWhatIsShown(t *testing.T) {
	t.Parallel()
	ok := func(good, bad int) string {
		var b strings.Builder
		b.WriteString("id,ok\n")
		for i := range good + bad {
			fmt.Fprintf(&b, "%d,%d\n", i, map[bool]int{true: 1}[i*7919%(good+bad) < good])
		}
		return b.String()
	}
	for name, tt := range map[string]struct {
		baseline, candidate string
		gate                string
		unpaired            bool
		estimate            float64
		base, cand          float64
		relative            bool
		of                  check.Quantity
	}{
		"a difference":              {statuses(990, 10), statuses(970, 30), "error_rate maxIncrease 1pp", false, .02, .01, .03, false, check.Change},
		"a ratio":                   {statuses(990, 10), statuses(970, 30), "error_rate maxIncrease 20%", false, 2, .01, .03, true, check.Change},
		"a success":                 {ok(900, 100), ok(850, 150), "outcome:ok maxDecrease 1pp", true, -.05, .9, .85, false, check.Change},
		"a success, paired":         {ok(900, 100), ok(850, 150), "outcome:ok maxDecrease 1pp", false, -.05, .9, .85, false, check.Change},
		"a share of successes":      {ok(900, 100), ok(810, 190), "outcome:ok maxDecrease 5%", true, -.1, .9, .81, true, check.Change},
		"a share, paired":           {ok(900, 100), ok(810, 190), "outcome:ok maxDecrease 5%", false, -.1, .9, .81, true, check.Change},
		"a rare success":            {ok(100, 900), ok(80, 920), "outcome:ok maxDecrease 5% expect 10%", true, -.2, .1, .08, true, check.Change},
		"a mean":                    {revenues(10), revenues(12), "outcome:revenue kind mean maxDecrease 5% cap 1000", false, .2, 9.98, 11.98, true, check.Change},
		"a quantile":                {revenues2("latency_s", 1), revenues2("latency_s", 1.5), "latency_p90 maxIncrease 10%", false, .5, 1.4, 2.1, true, check.Change},
		"a level":                   {statuses(10, 0), statuses(970, 30), "error_rate max 5%", false, .03, 0, .03, false, check.Level},
		"a level of successes":      {ok(10, 0), ok(900, 100), "outcome:ok min 80%", true, .9, 1, .9, false, check.Level},
		"no event at the candidate": {statuses(900, 100), statuses(1000, 0), "error_rate maxIncrease 20%", false, -1, .1, 0, true, check.Change},
	} {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, anytime %v", name, always), func(t *testing.T) {
				t.Parallel()
				o := options(t, tt.baseline, tt.candidate, tt.gate)
				o.Unpaired, o.Anytime = tt.unpaired, always
				r := run(t, o)
				agree(t, r)
				b := r.Gates[0].Bound
				for what, pair := range map[string][2]*float64{"estimate": {b.Estimate, &tt.estimate}, "baseline": {b.Baseline, &tt.base}, "candidate": {b.Candidate, &tt.cand}} {
					if pair[0] == nil || math.Abs(*pair[0]-*pair[1]) > .02*math.Abs(*pair[1])+1e-3 {
						t.Errorf("%s %v, want %v", what, show(pair[0]), *pair[1])
					}
				}
				if b.Of != tt.of || b.Relative != tt.relative {
					t.Errorf("of %s, relative %v", b.Of, b.Relative)
				}
				if b.Lower != nil && *b.Lower > *b.Estimate+1e-6 || b.Upper != nil && *b.Upper < *b.Estimate-1e-6 {
					t.Errorf("%v is not between %v and %v", *b.Estimate, show(b.Lower), show(b.Upper))
				}
				if b.Lower == nil && b.Upper == nil {
					t.Error("no bound at all")
				}
			})
		}
	}
}

func revenues2(name string, factor float64) string {
	return strings.Replace(revenues(factor), "revenue", name, 1)
}

// What is said of one sample must not depend on how it is written.
func TestTheFormOfTheFilesChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type line struct {
			id, status, ms, correct int
		}
		draw := rapid.Custom(func(t *rapid.T) line {
			return line{
				rapid.IntRange(0, 1e6).Draw(t, "id"), rapid.SampledFrom([]int{200, 200, 404, 500}).Draw(t, "status"),
				rapid.IntRange(1, 300).Draw(t, "ms"), rapid.IntRange(0, 1).Draw(t, "correct"),
			}
		})
		arms := [2][]line{}
		for i := range arms {
			arms[i] = rapid.SliceOfNDistinct(draw, 1, 40, func(l line) int { return l.id }).Draw(t, "rows")
		}
		var csv, jsonl [2]strings.Builder
		both := "arm,ok,latency_s,code,id\n"
		for i := range arms {
			csv[i].WriteString("id,status,latency_ms,correct\r\n")
			for _, l := range arms[i] {
				fmt.Fprintf(&csv[i], "%d,%d,%d,%d\r\n", l.id, l.status, l.ms, l.correct)
				fmt.Fprintf(&jsonl[i], `{"correct":%v,"latencyUs":%d,"id":"%d","status":%d,"x":{}}`+"\n", l.correct == 1, l.ms*1000, l.id, l.status)
				both += fmt.Sprintf("%s,%d,%v,%d,%d\n", []string{"baseline", "candidate"}[i], l.correct, float64(l.ms)/1000, l.status, l.id)
			}
		}
		gates := []string{"error_rate maxIncrease 5pp", "latency_p50 maxIncrease 10%", "accuracy maxDecrease 5pp", "client_error_rate max 30%"}
		p, err := plan.Choose(spec.File{}, plan.Choice{Gates: gates})
		if err != nil {
			t.Fatal(err)
		}
		p.MinSamples = 0
		forms := []sample.Options{
			{Baseline: text("b", csv[0].String()), Candidate: text("c", csv[1].String())},
			{Baseline: text("b", jsonl[0].String()), Candidate: text("c", jsonl[1].String())},
			{Data: text("d", both), Columns: []column.Ask{{Role: column.Correct, Column: "ok"}, {Role: column.Status, Column: "code"}}},
		}
		var first []check.Gate
		for i, form := range forms {
			form.MaxIDs, form.Tolerance = 1000, 1e-6
			r, err := check.Run(context.Background(), check.Options{Plan: p, Options: form, MaxBad: .01})
			if err != nil {
				t.Fatal(err)
			}
			agree(t, r)
			if i == 0 {
				first = r.Gates
				continue
			}
			if diff := cmp.Diff(first, r.Gates, cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9*math.Abs(a)+1e-12 })); diff != "" {
				t.Fatalf("form %d (-want +got):\n%s", i, diff)
			}
		}
	})
}
