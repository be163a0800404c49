package protocol

import (
	"bytes"
	"encoding/json"
)

// find returns the text, number or truth value that a pointer leads to, and
// whether it leads to one that is not empty. It looks at nothing that lies behind
// that value and decodes nothing on the way to it, so that it costs little more
// than reading the bytes; where a key is written twice the first one counts. A
// body that is no JSON, or ends before the value does, has none.
func find(body []byte, steps []step) (string, bool) {
	d := finder{rest: body}
	for _, s := range steps {
		if !d.enter(s) {
			return "", false
		}
	}
	return d.scalar()
}

// finder stands before a value.
type finder struct{ rest []byte }

// space skips white space and reports whether anything follows.
func (d *finder) space() bool {
	for i, c := range d.rest {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			d.rest = d.rest[i:]
			return true
		}
	}
	d.rest = nil
	return false
}

// take takes a byte that must be next.
func (d *finder) take(c byte) bool {
	if !d.space() || d.rest[0] != c {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

// enter goes to the value that a step leads to.
func (d *finder) enter(s step) bool {
	switch {
	case d.take('{'):
		return d.toKey(s.key)
	case d.take('['):
		return s.index != notIndex && d.toIndex(s.index)
	}
	return false
}

func (d *finder) toKey(want string) bool {
	for {
		name, ok := d.quoted()
		if !ok || !d.take(':') {
			return false
		}
		if isText(name, want) {
			return true
		}
		if !d.skip() || !d.take(',') {
			return false
		}
	}
}

func (d *finder) toIndex(want int) bool {
	for range want {
		if !d.skip() || !d.take(',') {
			return false
		}
	}
	return true
}

// quoted takes a string and returns it with its quotes.
func (d *finder) quoted() ([]byte, bool) {
	if !d.space() || d.rest[0] != '"' {
		return nil, false
	}
	s := skipper{quoted: true}
	for i := 1; i < len(d.rest); i++ {
		i = s.string(d.rest, i)
		if !s.quoted {
			text := d.rest[:i+1]
			d.rest = d.rest[i+1:]
			return text, true
		}
	}
	return nil, false
}

// skip skips a value.
func (d *finder) skip() bool {
	if !d.space() {
		return false
	}
	switch d.rest[0] {
	case '"':
		_, ok := d.quoted()
		return ok
	case '{', '[':
		s := skipper{nested: 1}
		n := 1 + s.scan(d.rest[1:])
		if n == len(d.rest) {
			return false
		}
		d.rest = d.rest[n+1:]
		return true
	}
	return len(d.bare()) > 0
}

// bare takes a number or a literal; empty when it may not be whole.
func (d *finder) bare() []byte {
	n := 0
	for n < len(d.rest) && numeric(d.rest[n]) {
		n++
	}
	if n == len(d.rest) {
		return nil
	}
	text := d.rest[:n]
	d.rest = d.rest[n:]
	return text
}

// scalar returns the value at hand.
func (d *finder) scalar() (string, bool) {
	if !d.space() {
		return "", false
	}
	if d.rest[0] == '"' {
		text, ok := d.quoted()
		if !ok {
			return "", false
		}
		plain, ok := unquoted(text)
		return plain, ok && plain != ""
	}
	text := d.bare()
	if len(text) == 0 || string(text) == "null" || !json.Valid(text) {
		return "", false
	}
	return string(text), true
}

// isText reports whether a string in quotes says what is wanted.
func isText(quoted []byte, want string) bool {
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == want {
		return true
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return false
	}
	plain, ok := unquoted(quoted)
	return ok && plain == want
}

// unquoted is what a string in quotes says.
func unquoted(quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var plain string
	err := json.Unmarshal(quoted, &plain)
	return plain, err == nil
}
