package stats

import (
	"fmt"
	"math"
	"testing"
)

// members are units with a value known from before that foretells the metric.
type members struct {
	rho     float64 // correlation
	weights []float64
	factor  float64 // on the candidate's metric
	batch   int
	per     int // batches in a stage
}

// run plays the stages and calls look after each batch with the plain and the
// adjusted statistics. The slope of a stage is the one learned before it.
func (u members) run(d draw, look func(plain, adjusted *Means) (stop bool)) bool {
	plain, adjusted := &Means{}, &Means{}
	var past Covariate
	for i, w := range u.weights {
		var t, c Covariate
		theta := past.Theta()
		plain.Strata, adjusted.Strata = append(plain.Strata, MeanStratum{}), append(adjusted.Strata, MeanStratum{})
		for range u.per {
			nT := d.binomial(u.batch, w)
			for j := range u.batch {
				x := d.NormFloat64()
				y := 3 + u.rho*x + math.Sqrt(1-u.rho*u.rho)*d.NormFloat64()
				if j < nT {
					t.Add(x, u.factor*y)
				} else {
					c.Add(x, y)
				}
			}
			centre := MeanX(t, c)
			plain.Strata[i] = MeanStratum{T: t.Adjusted(0, 0, t.N), C: c.Adjusted(0, 0, c.N)}
			adjusted.Strata[i] = MeanStratum{T: t.Adjusted(theta, centre, t.N), C: c.Adjusted(theta, centre, c.N)}
			if look(plain, adjusted) {
				return true
			}
		}
		past.Merge(c)
	}
	return false
}

func TestACovariateTakesItsShareOfTheVariance(t *testing.T) {
	long(t)
	for _, rho := range []float64{.5, .8} {
		var shares, left Moments
		for r := range 20 * *scale {
			u := members{rho: rho, weights: []float64{.5, .5}, factor: 1, batch: 200, per: 20}
			u.run(newDraw(111, r), func(plain, adjusted *Means) bool {
				if len(plain.Strata) == 2 && plain.Strata[1].T.N+plain.Strata[1].C.N == 4000 {
					shares.Add(adjusted.Strata[1].C.Var / plain.Strata[1].C.Var)
				}
				return false
			})
			var c Covariate
			d := newDraw(112, r)
			for range 2000 {
				x := d.NormFloat64()
				c.Add(100+x, rho*x+math.Sqrt(1-rho*rho)*d.NormFloat64()-50)
			}
			left.Add(c.Reduction())
		}
		want := 1 - rho*rho
		if math.Abs(shares.Mean/want-1) > .05 || math.Abs(left.Mean/want-1) > .05 {
			t.Errorf("rho %v: %.3f of the variance is left, predicted %.3f, want %.3f", rho, shares.Mean, left.Mean, want)
		}
	}
}

func TestAdjustedMeansExactlyAtTheirMargin(t *testing.T) {
	long(t)
	log, p := math.Log(.98), Prior3(.1)
	for _, u := range []members{
		{rho: .8, weights: []float64{.1, .5}, factor: .98, batch: 300, per: 40},
		{rho: .8, weights: []float64{.02, .1, .25}, factor: .98, batch: 300, per: 30},
	} {
		reps := 150 * *scale
		worse, better := 0, 0
		for r := range reps {
			x, y := false, false
			u.run(newDraw(113, r), func(_, adjusted *Means) bool {
				x = x || adjusted.LogE(log, Down, p) >= ln20
				y = y || adjusted.LogE(log, Up, p) >= ln20
				return x && y
			})
			if x {
				worse++
			}
			if y {
				better++
			}
		}
		name := fmt.Sprintf("weights %v, ", u.weights)
		between(t, name+"rolled back", float64(worse)/float64(reps), 0, .05)
		between(t, name+"passed", float64(better)/float64(reps), 0, .05)
	}
}

func TestACovariateFindsHarmSooner(t *testing.T) {
	long(t)
	u := members{rho: .9, weights: []float64{.5, .5, .5, .5}, factor: .982, batch: 300, per: 10}
	with, without := 0, 0
	for r := range 60 * *scale {
		p := Prior3(.1)
		u.run(newDraw(114, r), func(plain, adjusted *Means) bool {
			if len(plain.Strata) == 4 && plain.Strata[3].T.N+plain.Strata[3].C.N == 3000 {
				if plain.LogE(0, Down, p) >= ln20 {
					without++
				}
				if adjusted.LogE(0, Down, p) >= ln20 {
					with++
				}
			}
			return false
		})
	}
	if with < 3*without/2 || with < 50**scale {
		t.Errorf("found %d times with the covariate, %d without", with, without)
	}
}
