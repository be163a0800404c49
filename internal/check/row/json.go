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
		if text = bytes.TrimSpace(text); text[0] != '{' || !json.Valid(text) {
			return o.line, NotJSON, nil
		}
		o.read(text, values)
		return o.line, "", nil
	}
}

// read reads the selected values of an object.
func (o *objects) read(object []byte, values []Value) {
	for key, raw := range members(object) {
		for i, name := range o.names {
			if string(key) == name {
				values[i] = valueOf(raw)
			}
		}
	}
	for i, path := range o.paths {
		if path != nil && values[i] == (Value{}) {
			values[i] = valueOf(part(object, path))
		}
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

// part is a part of a value, or nil.
func part(raw []byte, path []string) []byte {
	for _, name := range path {
		raw = child(raw, name)
	}
	return raw
}

// child is a part of an object or of an array, or nil.
func child(raw []byte, name string) []byte {
	if len(raw) == 0 {
		return nil
	}
	var found []byte
	switch raw[0] {
	case '{':
		for key, value := range members(raw) {
			if string(key) == name {
				found = value
			}
		}
	case '[':
		at, err := strconv.Atoi(name)
		if err != nil {
			return nil
		}
		for i, value := range elements(raw) {
			if i == at {
				return value
			}
		}
	}
	return found
}

func valueOf(raw []byte) Value {
	if len(raw) == 0 {
		return Value{}
	}
	switch raw[0] {
	case 'n':
		return Value{Kind: Null}
	case 't', 'f':
		return Value{Kind: Boolean, Text: string(raw)}
	case '"':
		return Value{Kind: Text, Text: strings.TrimSpace(string(unquoted(raw)))}
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
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
			continue
		}
		for key := range members(line) {
			if !seen[string(key)] {
				seen[string(key)] = true
				names = append(names, string(key))
			}
		}
	}
	return names
}
