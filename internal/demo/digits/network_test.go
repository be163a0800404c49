package digits

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// randomNetwork is a network with weights and biases by chance, never trained.
func randomNetwork(hidden int, seed uint64) *Network {
	chance := rand.New(rand.NewPCG(seed, 99))
	net := newNetwork(hidden)
	for i := range net.params {
		net.params[i] = float32(chance.NormFloat64()) * 0.3
	}
	return net
}

// slowScores computes the network's answer from the formula, in double precision and without any trick.
func slowScores(n *Network, pixels []float32) [Classes]float64 {
	w1, b1, w2, b2 := n.layers(n.params)
	hidden := make([]float64, n.hidden)
	for h := range hidden {
		sum := float64(b1[h])
		for i, p := range pixels {
			sum += float64(w1[h*Pixels+i]) * float64(p) / Ink
		}
		hidden[h] = math.Max(sum, 0)
	}
	var scores [Classes]float64
	total := 0.0
	for c := range scores {
		sum := float64(b2[c])
		for h, a := range hidden {
			sum += float64(w2[c*n.hidden+h]) * a
		}
		scores[c] = math.Exp(sum)
		total += scores[c]
	}
	for c := range scores {
		scores[c] /= total
	}
	return scores
}

func TestPredictAgreesWithTheFormula(t *testing.T) {
	t.Parallel()
	all := load(t)
	rapid.Check(t, func(t *rapid.T) {
		net := randomNetwork(rapid.IntRange(1, maxHidden).Draw(t, "hidden"), rapid.Uint64().Draw(t, "weights"))
		pixels := all[rapid.IntRange(0, len(all)-1).Draw(t, "digit")].Pixels
		class, scores := net.Predict(pixels)
		sum := 0.0
		for c, want := range slowScores(net, pixels) {
			sum += float64(scores[c])
			if math.Abs(float64(scores[c])-want) > 1e-4 {
				t.Fatalf("score of class %d is %v, want %v", c, scores[c], want)
			}
			if scores[c] > scores[class] {
				t.Fatalf("class %d is given, but class %d scores higher", class, c)
			}
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("scores sum to %v", sum)
		}
	})
}

func TestScoresStayFiniteWhenTheLastLayerIsHuge(t *testing.T) {
	t.Parallel()
	scores := [Classes]float32{1e30, -1e30, 500, 0}
	softmax(&scores)
	if scores[0] != 1 || scores[1] != 0 || scores[2] != 0 {
		t.Errorf("got %v, want 1 for the first class and 0 for the others", scores)
	}
}

func TestAccuracyAndErrorCountTheAnswers(t *testing.T) {
	t.Parallel()
	net, all := randomNetwork(8, 1), load(t)[:200]
	right := 0
	for _, digit := range all {
		if class, _ := net.Predict(digit.Pixels); class == digit.Label {
			right++
		}
	}
	if got, want := net.Accuracy(all), float64(right)/200; got != want {
		t.Errorf("accuracy %v, want %v", got, want)
	}
	if got, want := net.Error(all), 1-float64(right)/200; got != want {
		t.Errorf("error %v, want %v", got, want)
	}
	if net.Accuracy(nil) != 0 || net.Error(nil) != 0 {
		t.Error("no digits must count as nothing")
	}
}

func TestManyCanAskOneNetworkAtOnce(t *testing.T) {
	t.Parallel()
	net, all := randomNetwork(32, 3), load(t)[:100]
	want := net.Accuracy(all)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if got := net.Accuracy(all); got != want {
				t.Errorf("accuracy %v, want %v", got, want)
			}
		})
	}
	group.Wait()
}

func TestPredictAllocatesNothing(t *testing.T) {
	net, pixels := randomNetwork(64, 3), load(t)[0].Pixels
	if n := testing.AllocsPerRun(100, func() { net.Predict(pixels) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPredict(b *testing.B) {
	net, pixels := randomNetwork(64, 3), load(b)[0].Pixels
	for b.Loop() {
		net.Predict(pixels)
	}
}
