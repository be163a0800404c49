package frame_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/check"
	"github.com/belay-rollouts/belay/internal/cli/frame"
)

// checked is a report with every kind of gate.
func checked() *check.Report {
	bound := func(of check.Quantity, relative bool, numbers ...*float64) *check.Bound {
		return &check.Bound{Of: of, Relative: relative, Estimate: numbers[0], Lower: numbers[1], Upper: numbers[2], Baseline: numbers[3], Candidate: numbers[4]}
	}
	rows := check.Rows{Rows: 12_345}
	return &check.Report{
		Verdict: "fail", Require: "within-margin", Method: check.OneShot, Alpha: 0.025,
		Gates: []check.Gate{
			{Gate: "error_rate", Kind: "rate", Verdict: "fail", Reason: "HarmProven", Margin: "+20%", MarginValue: new(0.2), Worse: "up", Baseline: rows, Candidate: rows, PFail: 2e-9, PPass: 1, Bound: bound(check.Change, true, new(1.5), new(0.9), nil, new(0.01), new(0.025))},
			{Gate: "latency_p99", Kind: "quantile", Verdict: "pass", Reason: "MarginProven", Margin: "+10%", MarginValue: new(0.1), Worse: "up", Ceilings: []string{"max 800ms"}, Baseline: rows, Candidate: rows, PFail: 0.999, PPass: 0.0123, Bound: bound(check.Change, true, new(0.03), new(0.01), new(0.06), new(0.12), new(0.1236))},
			{Gate: "outcome:revenue", Kind: "mean", Verdict: "undecided", Reason: "TooFewRows", Margin: "-5%", MarginValue: new(-0.05), Worse: "down", Baseline: rows, Candidate: check.Rows{Rows: 7}, PFail: 0.3, PPass: 0.4, Bound: bound(check.Change, true, new(-0.02), new(-0.2), new(0.1), new(12.3456), new(12.1))},
			{Gate: "output:score", Kind: "drift", Verdict: "undecided", Reason: "NotProven", Margin: "max 0.1", MarginValue: new(0.1), Worse: "up", Baseline: rows, Candidate: rows, PFail: 0.3, PPass: 0.4, Bound: bound(check.Change, false, new(0.08), new(0.02), new(0.14), nil, nil)},
			{Gate: "agreement", Kind: "rate", Verdict: "pass", Reason: "MarginProven", Margin: "min 99%", Worse: "down", Paired: true, Ceilings: []string{"min 99%"}, Candidate: rows, PFail: 1, PPass: 0.00001, Bound: bound(check.Level, false, new(0.997), new(0.995), new(0.998), nil, new(0.997))},
			{Gate: "outcome:size", Kind: "mean", Verdict: "fail", Reason: "CeilingBroken", Margin: "max 12", Worse: "up", Ceilings: []string{"max 12", "min 1"}, Baseline: rows, Candidate: rows, PFail: 0.0002, PPass: 1, Info: true, Bound: bound(check.Level, false, new(14.0), new(13.5), nil, new(11.0), new(14.0))},
			{Gate: "memory", Kind: "gauge", Verdict: "off", Reason: "NotInFiles", Worse: "up"},
			{Gate: "ttft_p95", Kind: "quantile", Verdict: "no-data", Reason: "NoColumn", Margin: "+10%", MarginValue: new(0.1), Worse: "up", GuardOnly: true},
		},
		Guarded: true,
		Segments: []check.Gate{
			{Gate: "error_rate", Segment: "country=" + strings.Repeat("x", 40), Kind: "rate", Verdict: "fail", Reason: "HarmProven", Margin: "+1pp", MarginValue: new(0.01), Worse: "up", Baseline: rows, Candidate: rows, PFail: 2e-9, PPass: 1, Bound: bound(check.Change, false, new(0.05), new(0.03), new(0.07), new(0.01), new(0.06))},
			{Gate: "error_rate", Segment: "country=b", Kind: "rate", Verdict: "undecided", Reason: "NotProven", Worse: "up"},
			{Gate: "error_rate", Segment: "country=c", Kind: "rate", Verdict: "undecided", Reason: "NotProven", Worse: "up"},
			{Gate: "error_rate", Segment: "country=d", Kind: "rate", Verdict: "undecided", Reason: "NotProven", Worse: "up"},
		},
	}
}

