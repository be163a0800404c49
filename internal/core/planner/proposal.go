package planner

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// flow writes the fields of an object as YAML on one line, in order.
type flow []string

func (f *flow) add(key, text string) {
	if text != "" {
		*f = append(*f, key+": "+text)
	}
}

func (f flow) String() string { return "- {" + strings.Join(f, ", ") + "}" }

// gateYAML is a gate as a line of a file.
func gateYAML(g spec.ResolvedGate) string {
	var f flow
	f.add("metric", plainText(g.Metric))
	// Of other metrics the name says what they are.
	if g.Outcome != "" || strings.HasPrefix(g.Metric, "output:") || g.Source != "" && g.Kind != spec.KindGauge {
		f.add("kind", string(g.Kind))
	}
	f.add("class", plainText(g.Class))
	f.add("source", string(g.Source))
	f.add("query", plainText(g.Query))
	if g.Margin != nil {
		key := "maxIncrease"
		if g.Harm == spec.Decrease {
			key = "maxDecrease"
		}
		f.add(key, g.Margin.String())
	}
	if g.IgnoreBelow > 0 {
		f.add("ignoreBelow", g.IgnoreBelow.String())
	}
	if g.Max != nil {
		f.add("max", g.Max.String())
	}
	if g.Min != nil {
		f.add("min", g.Min.String())
	}
	if g.Expect > 0 {
		f.add("expect", g.Expect.String())
	}
	if g.Cap > 0 {
		f.add("cap", strconv.FormatFloat(g.Cap, 'f', -1, 64))
	}
	if g.Covariate {
		f.add("covariate", "true")
	}
	if g.Per != "" && g.Per != spec.PerReport {
		f.add("per", string(g.Per))
	}
	if g.Horizon > 0 {
		f.add("horizon", value.FormatDuration(g.Horizon))
	}
	if g.From > 0 {
		f.add("from", g.From.String())
	}
	if g.Require == spec.NoHarm {
		f.add("require", string(spec.NoHarm))
	}
	if g.OnFail == spec.OnFailHold {
		f.add("onFail", string(spec.OnFailHold))
	}
	return f.String()
}

// plainText quotes what YAML would read as something else.
func plainText(s string) string {
	if strings.ContainsAny(s, "{}[],&*#?|<>=!%@\\\"' ") || strings.Contains(s, ": ") {
		return strconv.Quote(s)
	}
	return s
}

// stageYAML is a weight stage as a line of a file. Its minSamples are left to the
// policy unless samples is set.
func stageYAML(s spec.ResolvedStage, samples bool) string {
	var f flow
	f.add("weight", s.Weight.String())
	f.add("dwell", value.FormatDuration(s.Dwell))
	f.add("maxDuration", value.FormatDuration(s.MaxDuration))
	f.add("require", string(s.Require))
	if samples {
		f.add("minSamples", strconv.FormatInt(s.MinSamples, 10))
	}
	if s.Tolerance > 0 {
		f.add("tolerance", strconv.FormatFloat(s.Tolerance, 'f', -1, 64))
	}
	if s.Holdback > 0 {
		f.add("holdback", s.Holdback.String())
	}
	if s.KeepWarm > 0 {
		f.add("keepWarm", value.FormatDuration(s.KeepWarm))
	}
	if s.Approval {
		f.add("approval", "true")
	}
	return f.String()
}

// advisor makes proposals for a plan, in the words of its file.
type advisor struct {
	gates  []spec.ResolvedGate
	stages []spec.ResolvedStage
}

func newAdvisor(r spec.Resolved) advisor {
	return advisor{gates: r.Gates, stages: r.Last().Stages}
}

// gate proposes a change of a gate.
func (a advisor) gate(name, why string, change func(*spec.ResolvedGate)) []Proposal {
	at := slices.IndexFunc(a.gates, func(g spec.ResolvedGate) bool { return g.Metric == name })
	if at < 0 {
		return nil
	}
	g := a.gates[at]
	change(&g)
	return []Proposal{{Why: why, YAML: gateYAML(g)}}
}

// stage proposes a change of a stage.
func (a advisor) stage(i int, why string, change func(*spec.ResolvedStage)) []Proposal {
	if i < 0 || i >= len(a.stages) {
		return nil
	}
	s := a.stages[i]
	change(&s)
	return []Proposal{{Why: why, YAML: stageYAML(s, a.samplesDiffer())}}
}

// samplesDiffer reports whether stages have minimums of samples of their own.
func (a advisor) samplesDiffer() bool {
	return slices.ContainsFunc(a.stages, func(s spec.ResolvedStage) bool {
		return s.Kind == spec.StageWeight && s.MinSamples != a.stages[len(a.stages)-1].MinSamples
	})
}

// from proposes that a gate begins at a later stage.
func (a advisor) from(name string, stage int, why string) []Proposal {
	if stage <= 0 || stage >= len(a.stages) {
		return nil
	}
	return a.gate(name, why, func(g *spec.ResolvedGate) { g.From = a.stages[stage].Weight })
}

// wider proposes a margin.
func (a advisor) wider(name string, margin float64, why string) []Proposal {
	return a.gate(name, why, func(g *spec.ResolvedGate) {
		if g.Margin != nil {
			m := *g.Margin
			m.Value = margin
			g.Margin = &m
		}
	})
}

// niceMargins are those that people write.
var niceMargins = []float64{0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10}

// nicePoints are differences that people write.
var nicePoints = []float64{0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2}

// niceMargin is the first margin that people write from one on; 0 for none.
func niceMargin(least float64, relative bool) float64 {
	all := nicePoints
	if relative {
		all = niceMargins
	}
	if i := slices.IndexFunc(all, func(m float64) bool { return m >= least*0.999 }); i >= 0 {
		return all[i]
	}
	return 0
}

// niceTimes are times that people write, in hours.
var niceTimes = []float64{0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 120, 168, 240, 336, 504, 720, 1440, 2160}

// niceTime is the first time that people write from so many seconds on; 0 for
// none.
func niceTime(seconds float64) time.Duration {
	if seconds <= 600 {
		return time.Duration(math.Ceil(seconds/60)) * time.Minute
	}
	for _, h := range niceTimes {
		if h*3600 >= seconds*0.999 {
			return time.Duration(h * float64(time.Hour))
		}
	}
	return 0
}
