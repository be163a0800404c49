package rollout

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/spec"
)

const year = 365 * 24 * time.Hour

// jumps are what a clock may be set by between two looks, either way, and what a
// machine may sleep. Looks of the tests are four seconds apart at most.
var jumps = []time.Duration{
	-10 * year, -year, -25 * time.Hour, -3 * time.Hour, -time.Minute, -5 * time.Second, -time.Second, -time.Nanosecond,
	4*time.Second + 1, 5 * time.Second, 25 * time.Second, time.Minute, 3 * time.Hour, 25 * time.Hour, year, 10 * year,
}

// watched is a scene of which all looks have been as close as they should be.
func watched() *scene {
	s := newScene()
	s.in.MaxGap = 4 * time.Second
	s.in.State.AwakeAt = epoch
	return s
}

// jump sets the clock, and nothing else happens.
func (s *scene) jump(by time.Duration) { s.in.Now = s.in.State.SeenAt.Add(by) }

func TestAJumpOfTheClockLeadsNowhere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		bend   func(s *scene)
		kind   Kind
		reason Reason
	}{
		"a second of dwell is missing":                           {func(s *scene) { s.in.State.Served = time.Hour - time.Second }, KindHold, ReasonDwelling},
		"a verdict is missing, which would roll back in the end": {func(s *scene) { s.within(); s.in.Plan.OnUndecided = spec.UndecidedRollback }, KindHold, ReasonVerdictMissing},
		"a verdict is missing, which would advance in the end":   {func(s *scene) { s.within(); s.in.Plan.OnUndecided = spec.UndecidedAdvance }, KindHold, ReasonVerdictMissing},
		"samples are missing":                                    {func(s *scene) { s.in.Plan.Stages[1].MinSamples = 201 }, KindHold, ReasonTooFewSamples},
		"a fault that would roll back if it lasted": {func(s *scene) {
			s.mismatch()
			s.in.Plan.Faults.Then = spec.ThenRollback
			s.in.State.Fault = &Fault{Reason: ReasonSampleRatio, Since: s.in.Now.Add(-59 * time.Minute)}
		}, KindHold, ReasonSampleRatio},
		"no request for almost five minutes, and no traffic rolls back": {func(s *scene) {
			s.in.State.Served = 0
			s.in.Plan.Faults.NoTraffic = spec.FaultRollback
			s.in.Traffic.LastRequest = s.in.Now.Add(time.Second - quietAfter)
		}, KindHold, ReasonDwelling},
		"no request for an hour": {func(s *scene) {
			s.in.Plan.Faults.HoldFor = 2 * time.Hour
			s.in.Traffic.LastRequest = s.in.Now.Add(-time.Hour)
			s.in.State.Fault = &Fault{Reason: ReasonNoTraffic, Since: s.in.Now.Add(-55 * time.Minute)}
		}, KindHold, ReasonNoTraffic},
		"paused":                        {func(s *scene) { s.in.State.Paused = &Pause{By: "ada"} }, KindHold, ReasonPaused},
		"proven harm":                   {func(s *scene) { s.harm() }, KindRollback, ReasonGateFailed},
		"a stage that has all it needs": {func(*scene) {}, KindAdvance, ReasonStagePassed},
	}
	for name, tt := range tests {
		for _, by := range jumps {
			s := watched()
			tt.bend(s)
			s.in.Now = s.in.State.SeenAt
			if d := s.decide(); d.Kind != tt.kind || d.Reason != tt.reason {
				t.Fatalf("%s: without a jump %s by %s: %s", name, d.Kind, d.Reason, d.Sentence)
			}
			s.jump(by)
			d := s.decide()
			if d.Kind != tt.kind || d.Reason != tt.reason {
				t.Errorf("%s: a jump of %v leads to %s by %s: %s", name, by, d.Kind, d.Reason, d.Sentence)
			}
			if d.Next.Stage == s.in.State.Stage && d.Next.Served != s.in.State.Served {
				t.Errorf("%s: a jump of %v is dwell: served %v, before %v", name, by, d.Next.Served, s.in.State.Served)
			}
		}
	}
}

