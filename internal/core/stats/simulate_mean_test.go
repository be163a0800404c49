package stats

import (
	"math"
	"testing"
)

// spending is a stream of requests of which few bring a skewed value.
type spending struct {
	paying float64 // share of requests with a value
	sigma  float64 // of the logarithm of the value
	limit  float64 // values above are winsorised
	factor float64 // on the candidate's values
	batch  int
	stages []spendingStage
}

// spendingStage is a period of constant weight; season multiplies the value of
// both arms.
type spendingStage struct {
	weight  float64
	season  float64
	batches int
}

// run plays the stream and calls look after each batch until it says stop. It
// returns the number of requests seen, 0 if it was never stopped.
func (s spending) run(d draw, look func(m *Means) (stop bool)) (requests int) {
	m := &Means{}
	for _, st := range s.stages {
		var t, c Moments
		m.Strata = append(m.Strata, MeanStratum{})
		now := &m.Strata[len(m.Strata)-1]
		for range st.batches {
			nT := d.binomial(s.batch, st.weight)
			now.T.NonZero += s.pay(d, nT, st.season*s.factor, &t)
			now.C.NonZero += s.pay(d, s.batch-nT, st.season, &c)
			now.T.N, now.T.Mean, now.T.Var = t.N, t.Mean, t.Variance()
			now.C.N, now.C.Mean, now.C.Var = c.N, c.Mean, c.Variance()
			requests += s.batch
			if look(m) {
				return requests
			}
		}
	}
	return 0
}

// pay adds the values of n requests and returns how many are not zero.
func (s spending) pay(d draw, n int, factor float64, m *Moments) float64 {
	k := d.binomial(n, s.paying)
	m.Merge(Moments{N: float64(n - k)})
	for range k {
		x := math.Exp(s.sigma * d.NormFloat64())
		if s.limit > 0 {
			x = min(x, s.limit)
		}
		m.Add(factor * x)
	}
	return float64(k)
}

func (s spending) replay(seed, replications int, look func(m *Means) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = s.run(newDraw(seed, r), look)
	}
	return stops
}

// reaches returns a look that stops at evidence against the margin c.
func meanReaches(c float64, dir Dir, tau0 float64) func(m *Means) bool {
	log, p := math.Log(c), Prior3(tau0)
	return func(m *Means) bool { return m.LogE(log, dir, p) >= ln20 }
}

// plainly is meanReaches by the plain variances.
func plainly(c float64, dir Dir, tau0 float64) func(m *Means) bool {
	p := Prior3(tau0)
	return func(m *Means) bool {
		if !m.enough() {
			return false
		}
		total, _ := m.weights()
		d, v, base := 0.0, 0.0, 0.0
		for _, s := range m.Strata {
			if s.comparable() {
				h := s.weight() / total
				d += h * (s.T.Mean - c*s.C.Mean)
				v += h * h * (s.T.Var/s.T.N + c*c*s.C.Var/s.C.N)
				base += h * s.C.Mean
			}
		}
		return LogENormalMix(dir.sign()*d/math.Sqrt(v), base*base/v, p) >= ln20
	}
}

// crossings plays the stream and returns, for each of the looks, in which share
// of the replications it ever stops.
func (s spending) crossings(seed, replications int, looks ...func(m *Means) bool) []float64 {
	shares := make([]float64, len(looks))
	for r := range replications * *scale {
		crossed := make([]bool, len(looks))
		s.run(newDraw(seed, r), func(m *Means) bool {
			for i, look := range looks {
				crossed[i] = crossed[i] || look(m)
			}
			return false
		})
		for i := range looks {
			if crossed[i] {
				shares[i] += 1 / float64(replications**scale)
			}
		}
	}
	return shares
}

// steadily is a stream at one weight.
func steadily(weight float64, batches int) []spendingStage {
	return []spendingStage{{weight, 1, batches}}
}

func TestASkewedMeanExactlyAtItsMargin(t *testing.T) {
	long(t)
	limit := math.Exp(1.3 * 2.3263) // the 99th percentile
	plainWorst := 0.0
	for _, test := range []struct {
		name   string
		margin float64
		spending
	}{
		{"revenue, w 1 %", .98, spending{.03, 1.3, limit, .98, 10000, steadily(.01, 150)}},
		{"revenue, w 50 %", .98, spending{.03, 1.3, limit, .98, 2000, steadily(.5, 200)}},
		{"engagement, w 1 %", .98, spending{.6, 1, 0, .98, 3000, steadily(.01, 100)}},
		{"size, w 1 %", 1.1, spending{1, 1.2, 0, 1.1, 3000, steadily(.01, 100)}},
		{"size, w 90 %", 1.1, spending{1, 1.2, 0, 1.1, 400, steadily(.9, 200)}},
		{"size, w 99 %", 1.1, spending{1, 1.2, 0, 1.1, 3000, steadily(.99, 100)}},
		{"engagement over a ramp", .98, spending{.6, 1, 0, .98, 800, []spendingStage{
			{.01, 1, 60}, {.1, 3, 60}, {.5, .3, 60}, {.9, 1, 60},
		}}},
	} {
		got := test.crossings(71, 120, meanReaches(test.margin, Up, .1), meanReaches(test.margin, Down, .1),
			plainly(test.margin, Up, .1), plainly(test.margin, Down, .1))
		between(t, test.name+", larger", got[0], 0, .05)
		between(t, test.name+", smaller", got[1], 0, .05)
		plainWorst = max(plainWorst, got[2], got[3])
	}
	// This guards the test: the plain variance must go wrong somewhere.
	between(t, "by the plain variance, at worst", plainWorst, .06, 1)
}

func TestRevenueAtOnePercentExactlyAtItsMargin(t *testing.T) {
	long(t)
	s := spending{.03, 1.3, math.Exp(1.3 * 2.3263), .98, 4000, steadily(.01, 250)}
	got := s.crossings(72, 200, meanReaches(.98, Down, .1), meanReaches(.98, Up, .1))
	between(t, "rolled back", got[0], 0, .02)
	between(t, "passed", got[1], 0, .02)
}

func TestLessRevenueIsFoundInTime(t *testing.T) {
	long(t)
	// A fifth less, margin 2 %, half of the traffic: 120k in the design's own
	// simulation.
	s := spending{.03, 1.3, math.Exp(1.3 * 2.3263), .8, 4000, steadily(.5, 150)}
	if t50 := median(s.replay(73, 60, meanReaches(.98, Down, .1))); t50 < 90_000 || t50 > 160_000 {
		t.Errorf("half are found after %d requests, want 90k to 160k", t50)
	}
}

func TestAnEqualMeanPasses(t *testing.T) {
	long(t)
	// Engagement with a coefficient of variation of 1.5, margin 2 %: planned
	// for 156k.
	sigma := math.Sqrt(math.Log(1 + 1.5*1.5))
	s := spending{1, sigma, 0, 1, 4000, steadily(.5, 150)}
	stops := s.replay(74, 40, meanReaches(.98, Up, -math.Log(.98)))
	if t50 := median(stops); t50 < 110_000 || t50 > 210_000 {
		t.Errorf("half have passed after %d requests, want 110k to 210k", t50)
	}
	got := s.crossings(75, 40, meanReaches(.98, Down, .1))
	between(t, "rolled back", got[0], 0, .03)
}
