package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// counted are windows as they come from a rollout.
func counted(t *rapid.T, label string) []Stratum {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Stratum {
		nT, nC := rapid.IntRange(0, 500).Draw(t, "nT"), rapid.IntRange(0, 500).Draw(t, "nC")
		return Stratum{
			NT: float64(nT), KT: float64(rapid.IntRange(0, min(nT, 20)).Draw(t, "kT")),
			NC: float64(nC), KC: float64(rapid.IntRange(0, min(nC, 20)).Draw(t, "kC")),
		}
	}), 0, 80).Draw(t, label)
}

// deviations is the procedure written down plainly.
func deviations(windows []Stratum) (out []float64) {
	var kept Counts
	for _, w := range windows {
		if w.NT > 0 && w.NC > 0 && w.KT+w.KC > 0 {
			kept.Strata = append(kept.Strata, w)
		}
	}
	lam := max(-5, min(5, kept.RatioMLE()))
	for _, w := range kept.Strata {
		q := w.NT / w.NC
		theta := q * math.Exp(lam) / (1 + q*math.Exp(lam))
		k := w.KT + w.KC
		out = append(out, (w.KT-k*theta)/math.Sqrt(k*theta*(1-theta)))
	}
	return out
}

func TestTheDispersionOfWindowsIsThatOfTheProcedure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		strata := [][]Stratum{counted(t, "a"), counted(t, "b")}
		squares, steps, freedom := 0.0, 0.0, 0
		for _, windows := range strata {
			r := deviations(windows)
			for i := range r {
				squares += r[i] * r[i]
				if i > 0 {
					steps += (r[i] - r[i-1]) * (r[i] - r[i-1]) / 2
					freedom++
				}
			}
		}
		got, ok := WindowPhi(strata...)
		if ok != (freedom >= MinWindows-1) {
			t.Fatalf("estimate %v, %t with %d degrees of freedom", got, ok, freedom)
		}
		if want := min(squares, steps) / float64(freedom); ok && math.Abs(got-want) > 1e-4*(1+want) {
			t.Fatalf("dispersion %v, by the procedure %v", got, want)
		}
	})
}

// alternating are windows of 100 requests an arm, in which the candidate has so
// many errors in turn and the baseline ten.
func alternating(n int, kT ...float64) []Stratum {
	out := make([]Stratum, n)
	for i := range out {
		out[i] = Stratum{NT: 100, KT: kT[i%len(kT)], NC: 100, KC: 10}
	}
	return out
}

func TestTheDispersionOfWindowsByHand(t *testing.T) {
	t.Parallel()
	// 5 and 15 of ten expected: at the ratio 1 the windows have 15 and 25 events and
	// the deviations -2.5/sqrt(15/4) and 2.5/sqrt(25/4), squared 5/3 and 1.
	if got, ok := WindowPhi(alternating(40, 5, 15)); !ok || math.Abs(got-40*(4.0/3)/39) > 1e-9 {
		t.Errorf("dispersion %v, %t", got, ok)
	}
	if got, ok := WindowPhi(alternating(40, 10)); !ok || got > 1e-9 {
		t.Errorf("windows that are all alike: %v, %t", got, ok)
	}
	// Twenty windows and twenty others: one step of sqrt(5/3)+1, and the squares of
	// all.
	list := append(alternating(20, 5), alternating(20, 15)...)
	b := RatioBursts(list)
	if want := 20*5.0/3 + 20; math.Abs(b.Squares-want) > 1e-6 {
		t.Errorf("squares %v, want %v", b.Squares, want)
	}
	step := math.Sqrt(5.0/3) + 1
	if got, ok := WindowPhi(list); !ok || math.Abs(got-step*step/2/39) > 1e-9 {
		t.Errorf("a step: dispersion %v, %t", got, ok)
	}
	// Differences of -0.1 and 0.1 around 0, with 20 events in 200 requests.
	crossed := make([]Stratum, 40)
	for i := range crossed {
		kT := float64(5 + 10*(i%2))
		crossed[i] = Stratum{NT: 100, KT: kT, NC: 100, KC: 20 - kT}
	}
	variance := .1 * .9 * 2 / 100 * 200 / 199
	if b := DiffBursts(crossed, 1); math.Abs(b.Squares-40*.01/variance) > 1e-9 || math.Abs(b.Steps-39*.02/variance) > 1e-9 || b.Freedom != 39 {
		t.Errorf("differences: %+v", b)
	}
}

