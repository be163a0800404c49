package sample

import (
	"math"
	"time"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/gate"
	"github.com/belay-rollouts/belay/internal/core/rollout"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/core/stats"
)

// Gate is what the rows say of one gate. Each gate has an evidence of its own,
// because rows may be silent on one metric and not on another.
type Gate struct {
	// Spec is the gate as it was written, and Judged as it is judged.
	Spec   spec.ResolvedGate
	Judged gate.Gate
	Layout evidence.Layout
	// Absent is why nothing can be read of it; empty for others.
	Absent   gate.Reason
	Evidence evidence.Evidence
	// Silent are the rows of each arm that say nothing of the metric.
	Silent [split.Arms]uint64

	// measure is nil for a gate that reads pairs, and for one that is absent.
	measure measure
	// scopes are what evidence has no room for, by segment; "" is the whole.
	scopes  map[string]*Scope
	learned learned
}

// The reasons of gates that no row says anything of.
const (
	// NoColumn is a gate that no column of the files stands for.
	NoColumn gate.Reason = "NoColumn"
	// NotInFiles is a gate on a resource of servers.
	NotInFiles gate.Reason = "NotInFiles"
)

// Scope is what is kept of the whole or of one segment beside the evidence.
type Scope struct {
	// Times are the durations themselves, by arm, while they are few (see Many): an
	// exact test of quantiles needs their order.
	Times [split.Arms][]float64
	// Many is set when there were too many durations to keep.
	Many  bool
	Pairs Pairs
	// buckets has the hash buckets that were seen, by arm.
	buckets [split.Arms][split.Buckets]bool
}

// maxTimes is how many durations are kept of each arm. Beyond, counts by the
// edges of a sketch serve as well.
const maxTimes = 200_000

// Pairs are the rows that both arms answered.
type Pairs struct {
	N float64
	// OnlyT, OnlyC and Both have the event at the candidate alone, at the baseline
	// alone, and at both.
	OnlyT, OnlyC, Both float64
	// Values are those of the baseline (X) and of the candidate (Y).
	Values stats.Covariate
}

