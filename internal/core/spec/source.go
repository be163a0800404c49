package spec

import "strings"

// Source is the document that a value was read from. It finds the place of
// each field again, for problems that show only when documents meet.
type Source struct {
	// Name is the file's name, or what stands for it: "standard input", "preset standard".
	Name string

	preset bool
	places map[string]Position
}

// At returns the place of a path such as "spec.stages[2].weight", or of the
// nearest part above it that was written.
func (s *Source) At(path string) Position {
	if s == nil {
		return Position{}
	}
	for {
		if at, ok := s.places[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return s.places[""]
		}
		path = path[:cut]
	}
}

// Problem returns a problem at a path of this document.
func (s *Source) Problem(path, message, hint string) Problem {
	at := s.At(path)
	p := Problem{Line: at.Line, Column: at.Column, Path: path, Message: message, Hint: hint}
	if s != nil {
		p.File = s.Name
	}
	return p
}

// Equal always holds: two values are the same wherever they were written. It is
// for comparisons in tests.
func (s *Source) Equal(*Source) bool { return true }
