package gate

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// drawGate draws a gate of any method, with or without ceilings.
func drawGate(t *rapid.T) Gate {
	rare := Gate{Name: "outcome:correct", Kind: Rate, Series: 2, Outcome: true, Method: Ratio, Worse: stats.Down, Margin: -0.05, Slope: 1, Share: 1}
	kept := correct()
	kept.Margin, kept.Slope = 0.02, 0.98
	g := rapid.SampledFrom([]Gate{errorRatio(), errorDifference(), errorIgnore(), correct(), kept, rare, latencyP99()}).Draw(t, "gate")
	g.Share = rapid.SampledFrom([]float64{1, 0.5, 0.2}).Draw(t, "share")
	g.From = rapid.IntRange(0, 2).Draw(t, "from")
	if rapid.Bool().Draw(t, "ceiling") {
		g.Ceilings = append(g.Ceilings, Ceiling{Limit: 0.05, Over: 20 * time.Millisecond, Text: "max"})
	}
	if rapid.Bool().Draw(t, "second") && g.Kind == Rate {
		g.Ceilings = append(g.Ceilings, Ceiling{Limit: 0.1, Complement: true, Text: "min"})
	}
	if rapid.IntRange(0, 4).Draw(t, "none") == 0 {
		g.Method, g.Complement, g.Worse = None, false, stats.Up
	}
	return g
}

// anyWorld draws evidence of every kind, with empty arms and strata among it.
func anyWorld(t *rapid.T) *world {
	w := newWorld(rapid.Bool().Draw(t, "clustered"), 0, 0, 1, 2)
	for i := range w.stages {
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			n := rapid.SampledFrom([]int{0, 0, 1, 7, 150, 2500}).Draw(t, "n")
			k := rapid.IntRange(0, n).Draw(t, "k")
			slow := rapid.SampledFrom([]float64{1, 1, 1.5, 100}).Draw(t, "slow")
			spread := rapid.IntRange(1, 256).Draw(t, "spread")
			for j := range n {
				o := evidence.Observation{Arm: arm, Bucket: uint8(j % spread), Error: j < k, Latency: lognormal(slow)((float64(j) + 0.5) / float64(n))}
				w.ev.Strata[i].Observe(&w.layout, o)
				w.ev.Strata[i].ObserveOutcome(2, arm, o.Bucket, j >= k)
				w.ev.Strata[i].Freeze(&w.layout)
			}
		}
	}
	return w
}

func drawPlace(t *rapid.T) Place { return at(rapid.IntRange(0, 2).Draw(t, "stage"), 3) }

func TestEveryJudgementIsANumberThatCanBeStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w, place := drawGate(t), anyWorld(t), drawPlace(t)
		j := w.judge(g, place)
		for _, x := range append([]float64{j.LogFail, j.LogPass, j.Pooled, j.Ceiling}, append(j.PerStage, j.CeilingStages...)...) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("%+v", j)
			}
		}
		text, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		var back Judgement
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(roundTrip(t, back), roundTrip(t, j)) {
			t.Fatalf("%s came back as %+v: %v", text, back, err)
		}
		b := g.Bound(w.view(), &j, place)
		if math.IsNaN(b.Lower) || math.IsNaN(b.Upper) {
			t.Fatalf("bound %+v of %+v", b, j)
		}
	})
}

func roundTrip(t *rapid.T, j Judgement) string {
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnEmptyArmNeverPassesAndNeverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w := drawGate(t), anyWorld(t)
		g.Ceilings = nil
		if g.Method == None {
			return
		}
		arm := rapid.SampledFrom([]split.Arm{split.Baseline, split.Candidate}).Draw(t, "arm")
		empty := newWorld(w.layout.Clustered, w.stages...)
		for i := range w.ev.Strata {
			w.ev.Strata[i].Sides[arm] = empty.ev.Strata[i].Sides[arm]
		}
		if j := w.judge(g, at(2, 3)); j.Verdict != NoData {
			t.Fatalf("without the %s: %s (%s), log e-values %g and %g", arm, j.Verdict, j.Reason, j.LogFail, j.LogPass)
		}
	})
}

// A late outcome belongs to the stage of its exposure, and to no other.
func TestALateOutcomeChangesOnlyItsOwnStage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w := correct(), anyWorld(t)
		before := w.judge(g, at(2, 3))
		w.ev.Strata[2].ObserveOutcome(2, split.Candidate, 3, false) // Of stage 1.
		after := w.judge(g, at(2, 3))
		for _, stage := range []int{0, 2} {
			if before.PerStage[stage] != after.PerStage[stage] {
				t.Fatalf("stage %d went from %g to %g", stage, before.PerStage[stage], after.PerStage[stage])
			}
		}
	})
}

// Shards are merged in any order, and what was merged is judged like the whole.
func TestShardsAreJudgedLikeTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w, more := drawGate(t), anyWorld(t), anyWorld(t)
		if w.layout.Clustered != more.layout.Clustered {
			return
		}
		one, other := w.ev.Clone(&w.layout), more.ev.Clone(&w.layout)
		for i := range one.Strata {
			one.Strata[i].Edges, other.Strata[i].Edges = nil, nil
		}
		ab, ba := one.Clone(&w.layout), other.Clone(&w.layout)
		for i := range ab.Strata {
			ab.Strata[i].Merge(other.Strata[i])
			ba.Strata[i].Merge(one.Strata[i])
		}
		first := g.Judge(g.Reduce(View{&w.layout, ab, w.stages}), at(2, 3), nil)
		second := g.Judge(g.Reduce(View{&w.layout, ba, w.stages}), at(2, 3), nil)
		if roundTrip(t, first) != roundTrip(t, second) {
			t.Fatalf("merged one way %+v, the other way %+v", first, second)
		}
	})
}

func TestTheMemoryOfATickChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w := drawGate(t), anyWorld(t)
		var prev *Judgement
		for stage := range 3 {
			j := g.Judge(g.Reduce(w.view()), at(stage, 3), prev)
			if fresh := w.judge(g, at(stage, 3)); roundTrip(t, fresh) != roundTrip(t, j) {
				t.Fatalf("at stage %d with memory %+v, without %+v", stage, j, fresh)
			}
			prev = &j
			w.requests(stage, split.Candidate, rapid.IntRange(0, 3).Draw(t, "more"), 0)
		}
	})
}
