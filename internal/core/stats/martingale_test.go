package stats

import (
	"fmt"
	"math"
	"testing"
)

// logChoose returns the logarithm of the binomial coefficient.
func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// binomialMean returns the exact expectation of exp(logE(k)) for a binomial k.
func binomialMean(n int, p float64, logE func(k float64) float64) float64 {
	sum := 0.0
	for k := range n + 1 {
		log := logChoose(float64(n), float64(k)) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
		sum += math.Exp(log + logE(float64(k)))
	}
	return sum
}

// priors are all scales that are in use, alone and mixed.
func priors() map[string]Prior {
	all := map[string]Prior{
		"Prior3(.5)": Prior3(.5), "Prior3(.1)": Prior3(.1), "Prior3(ln1.2)": Prior3(ln12),
	}
	for _, tau := range []float64{.02, .5, 2.5} {
		all[fmt.Sprintf("Prior1(%v)", tau)] = Prior1(tau)
	}
	return all
}

// conditional is a boundary of Engine R at which everything can be enumerated.
type conditional struct {
	q, lam0 float64
	events  int
}

func (c conditional) theta(lam float64) float64 { return expit(math.Log(c.q) + lam) }

func (c conditional) counts(k float64) Counts {
	return Counts{Strata: []Stratum{{NT: 1000 * c.q, KT: k, NC: 1000, KC: float64(c.events) - k}}}
}

var conditionals = []conditional{{1.0 / 99, 0, 30}, {1, 0, 40}, {1.0 / 9, ln12, 60}, {99, ln12, 50}}

func TestEngineRIsExactlyFairOnItsBoundary(t *testing.T) {
	t.Parallel()
	for name, p := range priors() {
		for _, c := range conditionals {
			for _, dir := range []Dir{Up, Down} {
				got := binomialMean(c.events, c.theta(c.lam0), func(k float64) float64 {
					return c.counts(k).LogERatio(c.lam0, dir, p)
				})
				if math.Abs(got-1) > 1e-9 {
					t.Errorf("%s, %s, %+v: expectation %.12f, want 1", name, dir, c, got)
				}
			}
		}
	}
}

func TestEngineRLosesInsideItsNull(t *testing.T) {
	t.Parallel()
	for name, p := range priors() {
		for _, c := range conditionals {
			for _, dir := range []Dir{Up, Down} {
				for _, inside := range []float64{.01, .2, 1, 3} {
					lam := c.lam0 - dir.sign()*inside
					got := binomialMean(c.events, c.theta(lam), func(k float64) float64 {
						return c.counts(k).LogERatio(c.lam0, dir, p)
					})
					if !(got < 1) {
						t.Errorf("%s, %s, %+v, %v inside: expectation %.12f, want less than 1", name, dir, c, inside, got)
					}
				}
			}
		}
	}
}

func TestStrataTogetherAreExactlyFair(t *testing.T) {
	t.Parallel()
	a, b := conditional{1.0 / 99, ln12, 12}, conditional{1, ln12, 15}
	for _, dir := range []Dir{Up, Down} {
		got := binomialMean(a.events, a.theta(ln12), func(k float64) float64 {
			return math.Log(binomialMean(b.events, b.theta(ln12), func(l float64) float64 {
				both := Counts{Strata: append(a.counts(k).Strata, b.counts(l).Strata...)}
				return both.LogERatio(ln12, dir, Prior3(.5))
			}))
		})
		if math.Abs(got-1) > 1e-9 {
			t.Errorf("%s: expectation %.12f, want 1", dir, got)
		}
	}
}

func TestTheOneSampleTestIsExactlyFairOnItsBoundary(t *testing.T) {
	t.Parallel()
	for name, p := range priors() {
		for _, n := range []int{7, 90} {
			for _, p0 := range []float64{.001, .05, .5, .97} {
				for _, dir := range []Dir{Up, Down} {
					logE := func(k float64) float64 { return LogEBernoulli(k, float64(n), p0, 1, dir, p) }
					if got := binomialMean(n, p0, logE); math.Abs(got-1) > 1e-9 {
						t.Errorf("%s, %s, n %d, p0 %v: expectation %.12f, want 1", name, dir, n, p0, got)
					}
					inside := expit(logit(p0) - dir.sign()*.3)
					if got := binomialMean(n, inside, logE); !(got < 1) {
						t.Errorf("%s, %s, n %d, p0 %v, inside: expectation %.12f, want less than 1", name, dir, n, p0, got)
					}
				}
			}
		}
	}
}

