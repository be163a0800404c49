package evidence

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// answers is a layout with a score of which the distribution is followed, a
// label of which two classes are counted, and an amount of which the mean is.
func answers(clustered bool) Layout {
	l := NewLayout(clustered)
	score := l.AddOutput("score")
	l.Outputs[score].Value = l.AddValues(Series{Name: "output:score", Bins: 10, Grouped: true})
	label := l.AddOutput("/label")
	l.AddClass(label, "fraud", "output:/label=fraud")
	l.AddClass(label, "1", "output:/label=1")
	amount := l.AddOutput("amount")
	l.Outputs[amount].Value = l.AddValues(Series{Name: "output:amount", Cap: 100, Grouped: true})
	l.Outputs[amount].Numbers = true
	return l
}

func number(output int, v float64) Reading { return Reading{Output: output, Kind: Number, Value: v} }

func TestWhatIsReadOfAnAnswerIsCountedAtItsArm(t *testing.T) {
	t.Parallel()
	l := answers(false)
	s := NewStratum(&l)
	s.Observe(&l, Observation{Arm: split.Candidate, Bucket: 7, Outputs: []Reading{
		number(0, 0.5), number(0, 0.25),
		{Output: 0},
		{Output: 1, Kind: Text, Value: 12, Classes: 1},
		number(2, 40),
		{Output: 2, Kind: Text, Value: 99},
	}})
	s.Observe(&l, Observation{Arm: split.Candidate, Outputs: []Reading{{Output: 0}, {Output: 1, Kind: Number, Value: 1, Classes: 2}, {Output: 2}}})
	side := &s.Sides[split.Candidate]
	want := []OutputCount{{Answers: 1, Values: 2, Missing: 2}, {Answers: 2, Values: 2}, {Answers: 1, Values: 2, Missing: 2}}
	if diff := cmp.Diff(want, side.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if fraud, one := side.Rates[2], side.Rates[3]; fraud.N != 2 || fraud.K != 1 || fraud.Buckets.K[7] != 1 || one.N != 2 || one.K != 1 || one.Buckets.K[0] != 1 {
		t.Errorf("classes: fraud %d of %d, 1 %d of %d", fraud.K, fraud.N, one.K, one.N)
	}
	if amount := side.Values[1]; amount.Moments.N != 1 || amount.Moments.Mean != 40 || amount.Sums.Y[7] != 40 {
		t.Errorf("amount: %+v", amount.Moments)
	}
	if want := []Raw{{Arm: split.Candidate, Bucket: 7, Grouped: true, Value: 0.5}, {Arm: split.Candidate, Bucket: 7, Grouped: true, Value: 0.25}}; !slices.Equal(s.Raw, want) {
		t.Errorf("scores that wait for their scale: %+v", s.Raw)
	}
	if side.Requests != 2 || s.Sides[split.Baseline].Outputs[0] != (OutputCount{}) {
		t.Errorf("%d requests; the baseline has %+v", side.Requests, s.Sides[split.Baseline].Outputs[0])
	}
}

// score observes answers with one score each, or with several.
func score(l *Layout, s *Stratum, arm split.Arm, bucket uint8, values ...float64) {
	var readings []Reading
	for _, v := range values {
		readings = append(readings, number(0, v))
	}
	s.Observe(l, Observation{Arm: arm, Bucket: bucket, Outputs: readings})
}

func TestOnlyValuesThatMayResembleEachOtherAreSpread(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		clustered bool
		values    []float64
		spread    bool
	}{
		"one value an answer":     {false, []float64{1}, false},
		"several values":          {false, []float64{1, 2}, true},
		"one value of many users": {true, []float64{1}, true},
	} {
		l := answers(tt.clustered)
		e := &Evidence{}
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 3000 {
			values := slices.Clone(tt.values)
			for j := range values {
				values[j] = r.NormFloat64()
			}
			score(&l, e.Stratum(&l, 0), split.Arm(i%2), uint8(r.IntN(256)), values...)
		}
		if !e.Learn(&l) {
			t.Fatalf("%s: no scale", name)
		}
		for arm := range e.Strata[0].Sides {
			v := &e.Strata[0].Sides[arm].Values[0]
			if (v.Spread != nil) != tt.spread || len(e.Strata[0].Raw) != 0 {
				t.Fatalf("%s: spread over %d bins, %d wait", name, len(v.Spread), len(e.Strata[0].Raw))
			}
			if !tt.spread {
				continue
			}
			sums := make([]uint64, len(v.Bins))
			for i, n := range v.Spread {
				sums[i%len(v.Bins)] += n
			}
			if !slices.Equal(sums, v.Bins) {
				t.Errorf("%s: the buckets add up to %v, the bins are %v", name, sums, v.Bins)
			}
		}
	}
}

