package spec

import (
	"slices"
	"strings"
)

// shape is one kind of object in a file: a row of fields for each of its keys.
// Decoding, writing, defaults and the JSON Schema all walk these rows.
type shape struct {
	name   string
	doc    string
	fields []field
	// kindOf names what an object is, where fields belong to some kinds only.
	kindOf func(obj any) string
	// oneOf names fields of which exactly one must be written.
	oneOf []string
	// inline writes the object on one line.
	inline bool
}

// field is one row of the table.
type field struct {
	name string
	meta
	codec codec
}

// meta is what a row says besides its type.
type meta struct {
	// doc is one sentence or more for people.
	doc string
	// def is the default as it would be written; computed describes one that
	// depends on other fields.
	def      string
	computed string
	example  string
	required bool
	// only names the kinds (see shape.kindOf) to which the field belongs.
	only []string
	// most bounds the items of a list.
	most int
}

// codec connects a row with a field of a Go struct. obj is a pointer to that struct.
type codec interface {
	// decode sets the field from n, or reports why it cannot.
	decode(d *decoder, obj any, n *node, path string)
	// encode returns the field as it is to be written, and nil when it is not set.
	encode(obj any) *out
	// fill sets the field to a default.
	fill(obj any, text string)
	// overlay sets the field of dst to that of src, where src has it, and calls
	// wrote with the path of each field that it sets.
	overlay(dst, src any, path string, wrote func(path string))
	// schema describes the values that decode takes.
	schema(b *schemaBuilder) jsonObject
}

