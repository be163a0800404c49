package contract

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/api"
	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
	"github.com/belay-rollouts/belay/internal/problem"
	"github.com/belay-rollouts/belay/internal/store"
	"github.com/belay-rollouts/belay/internal/traffic"
)

func TestEveryCodeIsInTheTableAndInTheContract(t *testing.T) {
	t.Parallel()
	for code := range statuses {
		if !api.ProblemCode(code).Valid() {
			t.Errorf("code %q is not in the contract", code)
		}
	}
}

func TestWhatThisVersionCannotRunIsNamedFieldByField(t *testing.T) {
	t.Parallel()
	p := Problem(fmt.Errorf("apply: %w", spec.Refusals{{File: "f", Line: 4, Column: 2, Path: "spec.protocol", Message: "grpc cannot run"}}))
	if p.Status != 422 || p.Code != "refused" || len(p.Problems) != 1 || p.Problems[0].Line != 4 {
		t.Errorf("got %+v", p)
	}
}

func TestAMistakeWithoutAPlaceIsNotLostBesideThoseWithOne(t *testing.T) {
	t.Parallel()
	err := problem.Join(spec.Problem{File: "f", Line: 1, Column: 1, Message: "a"}, problem.New(problem.Refused, "no shadow stages yet"))
	p := Problem(err)
	if len(p.Problems) != 2 || p.Problems[1].Message != "no shadow stages yet" {
		t.Errorf("got %+v", p)
	}
}

func TestMarginsAreOnTheScaleOfTheirBounds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gate  gate.Gate
		want  *float64
		worse api.GateWorse
		kind  api.GateKind
	}{
		"a relative increase":         {gate.Gate{Method: gate.Ratio, Margin: 0.2, Worse: stats.Up}, new(0.2), "up", "rate"},
		"a relative decrease":         {gate.Gate{Method: gate.Ratio, Margin: -0.05, Worse: stats.Down}, new(-0.05), "down", "rate"},
		"an increase in points":       {gate.Gate{Method: gate.Difference, Margin: 0.01, Slope: 1, Worse: stats.Up}, new(0.01), "up", "rate"},
		"a decrease in points":        {gate.Gate{Method: gate.Difference, Margin: 0.04, Slope: 1, Complement: true, Worse: stats.Up}, new(-0.04), "down", "rate"},
		"a relative common success":   {gate.Gate{Method: gate.Difference, Margin: 0.02, Slope: 0.98, Complement: true, Worse: stats.Up}, new(-0.02), "down", "rate"},
		"an increase with a level":    {gate.Gate{Method: gate.Ignore, Margin: 0.2, Level: 0.001, Worse: stats.Up}, new(0.2), "up", "rate"},
		"a quantile":                  {gate.Gate{Kind: gate.Quantile, Method: gate.Ratio, Margin: 0.1, Worse: stats.Up}, new(0.1), "up", "quantile"},
		"a ceiling alone has no such": {gate.Gate{Method: gate.None, Worse: stats.Up}, nil, "up", "rate"},
	}
	for name, tt := range tests {
		tt.gate.Name = "g"
		st := command.Status{Gates: []command.GateStatus{{Gate: "g"}}}
		st.Record.Plan.Gates = []gate.Gate{tt.gate}
		got := Rollout(&st).Gates[0]
		if diff := cmp.Diff(tt.want, got.MarginValue); diff != "" || got.Worse != tt.worse || got.Kind != tt.kind {
			t.Errorf("%s: worse %q, kind %q; margin (-want +got):\n%s", name, got.Worse, got.Kind, diff)
		}
	}
}

func TestWhatJSONCannotSayIsLeftOutOrBounded(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	st := command.Status{
		Gates: []command.GateStatus{{
			Gate: "g", LogFail: inf, LogPass: math.Inf(-1), Threshold: math.NaN(),
			Bound: &gate.Bound{Estimate: math.NaN(), Lower: math.Inf(-1), Upper: inf, Baseline: 0.1, Candidate: math.NaN()},
		}},
		SampleRatio: command.SampleRatio{LogE: inf},
	}
	r := Rollout(&st)
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	g := r.Gates[0]
	if g.LogFail != maxLog || g.LogPass != -maxLog || g.LogFailAt != 0 || r.SampleRatio.LogE != maxLog {
		t.Errorf("logarithms: %v, %v, %v, %v", g.LogFail, g.LogPass, g.LogFailAt, r.SampleRatio.LogE)
	}
	if diff := cmp.Diff(&api.Bound{Baseline: new(0.1)}, g.Bound); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}
}

