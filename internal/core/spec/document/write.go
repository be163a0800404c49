package document

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Piece is a part of a document that is to be written, as YAML or as JSON.
type Piece struct {
	Kind Kind
	Text string
	// Bare values (numbers, true and false) are not quoted in JSON.
	Bare bool
	// Inline writes a mapping or a list on one line.
	Inline bool
	// Keys are those of a mapping, one for each of Values.
	Keys   []string
	Values []*Piece
}

// block writes a mapping as block-style YAML, one key a line.
func (o *Piece) block(b *strings.Builder, indent string) {
	for i, v := range o.Values {
		b.WriteString(indent + o.Keys[i] + ":")
		v.below(b, indent)
	}
}

// below writes a value after its key.
func (o *Piece) below(b *strings.Builder, indent string) {
	switch {
	case o.Kind == Scalar || o.Inline || len(o.Values) == 0:
		b.WriteByte(' ')
		o.flow(b)
		b.WriteByte('\n')
	case o.Kind == Mapping:
		b.WriteByte('\n')
		o.block(b, indent+"  ")
	default:
		b.WriteByte('\n')
		o.items(b, indent+"  ")
	}
}

// items writes a list, one item after a dash.
func (o *Piece) items(b *strings.Builder, indent string) {
	for _, v := range o.Values {
		b.WriteString(indent + "- ")
		if v.Kind != Mapping || v.Inline || len(v.Values) == 0 {
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
func (o *Piece) flow(b *strings.Builder) {
	switch o.Kind {
	case Mapping:
		b.WriteByte('{')
		for i, v := range o.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(o.Keys[i] + ": ")
			v.flow(b)
		}
		b.WriteByte('}')
	case Sequence:
		b.WriteByte('[')
		for i, v := range o.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			v.flow(b)
		}
		b.WriteByte(']')
	default:
		if o.Bare || isSafe(o.Text) {
			b.WriteString(o.Text)
			return
		}
		b.Write(JSONText(o.Text))
	}
}

// isSafe reports whether text means itself in YAML without quotes, in every
// place: it begins with a letter or a digit, has no sign that ends or opens
// anything, and is no word or number that a reader may take for something else.
// What follows a colon must be as harmless as the beginning, because inside
// brackets some parsers begin a value there.
func isSafe(text string) bool {
	switch strings.ToLower(text) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	if !startsSafely(text) {
		return false
	}
	for i := range len(text) {
		if !value.IsAlphanumeric(text[i]) && strings.IndexByte("%/.:_+-@~", text[i]) < 0 {
			return false
		}
		if text[i] == ':' && !startsSafely(text[i+1:]) {
			return false
		}
	}
	return !numeric(text)
}

func startsSafely(text string) bool {
	return text != "" && (value.IsAlphanumeric(text[0]) || text[0] == '/' || text[0] == '_')
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
func (o *Piece) json(b *bytes.Buffer) {
	switch o.Kind {
	case Mapping:
		b.WriteByte('{')
		for i, v := range o.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(JSONText(o.Keys[i]))
			b.WriteByte(':')
			v.json(b)
		}
		b.WriteByte('}')
	case Sequence:
		b.WriteByte('[')
		for i, v := range o.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			v.json(b)
		}
		b.WriteByte(']')
	default:
		if o.Bare {
			b.WriteString(o.Text)
			return
		}
		b.Write(JSONText(o.Text))
	}
}

// JSONText quotes text for JSON, which is also a double-quoted text of YAML.
func JSONText(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // Not reached: text always encodes.
		return []byte(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// YAML writes a mapping as one document.
func (o *Piece) YAML() string {
	var b strings.Builder
	o.block(&b, "")
	return b.String()
}

// JSON writes the piece as JSON.
func (o *Piece) JSON() []byte {
	var b bytes.Buffer
	o.json(&b)
	return b.Bytes()
}
