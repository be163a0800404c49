package spec

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// jsonObject is an object of a JSON Schema.
type jsonObject = map[string]any

// schemaID is where the published schema is found.
const schemaID = "https://belay.dev/schema/belay.dev_v1alpha1.json"

// Schema returns the JSON Schema (draft 2020-12) of one document, for editors
// and for checks before a file reaches a server. It takes everything that Parse
// takes; what depends on several fields at once only Parse knows.
func Schema() []byte {
	b := &schemaBuilder{defs: jsonObject{}}
	var kinds []jsonObject
	for _, s := range []*shape{modelDocument, policyDocument, rolloutDocument} {
		kinds = append(kinds, b.ref(s))
	}
	root := jsonObject{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         schemaID,
		"title":       "Belay " + APIVersion,
		"description": "A model, a policy or a rollout. One file may hold several documents.",
		"oneOf":       kinds,
		"$defs":       b.defs,
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil { // Not reached: maps of text encode.
		return nil
	}
	return out.Bytes()
}

// schemaBuilder collects the shapes that the schema refers to.
type schemaBuilder struct {
	defs jsonObject
}

// ref returns a reference to a shape, which it describes at the first time.
func (b *schemaBuilder) ref(s *shape) jsonObject {
	name := s.name
	switch s {
	case modelDocument, policyDocument, rolloutDocument:
	case metadataOf[kindModel], metadataOf[kindPolicy], metadataOf[kindRollout]:
		name = "metadata"
		if s == metadataOf[kindRollout] {
			name = "rolloutMetadata"
		}
	case modelEnvironmentShape:
		name = "modelEnvironment"
	case modelShape, policyShape, rolloutShape:
		name += "Spec"
	}
	if _, done := b.defs[name]; !done {
		b.defs[name] = jsonObject{}
		b.defs[name] = b.object(s)
	}
	return jsonObject{"$ref": "#/$defs/" + name}
}

// object describes a shape.
func (b *schemaBuilder) object(s *shape) jsonObject {
	properties := jsonObject{}
	required := []string{}
	for _, f := range s.fields {
		properties[f.name] = b.property(f)
		if f.required {
			required = append(required, f.name)
		}
	}
	o := jsonObject{
		"type":                 "object",
		"description":          s.doc,
		"additionalProperties": false,
		"properties":           properties,
	}
	if len(required) > 0 {
		o["required"] = required
	}
	if len(s.oneOf) > 0 {
		choices := make([]jsonObject, len(s.oneOf))
		for i, name := range s.oneOf {
			choices[i] = jsonObject{"required": []string{name}}
		}
		o["oneOf"] = choices
	}
	return o
}

// property describes a row.
func (b *schemaBuilder) property(f field) jsonObject {
	o := f.codec.schema(b)
	doc := f.doc
	if more, ok := o["description"].(string); ok {
		doc += " Allowed: " + more + "."
	}
	if f.computed != "" {
		doc += " Default: " + f.computed + "."
	}
	if len(f.only) > 0 {
		doc += " Only for " + orList(f.only) + "."
	}
	o["description"] = doc
	if f.def != "" {
		o["default"] = b.written(f, f.def)
	}
	if f.example != "" {
		o["examples"] = []any{b.written(f, f.example)}
	}
	return o
}

// written turns the text of a default or of an example into the JSON value
// that it stands for.
func (b *schemaBuilder) written(f field, text string) any {
	if list, ok := f.codec.schema(b)["items"]; ok && !strings.HasPrefix(text, "[") && list != nil {
		return strings.Fields(text)
	}
	roots, problems := readYAML("", []byte(text))
	if len(problems) > 0 || len(roots) != 1 {
		return text
	}
	return roots[0].value()
}

// value returns what a node stands for in JSON.
func (n *node) value() any {
	switch n.kind {
	case mappingNode:
		m := jsonObject{}
		for _, e := range n.entries {
			m[e.key] = e.value.value()
		}
		return m
	case sequenceNode:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.value()
		}
		return list
	case scalarNode:
		if n.isBool() {
			return n.text == "true"
		}
		if v, err := strconv.ParseInt(n.text, 10, 64); err == nil && !n.quoted {
			return v
		}
		return n.text
	}
	return nil
}
