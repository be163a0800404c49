package planner

import (
	"testing"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// The gates of the specification's examples.
var (
	errorsBy20 = gate.Gate{Name: "error_rate", Kind: gate.Rate, Method: gate.Ratio, Margin: 0.2, Worse: stats.Up}
	errorsOver = gate.Gate{Name: "error_rate", Kind: gate.Rate, Method: gate.Ignore, Margin: 0.2, Level: 0.001, Worse: stats.Up}
	errorsByPP = gate.Gate{Name: "error_rate", Kind: gate.Rate, Method: gate.Difference, Margin: 0.005, Slope: 1, Worse: stats.Up}
	p99By10    = gate.Gate{Name: "latency_p99", Kind: gate.Quantile, Quantile: 0.99, Method: gate.Ratio, Margin: 0.1, Worse: stats.Up}
	correctBy2 = gate.Gate{Name: "outcome:correct", Outcome: true, Kind: gate.Rate, Method: gate.Difference, Margin: 0.02, Slope: 0.98, Complement: true, Worse: stats.Up}
)

func conversionBy(margin float64) gate.Gate {
	return gate.Gate{Name: "outcome:conversion", Outcome: true, Kind: gate.Rate, Method: gate.Ratio, Margin: -margin, Worse: stats.Down}
}

func revenueBy(margin float64) gate.Gate {
	return gate.Gate{Name: "outcome:revenue", Outcome: true, Kind: gate.Mean, Method: gate.Ratio, Margin: -margin, Worse: stats.Down}
}

// planOf is a plan of one gate with so much of alpha, at some weights.
func planOf(g gate.Gate, share float64, weights ...float64) *rollout.Plan {
	g.Share = share
	p := &rollout.Plan{Alpha: 0.05, Layout: evidence.NewLayout(false)}
	if g.Kind == gate.Quantile {
		base, steps := evidence.BaseFor(g.Margin)
		p.Layout.Sketches, g.Steps = []evidence.Base{base}, steps
	}
	p.Gates = []gate.Gate{g}
	for _, w := range weights {
		p.Stages = append(p.Stages, rollout.Stage{Weight: uint32(w*split.Whole + 0.5)})
	}
	return p
}

// trafficAt is one request a second, with the gate of a plan at a level.
func trafficAt(p *rollout.Plan, l Level) *Traffic {
	return &Traffic{Rate: 1, Levels: map[string]Level{p.Gates[0].Name: l}}
}

// over is a timeline with so many seconds in each stage.
func over(seconds ...float64) timeline {
	var t timeline
	for i, s := range seconds {
		t = t.then(i, s)
	}
	return t
}

// curveOf is the curve of a verdict of the only gate of a plan on a timeline.
func curveOf(p *rollout.Plan, l Level, t timeline, side side, change float64) (*measure, curve) {
	m := newMeasure(p, &p.Gates[0], trafficAt(p, l))
	var c course
	for _, period := range t {
		c = c.then(m.course(t, period, span{0, period.length}, side))
	}
	return m, c.run(m, m.at(change), newNoise(2000, drawsPerLook*len(c.looks)))
}

// header is a model and the beginning of a rollout.
const header = `apiVersion: belay.dev/v1alpha1
kind: Model
metadata: {name: fraud}
spec: {serving: {version: v6, url: http://localhost:9006}}
---
apiVersion: belay.dev/v1alpha1
kind: Rollout
metadata: {name: fraud-v7}
spec:
  model: fraud
  candidate: {version: v7, url: http://localhost:9007}
`

// resolved reads a rollout whose plan is given.
func resolved(t testing.TB, text string) spec.Resolved {
	t.Helper()
	file, _, err := spec.Parse("file", []byte(header+text))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := spec.Resolve(file.Models[0], file.Rollouts[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// declared reads a traffic.
func declared(t testing.TB, rate string, levels ...string) Traffic {
	t.Helper()
	traffic, err := Declare(rate, levels)
	if err != nil {
		t.Fatal(err)
	}
	return traffic
}

// outlookOf plans a rollout.
func outlookOf(t testing.TB, text string, traffic Traffic) Outlook {
	t.Helper()
	o, err := Look(resolved(t, text), traffic)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
