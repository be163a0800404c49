package contest

import (
	"fmt"
	"math"
	"time"

	"github.com/belay-rollouts/belay/bench/decisions/corpus"
	"github.com/belay-rollouts/belay/bench/decisions/stream"
	"github.com/belay-rollouts/belay/internal/core/planner"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// Forecast asks the planner what can be caught, and remembers the answers.
type Forecast struct{ known map[string]float64 }

// NewForecast returns a forecast that knows nothing yet.
func NewForecast() *Forecast { return &Forecast{known: map[string]float64{}} }

// Possible is the probability that the plan of a cell gives its harm to be caught
// while the weight is at most a tenth: by the gate that sees it best, and as if the
// harm had been there from the start as it is at the end of the stage at 10 %. So
// it is 0 where there is none by then, and too much where it grows until then.
func (f *Forecast) Possible(c *Cell) (float64, bool) {
	key := fmt.Sprintf("%s %d", c.Case, c.Rate)
	p, ok := f.known[key]
	if !ok {
		p = f.ask(c)
		f.known[key] = p
	}
	return p, p >= 0
}

// ask returns a negative number where the planner does not answer.
func (f *Forecast) ask(c *Cell) float64 {
	found, err := corpus.Find(c.Case)
	if err != nil {
		return -1
	}
	b, err := newBench(found.At(c.Rate))
	if err != nil {
		return -1
	}
	s := b.tenthOver()
	best := 0.0
	for _, h := range b.harms(s) {
		p, err := planner.Caught(&b.plan, b.traffic(s), h, b.tenthWeight())
		if err != nil {
			return -1
		}
		best = max(best, p)
	}
	return best
}

// tenthWeight is the largest weight of a stage that is at most a tenth.
func (b *bench) tenthWeight() uint32 {
	var w uint32
	for _, s := range b.plan.Stages {
		if float64(s.Weight)/split.Whole <= tenth {
			w = s.Weight
		}
	}
	return w
}

// tenthOver is a stream at the end of the last stage of at most a tenth.
func (b *bench) tenthOver() *stream.Stream {
	s := b.model.NewWorld(1).NewStream()
	for _, stage := range b.plan.Stages {
		if stage.Weight > b.tenthWeight() {
			break
		}
		for range int(stage.Dwell / time.Minute) {
			s.Next(float64(stage.Weight) / split.Whole)
		}
	}
	return s
}

// harms are the changes of the metrics that gates read, as they are now.
func (b *bench) harms(s *stream.Stream) []planner.Harm {
	const least = 1e-6
	var out []planner.Harm
	add := func(gate string, change float64) {
		out = append(out, planner.Harm{Gate: gate, Change: change})
	}
	now := s.Now()
	if ratio := now.Errors[split.Candidate] / now.Errors[split.Baseline]; ratio > 1+least {
		add("error_rate", ratio-1)
	}
	if longer := now.Longer(1 + b.margin("latency_p99")); longer > 1+least {
		add("latency_p99", longer-1)
	}
	if len(b.Baseline.Outcomes) == 0 {
		return out
	}
	at := now.Successes[corpus.Conversion]
	if ratio := at[split.Candidate] / at[split.Baseline]; ratio < 1-least {
		add("outcome:conversion", ratio-1)
	}
	return out
}

// margin is that of a gate.
func (b *bench) margin(name string) float64 {
	for i := range b.plan.Gates {
		if b.plan.Gates[i].Name == name {
			return b.plan.Gates[i].Margin
		}
	}
	return 0
}

// traffic is what one would declare of the case.
func (b *bench) traffic(s *stream.Stream) planner.Traffic {
	t := planner.Traffic{Rate: b.Traffic.Rate, Origin: "declared", Measured: true, Levels: map[string]planner.Level{
		"error_rate": {Value: s.Now().Errors[split.Baseline], Dispersion: dispersion(s, stream.Failures)},
	}}
	t.LatencyDispersion = dispersion(s, stream.Slow)
	quantiles := map[float64]time.Duration{}
	for _, rank := range []float64{0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999} {
		quantiles[rank] = b.model.Quantile(rank)
	}
	if l, err := planner.NewLatency(quantiles); err == nil {
		t.Latency = l
	}
	for i, o := range b.Baseline.Outcomes {
		level := planner.Level{Value: o.Rate, Delay: o.Delay, Share: o.Reported, Dispersion: dispersion(s, stream.FirstOutcome+i)}
		if o.Mean > 0 {
			level.Value, level.NonZero = o.Rate*o.Mean, o.Rate
			level.CV = math.Sqrt(math.Exp(o.Sigma*o.Sigma)/o.Rate - 1)
		}
		t.Levels["outcome:"+o.Name] = level
	}
	return t
}

// dispersion is how much more a metric of the candidate has varied between units,
// so far, than independent requests would.
func dispersion(s *stream.Stream, metric int) float64 {
	events := s.Expected(split.Candidate, metric)
	if events == 0 {
		return 1
	}
	return 1 + s.Between(split.Candidate, metric)/events
}
