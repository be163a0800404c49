package ledger_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/ledger"
)

// sells adds a revenue to what the bench's rollout compares.
func sells(t *testing.T, b *bench) {
	t.Helper()
	b.layout.AddValues(evidence.Series{Name: "outcome:revenue"})
	b.boot(t)
}

func revenue(id, token string, value float64) ledger.Outcome {
	return ledger.Outcome{ID: id, Assignment: token, Metric: "revenue", Value: value}
}

// sold are n outcomes of both arms, in turn.
func sold(rng *rand.Rand, name string, n int) []ledger.Outcome {
	tokens := [split.Arms]string{token(0, split.Baseline, "a"), token(0, split.Candidate, "b")}
	out := make([]ledger.Outcome, n)
	for i := range out {
		out[i] = revenue(fmt.Sprint(name, i), tokens[i%2], math.Exp(3+rng.NormFloat64()))
	}
	return out
}

func TestAMeanTakesAnyNumber(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		sells(t, b)
		tok := token(0, split.Candidate, "u")
		r := b.report(t, revenue("1", tok, 0), revenue("2", tok, 12.5), revenue("3", tok, -3), revenue("4", tok, 1e15), revenue("2", tok, 9))
		if r.Accepted != 4 || r.Repeated != 1 {
			t.Fatalf("result %+v, want 4 accepted and one repeated", r)
		}
		ev, _ := b.Evidence(id)
		if got := ev.Strata[0].Sides[split.Candidate].Values[0]; got.Moments.N != 1 || len(ev.Strata[0].Raw) != 3 {
			t.Errorf("%v counted and %d wait for their scale, want the zero and the others", got.Moments.N, len(ev.Strata[0].Raw))
		}
	})
}

func TestANumberBeyondTheBoundIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		metric string
		value  float64
		want   string
	}{
		"too large for a mean":    {"revenue", 1.1e15, "write a number between -1e+15 and 1e+15"},
		"too small for a mean":    {"revenue", -1e300, "write a number between"},
		"infinite":                {"revenue", math.Inf(-1), "not a number"},
		"no number":               {"revenue", math.NaN(), "not a number"},
		"a number of a rate":      {"correct", 12.5, "it is a rate, so write 1 for yes and 0 for no"},
		"a large one of a rate":   {"correct", 1e300, "it is a rate"},
		"a minus one of a rate":   {"correct", -1, "it is a rate"},
		"a rate that has a space": {"revenue ", 1, "not the name of a metric"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				sells(t, b)
				r := b.report(t, ledger.Outcome{ID: "1", Assignment: token(0, split.Candidate, "u"), Metric: tt.metric, Value: tt.value})
				if r.Accepted != 0 || len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Reason, tt.want) {
					t.Errorf("result %+v, want a refusal with %q", r, tt.want)
				}
				if b.Version(id) != 0 {
					t.Error("the evidence has changed")
				}
			})
		})
	}
}

// The scale is learned once, from the baseline, and survives a restart before and
// after.
func TestTheScaleOfAMeanIsLearnedOnce(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]int{"without a restart": -1, "with one before": 1, "with one after": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, false, func(t *testing.T, b *bench) {
				sells(t, b)
				rng := rand.New(rand.NewPCG(2, 2))
				var fixed float64
				for i := range 8 {
					if i == restart {
						if err := b.Flush(t.Context()); err != nil {
							t.Fatal(err)
						}
						b.boot(t)
					}
					b.report(t, sold(rng, fmt.Sprint(i, "-"), 600)...)
					ev, _ := b.Evidence(id)
					s := ev.Strata[0]
					if fixed == 0 {
						fixed = s.Scales[0].Cap
					}
					if i >= 4 && (fixed == 0 || s.Scales[0].Cap != fixed || len(s.Raw) > 0) {
						t.Fatalf("after %d of each arm the cap is %v (it was %v), and %d wait", 300*(i+1), s.Scales[0].Cap, fixed, len(s.Raw))
					}
				}
				ev, _ := b.Evidence(id)
				if n := ev.Strata[0].Sides[split.Candidate].Values[0].Moments.N; n != 2400 {
					t.Errorf("%v values of the candidate count, want 2,400", n)
				}
			})
		})
	}
}

// A learned scale changes what is kept of every stratum, also of those that are
// over.
func TestALearnedScaleIsStoredWithEveryStratum(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		sells(t, b)
		b.report(t, revenue("early", token(1, split.Candidate, "u"), 7))
		b.see(t, 2, split.Candidate, "u", 1)
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		before, _ := b.Evidence(id)
		b.report(t, sold(rand.New(rand.NewPCG(1, 1)), "s", 3000)...)
		if len(before.Strata[1].Raw) != 1 {
			t.Error("evidence that was taken before has changed")
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		want, _ := b.Evidence(id)
		b.boot(t)
		got, _ := b.Evidence(id)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after a restart (-counted +kept):\n%s", diff)
		}
		for i, s := range got.Strata {
			if s.Scales[0].Cap == 0 || len(s.Raw) > 0 {
				t.Errorf("stratum %d has no scale", i)
			}
		}
		if n := got.Strata[1].Sides[split.Candidate].Values[0].Moments.N; n != 1 {
			t.Errorf("%v values of the early stratum count, want 1", n)
		}
	})
}

