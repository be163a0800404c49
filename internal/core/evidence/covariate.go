package evidence

import (
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// covary adds the covariate x of an observation whose capped value is y.
func (v *Value) covary(bucket uint8, x, y float64) {
	if v.Covariate == nil {
		v.Covariate = &stats.Covariate{}
	}
	v.Covariate.Add(x, y)
	if v.Sums == nil {
		return
	}
	if v.Sums.X == nil {
		v.Sums.X = new([split.Buckets]float64)
	}
	v.Sums.X[bucket] += x
}

// addX adds the covariate's sums of another arm.
func (s *Sums) addX(x *[split.Buckets]float64) {
	if s.X == nil {
		s.X = new([split.Buckets]float64)
	}
	for i := range x {
		s.X[i] += x[i]
	}
}

// fitsCovariate reports whether the sums of a covariate can be those of the
// observations.
func (v *Value) fitsCovariate() bool {
	c := v.Covariate
	return c == nil || c.N >= 0 && c.N <= v.Moments.N && c.XX >= 0 && c.YY >= 0
}
