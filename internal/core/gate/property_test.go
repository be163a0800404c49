package gate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// drawGate draws a gate of any kind and method, with or without ceilings.
func drawGate(t *rapid.T) Gate {
	g := rapid.SampledFrom(comparing()).Draw(t, "gate")
	g.Share = rapid.SampledFrom([]float64{1, 0.5, 0.2}).Draw(t, "share")
	g.From = rapid.IntRange(0, 2).Draw(t, "from")
	if g.Kind == Drift {
		return g // It has a margin and nothing else.
	}
	if rapid.Bool().Draw(t, "ceiling") {
		g.Ceilings = append(g.Ceilings, Ceiling{Limit: 0.05, Over: 20 * time.Millisecond, Text: "max"})
	}
	if rapid.Bool().Draw(t, "second") && g.Kind != Quantile {
		g.Ceilings = append(g.Ceilings, Ceiling{Limit: 0.1, Complement: true, Text: "min"})
	}
	if rapid.IntRange(0, 4).Draw(t, "none") == 0 {
		g.Method, g.Complement, g.Worse = None, false, stats.Up
	}
	return g
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
		empty := newWide(w.layout.Clustered, w.stages...)
		for i := range w.ev.Strata {
			w.ev.Strata[i].Sides[arm] = empty.ev.Strata[i].Sides[arm]
			w.ev.Strata[i].Gauges = empty.ev.Strata[i].Gauges // A window with one arm missing is none.
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
		w := anyWorld(t)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "late"), 1))
		var before []Judgement
		gates := comparing()
		for i := range gates {
			before = append(before, w.judge(gates[i], at(2, 3)))
		}
		late := arrival{arm: split.Candidate, bucket: 3, factor: 5} // Of stage 1.
		w.ev.Strata[2].ObserveOutcome(2, late.arm, late.bucket, false)
		w.sell(2, late, r)
		w.ev.Strata[2].ObserveValue(&w.layout, evidence.Raw{Series: 1, Arm: late.arm, Bucket: late.bucket, Value: 1.5})
		w.window(2, 1.5, r)
		for i := range gates {
			after := w.judge(gates[i], at(2, 3))
			for _, stage := range []int{0, 2} {
				if before[i].PerStage[stage] != after.PerStage[stage] {
					t.Fatalf("%s: stage %d went from %g to %g", gates[i].Name, stage, before[i].PerStage[stage], after.PerStage[stage])
				}
			}
			if gates[i].Outcome && gates[i].Kind == Rate && before[i].Total.NT+1 != after.Total.NT {
				t.Fatalf("%s: %v reports and then %v", gates[i].Name, before[i].Total.NT, after.Total.NT)
			}
		}
	})
}

// Shards are merged in any order and grouping, and are judged alike.
func TestShardsAreJudgedLikeTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, a := drawGate(t), anyWorld(t)
		shards := []*evidence.Evidence{a.ev.Clone(&a.layout)}
		for range 2 {
			b := anyWorld(t)
			if a.layout.Clustered != b.layout.Clustered {
				return
			}
			shards = append(shards, b.ev.Clone(&a.layout))
		}
		for n, e := range shards {
			for i := range e.Strata {
				e.Strata[i].Edges = nil
				if n > 0 {
					clear(e.Strata[i].Gauges) // Windows are taken in one place.
				}
			}
		}
		merged := func(into, more *evidence.Evidence) *evidence.Evidence {
			out := into.Clone(&a.layout)
			for i := range out.Strata {
				out.Strata[i].Merge(more.Strata[i])
			}
			return out
		}
		judge := func(e *evidence.Evidence) Judgement {
			return g.Judge(g.Reduce(View{&a.layout, e, a.stages}), at(2, 3), nil)
		}
		first := judge(merged(merged(shards[0], shards[1]), shards[2]))
		for name, e := range map[string]*evidence.Evidence{
			"the other way":        merged(shards[2], merged(shards[1], shards[0])),
			"in other groups":      merged(shards[0], merged(shards[1], shards[2])),
			"into an empty one":    merged(merged(merged(newWide(a.layout.Clustered, a.stages...).ev.Clone(&a.layout), shards[1]), shards[0]), shards[2]),
			"with nothing besides": merged(merged(merged(shards[0], shards[1]), shards[2]), newWide(a.layout.Clustered, a.stages...).ev.Clone(&a.layout)),
		} {
			if again := judge(e); !sameJudgement(t, &g, &first, &again) {
				t.Fatalf("%s, merged %s: %+v, and before %+v", g.Name, name, again, first)
			}
		}
	})
}

// sameJudgement reports whether two judgements are equal. Moments of numbers are
// so up to the rounding of sums; all else is counted in whole numbers.
func sameJudgement(t *rapid.T, g *Gate, a, b *Judgement) bool {
	if g.Kind != Mean {
		return roundTrip(t, *a) == roundTrip(t, *b)
	}
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-6*(1+math.Abs(x)) }
	return near(a.LogFail, b.LogFail) && near(a.LogPass, b.LogPass) && a.Total.NT == b.Total.NT && a.Total.NC == b.Total.NC
}

func TestTheMemoryOfATickChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, w := drawGate(t), anyWorld(t)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "more"), 2))
		var prev *Judgement
		for stage := range 3 {
			j := g.Judge(g.Reduce(w.view()), at(stage, 3), prev)
			if fresh := w.judge(g, at(stage, 3)); roundTrip(t, fresh) != roundTrip(t, j) {
				t.Fatalf("at stage %d with memory %+v, without %+v", stage, j, fresh)
			}
			prev = &j
			for range rapid.IntRange(0, 3).Draw(t, "requests") {
				w.arrive(stage, arrival{arm: split.Arm(r.IntN(2)), bucket: uint8(r.IntN(256)), error: r.IntN(2) == 0, factor: 2, latency: time.Second}, r)
			}
			for range rapid.IntRange(0, 2).Draw(t, "windows") {
				w.window(stage, 1.2, r)
			}
		}
	})
}
