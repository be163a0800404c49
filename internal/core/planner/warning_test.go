package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// warned returns the warnings of a caution.
func warned(o Outlook, c Caution) []Warning {
	var out []Warning
	for _, w := range o.Warnings {
		if w.Caution == c {
			out = append(out, w)
		}
	}
	return out
}

func TestWarningsSayWhatToChange(t *testing.T) {
	t.Parallel()
	ladder := "  stages: [{weight: 1%, dwell: 1h}, {weight: 10%, dwell: 1h}, {weight: 50%, dwell: 1h, maxDuration: 4h}, {weight: 100%, dwell: 1h, holdback: 1%}]\n"
	tests := map[string]struct {
		plan    string
		rate    string
		levels  []string
		caution Caution
		message []string
		yaml    []string // the proposals hold these
	}{
		"a stage waits for its samples": {
			ladder + "  gates: [{metric: outcome:correct, maxDecrease: 10pp}]\n", "10/s",
			[]string{"outcome:correct=95%,share=50%,delay=5m"},
			CautionSamples,
			[]string{"outcome:correct waits for its 500 reports in each arm, which come 5m after their requests", "2h 52m instead of 1h at 1%", "at 100%"},
			[]string{"- {weight: 1%, dwell: 3h, maxDuration: 48h, require: no-harm}\n", "- {metric: outcome:correct, kind: rate, maxDecrease: 10pp, from: 10%}"},
		},
		"a margin is not proven in time": {
			ladder + "  gates: [{metric: outcome:conversion, kind: rate, maxDecrease: 2%}]\n", "20/s",
			[]string{"outcome:conversion=5%"},
			CautionNotProven,
			[]string{"outcome:conversion -2% is proven within the 4h of the 50% stage in", "without it the rollout ends there with onUndecided: hold"},
			[]string{"- {weight: 50%, dwell: 1h, maxDuration: 36h, require: within-margin}", "maxDecrease: 7.5%}", "require: no-harm}"},
		},
		"a margin takes long to prove": {
			ladder + "  gates: [{metric: error_rate, maxIncrease: 20%}]\n", "25/s",
			[]string{"error_rate=0.5%"},
			CautionSlow,
			[]string{"the 50% stage waits for the proof of error_rate +20%", "its dwell is 1h"},
			[]string{"- {metric: error_rate, maxIncrease: 40%}"},
		},
		"a gate sees nothing": {
			ladder + "  gates: [{metric: outcome:revenue, kind: mean, maxDecrease: 5%, require: no-harm}]\n", "40/s",
			[]string{"outcome:revenue=12.5,cv=8"},
			CautionBlind,
			[]string{"outcome:revenue finds nothing", "at 1%"},
			[]string{"- {metric: outcome:revenue, kind: mean, maxDecrease: 5%, from: 10%, require: no-harm}"},
		},
		"a critical harm gets far": {
			ladder + "  gates: [{metric: outcome:conversion, kind: rate, maxDecrease: 5%, from: 10%}]\n", "5/s",
			[]string{"outcome:conversion=5%"},
			CautionCritical,
			[]string{"outcome:conversion -30% is found by the end of 10% in"},
			[]string{"- {weight: 10%, dwell: "},
		},
		"revenue alone": {
			ladder + "  gates: [{metric: outcome:revenue, kind: mean, maxDecrease: 5%, horizon: 30m, from: 50%}]\n", "100/s",
			[]string{"outcome:revenue=12.5,cv=8"},
			CautionRevenue,
			[]string{"outcome:revenue is the only gate on outcomes", "how often there is any revenue at all"},
			[]string{"- {metric: outcome:conversion, kind: rate, maxDecrease: 5%, horizon: 30m, from: 50%}"},
		},
		"a limit below the baseline": {
			ladder + "  gates: [{metric: error_rate, max: 1%}]\n", "100/s",
			[]string{"error_rate=2%"},
			CautionCeiling,
			[]string{"the baseline's error_rate is 2%, beyond max 1%"},
			nil,
		},
		"a latency limit below the baseline": {
			ladder + "  gates: [{metric: latency_p99, maxIncrease: 10%, max: 100ms}]\n", "100/s",
			[]string{"latency_p99=120ms,p50=40ms"},
			CautionCeiling,
			[]string{"the baseline's latency_p99 is 120ms, beyond max 100ms"},
			nil,
		},
		"a stage without a guard": {
			ladder + "  gates: [{metric: error_rate, maxIncrease: 20%, from: 10%}]\n", "1000/s",
			[]string{"error_rate=1%"},
			CautionUnguarded,
			[]string{"UNGUARDED from 1% on: no gate that can roll back is active yet"},
			nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := outlookOf(t, tt.plan, declared(t, tt.rate, tt.levels...))
			found := warned(o, tt.caution)
			if len(found) != 1 {
				t.Fatalf("%d warnings of %s among %+v", len(found), tt.caution, o.Warnings)
			}
			for _, want := range tt.message {
				if !strings.Contains(found[0].Message, want) {
					t.Errorf("%q does not say %q", found[0].Message, want)
				}
			}
			var all strings.Builder
			for _, p := range found[0].Proposals {
				all.WriteString(p.YAML + "\n")
			}
			for _, want := range tt.yaml {
				if !strings.Contains(all.String(), want) {
					t.Errorf("the proposals\n%s hold no %s", all.String(), want)
				}
			}
		})
	}
}

