package rollout

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// judged replaces the judgements of a scene: log e-values by gate, undecided
// unless they reach the gate's own threshold.
func (s *scene) judged(logs ...float64) {
	s.in.Judgements = make([]gate.Judgement, len(s.in.Plan.Gates))
	for i := range s.in.Judgements {
		j := gate.Judgement{Gate: s.in.Plan.Gates[i].Name, Verdict: gate.Undecided, LogFail: logs[i]}
		if logs[i] >= s.in.Plan.Gates[i].FailAt(s.in.Plan.Alpha) {
			j.Verdict = gate.Fail
		}
		j.Here.NT, j.Here.NC = 1000, 9000
		j.Total = j.Here
		s.in.Judgements[i] = j
	}
}

// threeHolds gives the scene three gates that hold, which share one alpha.
func (s *scene) threeHolds() {
	g := s.in.Plan.Gates[1]
	s.in.Plan.Gates = nil
	for _, name := range []string{"a", "b", "c"} {
		g.Name = name
		s.in.Plan.Gates = append(s.in.Plan.Gates, g)
	}
	shareAlpha(s.in.Plan.Gates, nil)
}

// No gate of a family reaches its own threshold, and together they reach that of
// the family: the largest has failed.
func TestAFamilyOfGatesFailsTogether(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.threeHolds()
	s.judged(math.Log(30), math.Log(16), math.Log(16)) // On average 20.7 of 20; alone it takes 60.
	d := Decide(s.in)
	if d.Kind != KindHold || d.Reason != ReasonGateFailed || d.Gate != "a" || !slices.Equal(d.Next.Failed, []string{"a"}) {
		t.Errorf("got %s (%s %s), failed %v: %s", d.Kind, d.Reason, d.Gate, d.Next.Failed, d.Sentence)
	}
	if !strings.Contains(d.Sentence, "together") {
		t.Errorf("the sentence does not say so: %s", d.Sentence)
	}
	s.judged(math.Log(27), math.Log(16), math.Log(16))
	if d := Decide(s.in); d.Kind != KindAdvance {
		t.Errorf("a little less evidence: %s (%s)", d.Kind, d.Reason)
	}
}

