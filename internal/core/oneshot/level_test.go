package oneshot

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The level of a test is how often it claims what is wrong. Here it is counted:
// over all outcomes where there are few, over a seeded sample where not.

const alpha = .05

var scale = flag.Int("oneshot.scale", 1, "how many times as often each simulation is run")

// binomials returns the probabilities of 0 to n events.
func binomials(n int, p float64) []float64 {
	out := make([]float64, n+1)
	for k := range out {
		out[k] = math.Exp(logChoose(float64(n), float64(k)) + xlogy(float64(k), p) + xlogy(float64(n-k), 1-p))
	}
	return out
}

func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}

var directions = []stats.Dir{stats.Up, stats.Down}

func TestACeilingKeepsItsLevelExactly(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 20, 300} {
		for _, p := range []float64{.001, .05, .5, .9} {
			for _, dir := range directions {
				wrong := 0.0
				for k, chance := range binomials(n, p) {
					if (Ceiling{K: float64(k), N: float64(n)}).P(p, dir) <= alpha {
						wrong += chance
					}
				}
				if wrong > alpha {
					t.Errorf("n %d, p %v, %s: wrong with probability %.4f", n, p, dir, wrong)
				}
			}
		}
	}
}

func TestTheRatioOfRatesKeepsItsLevelExactly(t *testing.T) {
	t.Parallel()
	for _, margin := range []float64{-.3, 0, .5} {
		for _, q := range []float64{1.0 / 9, 1, 4} {
			for _, events := range []int{1, 7, 60} {
				share := q * math.Exp(margin) / (1 + q*math.Exp(margin))
				for _, dir := range directions {
					wrong := 0.0
					for k, chance := range binomials(events, share) {
						r := Rates{Strata: []stats.Stratum{{NT: 1000 * q, KT: float64(k), NC: 1000, KC: float64(events - k)}}}
						if r.P(margin, dir) <= alpha {
							wrong += chance
						}
					}
					if wrong > alpha {
						t.Errorf("margin %v, q %v, %d events, %s: wrong with probability %.4f", margin, q, events, dir, wrong)
					}
				}
			}
		}
	}
}

func TestADifferenceKeepsItsLevel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		nT, nC int
		pC, a  float64
	}{
		{100, 100, .02, .05}, {100, 100, .3, 0}, {60, 200, .1, .04}, {300, 60, .05, .02}, {400, 400, .01, .01}, {50, 50, .5, -.1},
	} {
		pT, pC := binomials(test.nT, test.pC+test.a), binomials(test.nC, test.pC)
		for _, dir := range directions {
			wrong := 0.0
			for kT, x := range pT {
				for kC, y := range pC {
					if x*y < 1e-9 {
						continue
					}
					d := Differences{Counts: stats.Counts{Strata: []stats.Stratum{{
						NT: float64(test.nT), KT: float64(kT), NC: float64(test.nC), KC: float64(kC),
					}}}}
					if d.P(test.a, dir) <= alpha {
						wrong += x * y
					}
				}
			}
			t.Logf("%+v, %s: %.4f", test, dir, wrong)
			// The score is asymptotic; for few events it is off by little.
			if wrong > .07 {
				t.Errorf("%+v, %s: wrong with probability %.4f", test, dir, wrong)
			}
		}
	}
}

func TestPairedRatesKeepTheirLevel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		n             int
		onlyT, margin float64 // probability of a row that only the candidate fails; the margin is the truth
	}{
		{60, .1, 0}, {60, .1, .05}, {120, .06, .05}, {200, .02, .01}, {200, .01, -.02}, {40, .2, -.1}, {150, .05, .05},
	} {
		onlyC := test.onlyT - test.margin
		for _, dir := range directions {
			wrong := 0.0
			for kT, x := range binomials(test.n, test.onlyT) {
				for kC, y := range binomials(test.n-kT, onlyC/(1-test.onlyT)) {
					if x*y < 1e-10 {
						continue
					}
					p := PairedRates{N: float64(test.n), OnlyT: float64(kT), OnlyC: float64(kC)}
					if p.P(test.margin, dir) <= alpha {
						wrong += x * y
					}
				}
			}
			t.Logf("%+v, %s: %.4f", test, dir, wrong)
			if wrong > .07 || test.margin == 0 && wrong > alpha {
				t.Errorf("%+v, %s: wrong with probability %.4f", test, dir, wrong)
			}
		}
	}
}

