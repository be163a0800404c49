package field

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// Shape is one kind of object in a file: a row of fields for each of its keys.
// Decoding, writing, defaults and the JSON Schema all walk these rows.
type Shape struct {
	// Name is what messages call the object, Doc explains it.
	Name   string
	Doc    string
	Fields []Field
	// Def is its name in the JSON Schema; Name where that is unique.
	Def string
	// KindOf names what an object is, where fields belong to some kinds only.
	KindOf func(obj any) string
	// OneOf names fields of which exactly one must be written.
	OneOf []string
	// Inline writes the object on one line.
	Inline bool
}

// Field is one row of the table.
type Field struct {
	// Name is the key in the file.
	Name string
	Meta
	codec codec
}

// Meta is what a row says besides its type.
type Meta struct {
	// Doc is one sentence or more for people.
	Doc string
	// Default is written as in a file; Computed describes one that depends on
	// other fields.
	Default  string
	Computed string
	// Example is written as in a file.
	Example  string
	Required bool
	// Only names the kinds (see Shape.KindOf) to which the field belongs.
	Only []string
	// Most bounds the items of a list.
	Most int
}

// codec connects a row with a field of a Go struct. obj is a pointer to that struct.
type codec interface {
	// decode sets the field from n, or reports why it cannot.
	decode(d *Decoder, obj any, n *document.Node, path string)
	// encode returns the field as it is to be written, and nil when it is not set.
	encode(obj any) *document.Piece
	// fill sets the field to a default.
	fill(obj any, text string)
	// overlay sets the field of dst to that of src, where src has it, and calls
	// wrote with the path of each field that it sets.
	overlay(dst, src any, path string, wrote func(path string))
	// schema describes the values that decode takes.
	schema(b *builder) map[string]any
}

// Field returns the row of a name.
func (s *Shape) Field(name string) (Field, bool) {
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s.Fields[i], true
}

func (s *Shape) names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// Shape returns the shape of a field that is an object or a list of objects, and
// nil for others.
func (f Field) Shape() *Shape {
	if c, ok := f.codec.(interface{ inside() *Shape }); ok {
		return c.inside()
	}
	return nil
}

// Read reads a text into the field of obj, as if it stood in a file. Tests prove
// with it that the table can read its own defaults and examples.
func (f Field) Read(obj any, text string) error {
	roots, problems := document.Read("text", []byte(text))
	if len(problems) > 0 || len(roots) != 1 {
		return problems.Err()
	}
	d := NewDecoder("text", roots[0])
	f.codec.decode(d, obj, roots[0], f.Name)
	return d.Problems.Err()
}

// fits reports whether a field belongs to an object of this kind.
func (f Field) fits(kind string) bool {
	return len(f.Only) == 0 || kind == "" || slices.Contains(f.Only, kind)
}

// kind names what obj is; "" when all fields fit.
func (s *Shape) kind(obj any) string {
	if s.KindOf == nil {
		return ""
	}
	return s.KindOf(obj)
}

// Fill sets each field that is not set to its default.
func (s *Shape) Fill(obj any) {
	kind := s.kind(obj)
	for _, f := range s.Fields {
		if f.Default != "" && f.fits(kind) && f.codec.encode(obj) == nil {
			f.codec.fill(obj, f.Default)
		}
	}
}

// Encode writes the fields that are set, in the order of the table.
func (s *Shape) Encode(obj any) *document.Piece {
	o := &document.Piece{Kind: document.Mapping, Inline: s.Inline}
	for _, f := range s.Fields {
		if v := f.codec.encode(obj); v != nil {
			o.Keys = append(o.Keys, f.Name)
			o.Values = append(o.Values, v)
		}
	}
	return o
}

// Overlay sets the fields of dst that src has.
func (s *Shape) Overlay(dst, src any, path string, wrote func(string)) {
	for _, f := range s.Fields {
		f.codec.overlay(dst, src, document.Join(path, f.Name), wrote)
	}
}