// A baseline that reports nothing never fixes a scale: what waits is bounded all
// the same.
func TestWhatWaitsForAScaleIsBounded(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		sells(t, b)
		tok := token(0, split.Candidate, "u")
		n := 0
		for range 12 {
			batch := make([]ledger.Outcome, 5000)
			for i := range batch {
				n++
				batch[i] = revenue(fmt.Sprint(n), tok, float64(n))
			}
			b.report(t, batch...)
			ev, _ := b.Evidence(id)
			if waiting := ev.Unscaled(); waiting > evidence.MaxRaw+evidence.MaxRaw/8+5000 {
				t.Fatalf("%d values wait for their scale", waiting)
			}
			if err := b.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ev, _ := b.Evidence(id)
		if got := ev.Strata[0].Sides[split.Candidate].Values[0].Moments.N; got != float64(n) {
			t.Errorf("%v of %d values count", got, n)
		}
		b.boot(t)
	})
}

// A gate with a covariate needs one of every outcome; a gate without one leaves it
// unread.
func TestACovariateIsCountedWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		b.layout.AddValues(evidence.Series{Name: "outcome:spend", Cap: 100, Covariate: true})
		b.layout.SetHorizon("outcome:late", time.Hour)
		b.layout.AddValues(evidence.Series{Name: "outcome:late", Cap: 100, Covariate: true})
		b.layout.AddValues(evidence.Series{Name: "outcome:revenue", Cap: 100})
		b.boot(t)
		tok, x, inf, far := token(0, split.Candidate, "u"), 30.0, math.Inf(1), 1e16
		with := func(id, metric string, covariate *float64) ledger.Outcome {
			return ledger.Outcome{ID: id, Assignment: tok, Metric: metric, Value: 20, Covariate: covariate}
		}
		r := b.report(t, with("1", "spend", &x), with("2", "revenue", &x), with("3", "late", &x),
			with("4", "spend", nil), with("5", "spend", &inf), with("6", "spend", &far), with("7", "correct", &x))
		if r.Accepted != 3 || len(r.Refused) != 4 {
			t.Fatalf("result %+v, want 3 accepted and 4 refused", r)
		}
		for i, want := range []string{"is compared with a covariate and has none", "the covariate of spend is +Inf", "the covariate of spend is 1e+16", "it is a rate"} {
			if !strings.Contains(r.Refused[i].Reason, want) {
				t.Errorf("refused for %q, want %q", r.Refused[i].Reason, want)
			}
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		time.Sleep(2 * time.Hour)
		s, err := b.Take(id)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		for i, want := range []float64{1, 1, 0} {
			c := s.Evidence.Strata[0].Sides[split.Candidate].Values[i].Covariate
			if want > 0 && (c == nil || c.N != want || c.XY != 600) || want == 0 && c != nil {
				t.Errorf("series %d has the covariate %+v, want %v of it", i, c, want)
			}
		}
	})
}

func TestARateCanAlsoBeAMean(t *testing.T) {
	t.Parallel()
	run(t, false, func(t *testing.T, b *bench) {
		b.layout.AddValues(evidence.Series{Name: "outcome:correct", Cap: 1})
		b.boot(t)
		tok := token(0, split.Baseline, "u")
		b.report(t, outcome("1", tok, 1), outcome("2", tok, 0))
		ev, _ := b.Evidence(id)
		side := ev.Strata[0].Sides[split.Baseline]
		if side.Values[0].Moments.N != 2 || side.Values[0].NonZero != 1 || side.Rates[2].N != 2 {
			t.Errorf("mean %+v, rate %+v", side.Values[0], side.Rates[2])
		}
	})
}

func TestReportsFromManyPlacesAtOnceCountAll(t *testing.T) {
	t.Parallel()
	run(t, true, func(t *testing.T, b *bench) {
		sells(t, b)
		b.flushes(t)
		done := make(chan int)
		for w := range 4 {
			go func() {
				rng := rand.New(rand.NewPCG(uint64(w), 1))
				n := 0
				for i := range 20 {
					r, err := b.Report(t.Context(), sold(rng, fmt.Sprint(w, "-", i, "-"), 100))
					if err != nil {
						t.Error(err)
					}
					n += r.Accepted
					b.Evidence(id)
					time.Sleep(100 * time.Millisecond)
				}
				done <- n
			}()
		}
		total := 0
		for range 4 {
			total += <-done
		}
		ev, _ := b.Evidence(id)
		var counted float64
		for _, s := range ev.Strata {
			counted += s.Sides[0].Values[0].Moments.N + s.Sides[1].Values[0].Moments.N + float64(len(s.Raw))
		}
		if total != 8000 || counted != 8000 {
			t.Errorf("%d accepted and %v counted, want 8,000", total, counted)
		}
	})
}
