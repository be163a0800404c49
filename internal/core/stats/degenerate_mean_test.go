package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMeansThatCannotBeGiveNoVerdict(t *testing.T) {
	t.Parallel()
	good := MeanStratum{
		T: MeanArm{N: 5000, Mean: 2, Var: 4, NonZero: 4000},
		C: MeanArm{N: 5000, Mean: 1, Var: 4, NonZero: 4000},
	}
	with := func(f func(s *MeanStratum)) Means {
		s := good
		f(&s)
		return Means{Strata: []MeanStratum{s, good}}
	}
	if got := (Means{Strata: []MeanStratum{good}}).LogE(0, Up, Prior3(.1)); !(got > ln20) {
		t.Fatalf("twice the mean: %v, want evidence", got)
	}
	alone := func(f func(s *MeanStratum)) Means {
		m := with(f)
		return Means{Strata: m.Strata[:1]}
	}
	for name, m := range map[string]Means{
		"no stratum":                    {},
		"no observations":               {Strata: []MeanStratum{{}}},
		"one observation":               alone(func(s *MeanStratum) { s.T.N, s.T.NonZero = 1, 1 }),
		"an empty baseline":             alone(func(s *MeanStratum) { s.C = MeanArm{} }),
		"99 values that are not zero":   alone(func(s *MeanStratum) { s.T.NonZero = 99 }),
		"99 of the baseline":            alone(func(s *MeanStratum) { s.C.NonZero = 99 }),
		"nothing varies":                alone(func(s *MeanStratum) { s.T.Var, s.C.Var = 0, 0 }),
		"a baseline of zero":            alone(func(s *MeanStratum) { s.C.Mean = 0 }),
		"a negative baseline":           alone(func(s *MeanStratum) { s.C.Mean = -1 }),
		"NaN count":                     with(func(s *MeanStratum) { s.T.N = nan }),
		"NaN mean":                      with(func(s *MeanStratum) { s.C.Mean = nan }),
		"NaN variance":                  with(func(s *MeanStratum) { s.C.Var = nan }),
		"NaN non-zeros":                 with(func(s *MeanStratum) { s.C.NonZero = nan }),
		"infinite mean":                 with(func(s *MeanStratum) { s.T.Mean = inf }),
		"infinite variance":             with(func(s *MeanStratum) { s.T.Var = inf }),
		"negative count":                with(func(s *MeanStratum) { s.T.N = -5 }),
		"negative variance":             with(func(s *MeanStratum) { s.T.Var = -5 }),
		"more non-zeros than there are": with(func(s *MeanStratum) { s.T.NonZero = 6000 }),
		"NaN dispersion":                {Strata: []MeanStratum{good}, Phi: nan},
		"negative dispersion":           {Strata: []MeanStratum{good}, Phi: -1},
		"infinite dispersion":           {Strata: []MeanStratum{good}, Phi: inf},
		"NaN minimum":                   {Strata: []MeanStratum{good}, MinNonZero: nan},
		"negative minimum":              {Strata: []MeanStratum{good}, MinNonZero: -1},
	} {
		for _, dir := range []Dir{Up, Down} {
			if got := m.LogE(0, dir, Prior3(.1)); got != 0 {
				t.Errorf("%s, %s: %v, want 0", name, dir, got)
			}
			if got, want := m.Bound(ln20, dir, Prior3(.1)), math.Inf(-int(dir)); got != want {
				t.Errorf("%s, bound %s: %v, want %v", name, dir, got, want)
			}
		}
	}
	m := Means{Strata: []MeanStratum{good}}
	for name, got := range map[string]float64{
		"NaN margin":       m.LogE(nan, Up, Prior3(.1)),
		"infinite margin":  m.LogE(inf, Up, Prior3(.1)),
		"infinitely small": m.LogE(-inf, Up, Prior3(.1)),
		"no direction":     m.LogE(0, 0, Prior3(.1)),
		"no prior":         m.LogE(0, Up, Prior{}),
	} {
		if got != 0 {
			t.Errorf("%s: %v, want 0", name, got)
		}
	}
	if b, c := (Means{}).Levels(); !math.IsNaN(b) || !math.IsNaN(c) || !math.IsNaN(Means{}.Ratio()) {
		t.Errorf("levels of nothing: %v and %v", b, c)
	}
}

