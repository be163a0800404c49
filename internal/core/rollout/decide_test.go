package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// scene is a rollout in the middle of its life, which a test then bends.
type scene struct {
	in Input
}

// newScene is at 10 % of a ladder 1/10/50/100, an hour in, healthy, with every
// sample it needs and nothing proven.
func newScene() *scene {
	p := &Plan{
		Rollout: "fraud-v7", Model: "fraud", Candidate: Version{Name: "v7"}, Baseline: Version{Name: "v6"},
		Alpha: 0.05, OnUndecided: spec.UndecidedHold,
		Faults:   Faults{NoTraffic: spec.FaultHold, SampleRatio: spec.FaultHold, HoldFor: time.Hour, Then: spec.ThenAsk},
		Rollback: Restore{Auto: true, Shield: true, Cooldown: time.Hour},
		Layout:   evidence.NewLayout(false),
		Gates: []gate.Gate{
			{Name: "error_rate", Kind: gate.Rate, Method: gate.Difference, Worse: stats.Up, Margin: 0.01, Slope: 1, Share: 1},
			{Name: "client_error_rate", Kind: gate.Rate, Series: 1, Method: gate.Difference, Worse: stats.Up, Margin: 0.01, Slope: 1, Share: 1, Holds: true},
		},
	}
	for _, w := range []uint32{100, 1000, 5000, 9900} {
		p.Stages = append(p.Stages, Stage{Weight: w, Dwell: time.Hour, MaxDuration: 48 * time.Hour, MinSamples: 100, Require: spec.NoHarm})
	}
	p.Stages[2].Require = spec.WithinMargin
	p.Stages[3].Holdback = 100
	s := &scene{in: Input{
		Now: epoch.Add(2 * time.Hour), Plan: p, Evidence: &evidence.Evidence{},
		Traffic: Traffic{Known: true, Ready: true, Weight: 1000, LastRequest: epoch.Add(2 * time.Hour)},
		State: State{
			Phase: Progressing, Stage: 1, StartedAt: epoch, StageAt: epoch.Add(time.Hour), Served: time.Hour, SeenAt: epoch.Add(2 * time.Hour),
			Strata: []Stratum{{Stage: 0, Weight: 100, From: epoch}, {Stage: 1, Weight: 1000, From: epoch.Add(time.Hour)}},
		},
	}}
	s.requests(0, split.Baseline, 9900, 50)
	s.requests(0, split.Candidate, 100, 0)
	s.requests(1, split.Baseline, 1800, 9)
	s.requests(1, split.Candidate, 200, 1)
	return s
}

func (s *scene) requests(stratum int, arm split.Arm, n, errors int) {
	for i := range n {
		s.in.Evidence.Stratum(&s.in.Plan.Layout, stratum).Observe(&s.in.Plan.Layout, evidence.Observation{Arm: arm, Error: i < errors})
	}
}

// clientErrors adds n requests to an arm that all err, and keeps the ratio of
// the arms at a weight of 10 %.
func (s *scene) clientErrors(stratum int, arm split.Arm, n int) {
	s.requests(stratum, split.Baseline, 9*n, n/20)
	for range n {
		s.in.Evidence.Stratum(&s.in.Plan.Layout, stratum).Observe(&s.in.Plan.Layout, evidence.Observation{Arm: arm, ClientError: true})
	}
}

func (s *scene) harm() { s.requests(1, split.Candidate, 200, 150) }

// mismatch sends many more units to the candidate than asked, in both arms
// without an error.
func (s *scene) mismatch() { s.requests(1, split.Candidate, 3000, 0) }

func (s *scene) act(kind ActKind) {
	s.in.Act = &Act{Kind: kind, By: "ada", Reason: "because", At: s.in.Now}
}