func (p *Pairs) add(candidate, baseline float64) {
	p.N++
	switch t, c := candidate > 0, baseline > 0; {
	case t && c:
		p.Both++
	case t:
		p.OnlyT++
	case c:
		p.OnlyC++
	}
	p.Values.Add(baseline, candidate)
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

// newGate makes room for what a gate reads.
func newGate(r spec.ResolvedGate, c cells, o *Options) (*Gate, error) {
	out := &Gate{Spec: r, scopes: map[string]*Scope{}}
	if r.Source != "" || r.Kind == spec.KindGauge {
		out.Absent, out.Judged = NotInFiles, shown(r)
		return out, nil
	}
	compiled, layout, err := compile(r, c.have(column.Unit))
	if err != nil {
		return nil, err
	}
	out.Judged, out.Layout = compiled, layout
	var ok bool
	if out.measure, ok = c.measureOf(r, o.Tolerance); !ok {
		out.Absent = NoColumn
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
	if r.Outcome == "" && r.Output == "" && r.Quantile == 0 && (r.Kind == spec.KindMean || r.Metric == Accuracy || r.Metric == Agreement) {
		r.Outcome = r.Metric
	}
	// All rows of a file are of one look: nothing begins later, comes late, or was
	// known before.
	r.From, r.Horizon, r.Covariate = 0, 0, false
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
func (c *Gate) needsLearning() bool {
	switch c.Judged.Kind {
	case gate.Mean:
		return c.measure != nil && c.Spec.Cap == 0
	case gate.Drift:
		return c.measure != nil
	case gate.Quantile:
		return c.measure != nil && c.Layout.Clustered
	case gate.Rate, gate.Gauge:
	}
	return false
}

// learn takes a value of the baseline.
func (c *Gate) learn(o observation, x float64) {
	switch c.Judged.Kind {
	case gate.Mean, gate.Drift:
		if len(c.learned.values) < maxLearn {
			c.learned.values = append(c.learned.values, x)
		}
	case gate.Quantile:
		c.add(c.Evidence.Stratum(&c.Layout, o.stratum), o, x)
	case gate.Rate, gate.Gauge:
	}
}

// fix fixes what was to be learned.
func (c *Gate) fix() {
	switch c.Judged.Kind {
	case gate.Mean, gate.Drift:
		scale := evidence.ScaleOf(c.Layout.Values[c.Judged.Series], c.learned.values)
		c.learned = learned{scale: &scale}
	case gate.Quantile:
		c.learned.edges = map[int]int32{}
		for i, slice := range c.Judged.Reduce(c.View(&c.Evidence)).Strata {
			if slice.Edge != 0 {
				c.learned.edges[i] = slice.Edge
			}
		}
		c.Evidence = evidence.Evidence{}
	case gate.Rate, gate.Gauge:
	}
}

// View is the evidence as gates look at it. All strata are of one stage.
func (c *Gate) View(e *evidence.Evidence) gate.View {
	return gate.View{Layout: &c.Layout, Evidence: e, Stages: make([]int, len(e.Strata))}
}

// prepared returns a stratum with what the baseline has fixed.
func (c *Gate) prepared(i int) *evidence.Stratum {
	s := c.Evidence.Stratum(&c.Layout, i)
	if c.learned.scale != nil && s.Scales == nil {
		s.Scales = make([]evidence.Scale, len(c.Layout.Values))
		s.Scales[c.Judged.Series] = *c.learned.scale
	}
	if edge, ok := c.learned.edges[i]; ok && s.Edges == nil {
		s.Edges = []int32{edge}
	}
	return s
}

// observe counts what a row says; ok is false where it says nothing.
func (c *Gate) observe(o observation, x float64, ok bool) {
	if !ok {
		c.Silent[o.arm]++
	}
	if !ok && !c.Judged.PerExposure {
		return
	}
	whole := c.prepared(o.stratum)
	c.observeIn(whole, "", o, x, ok)
	for _, segment := range o.segments {
		c.observeIn(c.Evidence.SegmentStratum(&c.Layout, segment, o.stratum), segment, o, x, ok)
	}
}

func (c *Gate) observeIn(s *evidence.Stratum, segment string, o observation, x float64, ok bool) {
	if c.Judged.PerExposure {
		s.ObserveOutcome(c.Judged.Exposures, o.arm, o.bucket, false)
	}
	if !ok {
		return
	}
	in := c.scope(segment)
	in.buckets[o.arm][o.bucket] = true
	if c.Judged.Kind == gate.Quantile {
		in.keep(o.arm, x)
	}
	c.add(s, o, x)
}

// add adds a value to a stratum.
func (c *Gate) add(s *evidence.Stratum, o observation, x float64) {
	switch c.Judged.Kind {
	case gate.Rate:
		s.ObserveOutcome(c.Judged.Series, o.arm, o.bucket, x > 0)
	case gate.Quantile:
		latency := time.Duration(min(x, evidence.MaxLatency.Seconds()) * float64(time.Second))
		s.Observe(&c.Layout, evidence.Observation{Arm: o.arm, Bucket: o.bucket, Latency: max(latency, 1)})
	case gate.Mean, gate.Drift:
		s.ObserveValue(&c.Layout, evidence.Raw{Series: c.Judged.Series, Arm: o.arm, Bucket: o.bucket, Value: x})
	case gate.Gauge:
	}
}

// pair counts a row that both arms answered; x and y are what the candidate and
// the baseline say, NaN for nothing.
func (c *Gate) pair(o observation, candidate, baseline float64) {
	if !c.pairs() || math.IsNaN(candidate) || math.IsNaN(baseline) {
		return
	}
	if s := c.learned.scale; s != nil {
		candidate, baseline = clip(candidate, s.Cap), clip(baseline, s.Cap)
	} else if c.Spec.Cap > 0 {
		candidate, baseline = clip(candidate, c.Spec.Cap), clip(baseline, c.Spec.Cap)
	}
	c.scope("").Pairs.add(candidate, baseline)
	for _, segment := range o.segments {
		c.scope(segment).Pairs.add(candidate, baseline)
	}
}

// pairs reports whether there is a test of pairs for what the gate counts.
func (c *Gate) pairs() bool { return c.Judged.Kind == gate.Rate || c.Judged.Kind == gate.Mean }

func clip(x, most float64) float64 { return max(-most, min(x, most)) }

// Scope returns what was kept of a segment, "" being the whole.
func (c *Gate) Scope(segment string) *Scope {
	if s, ok := c.scopes[segment]; ok {
		return s
	}
	return &Scope{}
}

// scope makes room for what is kept of a segment. Those that evidence takes together are
// together here.
func (c *Gate) scope(segment string) *Scope {
	if s, ok := c.scopes[segment]; ok {
		return s
	}
	if segment != "" && segment != evidence.OtherSegment && len(c.scopes) > evidence.MaxSegments {
		return c.scope(evidence.OtherSegment)
	}
	s := &Scope{}
	c.scopes[segment] = s
	return s
}

// keep keeps a duration while there are few.
func (s *Scope) keep(arm split.Arm, x float64) {
	if s.Many {
		return
	}
	if len(s.Times[arm]) == maxTimes {
		s.Times, s.Many = [split.Arms][]float64{}, true
		return
	}
	s.Times[arm] = append(s.Times[arm], x)
}

// Occupied is the number of hash buckets that the arm's units fall into.
func (s *Scope) Occupied(arm split.Arm) int {
	n := 0
	for _, seen := range s.buckets[arm] {
		if seen {
			n++
		}
	}
	return n
}
