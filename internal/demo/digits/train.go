package digits

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// Options say how a network is trained. What is left zero takes its default.
type Options struct {
	// Digits are what the network learns from; there must be some.
	Digits []Digit
	// Seed decides the first weights, the order of the digits, and which labels are wrong.
	Seed uint64
	// Hidden is the number of units in the hidden layer, 32 by default, at most 128.
	Hidden int
	// Epochs is how many times the network sees every digit, 40 by default.
	Epochs int
	// Batch is the number of digits per step, 16 by default.
	Batch int
	// Rate is the step size of Adam, 0.003 by default.
	Rate float64
	// WrongLabels is the share of digits that are learned with a label other than the one that was meant, from 0 to 1.
	WrongLabels float64
	// Until ends training early when it says so. It is asked after every CheckEvery steps.
	Until func(*Network) bool
	// CheckEvery is the number of steps between two questions to Until, 4 by default.
	CheckEvery int
}

func (o Options) withDefaults() Options {
	setDefault(&o.Hidden, 32)
	setDefault(&o.Epochs, 40)
	setDefault(&o.Batch, 16)
	setDefault(&o.Rate, 0.003)
	setDefault(&o.CheckEvery, 4)
	return o
}

func setDefault[T int | float64](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

func (o Options) check() error {
	switch {
	case len(o.Digits) == 0:
		return fmt.Errorf("no digits to learn from")
	case o.Hidden < 1 || o.Hidden > maxHidden:
		return fmt.Errorf("%d hidden units, want 1 to %d", o.Hidden, maxHidden)
	case o.Epochs < 1 || o.Batch < 1 || o.CheckEvery < 1:
		return fmt.Errorf("epochs %d, batch %d, check every %d: each must be at least 1", o.Epochs, o.Batch, o.CheckEvery)
	case !(o.Rate > 0 && o.Rate <= 1):
		return fmt.Errorf("rate %v, want above 0 and at most 1", o.Rate)
	case !(o.WrongLabels >= 0 && o.WrongLabels <= 1):
		return fmt.Errorf("wrong labels %v, want 0 to 1", o.WrongLabels)
	}
	for i, digit := range o.Digits {
		if len(digit.Pixels) != Pixels || digit.Label < 0 || digit.Label >= Classes {
			return fmt.Errorf("digit %d has %d pixels and label %d", i, len(digit.Pixels), digit.Label)
		}
	}
	return nil
}

// Train teaches a network by mini-batch gradient descent on the cross-entropy, with Adam (Kingma and Ba, ICLR 2015,
// algorithm 1). It ends early, with an error, when the context does.
func Train(ctx context.Context, opts Options) (*Network, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("train a network: %w", err)
	}
	t := newTrainer(opts)
	for range opts.Epochs {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("train a network: %w", err)
		}
		if t.epoch() {
			break
		}
	}
	return t.net, nil
}

// trainer is a network on its way, with everything that learning needs beside the weights.
type trainer struct {
	opts   Options
	net    *Network
	labels []int
	order  []int
	chance *rand.Rand
	grad   []float32
	adam   adam
	steps  int
}

func newTrainer(opts Options) *trainer {
	net := newNetwork(opts.Hidden)
	net.initialise(rand.New(rand.NewPCG(opts.Seed, streamWeights)))
	t := &trainer{
		opts:   opts,
		net:    net,
		labels: labels(opts),
		order:  make([]int, len(opts.Digits)),
		chance: rand.New(rand.NewPCG(opts.Seed, streamOrder)),
		grad:   make([]float32, len(net.params)),
		adam:   newAdam(len(net.params), opts.Rate),
	}
	for i := range t.order {
		t.order[i] = i
	}
	return t
}