func TestAGoodPlanHasNoWarnings(t *testing.T) {
	t.Parallel()
	o := outlookOf(t, full, declared(t, "500/s", fullLevels...))
	if len(o.Warnings) != 0 {
		t.Errorf("%+v", o.Warnings)
	}
}

// TestProposalsCanBeCopied reads every proposal back as a part of a file.
func TestProposalsCanBeCopied(t *testing.T) {
	t.Parallel()
	for _, rate := range []string{"1/h", "1/s", "8/s", "60/s"} {
		traffic := declared(t, rate, "error_rate=0.5%", "latency_p99=120ms,p50=40ms", "outcome:conversion=5%,share=20%,delay=30m", "outcome:revenue=12.5,cv=8,nonzero=3%", "memory=2GiB")
		for _, w := range outlookOf(t, full, traffic).Warnings {
			for _, p := range w.Proposals {
				text := "  gates:\n"
				if strings.HasPrefix(p.YAML, "- {weight:") {
					text = "  gates: [{metric: error_rate, maxIncrease: 20%}]\n  stages:\n    - {weight: 0.5%}\n"
				}
				for line := range strings.SplitSeq(p.YAML, "\n") {
					text += "    " + line + "\n"
				}
				if !strings.Contains(p.YAML, "weight: 100%") && strings.Contains(text, "stages") {
					text += "    - {weight: 100%}\n"
				}
				if _, _, err := spec.Parse("proposal", []byte(header+text)); err != nil {
					t.Errorf("%s at %s: %v\n%s", w.Caution, rate, err, text)
				}
			}
		}
	}
}

// TestProposalsHelp follows the proposals of a margin that is not proven, one at a
// time, and plans again.
func TestProposalsHelp(t *testing.T) {
	t.Parallel()
	stage := "- {weight: 50%, dwell: 1h, maxDuration: 4h}"
	gate := "- {metric: outcome:conversion, kind: rate, maxDecrease: 2%}"
	plan := func(stage, gate string) string {
		return "  stages:\n    - {weight: 10%, dwell: 1h}\n    " + stage + "\n    - {weight: 100%}\n  gates:\n    " + gate + "\n"
	}
	traffic := declared(t, "20/s", "outcome:conversion=5%")
	found := warned(outlookOf(t, plan(stage, gate), traffic), CautionNotProven)
	if len(found) != 1 || len(found[0].Proposals) != 3 {
		t.Fatalf("%+v", found)
	}
	for _, p := range found[0].Proposals {
		s, g := stage, p.YAML
		if strings.Contains(p.YAML, "weight") {
			s, g = p.YAML, gate
		}
		if still := warned(outlookOf(t, plan(s, g), traffic), CautionNotProven); len(still) != 0 {
			t.Errorf("%s\n%s\nleaves %+v", p.Why, p.YAML, still)
		}
	}
}

func TestTheHeadlineSaysHowItGoes(t *testing.T) {
	t.Parallel()
	ladder := func(last string) string {
		return "  stages: [{weight: 10%, dwell: 1h}, {weight: 50%, dwell: 1h, maxDuration: 10h" + last + "}, {weight: 100%}]\n  gates: [{metric: error_rate, maxIncrease: 20%}]\n"
	}
	for name, tt := range map[string]struct{ plan, rate, want string }{
		"within the dwell":      {ladder(""), "1000/s", "100% is complete after 4h when nothing is wrong; every margin is proven within the dwell."},
		"waiting for a proof":   {ladder(""), "20/s", "in four of five rollouts within"},
		"not by itself":         {ladder(""), "1/s", "It does not reach 100% by itself: of the rollouts in which nothing is wrong"},
		"nothing to be waited":  {ladder(", require: no-harm"), "20/s", "no stage waits for a proof"},
		"the gate to wait for":  {ladder(""), "20/s", "the gate to wait for is error_rate +20%, proven after"},
		"what happens then":     {ladder(""), "1/s", "Then onUndecided says what happens: hold."},
		"and which gate it was": {ladder(""), "1/s", "the gate that keeps them is error_rate +20%"},
	} {
		if o := outlookOf(t, tt.plan, declared(t, tt.rate, "error_rate=0.5%")); !strings.Contains(o.Headline, tt.want) {
			t.Errorf("%s: %s", name, o.Headline)
		}
	}
}

func TestNiceNumbersAreThoseThatPeopleWrite(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(niceMargins) || !slices.IsSorted(nicePoints) || !slices.IsSorted(niceTimes) {
		t.Error("not in order")
	}
	if got := niceMargin(0.21, true); got != 0.25 {
		t.Errorf("21%% becomes %v", got)
	}
	if got := niceMargin(0.0051, false); got != 0.0075 {
		t.Errorf("0.51pp becomes %v", got)
	}
	if got := niceMargin(20, true); got != 0 {
		t.Errorf("2000%% becomes %v", got)
	}
	for seconds, want := range map[float64]string{30: "1m0s", 599: "10m0s", 700: "15m0s", 7201: "2h0m0s", 7300: "3h0m0s", 1e9: "0s"} {
		if got := niceTime(seconds).String(); got != want {
			t.Errorf("%v s become %s, want %s", seconds, got, want)
		}
	}
}
