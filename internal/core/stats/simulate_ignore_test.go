package stats

import (
	"fmt"
	"testing"
)

// bernoulliCeiling is ratioCeiling for the one-sample test.
func bernoulliCeiling(k, n, p0 float64, dir Dir) float64 {
	rate := k / n
	if dir.sign()*(rate-p0) <= 0 {
		return 0
	}
	return xlogy(k, rate/p0) + xlogy(n-k, (1-rate)/(1-p0))
}

// ignoreFails reports whether the fail side of ignoreBelow reaches 1/0.05.
func ignoreFails(c *Counts, level float64) bool {
	ceiling := 0.0
	for _, s := range c.Strata {
		if s.comparable() {
			one := Counts{Strata: []Stratum{s}}
			ceiling += min(one.ratioCeiling(ln12, Up), bernoulliCeiling(s.KT, s.NT, level, Up))
		}
	}
	return ceiling >= ln20 && c.LogEIgnoreFail(ln12, level, Prior3(.5)) >= ln20
}

// ignorePasses reports whether the pass side of ignoreBelow reaches 1/0.05.
func ignorePasses(c *Counts, level float64) bool {
	sum := pooled(c).Strata[0]
	ceiling := max(c.ratioCeiling(ln12, Down), bernoulliCeiling(sum.KT, sum.NT, level, Down))
	return ceiling >= ln20 && c.LogEIgnorePass(ln12, level, Prior3(ln12)) >= ln20
}

func TestIgnoreBelowExactlyAtItsBoundary(t *testing.T) {
	long(t)
	for _, weight := range []float64{.5, .01} {
		for _, pC := range []float64{0, .005} {
			const level = .001
			batch := int(200 * .5 / weight)
			s := steady(batch, 200, weight, max(1.2*pC, level), pC)
			name := fmt.Sprintf("w %v, p_C %v, ", weight, pC)
			between(t, name+"rolled back", share(s.replay(51, 200, func(c *Counts) bool { return ignoreFails(c, level) })), 0, .05)
			between(t, name+"passed", share(s.replay(52, 200, func(c *Counts) bool { return ignorePasses(c, level) })), 0, .05)
		}
	}
}

func TestHarmInOneStageAndLevelInAnotherDoNotAddUp(t *testing.T) {
	long(t)
	// First above the margin but at the level, then above the level but at the
	// margin: each stage is inside the null.
	const level = .001
	s := stream{batch: 500, stages: []stage{{.5, level, 0, 100}, {.5, .012, .01, 100}}}
	kernel := s.replay(53, 200, func(c *Counts) bool { return ignoreFails(c, level) })
	between(t, "the smaller ratio in each stratum", share(kernel), 0, .05)
	// This guards the test: the smaller of the two pooled e-values goes wrong.
	smaller := s.replay(53, 60, func(c *Counts) bool {
		sum := pooled(c).Strata[0]
		e := min(c.LogERatio(ln12, Up, Prior3(.5)), LogEBernoulli(sum.KT, sum.NT, level, 1, Up, Prior3(.5)))
		return e >= ln20
	})
	between(t, "the smaller of two pooled e-values", share(smaller), .3, 1)
}

func TestErrorsThatMatterAreFoundDespiteALevel(t *testing.T) {
	long(t)
	var exposed []int
	replications := 200 * *scale
	for r := range replications {
		steady(100, 2000, .01, .01, 0).run(newDraw(54, r), func(c *Counts) bool {
			found := ignoreFails(c, .0005)
			if found {
				exposed = append(exposed, int(c.Strata[0].NT))
			}
			return found
		})
	}
	// 260 in the design's own simulation.
	if m := median(exposed); len(exposed) < replications-replications/20 || m < 180 || m > 340 {
		t.Errorf("%d of %d found, half after %d requests to the candidate, want 180 to 340", len(exposed), replications, m)
	} else {
		t.Logf("half are found after %d requests to the candidate", m)
	}
}
