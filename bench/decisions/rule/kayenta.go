package rule

import (
	"math"
	"slices"
)

// Kayenta is an automated canary analysis at each step of the ladder: twice per
// step, on one point a minute since the step began (at least 50 points are its
// recommendation), with every metric in a group of its own and of the same
// weight, in the direction that is harm, and with the defaults otherwise. A score
// below the marginal threshold ends the canary at any time, one below the pass
// threshold at the end of a step.
type Kayenta struct {
	Config
	steps  ladder
	series [Metrics][Arms][]float64
	every  int
}

// The settings of Kayenta.
const (
	kayentaConfidence = 0.98
	kayentaTolerance  = 0.25
	kayentaAllowed    = 1.0 // of the ratio of the means
	kayentaPass       = 95
	kayentaMarginal   = 75
)

// NewKayenta returns an analysis.
func NewKayenta(c Config) *Kayenta {
	return &Kayenta{Config: c, steps: common, every: common.dwell / 2}
}

// Start is the weight of the first step.
func (k *Kayenta) Start() float64 { return k.steps.weights[0] }

// Look adds a point to each series and, when it is time, judges them.
func (k *Kayenta) Look(w *Window) Act {
	for _, m := range k.Judged {
		for arm := range w.Arms {
			if v, ok := value(&w.Arms[arm], m); ok { // Windows without a value are removed.
				k.series[m][arm] = append(k.series[m][arm], v)
			}
		}
	}
	if w.Minute%k.every != 0 {
		return k.steps.next(w.Minute)
	}
	last := w.Minute%k.steps.dwell == 0
	score, culprit := k.score()
	if score < kayentaMarginal || last && score < kayentaPass {
		return rolledBack(culprit)
	}
	if last {
		k.series = [Metrics][Arms][]float64{}
	}
	return k.steps.next(w.Minute)
}

// score is the share of metrics that pass, in percent, and one that does not.
// With half of the metrics or more without data the canary fails.
func (k *Kayenta) score() (score float64, culprit Metric) {
	pass, none := 0, 0
	culprit = None
	for _, m := range k.Judged {
		s := &k.series[m]
		switch {
		case len(s[Candidate]) == 0 || len(s[Baseline]) == 0:
			none++
		case classify(s[Baseline], s[Candidate], m.Up()):
			culprit = m
		default:
			pass++
		}
	}
	if 2*none >= len(k.Judged) {
		return 0, None
	}
	// A group without data counts as one that passes.
	return 100 * float64(pass+none) / float64(len(k.Judged)), culprit
}

// classify reports whether an experiment lies beyond the control, above it or
// below it: when the confidence interval of the shift lies beyond a quarter of
// the estimate, and the ratio of the means does not speak against it.
func classify(control, experiment []float64, up bool) bool {
	if slices.Equal(slices.Sorted(slices.Values(control)), slices.Sorted(slices.Values(experiment))) {
		return false
	}
	test, ok := NewMannWhitney(control, experiment, kayentaConfidence)
	if !ok {
		return false
	}
	bound := kayentaTolerance * math.Abs(test.Estimate)
	ratio := mean(experiment) / mean(control)
	if up {
		return test.Lower > bound && (math.IsNaN(ratio) || ratio >= kayentaAllowed)
	}
	return test.Upper < -bound && (math.IsNaN(ratio) || ratio <= kayentaAllowed)
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