func TestQuantilesKeepTheirLevel(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(1, 2))
	const margin = .0953
	for _, test := range []struct {
		tau    float64
		nT, nC int
	}{{.5, 40, 60}, {.9, 100, 100}, {.99, 300, 1000}, {.95, 500, 30}} {
		wrong := map[stats.Dir]float64{}
		reps := 3000 * *scale
		for range reps {
			a, b := make([]float64, test.nT), make([]float64, test.nC)
			for i := range a {
				a[i] = math.Exp(.7*chance.NormFloat64() + margin)
			}
			for i := range b {
				b[i] = math.Exp(.7 * chance.NormFloat64())
			}
			q := NewQuantiles(a, b, test.tau)
			for _, dir := range directions {
				if q.P(margin, dir) <= alpha {
					wrong[dir] += 1 / float64(reps)
				}
			}
		}
		for _, dir := range directions {
			t.Logf("%+v, %s: %.4f", test, dir, wrong[dir])
			if wrong[dir] > alpha+3*math.Sqrt(alpha*(1-alpha)/float64(reps)) {
				t.Errorf("%+v, %s: wrong in %.2f %%", test, dir, 100*wrong[dir])
			}
		}
	}
}

func TestExceedancesAreCountedExactly(t *testing.T) {
	t.Parallel()
	// All orders of 4 values among 5.
	const n, m = 4, 5
	for r := 1; r <= m; r++ {
		counts, orders := make([]float64, n+2), 0.0
		for set := range 1 << (n + m) {
			above, seen, ones := 0, 0, 0
			for i := range n + m { // from the largest down
				if set>>i&1 == 1 {
					ones++
					if seen < r {
						above++
					}
				} else {
					seen++
				}
			}
			if ones == n {
				counts[above]++
				orders++
			}
		}
		tail := 0.0
		for k := n; k >= 0; k-- {
			tail += counts[k] / orders
			if got := exceedanceTail(float64(k), n, float64(r), m); math.Abs(got-tail) > 1e-12 {
				t.Errorf("at least %d above rank %d: %v, want %v", k, r, got, tail)
			}
		}
	}
}

func TestMeansKeepTheirLevel(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(3, 4))
	sample := func(n int, scale, sigma float64) stats.MeanArm {
		var m stats.Moments
		for range n {
			m.Add(scale * math.Exp(sigma*chance.NormFloat64()))
		}
		return stats.MeanArm{N: m.N, Mean: m.Mean, Var: m.Variance(), NonZero: m.N}
	}
	const margin = -.05
	reps := 2000 * *scale
	for _, test := range []struct {
		nT, nC int
		sigma  float64
	}{{40, 40, .3}, {40, 400, .8}, {400, 40, .8}, {200, 2000, 1}} {
		wrong := map[stats.Dir]float64{}
		for range reps {
			m := Means{Strata: []stats.MeanStratum{{
				T: sample(test.nT, math.Exp(margin), test.sigma), C: sample(test.nC, 1, test.sigma),
			}}}
			for _, dir := range directions {
				if m.P(margin, dir) <= alpha {
					wrong[dir] += 1 / float64(reps)
				}
			}
		}
		for _, dir := range directions {
			t.Logf("%+v, %s: %.4f", test, dir, wrong[dir])
			if wrong[dir] > .07 {
				t.Errorf("%+v, %s: wrong in %.2f %%", test, dir, 100*wrong[dir])
			}
		}
	}
}

