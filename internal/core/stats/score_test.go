package stats

import (
	"math"
	"testing"
)

func TestASingleLookHasAStandardNormalDistance(t *testing.T) {
	t.Parallel()
	d := newDraw(171, 0)
	var ratio, score, root Moments
	for range 2000 {
		c := Counts{}
		for _, s := range [][3]float64{{2000, 8000, .02}, {5000, 5000, .06}} {
			c.Strata = append(c.Strata, Stratum{
				NT: s[0], KT: float64(d.binomial(int(s[0]), s[2])),
				NC: s[1], KC: float64(d.binomial(int(s[1]), s[2])),
			})
		}
		ratio.Add(c.RatioRoot(0))
		score.Add(c.DiffScore(0, 1))
		root.Add(c.DiffRoot(0, 1))
	}
	for name, m := range map[string]Moments{"ratio": ratio, "score": score, "root": root} {
		// Three standard errors; the conditional likelihood of a ratio takes the
		// rates of some percent for rare, which costs that much of the variance.
		if math.Abs(m.Mean) > .07 || math.Abs(m.Variance()-.98) > .11 {
			t.Errorf("%s: mean %.3f, variance %.3f", name, m.Mean, m.Variance())
		}
	}
}

func TestDispersionShortensTheDistance(t *testing.T) {
	t.Parallel()
	c4 := Counts{Strata: caseC.Strata, Phi: 4}
	check(t, map[string]known{
		"ratio": {c4.RatioRoot(0) * 2, caseC.RatioRoot(0), 12},
		"score": {c4.DiffScore(.001, 1) * 2, caseC.DiffScore(.001, 1), 12},
		"root":  {c4.DiffRoot(.001, 1) * 2, caseC.DiffRoot(.001, 1), 9},
	})
	if z := caseZ.RatioRoot(0); !(z < 0) || math.IsInf(z, 0) {
		t.Errorf("no event at the candidate: %v, want a finite distance below 0", z)
	}
}

func TestFreedomIsThatOfTheSmallerArm(t *testing.T) {
	t.Parallel()
	arm := func(n float64) MeanArm { return MeanArm{N: n, Mean: 1, Var: 4, NonZero: n} }
	even := Means{Strata: []MeanStratum{{T: arm(50), C: arm(50)}}}
	skew := Means{Strata: []MeanStratum{{T: arm(50), C: arm(1e9)}}}
	check(t, map[string]known{
		"two alike":        {even.Freedom(0), 98, 9},
		"a large baseline": {skew.Freedom(0), 49, 3},
		"nothing":          {Means{}.Freedom(0), 0, 9},
		"NaN":              {even.Freedom(nan), 0, 9},
		"dispersed":        {Means{Strata: even.Strata, Phi: 3}.Freedom(0), 98, 9},
	})
}

func TestNothingToCompareHasNoDistance(t *testing.T) {
	t.Parallel()
	for name, c := range silent {
		for test, z := range map[string]float64{
			"ratio": c.RatioRoot(0), "score": c.DiffScore(.01, 1), "root": c.DiffRoot(.01, 1),
		} {
			if !math.IsNaN(z) {
				t.Errorf("%s, %s: %v, want NaN", name, test, z)
			}
		}
	}
}
