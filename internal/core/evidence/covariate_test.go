package evidence

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// However the observations are split, whether they wait or not, the sums of the
// covariate come out the same.
func TestCovariatesMergeInAnyOrderToTheSameSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := NewLayout(rapid.Bool().Draw(t, "clustered"))
		l.AddValues(Series{Name: "outcome:spend", Covariate: true})
		all := draw(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 3000).Draw(t, "n"))
		one, parts := &Evidence{}, &Evidence{}
		until := Until(monday, day)
		for i, r := range all {
			x := float64(i % 7)
			r.Series, r.Covariate = 0, &x
			one.Stratum(&l, 0).ObserveValue(&l, r)
			if i%2 == 0 {
				parts.Stratum(&l, 0).ObserveValue(&l, r)
			} else {
				parts.Cohort(&l, 0, until).ObserveValue(&l, r)
			}
		}
		one.Learn(&l)
		parts.Mature(&l, until)
		parts.Learn(&l)
		for arm := range split.Arms {
			a, b := &one.Strata[0].Sides[arm].Values[0], &parts.Strata[0].Sides[arm].Values[0]
			if (a.Covariate == nil) != (b.Covariate == nil) {
				t.Fatal("one has a covariate and the other has none")
			}
			if a.Covariate == nil {
				continue
			}
			if a.Covariate.N != a.Moments.N || a.Covariate.N != b.Covariate.N || a.Covariate.X != b.Covariate.X || math.Abs(a.Covariate.XY-b.Covariate.XY) > 1e-6 {
				t.Fatalf("%+v of %v observations\n%+v", a.Covariate, a.Moments.N, b.Covariate)
			}
			if l.Clustered && *a.Sums.X != *b.Sums.X {
				t.Fatal("the sums of the buckets differ")
			}
		}
	})
}

func TestACovariateCanBeReadBack(t *testing.T) {
	t.Parallel()
	l := NewLayout(true)
	l.AddValues(Series{Name: "outcome:spend", Covariate: true, Cap: 100})
	l.AddValues(Series{Name: "outcome:learns", Covariate: true})
	s := NewStratum(&l)
	x := 2.5
	s.ObserveValue(&l, Raw{Value: 7, Bucket: 3, Covariate: &x})
	s.ObserveValue(&l, Raw{Series: 1, Value: 7, Bucket: 3, Covariate: &x})
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var kept Stratum
	if err := json.Unmarshal(body, &kept); err != nil || !l.Fits(&kept) {
		t.Fatalf("it does not fit: %v", err)
	}
	back := NewStratum(&l)
	back.Merge(&kept)
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("read back (-was +is):\n%s", diff)
	}
	s.Reset()
	if got := s.Sides[0].Values[0]; got.Covariate != nil || got.Sums.X != nil {
		t.Errorf("after a reset there is %+v", got.Covariate)
	}
}
