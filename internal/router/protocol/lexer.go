package protocol

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxText is how much of a key, a text or a number is kept. A longer key is none
// that is looked for, and a longer text counts by its beginning.
const maxText = 1024

// token is a value that is neither a list nor an object.
type token uint8

const (
	textToken token = iota
	numberToken
	literalToken
)

// lexer follows JSON byte by byte, like scanner, and tells its sink what it comes
// upon. It keeps the keys and the values that the sink asks for.
type lexer struct {
	to      *Reader
	state   state
	depth   int
	arrays  uint64 // bit d is set when depth d is a list
	isKey   bool   // the string at hand is a key
	keep    bool   // the token at hand is asked for
	text    []byte // of it, without escapes
	whole   bool   // the text is all of it
	literal string // what is left of the literal at hand
	skip    skipper

	hexing  bool // within \uXXXX
	digits  int  // of it that were read
	unit    rune // that they make up
	leading rune // half of a surrogate pair, 0 for none
}

func (l *lexer) reset() {
	*l = lexer{to: l.to, text: l.text[:0]}
}

// scan follows the next bytes, and reports false when they are not JSON, or when
// there is nothing left to find.
func (l *lexer) scan(p []byte) bool {
	for i := 0; i < len(p); {
		if l.skip.nested > 0 {
			if i += l.skip.scan(p[i:]); i == len(p) {
				return true
			}
		}
		n, ok := 1, true
		switch l.state {
		case inString:
			n = l.string(p[i:])
		case escaped:
			ok = l.escape(p[i])
		case inNumber:
			n = l.number(p[i:])
		case inLiteral:
			ok = l.word(p[i])
		case begin, value, valueOrEnd, key, keyOrEnd, colon, after, end:
			ok = l.step(p[i])
		}
		if !ok || l.to.stopped {
			return false
		}
		i += n
	}
	return true
}

// string takes in what follows of a string, up to its end or a backslash.
func (l *lexer) string(p []byte) int {
	quote := bytes.IndexByte(p, '"')
	plain := p
	if quote >= 0 {
		plain = p[:quote]
	}
	if back := bytes.IndexByte(plain, '\\'); back >= 0 {
		l.take(plain[:back])
		l.state = escaped
		return back + 1
	}
	l.take(plain)
	if quote < 0 {
		return len(p)
	}
	l.alone()
	l.state = after
	if l.isKey {
		l.state = colon
		if l.keep && l.whole {
			l.to.key(l.text)
		}
		return quote + 1
	}
	l.tell(textToken)
	return quote + 1
}

// take keeps bytes of the token at hand.
func (l *lexer) take(p []byte) {
	if !l.keep || len(p) == 0 {
		return
	}
	l.alone()
	if room := maxText - len(l.text); len(p) > room {
		p, l.whole = p[:room], false
	}
	l.text = append(l.text, p...)
}

// alone ends half of a surrogate pair that has no other half.
func (l *lexer) alone() {
	if l.leading != 0 {
		l.leading = 0
		l.rune(utf8.RuneError)
	}
}

func (l *lexer) rune(r rune) {
	var store [utf8.UTFMax]byte
	l.take(utf8.AppendRune(store[:0], r))
}

// escapes are what the letters behind a backslash stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (l *lexer) escape(c byte) bool {
	switch {
	case l.hexing:
		return l.hex(c)
	case c == 'u':
		l.hexing, l.digits, l.unit = true, 0, 0
		return true
	case escapes[c] == 0:
		return false
	}
	l.state = inString
	l.alone()
	l.rune(rune(escapes[c]))
	return true
}

// hex reads a digit of \uXXXX.
func (l *lexer) hex(c byte) bool {
	digit := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
	if digit < 0 || c < '0' {
		return false
	}
	l.unit = l.unit<<4 | rune(digit)
	if l.digits++; l.digits < 4 {
		return true
	}
	l.state, l.hexing = inString, false
	if l.leading != 0 {
		pair := utf16.DecodeRune(l.leading, l.unit)
		if pair != utf8.RuneError {
			l.leading = 0
			l.rune(pair)
			return true
		}
		l.alone()
	}
	switch {
	case l.unit >= 0xd800 && l.unit < 0xdc00:
		l.leading = l.unit
	case utf16.IsSurrogate(l.unit):
		l.rune(utf8.RuneError)
	default:
		l.rune(l.unit)
	}
	return true
}

// number takes in what follows of a number.
func (l *lexer) number(p []byte) int {
	n := 0
	for n < len(p) && numeric(p[n]) {
		n++
	}
	l.take(p[:n])
	if n < len(p) {
		l.state = after
		l.tell(numberToken)
	}
	return n
}

func (l *lexer) word(c byte) bool {
	if l.literal[0] != c {
		return false
	}
	l.take([]byte{c})
	if l.literal = l.literal[1:]; l.literal == "" {
		l.state = after
		l.tell(literalToken)
	}
	return true
}

func (l *lexer) tell(kind token) {
	if l.keep {
		l.to.scalar(kind, l.text)
		l.pass()
	}
}

// pass skips what is left of the list or object at hand if it is of no interest.
func (l *lexer) pass() {
	if !l.to.cares() {
		l.skip.nested, l.state = 1, after
	}
}

// step takes one byte outside strings, numbers and literals.
func (l *lexer) step(c byte) bool {
	if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
		return true
	}
	switch l.state {
	case begin:
		return (c == '{' || c == '[') && l.begin(c)
	case valueOrEnd:
		if c == ']' {
			return l.close(c)
		}
		return l.begin(c)
	case value:
		return l.begin(c)
	case keyOrEnd:
		if c == '}' {
			return l.close(c)
		}
		return l.beginKey(c)
	case key:
		return l.beginKey(c)
	case colon:
		l.state = value
		return c == ':'
	case after:
		return l.stepAfter(c)
	case end, inString, escaped, inNumber, inLiteral:
	}
	return false
}

func (l *lexer) beginKey(c byte) bool {
	l.state, l.isKey = inString, true
	l.token(l.to.asksKey())
	return c == '"'
}

// token begins a token, which is asked for or not.
func (l *lexer) token(keep bool) {
	l.keep, l.text, l.whole, l.leading = keep, l.text[:0], true, 0
}

// begin takes the first byte of a value.
func (l *lexer) begin(c byte) bool {
	asked := l.to.value()
	if c == '{' || c == '[' {
		return l.open(c)
	}
	l.token(asked)
	switch {
	case c == '"':
		l.state, l.isKey = inString, false
	case c == '-' || c >= '0' && c <= '9':
		l.state = inNumber
		l.take([]byte{c})
	default:
		l.state, l.literal = inLiteral, literalOf(c)
		l.take([]byte{c})
		return l.literal != ""
	}
	return true
}

func (l *lexer) stepAfter(c byte) bool {
	if c != ',' {
		return l.close(c)
	}
	l.state = key
	if l.inArray() {
		l.state = value
	}
	return true
}

func (l *lexer) open(c byte) bool {
	if l.depth++; l.depth >= maxDepth {
		return false
	}
	l.arrays &^= 1 << l.depth
	l.state = keyOrEnd
	if c == '[' {
		l.arrays |= 1 << l.depth
		l.state = valueOrEnd
	}
	l.to.open(c)
	l.pass()
	return true
}

func (l *lexer) close(c byte) bool {
	if l.inArray() != (c == ']') || c != ']' && c != '}' {
		return false
	}
	l.to.close()
	l.depth--
	l.state = after
	if l.depth == 0 {
		l.state = end
	}
	return true
}

func (l *lexer) inArray() bool { return l.arrays&(1<<l.depth) != 0 }