func (s *scene) decide() Decision {
	s.in.Judgements = Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
	return Decide(s.in)
}

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		bend   func(s *scene)
		kind   Kind
		reason Reason
		phase  Phase
	}{
		"a healthy stage that has all it needs opens the next": {func(*scene) {}, KindAdvance, ReasonStagePassed, Progressing},
		"a pending rollout waits for its candidate": {func(s *scene) {
			s.in.State, s.in.Traffic = State{Phase: Pending}, Traffic{Known: true, Error: "connection refused"}
		}, KindHold, ReasonNotReady, Pending},
		"a ready candidate gets its first traffic": {func(s *scene) {
			s.in.State, s.in.Traffic = State{Phase: Pending}, Traffic{Known: true, Ready: true}
			s.in.Evidence = &evidence.Evidence{}
		}, KindAdvance, ReasonStarted, Progressing},

		"a person's rollback comes first":     {func(s *scene) { s.harm(); s.act(ActRollback) }, KindRollback, ReasonPersonRollback, RolledBack},
		"an abort ends as aborted":            {func(s *scene) { s.act(ActAbort) }, KindRollback, ReasonPersonAbort, Aborted},
		"an interrupted rollback is finished": {func(s *scene) { s.act(ActRecover) }, KindRollback, ReasonRecovered, RolledBack},

		"proven harm rolls back":                  {func(s *scene) { s.harm() }, KindRollback, ReasonGateFailed, RolledBack},
		"proven harm does not wait for the dwell": {func(s *scene) { s.harm(); s.in.State.Served = 0 }, KindRollback, ReasonGateFailed, RolledBack},
		"proven harm does not wait for samples":   {func(s *scene) { s.harm(); s.in.Plan.Stages[1].MinSamples = 1 << 40 }, KindRollback, ReasonGateFailed, RolledBack},
		"a pause does not guard a harmful candidate": {func(s *scene) {
			s.harm()
			s.in.State.Paused = &Pause{By: "ada"}
		}, KindRollback, ReasonGateFailed, RolledBack},
		"a pause that comes with harm rolls back":             {func(s *scene) { s.harm(); s.act(ActPause) }, KindRollback, ReasonGateFailed, RolledBack},
		"a promotion that comes with harm rolls back":         {func(s *scene) { s.harm(); s.act(ActPromote); s.in.Act.Override = true }, KindRollback, ReasonGateFailed, RolledBack},
		"a sample-ratio mismatch does not hide harm":          {func(s *scene) { s.mismatch(); s.requests(1, split.Candidate, 400, 400) }, KindRollback, ReasonGateFailed, RolledBack},
		"a router that cannot be asked does not hide harm":    {func(s *scene) { s.harm(); s.in.Traffic = Traffic{} }, KindRollback, ReasonGateFailed, RolledBack},
		"no traffic does not hide harm":                       {func(s *scene) { s.harm(); s.in.Now = s.in.Now.Add(time.Hour) }, KindRollback, ReasonGateFailed, RolledBack},
		"a cut-off by the router is harm":                     {func(s *scene) { s.in.Traffic.CutOff = &CutOff{Detail: "14 of 14 failed"} }, KindRollback, ReasonCutOff, RolledBack},
		"a dead candidate is harm":                            {func(s *scene) { s.in.Traffic.Dead = "connection refused" }, KindRollback, ReasonCandidateDead, RolledBack},
		"without automatic rollback harm asks":                {func(s *scene) { s.harm(); s.in.Plan.Rollback.Auto = false }, KindAsk, ReasonGateFailed, AwaitingApproval},
		"a gate that holds stops the rollout":                 {func(s *scene) { s.clientErrors(1, split.Candidate, 100) }, KindHold, ReasonGateFailed, Holding},
		"a gate that holds does not hide one that rolls back": {func(s *scene) { s.clientErrors(1, split.Candidate, 100); s.harm() }, KindRollback, ReasonGateFailed, RolledBack},

		"a router at another weight holds":           {func(s *scene) { s.in.Traffic.Weight = 100 }, KindHold, ReasonNotAtWeight, Holding},
		"a router that cannot be asked holds":        {func(s *scene) { s.in.Traffic.Known = false }, KindHold, ReasonNotAtWeight, Holding},
		"a sample-ratio mismatch holds":              {func(s *scene) { s.mismatch() }, KindHold, ReasonSampleRatio, Holding},
		"a sample-ratio mismatch rolls back if told": {func(s *scene) { s.mismatch(); s.in.Plan.Faults.SampleRatio = spec.FaultRollback }, KindRollback, ReasonSampleRatio, RolledBack},
		"no traffic for five minutes holds":          {func(s *scene) { s.in.Traffic.LastRequest = s.in.Now.Add(-5 * time.Minute) }, KindHold, ReasonNoTraffic, Holding},
		"a silent candidate holds":                   {func(s *scene) { s.in.Traffic.SinceCandidate = 182 }, KindHold, ReasonCandidateSilent, Holding},
		"a silence that chance explains is none":     {func(s *scene) { s.in.Traffic.SinceCandidate = 181 }, KindAdvance, ReasonStagePassed, Progressing},
		"a fault that lasts asks": {func(s *scene) {
			s.mismatch()
			s.in.State.Fault = &Fault{Reason: ReasonSampleRatio, Since: s.in.Now.Add(-time.Hour)}
		}, KindAsk, ReasonSampleRatio, AwaitingApproval},
		"a fault that lasts rolls back if told": {func(s *scene) {
			s.mismatch()
			s.in.Plan.Faults.Then = spec.ThenRollback
			s.in.State.Fault = &Fault{Reason: ReasonSampleRatio, Since: s.in.Now.Add(-time.Hour)}
		}, KindRollback, ReasonFaultLasted, RolledBack},
		"a new fault starts its own clock": {func(s *scene) {
			s.mismatch()
			s.in.State.Fault = &Fault{Reason: ReasonNoTraffic, Since: s.in.Now.Add(-time.Hour)}
		}, KindHold, ReasonSampleRatio, Holding},

		"a paused rollout holds":          {func(s *scene) { s.act(ActPause) }, KindHold, ReasonPaused, Holding},
		"a resumed rollout goes on":       {func(s *scene) { s.in.State.Paused = &Pause{By: "ada"}; s.act(ActResume) }, KindAdvance, ReasonStagePassed, Progressing},
		"a young stage dwells":            {func(s *scene) { s.in.State.Served = 59 * time.Minute }, KindHold, ReasonDwelling, Progressing},
		"a stage extends for its samples": {func(s *scene) { s.in.Plan.Stages[1].MinSamples = 201 }, KindHold, ReasonTooFewSamples, Progressing},
		"an overdue stage still has no right to advance without samples": {func(s *scene) {
			s.in.Plan.Stages[1].MinSamples, s.in.Plan.OnUndecided = 201, spec.UndecidedAdvance
			s.late()
		}, KindHold, ReasonTooFewSamples, Holding},
		"no data never passes": {func(s *scene) {
			s.in.Evidence = &evidence.Evidence{}
			s.in.Plan.Stages[1].MinSamples = 0
		}, KindHold, ReasonNoData, Progressing},

		"a required proof is waited for":     {func(s *scene) { s.within() }, KindHold, ReasonVerdictMissing, Progressing},
		"a missing proof holds in the end":   {func(s *scene) { s.within(); s.late() }, KindHold, ReasonUndecided, Holding},
		"a missing proof asks if told":       {func(s *scene) { s.within(); s.late(); s.in.Plan.OnUndecided = spec.UndecidedAsk }, KindAsk, ReasonUndecided, AwaitingApproval},
		"a missing proof rolls back if told": {func(s *scene) { s.within(); s.late(); s.in.Plan.OnUndecided = spec.UndecidedRollback }, KindRollback, ReasonUndecided, RolledBack},
		"a missing proof advances if told":   {func(s *scene) { s.within(); s.late(); s.in.Plan.OnUndecided = spec.UndecidedAdvance }, KindAdvance, ReasonAdvancedUndecided, Progressing},
		"a proof opens the next stage":       {func(s *scene) { s.within(); s.proof() }, KindAdvance, ReasonStagePassed, Progressing},
		"a guard is no condition of promotion": {func(s *scene) {
			s.within()
			for i := range s.in.Plan.Gates {
				s.in.Plan.Gates[i].GuardOnly = true
			}
		}, KindAdvance, ReasonStagePassed, Progressing},
		"the last stage completes": {func(s *scene) { s.last() }, KindComplete, ReasonCompleted, Completed},
		"nothing is asked of a stage without a baseline": {func(s *scene) {
			s.last()
			s.in.Plan.Stages[3].Weight, s.in.Plan.Stages[3].Holdback = 10_000, 0
			s.in.Plan.Stages[3].MinSamples = 1 << 40
			s.in.State.Strata[3].Weight, s.in.Traffic.Weight = 10_000, 10_000
		}, KindComplete, ReasonCompleted, Completed},

		"a promotion skips the dwell":                          {func(s *scene) { s.in.State.Served = 0; s.act(ActPromote) }, KindAdvance, ReasonPromotedByPerson, Progressing},
		"a promotion does not skip the samples":                {func(s *scene) { s.in.Plan.Stages[1].MinSamples = 201; s.act(ActPromote) }, KindHold, ReasonTooFewSamples, Progressing},
		"a promotion does not skip a proof":                    {func(s *scene) { s.within(); s.act(ActPromote) }, KindHold, ReasonVerdictMissing, Progressing},
		"a promotion does not skip a gate that holds":          {func(s *scene) { s.clientErrors(1, split.Candidate, 100); s.act(ActPromote) }, KindHold, ReasonGateFailed, Holding},
		"an override skips the samples":                        {func(s *scene) { s.in.Plan.Stages[1].MinSamples = 201; s.override() }, KindAdvance, ReasonPromotedByPerson, Progressing},
		"an override skips a fault":                            {func(s *scene) { s.mismatch(); s.override() }, KindAdvance, ReasonPromotedByPerson, Progressing},
		"an override waives a gate that holds":                 {func(s *scene) { s.clientErrors(1, split.Candidate, 100); s.override() }, KindAdvance, ReasonPromotedByPerson, Progressing},
		"an override does not move a router that is elsewhere": {func(s *scene) { s.in.Traffic.Weight = 1; s.override() }, KindHold, ReasonNotAtWeight, Holding},
		"a paused rollout is not promoted":                     {func(s *scene) { s.in.State.Paused = &Pause{By: "ada"}; s.override() }, KindHold, ReasonPaused, Holding},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			tt.bend(s)
			d := s.decide()
			if d.Kind != tt.kind || d.Reason != tt.reason || d.Next.Phase != tt.phase {
				t.Errorf("got %s (%s) in %s, want %s (%s) in %s\n%s", d.Kind, d.Reason, d.Next.Phase, tt.kind, tt.reason, tt.phase, d.Sentence)
			}
			if d.Sentence == "" || strings.Contains(d.Sentence, "NaN") || strings.Contains(d.Sentence, "%!") {
				t.Errorf("sentence %q", d.Sentence)
			}
			if refused := d.Refused != ""; refused != (s.in.Act != nil && s.in.Act.Kind == ActPromote && tt.kind == KindHold) {
				t.Errorf("refused: %q", d.Refused)
			}
		})
	}
}

