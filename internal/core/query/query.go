// Package query is what a gate asks of the metrics of a server: the level of a
// resource, or the rate of a counter, in one window of time.
//
//	process_resident_memory_bytes                                  a level
//	queue_depth{model="fraud",shard!~"test.*"}                     of some series
//	max(gpu_utilisation)                                           of the largest of them
//	rate(process_cpu_seconds_total)                                a counter, per second
//	rate(process_cpu_seconds_total) / rate(http_requests_total)    per request
//
// Parse reads a query, Value answers it from the readings of a window. Both are
// pure: who reads the servers, and when, is not known here. A window that cannot
// be answered says why, and is never a zero: a counter that went back, a series
// that is not there, a server that did not answer, a value that is no number.
package query

import (
	"regexp"
	"strings"
)

// Query is one expression, or one divided by another.
type Query struct {
	Top    Term
	Bottom *Term // nil without a division
}

// Term is the series that it selects, made one number.
type Term struct {
	Select Selector
	// Rate is true for a counter whose increase per second is meant.
	Rate   bool
	Reduce Reduce
}

// Reduce is how the series of one server become one number.
type Reduce string

// The ways to reduce. Sum is what a query without any of them means.
const (
	Sum Reduce = "sum"
	Avg Reduce = "avg"
	Max Reduce = "max"
)

// Selector selects series of one name by their labels.
type Selector struct {
	Name     string
	Matchers []Matcher
}

// Matcher is a condition on one label. A label that a series does not have
// counts as empty.
type Matcher struct {
	Label string
	Op    Op
	Value string

	pattern *regexp.Regexp // of Like and Unlike; it matches the whole value
}

// Op is how a label is compared.
type Op string

// The comparisons.
const (
	Is     Op = "="
	IsNot  Op = "!="
	Like   Op = "=~"
	Unlike Op = "!~"
)

// Matches reports whether a label's value meets the condition.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case Is:
		return value == m.Value
	case IsNot:
		return value != m.Value
	case Like:
		return m.pattern.MatchString(value)
	case Unlike:
		return !m.pattern.MatchString(value)
	}
	return false
}

// Matches reports whether a series meets all conditions. label returns the value
// of a label, or the empty text.
func (s Selector) Matches(label func(name string) string) bool {
	for _, m := range s.Matchers {
		if !m.Matches(label(m.Label)) {
			return false
		}
	}
	return true
}

// Selectors are the one or two selectors of the query, as Value wants their
// series in a Page.
func (q Query) Selectors() []Selector {
	out := []Selector{q.Top.Select}
	if q.Bottom != nil {
		out = append(out, q.Bottom.Select)
	}
	return out
}

// terms are the terms in the order of Selectors.
func (q Query) terms() []Term {
	out := []Term{q.Top}
	if q.Bottom != nil {
		out = append(out, *q.Bottom)
	}
	return out
}

// String writes the query in canonical form; Parse reads the same query back.
func (q Query) String() string {
	if q.Bottom == nil {
		return q.Top.String()
	}
	return q.Top.String() + " / " + q.Bottom.String()
}

// String writes the term in canonical form.
func (t Term) String() string {
	text := t.Select.String()
	if t.Rate {
		text = "rate(" + text + ")"
	}
	if t.Reduce != Sum {
		text = string(t.Reduce) + "(" + text + ")"
	}
	return text
}

// String writes the selector in canonical form.
func (s Selector) String() string {
	if len(s.Matchers) == 0 {
		return s.Name
	}
	parts := make([]string, len(s.Matchers))
	for i, m := range s.Matchers {
		parts[i] = m.Label + string(m.Op) + quote(m.Value)
	}
	return s.Name + "{" + strings.Join(parts, ",") + "}"
}

// quote writes a label's value as Prometheus does.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// CountsUp reports whether a metric with this name is, by the conventions of
// Prometheus, a total since the start of its server, which says nothing before
// it is made a rate.
func CountsUp(name string) bool {
	for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// Totals are the names in the query that count up and are not made a rate.
func (q Query) Totals() []string {
	var out []string
	for _, t := range q.terms() {
		if !t.Rate && CountsUp(t.Select.Name) {
			out = append(out, t.Select.Name)
		}
	}
	return out
}