func TestLevelsAreComparedWithinStrata(t *testing.T) {
	t.Parallel()
	// Ten percent more in each stratum, although the totals say less.
	m := Means{Strata: []MeanStratum{
		{T: MeanArm{N: 9000, Mean: 1.1, Var: 1, NonZero: 9000}, C: MeanArm{N: 1000, Mean: 1, Var: 1, NonZero: 1000}},
		{T: MeanArm{N: 1000, Mean: 11, Var: 1, NonZero: 1000}, C: MeanArm{N: 9000, Mean: 10, Var: 1, NonZero: 9000}},
	}}
	baseline, candidate := m.Levels()
	check(t, map[string]known{
		"ratio":     {m.Ratio(), 1.1, 12},
		"baseline":  {baseline, 5.5, 12},
		"candidate": {candidate, 6.05, 12},
	})
	if lower := m.Bound(ln20, Up, Prior3(.1)); !(lower > 0 && lower < ln11) {
		t.Errorf("lower bound %v, want between 0 and ln 1.1", lower)
	}
}

func TestHugeMeansDoNotOverflow(t *testing.T) {
	t.Parallel()
	arm := func(mean float64) MeanArm { return MeanArm{N: 1e12, Mean: mean, Var: 1e6, NonZero: 1e9} }
	m := Means{Strata: []MeanStratum{{T: arm(1.2), C: arm(1)}}}
	for name, ok := range map[string]bool{
		"more is found":   m.LogE(ln11, Up, Prior3(.1)) > ln20,
		"less is not":     m.LogE(ln11, Down, Prior3(.1)) < 0,
		"bound near ln12": math.Abs(m.Bound(ln20, Up, Prior3(.1))-ln12) < .2,
		"large values":    m.scaled(1e40).LogE(ln11, Up, Prior3(.1)) > ln20,
	} {
		if !ok {
			t.Errorf("%s: it does not hold", name)
		}
	}
}

func TestARatioMetricNeedsBuckets(t *testing.T) {
	t.Parallel()
	even := func(k int) (y, n []float64) {
		y, n = make([]float64, 256), make([]float64, 256)
		for j := range k {
			y[j], n[j] = float64(j%3), 10
		}
		return y, n
	}
	if got := RatioArm(even2(even(MinBuckets - 1))); got != (MeanArm{}) {
		t.Errorf("too few buckets: %+v, want nothing", got)
	}
	if got := RatioArm(even2(even(MinBuckets))); got.N != 10*MinBuckets || !(got.Var > 0) {
		t.Errorf("enough buckets: %+v", got)
	}
	y, n := even(256)
	n[0] = 1e6 // one bucket has nearly everything
	if got := RatioArm(y, n, 10); got != (MeanArm{}) {
		t.Errorf("one heavy bucket: %+v, want nothing", got)
	}
	for name, bad := range map[string][]float64{"NaN": {nan}, "infinite": {inf}, "negative": {-1}} {
		if got := RatioArm(y, append(bad, n[1:]...), 10); got != (MeanArm{}) {
			t.Errorf("%s count: %+v, want nothing", name, got)
		}
	}
	if got := RatioArm(append([]float64{nan}, y[1:]...), n, 10); got != (MeanArm{}) {
		t.Errorf("NaN value: %+v, want nothing", got)
	}
	if got := RatioArm(nil, nil, 0); got != (MeanArm{}) {
		t.Errorf("no bucket: %+v, want nothing", got)
	}
}

func even2(y, n []float64) ([]float64, []float64, float64) { return y, n, 10 }

