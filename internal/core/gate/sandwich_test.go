package gate

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// In one stratum the gate's dispersion is that of core/stats, which its
// simulations are about.
func TestTheDispersionOfOneStratumIsThatOfTheProcedures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(true, 0)
		for _, arm := range []split.Arm{split.Baseline, split.Candidate} {
			for range rapid.IntRange(1, 40).Draw(t, "users") {
				n := rapid.IntRange(1, 60).Draw(t, "n")
				w.user(0, arm, uint8(rapid.IntRange(0, 255).Draw(t, "bucket")), n, rapid.IntRange(0, n).Draw(t, "k"))
			}
		}
		b := bucketsOf(w.ev.Strata[0])
		ratio, difference := errorRatio(), errorDifference()
		for name, tt := range map[string]struct{ got, want float64 }{
			"ratio":      {wider(sandwich(ratio.spreads(w.view()))), stats.ScorePhi(b, math.Log(1.2))},
			"difference": {wider(sandwich(difference.spreads(w.view()))), stats.DiffPhi(b, 1)},
		} {
			if math.Abs(tt.got-tt.want) > 1e-9*(1+tt.want) {
				t.Fatalf("%s: %v, by the procedure %v", name, tt.got, tt.want)
			}
		}
	})
}

func wider(up, down float64) float64 { return max(up, down) }

// Whether the few units of a small arm have fewer events is doubted, whether they
// have more is not.
func TestASmallArmIsDoubtedInOneDirection(t *testing.T) {
	t.Parallel()
	build := func(small, large split.Arm) *world {
		w := newWorld(true, 0)
		for user := range 250 { // One in ten fails more often than not.
			w.user(0, large, uint8(user), 40, 30*((user%10)/9))
		}
		for user := range 5 {
			w.user(0, small, uint8(user), 40, 1)
		}
		return w
	}
	g := errorRatio()
	if up, down := sandwich(g.spreads(build(split.Candidate, split.Baseline).view())); down < 1.5*up {
		t.Errorf("a small candidate: %.2f for more errors, %.2f for fewer", up, down)
	}
	if up, down := sandwich(g.spreads(build(split.Baseline, split.Candidate).view())); up < 1.5*down {
		t.Errorf("a small baseline: %.2f for more errors, %.2f for fewer", up, down)
	}
}

func bucketsOf(s *evidence.Stratum) []stats.Buckets {
	floats := func(counts *[split.Buckets]uint64) []float64 {
		out := make([]float64, split.Buckets)
		for i, n := range counts {
			out[i] = float64(n)
		}
		return out
	}
	t, c := s.Sides[split.Candidate].Rates[0].Buckets, s.Sides[split.Baseline].Rates[0].Buckets
	return []stats.Buckets{{KT: floats(&t.K), NT: floats(&t.N), KC: floats(&c.K), NC: floats(&c.N)}}
}

// The same buyers in every stage are no new evidence at each.
func TestBuyersWhoComeBackCountOnceForAMean(t *testing.T) {
	t.Parallel()
	phi := func(same bool) float64 {
		w := newNumbers(2, true, 0, 1, 2)
		for stratum := range 3 {
			for user := range 200 {
				worth := float64(1 + user%17*user%23)
				if !same {
					worth = math.Exp(2 * w.r.NormFloat64())
				}
				for range 10 {
					w.ev.Strata[stratum].ObserveValue(&w.layout, evidence.Raw{Arm: split.Arm(user % 2), Bucket: uint8(user), Value: worth})
				}
			}
		}
		g := revenue()
		s := g.Reduce(w.view())
		if got := s.means(1).Phi; got > 1.01 {
			t.Errorf("a stage by itself has the dispersion %v", got)
		}
		return s.means(all).Phi
	}
	if got := phi(true); got < 2.5 {
		t.Errorf("the same buyers in three stages: %.2f, want about 3", got)
	}
	if got := phi(false); got > 1.6 {
		t.Errorf("other worths in every stage: %.2f, want about 1", got)
	}
}
