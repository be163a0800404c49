package query

import (
	"regexp"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Bounds of what a person writes.
const (
	maxText     = 4096
	maxMatchers = 16
	maxPattern  = 256
)

// example is what hints show.
const example = `process_resident_memory_bytes or rate(process_cpu_seconds_total{job="x"})`

// Parse reads a query. The error is a *value.Fault, which says what to write
// instead.
func Parse(text string) (Query, error) {
	if len(text) > maxText {
		return Query{}, value.Faultf("write a shorter one", "the query has %d bytes, more than %d", len(text), maxText)
	}
	p := &parser{text: text}
	q, fault := p.query()
	if fault != nil {
		return Query{}, fault
	}
	return q, nil
}

// parser reads one query from left to right.
type parser struct {
	text string
	at   int
}

// rest is what is left to read, without the space before it.
func (p *parser) rest() string {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	return p.text[p.at:]
}

// take reads a token, if it comes next.
func (p *parser) take(token string) bool {
	if !strings.HasPrefix(p.rest(), token) {
		return false
	}
	p.at += len(token)
	return true
}

// word reads the longest run of characters that ok allows.
func (p *parser) word(ok func(c byte, first bool) bool) string {
	rest := p.rest()
	n := 0
	for n < len(rest) && ok(rest[n], n == 0) {
		n++
	}
	p.at += n
	return rest[:n]
}

func isNameByte(c byte, first bool) bool { return isLabelByte(c, first) || c == ':' }

func isLabelByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

func (p *parser) query() (Query, *value.Fault) {
	top, fault := p.term()
	if fault != nil {
		return Query{}, fault
	}
	q := Query{Top: top}
	if p.take("/") {
		bottom, fault := p.term()
		if fault != nil {
			return Query{}, fault
		}
		q.Bottom = &bottom
	}
	return q, p.end()
}

// end reports what is left over.
func (p *parser) end() *value.Fault {
	rest := p.rest()
	switch {
	case rest == "":
		return nil
	case rest[0] == '/':
		return value.Faultf("divide one expression by one other", "there is more than one division, from %s on", value.Quote(rest))
	case strings.IndexByte("+-*%^<>=!", rest[0]) >= 0:
		return value.Faultf("one expression, or one divided by another, is all there is", "the operator %s cannot be used", value.Quote(rest[:1]))
	case strings.HasPrefix(rest, "by") || strings.HasPrefix(rest, "without"):
		return value.Faultf("select the series that are meant by their labels", "series cannot be grouped: %s", value.Quote(rest))
	case rest[0] == '[':
		return rangeFault(rest)
	}
	return value.Faultf("write one such as "+example, "%s is left over", value.Quote(rest))
}

func rangeFault(rest string) *value.Fault {
	return value.Faultf("leave the brackets out", "there are no ranges, as in %s: a rate is that of one window", value.Quote(rest))
}

// term reads a term: a selector, in a rate or not, in a sum, an average or a
// maximum or not.
func (p *parser) term() (Term, *value.Fault) {
	name := p.word(isNameByte)
	if name == "" || !p.take("(") {
		selector, fault := p.selector(name)
		return Term{Select: selector, Reduce: Sum}, fault
	}
	t := Term{Reduce: Sum}
	var fault *value.Fault
	switch name {
	case "rate":
		t.Rate = true
		t.Select, fault = p.inRate()
	case "sum", "avg", "max":
		t, fault = p.reduced(Reduce(name))
	default:
		fault = unknown(name)
	}
	if fault != nil {
		return Term{}, fault
	}
	return t, p.closing(name)
}

// closing reads the bracket that ends a function.
func (p *parser) closing(name string) *value.Fault {
	if p.take(")") {
		return nil
	}
	if rest := p.rest(); strings.HasPrefix(rest, "[") {
		return rangeFault(rest)
	}
	return value.Faultf("close it behind the metric", "the bracket behind %s is not closed", name)
}

// inRate reads what is inside rate( ).
func (p *parser) inRate() (Selector, *value.Fault) {
	name := p.word(isNameByte)
	if name != "" && strings.HasPrefix(p.rest(), "(") {
		switch name {
		case "sum", "avg", "max":
			return Selector{}, value.Faultf("write "+name+"(rate(…))", "a rate of a %s cannot tell one counter that starts again", name)
		}
		return Selector{}, value.Faultf("write rate(NAME)", "there is a function inside rate: %s", name)
	}
	return p.selector(name)
}

// reduced reads what is inside sum( ), avg( ) or max( ).
func (p *parser) reduced(how Reduce) (Term, *value.Fault) {
	t := Term{Reduce: how}
	name := p.word(isNameByte)
	if name == "" || !p.take("(") {
		selector, fault := p.selector(name)
		t.Select = selector
		return t, fault
	}
	if name != "rate" {
		return Term{}, value.Faultf("write "+string(how)+"(NAME) or "+string(how)+"(rate(NAME))", "there cannot be %s inside %s", name, how)
	}
	selector, fault := p.inRate()
	if fault != nil {
		return Term{}, fault
	}
	t.Select, t.Rate = selector, true
	return t, p.closing(name)
}

// unknown says which function is meant.
func unknown(name string) *value.Fault {
	hint := "the functions are rate, sum, avg and max"
	switch near := value.Nearest(name, []string{"rate", "sum", "avg", "max"}); {
	case name == "irate", name == "increase", name == "delta", name == "deriv":
		hint = "write rate(…), the increase per second over a window"
	case name == "mean", name == "average":
		hint = "write avg(…)"
	case near != "":
		hint = "did you mean " + value.Quote(near) + "?"
	}
	return value.Faultf(hint, "there is no function %s", name)
}

// selector reads the conditions behind a name that is read already.
func (p *parser) selector(name string) (Selector, *value.Fault) {
	if name == "" {
		return Selector{}, p.nameless()
	}
	s := Selector{Name: name}
	if !p.take("{") {
		return s, nil
	}
	for !p.take("}") {
		if len(s.Matchers) == maxMatchers {
			return Selector{}, value.Faultf("write fewer", "there are more than %d conditions on %s", maxMatchers, name)
		}
		m, fault := p.matcher(name)
		if fault != nil {
			return Selector{}, fault
		}
		s.Matchers = append(s.Matchers, m)
		if !p.take(",") && !strings.HasPrefix(p.rest(), "}") {
			return Selector{}, value.Faultf("put a comma between conditions and } behind the last", "the conditions on %s are not closed", name)
		}
	}
	return s, nil
}

func (p *parser) nameless() *value.Fault {
	switch rest := p.rest(); {
	case rest == "":
		return value.Faultf("write one such as "+example, "a metric is missing at the end")
	case rest[0] == '{':
		return value.Faultf("write the name before the conditions, such as NAME{label=\"value\"}", "the conditions have no metric before them")
	case rest[0] >= '0' && rest[0] <= '9':
		return value.Faultf("write one such as "+example, "there is a number where a metric belongs: %s", value.Quote(rest))
	default:
		return value.Faultf("write one such as "+example, "%s is not the name of a metric", value.Quote(rest))
	}
}

func (p *parser) matcher(metric string) (Matcher, *value.Fault) {
	m := Matcher{Label: p.word(isLabelByte)}
	if m.Label == "" {
		return m, value.Faultf("write conditions such as "+metric+`{label="value"}`, "%s is not the name of a label", value.Quote(p.rest()))
	}
	for _, op := range []Op{Like, Unlike, IsNot, Is} { // The longest first.
		if p.take(string(op)) {
			m.Op = op
			break
		}
	}
	if m.Op == "" {
		return m, value.Faultf("write =, !=, =~ or !~ behind it", "there is no comparison behind the label %s", m.Label)
	}
	var fault *value.Fault
	if m.Value, fault = p.quoted(m.Label); fault != nil {
		return m, fault
	}
	if m.Op == Is || m.Op == IsNot {
		return m, nil
	}
	return m, m.compile()
}

// compile prepares a pattern. The dialect (RE2) runs in linear time.
func (m *Matcher) compile() *value.Fault {
	if len(m.Value) > maxPattern {
		return value.Faultf("write a shorter one", "the pattern of %s has more than %d bytes", m.Label, maxPattern)
	}
	pattern, err := regexp.Compile("^(?s:" + m.Value + ")$")
	if err != nil {
		return value.Faultf("write one in the syntax of RE2, such as 5..", "%s is not a pattern", value.Quote(m.Value))
	}
	m.pattern = pattern
	return nil
}

// quoted reads the text of a label's value, between double or single quotes.
func (p *parser) quoted(label string) (string, *value.Fault) {
	rest := p.rest()
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", value.Faultf(`put it between quotes, such as `+label+`="…"`, "the value of %s has no quotes", label)
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == rest[0]:
			p.at += i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteString(unescaped(rest[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", value.Faultf("close it", "the quotes around the value of %s are not closed", label)
}

// unescaped is what a character behind a backslash stands for; patterns keep
// their own.
func unescaped(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case '\\', '"', '\'':
		return string(c)
	}
	return `\` + string(c)
}
