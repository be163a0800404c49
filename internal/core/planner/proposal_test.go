package planner

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

// TestAGateIsWrittenAsItIs writes gates with all that a gate can have, and reads
// them back.
func TestAGateIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"- {metric: error_rate, maxIncrease: 20%, ignoreBelow: 0.05%, max: 5%}",
		"- {metric: client_error_rate, maxIncrease: 0.5pp, onFail: hold}",
		"- {metric: latency_p99.9, maxIncrease: 7.5%, max: 800ms}",
		"- {metric: outcome:conversion, kind: rate, maxDecrease: 5%, expect: 4%, per: exposure, horizon: 24h, from: 50%}",
		"- {metric: outcome:revenue, kind: mean, maxDecrease: 5%, cap: 500, horizon: 30m, from: 0.5%, require: no-harm}",
		"- {metric: outcome:revenue, kind: mean, maxDecrease: 5%, covariate: true}",
		"- {metric: outcome:correct, kind: rate, min: 90%}",
		`- {metric: memory, source: scrape, query: 'process_resident_memory_bytes{job="a, b"}', maxIncrease: 20%, max: 3GiB}`,
		"- {metric: output:score, kind: drift, max: 0.2}",
		"- {metric: output:label, kind: rate, class: fraud, maxIncrease: 1pp}",
		"- {metric: 'output:/outputs/0/data', kind: mean, maxIncrease: 5%}",
	} {
		text := "  stages: [{weight: 0.5%, dwell: 48h}, {weight: 50%, dwell: 48h}, {weight: 100%, dwell: 48h}]\n  gates:\n    "
		want := resolved(t, text+line+"\n").Gates
		written := gateYAML(want[0])
		got := resolved(t, text+written+"\n").Gates
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\nis written as\n%s\n%s", line, written, diff)
		}
	}
}

func TestAStageIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	text := "  stages:\n    %s\n    - {weight: 100%, holdback: 1%, keepWarm: 24h, dwell: 30m}\n  gates: [{metric: error_rate, maxIncrease: 20%}]\n"
	for _, line := range []string{
		"- {weight: 0.25%, dwell: 90m, maxDuration: 10d, require: no-harm}",
		"- {weight: 50%, dwell: 2h, require: within-margin, approval: true}",
		"- {weight: 10%, dwell: 2h, require: no-harm, minSamples: 5000, tolerance: 4}",
	} {
		want := resolved(t, strings.Replace(text, "%s", line, 1)).Last().Stages
		got := resolved(t, strings.Replace(text, "%s", stageYAML(want[0], want[0].MinSamples != 500), 1)).Last().Stages
		if diff := cmp.Diff(want[0], got[0]); diff != "" {
			t.Errorf("%s\nis written as\n%s\n%s", line, stageYAML(want[0], want[0].MinSamples != 500), diff)
		}
		last := strings.Replace(strings.Replace(text, "%s", line, 1), "- {weight: 100%, holdback: 1%, keepWarm: 24h, dwell: 30m}", stageYAML(want[1], false), 1)
		if diff := cmp.Diff(want[1], resolved(t, last).Last().Stages[1]); diff != "" {
			t.Errorf("the last stage is written as\n%s\n%s", stageYAML(want[1], false), diff)
		}
	}
}

func TestAProposalChangesWhatItIsAbout(t *testing.T) {
	t.Parallel()
	r := resolved(t, full)
	a := newAdvisor(r)
	if ps := a.gate("nobody", "", func(*spec.ResolvedGate) {}); ps != nil {
		t.Errorf("a gate that is not there: %+v", ps)
	}
	if ps := a.stage(9, "", func(*spec.ResolvedStage) {}); ps != nil {
		t.Errorf("a stage that is not there: %+v", ps)
	}
	if ps := a.from("error_rate", 0, ""); ps != nil {
		t.Errorf("from the first stage on: %+v", ps)
	}
	wide := a.wider("latency_p99", 0.25, "")
	if len(wide) != 1 || wide[0].YAML != "- {metric: latency_p99, maxIncrease: 25%, max: 800ms}" {
		t.Errorf("%+v", wide)
	}
	if r.Gates[1].Margin.Value != 0.1 {
		t.Error("a proposal changed the plan")
	}
	if ps := a.stage(0, "", longer(5*time.Hour)); ps[0].YAML != "- {weight: 1%, dwell: 5h, maxDuration: 48h, require: no-harm}" {
		t.Errorf("%+v", ps)
	}
	if ps := a.stage(0, "", longer(50*time.Hour)); ps[0].YAML != "- {weight: 1%, dwell: 50h, maxDuration: 100h, require: no-harm}" {
		t.Errorf("%+v", ps)
	}
}

func FuzzDeclare(f *testing.F) {
	f.Add("100/s", "error_rate=0.5%")
	f.Add("6000/min", "latency_p99=120ms,p50=40ms")
	f.Add("1/h", "outcome:x=12.5,cv=8,nonzero=3%,delay=1h,share=20%,dispersion=4,correlation=0.5,spread=3%")
	f.Add("", "=,=,p50")
	f.Fuzz(func(t *testing.T, rate, level string) {
		traffic, err := Declare(rate, []string{level})
		if err != nil {
			return
		}
		if traffic.Rate < 0 || len(traffic.Levels) != 1 {
			t.Errorf("%q, %q: %+v", rate, level, traffic)
		}
		for name, l := range traffic.Levels {
			if !(l.Value >= 0) || l.Share < 0 || l.Delay < 0 {
				t.Errorf("%q: %s is at %+v", level, name, l)
			}
		}
	})
}
