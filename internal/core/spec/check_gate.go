package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/belay-rollouts/belay/internal/core/query"
	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// manyGates is the number of deciding gates above which a warning is due:
// evidence is shared among gates, and each that is added makes all slower.
const manyGates = 5

// gates checks a list of gates at a place (a kind of stage).
func (c *checker) gates(path string, list []Gate, place string) {
	seen := map[string]int{}
	for i := range list {
		g := &gateChecker{checker: c, path: document.Index(path, i), gate: list[i], place: place}
		m, _ := metricOf(g.gate)
		name := gateName(g.gate.Metric, m.output, m.kind, g.gate.Class)
		if first, twice := seen[name]; twice && name != "" {
			c.report(g.path+".metric", fmt.Sprintf("%s has a gate already, %s", name, document.Index(path, first)),
				"put all limits of a metric into one gate")
		} else {
			seen[name] = i
		}
		g.check()
	}
}

// gateChecker checks one gate.
type gateChecker struct {
	*checker
	path   string
	gate   Gate
	place  string
	metric metric
}

func (g *gateChecker) at(field, message, hint string) { g.report(g.path+"."+field, message, hint) }

func (g *gateChecker) wrote(field string) bool { return g.source.wrote(g.path + "." + field) }

func (g *gateChecker) check() {
	if g.gate.Metric == "" || g.gate.Source == "" && g.wrote("source") || g.gate.Class == "" && g.wrote("class") {
		return // What cannot be read says what the gate is.
	}
	m, f := metricOf(g.gate)
	if f != nil {
		g.at("metric", f.Message, f.Hint)
		return
	}
	g.metric = m
	g.origin()
	g.limits()
	g.margin("maxIncrease", g.gate.MaxIncrease, Increase)
	g.margin("maxDecrease", g.gate.MaxDecrease, Decrease)
	g.bound("max", g.gate.Max, Increase)
	g.bound("min", g.gate.Min, Decrease)
	if lo, hi := g.gate.Min, g.gate.Max; lo != nil && hi != nil && lo.Unit == hi.Unit && lo.Value >= hi.Value {
		g.at("min", fmt.Sprintf("%s is not less than max, %s", lo, hi), "let min be less than max")
	}
	g.rates()
	g.outcomes()
	g.outputs()
}

// origin checks where the metric comes from.
func (g *gateChecker) origin() {
	name, m := g.gate.Metric, g.metric
	if len(m.places) > 0 && g.place != "" && !slices.Contains(m.places, g.place) && g.gate.Source == "" {
		hint := "use it at " + value.OrList(m.places)
		if name == "accuracy" {
			hint += "; for live traffic report outcomes and use a metric such as outcome:correct"
		}
		g.at("metric", fmt.Sprintf("%s cannot be measured at %s", name, placeName(g.place)), hint)
	}
	if m.output != "" && g.gate.Source != "" {
		g.at("source", "outputs are read from the answers as they pass", "leave it out, or give the metric a name without output:")
	}
	if m.sourced && g.gate.Source == "" {
		g.at("source", fmt.Sprintf("%s needs a source", name), "write `source: scrape` or `source: prometheus`, and a query")
	}
	if g.gate.Source != "" && g.gate.Query == "" && !g.wrote("query") {
		g.at("query", "a gate with a source needs it", "write what to ask the source, such as process_resident_memory_bytes")
	}
	if g.gate.Query != "" && g.gate.Source == "" && !m.sourced {
		g.at("query", "a query needs a source", "write `source: scrape`, `source: prometheus` or `source: sql`")
	}
	g.scraped()
	if k := g.gate.Kind; k != "" && k != m.kind {
		g.at("kind", fmt.Sprintf("%s is a %s, not a %s", name, m.kind, k), g.kindHint())
	}
}

// scraped checks what is asked of metrics pages.
func (g *gateChecker) scraped() {
	if g.gate.Source != SourceScrape || g.gate.Query == "" {
		return
	}
	_, err := query.Parse(g.gate.Query)
	if fault, ok := errors.AsType[*value.Fault](err); ok {
		g.at("query", fault.Message, fault.Hint)
	}
}

