package spec

import (
	"bytes"
	"encoding/json"
	"strings"
)

// out is a piece of a document that is to be written, as YAML or as JSON.
type out struct {
	kind   nodeKind
	text   string
	bare   bool
	inline bool
	keys   []string
	values []*out
}

// block writes a mapping as block-style YAML, one key a line.
func (o *out) block(b *strings.Builder, indent string) {
	for i, v := range o.values {
		b.WriteString(indent + o.keys[i] + ":")
		v.below(b, indent)
	}
}

// below writes a value after its key.
func (o *out) below(b *strings.Builder, indent string) {
	switch {
	case o.kind == scalarNode || o.inline || len(o.values) == 0:
		b.WriteByte(' ')
		o.flow(b)
		b.WriteByte('\n')
	case o.kind == mappingNode:
		b.WriteByte('\n')
		o.block(b, indent+"  ")
	default:
		b.WriteByte('\n')
		o.items(b, indent+"  ")
	}
}

// items writes a list, one item after a dash.
func (o *out) items(b *strings.Builder, indent string) {
	for _, v := range o.values {
		b.WriteString(indent + "- ")
		if v.kind != mappingNode || v.inline || len(v.values) == 0 {
			v.flow(b)
			b.WriteByte('\n')
			continue
		}
		var body strings.Builder
		v.block(&body, indent+"  ")
		b.WriteString(strings.TrimPrefix(body.String(), indent+"  "))
	}
}

// flow writes o on one line.
func (o *out) flow(b *strings.Builder) {
	switch o.kind {
	case mappingNode:
		b.WriteByte('{')
		for i, v := range o.values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(o.keys[i] + ": ")
			v.flow(b)
		}
		b.WriteByte('}')
	case sequenceNode:
		b.WriteByte('[')
		for i, v := range o.values {
			if i > 0 {
				b.WriteString(", ")
			}
			v.flow(b)
		}
		b.WriteByte(']')
	default:
		if o.bare || isSafe(o.text) {
			b.WriteString(o.text)
			return
		}
		b.Write(jsonText(o.text))
	}
}

// isSafe reports whether text means itself in YAML without quotes, in every
// place: it begins with a letter or a digit, has no sign that ends or opens
// anything, and is no word or number that a reader may take for something else.
func isSafe(text string) bool {
	switch strings.ToLower(text) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	if !isAlphanumeric(text[0]) && text[0] != '/' && text[0] != '_' || strings.HasSuffix(text, ":") {
		return false
	}
	for i := range len(text) {
		if !isAlphanumeric(text[i]) && strings.IndexByte("%/.:_+-@~", text[i]) < 0 {
			return false
		}
	}
	return !numeric(text)
}

// numeric reports whether some reader of YAML could take text for a number, a
// date or a time.
func numeric(text string) bool {
	if text[0] < '0' || text[0] > '9' {
		return false
	}
	rest := strings.TrimLeft(text, "0123456789.")
	switch rest {
	case "%", "pp", "d", "h", "m", "s", "ms", "/s", "B", "KiB", "MiB", "GiB", "TiB":
		return false
	}
	return !strings.ContainsAny(rest, "dhms") || strings.ContainsAny(rest, ":_+-eExobi")
}

// json writes o as JSON: numbers and truth values bare, all else as text.
func (o *out) json(b *bytes.Buffer) {
	switch o.kind {
	case mappingNode:
		b.WriteByte('{')
		for i, v := range o.values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(jsonText(o.keys[i]))
			b.WriteByte(':')
			v.json(b)
		}
		b.WriteByte('}')
	case sequenceNode:
		b.WriteByte('[')
		for i, v := range o.values {
			if i > 0 {
				b.WriteByte(',')
			}
			v.json(b)
		}
		b.WriteByte(']')
	default:
		if o.bare {
			b.WriteString(o.text)
			return
		}
		b.Write(jsonText(o.text))
	}
}

// jsonText quotes text for JSON, which is also a double-quoted text of YAML.
func jsonText(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // Not reached: text always encodes.
		return []byte(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
