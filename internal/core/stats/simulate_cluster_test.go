package stats

import (
	"math"
	"testing"
)

// users is a population that keeps its arm: each user makes requests as often
// as others do a hundred times, and fails as others do not.
type users struct {
	n          int
	activity   float64 // sd of the logarithm of a user's activity
	bad        float64 // share of users with the high rate
	high, low  float64 // rates of bad events
	harm       float64 // added to a candidate user's rate
	weights    []float64
	batch, per int // requests per look, looks per stage
}

// crowd is one draw of a population.
type crowd struct {
	rate, hash []float64
	pick       []int // users, each as often as active
}

func (u users) draw(d draw) crowd {
	c := crowd{rate: make([]float64, u.n), hash: make([]float64, u.n)}
	for i := range u.n {
		c.rate[i] = u.low
		if d.Float64() < u.bad {
			c.rate[i] = u.high
		}
		c.hash[i] = d.Float64()
		for range 1 + int(20*math.Exp(u.activity*d.NormFloat64())) {
			c.pick = append(c.pick, i)
		}
	}
	return c
}

// buckets returns empty buckets.
func buckets() Buckets {
	const j = 256
	all := make([]float64, 4*j)
	return Buckets{KT: all[:j], NT: all[j : 2*j], KC: all[2*j : 3*j], NC: all[3*j:]}
}

// run plays the population and calls look after each batch, with the counts and
// the buckets of each stage, until it says stop.
func (u users) run(d draw, look func(c *Counts, b []Buckets) bool) bool {
	population := u.draw(d)
	c := &Counts{}
	var strata []Buckets
	for _, weight := range u.weights {
		c.Strata, strata = append(c.Strata, Stratum{}), append(strata, buckets())
		b, s := strata[len(strata)-1], &c.Strata[len(c.Strata)-1]
		for range u.per {
			for range u.batch {
				i := population.pick[d.IntN(len(population.pick))]
				rate, k, n := population.rate[i], b.KC, b.NC
				if population.hash[i] < weight {
					rate, k, n = rate+u.harm, b.KT, b.NT
				}
				n[i%256]++
				if d.Float64() < rate {
					k[i%256]++
				}
			}
			*s, _ = b.total()
			if look(c, strata) {
				return true
			}
		}
	}
	return false
}

func (u users) share(seed, replications int, look func(c *Counts, b []Buckets) bool) float64 {
	n := 0
	replications *= *scale
	for r := range replications {
		if u.run(newDraw(seed, r), look) {
			n++
		}
	}
	return float64(n) / float64(replications)
}

func TestStickyUsersDoNotInflateTheEvidenceOfARatio(t *testing.T) {
	long(t)
	p := Prior3(.5)
	asRequests := func(c *Counts, _ []Buckets) bool { return c.ratioReaches(ln20, 0, Up, p) }
	asUsers := func(c *Counts, b []Buckets) bool {
		if c.ratioCeiling(0, Up) < ln20 {
			return false // A dispersion above its floor of 1 only lowers it.
		}
		dispersed := Counts{Strata: c.Strata, Phi: Dispersion(c.PhiFloor(), ScorePhi(b, 0))}
		return dispersed.ratioReaches(ln20, 0, Up, p)
	}
	half := users{
		n: 4000, activity: 1.2, bad: .02, high: .2, low: .001,
		weights: []float64{.5}, batch: 2000, per: 60,
	}
	// This guards the test: requests taken for independent must go wrong.
	between(t, "half of the users, as requests", half.share(61, 120, asRequests), .15, 1)
	between(t, "half of the users, as users", half.share(61, 120, asUsers), 0, .05)
	between(t, "half of the users, by the sandwich at the estimate", half.share(61, 120, func(c *Counts, b []Buckets) bool {
		dispersed := Counts{Strata: c.Strata, Phi: Dispersion(c.PhiFloor(), SandwichPhi(b, c.RatioMLE()))}
		return dispersed.ratioReaches(ln20, 0, Up, p)
	}), 0, .05)
	ramp := users{
		n: 20000, activity: 1.2, bad: .02, high: .2, low: .001,
		weights: []float64{.01, .1, .25, .5}, batch: 3000, per: 10,
	}
	between(t, "widening ramp, as users", ramp.share(62, 60, asUsers), 0, .05)
}

func TestStickyUsersDoNotInflateTheEvidenceOfADifference(t *testing.T) {
	long(t)
	// The candidate is worse by exactly the margin, for every user alike.
	const delta = .02
	u := users{
		n: 3000, activity: 1.2, bad: .10, high: .6, low: .02, harm: delta,
		weights: []float64{.5}, batch: 2000, per: 50,
	}
	for name, dir := range map[string]Dir{"rolled back": Up, "passed": Down} {
		asRequests := func(c *Counts, _ []Buckets) bool { return c.diffReaches(ln20, delta, 1, dir) }
		asUsers := func(c *Counts, b []Buckets) bool {
			if c.diffCeiling(delta, 1, dir) < ln20 {
				return false
			}
			dispersed := Counts{Strata: c.Strata, Phi: Dispersion(1, DiffPhi(b, 1))}
			return dispersed.diffReaches(ln20, delta, 1, dir)
		}
		between(t, name+", as requests", u.share(63, 100, asRequests), .15, 1)
		between(t, name+", as users", u.share(63, 100, asUsers), 0, .05)
	}
}

func TestStickyUsersDoNotInflateTheEvidenceOfACeiling(t *testing.T) {
	long(t)
	// Every user is in the candidate, and the rate is the ceiling itself.
	u := users{
		n: 3000, activity: 1.2, bad: .02, high: .2, low: .001,
		weights: []float64{1}, batch: 2000, per: 50,
	}
	rate := .02*.2 + .98*.001
	against := func(phi func(b Buckets) float64) func(c *Counts, b []Buckets) bool {
		return func(c *Counts, b []Buckets) bool {
			s := c.Strata[0]
			return bernoulliCeiling(s.KT, s.NT, rate, Up) >= ln20 &&
				LogEBernoulli(s.KT, s.NT, rate, phi(b[0]), Up, Prior3(.5)) >= ln20
		}
	}
	between(t, "as requests", u.share(64, 100, against(func(Buckets) float64 { return 1 })), .15, 1)
	between(t, "as users", u.share(64, 100, against(func(b Buckets) float64 {
		return Dispersion(1, BernoulliPhi(b.KT, b.NT))
	})), 0, .05)
}

func TestIndependentRequestsLoseLittleByTheirBuckets(t *testing.T) {
	long(t)
	// Power: twice the errors of users who fail alike are found all the same.
	u := users{
		n: 20000, activity: 1.2, low: .005, harm: .005,
		weights: []float64{.5}, batch: 1000, per: 40,
	}
	found := u.share(65, 40, func(c *Counts, b []Buckets) bool {
		if c.ratioCeiling(ln12, Up) < ln20 {
			return false
		}
		dispersed := Counts{Strata: c.Strata, Phi: Dispersion(c.PhiFloor(), ScorePhi(b, ln12))}
		return dispersed.ratioReaches(ln20, ln12, Up, Prior3(.5))
	})
	between(t, "twice the errors within 40,000 requests", found, .8, 1)
}