func TestTheDispersionOverStrataHasItsCorners(t *testing.T) {
	t.Parallel()
	one := RatioBuckets{TY: []float64{1, 2, 3}, TN: []float64{1, 1, 1}, CY: []float64{3, 1, 1}, CN: []float64{1, 1, 1}}
	check(t, map[string]known{
		"nothing":             {RatioPhi(nil, 0), 1, 12},
		"one arm":             {RatioPhi([]RatioBuckets{{TY: one.TY, TN: one.TN}}, 0), 1, 12},
		"nothing varies":      {RatioPhi([]RatioBuckets{{TY: one.TN, TN: one.TN, CY: one.CN, CN: one.CN}}, 0), 1, 12},
		"a NaN":               {RatioPhi([]RatioBuckets{{TY: []float64{nan}, TN: []float64{1}, CY: []float64{1}, CN: []float64{1}}}, 0), inf, 12},
		"an impossible ratio": {RatioPhi([]RatioBuckets{one}, nan), inf, 12},
	})
	// The same units in two strata alike count twice their variance.
	apart := RatioBuckets{TY: one.TY, TN: one.TN, CY: []float64{1, 1, 1}, CN: []float64{1, 1, 1}}
	if got := RatioPhi([]RatioBuckets{apart, apart}, 0); math.Abs(got-2) > 1e-12 {
		t.Errorf("the same stratum twice: %v, want 2", got)
	}
}

func TestGaugesThatCannotBeGiveNoVerdict(t *testing.T) {
	t.Parallel()
	p := Prior3(.1)
	filled := func(n int, f func(i int) float64) *Batches {
		b := &Batches{}
		for i := range n {
			b.Add(f(i))
		}
		return b
	}
	wave := func(i int) float64 { return 1 + math.Sin(float64(i)*2.1) }
	good := filled(500, wave)
	if got := good.LogE(0, Up, p); !(got > ln20) {
		t.Fatalf("far above 0: %v, want evidence", got)
	}
	broken := func(f func(b *Batches)) *Batches {
		b := filled(500, wave)
		f(b)
		return b
	}
	for name, b := range map[string]*Batches{
		"none":                   nil,
		"empty":                  {},
		"one window":             filled(1, wave),
		"nineteen windows":       filled(19, wave),
		"nothing varies":         filled(500, func(int) float64 { return .3 }),
		"only NaN":               filled(500, func(int) float64 { return nan }),
		"only infinite":          filled(500, func(int) float64 { return inf }),
		"a trend":                filled(500, func(i int) float64 { return float64(i) }),
		"stored NaN":             broken(func(b *Batches) { b.Sum = nan }),
		"stored NaN batch":       broken(func(b *Batches) { b.Full[3] = nan }),
		"stored infinite square": broken(func(b *Batches) { b.Sum2 = inf }),
		"stored odd size":        broken(func(b *Batches) { b.Size = 3 }),
		"stored other count":     broken(func(b *Batches) { b.Count++ }),
		"stored negative count":  broken(func(b *Batches) { b.Count = -7 }),
	} {
		for _, dir := range []Dir{Up, Down} {
			if got := b.LogE(0, dir, p); got != 0 {
				t.Errorf("%s, %s: %v, want 0", name, dir, got)
			}
			if got, want := GaugeBound([]*Batches{b}, ln20, dir, p), math.Inf(-int(dir)); got != want {
				t.Errorf("%s, bound %s: %v, want %v", name, dir, got, want)
			}
		}
	}
	gaps := filled(1000, func(i int) float64 {
		if i%2 == 1 {
			return nan
		}
		return wave(i / 2)
	})
	if diff := cmp.Diff(good, gaps); diff != "" {
		t.Errorf("NaN between the values changes them:\n%s", diff)
	}
	if got := GaugeLogE([]*Batches{good, {}, nil}, 0, Up, p); got != good.LogE(0, Up, p) {
		t.Errorf("empty strata change the evidence: %v", got)
	}
}

func TestALargeOffsetCostsAGaugeNoDigits(t *testing.T) {
	t.Parallel()
	var a, b Batches
	for i := range 400 {
		x := 1e-6 * math.Sin(float64(i)*1.3)
		a.Add(x)
		b.Add(1000 + x)
	}
	_, va, na := a.Estimate()
	_, vb, nb := b.Estimate()
	if math.Abs(va/vb-1) > 1e-4 || math.Abs(na/nb-1) > 1e-4 {
		t.Errorf("variance %v and %v, effective %v and %v", va, vb, na, nb)
	}
}