// initialise draws the first weights as He et al. (ICCV 2015) do for rectified units: normal, with variance 2 over the
// number of inputs. Biases start at 0.
func (n *Network) initialise(chance *rand.Rand) {
	w1, _, w2, _ := n.layers(n.params)
	fill := func(weights []float32, inputs int) {
		spread := math.Sqrt(2 / float64(inputs))
		for i := range weights {
			weights[i] = float32(chance.NormFloat64() * spread)
		}
	}
	fill(w1, Pixels)
	fill(w2, n.hidden)
}

// labels are what the network is told: what was meant, but for the given share of digits, chosen by chance, another
// class, also chosen by chance.
func labels(opts Options) []int {
	told := make([]int, len(opts.Digits))
	for i, digit := range opts.Digits {
		told[i] = digit.Label
	}
	chance := rand.New(rand.NewPCG(opts.Seed, streamLabels))
	wrong := int(math.Round(opts.WrongLabels * float64(len(told))))
	for _, i := range chance.Perm(len(told))[:wrong] {
		told[i] = (told[i] + 1 + chance.IntN(Classes-1)) % Classes
	}
	return told
}

// epoch shows the network every digit once, in a new order, and says whether Until ended training.
func (t *trainer) epoch() (done bool) {
	t.chance.Shuffle(len(t.order), func(i, j int) { t.order[i], t.order[j] = t.order[j], t.order[i] })
	for rest := t.order; len(rest) > 0; {
		size := min(t.opts.Batch, len(rest))
		t.step(rest[:size])
		rest = rest[size:]
		if t.opts.Until != nil && t.steps%t.opts.CheckEvery == 0 && t.opts.Until(t.net) {
			return true
		}
	}
	return false
}

func (t *trainer) step(batch []int) {
	clear(t.grad)
	for _, i := range batch {
		t.backward(t.opts.Digits[i].Pixels, t.labels[i])
	}
	t.steps++
	t.adam.step(t.net.params, t.grad, 1/float32(len(batch)))
}

// backward adds one digit's gradient of the cross-entropy to the batch's.
func (t *trainer) backward(pixels []float32, label int) {
	net := t.net
	var act activation
	net.forward(pixels, &act)
	hidden := act.hidden[:net.hidden]
	_, _, w2, _ := net.layers(net.params)
	g1, gb1, g2, gb2 := net.layers(t.grad)

	var back [maxHidden]float32
	for c, score := range act.scores {
		delta := score // The derivative of softmax with cross-entropy: the score, less 1 at the label.
		if c == label {
			delta--
		}
		gb2[c] += delta
		row, gradRow := w2[c*net.hidden:(c+1)*net.hidden], g2[c*net.hidden:(c+1)*net.hidden]
		for h, a := range hidden {
			gradRow[h] += delta * a
			back[h] += delta * row[h]
		}
	}
	for h, a := range hidden {
		if a == 0 {
			continue // A unit that is off passes nothing back.
		}
		gb1[h] += back[h]
		gradRow, scaled := g1[h*Pixels:(h+1)*Pixels], back[h]*(1.0/Ink)
		for i, p := range pixels {
			gradRow[i] += scaled * p
		}
	}
}

// adam keeps the running means of the gradient and of its square.
type adam struct {
	rate         float64
	first, other []float32
	decay1       float64
	decay2       float64
}

func newAdam(params int, rate float64) adam {
	return adam{rate: rate, first: make([]float32, params), other: make([]float32, params), decay1: 1, decay2: 1}
}

// step moves the parameters against the gradient times scale. The constants are those of the paper.
func (a *adam) step(params, grad []float32, scale float32) {
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	a.decay1 *= beta1
	a.decay2 *= beta2
	size := float32(a.rate * math.Sqrt(1-a.decay2) / (1 - a.decay1))
	for i, g := range grad {
		g *= scale
		m := beta1*a.first[i] + (1-beta1)*g
		v := beta2*a.other[i] + (1-beta2)*g*g
		a.first[i], a.other[i] = m, v
		params[i] -= size * m / (float32(math.Sqrt(float64(v))) + epsilon)
	}
}
