package evidence

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Series is a metric whose observations are numbers: a reported revenue, an
// output of the model.
type Series struct {
	Name string `json:"name"`
	// Cap is the value beyond which observations count as the cap, on both
	// sides of zero; 0 learns it from the baseline (see Learn).
	Cap float64 `json:"cap,omitempty"`
	// Bins is how many bins of the distribution are kept, of about equal
	// frequency at the baseline; 0 keeps none.
	Bins int `json:"bins,omitempty"`
	// Grouped says that observations may come in groups that resemble each other,
	// also where units do not cluster: the values of one answer.
	Grouped bool `json:"grouped,omitempty"`
	// Covariate says that each observation comes with a number that was known
	// before its exposure.
	Covariate bool `json:"covariate,omitempty"`
}

// Value is what is kept of a series at one arm: the moments of the capped
// values and, where units cluster, their sums per hash bucket.
type Value struct {
	Moments stats.Moments `json:"moments"`
	NonZero uint64        `json:"nonZero"`
	Capped  uint64        `json:"capped,omitempty"` // observations beyond the cap
	Sums    *Sums         `json:"sums,omitempty"`
	Bins    []uint64      `json:"bins,omitempty"` // by Scale.Edges; nil until they are known
	// Spread are the bins of the grouped observations, one hash bucket after the
	// other; nil where there are none.
	Spread []uint64 `json:"spread,omitempty"`
	// Covariate are the sums of the capped values and of what was known before;
	// nil until such an observation came.
	Covariate *stats.Covariate `json:"covariate,omitempty"`
}

// Sums are the observations of each hash bucket and their sum.
type Sums struct {
	N [split.Buckets]float64 `json:"n"`
	Y [split.Buckets]float64 `json:"y"`
	// X are those of the covariate; nil without one.
	X *[split.Buckets]float64 `json:"x,omitempty"`
}

// Scale is what a series is measured with: fixed once for the whole rollout,
// from the baseline alone, because a cap or a bin that followed the candidate's
// data would hide what it does.
type Scale struct {
	Cap float64 `json:"cap"`
	// Edges are the lower edges of all bins but the first; there are none where
	// all values are the same, and nil says that no bins are kept.
	Edges []float64 `json:"edges,omitzero"`
}

// Equal reports whether two scales are the same.
func (s Scale) Equal(o Scale) bool { return s.Cap == o.Cap && slices.Equal(s.Edges, o.Edges) }

// known reports whether the scale is fixed.
func (s *Scale) known() bool { return s.Cap > 0 }

// clip returns a value within the cap, and whether it was beyond it.
func (s *Scale) clip(v float64) (float64, bool) {
	switch {
	case v > s.Cap:
		return s.Cap, true
	case v < -s.Cap:
		return -s.Cap, true
	}
	return v, false
}

// bin returns the bin of a value.
func (s *Scale) bin(v float64) int {
	i, found := slices.BinarySearch(s.Edges, v)
	if found {
		i++
	}
	return i
}

// Raw is an observation that waits for its series' scale.
type Raw struct {
	Series int       `json:"series"` // index into Layout.Values
	Arm    split.Arm `json:"arm"`
	Bucket uint8     `json:"bucket,omitempty"`
	// Grouped says that others of the same unit or answer may resemble it.
	Grouped bool    `json:"grouped,omitempty"`
	Value   float64 `json:"value"`
	// Covariate was known before the exposure; nil for a series without one.
	Covariate *float64 `json:"covariate,omitempty"`
}

// MaxValue bounds the observations of a series, so that their squares and the
// sums of those are numbers.
const MaxValue = 1e15

// ObserveValue adds an observation of a series. It reports false for what is no
// number between -MaxValue and MaxValue, which changes nothing.
func (s *Stratum) ObserveValue(l *Layout, r Raw) bool {
	if !l.takes(r) {
		return false
	}
	series := &l.Values[r.Series]
	r.Grouped = series.Bins > 0 && (r.Grouped || l.Clustered)
	if s.Scales == nil {
		s.Scales = scalesOf(l)
	}
	// A zero is within any cap.
	if !s.Scales[r.Series].known() && (r.Value != 0 || series.Bins > 0) {
		s.Raw = append(s.Raw, r)
		return true
	}
	s.fold(r)
	return true
}

