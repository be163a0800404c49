package modelserver

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// services draws n fates and returns the service times of the requests wanted, sorted.
func services(b Behaviour, n uint64, want func(fate) bool) []time.Duration {
	var all []time.Duration
	for i := range n {
		if f := b.draw(i); want(f) {
			all = append(all, f.service)
		}
	}
	slices.Sort(all)
	return all
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

// near says whether got is within a share of want.
func near(got, want time.Duration, share float64) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)
}

func TestServiceTimesAreLognormalAsDeclared(t *testing.T) {
	t.Parallel()
	all := services(Steady(1), 200_000, func(fate) bool { return true })
	// Quantiles of the standard normal, from tables.
	for q, z := range map[float64]float64{0.01: -2.3263, 0.25: -0.6745, 0.5: 0, 0.9: 1.2816, 0.99: 2.3263, 0.999: 3.0902} {
		want := time.Duration(float64(8*time.Millisecond) * math.Exp(0.25*z))
		if got := quantile(all, q); !near(got, want, 0.02) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestTheDeclaredSharesAreSlowAndFailIndependently(t *testing.T) {
	t.Parallel()
	b := Behaviour{Median: 8 * time.Millisecond, Sigma: 0.25, SlowShare: 0.04, SlowFactor: 4, FailShare: 0.08, Seed: 9}
	const n = 400_000
	var slow, fail, both float64
	for i := range uint64(n) {
		f := b.draw(i)
		if f.slow {
			slow++
		}
		if f.fail {
			fail++
		}
		if f.slow && f.fail {
			both++
		}
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"slow": {slow / n, 0.04}, "failing": {fail / n, 0.08}, "both": {both / n, 0.04 * 0.08},
	} {
		if spread := math.Sqrt(c.want * (1 - c.want) / n); math.Abs(c.got-c.want) > 4*spread {
			t.Errorf("share %s is %v, want %v", name, c.got, c.want)
		}
	}
	slowTimes := services(b, n, func(f fate) bool { return f.slow })
	if got := quantile(slowTimes, 0.5); !near(got, 32*time.Millisecond, 0.02) {
		t.Errorf("the median of slow requests is %v, want 32ms", got)
	}
	others := services(b, n, func(f fate) bool { return !f.slow })
	if got := quantile(others, 0.5); !near(got, 8*time.Millisecond, 0.02) {
		t.Errorf("the median of the others is %v, want 8ms", got)
	}
}

func TestFatesAreAFunctionOfSeedAndNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := Behaviour{
			Median: time.Millisecond, Sigma: 0.5, SlowShare: 0.5, SlowFactor: 3, FailShare: 0.5,
			Seed: rapid.Uint64().Draw(t, "seed"),
		}
		n := rapid.Uint64().Draw(t, "n")
		if one, again := b.draw(n), b.draw(n); one != again {
			t.Fatalf("drew %+v, then %+v", one, again)
		}
		if f := b.draw(n); f.service <= 0 {
			t.Fatalf("service time %v", f.service)
		}
		other := b
		other.Seed++
		if b.draw(n).service == other.draw(n).service {
			t.Fatalf("seeds %d and %d draw the same service time", b.Seed, other.Seed)
		}
	})
}

func TestTheZeroBehaviourIsFastAndFaultless(t *testing.T) {
	t.Parallel()
	for n := range uint64(1000) {
		if f := (Behaviour{}).draw(n); f != (fate{}) {
			t.Fatalf("request %d drew %+v", n, f)
		}
	}
}

func TestABehaviourThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		behaviour Behaviour
		want      string
	}{
		"a negative service time":      {Behaviour{Median: -1}, "service time"},
		"a sigma that is no number":    {Behaviour{Sigma: math.NaN()}, "sigma NaN"},
		"more than all slow":           {Behaviour{SlowShare: 1.1, SlowFactor: 2}, "slow share 1.1"},
		"less than none failing":       {Behaviour{FailShare: -0.1}, "fail share -0.1"},
		"slow requests without factor": {Behaviour{SlowShare: 0.1}, "slow factor 0"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.behaviour.check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func BenchmarkDraw(b *testing.B) {
	behaviour := Steady(1)
	var n uint64
	for b.Loop() {
		behaviour.draw(n)
		n++
	}
}
