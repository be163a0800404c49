package contract

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/query"
)

func TestWindowsOfResourcesAreTold(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	st := command.Status{Resources: []command.ResourceStatus{
		{Gate: "memory", Windows: 40, Complete: at},
		{Gate: "cpu", Dropped: map[query.Missing]uint64{query.CounterBack: 2, query.Unreachable: 1}, Missing: "it is away"},
	}}
	want := []api.Resource{
		{Gate: "memory", Windows: 40, CompleteAt: at},
		{Gate: "cpu", Dropped: map[string]int64{"CounterBack": 2, "Unreachable": 1}, Missing: "it is away"},
	}
	if diff := cmp.Diff(want, Rollout(&st).Resources); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := Rollout(&command.Status{}).Resources; got != nil {
		t.Errorf("nothing is measured, and told are %v", got)
	}
}

func TestEveryKindOfGateIsInTheContract(t *testing.T) {
	t.Parallel()
	for _, kind := range []gate.Kind{gate.Rate, gate.Quantile, gate.Mean, gate.Gauge, gate.Drift} {
		st := command.Status{Gates: []command.GateStatus{{Gate: "g"}}}
		st.Record.Plan.Gates = []gate.Gate{{Name: "g", Kind: kind}}
		if got := Rollout(&st).Gates[0].Kind; !got.Valid() || string(got) != string(kind) {
			t.Errorf("the kind %q is told as %q", kind, got)
		}
	}
}

func TestWhatAGateCannotTellIsTold(t *testing.T) {
	t.Parallel()
	st := command.Status{Gates: []command.GateStatus{{Gate: "errors"}, {Gate: "memory"}}}
	plan := &st.Record.Plan
	plan.Gates = []gate.Gate{{Name: "errors", Kind: gate.Rate}, {Name: "memory", Kind: gate.Gauge}}
	const want = "one server each: the version and the server cannot be told apart"
	gates := Rollout(&st).Gates
	if gates[0].Caveat != "" || gates[1].Caveat != want {
		t.Errorf("told are %q and %q", gates[0].Caveat, gates[1].Caveat)
	}
	if got := judgedOf(&gate.Judgement{Gate: "memory"}, plan).Caveat; got != want {
		t.Errorf("a decision tells %q", got)
	}
}