// scalesOf are the scales that the plan itself fixes.
func scalesOf(l *Layout) []Scale {
	out := make([]Scale, len(l.Values))
	for i, series := range l.Values {
		if series.Bins == 0 {
			out[i].Cap = series.Cap
		}
	}
	return out
}

// fold adds an observation on its scale.
func (s *Stratum) fold(r Raw) {
	v, scale := &s.Sides[r.Arm].Values[r.Series], &s.Scales[r.Series]
	y := r.Value
	if y != 0 {
		v.NonZero++
		var beyond bool
		if y, beyond = scale.clip(y); beyond {
			v.Capped++
		}
	}
	v.Moments.Add(y)
	if v.Sums != nil {
		v.Sums.N[r.Bucket]++
		v.Sums.Y[r.Bucket] += y
	}
	if r.Covariate != nil {
		v.covary(r.Bucket, *r.Covariate, y)
	}
	if scale.Edges == nil || s.Narrow {
		return
	}
	bin := scale.bin(r.Value)
	if v.Bins == nil {
		v.Bins = make([]uint64, len(scale.Edges)+1)
	}
	v.Bins[bin]++
	if r.Grouped {
		v.spread(r.Bucket, bin, len(v.Bins))
	}
}

// rescale takes scales over and folds what has waited for them.
func (s *Stratum) rescale(scales []Scale) {
	s.Scales = scales
	waiting := s.Raw
	s.Raw = nil
	for _, r := range waiting {
		if scales[r.Series].known() {
			s.fold(r)
		} else {
			s.Raw = append(s.Raw, r)
		}
	}
}

func newValue(clustered bool) Value {
	if clustered {
		return Value{Sums: &Sums{}}
	}
	return Value{}
}

func (v *Value) merge(o *Value) {
	v.Moments.Merge(o.Moments)
	v.NonZero += o.NonZero
	v.Capped += o.Capped
	if o.Sums != nil {
		if v.Sums == nil {
			v.Sums = &Sums{}
		}
		for i := range o.Sums.N {
			v.Sums.N[i] += o.Sums.N[i]
			v.Sums.Y[i] += o.Sums.Y[i]
		}
		if o.Sums.X != nil {
			v.Sums.addX(o.Sums.X)
		}
	}
	if o.Covariate != nil {
		if v.Covariate == nil {
			v.Covariate = &stats.Covariate{}
		}
		v.Covariate.Merge(*o.Covariate)
	}
	v.Bins, v.Spread = added(v.Bins, o.Bins), added(v.Spread, o.Spread)
}

// added adds counts of the same kind, either of which may be missing.
func added(to, more []uint64) []uint64 {
	if to == nil {
		return slices.Clone(more)
	}
	for i := range min(len(to), len(more)) {
		to[i] += more[i]
	}
	return to
}

func (v *Value) reset() {
	v.Moments, v.NonZero, v.Capped, v.Bins, v.Spread = stats.Moments{}, 0, 0, nil, nil
	v.Covariate = nil
	if v.Sums != nil {
		*v.Sums = Sums{}
	}
}

// mergeValues adds what has waited in another stratum. A scale is taken over
// where s has none: all strata of a rollout are measured alike.
func (s *Stratum) mergeValues(other *Stratum) {
	if scales, more := joined(s.Scales, other.Scales); more {
		s.rescale(scales)
	}
	for _, r := range other.Raw {
		if s.Scales != nil && s.Scales[r.Series].known() {
			s.fold(r)
		} else {
			s.Raw = append(s.Raw, r)
		}
	}
}

// joined returns the scales with those that only other has, and whether there
// are any.
func joined(scales, other []Scale) (all []Scale, more bool) {
	if scales == nil {
		return slices.Clone(other), other != nil
	}
	for i := range min(len(scales), len(other)) {
		if scales[i].known() || !other[i].known() {
			continue
		}
		if !more {
			scales, more = slices.Clone(scales), true
		}
		scales[i] = other[i]
	}
	return scales, more
}