func TestAnEndingIsTimedFromItsDecision(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("east", 3600))
	tests := map[string]struct {
		ending  *store.Ending
		confirm *float64
		last    *float64
	}{
		"confirmed":                    {&store.Ending{DecidedAt: at, ConfirmedAt: at.Add(41 * time.Millisecond), LastStarted: at.Add(3 * time.Millisecond)}, new(41.0), new(3.0)},
		"not confirmed yet":            {&store.Ending{DecidedAt: at}, nil, nil},
		"the last request came before": {&store.Ending{DecidedAt: at, ConfirmedAt: at, LastStarted: at.Add(-time.Second)}, new(0.0), new(0.0)},
	}
	for name, tt := range tests {
		st := command.Status{}
		st.Record.Ending = tt.ending
		got := Rollout(&st).Ending
		if diff := cmp.Diff(tt.confirm, got.ConfirmedAfterMilliseconds); diff != "" {
			t.Errorf("%s: confirmed after (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.last, got.LastRequestAfterMilliseconds); diff != "" {
			t.Errorf("%s: last request after (-want +got):\n%s", name, diff)
		}
		if got.DecidedAt.Location() != time.UTC {
			t.Errorf("%s: times are in %v", name, got.DecidedAt.Location())
		}
	}
}

func TestARolloutBeforeItsFirstDecisionHasNoneOfIts(t *testing.T) {
	t.Parallel()
	st := command.Status{Traffic: traffic.Observation{CutOff: &traffic.CutOff{Reason: "Refused"}}}
	st.Record.State.Paused, st.Record.State.Fault = &rollout.Pause{By: "mira"}, &rollout.Fault{Reason: rollout.ReasonNoTraffic}
	r := Rollout(&st)
	if r.Last != nil || r.Ending != nil {
		t.Errorf("last %v, ending %v", r.Last, r.Ending)
	}
	if r.Paused.By != "mira" || r.Fault.Reason != "NoTraffic" || r.Traffic.CutOff.Reason != "Refused" || r.Traffic.Candidate.State != "unknown" {
		t.Errorf("got %+v %+v %+v", r.Paused, r.Fault, r.Traffic)
	}
}

// The order of checks is a promise; every reason has its place in it.
func TestEveryReasonHasItsCheck(t *testing.T) {
	t.Parallel()
	for reason, want := range map[rollout.Reason]int{
		rollout.ReasonPersonRollback: 1, rollout.ReasonPersonAbort: 1, rollout.ReasonRecovered: 1,
		rollout.ReasonGateFailed: 2, rollout.ReasonCeilingBroken: 2, rollout.ReasonCutOff: 2, rollout.ReasonCandidateDead: 2,
		rollout.ReasonNotAtWeight: 3, rollout.ReasonSampleRatio: 3, rollout.ReasonNoTraffic: 3, rollout.ReasonCandidateSilent: 3, rollout.ReasonFaultLasted: 3,
		rollout.ReasonPaused: 4, rollout.ReasonDwelling: 5, rollout.ReasonTooFewSamples: 6, rollout.ReasonNoData: 6,
		rollout.ReasonVerdictMissing: 7, rollout.ReasonUndecided: 7,
		rollout.ReasonStagePassed: 9, rollout.ReasonPromotedByPerson: 9, rollout.ReasonCompleted: 9, rollout.ReasonAdvancedUndecided: 9, rollout.ReasonTooManyStrata: 9,
		rollout.ReasonEnded: 0, rollout.ReasonNotReady: 0, rollout.ReasonStarted: 0,
	} {
		if got := checkOf(reason); got.Number != want || (want > 0) != (got.Name != "") {
			t.Errorf("%s comes from check %d %q, want %d", reason, got.Number, got.Name, want)
		}
	}
}
