package rollout

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// segmented is the scene with segments by country that guard.
func segmented() *scene {
	s := newScene()
	s.in.Plan.Segments = &Segments{By: []table.Unit{{Source: table.UnitHeader, Name: "X-Country"}}, Guard: true}
	shareAlpha(s.in.Plan.Gates, s.in.Plan.Segments)
	return s
}

// country adds requests of a country, to the whole as well.
func (s *scene) country(name string, arm split.Arm, n, errors int) {
	s.requests(1, arm, n, errors)
	for i := range n {
		s.in.Evidence.SegmentStratum(&s.in.Plan.Layout, "X-Country="+name, 1).
			Observe(&s.in.Plan.Layout, evidence.Observation{Arm: arm, Error: i < errors})
	}
}

func (s *scene) decideBySegment() Decision {
	s.in.Segments = JudgeSegments(s.in.Plan, s.in.State, s.in.Evidence, s.in.Segments)
	return s.decide()
}

// small is a harm to one of two countries that the whole hides.
func (s *scene) small() {
	s.country("DE", split.Baseline, 18_000, 90)
	s.country("DE", split.Candidate, 2_000, 10)
	s.country("MT", split.Baseline, 450, 2)
	s.country("MT", split.Candidate, 50, 12)
}

func TestAHarmInOneSegmentRollsBackAndIsNamed(t *testing.T) {
	t.Parallel()
	s := segmented()
	s.small()
	d := s.decideBySegment()
	if d.Kind != KindRollback || d.Reason != ReasonGateFailed || d.Gate != "error_rate" {
		t.Fatalf("%s (%s): %s", d.Kind, d.Reason, d.Sentence)
	}
	if want := "error_rate in X-Country=MT 24% (12 of 50) against 0.44% (2 of 450): at least +"; !strings.Contains(d.Sentence, want) {
		t.Errorf("the sentence does not say %q: %s", want, d.Sentence)
	}
	if !slices.Equal(d.Next.Failed, []string{"error_rate in X-Country=MT"}) {
		t.Errorf("failed: %v", d.Next.Failed)
	}
}

func TestSegmentsThatDoNotGuardDecideNothing(t *testing.T) {
	t.Parallel()
	s := segmented()
	s.in.Plan.Segments.Guard = false
	shareAlpha(s.in.Plan.Gates, s.in.Plan.Segments)
	if s.in.Plan.Gates[0].Share != 1 {
		t.Errorf("the whole has %v of alpha", s.in.Plan.Gates[0].Share)
	}
	s.small()
	if d := s.decideBySegment(); d.Kind == KindRollback {
		t.Errorf("%s", d.Sentence)
	}
	if len(s.in.Segments) == 0 {
		t.Error("nothing is shown of the segments")
	}
}

func TestASegmentThatFailedStaysFailedUntilAPersonWaivesIt(t *testing.T) {
	t.Parallel()
	s := segmented()
	for i := range s.in.Plan.Gates {
		s.in.Plan.Gates[i].Holds = true
	}
	shareAlpha(s.in.Plan.Gates, s.in.Plan.Segments)
	s.small()
	d := s.decideBySegment()
	if d.Kind != KindHold || d.Gate != "error_rate" {
		t.Fatalf("%s: %s", d.Kind, d.Sentence)
	}
	s.in.State = d.Next
	s.country("MT", split.Candidate, 2_000, 10) // It was a bad hour.
	s.country("MT", split.Baseline, 18_000, 90)
	if d = s.decideBySegment(); d.Kind != KindHold || !strings.Contains(d.Sentence, "stays so") {
		t.Fatalf("%s: %s", d.Kind, d.Sentence)
	}
	s.override()
	d = s.decideBySegment()
	if d.Kind != KindAdvance || !slices.Contains(d.Next.Waived, "error_rate in X-Country=MT") {
		t.Fatalf("%s: %s, waived %v", d.Kind, d.Sentence, d.Next.Waived)
	}
	s.in.Act, s.in.State, s.in.Traffic.Weight = nil, d.Next, d.Next.Weight()
	if d = s.decideBySegment(); d.Kind == KindHold && d.Reason == ReasonGateFailed {
		t.Errorf("it holds again: %s", d.Sentence)
	}
}

// The parts of alpha never add up to more than all of it, however many segments
// come.
func TestTheSharesOfAlphaAddUpToOne(t *testing.T) {
	t.Parallel()
	s := segmented()
	for i := range 200 {
		s.country(fmt.Sprint(i), split.Baseline, 1, 0)
	}
	s.in.Segments = JudgeSegments(s.in.Plan, s.in.State, s.in.Evidence, nil)
	if n := len(s.in.Evidence.Segments); n != evidence.MaxSegments+1 || s.in.Evidence.Segments[n-1].Name != evidence.OtherSegment {
		t.Fatalf("%d segments", n)
	}
	judged := Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
	for _, holds := range []bool{false, true} {
		whole, all := 0.0, 0.0
		for _, c := range charges(s.in.Plan, judged, s.in.Segments) {
			if c.gate.Holds != holds {
				continue
			}
			if all += c.gate.Share; c.judgement.Segment == "" {
				whole += c.gate.Share
			}
		}
		if math.Abs(whole-0.8) > 1e-12 || all > 1 || all < 0.99 {
			t.Errorf("holds %v: the whole has %v of alpha, all together %v", holds, whole, all)
		}
	}
}

// With twenty segments in which nothing has changed a rollback is as rare as
// without any.
func TestManySegmentsDoNotAddFalseRollbacks(t *testing.T) {
	t.Parallel()
	const runs, looks = 200, 20
	false1 := 0
	for seed := range runs {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		s := segmented()
		s.in.Plan.Gates[0].Method, s.in.Plan.Gates[0].Margin = gate.Ratio, 1e-9 // No slack: at the boundary.
		s.in.Evidence = &evidence.Evidence{}
		s.requests(0, split.Baseline, 1, 0)
		for range looks {
			for segment := range 20 {
				s.country(fmt.Sprint(segment), split.Baseline, 90, poisson(r, 0.9))
				s.country(fmt.Sprint(segment), split.Candidate, 10, min(poisson(r, 0.1), 10))
			}
			s.in.Segments = JudgeSegments(s.in.Plan, s.in.State, s.in.Evidence, s.in.Segments)
			s.in.Judgements = Judge(s.in.Plan, s.in.State, s.in.Evidence, nil)
			f := weigh(&s.in.State, charges(s.in.Plan, s.in.Judgements, s.in.Segments), false)
			if f.logE >= math.Log(20) {
				false1++
				break
			}
		}
	}
	if false1 > 16 { // 5 % of 200 and twice its standard error
		t.Errorf("%d of %d rolled back", false1, runs)
	}
}

func poisson(r *rand.Rand, mean float64) int {
	k := 0
	for p := r.Float64(); p > math.Exp(-mean); p *= r.Float64() {
		k++
	}
	return k
}

func TestSegmentsAreCompiled(t *testing.T) {
	t.Parallel()
	p := compiled(t, demoModel+strings.Replace(demoPolicyText, "  gates:", "  segments: {by: [header:X-Country], guard: true}\n  gates:", 1))
	if p.Segments == nil || !p.Segments.Guard || len(p.Segments.By) != 1 || p.Segments.By[0].Name != "X-Country" {
		t.Fatalf("%+v", p.Segments)
	}
	sum := 0.0
	for i := range p.Gates {
		sum += p.Gates[i].Share
	}
	if math.Abs(sum-0.8) > 1e-12 {
		t.Errorf("the whole has %v of alpha", sum)
	}
}
