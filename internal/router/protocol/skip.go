package protocol

import "bytes"

// skipper runs through what is left of a list or an object that is of no
// interest, a tensor that nobody asks for: it only looks for its end.
type skipper struct {
	nested  int // lists and objects that are to end; 0 when nothing is skipped
	quoted  bool
	escaped bool // the next byte of a string stands for itself
}

// marks are the bytes that matter outside of strings.
var marks = [256]bool{'"': true, '[': true, ']': true, '{': true, '}': true}

// scan returns how many bytes it has skipped. The bracket that ends the whole is
// not one of them.
func (s *skipper) scan(p []byte) int {
	for i := 0; i < len(p); i++ {
		if s.quoted {
			i = s.string(p, i)
			continue
		}
		for i < len(p) && !marks[p[i]] {
			i++
		}
		if i == len(p) {
			break
		}
		switch p[i] {
		case '"':
			s.quoted = true
		case '[', '{':
			s.nested++
		default:
			if s.nested--; s.nested == 0 {
				return i
			}
		}
	}
	return len(p)
}

// string runs through a string from p[i] on and returns the last position that it
// used up.
func (s *skipper) string(p []byte, i int) int {
	if s.escaped {
		s.escaped = false
		return i
	}
	rest := p[i:]
	quote := bytes.IndexByte(rest, '"')
	plain := rest
	if quote >= 0 {
		plain = rest[:quote]
	}
	if back := bytes.IndexByte(plain, '\\'); back >= 0 {
		s.escaped = true
		return i + back
	}
	if quote < 0 {
		return len(p) - 1
	}
	s.quoted = false
	return i + quote
}
