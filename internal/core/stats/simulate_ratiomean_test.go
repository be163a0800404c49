package stats

import (
	"testing"
)

// ratioOf is what a ratio metric sees of the buckets: events are the values.
func ratioOf(strata []Buckets, logC float64) Means {
	var m Means
	var all []RatioBuckets
	for _, s := range strata {
		all = append(all, RatioBuckets{TY: s.KT, TN: s.NT, CY: s.KC, CN: s.NC})
		sum, _ := s.total()
		m.Strata = append(m.Strata, MeanStratum{T: RatioArm(s.KT, s.NT, sum.KT), C: RatioArm(s.KC, s.NC, sum.KC)})
	}
	m.Phi = RatioPhi(all, logC)
	return m
}

func TestStickyUsersDoNotInflateTheEvidenceOfARatioMetric(t *testing.T) {
	long(t)
	p := Prior3(.1)
	asRequests := func(c *Counts, _ []Buckets) bool {
		var m Means
		for _, s := range c.Strata {
			m.Strata = append(m.Strata, MeanStratum{
				T: MeanArm{N: s.NT, Mean: s.KT / s.NT, Var: s.KT / s.NT, NonZero: s.KT},
				C: MeanArm{N: s.NC, Mean: s.KC / s.NC, Var: s.KC / s.NC, NonZero: s.KC},
			})
		}
		return m.LogE(0, Up, p) >= ln20 || m.LogE(0, Down, p) >= ln20
	}
	asUsers := func(_ *Counts, b []Buckets) bool {
		m := ratioOf(b, 0)
		return m.LogE(0, Up, p) >= ln20 || m.LogE(0, Down, p) >= ln20
	}
	half := users{
		n: 3000, activity: 1.2, bad: .3, high: .2, low: .001,
		weights: []float64{.5}, batch: 1500, per: 40,
	}
	// This guards the test: requests taken for independent must go wrong.
	between(t, "half of the users, as requests", half.share(91, 60, asRequests), .15, 1)
	// Both directions together are allowed twice alpha, and need much less.
	between(t, "half of the users, as users", half.share(91, 100, asUsers), 0, .05)
	few := half
	few.weights = []float64{.03}
	between(t, "few of the users, as users", few.share(92, 100, asUsers), 0, .05)
	ramp := half
	ramp.weights, ramp.per = []float64{.01, .1, .25, .5}, 10
	between(t, "widening ramp, as users", ramp.share(93, 100, asUsers), 0, .05)
}

func TestUsersWhoAreSeenInSeveralStagesAreNotCountedTwice(t *testing.T) {
	long(t)
	u := users{
		n: 3000, activity: 1.2, bad: .3, high: .2, low: .001,
		weights: []float64{.5, .5, .5, .5}, batch: 1500, per: 10,
	}
	var with, without, phi Moments
	for r := range 60 * *scale {
		u.run(newDraw(94, r), func(c *Counts, b []Buckets) bool {
			if len(b) < 4 || c.Strata[3].NT+c.Strata[3].NC < 10*1500 {
				return false
			}
			m := ratioOf(b, 0)
			d, v, _ := m.Contrast(0)
			with.Add(d * d / v)
			without.Add(d * d / v * m.Phi)
			phi.Add(m.Phi)
			return true
		})
	}
	// Four stages of the same users tell little more than one.
	if !(phi.Mean > 1.8 && phi.Mean < 4) || !(with.Mean < 1.5) || !(without.Mean > 1.5) {
		t.Errorf("mean phi %.2f, squared distance %.2f, without phi %.2f", phi.Mean, with.Mean, without.Mean)
	}
}
