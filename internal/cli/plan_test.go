package cli

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/client"
	"github.com/belay-rollouts/belay/internal/cli/frame"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/spec"
)

// aPlan is a plan of little traffic, which has much to say.
func aPlan(t *testing.T) planner.Outlook {
	t.Helper()
	file, _, err := spec.Parse("made", []byte(made))
	if err != nil {
		t.Fatal(err)
	}
	r := file.Rollouts[0]
	resolved, _, err := spec.Resolve(file.Models[0], r, nil)
	if err != nil {
		t.Fatal(err)
	}
	traffic, err := planner.Declare("3/s", []string{"error_rate=0.5%"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := planner.Look(resolved, traffic)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAPlanFitsItsTerminal(t *testing.T) {
	t.Parallel()
	o := aPlan(t)
	for width, powers := range map[int]bool{80: false, 100: true, 120: true, 200: true} {
		d := drawing{outlook: &o, width: width}
		lines := d.lines()
		for _, line := range lines {
			// What is to be copied is not broken.
			if n := len([]rune(line)); n > width && !strings.HasPrefix(line, "    - {") {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
		if got := strings.Contains(strings.Join(lines, "\n"), "CATCHES 80% (90%)"); got != powers {
			t.Errorf("at %d columns both powers are shown: %v", width, got)
		}
	}
}

// TestTheGuideShowsWhatIsPrinted holds the guide to the story that is played.
func TestTheGuideShowsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	story, err := os.ReadFile("testdata/script/plan.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, printed, found := strings.Cut(string(story), "-- declared.txt --\n")
	if !found || !strings.Contains(string(guide), printed) {
		t.Error("docs/plan.md shows another plan than testdata/script/plan.txtar")
	}
	for _, w := range []planner.Caution{
		planner.CautionUnguarded, planner.CautionCeiling, planner.CautionSamples, planner.CautionNotProven, planner.CautionSlow,
		planner.CautionBlind, planner.CautionCritical, planner.CautionRevenue,
	} {
		if !strings.Contains(string(guide), "`"+string(w)+"`") {
			t.Errorf("docs/plan.md does not explain %s", w)
		}
	}
}

func TestAPlanIsReadWithoutColour(t *testing.T) {
	t.Parallel()
	o := aPlan(t)
	plain := (&drawing{outlook: &o, width: 100}).lines()
	painted := (&drawing{outlook: &o, width: 100, paint: frame.Painter{On: true}}).lines()
	if len(plain) != len(painted) || strings.Join(plain, "") == strings.Join(painted, "") {
		t.Errorf("%d lines, %d painted", len(plain), len(painted))
	}
	if text := strings.Join(plain, "\n"); strings.Contains(text, "\x1b") || !strings.Contains(text, "\n! ") {
		t.Errorf("warnings are marked by their colour alone:\n%s", text)
	}
}

func TestAStageThatWaitsIsMarkedOnceForEachCause(t *testing.T) {
	t.Parallel()
	o := planner.Outlook{Stages: []planner.StageOutlook{
		{WeightPercent: 1, Seconds: 9000, DwellSeconds: 7200, WaitsFor: "samples of a"},
		{WeightPercent: 10, Seconds: 7200, DwellSeconds: 7200},
		{WeightPercent: 50, Seconds: 9000, DwellSeconds: 7200, WaitsFor: "samples of a"},
		{WeightPercent: 100, Seconds: 9000, DwellSeconds: 7200, WaitsFor: "the verdict of b"},
	}}
	d := drawing{outlook: &o, width: 100}
	got := strings.Join(d.waits(), "\n")
	want := "* longer than the dwell at 1%, 50%: the stage waits for samples of a\n* longer than the dwell at 100%: the stage waits for the verdict of b"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAMeasurementIsTakenOverWithItsOrigin(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := client.Baseline{
		Model: "fraud", Version: "v6", Rollout: "fraud-v6", Unit: "request", To: now.Add(-3 * time.Hour), WatchedSeconds: 7200, RequestsPerSecond: 120,
		Metrics: []client.BaselineMetric{{Metric: "error_rate", Level: 0.01, Dispersion: 3, PerRequest: 1}},
		Latency: &client.BaselineLatency{Base: 0.01, First: 1750, Counts: []int64{1000, 500, 250, -1, 100}, Dispersion: 2},
	}
	got, err := trafficOf(&b, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rate != 120 || !got.Measured || got.Latency == nil || got.LatencyDispersion != 2 || got.Levels["error_rate"].Dispersion != 3 {
		t.Errorf("got %+v", got)
	}
	if want := "measured: 2h of v6, rollout fraud-v6, 3h ago"; got.Origin != want {
		t.Errorf("origin %q, want %q", got.Origin, want)
	}
	b.Rollout, b.Latency = "", nil
	if got, err := trafficOf(&b, now); err != nil || got.Latency != nil || got.Origin != "measured: 2h by the router, since the server started" {
		t.Errorf("got %+v, %v", got, err)
	}
	b.Latency = &client.BaselineLatency{Base: 0.01, Counts: []int64{1}}
	if _, err := trafficOf(&b, now); err == nil {
		t.Error("one latency makes a distribution")
	}
}

// anything takes every metric for what it is said to be.
var anything = judging{func(string) error { return nil }, func(string, planner.Level) []error { return nil }}

func TestLevelsAreWrittenAsTextOrAsMaps(t *testing.T) {
	t.Parallel()
	want, err := planner.Declare("100/s", []string{"error_rate=5%,share=20%,delay=30m", "outcome:revenue=12.5,cv=8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"texts": "error_rate: 5%,share=20%,delay=30m\n  outcome:revenue: 12.5,cv=8\n",
		"maps":  "error_rate: {share: 20%, value: 5%, delay: 30m}\n  outcome:revenue: {value: 12.5, cv: 8}\n",
	} {
		got, wrong := readTraffic("t.yaml", []byte("rate: 100/s\nbaseline:\n  "+text), anything)
		if diff := cmp.Diff(want, got); diff != "" || len(wrong) > 0 {
			t.Errorf("%s: %v (-want +got)\n%s", name, wrong, diff)
		}
	}
}

func TestAFileOfATrafficSaysWhereItIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "t.yaml:1:1: the file is empty; write a rate and a baseline",
		"[]":                                 "t.yaml:1:1: the file is a list; write a mapping (key: value)",
		"rate: [1/s]":                        "t.yaml:1:7: the rate is a list; write one such as 100/s",
		"rate: 5":                            "t.yaml:1:7: the rate: the bare number 5 is ambiguous; write 5/s for requests per second",
		"rats: 5/s":                          `t.yaml:1:1: unknown field "rats"; did you mean "rate"?`,
		"colour: 5/s":                        `t.yaml:1:1: unknown field "colour"; a traffic has rate and baseline`,
		"rate: 5/s\n---\nrate: 5/s":          "t.yaml:3:1: the file has more than one document; write one",
		"baseline: 3":                        "t.yaml:1:11: baseline is a single value; write a mapping (key: value)",
		"baseline: {a: }":                    "t.yaml:1:12: the baseline of a is nothing; write a value such as 5%, or {value: 5%, …}",
		"baseline: {a: {cv: 3}}":             "t.yaml:1:12: the baseline of a has no value; write {value: 5%, …}",
		"baseline: {a: {value: 3, cv: [3]}}": "t.yaml:1:26: cv of a is a list; write a single value",
		"baseline: {a: 5%\nrate: 5/s":        "t.yaml:2:1: a pair is not followed by , or }; add what is missing",
		"baseline: {latency_p99: 1s, latency_p50: 900}": "t.yaml:1:42: the baseline of latency_p50: the bare number 900 is ambiguous; write 900s, 900m or 900h",
		"baseline: {latency_p99: 1s, latency_p50: 2s}":  "t.yaml:1:1: ",
	} {
		_, wrong := readTraffic("t.yaml", []byte(text), anything)
		if got := wrong.Error(); got != want && (want != "t.yaml:1:1: " || !strings.HasPrefix(got, want)) {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}
