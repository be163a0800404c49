package stats

import (
	"fmt"
	"math"
	"testing"
)

// load is a gauge's stretches of windows: log ratios around a mean that follow
// an autoregression.
type load struct {
	memory    float64 // autocorrelation of neighbours
	sd        []float64
	stretches []int // windows in each
	shift     float64
}

// run plays the stretches and calls look after each window until it says stop.
func (l load) run(d draw, look func(strata []*Batches) (stop bool)) (windows int) {
	var strata []*Batches
	for i, n := range l.stretches {
		b := &Batches{}
		strata = append(strata, b)
		sd := l.sd[i%len(l.sd)]
		e := d.NormFloat64()
		for range n {
			e = l.memory*e + math.Sqrt(1-l.memory*l.memory)*d.NormFloat64()
			b.Add(l.shift + sd*e)
			windows++
			if look(strata) {
				return windows
			}
		}
	}
	return 0
}

func (l load) replay(seed, replications int, look func(strata []*Batches) bool) []int {
	stops := make([]int, replications**scale)
	for r := range stops {
		stops[r] = l.run(newDraw(seed, r), look)
	}
	return stops
}

func TestAGaugeThatRemembersItsPast(t *testing.T) {
	long(t)
	p := Prior3(.1)
	at := func(margin float64, dir Dir) func(strata []*Batches) bool {
		return func(strata []*Batches) bool { return GaugeLogE(strata, margin, dir, p) >= ln20 }
	}
	one := load{.9, []float64{.1}, []int{1000}, ln11}
	between(t, "autocorrelation .9, larger", share(one.replay(81, 300, at(ln11, Up))), 0, .05)
	between(t, "autocorrelation .9, smaller", share(one.replay(82, 300, at(ln11, Down))), 0, .05)
	// This guards the test: windows taken for independent must go wrong.
	between(t, "autocorrelation .9, taken for independent", share(one.replay(81, 100, func(strata []*Batches) bool {
		f, ok := fitGauge(strata)
		return ok && f.n >= 32 && LogENormalMix((f.mean-ln11)/math.Sqrt(f.iid), 1/f.iid, p) >= ln20
	})), .4, 1)
	for _, memory := range []float64{.5, .9} {
		for name, stretches := range map[string][]int{
			"two strata":              {500, 500},
			"twelve short strata":     {20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20},
			"strata of unequal sizes": {30, 70, 400},
		} {
			for _, sd := range [][]float64{{.1}, {.4, .1}} {
				l := load{memory, sd, stretches, 0}
				name := fmt.Sprintf("autocorrelation %v, %s, sd %v", memory, name, sd)
				between(t, name, share(l.replay(85, 300, at(0, Up))), 0, .05)
			}
		}
	}
}

func TestAHeavierLoadIsFound(t *testing.T) {
	long(t)
	// A fifth more, margin 10 %, autocorrelation .5: the effective windows
	// needed, about a hundred, are here 300.
	l := load{.5, []float64{.2}, []int{100, 900}, math.Log(1.2)}
	stops := l.replay(84, 100, func(strata []*Batches) bool {
		return GaugeLogE(strata, ln11, Up, Prior3(.1)) >= ln20
	})
	between(t, "found within 1000 windows", share(stops), .9, 1)
	if t50 := median(stops); t50 < 60 || t50 > 250 {
		t.Errorf("half are found after %d windows, want 60 to 250", t50)
	}
}