func TestFewWindowsSayNothing(t *testing.T) {
	t.Parallel()
	silent := alternating(60, 20, 0)
	for i := range silent[:31] {
		switch i % 3 {
		case 0:
			silent[i].NT, silent[i].KT = 0, 0
		case 1:
			silent[i].NC, silent[i].KC = 0, 0
		case 2:
			silent[i].KT, silent[i].KC = 0, 0
		}
	}
	for name, strata := range map[string][][]Stratum{
		"none":                           nil,
		"29":                             {alternating(29, 20, 0)},
		"29 with events and both arms":   {silent},
		"30 of two strata":               {alternating(15, 20, 0), alternating(15, 20, 0)},
		"many strata of one window each": {alternating(1, 9), alternating(1, 3), alternating(1, 3), {}},
	} {
		if phi, ok := WindowPhi(strata...); ok {
			t.Errorf("%s: dispersion %v", name, phi)
		}
	}
	for name, strata := range map[string][][]Stratum{
		"30":               {alternating(30, 20, 0)},
		"31 of two strata": {alternating(16, 20, 0), alternating(15, 20, 0)},
	} {
		if phi, ok := WindowPhi(strata...); !ok || phi < 3 {
			t.Errorf("%s: dispersion %v, %t", name, phi, ok)
		}
	}
}

func TestWindowsThatCannotBeSayNothing(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]Stratum{
		"no number": {NT: math.NaN(), KT: 1, NC: 1, KC: 1},
		"infinity":  {NT: 1, KT: math.Inf(1), NC: 1, KC: 1},
		"negative":  {NT: 100, KT: 1, NC: 100, KC: -1},
	} {
		list := alternating(40, 20, 0)
		list[7] = bad
		if phi, ok := WindowPhi(list); ok {
			t.Errorf("%s: dispersion %v", name, phi)
		}
		if phi, ok := DiffBursts(list, 1).Phi(); ok {
			t.Errorf("%s: dispersion of differences %v", name, phi)
		}
	}
	for _, m := range []float64{math.NaN(), 0, -1, math.Inf(1)} {
		if phi, ok := DiffBursts(alternating(40, 20, 0), m).Phi(); ok {
			t.Errorf("slope %v: dispersion %v", m, phi)
		}
	}
	for name, list := range map[string][]Stratum{
		"no event at the candidate": alternating(40, 0),
		"more events than exposed":  alternating(40, 300, 250),
		"1e90 events":               {{1e99, 1e90, 1, 1}, {1, 1, 1e99, 1e90}},
	} {
		for _, b := range []Bursts{RatioBursts(list), DiffBursts(list, 1)} {
			if phi, ok := b.Phi(); ok && !(phi >= 0 && phi < 1e100) {
				t.Errorf("%s: dispersion %v", name, phi)
			}
		}
	}
}

func FuzzWindowPhi(f *testing.F) {
	f.Add(100.0, 5.0, 100.0, 10.0, 7.0)
	f.Add(0.0, 0.0, 1e12, 1.0, 1e-300)
	f.Add(math.NaN(), math.Inf(1), -1.0, 1e300, 1e100)
	f.Fuzz(func(t *testing.T, nT, kT, nC, kC, x float64) {
		var list []Stratum
		for i := range 40 {
			list = append(list, Stratum{NT: nT, KT: kT, NC: nC + x*float64(i%3), KC: kC})
			kT, kC = kC, kT
		}
		for _, b := range []Bursts{RatioBursts(list), DiffBursts(list, 1), DiffBursts(list, x)} {
			if phi, ok := b.Phi(); ok && !(phi >= 0 && phi < math.Inf(1)) {
				t.Errorf("dispersion %v of %+v", phi, b)
			}
		}
	})
}

func BenchmarkWindowPhi(b *testing.B) {
	d := newDraw(1, 1)
	list := make([]Stratum, 64)
	for i := range list {
		list[i] = Stratum{NT: 100, KT: float64(d.binomial(100, .05)), NC: 900, KC: float64(d.binomial(900, .05))}
	}
	b.Run("ratio", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			RatioBursts(list)
		}
	})
	b.Run("difference", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			DiffBursts(list, 1)
		}
	})
}