func TestACheckIsDrawn(t *testing.T) {
	t.Parallel()
	want := `GATE             BASE   CAND   CHANGE [97.5%]        MARGIN   P FAIL/PASS  ROWS B/C       VERDICT
error_rate       1.00%  2.50%  +150% [+90.0,?]       +20%     <0.0001 / 1  12,345/12,345  FAIL
   -40% ....................0.........!xxxxxxxxx> +40%
latency_p99      120ms  124ms  +3.00% [+1.00,+6.00]  +10%     1 / 0.012    12,345/12,345  PASS
   -20% ....................0[=+==]...!xxxxxxxxxx +20%  max 800ms, worse, within margin
outcome:revenue  12.35  12.1   -2.00% [-20.0,+10.0]  -5%      0.30 / 0.40  12,345/7       UNDECIDED
   -10% <=========!=====+===0===================] +10%  too few rows
output:score     -      -      0.08 [0.02,0.14]      max 0.1  0.30 / 0.40  12,345/12,345  UNDECIDED
agreement        -      99.7%  [99.5%,99.8%]         min 99%  1 / <0.0001  12,345 pairs   PASS
outcome:size     11     14     [13.5,?]              max 12   0.0002 / 1   12,345/12,345  FAIL
   the limit is broken, max 12, min 1, info only
memory           -      -      -                     -        -            -              OFF
   measured at servers, not in files
ttft_p95         -      -      -                     +10%     -            -              NO-DATA
   no column of the files stands for it, guard only

WORST SEGMENTS                GATE        BASE   CAND   CHANGE [97.5%]         MARGIN  P FAIL/PASS  ROWS B/C       VERDICT
country=xxxxxxxxxxxxxxxxxxx…  error_rate  1.00%  6.00%  +5.00pp [+3.00,+7.00]  +1pp    <0.0001 / 1  12,345/12,345  FAIL
   -2pp ....................0.........!xxxxxxxxx> +2pp
country=b                     error_rate  -      -      -                      -       -            -              UNDECIDED
country=c                     error_rate  -      -      -                      -       -            -              UNDECIDED

FAIL: harm is proven: error_rate, error_rate at country=xxxxxxxxxxxxxxxxxxx… (within-margin, one-shot, alpha 2.5%)`
	got := strings.Join(frame.Frame{Width: 120}.Checked(checked()), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("drawn (-want +got):\n%s", diff)
	}
	if wide := strings.Join(frame.Frame{Width: 120, Wide: true}.Checked(checked()), "\n"); !strings.Contains(wide, "country=d") {
		t.Error("wide shows not all segments")
	}
}

func TestTheWholeOfACheckInOneLine(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*check.Report){
		"PASS: every gate is proven to be within its margin (within-margin, one-shot, alpha 2.5%)": func(r *check.Report) {
			r.Verdict, r.Gates = "pass", r.Gates[1:2]
		},
		"PASS: no harm is proven; not decided: outcome:revenue, output:score (no-harm, anytime, alpha 2.5%)": func(r *check.Report) {
			r.Verdict, r.Require, r.Method, r.Gates = "pass", "no-harm", check.Anytime, r.Gates[1:5]
		},
		"UNDECIDED: neither harm nor its absence is proven: outcome:revenue, output:score (within-margin, one-shot, alpha 2.5%)": func(r *check.Report) {
			r.Verdict, r.Gates = "undecided", r.Gates[1:5]
		},
		"NO-DATA: nothing to compare: ttft_p95 (within-margin, one-shot, alpha 2.5%)": func(r *check.Report) {
			r.Verdict, r.Gates = "no-data", r.Gates[1:]
		},
		"NO-DATA: there is no gate to judge (within-margin, one-shot, alpha 2.5%)": func(r *check.Report) {
			r.Verdict, r.Gates = "no-data", r.Gates[6:7]
		},
	} {
		r := checked()
		change(r)
		r.Segments, r.Guarded = nil, false
		lines := frame.Frame{Width: 100}.Checked(r)
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
