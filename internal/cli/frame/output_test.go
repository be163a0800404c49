package frame

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/client"
)

// outputs is a rollout with gates on outputs of the model.
func outputs() client.Rollout {
	r := inProgress()
	r.Gates = []client.Gate{
		r.Gates[0],
		{
			Gate: "output:score", Kind: client.KindDrift, Verdict: client.Undecided, Reason: "NotProvenYet", Margin: "max 0.1", MarginValue: new(0.1), Worse: "up",
			LogFail: -1e6, LogPass: -1e6, LogFailAt: 3, LogPassAt: 2.9957, Holds: true,
			Bound: &client.Bound{Estimate: new(0.0412), Lower: new(0.0), Upper: new(0.1193)},
			Total: client.Counts{CandidateExposures: 4061, BaselineExposures: 106590}, Readings: &client.Readings{CandidateValues: 4061, CandidateMissing: 512, BaselineValues: 106590},
		},
		{
			Gate: "output:score:mean", Kind: client.KindMean, Verdict: client.Pass, Reason: "MarginProven", Margin: "+5%", MarginValue: new(0.05), Worse: "up",
			LogFail: -3, LogPass: 4, LogFailAt: 4.1, LogPassAt: 2.9957,
			Bound: &client.Bound{Relative: true, Estimate: new(0.012), Lower: new(-0.01), Upper: new(0.034), Baseline: new(0.00213), Candidate: new(48112.4)},
			Total: client.Counts{CandidateExposures: 4061, BaselineExposures: 106590},
		},
		{
			Gate: "output:label", Kind: client.KindDrift, Verdict: client.Fail, Reason: "HarmProven", Margin: "max 0.2", MarginValue: new(0.2), Worse: "up",
			LogFail: 4, LogPass: -1e6, LogFailAt: 3, LogPassAt: 2.9957, Holds: true,
			Bound: &client.Bound{Estimate: new(0.61), Lower: new(0.55), Upper: new(0.66)},
			Total: client.Counts{CandidateExposures: 4061, BaselineExposures: 106590},
		},
		{
			Gate: "output:/rank", Kind: client.KindDrift, Verdict: client.NoData, Reason: "NoCandidateData", Margin: "max 0.1", MarginValue: new(0.1), Worse: "up", LogFailAt: 3, LogPassAt: 2.9957,
			Readings: &client.Readings{CandidateValues: 30, BaselineValues: 412, Lost: 1200, BaselineMissing: 1},
		},
	}
	return r
}

func TestOutputsAreShownAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	r := outputs()
	golden(t, "outputs.txt", strings.Join(Frame{Width: 120, Now: noon}.Lines(&r, nil), "\n")+"\n")
}

func TestValuesAreNoRequests(t *testing.T) {
	t.Parallel()
	r := outputs()
	r.Gates[1].Total.CandidateExposures = 1e9
	if m := Measure(nil, &r, noon); m.requests != r.Gates[0].Total.CandidateExposures+r.Gates[0].Total.BaselineExposures {
		t.Errorf("%v requests", m.requests)
	}
}

func TestAnExplanationCountsWhatEachGateWasJudgedBy(t *testing.T) {
	t.Parallel()
	counts := client.Counts{CandidateExposures: 4061, CandidateEvents: 1, BaselineExposures: 1, BaselineEvents: 0}
	d := client.Decision{Gates: []client.Judged{
		{Gate: "a", Kind: client.KindDrift, Total: counts},
		{Gate: "b", Kind: client.KindMean, Total: counts},
		{Gate: "c", Kind: client.KindGauge, Total: counts},
		{Gate: "d", Kind: client.KindRate, Total: counts},
	}}
	page := strings.Join(Frame{Width: 200, Now: noon}.Explanation(&d), "\n")
	for gate, want := range map[string]string{"a": "4,061 values", "b": "1 value\n", "c": "1 window\n", "d": "1 of 4,061"} {
		if !strings.Contains(page, want) {
			t.Errorf("gate %s: %q is missing in\n%s", gate, want, page)
		}
	}
}