func (g *gateChecker) kindHint() string {
	switch {
	case g.metric.outcome != "":
		return "write rate or mean"
	case g.metric.output != "" && g.gate.Class != "":
		return "leave out kind, or class"
	case g.metric.output != "":
		return "write drift, mean, or rate with a class"
	}
	return "leave kind out"
}

func placeName(place string) string {
	switch place {
	case weightStage:
		return "a weight"
	case shadowStage:
		return "a shadow"
	}
	return strconv.Quote(place)
}

// limits checks that the gate limits something, in one direction.
func (g *gateChecker) limits() {
	written := 0
	for _, field := range []string{"maxIncrease", "maxDecrease", "max", "min"} {
		if g.wrote(field) {
			written++
		}
	}
	set := g.gate.MaxIncrease != nil || g.gate.MaxDecrease != nil || g.gate.Max != nil || g.gate.Min != nil
	if g.metric.kind == KindDrift {
		return // It has a limit of its own.
	}
	if written == 0 && !set && g.gate.Role != RoleInfo && (g.gate.Role != "" || !g.wrote("role")) {
		g.report(g.path, fmt.Sprintf("the gate on %s limits nothing", g.gate.Metric),
			"write maxIncrease, maxDecrease, max or min, or role: info to show it only")
	}
	if g.gate.MaxIncrease != nil && g.gate.MaxDecrease != nil {
		g.at("maxDecrease", "it stands beside maxIncrease", "keep the direction that is harm")
	}
}

// margin checks a margin in one direction.
func (g *gateChecker) margin(field string, m *Margin, direction Direction) {
	if m == nil {
		return
	}
	wrong := g.metric.harm != "" && g.metric.harm != direction
	switch {
	case g.metric.kind == KindDrift:
		g.at(field, "a drift is a distance from the baseline, so it has no margin to it", "write max: 0.1, or kind: mean")
	case wrong:
		other := map[string]string{"maxIncrease": "maxDecrease", "maxDecrease": "maxIncrease"}[field]
		g.at(field, fmt.Sprintf("for %s %s is an improvement", g.gate.Metric, article(direction)), "write "+other)
	case m.Value == 0:
		g.at(field, "nothing can be proven to be exactly equal", "write a margin above zero, such as 5%")
	case !m.Relative && g.metric.kind != KindRate:
		g.at(field, fmt.Sprintf("a difference in percentage points is for rates, and %s is a %s", g.gate.Metric, g.metric.kind),
			"write a relative margin such as 10%")
	case direction == Decrease && m.Value >= 1, !m.Relative && m.Value >= 1:
		g.at(field, fmt.Sprintf("%s allows everything", m), "write less than 100")
	case m.Value > 100:
		g.at(field, fmt.Sprintf("%s is more than a hundredfold", m), "write at most 10000%")
	}
}

func article(d Direction) string {
	if d == Increase {
		return "an increase"
	}
	return "a decrease"
}

// bound checks an absolute limit.
func (g *gateChecker) bound(field string, b *Bound, direction Direction) {
	if b == nil {
		return
	}
	m := g.metric
	switch {
	case m.harm != "" && m.harm != direction:
		other := map[string]string{"max": "min", "min": "max"}[field]
		g.at(field, fmt.Sprintf("for %s %s is an improvement", g.gate.Metric, article(direction)), "write "+other)
	case len(m.bounds) > 0 && !slices.Contains(m.bounds, b.Unit):
		hint := boundHint(*b, m.bounds[0])
		if m.kind == KindDrift {
			hint = "write a distance from 0 to 1, such as 0.1"
		}
		g.at(field, fmt.Sprintf("%s is not a limit of %s", b, g.gate.Metric), hint)
	case m.kind == KindDrift && (b.Value <= 0 || b.Value >= 1):
		g.at(field, fmt.Sprintf("%s is out of range", b), "write more than 0 and less than 1, such as 0.1")
	case b.Unit == BoundPercent && (b.Value <= 0 || b.Value >= 1):
		g.at(field, fmt.Sprintf("%s is out of range", b), "write more than 0% and less than 100%")
	case b.Unit == BoundSeconds && b.Value == 0:
		g.at(field, "no answer takes no time", "write a duration such as 800ms")
	}
}

