package field

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Decoder collects the problems of one document and the places of its fields.
type Decoder struct {
	File     string
	Places   map[string]document.Position
	Problems document.Problems
}

// NewDecoder returns a decoder for the document with this root.
func NewDecoder(file string, root *document.Node) *Decoder {
	return &Decoder{File: file, Places: map[string]document.Position{"": root.At}}
}

// Report reports a problem at a place.
func (d *Decoder) Report(at document.Position, path, message, hint string) {
	d.Problems = append(d.Problems, document.Problem{File: d.File, Line: at.Line, Column: at.Column, Path: path, Message: message, Hint: hint})
}

// list reports whether n is a list of at most so many items, and why not.
func (d *Decoder) list(n *document.Node, path string, most int) bool {
	switch {
	case n.Kind == document.Null:
		d.Report(n.At, path, "it has no value", "write a list, or [] for an empty one")
	case n.Kind != document.Sequence:
		d.Report(n.At, path, n.Kind.String()+" is written where a list belongs", "put it into [ ] or behind a dash")
	case len(n.Items) > most:
		d.Report(n.At, path, fmt.Sprintf("the list has %d items", len(n.Items)), fmt.Sprintf("write at most %d", most))
	default:
		return true
	}
	return false
}

// Object reads a mapping into obj by the rows of its shape.
func (d *Decoder) Object(s *Shape, obj any, n *document.Node, path string) {
	if n.Kind != document.Mapping {
		message := n.Kind.String() + " is written where a mapping belongs"
		if n.Kind == document.Null {
			message = "it has no value"
		}
		d.Report(n.At, path, message, "write fields of "+s.Name+" such as "+strings.Join(s.names()[:min(3, len(s.Fields))], ", "))
		return
	}
	written := map[string]bool{}
	for _, e := range n.Entries {
		at := document.Join(path, e.Key)
		f, ok := s.Field(e.Key)
		if !ok {
			d.unknown(s, e, at)
			continue
		}
		written[e.Key] = true
		d.Places[at] = e.Value.At
		if e.Value.Kind == document.Null {
			d.Places[at] = e.At
			e.Value = &document.Node{Kind: document.Null, At: e.At}
		}
		f.codec.decode(d, obj, e.Value, at)
	}
	d.complete(s, n, written, path)
	d.belong(s, obj, n, path)
}

// unknown reports a key that the shape does not have.
func (d *Decoder) unknown(s *Shape, e document.Entry, path string) {
	names := s.names()
	hint := "the fields are " + strings.Join(names, ", ")
	if len(names) == 1 {
		hint = "the only field is " + names[0]
	}
	if near := value.Nearest(e.Key, names); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	d.Report(e.At, path, "unknown field", hint)
}

// complete reports required fields that are not written.
func (d *Decoder) complete(s *Shape, n *document.Node, written map[string]bool, path string) {
	for _, f := range s.Fields {
		if !f.Required || written[f.Name] {
			continue
		}
		hint := "write it"
		if f.Example != "" {
			hint = "write one such as `" + f.Name + ": " + f.Example + "`"
		}
		d.Report(n.At, document.Join(path, f.Name), "it is missing", hint)
	}
	if len(s.OneOf) == 0 {
		return
	}
	var found []string
	for _, name := range s.OneOf {
		if written[name] {
			found = append(found, name)
		}
	}
	switch {
	case len(found) == 0:
		d.Report(n.At, path, fmt.Sprintf("the %s needs one of %s", s.Name, strings.Join(s.OneOf, ", ")), "write exactly one of them")
	case len(found) > 1:
		d.Report(n.At, path, fmt.Sprintf("the %s has %s at once", s.Name, strings.Join(found, " and ")), "write exactly one of them")
	}
}

// belong reports fields that belong to another kind of the same shape.
func (d *Decoder) belong(s *Shape, obj any, n *document.Node, path string) {
	kind := s.kind(obj)
	for _, e := range n.Entries {
		if f, ok := s.Field(e.Key); ok && !f.fits(kind) {
			d.Report(e.At, document.Join(path, e.Key), "it has no place beside "+kind, "it belongs beside "+value.OrList(f.Only))
		}
	}
}
