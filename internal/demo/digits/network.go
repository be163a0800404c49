package digits

import "math"

// Network is a small feed-forward network: 64 pixels, one hidden layer of rectified linear units, 10 classes by softmax.
// After training it is read-only and safe for use by many goroutines at once.
type Network struct {
	hidden int
	// The parameters lie in one slice, so that an optimiser can walk over all of them: the weights of the hidden layer
	// (one row of 64 per unit), its biases, the weights of the output layer (one row of hidden per class), its biases.
	params []float32
}

// maxHidden bounds the hidden layer, so that Predict needs no heap.
const maxHidden = 128

func newNetwork(hidden int) *Network {
	return &Network{hidden: hidden, params: make([]float32, hidden*Pixels+hidden+Classes*hidden+Classes)}
}

// layers gives views into a slice that is laid out as the parameters are: the network's own, or its gradient.
func (n *Network) layers(params []float32) (w1, b1, w2, b2 []float32) {
	end1 := n.hidden * Pixels
	end2 := end1 + n.hidden
	end3 := end2 + Classes*n.hidden
	return params[:end1], params[end1:end2], params[end2:end3], params[end3:]
}

// Hidden is the number of units in the hidden layer.
func (n *Network) Hidden() int { return n.hidden }

// Predict reads one digit: the class with the highest score, and the scores of all classes, which sum to 1. It expects
// 64 pixels from 0 to 16, and panics if there are fewer: the server checks shapes before it asks.
func (n *Network) Predict(pixels []float32) (class int, scores [10]float32) {
	var act activation
	n.forward(pixels, &act)
	return argmax(act.scores), act.scores
}

// activation is what one digit makes of a network: the hidden layer after its rectifier, and the scores.
type activation struct {
	hidden [maxHidden]float32
	scores [Classes]float32
}

func (n *Network) forward(pixels []float32, act *activation) {
	w1, b1, w2, b2 := n.layers(n.params)
	pixels = pixels[:Pixels]
	hidden := act.hidden[:n.hidden]
	for h := range hidden {
		sum := dot(w1[h*Pixels:(h+1)*Pixels], pixels)*(1.0/Ink) + b1[h]
		hidden[h] = max(sum, 0)
	}
	for c := range act.scores {
		act.scores[c] = dot(w2[c*n.hidden:(c+1)*n.hidden], hidden) + b2[c]
	}
	softmax(&act.scores)
}

// dot is the inner product of two slices of one length. Four sums run side by side, because one alone waits for each of
// its own additions.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// softmax turns scores into shares of 1. The highest is taken off first, so that no exponential overflows.
func softmax(scores *[Classes]float32) {
	top := scores[argmax(*scores)]
	var sum float32
	for c, s := range scores {
		e := float32(math.Exp(float64(s - top)))
		scores[c] = e
		sum += e
	}
	for c := range scores {
		scores[c] /= sum
	}
}

func argmax(scores [Classes]float32) int {
	best := 0
	for c, s := range scores {
		if s > scores[best] {
			best = c
		}
	}
	return best
}

// Accuracy is the share of digits that the network reads as they were meant; 0 for no digits.
func (n *Network) Accuracy(digits []Digit) float64 {
	if len(digits) == 0 {
		return 0
	}
	right := 0
	for _, digit := range digits {
		if class, _ := n.Predict(digit.Pixels); class == digit.Label {
			right++
		}
	}
	return float64(right) / float64(len(digits))
}

// Error is the share of digits that the network reads wrongly; 0 for no digits.
func (n *Network) Error(digits []Digit) float64 {
	if len(digits) == 0 {
		return 0
	}
	return 1 - n.Accuracy(digits)
}