func (s *shape) field(name string) (field, bool) {
	i := slices.IndexFunc(s.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return s.fields[i], true
}

func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// fits reports whether a field belongs to an object of this kind.
func (f field) fits(kind string) bool {
	return len(f.only) == 0 || kind == "" || slices.Contains(f.only, kind)
}

// kind names what obj is; "" when all fields fit.
func (s *shape) kind(obj any) string {
	if s.kindOf == nil {
		return ""
	}
	return s.kindOf(obj)
}

// fill sets each field that is not set to its default.
func (s *shape) fill(obj any) {
	kind := s.kind(obj)
	for _, f := range s.fields {
		if f.def != "" && f.fits(kind) && f.codec.encode(obj) == nil {
			f.codec.fill(obj, f.def)
		}
	}
}

// encode writes the fields that are set, in the order of the table.
func (s *shape) encode(obj any) *out {
	o := &out{kind: mappingNode, inline: s.inline}
	for _, f := range s.fields {
		if v := f.codec.encode(obj); v != nil {
			o.keys = append(o.keys, f.name)
			o.values = append(o.values, v)
		}
	}
	return o
}

// overlay sets the fields of dst that src has.
func (s *shape) overlay(dst, src any, path string, wrote func(string)) {
	for _, f := range s.fields {
		f.codec.overlay(dst, src, join(path, f.name), wrote)
	}
}

// plain is a field of type V whose zero value means "not written".
type plain[T any, V comparable] struct {
	typ scalar[V]
	ref func(*T) *V
}

func set[T any, V comparable](name string, typ scalar[V], ref func(*T) *V, m meta) field {
	return field{name, m, plain[T, V]{typ, ref}}
}

func (c plain[T, V]) decode(d *decoder, obj any, n *node, path string) {
	if v, ok := read(d, c.typ, n, path); ok {
		*c.ref(obj.(*T)) = v
	}
}

func (c plain[T, V]) encode(obj any) *out {
	var zero V
	v := *c.ref(obj.(*T))
	if v == zero {
		return nil
	}
	return c.typ.out(v)
}

func (c plain[T, V]) fill(obj any, text string) { *c.ref(obj.(*T)) = c.typ.must(text) }

func (c plain[T, V]) overlay(dst, src any, path string, wrote func(string)) {
	var zero V
	if v := *c.ref(src.(*T)); v != zero {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c plain[T, V]) schema(*schemaBuilder) jsonObject { return c.typ.schema() }

// pointer is a field of type *V, for values whose zero is worth writing.
type pointer[T, V any] struct {
	typ scalar[V]
	ref func(*T) **V
}

func opt[T, V any](name string, typ scalar[V], ref func(*T) **V, m meta) field {
	return field{name, m, pointer[T, V]{typ, ref}}
}

func (c pointer[T, V]) decode(d *decoder, obj any, n *node, path string) {
	if v, ok := read(d, c.typ, n, path); ok {
		*c.ref(obj.(*T)) = &v
	}
}

func (c pointer[T, V]) encode(obj any) *out {
	v := *c.ref(obj.(*T))
	if v == nil {
		return nil
	}
	return c.typ.out(*v)
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

func (c pointer[T, V]) schema(*schemaBuilder) jsonObject { return c.typ.schema() }

// several is a list of values.
type several[T, V any] struct {
	typ  scalar[V]
	ref  func(*T) *[]V
	most int
}

func many[T, V any](name string, typ scalar[V], ref func(*T) *[]V, m meta) field {
	return field{name, m, several[T, V]{typ, ref, m.most}}
}

func (c several[T, V]) decode(d *decoder, obj any, n *node, path string) {
	if !d.list(n, path, c.most) {
		return
	}
	list := make([]V, 0, len(n.items))
	for i, item := range n.items {
		at := index(path, i)
		d.places[at] = item.at
		if v, ok := read(d, c.typ, item, at); ok {
			list = append(list, v)
		}
	}
	*c.ref(obj.(*T)) = list
}

func (c several[T, V]) encode(obj any) *out {
	list := *c.ref(obj.(*T))
	if list == nil {
		return nil
	}
	o := &out{kind: sequenceNode, inline: true}
	for _, v := range list {
		o.values = append(o.values, c.typ.out(v))
	}
	return o
}

func (c several[T, V]) fill(obj any, text string) {
	var list []V
	for word := range strings.FieldsSeq(text) {
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

func (c several[T, V]) schema(*schemaBuilder) jsonObject {
	return jsonObject{"type": "array", "maxItems": c.most, "items": c.typ.schema()}
}

// inner is a field that is an object.
type inner[T, U any] struct {
	shape *shape
	ref   func(*T) **U
}

func child[T, U any](name string, s *shape, ref func(*T) **U, m meta) field {
	return field{name, m, inner[T, U]{s, ref}}
}

func (c inner[T, U]) decode(d *decoder, obj any, n *node, path string) {
	v := new(U)
	d.object(c.shape, v, n, path)
	*c.ref(obj.(*T)) = v
}

func (c inner[T, U]) encode(obj any) *out {
	v := *c.ref(obj.(*T))
	if v == nil {
		return nil
	}
	return c.shape.encode(v)
}

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
	c.shape.overlay(into, v, path, wrote)
}

func (c inner[T, U]) schema(b *schemaBuilder) jsonObject { return b.ref(c.shape) }

// inners is a field that is a list of objects.
type inners[T, U any] struct {
	shape *shape
	ref   func(*T) *[]U
	most  int
}

func children[T, U any](name string, s *shape, ref func(*T) *[]U, m meta) field {
	return field{name, m, inners[T, U]{s, ref, m.most}}
}

func (c inners[T, U]) decode(d *decoder, obj any, n *node, path string) {
	if !d.list(n, path, c.most) {
		return
	}
	list := make([]U, len(n.items))
	for i, item := range n.items {
		d.places[index(path, i)] = item.at
		d.object(c.shape, &list[i], item, index(path, i))
	}
	*c.ref(obj.(*T)) = list
}

func (c inners[T, U]) encode(obj any) *out {
	list := *c.ref(obj.(*T))
	if list == nil {
		return nil
	}
	o := &out{kind: sequenceNode, inline: len(list) == 0}
	for i := range list {
		o.values = append(o.values, c.shape.encode(&list[i]))
	}
	return o
}

func (c inners[T, U]) fill(any, string) {}

func (c inners[T, U]) overlay(dst, src any, path string, wrote func(string)) {
	if v := *c.ref(src.(*T)); v != nil {
		*c.ref(dst.(*T)) = v
		wrote(path)
	}
}

func (c inners[T, U]) schema(b *schemaBuilder) jsonObject {
	return jsonObject{"type": "array", "maxItems": c.most, "items": b.ref(c.shape)}
}

// lifted makes a row of a part serve the whole that the part is in.
type lifted[T, U any] struct {
	codec
	part func(*T) *U
}

func lift[T, U any](fields []field, part func(*T) *U) []field {
	up := slices.Clone(fields)
	for i := range up {
		up[i].codec = lifted[T, U]{up[i].codec, part}
	}
	return up
}

func (c lifted[T, U]) decode(d *decoder, obj any, n *node, path string) {
	c.codec.decode(d, c.part(obj.(*T)), n, path)
}

func (c lifted[T, U]) encode(obj any) *out { return c.codec.encode(c.part(obj.(*T))) }

func (c lifted[T, U]) fill(obj any, text string) { c.codec.fill(c.part(obj.(*T)), text) }

func (c lifted[T, U]) overlay(dst, src any, path string, wrote func(string)) {
	c.codec.overlay(c.part(dst.(*T)), c.part(src.(*T)), path, wrote)
}
