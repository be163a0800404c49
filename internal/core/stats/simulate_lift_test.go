package stats

import (
	"fmt"
	"testing"
)

// heavy is a population of which a tenth fails more often than not, so that the
// few users of a small arm may have none of them, or many.
func heavy(weights ...float64) users {
	return users{
		n: 4000, activity: 1.2, bad: .1, high: .6, low: .02,
		weights: weights, batch: 1500, per: 40 / len(weights),
	}
}

// candidatePhi is the dispersion of the candidate's own rate.
func candidatePhi(strata []Buckets) float64 {
	k, n := make([]float64, 256), make([]float64, 256)
	for _, b := range strata {
		for j := range k {
			k[j] += b.KT[j]
			n[j] += b.NT[j]
		}
	}
	return BernoulliPhi(k, n)
}

// crossings returns, for each of the looks, in which share of the replications it
// ever stops.
func (u users) crossings(seed, replications int, looks ...func(c *Counts, b []Buckets) bool) []float64 {
	shares := make([]float64, len(looks))
	replications *= *scale
	for r := range replications {
		crossed := make([]bool, len(looks))
		u.run(newDraw(seed, r), func(c *Counts, b []Buckets) bool {
			for i, look := range looks {
				crossed[i] = crossed[i] || look(c, b)
			}
			return false
		})
		for i := range looks {
			if crossed[i] {
				shares[i] += 1 / float64(replications)
			}
		}
	}
	return shares
}

func TestFewUsersOfASmallArmDecideNothingAboutADifference(t *testing.T) {
	long(t)
	const delta = .02
	look := func(dir Dir, phi func(b []Buckets) float64) func(c *Counts, b []Buckets) bool {
		return func(c *Counts, b []Buckets) bool {
			if c.diffCeiling(delta, 1, dir) < ln20 {
				return false
			}
			dispersed := Counts{Strata: c.Strata, Phi: Dispersion(1, phi(b))}
			return dispersed.diffReaches(ln20, delta, 1, dir)
		}
	}
	lifted := func(b []Buckets) float64 { return DiffPhi(b, 1) }
	plain := func(b []Buckets) float64 {
		return sandwich(b, func(s Stratum) contrast {
			information := 1 / (binomialVariance(s.KT, s.NT) + binomialVariance(s.KC, s.NC))
			return contrast{ofT: information / s.NT, ofC: -information / s.NC, varT: information}
		}, false)
	}
	worst := 0.0
	for _, weights := range [][]float64{{.02}, {.1}, {.9}, {.98}, {.02, .1, .5}, {.5, .02}, {.5, .98}} {
		u := heavy(weights...)
		u.harm = delta
		got := u.crossings(181, 80, look(Up, lifted), look(Down, lifted), look(Up, plain), look(Down, plain))
		between(t, fmt.Sprintf("weights %v, rolled back", weights), got[0], 0, .05)
		between(t, fmt.Sprintf("weights %v, passed", weights), got[1], 0, .05)
		worst = max(worst, got[2], got[3])
	}
	// This guards the test: each arm believed for itself must go wrong.
	between(t, "without the lift, at worst", worst, .06, 1)
}

func TestFewUsersOfASmallArmDecideNothingAboutARatio(t *testing.T) {
	long(t)
	p := Prior3(.5)
	level := .1*.6 + .9*.02
	ratio := func(dir Dir) func(c *Counts, b []Buckets) bool {
		return func(c *Counts, b []Buckets) bool {
			if c.ratioCeiling(0, dir) < ln20 {
				return false
			}
			dispersed := Counts{Strata: c.Strata, Phi: Dispersion(c.PhiFloor(), ScorePhi(b, 0))}
			return dispersed.ratioReaches(ln20, 0, dir, p)
		}
	}
	// The level is the rate itself: with the ratio, both boundaries at once.
	ignore := func(f func(c Counts) float64) func(c *Counts, b []Buckets) bool {
		return func(c *Counts, b []Buckets) bool {
			phi := Dispersion(1, ScorePhi(b, 0), candidatePhi(b))
			return f(Counts{Strata: c.Strata, Phi: phi}) >= ln20
		}
	}
	for _, weights := range [][]float64{{.02}, {.98}, {.02, .1, .5}, {.5, .1}} {
		got := heavy(weights...).crossings(182, 80, ratio(Up), ratio(Down),
			ignore(func(c Counts) float64 { return c.LogEIgnoreFail(0, level, p) }),
			ignore(func(c Counts) float64 { return c.LogEIgnorePass(0, level, p) }))
		for i, what := range []string{"rolled back", "passed", "ignored below, rolled back", "ignored below, passed"} {
			between(t, fmt.Sprintf("weights %v, %s", weights, what), got[i], 0, .05)
		}
	}
}

func TestTheLiftCostsIndependentRequestsLittle(t *testing.T) {
	long(t)
	// Users who fail alike, a fiftieth of them in the candidate, which fails three
	// times as often.
	u := users{n: 20000, activity: .5, low: .01, harm: .02, weights: []float64{.02}, batch: 1000, per: 40}
	found := func(phi func(b []Buckets) float64) func(c *Counts, b []Buckets) bool {
		return func(c *Counts, b []Buckets) bool {
			if c.ratioCeiling(ln12, Up) < ln20 {
				return false
			}
			dispersed := Counts{Strata: c.Strata, Phi: Dispersion(1, phi(b))}
			return dispersed.ratioReaches(ln20, ln12, Up, Prior3(.5))
		}
	}
	got := u.crossings(183, 150, found(func([]Buckets) float64 { return 1 }),
		found(func(b []Buckets) float64 { return ScorePhi(b, ln12) }))
	t.Logf("found %.3f as requests, %.3f as users", got[0], got[1])
	if got[0] < .5 || got[1] < got[0]-.1 {
		t.Errorf("found %.3f as requests, %.3f as users, want hardly less", got[0], got[1])
	}
}