func TestSampleRatioMismatchIsExactlyFair(t *testing.T) {
	t.Parallel()
	for _, n := range []int{5, 100, 2000} {
		for _, w := range []float64{.0001, .01, .5, .99} {
			for _, kappa := range []float64{1, 1000} {
				got := binomialMean(n, w, func(k float64) float64 { return LogESRM(k, float64(n)-k, w, kappa) })
				if math.Abs(got-1) > 1e-9 {
					t.Errorf("n %d, w %v, kappa %v: expectation %.12f, want 1", n, w, kappa, got)
				}
			}
		}
	}
}

// The fail side of ignoreBelow must lose under each of its two nulls. With one
// arm's exposures known, R is exact given the events and A given the exposures.
func TestIgnoreBelowLosesUnderBothNulls(t *testing.T) {
	t.Parallel()
	const nT, nC = 40, 120
	level := .02
	at := func(kT, kC float64) float64 {
		c := Counts{Strata: []Stratum{{NT: nT, KT: kT, NC: nC, KC: kC}}}
		return c.LogEIgnoreFail(ln12, level, Prior3(.5))
	}
	// The rate is at the level, whatever the baseline's.
	for _, pC := range []float64{.001, .01, .05} {
		got := binomialMean(nT, level, func(kT float64) float64 {
			return math.Log(binomialMean(nC, pC, func(kC float64) float64 { return at(kT, kC) }))
		})
		if !(got <= 1) {
			t.Errorf("at the level, baseline %v: expectation %.9f, want at most 1", pC, got)
		}
	}
	// The ratio is at the margin, whatever the number of events.
	theta := expit(math.Log(float64(nT)/nC) + ln12)
	for _, events := range []int{1, 5, 20, 50} {
		got := binomialMean(events, theta, func(kT float64) float64 { return at(kT, float64(events)-kT) })
		if !(got <= 1) {
			t.Errorf("at the margin, %d events: expectation %.9f, want at most 1", events, got)
		}
	}
}

// everCrosses returns the exact probability that a sequence of Bernoulli(p)
// trials ever reaches the threshold within n looks, one after each trial.
func everCrosses(n int, p, threshold float64, logE func(k, n float64) float64) float64 {
	alive := make([]float64, n+2)
	alive[0] = 1
	crossed := 0.0
	for trials := 1; trials <= n; trials++ {
		for k := trials; k >= 0; k-- {
			stay := alive[k] * (1 - p)
			if k > 0 {
				stay += alive[k-1] * p
			}
			if stay > 0 && logE(float64(k), float64(trials)) >= threshold {
				crossed += stay
				stay = 0
			}
			alive[k] = stay
		}
	}
	return crossed
}

func TestLookingAfterEveryEventKeepsAlphaExactly(t *testing.T) {
	t.Parallel()
	for _, c := range []conditional{{1.0 / 9, 0, 100}, {1, ln12, 100}} {
		for _, dir := range []Dir{Up, Down} {
			got := everCrosses(c.events, c.theta(c.lam0), ln20, func(k, n float64) float64 {
				c := c
				c.events = int(n)
				return c.counts(k).LogERatio(c.lam0, dir, Prior3(.5))
			})
			if !(got > .001 && got <= .05) {
				t.Errorf("%s, %+v: crosses with probability %.4f, want at most 0.05, and not never", dir, c, got)
			}
		}
	}
}

func TestLookingAfterEveryRequestKeepsAlphaExactly(t *testing.T) {
	t.Parallel()
	for _, dir := range []Dir{Up, Down} {
		got := everCrosses(120, .2, ln20, func(k, n float64) float64 {
			return LogEBernoulli(k, n, .2, 1, dir, Prior3(.5))
		})
		if !(got > .001 && got <= .05) {
			t.Errorf("%s: crosses with probability %.4f, want at most 0.05, and not never", dir, got)
		}
	}
}
