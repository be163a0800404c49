package row

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// objects reads a file of JSON objects, one a line.
type objects struct {
	lines
	names []string
	// paths are the names that are JSON pointers, split into their parts.
	paths [][]string
}

// next returns the selected values of the next line that is not blank.
func (o *objects) next(values []Value) (line int, bad Reason, err error) {
	for {
		text, tooLong, err := o.lines.next()
		if err != nil {
			return 0, "", err
		}
		switch {
		case tooLong:
			return o.line, TooLong, nil
		case blank(text):
			continue
		}
		if bad := checkText(text); bad != "" {
			return o.line, bad, nil
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil || object == nil {
			return o.line, NotJSON, nil
		}
		for i := range values {
			values[i] = o.value(object, i)
		}
		return o.line, "", nil
	}
}

// choose sets the names whose values are read. A name that begins with a slash
// and is no key is a JSON pointer (RFC 6901) into the object.
func (o *objects) choose(names []string) {
	o.names, o.paths = names, make([][]string, len(names))
	for i, name := range names {
		if strings.HasPrefix(name, "/") {
			o.paths[i] = strings.Split(name[1:], "/")
			for j, part := range o.paths[i] {
				o.paths[i][j] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
			}
		}
	}
}

func (o *objects) value(object map[string]json.RawMessage, i int) Value {
	if raw, ok := object[o.names[i]]; ok {
		return valueOf(raw)
	}
	if o.paths[i] == nil {
		return Value{}
	}
	raw := object[o.paths[i][0]]
	for _, part := range o.paths[i][1:] {
		raw = child(raw, part)
	}
	return valueOf(raw)
}

// child is a part of an object or of an array, or nil.
func child(raw json.RawMessage, name string) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	switch raw[0] {
	case '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil {
			return object[name]
		}
	case '[':
		var array []json.RawMessage
		at, err := strconv.Atoi(name)
		if err == nil && json.Unmarshal(raw, &array) == nil && at >= 0 && at < len(array) {
			return array[at]
		}
	}
	return nil
}

func valueOf(raw json.RawMessage) Value {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return Value{}
	}
	switch raw[0] {
	case 'n':
		return Value{Kind: Null}
	case 't', 'f':
		return Value{Kind: Boolean, Text: string(raw)}
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return Value{} // Not reached: the line was read before.
		}
		return Value{Kind: Text, Text: strings.TrimSpace(s)}
	case '{', '[':
		return Value{Kind: Composite, Text: string(raw)}
	}
	return Value{Kind: Number, Text: string(raw)}
}

// keys are the names in the objects at the head of a file, in the order of their
// first appearance.
func keys(head []byte) []string {
	var names []string
	seen := map[string]bool{}
	for line := range bytes.Lines(head) {
		d := json.NewDecoder(bytes.NewReader(line))
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			continue
		}
		for d.More() {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				break
			}
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
			var skip json.RawMessage
			if d.Decode(&skip) != nil {
				break
			}
		}
	}
	return names
}
