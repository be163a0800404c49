package rollout

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// crowd is a population of units that come back, each with a nature of its own
// that is the same on both arms.
type crowd struct {
	units int
	// odd is the share of units that are out of the ordinary: fails is how often
	// their requests fail, busier how many times more of them there are, and each
	// takes four times as long.
	odd, fails, busier float64
	// worse is how often the candidate fails besides, whoever asks.
	worse float64
}

// population is a crowd that was drawn.
type population struct {
	crowd
	r         *rand.Rand
	hashes    []split.Hash
	odd       []bool
	cumulated []float64 // shares in all requests
}

func (c crowd) draw(seed uint64) *population {
	r := rand.New(rand.NewPCG(seed, 0x57ec))
	p := &population{crowd: c, r: r, hashes: make([]split.Hash, c.units), odd: make([]bool, c.units), cumulated: make([]float64, c.units)}
	salt, total := split.Salt(r.Uint64()), 0.0
	for i := range p.hashes {
		p.hashes[i], p.odd[i] = salt.Hash(strconv.Itoa(i)), r.Float64() < c.odd
		busy := r.ExpFloat64()
		if p.odd[i] {
			busy *= c.busier
		}
		total += busy
		p.cumulated[i] = total
	}
	return p
}

// request draws a request of one of the units.
func (p *population) request(weight uint32) evidence.Observation {
	i, _ := slices.BinarySearch(p.cumulated, p.r.Float64()*p.cumulated[len(p.cumulated)-1])
	h := p.hashes[min(i, len(p.hashes)-1)]
	o := evidence.Observation{Arm: split.Pick(h, weight), Bucket: h.Bucket(), Latency: lognormalLatency(p.r, 0.25)}
	if p.odd[i] {
		o.Error = p.r.Float64() < p.fails
		o.Latency *= 4
	}
	if o.Arm == split.Candidate && p.r.Float64() < p.worse {
		o.Error = true
	}
	return o
}

// sticky runs a crowd through two stages and reports which gates ever fail:
// first with the dispersion between units, then as if each request were a unit.
func sticky(p *population, byUnit, byRequest *Plan) (failed, naive []bool) {
	const looks, perLook = 20, 1500
	failed, naive = make([]bool, len(byUnit.Gates)), make([]bool, len(byUnit.Gates))
	units, requests := &evidence.Evidence{}, &evidence.Evidence{}
	s := State{Phase: Progressing}
	var a, b []gate.Judgement
	for stage := range byUnit.Stages {
		s.enter(byUnit, stage, epoch)
		one, other := units.Stratum(&byUnit.Layout, stage), requests.Stratum(&byRequest.Layout, stage)
		for range looks {
			for range perLook {
				o := p.request(s.Weight())
				one.Observe(&byUnit.Layout, o)
				other.Observe(&byRequest.Layout, o)
				one.Freeze(&byUnit.Layout)
			}
			a, b = Judge(byUnit, s, units, a), Judge(byRequest, s, requests, b)
			for i := range failed {
				failed[i] = failed[i] || a[i].Verdict == gate.Fail
				naive[i] = naive[i] || b[i].Verdict == gate.Fail
			}
		}
	}
	return failed, naive
}

const stickyPolicyText = `
apiVersion: belay.dev/v1alpha1
kind: Policy
metadata: {name: demo}
spec:
  stages: [{weight: 10%, dwell: 20s}, {weight: 50%, dwell: 20s}, {weight: 100%, dwell: 20s, holdback: 2%}]
  gates: [{metric: error_rate, maxIncrease: 20%}, {metric: latency_p99, maxIncrease: 10%}]
`

// stickyPlan has a gate of every method, each with an alpha of its own.
func stickyPlan(t *testing.T, unit string) *Plan {
	p := compiled(t, strings.Replace(demoModel, "unit: request", "unit: "+unit, 1)+stickyPolicyText)
	p.Stages = p.Stages[:2]
	ignore, difference := p.Gates[0], p.Gates[0]
	ignore.Method, ignore.Level = gate.Ignore, 0.001
	difference.Method, difference.Margin, difference.Slope = gate.Difference, 0.002, 1
	ceiling := gate.Gate{Name: "max", Kind: gate.Rate, Method: gate.None, Worse: stats.Up, Ceilings: []gate.Ceiling{{Limit: 0.012}}}
	p.Gates = append(p.Gates, ignore, difference, ceiling)
	for i := range p.Gates {
		p.Gates[i].Share = 1
	}
	return &p
}

var stickyGates = []string{"ratio", "quantile", "ratio that ignores little", "difference", "ceiling"}

// Two equal versions serve a crowd in which some units are out of the ordinary.
// Whichever arm gets more of them looks worse by request; by unit it must not.
func TestUnitsThatReturnDoNotInflateTheEvidence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]crowd{
		"a few units fail often":        {units: 1000, odd: 0.02, fails: 0.5, busier: 1},
		"two or three busy units do it": {units: 600, odd: 0.004, fails: 1, busier: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			byUnit, byRequest := stickyPlan(t, "header:X-User"), stickyPlan(t, "request")
			n, failed, naive := reps(40), make([]int, len(stickyGates)), make([]int, len(stickyGates))
			for seed := range uint64(n) {
				a, b := sticky(c.draw(seed), byUnit, byRequest)
				for i := range stickyGates {
					failed[i], naive[i] = failed[i]+number(a[i]), naive[i]+number(b[i])
				}
			}
			for i, g := range stickyGates {
				atMost(t, g+", by unit", failed[i], n, 0.05)
				atLeast(t, g+", by request", naive[i], n, 0.15)
			}
		})
	}
}

// What is counted by unit must still be found.
func TestHarmToAllUnitsIsFoundAmongUnitsThatReturn(t *testing.T) {
	t.Parallel()
	byUnit, byRequest := stickyPlan(t, "header:X-User"), stickyPlan(t, "request")
	c := crowd{units: 1000, odd: 0.02, fails: 0.2, busier: 1, worse: 0.02}
	n, found := reps(20), make([]int, len(stickyGates))
	for seed := range uint64(n) {
		failed, _ := sticky(c.draw(seed), byUnit, byRequest)
		for i := range found {
			found[i] += number(failed[i])
		}
	}
	for i, g := range stickyGates {
		if g != "quantile" {
			atLeast(t, g, found[i], n, 0.95)
		}
	}
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
