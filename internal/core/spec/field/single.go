package field

import (
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
)

// plain is a field of type V whose zero value means "not written".
type plain[T any, V comparable] struct {
	typ Scalar[V]
	ref func(*T) *V
}

// Set is a field whose zero value means "not written".
func Set[T any, V comparable](name string, typ Scalar[V], ref func(*T) *V, m Meta) Field {
	return Field{name, m, plain[T, V]{typ, ref}}
}

func (c plain[T, V]) decode(d *Decoder, obj any, n *document.Node, path string) {
	if v, ok := Read(d, c.typ, n, path); ok {
		*c.ref(obj.(*T)) = v
	}
}

func (c plain[T, V]) encode(obj any) *document.Piece {
	var zero V
	v := *c.ref(obj.(*T))
	if v == zero {
		return nil
	}
	return c.typ.piece(v)
}

func (c plain[T, V]) fill(obj any, text string) { *c.ref(obj.(*T)) = c.typ.must(text) }

func (c plain[T, V]) overlay(dst, src any, path string, wrote func(string)) {
	var zero V
	if v := *c.ref(src.(*T)); v != zero {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c plain[T, V]) schema(*builder) map[string]any { return c.typ.schema() }

// pointer is a field of type *V, for values whose zero is worth writing.
type pointer[T, V any] struct {
	typ Scalar[V]
	ref func(*T) **V
}

// Opt is a field that is nil when it is not written.
func Opt[T, V any](name string, typ Scalar[V], ref func(*T) **V, m Meta) Field {
	return Field{name, m, pointer[T, V]{typ, ref}}
}

func (c pointer[T, V]) decode(d *Decoder, obj any, n *document.Node, path string) {
	if v, ok := Read(d, c.typ, n, path); ok {
		*c.ref(obj.(*T)) = &v
	}
}

func (c pointer[T, V]) encode(obj any) *document.Piece {
	v := *c.ref(obj.(*T))
	if v == nil {
		return nil
	}
	return c.typ.piece(*v)
}

func (c pointer[T, V]) fill(obj any, text string) {
	v := c.typ.must(text)
	*c.ref(obj.(*T)) = &v
}

func (c pointer[T, V]) overlay(dst, src any, path string, wrote func(string)) {
	if v := *c.ref(src.(*T)); v != nil {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c pointer[T, V]) schema(*builder) map[string]any { return c.typ.schema() }

// oneOrMany is a list of values that may be written as the only one of them.
type oneOrMany[T, V any] struct{ several[T, V] }

// OneOrMany is a field that is a list of single values, or one of them by itself.
func OneOrMany[T, V any](name string, typ Scalar[V], ref func(*T) *[]V, m Meta) Field {
	return Field{name, m, oneOrMany[T, V]{several[T, V]{typ, ref, m.Most}}}
}

func (c oneOrMany[T, V]) decode(d *Decoder, obj any, n *document.Node, path string) {
	if n.Kind == document.Sequence {
		c.several.decode(d, obj, n, path)
		return
	}
	if v, ok := Read(d, c.typ, n, path); ok {
		*c.ref(obj.(*T)) = []V{v}
	}
}

func (c oneOrMany[T, V]) encode(obj any) *document.Piece {
	if list := *c.ref(obj.(*T)); len(list) == 1 {
		return c.typ.piece(list[0])
	}
	return c.several.encode(obj)
}

func (c oneOrMany[T, V]) schema(b *builder) map[string]any {
	return map[string]any{"oneOf": []any{c.typ.schema(), c.several.schema(b)}}
}

// several is a list of values.
type several[T, V any] struct {
	typ  Scalar[V]
	ref  func(*T) *[]V
	most int
}

// Many is a field that is a list of single values.
func Many[T, V any](name string, typ Scalar[V], ref func(*T) *[]V, m Meta) Field {
	return Field{name, m, several[T, V]{typ, ref, m.Most}}
}

func (c several[T, V]) decode(d *Decoder, obj any, n *document.Node, path string) {
	if !d.list(n, path, c.most) {
		return
	}
	list := make([]V, 0, len(n.Items))
	for i, item := range n.Items {
		at := document.Index(path, i)
		d.Places[at] = item.At
		if v, ok := Read(d, c.typ, item, at); ok {
			list = append(list, v)
		}
	}
	*c.ref(obj.(*T)) = list
}

func (c several[T, V]) encode(obj any) *document.Piece {
	list := *c.ref(obj.(*T))
	if list == nil {
		return nil
	}
	o := &document.Piece{Kind: document.Sequence, Inline: true}
	for _, v := range list {
		o.Values = append(o.Values, c.typ.piece(v))
	}
	return o
}

func (c several[T, V]) fill(obj any, text string) {
	var list []V
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune("[], ", r) }) {
		list = append(list, c.typ.must(word))
	}
	*c.ref(obj.(*T)) = list
}

func (c several[T, V]) overlay(dst, src any, path string, wrote func(string)) {
	if v := *c.ref(src.(*T)); v != nil {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c several[T, V]) schema(*builder) map[string]any {
	return map[string]any{"type": "array", "maxItems": c.most, "items": c.typ.schema()}
}
