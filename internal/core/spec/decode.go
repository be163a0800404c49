package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// decoder collects the problems of one document and the places of its fields.
type decoder struct {
	file     string
	places   map[string]Position
	problems Problems
}

func (d *decoder) report(at Position, path, message, hint string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: at.Line, Column: at.Column, Path: path, Message: message, Hint: hint})
}

// list reports whether n is a list of at most so many items, and why not.
func (d *decoder) list(n *node, path string, most int) bool {
	switch {
	case n.kind == nullNode:
		d.report(n.at, path, "it has no value", "write a list, or [] for an empty one")
	case n.kind != sequenceNode:
		d.report(n.at, path, n.kind.String()+" is written where a list belongs", "put it into [ ] or behind a dash")
	case len(n.items) > most:
		d.report(n.at, path, fmt.Sprintf("the list has %d items", len(n.items)), fmt.Sprintf("write at most %d", most))
	default:
		return true
	}
	return false
}

// object reads a mapping into obj by the rows of its shape.
func (d *decoder) object(s *shape, obj any, n *node, path string) {
	if n.kind != mappingNode {
		message := n.kind.String() + " is written where a mapping belongs"
		if n.kind == nullNode {
			message = "it has no value"
		}
		d.report(n.at, path, message, "write fields of "+s.name+" such as "+strings.Join(s.names()[:min(3, len(s.fields))], ", "))
		return
	}
	written := map[string]bool{}
	for _, e := range n.entries {
		at := join(path, e.key)
		f, ok := s.field(e.key)
		if !ok {
			d.unknown(s, e, at)
			continue
		}
		written[e.key] = true
		d.places[at] = e.value.at
		if e.value.kind == nullNode {
			d.places[at] = e.at
			e.value = &node{kind: nullNode, at: e.at}
		}
		f.codec.decode(d, obj, e.value, at)
	}
	d.complete(s, n, written, path)
	d.belong(s, obj, n, path)
}

// unknown reports a key that the shape does not have.
func (d *decoder) unknown(s *shape, e entry, path string) {
	names := s.names()
	hint := "the fields are " + strings.Join(names, ", ")
	if len(names) == 1 {
		hint = "the only field is " + names[0]
	}
	if near := nearest(e.key, names); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	d.report(e.at, path, "unknown field", hint)
}

// complete reports required fields that are not written.
func (d *decoder) complete(s *shape, n *node, written map[string]bool, path string) {
	for _, f := range s.fields {
		if !f.required || written[f.name] {
			continue
		}
		hint := "write it"
		if f.example != "" {
			hint = "write one such as `" + f.name + ": " + f.example + "`"
		}
		d.report(n.at, join(path, f.name), "it is missing", hint)
	}
	if len(s.oneOf) == 0 {
		return
	}
	var found []string
	for _, name := range s.oneOf {
		if written[name] {
			found = append(found, name)
		}
	}
	switch {
	case len(found) == 0:
		d.report(n.at, path, fmt.Sprintf("the %s needs one of %s", s.name, strings.Join(s.oneOf, ", ")), "write exactly one of them")
	case len(found) > 1:
		d.report(n.at, path, fmt.Sprintf("the %s has %s at once", s.name, strings.Join(found, " and ")), "write exactly one of them")
	}
}

// belong reports fields that belong to another kind of the same shape.
func (d *decoder) belong(s *shape, obj any, n *node, path string) {
	kind := s.kind(obj)
	for _, e := range n.entries {
		if f, ok := s.field(e.key); ok && !f.fits(kind) {
			d.report(e.at, join(path, e.key), "it has no place beside "+kind, "it belongs beside "+orList(f.only))
		}
	}
}

// join appends a key to a path.
func join(path, key string) string {
	if !isWord(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// index appends a place in a list to a path.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func isWord(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