// within makes the stage require proofs that it does not have.
func (s *scene) within() { s.in.Plan.Stages[1].Require = spec.WithinMargin }

func (s *scene) late() { s.in.Plan.Stages[1].MaxDuration = time.Hour }

func (s *scene) proof() {
	s.requests(1, split.Baseline, 18_000, 90)
	s.requests(1, split.Candidate, 2_000, 10)
}

func (s *scene) override() { s.act(ActPromote); s.in.Act.Override = true }

// last moves the scene to the last stage.
func (s *scene) last() {
	s.in.State.Stage = 3
	s.in.State.Strata = append(s.in.State.Strata, Stratum{Stage: 2, Weight: 5000}, Stratum{Stage: 3, Weight: 9900})
	s.in.Traffic.Weight = 9900
	s.requests(3, split.Baseline, 100, 0)
	s.requests(3, split.Candidate, 9900, 40)
}

func TestARollbackSaysWhatWasProven(t *testing.T) {
	s := newScene()
	s.harm()
	d := s.decide()
	for _, want := range []string{"ROLLBACK at 10%", "error_rate 37.8% (151 of 400) against 0.5% (9 of 1,800)", "at least +2", "margin +1pp", "alpha 5%", "Exposed: 500 requests"} {
		if !strings.Contains(d.Sentence, want) {
			t.Errorf("%q is missing in %q", want, d.Sentence)
		}
	}
	if d.Gate != "error_rate" {
		t.Errorf("the culprit is %q", d.Gate)
	}
}