// boundHint says how to write a limit in the metric's unit.
func boundHint(b Bound, want BoundUnit) string {
	switch {
	case want == BoundPercent && b.Unit == BoundNumber:
		return fmt.Sprintf("write %s%% if you mean percent", b)
	case want == BoundSeconds && b.Unit == BoundNumber:
		return fmt.Sprintf("write %sms or %ss", b, b)
	case want == BoundPercent:
		return "write a percentage such as 5%"
	case want == BoundSeconds:
		return "write a duration such as 800ms"
	case want == BoundBytes:
		return "write a size such as 512MiB"
	}
	return "write a number such as 120"
}

// rates checks the fields that only rates have.
func (g *gateChecker) rates() {
	if e := g.gate.Expect; e != nil && g.metric.kind != KindRate {
		g.at("expect", fmt.Sprintf("%s is a %s, not a rate", g.gate.Metric, g.metric.kind), "leave it out")
	}
	below := g.gate.IgnoreBelow
	if below == nil {
		return
	}
	rise := g.gate.MaxIncrease
	switch {
	case g.metric.kind != KindRate:
		g.at("ignoreBelow", fmt.Sprintf("%s is a %s, not a rate", g.gate.Metric, g.metric.kind), "leave it out")
	case rise == nil && !g.wrote("maxIncrease"):
		g.at("ignoreBelow", "it says under which level an increase does not matter, and there is no maxIncrease", "write maxIncrease, or leave it out")
	case rise != nil && !rise.Relative:
		g.at("ignoreBelow", "a difference in percentage points needs no level to ignore", "leave it out, or write a relative margin such as 20%")
	case g.gate.Max != nil && g.gate.Max.Unit == BoundPercent && float64(*below) >= g.gate.Max.Value:
		g.at("ignoreBelow", fmt.Sprintf("%s is not less than max, %s", below, g.gate.Max), "let it be less than max")
	}
}

// outcomes checks the fields that only outcomes have.
func (g *gateChecker) outcomes() {
	if g.gate.Cap != nil && (g.metric.outcome == "" && g.metric.output == "" || g.metric.kind != KindMean) {
		g.at("cap", "only outcomes and outputs of kind mean have it", "leave it out")
	}
	if g.gate.Covariate != nil && *g.gate.Covariate {
		g.covariate()
	}
	if g.metric.outcome != "" {
		g.exposure()
		return
	}
	const hint = "leave it out, or report an outcome and measure that"
	if g.gate.Per != "" {
		g.at("per", "only outcomes have it", hint)
	}
	if g.gate.Horizon != nil {
		g.at("horizon", "only outcomes have it", hint)
	}
}

// covariate checks a mean whose numbers come with what was known before.
func (g *gateChecker) covariate() {
	switch {
	case g.metric.outcome == "" || g.metric.kind != KindMean:
		g.at("covariate", "only outcomes of kind mean have it", "leave it out")
	case g.gate.Per == PerExposure:
		g.at("covariate", "requests of which nothing is reported have none, so it cannot stand beside per: exposure", "leave one of them out")
	}
}

// outputs checks the fields that only outputs have.
func (g *gateChecker) outputs() {
	switch m := g.metric; {
	case m.output == "" && g.gate.Class != "":
		g.at("class", "only outputs have it", "leave it out, or gate on output:NAME")
	case m.output != "" && m.kind == KindRate && g.gate.Class == "" && !g.wrote("class"):
		g.at("class", "the rate of an output needs it", "write the value that is counted, such as `class: fraud`")
	}
}

// exposure checks an outcome that is counted over all requests: what has not
// been reported yet looks like what never will be. In a ratio of the arms that
// cancels; in a difference it hides the harm.
func (g *gateChecker) exposure() {
	rise, fall := g.gate.MaxIncrease, g.gate.MaxDecrease
	points := rise != nil && !rise.Relative || fall != nil && !fall.Relative
	if g.gate.Per == PerExposure && points && g.gate.Horizon == nil && !g.wrote("horizon") {
		g.at("horizon", "a difference over all exposures needs it: what is not reported yet would count as never",
			"write how long after its request an outcome can come, such as `horizon: 24h`, or a relative margin")
	}
}
