package stats

import (
	"math"
	"testing"
)

// skewed is the stratum of the known answers, and even the one beside it.
var (
	skewed = MeanStratum{
		T: MeanArm{N: 2000, Mean: .95, Var: 64, NonZero: 400},
		C: MeanArm{N: 198000, Mean: 1, Var: 81, NonZero: 40000},
	}
	halves = MeanStratum{
		T: MeanArm{N: 50000, Mean: .9, Var: 70, NonZero: 9000},
		C: MeanArm{N: 50000, Mean: 1.02, Var: 80, NonZero: 10000},
	}
)

func TestMeansGiveTheKnownAnswers(t *testing.T) {
	t.Parallel()
	log := math.Log(.98)
	one, both := Means{Strata: []MeanStratum{skewed}}, Means{Strata: []MeanStratum{skewed, halves}}
	d1, v1, base1 := one.Contrast(log)
	d2, v2, base2 := both.Contrast(log)
	// What the variance would be without the max-variance rule.
	raw := 64.0/2000 + .98*.98*81/198000
	check(t, map[string]known{
		"one stratum, d":           {d1, -.03, 9},
		"one stratum, v":           {v1, 0.039289091, 9},
		"one stratum, base":        {base1, 1, 9},
		"one stratum, logE":        {one.LogE(log, Down, Prior3(.1)), -0.189943674, 9},
		"two strata, d":            {d2, -0.094492216, 9},
		"two strata, v":            {v2, 0.002850351429, 12},
		"two strata, base":         {base2, 1.018532246, 9},
		"two strata, logE":         {both.LogE(log, Down, Prior3(.1)), 0.764904468, 9},
		"one stratum, raw v":       {raw, 0.032392891, 9},
		"one stratum, raw v, logE": {LogENormalMix(.03/math.Sqrt(raw), 1/raw, Prior3(.1)), -0.204125128, 9},
	})
}

func TestBatchMeansGiveTheKnownAnswers(t *testing.T) {
	t.Parallel()
	var b Batches
	x := 0.0
	for i := range 300 {
		x = .7*x + math.Sin(float64(i)*1.7)
		b.Add(x)
	}
	f, ok := fitGauge([]*Batches{&b})
	mean, variance, nEff := b.Estimate()
	if !ok || b.Size != 8 || len(b.Full) != 37 || b.OpenN != 4 {
		t.Errorf("size %d, %d full, %d open, want 8, 37 and 4", b.Size, len(b.Full), b.OpenN)
	}
	check(t, map[string]known{
		"mean":     {mean, .003270984, 9},
		"iid":      {f.iid, 1.005439e-3, 9},
		"bm":       {f.batches, 6.355105e-5, 11},
		"ar":       {f.correlated, 1.005439e-3, 9},
		"variance": {variance, 1.005439e-3, 9},
		"nEff":     {nEff, 300, 6},
	})
}