func TestPairedMeansKeepTheirLevelAndGainByPairing(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(5, 6))
	const margin, n = .05, 60
	reps := 1500 * *scale
	wrong := map[string]float64{}
	found := map[string]int{}
	for range reps {
		var pairs, better stats.Covariate
		var shift stats.Moments
		var t, c stats.Moments
		for range n {
			row := 5 + 2*chance.NormFloat64()
			x, y := row+.3*chance.NormFloat64(), math.Exp(margin)*(row+.3*chance.NormFloat64())
			pairs.Add(x, y)
			shift.Add(y - x)
			better.Add(x, y*.97)
			c.Add(x)
			t.Add(y * .97)
		}
		for _, dir := range directions {
			if PairedMeans(pairs).P(margin, dir) <= alpha {
				wrong["ratio "+dir.String()] += 1 / float64(reps)
			}
			if Shift(shift).P(5*math.Expm1(margin), dir) <= alpha {
				wrong["shift "+dir.String()] += 1 / float64(reps)
			}
		}
		arm := func(m stats.Moments) stats.MeanArm {
			return stats.MeanArm{N: m.N, Mean: m.Mean, Var: m.Variance(), NonZero: m.N}
		}
		if PairedMeans(better).P(margin, stats.Down) <= alpha {
			found["paired"]++
		}
		if (Means{Strata: []stats.MeanStratum{{T: arm(t), C: arm(c)}}}).P(margin, stats.Down) <= alpha {
			found["apart"]++
		}
	}
	for name, share := range wrong {
		if share > alpha+3*math.Sqrt(alpha*(1-alpha)/float64(reps)) {
			t.Errorf("%s: wrong in %.2f %%", name, 100*share)
		}
	}
	if found["paired"] < 3*found["apart"] {
		t.Errorf("found %d times by pairs, %d times apart", found["paired"], found["apart"])
	}
}

func TestDriftKeepsItsLevel(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(7, 8))
	reps := 500 * *scale
	wrong := 0
	for range reps {
		d := Drift{T: make([]float64, 40), C: make([]float64, 40)}
		for range 400 {
			d.T[chance.IntN(40)]++
			d.C[chance.IntN(40)]++
		}
		if d.P(0, stats.Up) <= alpha {
			wrong++
		}
	}
	if wrong > reps/20 {
		t.Errorf("wrong %d times of %d", wrong, reps)
	}
}

func TestStrataKeepTheirLevel(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(9, 10))
	draw := func(n, p float64) (k float64) {
		for range int(n) {
			if chance.Float64() < p {
				k++
			}
		}
		return k
	}
	reps := 2000 * *scale
	wrong := map[string]float64{}
	for range reps {
		// The baseline drifts between the strata, the margin is the truth.
		rates := []stats.Stratum{
			{NT: 100, KT: draw(100, .06), NC: 400, KC: draw(400, .05)},
			{NT: 300, KT: draw(300, .18), NC: 200, KC: draw(200, .15)},
		}
		diffs := []stats.Stratum{
			{NT: 100, KT: draw(100, .07), NC: 400, KC: draw(400, .05)},
			{NT: 300, KT: draw(300, .17), NC: 200, KC: draw(200, .15)},
		}
		for _, dir := range directions {
			if (Rates{Strata: rates}).P(math.Log(1.2), dir) <= alpha {
				wrong["ratio "+dir.String()] += 1 / float64(reps)
			}
			if (Differences{Counts: stats.Counts{Strata: diffs}}).P(.02, dir) <= alpha {
				wrong["difference "+dir.String()] += 1 / float64(reps)
			}
		}
	}
	for name, share := range wrong {
		t.Logf("%s: %.4f", name, share)
		if share > alpha+3*math.Sqrt(alpha*(1-alpha)/float64(reps)) {
			t.Errorf("%s: wrong in %.2f %%", name, 100*share)
		}
	}
}
