package rollout

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The properties are about the order of decisions, so the judgements are drawn
// freely: whatever the evidence may say, these things hold.

func drawPlan(t *rapid.T) *Plan {
	p := &Plan{
		Rollout: "r", Model: "m", Alpha: 0.05, Layout: evidence.NewLayout(false),
		OnUndecided: rapid.SampledFrom([]spec.OnUndecided{spec.UndecidedHold, spec.UndecidedAdvance, spec.UndecidedAsk, spec.UndecidedRollback}).Draw(t, "onUndecided"),
		Faults: Faults{
			NoTraffic:   rapid.SampledFrom([]spec.OnFault{spec.FaultHold, spec.FaultRollback}).Draw(t, "noTraffic"),
			SampleRatio: spec.FaultHold,
			HoldFor:     time.Duration(rapid.IntRange(0, 3600).Draw(t, "holdFor")) * time.Second,
			Then:        rapid.SampledFrom([]spec.AfterFault{spec.ThenAsk, spec.ThenHold, spec.ThenRollback}).Draw(t, "then"),
		},
		Rollback: Restore{Auto: true},
	}
	weights := rapid.SliceOfNDistinct(rapid.Uint32Range(1, 9999), 1, 6, rapid.ID).Draw(t, "weights")
	slices.Sort(weights)
	for _, w := range weights {
		p.Stages = append(p.Stages, Stage{
			Weight: w, MaxDuration: 2 * time.Hour,
			Dwell:      time.Duration(rapid.IntRange(0, 3600).Draw(t, "dwell")) * time.Second,
			MinSamples: rapid.Uint64Range(0, 1000).Draw(t, "minSamples"),
			Require:    rapid.SampledFrom([]spec.Requirement{spec.NoHarm, spec.WithinMargin}).Draw(t, "require"),
		})
	}
	gates := rapid.IntRange(1, 4).Draw(t, "gates")
	for i := range gates {
		p.Gates = append(p.Gates, gate.Gate{
			Name: string(rune('a' + i)), Kind: gate.Rate, Method: gate.Ratio, Worse: stats.Up, Margin: 0.2, Share: 1 / float64(gates),
			Holds: rapid.Bool().Draw(t, "holds"), Info: rapid.Bool().Draw(t, "info"), GuardOnly: rapid.Bool().Draw(t, "guardOnly"),
		})
	}
	return p
}

func drawJudgements(t *rapid.T, p *Plan) []gate.Judgement {
	out := make([]gate.Judgement, len(p.Gates))
	for i := range out {
		v := rapid.SampledFrom([]gate.Verdict{gate.Pass, gate.Undecided, gate.Undecided, gate.NoData, gate.Off, gate.Fail}).Draw(t, "verdict")
		out[i] = gate.Judgement{Gate: p.Gates[i].Name, Verdict: v}
		out[i].Here.NT = float64(rapid.IntRange(0, 2000).Draw(t, "nT"))
		out[i].Here.NC = float64(rapid.IntRange(0, 2000).Draw(t, "nC"))
		out[i].Total = out[i].Here
		if v == gate.Fail {
			out[i].LogFail = p.Gates[i].FailAt(p.Alpha) + 1
		}
	}
	return out
}

func drawAct(t *rapid.T, now time.Time) *Act {
	kind := rapid.SampledFrom([]ActKind{"", "", "", "", ActPause, ActResume, ActPromote, ActRollback, ActAbort}).Draw(t, "act")
	if kind == "" {
		return nil
	}
	return &Act{Kind: kind, By: "ada", At: now, Override: rapid.Bool().Draw(t, "override"), Reason: "because"}
}

func drawTraffic(t *rapid.T, s *State, now time.Time) Traffic {
	out := Traffic{Known: rapid.IntRange(0, 9).Draw(t, "known") > 0, Weight: s.Weight(), Ready: true, LastRequest: now}
	switch rapid.IntRange(0, 19).Draw(t, "traffic") {
	case 0:
		out.Weight++
	case 1:
		out.LastRequest = now.Add(-time.Hour)
	case 2:
		out.SinceCandidate = 1 << 40
	case 3:
		out.Ready = false
	case 4:
		out.CutOff = &CutOff{At: now, Reason: "HardFailure", Detail: "all failed"}
	case 5:
		out.Dead = "connection refused"
	}
	return out
}

// harmful reports whether the input proves harm that must roll back.
func harmful(in Input) bool {
	if in.State.Phase == Pending || in.State.Phase.Final() {
		return false
	}
	if in.Traffic.CutOff != nil || in.Traffic.Dead != "" {
		return true
	}
	for i, j := range in.Judgements {
		if g := &in.Plan.Gates[i]; g.Guards() && j.Verdict == gate.Fail {
			return true
		}
	}
	return false
}

func TestDecideKeepsItsPromisesOnEveryPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		s, now := State{Phase: Pending}, epoch
		maxGap := rapid.SampledFrom([]time.Duration{0, 4 * time.Second, time.Hour}).Draw(t, "maxGap")
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			before := now
			now = now.Add(drawStep(t))
			in := Input{Now: now, MaxGap: maxGap, Plan: p, State: s, Evidence: &evidence.Evidence{}, Judgements: drawJudgements(t, p), Traffic: drawTraffic(t, &s, now), Act: drawAct(t, now)}
			if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
				in.Traffic.LastRequest = before // By the clock as it went then.
			}
			d := Decide(in)
			checkDecision(t, in, d)
			s = d.Next
		}
	})
}