func TestDwellCountsOnlyWhatWasServedAtTheWeight(t *testing.T) {
	s := newScene()
	s.in.State.Served, s.in.State.SeenAt = 10*time.Minute, s.in.Now.Add(-5*time.Minute)
	if got := s.decide().Next.Served; got != 15*time.Minute {
		t.Errorf("at the weight: served %v, want 15m", got)
	}
	s.in.Traffic.Weight = 0
	if got := s.decide().Next.Served; got != 10*time.Minute {
		t.Errorf("at another weight: served %v, want 10m", got)
	}
	s.in.Traffic.Weight = 1000
	s.in.State = s.in.State.Resume(s.in.Now)
	if got := s.decide().Next.Served; got != 10*time.Minute {
		t.Errorf("after a restart: served %v, want 10m", got)
	}
}

func TestAWaivedGateHoldsNoMore(t *testing.T) {
	s := newScene()
	s.clientErrors(1, split.Candidate, 100)
	s.override()
	d := s.decide()
	if len(d.Next.Waived) != 1 || d.Next.Waived[0] != "client_error_rate" || !strings.Contains(d.Sentence, "ada: because (override); waived: client_error_rate") {
		t.Fatalf("waived %v: %s", d.Next.Waived, d.Sentence)
	}
	s.in.Act, s.in.State = nil, d.Next
	s.in.Traffic.Weight = 5000
	s.requests(2, split.Baseline, 6000, 30)
	s.requests(2, split.Candidate, 6000, 30)
	s.in.State.Served = time.Hour
	if d := s.decide(); d.Kind != KindAdvance {
		t.Errorf("after the waiver: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}

func TestAFailedGateStaysFailed(t *testing.T) {
	s := newScene()
	s.clientErrors(1, split.Candidate, 100)
	first := s.decide()
	if len(first.Next.Failed) != 1 {
		t.Fatalf("failed: %v", first.Next.Failed)
	}
	s.in.State = first.Next
	s.requests(1, split.Baseline, 27_000, 0)
	s.requests(1, split.Candidate, 3_000, 0) // dilutes the client errors
	if d := s.decide(); d.Reason != ReasonGateFailed || s.in.Judgements[1].Verdict != gate.Fail {
		t.Errorf("after dilution: %s, verdict %s", d.Reason, s.in.Judgements[1].Verdict)
	}
}

func TestStickyUnitsWhoAreAwayAreNoSilence(t *testing.T) {
	s := newScene()
	s.in.Plan.Layout.Clustered = true
	s.in.Evidence = &evidence.Evidence{}
	s.requests(0, split.Baseline, 200, 1)
	s.requests(0, split.Candidate, 200, 1)
	s.requests(1, split.Baseline, 2000, 10)
	s.in.Traffic.SinceCandidate = 100_000
	for i := range uint64(100) {
		s.in.Evidence.Strata[1].Sides[split.Baseline].Units.Add(i<<8 | 1)
	}
	if d := s.decide(); d.Reason == ReasonCandidateSilent {
		t.Errorf("a hundred units at 10%% may all be the baseline's: %s", d.Sentence)
	}
	for i := range uint64(100) {
		s.in.Evidence.Strata[1].Sides[split.Baseline].Units.Add(i<<8 | 3)
	}
	if d := s.decide(); d.Reason != ReasonCandidateSilent {
		t.Errorf("of two hundred units at 10%% some must be the candidate's: %s", d.Sentence)
	}
}

func TestTheStrataAreBounded(t *testing.T) {
	s := newScene()
	for len(s.in.State.Strata) < evidence.MaxStrata {
		s.in.State.Strata = append(s.in.State.Strata, Stratum{Stage: 1, Weight: 1000})
	}
	if d := s.decide(); d.Kind != KindHold || d.Reason != ReasonTooManyStrata {
		t.Errorf("got %s (%s)", d.Kind, d.Reason)
	}
}