// What is on its way goes on after a jump as if there had been none, and takes as
// long as it would have taken.
func TestAfterAJumpEverythingTakesAsLongAsWithoutIt(t *testing.T) {
	t.Parallel()
	const step = 2 * time.Second
	tests := map[string]struct {
		bend   func(s *scene)
		kind   Kind
		reason Reason
		left   time.Duration
	}{
		"dwell": {func(s *scene) { s.in.State.Served = 59 * time.Minute }, KindAdvance, ReasonStagePassed, time.Minute},
		"the longest duration": {func(s *scene) {
			s.within()
			s.in.Plan.OnUndecided, s.in.Plan.Stages[1].MaxDuration = spec.UndecidedRollback, time.Hour+time.Minute
		}, KindRollback, ReasonUndecided, time.Minute},
		"a fault": {func(s *scene) {
			s.mismatch()
			s.in.Plan.Faults.Then = spec.ThenRollback
			s.in.State.Fault = &Fault{Reason: ReasonSampleRatio, Since: s.in.Now.Add(-59 * time.Minute)}
		}, KindRollback, ReasonFaultLasted, time.Minute},
		"no traffic, whose last request lies before the jump": {func(s *scene) {
			s.in.State.Served = 0
			s.in.Plan.Faults.NoTraffic = spec.FaultRollback
		}, KindRollback, ReasonNoTraffic, quietAfter},
		"no traffic for an hour, which a jump does not excuse": {func(s *scene) {
			s.in.Plan.Faults.HoldFor, s.in.Plan.Faults.Then = 56*time.Minute, spec.ThenRollback
			s.in.Traffic.LastRequest = s.in.Now.Add(-time.Hour)
			s.in.State.Fault = &Fault{Reason: ReasonNoTraffic, Since: s.in.Now.Add(-55 * time.Minute)}
		}, KindRollback, ReasonFaultLasted, time.Minute},
	}
	for name, tt := range tests {
		for _, by := range jumps {
			s := watched()
			tt.bend(s)
			quiet := s.in.Traffic.LastRequest.Before(s.in.State.SeenAt) || tt.reason == ReasonNoTraffic
			s.jump(by)
			var d Decision
			took := -step
			for range 1000 {
				if !quiet {
					s.in.Traffic.LastRequest = s.in.Now
				}
				d, took = s.decide(), took+step
				if d.Kind != KindHold {
					break
				}
				s.in.State, s.in.Now = d.Next, s.in.Now.Add(step)
			}
			late := took - tt.left
			if tt.reason == ReasonNoTraffic && by < 0 {
				late = max(0, late-quietAfter) // A time that is still to come is believed once it has come.
			}
			if d.Kind != tt.kind || d.Reason != tt.reason || late != 0 {
				t.Errorf("%s: after a jump of %v %s by %s after %v, want %s by %s after %v", name, by, d.Kind, d.Reason, took, tt.kind, tt.reason, tt.left)
			}
		}
	}
}

func TestASourceThatIsDownStaysDownOverAJump(t *testing.T) {
	t.Parallel()
	for _, by := range jumps {
		s := newMeasured()
		s.in.MaxGap, s.in.State.AwakeAt = 4*time.Second, epoch
		s.gone(time.Hour)
		d := s.decide()
		s.in.State = d.Next
		s.jump(by)
		if d = s.decide(); d.Kind != KindHold || d.Reason != ReasonSourceDown {
			t.Errorf("a jump of %v: %s by %s: %s", by, d.Kind, d.Reason, d.Sentence)
		}
		s.in.State, s.in.Now = d.Next, s.in.Now.Add(3*time.Second)
		s.in.Traffic.Sources[0].Complete, s.in.Traffic.LastRequest = s.in.Now, s.in.Now
		if d = s.decide(); d.Reason != ReasonStagePassed {
			t.Errorf("a complete window after a jump of %v: %s by %s: %s", by, d.Kind, d.Reason, d.Sentence)
		}
	}
}

func TestASourceThatWorksIsNotDownForAJump(t *testing.T) {
	t.Parallel()
	for _, by := range jumps {
		s := newMeasured()
		s.in.MaxGap, s.in.State.AwakeAt = 4*time.Second, epoch
		s.in.Plan.Faults.SourceDown = spec.FaultRollback
		s.in.State.Served = 0
		s.jump(by)
		if d := s.decide(); d.Reason != ReasonDwelling {
			t.Errorf("a jump of %v: %s by %s: %s", by, d.Kind, d.Reason, d.Sentence)
		}
	}
}

