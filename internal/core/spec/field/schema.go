package field

import (
	"bytes"
	"encoding/json"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Schema describes documents that have one of several shapes, by a JSON Schema
// (draft 2020-12) with an address, a title and a description.
func Schema(id, title, description string, shapes ...*Shape) []byte {
	b := &builder{defs: map[string]any{}}
	choices := make([]map[string]any, len(shapes))
	for i, s := range shapes {
		choices[i] = b.ref(s)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         id,
		"title":       title,
		"description": description,
		"oneOf":       choices,
		"$defs":       b.defs,
	}); err != nil { // Not reached: maps of text encode.
		return nil
	}
	return out.Bytes()
}

// builder collects the shapes that the schema refers to.
type builder struct {
	defs map[string]any
}

// ref returns a reference to a shape, which it describes at the first time.
func (b *builder) ref(s *Shape) map[string]any {
	name := s.Def
	if name == "" {
		name = s.Name
	}
	if _, done := b.defs[name]; !done {
		b.defs[name] = map[string]any{}
		b.defs[name] = b.object(s)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

// object describes a shape.
func (b *builder) object(s *Shape) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, f := range s.Fields {
		properties[f.Name] = b.property(f)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	o := map[string]any{
		"type":                 "object",
		"description":          s.Doc,
		"additionalProperties": false,
		"properties":           properties,
	}
	if len(required) > 0 {
		o["required"] = required
	}
	if len(s.OneOf) > 0 {
		choices := make([]map[string]any, len(s.OneOf))
		for i, name := range s.OneOf {
			choices[i] = map[string]any{"required": []string{name}}
		}
		o["oneOf"] = choices
	}
	return o
}

// property describes a row.
func (b *builder) property(f Field) map[string]any {
	o := f.codec.schema(b)
	doc := f.Doc
	if more, ok := o["description"].(string); ok {
		doc += " Allowed: " + more + "."
	}
	if f.Computed != "" {
		doc += " Default: " + f.Computed + "."
	}
	if len(f.Only) > 0 {
		doc += " Only for " + value.OrList(f.Only) + "."
	}
	o["description"] = doc
	if f.Default != "" {
		o["default"] = written(f.Default)
	}
	if f.Example != "" {
		o["examples"] = []any{written(f.Example)}
	}
	return o
}

// written turns the text of a default or of an example into the JSON value
// that it stands for.
func written(text string) any {
	roots, problems := document.Read("", []byte(text))
	if len(problems) > 0 || len(roots) != 1 {
		return text
	}
	return roots[0].Plain()
}