// An override waives also the gate that failed only together with others, so
// that one word of a person is enough.
func TestAnOverrideWaivesWhatFailedTogether(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.threeHolds()
	s.judged(math.Log(30), math.Log(16), math.Log(16))
	s.override()
	d := Decide(s.in)
	if d.Kind != KindAdvance || !slices.Equal(d.Next.Waived, []string{"a"}) {
		t.Fatalf("got %s, waived %v: %s", d.Kind, d.Next.Waived, d.Sentence)
	}
	// The others stay a family, without the share that was waived.
	s.in.Act, s.in.State = nil, d.Next
	s.in.Traffic.Weight, s.in.State.Served = 5000, time.Hour
	s.requests(2, split.Baseline, 1000, 0)
	s.requests(2, split.Candidate, 1000, 0)
	if d := Decide(s.in); d.Reason == ReasonGateFailed {
		t.Errorf("what was waived holds again: %s", d.Sentence)
	}
	s.judged(math.Log(30), math.Log(31), math.Log(31))
	if d := Decide(s.in); d.Reason != ReasonGateFailed || d.Gate == "a" {
		t.Errorf("the rest of the family does not hold: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}

func TestWithoutAutomaticRollbackAnOverrideStillNeedsTheRouter(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.harm()
	s.in.Plan.Rollback.Auto = false
	s.override()
	if d := s.decide(); d.Kind != KindAdvance || !slices.Equal(d.Next.Waived, []string{"error_rate"}) {
		t.Errorf("an override: %s (%s), waived %v", d.Kind, d.Reason, d.Next.Waived)
	}
	s.in.Traffic.Weight = 1
	if d := s.decide(); d.Kind != KindHold || d.Reason != ReasonNotAtWeight || d.Refused == "" {
		t.Errorf("an override while the router is elsewhere: %s (%s)", d.Kind, d.Reason)
	}
}

// The strata with the mismatch stay as they are for ever. Once a person has
// accepted them, only what comes later is asked about.
func TestAnOverriddenMismatchIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.mismatch()
	s.override()
	d := s.decide()
	if d.Kind != KindAdvance || d.Next.RatioFrom != 2 {
		t.Fatalf("got %s, asking from stratum %d: %s", d.Kind, d.Next.RatioFrom, d.Sentence)
	}
	s.in.Act, s.in.State = nil, d.Next
	s.in.Traffic.Weight, s.in.State.Served = 5000, time.Hour
	s.requests(2, split.Baseline, 9000, 30)
	s.requests(2, split.Candidate, 9000, 30)
	if d := s.decide(); d.Kind != KindAdvance {
		t.Errorf("at the next stage: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
	s.requests(2, split.Candidate, 9000, 30)
	if d := s.decide(); d.Reason != ReasonSampleRatio {
		t.Errorf("a new mismatch: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}

func TestAnOverrideWithoutAMismatchAcceptsNone(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.Plan.Stages[1].MinSamples = 1 << 40
	s.override()
	if d := s.decide(); d.Kind != KindAdvance || d.Next.RatioFrom != 0 {
		t.Errorf("got %s, asking from stratum %d", d.Kind, d.Next.RatioFrom)
	}
}

// What a gate proved is said once with its bound. For as long as it stands, the
// bound is not worked out again: it may have shrunk, and it is dear.
func TestAFailThatStandsIsSaidWithoutItsBound(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.clientErrors(1, split.Candidate, 100)
	first := s.decide()
	if !strings.Contains(first.Sentence, "at least") {
		t.Fatalf("at first: %s", first.Sentence)
	}
	s.in.State = first.Next
	for range 6 {
		s.requests(1, split.Baseline, 9000, 0)
		s.requests(1, split.Candidate, 1000, 0)
	}
	d := s.decide()
	if d.Reason != ReasonGateFailed || strings.Contains(d.Sentence, "at least") || !strings.Contains(d.Sentence, "was proven to be beyond its margin +1pp") {
		t.Errorf("afterwards: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}

// Late labels may condemn a candidate that has only just entered a stage. The
// sentence then counts what it rests on.
func TestTheSentenceCountsWhereTheEvidenceIs(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.harm()
	s.in.State.enter(s.in.Plan, 2, s.in.Now)
	s.in.Traffic.Weight = 5000
	s.requests(2, split.Baseline, 5, 0)
	s.requests(2, split.Candidate, 5, 0)
	d := s.decide()
	if want := "error_rate 29.9% (151 of 505) in all stages against 0.5% at the same weights"; !strings.Contains(d.Sentence, want) {
		t.Errorf("%q is missing in %q", want, d.Sentence)
	}
}

func TestAGateThatWasNotJudgedHasNoData(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(s *scene){
		"none":    func(s *scene) { s.in.Judgements = nil },
		"too few": func(s *scene) { s.in.Judgements = s.in.Judgements[:1] },
		"another": func(s *scene) { s.in.Judgements[1].Gate = "latency_p99" },
		"too many": func(s *scene) {
			s.in.Judgements = append(s.in.Judgements[:1], gate.Judgement{Gate: "x"}, gate.Judgement{Gate: "y"})
		},
		"swapped":   func(s *scene) { s.in.Judgements[0], s.in.Judgements[1] = s.in.Judgements[1], s.in.Judgements[0] },
		"no memory": func(s *scene) { s.in.Evidence, s.in.Judgements = nil, nil },
	} {
		s := newScene()
		s.in.Judgements = Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
		bend(s)
		d := Decide(s.in)
		if name == "swapped" {
			if d.Kind != KindAdvance {
				t.Errorf("%s: %s (%s)", name, d.Kind, d.Reason)
			}
			continue
		}
		if d.Kind != KindHold || d.Reason != ReasonNoData {
			t.Errorf("%s: %s (%s): %s", name, d.Kind, d.Reason, d.Sentence)
		}
	}
}

func TestAStageWithoutGatesStillWantsItsRequests(t *testing.T) {
	t.Parallel()
	s := newScene()
	for i := range s.in.Plan.Gates {
		s.in.Plan.Gates[i].From = 2
	}
	if d := s.decide(); d.Kind != KindAdvance {
		t.Errorf("with 200 requests: %s (%s)", d.Kind, d.Reason)
	}
	s.in.Plan.Stages[1].MinSamples = 201
	if d := s.decide(); d.Kind != KindHold || d.Reason != ReasonTooFewSamples || !strings.Contains(d.Sentence, "200 candidate and 1,800 baseline requests, 201") {
		t.Errorf("with one too few: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
	s.in.Plan.Gates = nil
	if d := s.decide(); d.Reason != ReasonTooFewSamples {
		t.Errorf("without any gate: %s (%s)", d.Kind, d.Reason)
	}
	s.in.Evidence = &evidence.Evidence{}
	if d := s.decide(); d.Reason != ReasonTooFewSamples {
		t.Errorf("without any evidence: %s (%s)", d.Kind, d.Reason)
	}
}
