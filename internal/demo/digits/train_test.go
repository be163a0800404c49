package digits

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// loss is the cross-entropy of one digit, from the formula.
func loss(n *Network, digit Digit) float64 {
	return -math.Log(slowScores(n, digit.Pixels)[digit.Label])
}

func TestTheGradientIsTheSlopeOfTheLoss(t *testing.T) {
	t.Parallel()
	digit := load(t)[42]
	tr := newTrainer(Options{Digits: []Digit{digit}, Hidden: 6}.withDefaults())
	tr.net.params = randomNetwork(6, 11).params
	tr.backward(digit.Pixels, digit.Label)
	const step = 1e-3
	for i := range tr.net.params {
		was := tr.net.params[i]
		tr.net.params[i] = was + step
		up := loss(tr.net, digit)
		tr.net.params[i] = was - step
		down := loss(tr.net, digit)
		tr.net.params[i] = was
		slope := (up - down) / (2 * step)
		if math.Abs(slope-float64(tr.grad[i])) > 2e-3 {
			t.Errorf("parameter %d: gradient %v, slope %v", i, tr.grad[i], slope)
		}
	}
}

func TestAdamTakesTheStepsOfThePaper(t *testing.T) {
	t.Parallel()
	// For a constant gradient both corrected means equal the gradient and its square, so every step is the rate long.
	a := newAdam(2, 0.01)
	params, grad := []float32{1, 1}, []float32{8, -0.5}
	for range 5 {
		a.step(params, grad, 0.25)
	}
	for i, want := range []float64{0.95, 1.05} {
		if math.Abs(float64(params[i])-want) > 1e-4 {
			t.Errorf("parameter %d is %v after 5 steps, want %v", i, params[i], want)
		}
	}
}

func TestTheSameSeedTrainsTheSameNetworkAndAnotherSeedAnother(t *testing.T) {
	t.Parallel()
	split := newSplit(t, 1)
	train := func(seed uint64) *Network {
		net, err := Train(t.Context(), Options{Digits: split.Training[:200], Seed: seed, Epochs: 2, WrongLabels: 0.1})
		if err != nil {
			t.Fatalf("train: %v", err)
		}
		return net
	}
	one, again, other := train(5), train(5), train(6)
	if !cmp.Equal(one.params, again.params) {
		t.Error("seed 5 gives other weights the second time")
	}
	if cmp.Equal(one.params, other.params) {
		t.Error("seeds 5 and 6 give the same weights")
	}
}

func TestALongerTrainedNetworkReadsBetterThanChance(t *testing.T) {
	t.Parallel()
	split := newSplit(t, 2)
	net, err := Train(t.Context(), Options{Digits: split.Training, Seed: 2, Epochs: 3})
	if err != nil {
		t.Fatalf("train: %v", err)
	}
	if got := net.Error(split.HeldOut); got > 0.20 {
		t.Errorf("%.1f %% wrong after 3 epochs, want at most 20 %%", 100*got)
	}
	if got := randomNetwork(32, 1).Error(split.HeldOut); got < 0.70 {
		t.Errorf("an untrained network reads only %.1f %% wrong", 100*got)
	}
}

func TestExactlyTheGivenShareOfLabelsIsWrong(t *testing.T) {
	t.Parallel()
	all := load(t)
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		digits := all[:rapid.IntRange(1, len(all)).Draw(t, "digits")]
		told := labels(Options{Digits: digits, Seed: rapid.Uint64().Draw(t, "seed"), WrongLabels: share})
		wrong := 0
		for i, label := range told {
			if label < 0 || label >= Classes {
				t.Fatalf("label %d", label)
			}
			if label != digits[i].Label {
				wrong++
			}
		}
		if want := int(math.Round(share * float64(len(digits)))); wrong != want {
			t.Fatalf("%d of %d labels wrong, want %d", wrong, len(digits), want)
		}
	})
}

func TestWrongLabelsDoNotChangeTheDigitsThemselves(t *testing.T) {
	t.Parallel()
	split, untouched := newSplit(t, 3), newSplit(t, 3)
	if _, err := Train(t.Context(), Options{Digits: split.Training, Epochs: 1, WrongLabels: 1}); err != nil {
		t.Fatalf("train: %v", err)
	}
	if diff := cmp.Diff(untouched.Training, split.Training); diff != "" {
		t.Errorf("training changed its digits:\n%s", diff)
	}
}

func TestTrainingEndsWhenUntilSaysSo(t *testing.T) {
	t.Parallel()
	asked := 0
	_, err := Train(t.Context(), Options{
		Digits: load(t), Epochs: 1000, CheckEvery: 3,
		Until: func(*Network) bool { asked++; return asked == 5 },
	})
	if err != nil {
		t.Fatalf("train: %v", err)
	}
	if asked != 5 {
		t.Errorf("asked %d times, want 5", asked)
	}
}

func TestTrainingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Train(ctx, Options{
		Digits: load(t)[:64], Epochs: 1 << 30,
		Until: func(*Network) bool { cancel(); return false },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestOptionsThatCannotBeAreRefusedByName(t *testing.T) {
	t.Parallel()
	digits := load(t)[:10]
	cases := map[string]struct {
		opts Options
		want string
	}{
		"no digits":              {Options{}, "no digits"},
		"too many hidden units":  {Options{Digits: digits, Hidden: 129}, "129 hidden units"},
		"negative hidden units":  {Options{Digits: digits, Hidden: -1}, "-1 hidden units"},
		"negative epochs":        {Options{Digits: digits, Epochs: -1}, "epochs -1"},
		"negative batch":         {Options{Digits: digits, Batch: -2}, "batch -2"},
		"a rate that is no rate": {Options{Digits: digits, Rate: math.NaN()}, "rate NaN"},
		"more than all wrong":    {Options{Digits: digits, WrongLabels: 1.5}, "wrong labels 1.5"},
		"a digit without pixels": {Options{Digits: []Digit{{Label: 3}}}, "digit 0 has 0 pixels"},
		"a label that is none":   {Options{Digits: []Digit{{Pixels: digits[0].Pixels, Label: 10}}}, "label 10"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Train(t.Context(), c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func BenchmarkTrainOneEpoch(b *testing.B) {
	split := newSplit(b, 1)
	for b.Loop() {
		if _, err := Train(b.Context(), Options{Digits: split.Training, Hidden: 64, Epochs: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
