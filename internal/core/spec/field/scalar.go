package field

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Scalar is how one kind of single value is read, written and described.
type Scalar[V any] struct {
	// Name is what a value of it is called: "a duration".
	Name  string
	Parse func(text string) (V, error)
	Text  func(V) string
	// Bare values (numbers, true and false) are written without quotes.
	Bare bool
	// Loose values may be numbers or text.
	Loose bool
	// JSON describes the text in a JSON Schema.
	JSON map[string]any
}

// Read reads one value from a node, or reports why it cannot.
func Read[V any](d *Decoder, s Scalar[V], n *document.Node, path string) (V, bool) {
	var zero V
	switch {
	case n.Kind == document.Null:
		d.Report(n.At, path, "it has no value", "write "+s.Name)
		return zero, false
	case n.Kind != document.Scalar:
		d.Report(n.At, path, fmt.Sprintf("%s is written where %s belongs", n.Kind, s.Name), "write "+s.Name)
		return zero, false
	case s.Bare && n.Quoted:
		d.Report(n.At, path, fmt.Sprintf("%s is text, not %s", value.Quote(n.Text), s.Name), "leave out the quotes")
		return zero, false
	case !s.Bare && n.IsBool():
		d.Report(n.At, path, n.Text+" is not "+s.Name, "write it between quotes if it is meant as text")
		return zero, false
	}
	v, err := s.Parse(n.Text)
	if err == nil {
		return v, true
	}
	f, ok := err.(*value.Fault) //nolint:errorlint // Parsers of scalars return faults, unwrapped.
	if !ok {
		f = &value.Fault{Message: err.Error()}
	}
	d.Report(n.At, path, f.Message, f.Hint)
	return zero, false
}

// must reads a value of the table itself.
func (s Scalar[V]) must(text string) V {
	v, err := s.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("field: the table says %q: %v", text, err))
	}
	return v
}

func (s Scalar[V]) piece(v V) *document.Piece {
	text := s.Text(v)
	return &document.Piece{Kind: document.Scalar, Text: text, Bare: s.Bare || s.Loose && value.IsDecimal(text)}
}

func (s Scalar[V]) schema() map[string]any { return maps.Clone(s.JSON) }

// Between bounds a scalar, both ends included.
func Between[V cmp.Ordered](s Scalar[V], low, high string) Scalar[V] {
	lo, hi := s.must(low), s.must(high)
	return bounded(s, fmt.Sprintf("%s to %s", low, high), func(v V) bool { return v >= lo && v <= hi })
}

// Inside bounds a scalar, both ends left out.
func Inside[V cmp.Ordered](s Scalar[V], low, high string) Scalar[V] {
	lo, hi := s.must(low), s.must(high)
	return bounded(s, fmt.Sprintf("more than %s and less than %s", low, high), func(v V) bool { return v > lo && v < hi })
}

func bounded[V any](s Scalar[V], allowed string, ok func(V) bool) Scalar[V] {
	parse := s.Parse
	s.Parse = func(text string) (V, error) {
		v, err := parse(text)
		if err == nil && !ok(v) {
			return v, value.Faultf("write "+allowed, "%s is out of range", text)
		}
		return v, err
	}
	s.JSON = maps.Clone(s.JSON)
	s.JSON["description"] = allowed
	return s
}

func same(s string) string { return s }

// Pattern describes text by a regular expression of JSON Schema.
func Pattern(re string) map[string]any {
	if re == "" {
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "string", "pattern": re}
}

// Text is text of which only some forms are good.
func Text(name, re string, parse func(string) (string, error)) Scalar[string] {
	return Scalar[string]{Name: name, Parse: parse, Text: same, JSON: Pattern(re)}
}

// OneOf is a choice of words.
func OneOf[V ~string](values ...V) Scalar[V] {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return Scalar[V]{
		Name: value.OrList(words),
		Parse: func(s string) (V, error) {
			if slices.Contains(words, s) {
				return V(s), nil
			}
			if near := value.Nearest(s, words); near != "" {
				return "", value.Faultf("did you mean "+strconv.Quote(near)+"?", "%s is not one of %s", value.Quote(s), strings.Join(words, ", "))
			}
			return "", value.Faultf("write "+value.OrList(words), "%s is unknown here", value.Quote(s))
		},
		Text: func(v V) string { return string(v) },
		JSON: map[string]any{"type": "string", "enum": words},
	}
}
