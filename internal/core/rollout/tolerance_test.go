package rollout

import (
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// tolerant is the scene at a stage that must exclude twice the margin of
// one point.
func tolerant() *scene {
	s := newScene()
	s.in.Plan.Stages[1].Tolerance = 2
	s.in.Plan.Gates[1].Info = true
	return s
}

func TestAStageWaitsUntilAGrossHarmIsExcluded(t *testing.T) {
	t.Parallel()
	s := tolerant()
	d := s.decide()
	if d.Kind != KindHold || d.Reason != ReasonVerdictMissing || d.Gate != "error_rate" {
		t.Fatalf("%s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
	if want := "error_rate is not proven within 2 times its margin +1pp yet: e-value"; !strings.Contains(d.Sentence, want) {
		t.Errorf("the sentence does not say %q: %s", want, d.Sentence)
	}
	s.requests(1, split.Baseline, 2700, 13)
	s.requests(1, split.Candidate, 300, 1)
	if d = s.decide(); d.Kind != KindAdvance {
		t.Fatalf("with more: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
	if j := s.in.Judgements[0]; j.Verdict != "undecided" {
		t.Errorf("the gate itself has %s; then the tolerance shows nothing", j.Verdict)
	}
}

func TestAToleranceIsForStagesThatAskForNoHarm(t *testing.T) {
	t.Parallel()
	s := tolerant()
	s.within()
	s.in.State.Stage, s.in.State.Strata[1].Stage = 2, 2
	s.in.Plan.Stages[2].Weight = 1000
	s.in.Plan.Stages[2].Tolerance = 0
	if d := s.decide(); !strings.Contains(d.Sentence, "not proven within +1pp yet") {
		t.Errorf("%s", d.Sentence)
	}
}

// Harm is not delayed by what must still be excluded.
func TestHarmComesBeforeATolerance(t *testing.T) {
	t.Parallel()
	s := tolerant()
	s.harm()
	if d := s.decide(); d.Kind != KindRollback {
		t.Errorf("%s: %s", d.Kind, d.Sentence)
	}
}