func checkDecision(t *rapid.T, in Input, d Decision) {
	before := encode(t, in)
	if again := Decide(in); encode(t, again) != encode(t, d) {
		t.Fatalf("same input, two decisions:\n%s\n%s", encode(t, d), encode(t, again))
	}
	if encode(t, in) != before {
		t.Fatal("the decision changed its input")
	}
	from, to := in.State, d.Next
	person := in.Act != nil && (in.Act.Kind == ActRollback || in.Act.Kind == ActAbort)
	switch {
	case from.Phase.Final():
		if to.Phase != from.Phase || to.Weight() != from.Weight() {
			t.Fatalf("left the final phase %s for %s", from.Phase, to.Phase)
		}
	case person || harmful(in):
		if to.Weight() != 0 || !to.Phase.Final() || d.Kind != KindRollback {
			t.Fatalf("harm or a person's word was answered by %s (%s) at weight %d", d.Kind, d.Reason, to.Weight())
		}
	}
	if to.Stage > from.Stage+1 || to.Stage < from.Stage {
		t.Fatalf("went from stage %d to %d", from.Stage, to.Stage)
	}
	if from.Phase != Completed && to.Phase == Completed && from.Stage != len(in.Plan.Stages)-1 {
		t.Fatalf("completed from stage %d of %d", from.Stage, len(in.Plan.Stages))
	}
	if from.Phase == Pending && to.Phase == Completed {
		t.Fatal("completed without any traffic")
	}
	checkAdvance(t, in, d)
	checkMemory(t, from, to)
	checkTime(t, in, d)
}

// checkAdvance: what a step forward must rest on.
func checkAdvance(t *rapid.T, in Input, d Decision) {
	if (d.Kind != KindAdvance && d.Kind != KindComplete) || in.State.Phase == Pending {
		return
	}
	if in.Act != nil && in.Act.Kind == ActPromote && in.Act.Override {
		return
	}
	if !in.Traffic.Known || in.Traffic.Weight != in.State.Weight() {
		t.Fatalf("%s while the router was elsewhere", d.Kind)
	}
	if d.Next.Paused != nil {
		t.Fatalf("%s while paused", d.Kind)
	}
	need := float64(in.Plan.Stages[in.State.Stage].MinSamples)
	for i, j := range in.Judgements {
		g := &in.Plan.Gates[i]
		if g.Info || j.Verdict == gate.Off || slices.Contains(in.State.Waived, g.Name) {
			continue
		}
		if j.Verdict == gate.NoData || j.Here.NT < need || j.Here.NC < need {
			t.Fatalf("%s on %s with %v of %v samples", d.Kind, j.Verdict, j.Here, need)
		}
		if j.Verdict == gate.Fail {
			t.Fatalf("%s although %s failed", d.Kind, g.Name)
		}
	}
}

// checkMemory: what never shrinks.
func checkMemory(t *rapid.T, from, to State) {
	if len(to.Strata) < len(from.Strata) || len(to.Failed) < len(from.Failed) || len(to.Waived) < len(from.Waived) {
		t.Fatalf("forgot something: %+v -> %+v", from, to)
	}
	for i := range from.Strata {
		if to.Strata[i] != from.Strata[i] {
			t.Fatalf("stratum %d changed: %+v -> %+v", i, from.Strata[i], to.Strata[i])
		}
	}
	if to.Stage == from.Stage && to.Served < from.Served {
		t.Fatalf("served time went back: %v -> %v", from.Served, to.Served)
	}
}

func encode(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAStoredEntryReplaysToItsDecision(t *testing.T) {
	s := newScene()
	s.harm()
	d := s.decide()
	entry := NewEntry(1, s.in, d, Sum([]byte("evidence")))
	body, hash, err := entry.Chain("genesis")
	if err != nil {
		t.Fatal(err)
	}
	var back Entry
	if err := json.Unmarshal(body, &back); err != nil {
		t.Fatal(err)
	}
	judged := Judge(s.in.Plan, back.Before, s.in.Evidence, nil)
	again := Decide(Input{Now: back.At, Plan: s.in.Plan, State: back.Before, Evidence: s.in.Evidence, Judgements: judged, Traffic: back.Traffic, Act: back.Act})
	if again.Kind != back.Kind || again.Reason != back.Reason || again.Sentence != back.Sentence {
		t.Errorf("replayed to %s (%s): %s\nstored %s (%s): %s", again.Kind, again.Reason, again.Sentence, back.Kind, back.Reason, back.Sentence)
	}
	_, other, err := entry.Chain("another genesis")
	if err != nil || other == hash {
		t.Errorf("the hash does not depend on what came before: %s, %v", other, err)
	}
	back.Sentence += " "
	if _, changed, err := back.Chain("genesis"); err != nil || changed == hash {
		t.Errorf("a changed entry has the same hash: %v", err)
	}
}

func TestTheGenesisCoversThePlan(t *testing.T) {
	p := newScene().in.Plan
	first, err := Genesis(7, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Gates[0].Margin = 0.5
	if second, err := Genesis(7, p); err != nil || second == first {
		t.Errorf("another margin gives the same genesis: %v", err)
	}
}
