package contract

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

func TestADistributionIsToldBinByBin(t *testing.T) {
	t.Parallel()
	counts := func(candidate, baseline uint64) [split.Arms]uint64 {
		return [split.Arms]uint64{split.Candidate: candidate, split.Baseline: baseline}
	}
	d := &gate.Distribution{
		Stage: 2, PSI: -0.01,
		Bins: []gate.Bin{
			{Low: math.Inf(-1), High: 7, Counts: counts(0, 1)},
			{Low: 7, High: math.Nextafter(7, 8), Name: "fraud", Counts: counts(30, 2)},
			{Low: math.Nextafter(7, 8), High: math.Inf(1), Counts: counts(10, 1)},
		},
		Read: [split.Arms]evidence.OutputCount{split.Candidate: {Values: 40, Missing: 10}, split.Baseline: {Values: 4}},
	}
	after := math.Nextafter(7, 8)
	want := &api.Distribution{
		Stage: 2, Psi: new(-0.01), CandidateValues: 40, CandidateMissing: 0.2, BaselineValues: 4,
		Bins: []api.Bin{
			{Below: new(7.0), BaselineCount: 1, BaselineShare: 0.25},
			{From: new(7.0), Below: &after, Single: true, Class: "fraud", CandidateCount: 30, CandidateShare: 0.75, BaselineCount: 2, BaselineShare: 0.5},
			{From: &after, CandidateCount: 10, CandidateShare: 0.25, BaselineCount: 1, BaselineShare: 0.25},
		},
	}
	st := command.Status{Gates: []command.GateStatus{{Gate: "g", Distribution: d}}}
	if diff := cmp.Diff(want, Rollout(&st).Gates[0].Distribution); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestADistributionOfNothingIsStillJSON(t *testing.T) {
	t.Parallel()
	d := &gate.Distribution{PSI: math.NaN(), Bins: []gate.Bin{{Low: math.Inf(-1), High: math.Inf(1)}}}
	got := distributionOf(d)
	if got.Psi != nil || got.Bins[0] != (api.Bin{}) {
		t.Errorf("got %+v", got)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	if distributionOf(nil) != nil {
		t.Error("a gate without a distribution has one")
	}
}
