package check

import (
	"math"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// A collector keeps what the rows say of one gate. Each gate has an evidence of
// its own, because rows may be silent on one metric and not on another.
type collector struct {
	spec   spec.ResolvedGate
	gate   gate.Gate
	layout evidence.Layout
	// measure is nil for a gate that reads pairs, and for one that cannot be read
	// here at all; absent says why then.
	measure measure
	absent  gate.Reason

	evidence evidence.Evidence
	// silent are the rows of each arm that say nothing of the metric.
	silent [split.Arms]uint64
	// scopes are what evidence has no room for, by segment; "" is the whole.
	scopes map[string]*scope

	learned learned
}

// scope is what is kept of the whole or of one segment beside the evidence.
type scope struct {
	// times are the durations themselves, while they are few; an exact test of
	// quantiles needs their order.
	times [split.Arms][]float64
	many  bool
	pairs pairs
	// buckets has the hash buckets that were seen, by arm.
	buckets [split.Arms][split.Buckets]bool
}

// maxTimes is how many durations are kept of each arm. Beyond, counts by the
// edges of a sketch serve as well.
const maxTimes = 200_000

// pairs are the rows that both arms answered.
type pairs struct {
	n            float64
	onlyT, onlyC float64 // with the event at one arm alone
	bothTC       float64
	values       stats.Covariate // X of the baseline, Y of the candidate
}

func (p *pairs) add(candidate, baseline float64) {
	p.n++
	switch t, c := candidate > 0, baseline > 0; {
	case t && c:
		p.bothTC++
	case t:
		p.onlyT++
	case c:
		p.onlyC++
	}
	p.values.Add(baseline, candidate)
}

// learned is what the baseline fixes before anything is counted.
type learned struct {
	values []float64
	scale  *evidence.Scale
	edges  map[int]int32 // by stratum
}

// maxLearn is how many values of the baseline fix a scale.
const maxLearn = 20_000

// observation is where a row belongs.
type observation struct {
	arm      split.Arm
	stratum  int
	bucket   uint8
	segments []string
}

// newCollector makes room for what a gate reads.
func newCollector(r spec.ResolvedGate, c cells, o *Options) (*collector, error) {
	out := &collector{spec: r, scopes: map[string]*scope{}}
	if r.Source != "" || r.Kind == spec.KindGauge {
		out.absent, out.gate = NotInFiles, shown(r)
		return out, nil
	}
	compiled, layout, err := compile(r, c.have(unitRole))
	if err != nil {
		return nil, err
	}
	out.gate, out.layout = compiled, layout
	var ok bool
	if out.measure, ok = c.measureOf(r, o.Tolerance); !ok {
		out.absent = NoColumn
	}
	return out, nil
}

// shown is a gate that is only shown.
func shown(r spec.ResolvedGate) gate.Gate {
	return gate.Gate{Name: r.Name(), Kind: gate.Kind(r.Kind), Method: gate.None, Worse: stats.Up}
}

// compile turns a gate of a file into one that can be judged, as a rollout does
// it. What only checks have goes by the way of outcomes.
func compile(r spec.ResolvedGate, clustered bool) (gate.Gate, evidence.Layout, error) {
	if r.Outcome == "" && r.Output == "" && r.Quantile == 0 && (r.Kind == spec.KindMean || r.Metric == accuracy || r.Metric == agreement) {
		r.Outcome = r.Metric
	}
	r.From, r.Horizon = 0, 0
	unit := spec.Unit{Kind: spec.UnitRequest}
	if clustered {
		unit = spec.Unit{Kind: spec.UnitHeader, Key: "Unit"}
	}
	plan, err := rollout.Compile(spec.Resolved{
		Rollout: "check", Model: "check", Protocol: spec.ProtocolHTTP, Unit: unit, Gates: []spec.ResolvedGate{r},
		Environments: []spec.ResolvedEnvironment{{Name: "check", Stages: []spec.ResolvedStage{{Kind: spec.StageWeight, Weight: spec.Whole / 2}}}},
	}, 1, nil)
	if err != nil {
		return gate.Gate{}, evidence.Layout{}, err
	}
	return plan.Gates[0], plan.Layout, nil
}

// needsLearning reports whether the baseline must be seen once before anything is
// counted: for a cap, for the bins of a distribution, or for the edge at which
// units are told apart.
func (c *collector) needsLearning() bool {
	switch c.gate.Kind {
	case gate.Mean:
		return c.measure != nil && c.spec.Cap == 0
	case gate.Drift:
		return c.measure != nil
	case gate.Quantile:
		return c.measure != nil && c.layout.Clustered
	case gate.Rate, gate.Gauge:
	}
	return false
}

// learn takes a value of the baseline.
func (c *collector) learn(o observation, x float64) {
	switch c.gate.Kind {
	case gate.Mean, gate.Drift:
		if len(c.learned.values) < maxLearn {
			c.learned.values = append(c.learned.values, x)
		}
	case gate.Quantile:
		c.add(c.evidence.Stratum(&c.layout, o.stratum), o, x)
	case gate.Rate, gate.Gauge:
	}
}

// fix fixes what was to be learned.
func (c *collector) fix() {
	switch c.gate.Kind {
	case gate.Mean, gate.Drift:
		scale := evidence.ScaleOf(c.layout.Values[c.gate.Series], c.learned.values)
		c.learned = learned{scale: &scale}
	case gate.Quantile:
		c.learned.edges = map[int]int32{}
		for i, slice := range c.gate.Reduce(c.view(&c.evidence)).Strata {
			if slice.Edge != 0 {
				c.learned.edges[i] = slice.Edge
			}
		}
		c.evidence = evidence.Evidence{}
	case gate.Rate, gate.Gauge:
	}
}

// view is the evidence as gates look at it. All strata are of one stage.
func (c *collector) view(e *evidence.Evidence) gate.View {
	return gate.View{Layout: &c.layout, Evidence: e, Stages: make([]int, len(e.Strata))}
}

// prepared returns a stratum with what the baseline has fixed.
func (c *collector) prepared(i int) *evidence.Stratum {
	s := c.evidence.Stratum(&c.layout, i)
	if c.learned.scale != nil && s.Scales == nil {
		s.Scales = make([]evidence.Scale, len(c.layout.Values))
		s.Scales[c.gate.Series] = *c.learned.scale
	}
	if edge, ok := c.learned.edges[i]; ok && s.Edges == nil {
		s.Edges = []int32{edge}
	}
	return s
}

// observe counts what a row says; ok is false where it says nothing.
func (c *collector) observe(o observation, x float64, ok bool) {
	if !ok {
		c.silent[o.arm]++
	}
	if !ok && !c.gate.PerExposure {
		return
	}
	whole := c.prepared(o.stratum)
	c.observeIn(whole, "", o, x, ok)
	for _, segment := range o.segments {
		c.observeIn(c.evidence.SegmentStratum(&c.layout, segment, o.stratum), segment, o, x, ok)
	}
}

func (c *collector) observeIn(s *evidence.Stratum, segment string, o observation, x float64, ok bool) {
	if c.gate.PerExposure {
		s.ObserveOutcome(c.gate.Exposures, o.arm, o.bucket, false)
	}
	if !ok {
		return
	}
	in := c.scope(segment)
	in.buckets[o.arm][o.bucket] = true
	if c.gate.Kind == gate.Quantile {
		in.keep(o.arm, x)
	}
	c.add(s, o, x)
}

// add adds a value to a stratum.
func (c *collector) add(s *evidence.Stratum, o observation, x float64) {
	switch c.gate.Kind {
	case gate.Rate:
		s.ObserveOutcome(c.gate.Series, o.arm, o.bucket, x > 0)
	case gate.Quantile:
		latency := time.Duration(min(x, evidence.MaxLatency.Seconds()) * float64(time.Second))
		s.Observe(&c.layout, evidence.Observation{Arm: o.arm, Bucket: o.bucket, Latency: max(latency, 1)})
	case gate.Mean, gate.Drift:
		s.ObserveValue(&c.layout, evidence.Raw{Series: c.gate.Series, Arm: o.arm, Bucket: o.bucket, Value: x})
	case gate.Gauge:
	}
}

// pair counts a row that both arms answered; x and y are what the candidate and
// the baseline say, NaN for nothing.
func (c *collector) pair(o observation, candidate, baseline float64) {
	if math.IsNaN(candidate) || math.IsNaN(baseline) {
		return
	}
	if s := c.learned.scale; s != nil {
		candidate, baseline = clip(candidate, s.Cap), clip(baseline, s.Cap)
	} else if c.spec.Cap > 0 {
		candidate, baseline = clip(candidate, c.spec.Cap), clip(baseline, c.spec.Cap)
	}
	c.scope("").pairs.add(candidate, baseline)
	for _, segment := range o.segments {
		c.scope(segment).pairs.add(candidate, baseline)
	}
}

func clip(x, most float64) float64 { return max(-most, min(x, most)) }

// scope returns what is kept of a segment. Those that evidence takes together are
// together here.
func (c *collector) scope(segment string) *scope {
	if s, ok := c.scopes[segment]; ok {
		return s
	}
	if segment != "" && segment != evidence.OtherSegment && len(c.scopes) > evidence.MaxSegments {
		return c.scope(evidence.OtherSegment)
	}
	s := &scope{}
	c.scopes[segment] = s
	return s
}

// keep keeps a duration while there are few.
func (s *scope) keep(arm split.Arm, x float64) {
	if s.many {
		return
	}
	if len(s.times[arm]) == maxTimes {
		s.times, s.many = [split.Arms][]float64{}, true
		return
	}
	s.times[arm] = append(s.times[arm], x)
}

// occupied is the number of hash buckets that the arm's units fall into.
func (s *scope) occupied(arm split.Arm) int {
	n := 0
	for _, seen := range s.buckets[arm] {
		if seen {
			n++
		}
	}
	return n
}
