package protocol

// verdict of a scanner over the bytes so far.
type verdict uint8

const (
	fine verdict = iota
	wrong
	lost // nested too deeply to follow
)

// state is what a scanner expects next.
type state uint8

const (
	begin      state = iota // the opening brace of the whole
	value                   // a value
	valueOrEnd              // a value, or the end of an empty array
	key                     // a key
	keyOrEnd                // a key, or the end of an empty object
	colon                   // the colon after a key
	after                   // a separator, or the end of what surrounds
	inString                // within a string or a key
	escaped                 // after a backslash
	inNumber                // within a number
	inLiteral               // within true, false, null, NaN, Infinity
	end                     // nothing but white space
)

const (
	// wantedKey is the key that an answer must have.
	wantedKey = "outputs"
	// otherKey is a key that has already turned out to be another.
	otherKey = -1
)

// scanner follows JSON byte by byte and keeps where it is, nothing else.
type scanner struct {
	state   state
	depth   int
	arrays  uint64 // bit d is set when depth d is an array
	isKey   bool   // the string at hand is a key
	matched int    // bytes of wantedKey that the key at hand has matched, or otherKey
	wanted  bool   // the next value is that of wantedKey
	outputs bool   // wantedKey was there, and an array
	literal string // what is left of the literal at hand
}

// done reports whether a whole object was seen.
func (s *scanner) done() bool { return s.state == end }

// scan follows the next bytes.
func (s *scanner) scan(p []byte) verdict {
	for i := 0; i < len(p); i++ {
		switch s.state {
		case inString:
			i = s.skipString(p, i)
			continue
		case inNumber:
			for i < len(p) && numeric(p[i]) {
				i++
			}
			if i == len(p) {
				return fine
			}
			s.state = after
		case after, begin, value, valueOrEnd, key, keyOrEnd, colon, escaped, inLiteral, end:
		}
		if v := s.step(p[i]); v != fine {
			return v
		}
	}
	return fine
}

// skipString runs through a string from p[i] on and returns the last position
// that it used up.
func (s *scanner) skipString(p []byte, i int) int {
	for ; i < len(p); i++ {
		c := p[i]
		if c == '"' {
			s.endString()
			return i
		}
		if c == '\\' {
			s.state, s.matched = escaped, otherKey
			return i
		}
		if s.matched != otherKey {
			s.match(c)
		}
	}
	return i
}

func (s *scanner) match(c byte) {
	if s.matched < len(wantedKey) && wantedKey[s.matched] == c {
		s.matched++
		return
	}
	s.matched = otherKey
}

func (s *scanner) endString() {
	s.state = after
	if s.isKey {
		s.state = colon
		s.wanted = s.depth == 1 && s.matched == len(wantedKey)
	}
}

// step takes one byte outside strings and numbers.
func (s *scanner) step(c byte) verdict {
	switch s.state {
	case escaped:
		s.state = inString
		return fine
	case inLiteral:
		return s.stepLiteral(c)
	case begin, value, valueOrEnd, key, keyOrEnd, colon, after, inString, inNumber, end:
	}
	if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
		return fine
	}
	switch s.state {
	case begin:
		if c != '{' {
			return wrong
		}
		return s.open(c)
	case value, valueOrEnd:
		return s.stepValue(c)
	case key, keyOrEnd:
		return s.stepKey(c)
	case colon:
		s.state = value
		return verdictOf(c == ':')
	case after:
		return s.stepAfter(c)
	case end, escaped, inString, inNumber, inLiteral:
	}
	return wrong
}

func (s *scanner) stepValue(c byte) verdict {
	if c == ']' && s.state == valueOrEnd {
		return s.close(c)
	}
	if s.wanted {
		s.wanted = false
		s.outputs = s.outputs || c == '['
	}
	switch {
	case c == '{' || c == '[':
		return s.open(c)
	case c == '"':
		s.state, s.isKey, s.matched = inString, false, otherKey
	case c == '-' || c >= '0' && c <= '9':
		s.state = inNumber
	default:
		s.state, s.literal = inLiteral, literalOf(c)
		return verdictOf(s.literal != "")
	}
	return fine
}

func (s *scanner) stepKey(c byte) verdict {
	if c == '}' && s.state == keyOrEnd {
		return s.close(c)
	}
	s.state, s.isKey, s.matched = inString, true, 0
	return verdictOf(c == '"')
}

func (s *scanner) stepAfter(c byte) verdict {
	if c != ',' {
		return s.close(c)
	}
	s.state = key
	if s.inArray() {
		s.state = value
	}
	return fine
}

// stepLiteral follows a literal to its last letter.
func (s *scanner) stepLiteral(c byte) verdict {
	if s.literal[0] != c {
		return wrong
	}
	if s.literal = s.literal[1:]; s.literal == "" {
		s.state = after
	}
	return fine
}

// literals are the words that may stand for a value.
var literals = [...]string{"true", "false", "null", "NaN", "Infinity"}

// literalOf returns the rest of the literal that begins with c.
func literalOf(c byte) string {
	for _, word := range literals {
		if word[0] == c {
			return word[1:]
		}
	}
	return ""
}

func (s *scanner) open(c byte) verdict {
	if s.depth++; s.depth >= maxDepth {
		return lost
	}
	bit := uint64(1) << s.depth
	if c == '[' {
		s.arrays |= bit
		s.state = valueOrEnd
		return fine
	}
	s.arrays &^= bit
	s.state = keyOrEnd
	return fine
}

func (s *scanner) close(c byte) verdict {
	if s.inArray() != (c == ']') || c != ']' && c != '}' {
		return wrong
	}
	s.depth--
	s.state = after
	if s.depth == 0 {
		s.state = end
	}
	return fine
}

func (s *scanner) inArray() bool { return s.arrays&(1<<s.depth) != 0 }

// numeric reports whether c may follow within a number; letters because of
// exponents and of -Infinity.
func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func verdictOf(ok bool) verdict {
	if ok {
		return fine
	}
	return wrong
}