func TestALevelThatTheBaselineNeverHadHasABinOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ baseline, candidate []float64 }{
		"one class, then another":   {[]float64{3}, []float64{4}},
		"one class, then a lower":   {[]float64{3}, []float64{2.9999}},
		"a class between the two":   {[]float64{0, 1}, []float64{0.5}},
		"a class beyond all of ten": {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []float64{11}},
	} {
		l := answers(false)
		e := &Evidence{}
		for i := range 2 * LearnFrom {
			score(&l, e.Stratum(&l, 0), split.Baseline, 0, tt.baseline[i%len(tt.baseline)])
			score(&l, e.Stratum(&l, 0), split.Candidate, 0, tt.candidate[i%len(tt.candidate)])
		}
		if !e.Learn(&l) {
			t.Fatalf("%s: no scale", name)
		}
		b, c := e.Strata[0].Sides[split.Baseline].Values[0].Bins, e.Strata[0].Sides[split.Candidate].Values[0].Bins
		for i := range c {
			if c[i] > 0 && b[i] > 0 {
				t.Errorf("%s: bin %d has %d of the baseline and %d of the candidate", name, i, b[i], c[i])
			}
		}
	}
}

func TestWhatWaitsForAScaleIsBounded(t *testing.T) {
	t.Parallel()
	l := answers(false)
	s := NewStratum(&l)
	const more = 1000
	for range MaxPending + more {
		score(&l, s, split.Candidate, 0, 1)
	}
	if got := s.Sides[split.Candidate].Outputs[0]; len(s.Raw) != MaxPending || got.Lost != more || got.Values != MaxPending+more {
		t.Errorf("%d wait, %+v", len(s.Raw), got)
	}
	s.Reset()
	if len(s.Raw) != 0 || s.Sides[split.Candidate].Outputs[0] != (OutputCount{}) || !s.Empty() {
		t.Error("it is not empty after a reset")
	}
}

func TestASegmentKeepsNoDistribution(t *testing.T) {
	t.Parallel()
	l := answers(true)
	e := &Evidence{}
	for i := range 2 * LearnFrom {
		score(&l, e.Stratum(&l, 0), split.Baseline, uint8(i), float64(i))
		score(&l, e.SegmentStratum(&l, "X=a", 0), split.Baseline, uint8(i), float64(i))
	}
	e.Learn(&l)
	batch := NewStratum(&l)
	batch.Scales = e.Strata[0].Scales
	batch.Narrow = true
	score(&l, batch, split.Baseline, 3, 5)
	e.SegmentStratum(&l, "X=a", 0).Merge(batch)
	copied := e.Clone(&l)
	score(&l, copied.SegmentStratum(&l, "X=a", 0), split.Baseline, 3, 5)
	v := &copied.SegmentStratum(&l, "X=a", 0).Sides[split.Baseline].Values[0]
	if v.Bins != nil || v.Spread != nil || v.Moments.N != 2*LearnFrom+2 || e.Strata[0].Sides[split.Baseline].Values[0].Bins == nil {
		t.Errorf("%d bins, %v values", len(v.Bins), v.Moments.N)
	}
}

