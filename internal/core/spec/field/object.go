package field

import (
	"slices"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// inner is a field that is an object.
type inner[T, U any] struct {
	shape *Shape
	ref   func(*T) **U
}

// Child is a field that is an object.
func Child[T, U any](name string, s *Shape, ref func(*T) **U, m Meta) Field {
	return Field{name, m, inner[T, U]{s, ref}}
}

func (c inner[T, U]) decode(d *Decoder, obj any, n *document.Node, path string) {
	v := new(U)
	d.Object(c.shape, v, n, path)
	*c.ref(obj.(*T)) = v
}

func (c inner[T, U]) encode(obj any) *document.Piece {
	v := *c.ref(obj.(*T))
	if v == nil {
		return nil
	}
	return c.shape.Encode(v)
}

func (c inner[T, U]) inside() *Shape { return c.shape }

func (c inner[T, U]) fill(any, string) {}

func (c inner[T, U]) overlay(dst, src any, path string, wrote func(string)) {
	v := *c.ref(src.(*T))
	if v == nil {
		return
	}
	into := new(U)
	if was := *c.ref(dst.(*T)); was != nil {
		*into = *was
	}
	*c.ref(dst.(*T)) = into
	wrote(path)
	c.shape.Overlay(into, v, path, wrote)
}

func (c inner[T, U]) schema(b *builder) map[string]any { return b.ref(c.shape) }

// inners is a field that is a list of objects.
type inners[T, U any] struct {
	shape *Shape
	ref   func(*T) *[]U
	most  int
}

// Children is a field that is a list of objects.
func Children[T, U any](name string, s *Shape, ref func(*T) *[]U, m Meta) Field {
	return Field{name, m, inners[T, U]{s, ref, m.Most}}
}

func (c inners[T, U]) decode(d *Decoder, obj any, n *document.Node, path string) {
	if !d.list(n, path, c.most) {
		return
	}
	list := make([]U, len(n.Items))
	for i, item := range n.Items {
		d.Places[document.Index(path, i)] = item.At
		d.Object(c.shape, &list[i], item, document.Index(path, i))
	}
	*c.ref(obj.(*T)) = list
}

func (c inners[T, U]) encode(obj any) *document.Piece {
	list := *c.ref(obj.(*T))
	if list == nil {
		return nil
	}
	o := &document.Piece{Kind: document.Sequence, Inline: len(list) == 0}
	for i := range list {
		o.Values = append(o.Values, c.shape.Encode(&list[i]))
	}
	return o
}

func (c inners[T, U]) inside() *Shape { return c.shape }

func (c inners[T, U]) fill(any, string) {}

func (c inners[T, U]) overlay(dst, src any, path string, wrote func(string)) {
	if v := *c.ref(src.(*T)); v != nil {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c inners[T, U]) schema(b *builder) map[string]any {
	return map[string]any{"type": "array", "maxItems": c.most, "items": b.ref(c.shape)}
}

// lifted makes a row of a part serve the whole that the part is in.
type lifted[T, U any] struct {
	codec
	part func(*T) *U
}

// Lift makes rows of a part serve the whole that the part is in.
func Lift[T, U any](fields []Field, part func(*T) *U) []Field {
	up := slices.Clone(fields)
	for i := range up {
		up[i].codec = lifted[T, U]{up[i].codec, part}
	}
	return up
}

func (c lifted[T, U]) decode(d *Decoder, obj any, n *document.Node, path string) {
	c.codec.decode(d, c.part(obj.(*T)), n, path)
}

func (c lifted[T, U]) encode(obj any) *document.Piece { return c.codec.encode(c.part(obj.(*T))) }

func (c lifted[T, U]) fill(obj any, text string) { c.codec.fill(c.part(obj.(*T)), text) }

func (c lifted[T, U]) overlay(dst, src any, path string, wrote func(string)) {
	c.codec.overlay(c.part(dst.(*T)), c.part(src.(*T)), path, wrote)
}

func (c lifted[T, U]) inside() *Shape { return Field{codec: c.codec}.Shape() }
