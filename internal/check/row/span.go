package row

import (
	"bytes"
	"encoding/json"
	"iter"
)

// What is here walks over JSON that is known to be valid, without decoding more
// of it than is asked for.

// members are the keys of an object and the bytes of their values, in their
// order.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		rest := blanks(object[1:])
		for len(rest) > 0 && rest[0] == '"' {
			key := rest[:end(rest)]
			rest = blanks(rest[len(key):])
			rest = blanks(rest[1:]) // The colon.
			value := rest[:end(rest)]
			if !yield(unquoted(key), value) {
				return
			}
			rest = next(rest[len(value):])
		}
	}
}

// elements are the bytes of the values of an array.
func elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(i int, value []byte) bool) {
		rest := blanks(array[1:])
		for i := 0; len(rest) > 0 && rest[0] != ']'; i++ {
			value := rest[:end(rest)]
			if !yield(i, value) {
				return
			}
			rest = next(rest[len(value):])
		}
	}
}

// next is what follows a value and its comma.
func next(rest []byte) []byte {
	rest = blanks(rest)
	if len(rest) > 0 && rest[0] == ',' {
		return blanks(rest[1:])
	}
	return rest
}

// blanks cuts blanks off the beginning.
func blanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// end is where the value ends that b begins with.
func end(b []byte) int {
	switch b[0] {
	case '"':
		return stringEnd(b)
	case '{', '[':
		return nestedEnd(b)
	}
	if at := bytes.IndexAny(b, ",]} \t\r\n"); at >= 0 {
		return at
	}
	return len(b)
}

// stringEnd is where the string ends that b begins with.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// nestedEnd is where the object or the array ends that b begins with.
func nestedEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// unquoted is the text of a string.
func unquoted(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s string
	_ = json.Unmarshal(raw, &s) // It is known to be valid.
	return []byte(s)
}