// However answers are split over shards and batches, their outputs are the same.
func TestOutputsMergeInAnyGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := answers(rapid.Bool().Draw(t, "clustered"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		one := &Evidence{}
		for i := range LearnFrom {
			score(&l, one.Stratum(&l, 0), split.Baseline, uint8(i), float64(i%40)/4)
		}
		many := one.Clone(&l)
		one.Learn(&l)
		shards := []*Stratum{NewStratum(&l), NewStratum(&l), NewStratum(&l)}
		for range rapid.IntRange(1, 1000).Draw(t, "answers") {
			o := Observation{Arm: split.Arm(rng.IntN(2)), Bucket: uint8(rng.IntN(256))}
			for output := range 3 {
				for range rng.IntN(3) {
					o.Outputs = append(o.Outputs, Reading{
						Output: output, Kind: ReadingKind(rng.IntN(3)), Value: float64(rng.IntN(40)) / 4, Classes: uint64(rng.IntN(4)),
					})
				}
			}
			one.Strata[0].Observe(&l, o)
			i := rng.IntN(len(shards))
			shards[i].Observe(&l, o)
			if rng.IntN(50) == 0 {
				many.Strata[0].Merge(shards[i])
				shards[i].Reset()
			}
			if rng.IntN(100) == 0 {
				shards[i].Scales = one.Strata[0].Scales // As the data plane gets them.
			}
		}
		many.Strata[0].rescale(one.Strata[0].Scales)
		for _, s := range shards {
			many.Strata[0].Merge(s)
		}
		sameValues(t, one.Strata[0], many.Strata[0])
		for arm := range one.Strata[0].Sides {
			a, b := &one.Strata[0].Sides[arm], &many.Strata[0].Sides[arm]
			if diff := cmp.Diff(a.Outputs, b.Outputs) + cmp.Diff(a.Rates, b.Rates); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestObservingOutputsAllocatesNothing(t *testing.T) {
	l := answers(true)
	e := &Evidence{}
	for i := range 2 * LearnFrom {
		score(&l, e.Stratum(&l, 0), split.Arm(i&1), uint8(i), float64(i))
	}
	e.Learn(&l)
	readings := []Reading{number(0, 3), number(0, 5), {Output: 1, Kind: Text, Classes: 1}, number(2, 9)}
	if n := testing.AllocsPerRun(1000, func() {
		e.Strata[0].Observe(&l, Observation{Arm: split.Candidate, Bucket: 3, Outputs: readings})
	}); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func TestATextHasANumberThatAFloatHolds(t *testing.T) {
	t.Parallel()
	fraud, legit := TextValue([]byte("fraud")), TextValue([]byte("legit"))
	if fraud == legit || fraud != float64(uint64(fraud)) || fraud >= 1<<48 || TextValue([]byte("fraud")) != fraud {
		t.Errorf("fraud is %v, legit is %v", fraud, legit)
	}
}

func TestOutputsCanBeReadBack(t *testing.T) {
	t.Parallel()
	for name, clustered := range map[string]bool{"requests": false, "users": true} {
		l := answers(clustered)
		e := &Evidence{}
		r := rand.New(rand.NewPCG(3, 4))
		for i := range 3000 {
			e.Stratum(&l, i%2).Observe(&l, Observation{Arm: split.Arm(i % 3 % 2), Bucket: uint8(i), Outputs: []Reading{
				number(0, r.NormFloat64()), number(0, r.NormFloat64()), {Output: 1, Kind: Text, Classes: uint64(i % 2)}, {Output: 2},
			}})
		}
		e.Learn(&l)
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var kept Evidence
		if err := json.Unmarshal(body, &kept); err != nil {
			t.Fatal(err)
		}
		for i, s := range kept.Strata {
			if !l.Fits(s) {
				t.Fatalf("%s: stratum %d does not fit", name, i)
			}
			back := NewStratum(&l)
			back.Merge(s)
			if diff := cmp.Diff(e.Strata[i], back); diff != "" {
				t.Fatalf("%s: stratum %d (-was +is):\n%.2000s", name, i, diff)
			}
		}
	}
}