func TestAGaugeSurvivesStorage(t *testing.T) {
	t.Parallel()
	var straight, stored Batches
	for i := range 700 {
		x := math.Cos(float64(i) * .7)
		straight.Add(x)
		stored.Add(x)
		if i%97 == 0 {
			text, err := json.Marshal(&stored)
			if err != nil {
				t.Fatal(err)
			}
			stored = Batches{}
			if err := json.Unmarshal(text, &stored); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(straight, stored); diff != "" {
		t.Errorf("stored and read (-straight +stored):\n%s", diff)
	}
	if len(straight.Full) >= maxBatches || straight.Size != 16 {
		t.Errorf("%d batches of %d", len(straight.Full), straight.Size)
	}
}

func TestHistogramsThatCannotBeDoNotDrift(t *testing.T) {
	t.Parallel()
	some := []float64{100, 200, 300}
	for name, d := range map[string]Drift{
		"nothing":          {},
		"empty candidate":  {T: []float64{0, 0}, C: some},
		"empty baseline":   {T: some, C: nil},
		"NaN":              {T: []float64{nan, 1}, C: some},
		"negative":         {T: []float64{-1, 5}, C: some},
		"infinite":         {T: some, C: []float64{inf}},
		"negative counts ": {T: some, C: []float64{500, -3}},
	} {
		lower, estimate, upper := d.Bounds(.05)
		if lower != 0 || upper != 1 || !math.IsNaN(estimate) {
			t.Errorf("%s: %v, %v, %v", name, lower, estimate, upper)
		}
		if got := PSI(d.T, d.C); !math.IsNaN(got) {
			t.Errorf("%s: index %v, want NaN", name, got)
		}
	}
	if lower, _, upper := (Drift{T: []float64{99, 0}, C: []float64{0, 1e6}}).Bounds(.05); lower != 0 || upper != 1 {
		t.Errorf("99 observations: %v to %v, want no bounds", lower, upper)
	}
	// Histograms of unequal length are padded.
	if got := KS([]float64{10}, []float64{5, 5}); got != .5 {
		t.Errorf("unequal lengths: %v, want .5", got)
	}
	for _, alpha := range []float64{0, 1, nan, -1} {
		if lower, _, upper := (Drift{T: some, C: some}).Bounds(alpha); lower != 0 || upper != 1 && alpha != 1 {
			t.Errorf("alpha %v: %v to %v", alpha, lower, upper)
		}
	}
}

func TestCovariatesThatCannotBeReduceNothing(t *testing.T) {
	t.Parallel()
	constant := Covariate{}
	for i := range 100 {
		constant.Add(1e6+.1, float64(i%7))
	}
	for name, c := range map[string]Covariate{
		"nothing":          {},
		"one unit":         {N: 1, X: 1, Y: 1, XX: 1, XY: 1, YY: 1},
		"x does not vary":  constant,
		"NaN":              {N: 10, X: nan, Y: 1, XX: 5, XY: 1, YY: 4},
		"negative":         {N: 10, X: 1, Y: 1, XX: -5, XY: 1, YY: 4},
		"negative count":   {N: -10, X: 1, Y: 1, XX: 5, XY: 1, YY: 4},
		"infinite squares": {N: 10, X: 1, Y: 1, XX: inf, XY: 1, YY: 4},
	} {
		if got := c.Theta(); got != 0 {
			t.Errorf("%s: slope %v, want 0", name, got)
		}
		if got := c.Reduction(); got != 1 {
			t.Errorf("%s: reduction %v, want 1", name, got)
		}
	}
	c := Covariate{N: 10, X: nan}
	if got := c.Adjusted(1, 0, 5); got != (MeanArm{}) {
		t.Errorf("NaN: %+v, want nothing", got)
	}
	if got := constant.Adjusted(nan, 0, 5); got != (MeanArm{}) {
		t.Errorf("NaN slope: %+v, want nothing", got)
	}
	before := constant
	constant.Add(nan, 1)
	constant.Add(1, inf)
	constant.Merge(c)
	if constant != before {
		t.Errorf("what cannot be was added: %+v", constant)
	}
	if got := MeanX(); got != 0 {
		t.Errorf("mean of no arm: %v", got)
	}
	var m Moments
	m.Add(nan)
	m.Add(inf)
	m.Merge(Moments{N: -3})
	m.Merge(Moments{N: 3, Mean: nan})
	if m != (Moments{}) || m.Variance() != 0 {
		t.Errorf("what cannot be was added: %+v", m)
	}
}