func TestAWarmUpLastsAsLongAsWithoutAJump(t *testing.T) {
	t.Parallel()
	s := watched()
	s.in.State.Strata[1].Warm = s.in.State.Strata[1].From.Add(2 * time.Minute)
	s.in.State.SeenAt = s.in.State.StageAt.Add(30 * time.Second)
	for _, by := range jumps {
		next := s.in.State.Resume(s.in.State.SeenAt.Add(by))
		if left := next.Warm().Sub(next.SeenAt); left != 90*time.Second {
			t.Errorf("after a jump of %v the warm-up lasts %v, want 1m30s", by, left)
		}
		if next.StageAt != s.in.State.StageAt || next.Strata[1] != s.in.State.Strata[1] {
			t.Errorf("a jump of %v changed when the stage began", by)
		}
	}
	if got := s.in.State.Warm(); !got.Equal(s.in.State.Strata[1].Warm) {
		t.Errorf("without a jump it ends at %v, want %v", got, s.in.State.Strata[1].Warm)
	}
}

// A look that is late by no more than looks may be is no jump, and a request that
// is a little ahead of the clock is one.
func TestALateLookIsNoJump(t *testing.T) {
	t.Parallel()
	s := watched()
	s.in.State.Served = 0
	s.in.Plan.Faults.NoTraffic = spec.FaultRollback
	s.jump(4 * time.Second)
	s.in.Traffic.LastRequest = s.in.Now.Add(time.Second)
	d := s.decide()
	if d.Next.Served != 4*time.Second || !d.Next.AwakeAt.Equal(epoch) || !d.Next.StageFrom.IsZero() || d.Reason != ReasonDwelling {
		t.Errorf("served %v, awake since %v, stage from %v, %s", d.Next.Served, d.Next.AwakeAt, d.Next.StageFrom, d.Reason)
	}
}

// An entry from before there was a bound is worked out as it was then.
func TestWithoutABoundTheClockIsBelieved(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.in.State.Served = 0
	s.jump(3 * time.Hour)
	s.in.Traffic.LastRequest = s.in.Now
	if d := s.decide(); d.Kind != KindAdvance || !d.Next.AwakeAt.IsZero() {
		t.Errorf("%s by %s", d.Kind, d.Reason)
	}
	s.jump(-3 * time.Hour)
	if d := s.decide(); d.Next.Served != 0 || !d.Next.StageFrom.IsZero() {
		t.Errorf("back: served %v, stage from %v", d.Next.Served, d.Next.StageFrom)
	}
}

// drawStep draws what the clock goes on between two looks: mostly a while, and now
// and then whatever a clock may be set by.
func drawStep(t *rapid.T) time.Duration {
	switch rapid.IntRange(0, 9).Draw(t, "clock") {
	case 0:
		return time.Duration(rapid.Int64Range(-int64(10*year), int64(10*year)).Draw(t, "jump"))
	case 1:
		return time.Duration(rapid.IntRange(-10_000, 10_000).Draw(t, "slip")) * time.Millisecond
	case 2, 3, 4:
		return time.Duration(rapid.IntRange(0, 4).Draw(t, "tick")) * time.Second
	}
	return time.Duration(rapid.IntRange(0, 3600).Draw(t, "wait")) * time.Second
}

// checkTime: what a jump leads to is a hold, or what a look without it would have
// led to; and no look is worth more dwell than looks may be apart.
func checkTime(t *rapid.T, in Input, d Decision) {
	if in.MaxGap == 0 || in.State.SeenAt.IsZero() {
		return
	}
	gap := in.Now.Sub(in.State.SeenAt)
	if more := d.Next.Served - in.State.Served; d.Next.Stage == in.State.Stage && (more < 0 || more > max(0, min(gap, in.MaxGap))) {
		t.Fatalf("%v of dwell in %v between two looks", more, gap)
	}
	if gap >= 0 && gap <= in.MaxGap || d.Kind == KindHold || d.Kind == KindAsk {
		return
	}
	still := in
	still.Now, still.Traffic.LastRequest = in.State.SeenAt, in.State.SeenAt
	if want := Decide(still); saying(want) != saying(d) {
		t.Fatalf("a jump of %v led to %s; without it: %s", gap, saying(d), saying(want))
	}
}

func saying(d Decision) string {
	return fmt.Sprintf("%s by %s (%s) to %s at stage %d", d.Kind, d.Reason, d.Gate, d.Next.Phase, d.Next.Stage)
}
