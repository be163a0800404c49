package rollout

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// Requests from before a stage came at another weight, where such a silence is
// nothing rare.
func TestASilenceIsCountedFromItsStage(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.Plan.Faults.NoTraffic = spec.FaultRollback
	s.in.State.enter(s.in.Plan, 2, s.in.Now)
	s.in.Traffic.Weight, s.in.Traffic.SinceCandidate = 5000, 400
	s.requests(2, split.Baseline, 19, 0)
	if d := s.decide(); d.Kind == KindRollback {
		t.Errorf("nineteen requests at 50%% after 381 at 10%%: %s", d.Sentence)
	}
	s.requests(2, split.Baseline, 1, 0)
	if d := s.decide(); d.Reason != ReasonCandidateSilent || !strings.Contains(d.Sentence, "the baseline took 20 requests") {
		t.Errorf("twenty requests at 50%%: %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}

// Every request of the candidate begins a silence, and in two hours there are
// many. None of them may look like a fault.
func TestNoSilenceOfManyIsAFault(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.State.Strata[1].Weight, s.in.Traffic.Weight = 100, 100
	s.in.Plan.Stages[1].Weight = 100
	r := rand.New(rand.NewPCG(5, 6))
	faults, naive, candidates := 0, 0, 200_000
	d := &deciding{Input: s.in, next: s.in.State}
	side := &s.in.Evidence.Strata[1].Sides
	for range candidates {
		gap := uint64(math.Log(1-r.Float64()) / math.Log(0.99))
		side[split.Baseline].Requests += gap
		d.Traffic.SinceCandidate = gap
		if d.silent() {
			faults++
		}
		if float64(gap)*-math.Log(0.99) > -math.Log(silenceChance) {
			naive++
		}
		side[split.Candidate].Requests++
	}
	if faults > 0 {
		t.Errorf("%d faults in %d silences that are all chance (%d if each were the only one)", faults, candidates, naive)
	}
}

func TestARouterThatHasJustStartedIsNotQuiet(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.Plan.Faults.NoTraffic = spec.FaultRollback
	s.in.Traffic.LastRequest = time.Time{}
	if d := s.decide(); d.Kind != KindRollback || d.Reason != ReasonNoTraffic {
		t.Fatalf("an hour without a request: %s (%s)", d.Kind, d.Reason)
	}
	s.in.State = s.in.State.Resume(s.in.Now)
	if d := s.decide(); d.Reason == ReasonNoTraffic {
		t.Errorf("right after a restart: %s", d.Sentence)
	}
	s.in.Now = s.in.Now.Add(quietAfter)
	if d := s.decide(); d.Reason != ReasonNoTraffic {
		t.Errorf("five minutes after a restart: %s (%s)", d.Kind, d.Reason)
	}
}

func TestASilenceAmongUnitsSpeaksOfUnits(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.Plan.Layout.Clustered = true
	s.in.Evidence.Strata[1].Sides[split.Candidate].Requests = 0
	s.in.Traffic.SinceCandidate = 1
	for i := range uint64(200) {
		s.in.Evidence.Strata[1].Sides[split.Baseline].Units.Add(i<<8 | 1)
	}
	d := Decide(s.in)
	if d.Reason != ReasonCandidateSilent || !strings.Contains(d.Sentence, "the baseline took 200 units") {
		t.Errorf("got %s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
}
