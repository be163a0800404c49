package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// head is the head of an answer.
type head struct {
	status int
	minor  int // of HTTP/1.x
	header http.Header
	// Framing, taken out of header:
	length   int64 // -1 for none
	chunked  bool
	closes   bool // Connection: close
	announce []string
}

// maxFields bounds the fields of one head, so that a head of tiny fields costs
// no more than one of long ones.
const maxFields = 1000

// lines reads the lines of a head within a bound.
type lines struct {
	br   *bufio.Reader
	left int
	long []byte // a line that outgrew the reader
	any  bool   // at least one byte was read
	crlf bool   // a bare LF ends no line
}

// next returns the next line without its end. It is good until the next call.
func (l *lines) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.br.ReadSlice('\n')
		l.any = l.any || len(part) > 0
		if l.left -= len(part); l.left < 0 {
			return nil, malformed("the head of the answer is longer than the limit")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, part...)
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(l.long) > 0 {
			l.long = append(l.long, part...)
			part = l.long
		}
		if n := len(part); l.crlf && (n < 2 || part[n-2] != '\r') {
			return nil, malformed("a line of the answer ends with a bare line feed")
		}
		return trimEnd(part), nil
	}
}

// trimEnd cuts CRLF off, or a bare LF, which RFC 9112 section 2.2 lets a
// recipient take for a line end.
func trimEnd(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// readHead reads one head. It is strict where leniency would let two readers
// see two different answers: RFC 9112 sections 5 and 6.
func readHead(l *lines) (*head, error) {
	line, err := l.next()
	if err != nil {
		return nil, err
	}
	h := &head{header: make(http.Header, 8), length: -1}
	if h.status, h.minor, err = statusLine(line); err != nil {
		return nil, err
	}
	if err := readFields(l, h.field); err != nil {
		return nil, err
	}
	if h.chunked && h.length >= 0 {
		return nil, malformed("the answer has both Content-Length and Transfer-Encoding")
	}
	if h.chunked && h.minor == 0 {
		return nil, malformed("the answer has a Transfer-Encoding, which HTTP/1.0 does not know")
	}
	return h, nil
}

func statusLine(line []byte) (status, minor int, err error) {
	const bad = "the answer does not begin with an HTTP/1 status line"
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return 0, 0, malformed(bad)
	}
	if minor = int(line[7] - '0'); minor != 0 && minor != 1 {
		return 0, 0, malformed(bad)
	}
	if len(line) > 12 && line[12] != ' ' {
		return 0, 0, malformed(bad)
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, 0, malformed(bad)
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return 0, 0, malformed(bad)
	}
	return status, minor, nil
}

// readFields hands each field up to the empty line to take.
func readFields(l *lines, take func(name string, value []byte) error) error {
	for range maxFields {
		line, err := l.next()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) {
			return malformed("a field of the answer's head has no name, or one with spaces")
		}
		value = bytes.Trim(value, " \t")
		if !isValue(value) {
			return malformed("a field of the answer's head holds control characters")
		}
		if err := take(canonical(name), value); err != nil {
			return err
		}
	}
	return malformed("the answer's head has too many fields")
}

// field takes one field of the head.
func (h *head) field(name string, value []byte) error {
	switch name {
	case "Content-Length":
		return h.contentLength(value)
	case "Transfer-Encoding":
		if h.chunked || !strings.EqualFold(string(value), "chunked") {
			return malformed("the answer has a Transfer-Encoding other than chunked")
		}
		h.chunked = true
		return nil
	case "Connection":
		h.connection(string(value))
	case "Trailer":
		for part := range strings.SplitSeq(string(value), ",") {
			h.announce = append(h.announce, http.CanonicalHeaderKey(strings.TrimSpace(part)))
		}
	}
	h.header[name] = append(h.header[name], string(value))
	return nil
}

func (h *head) contentLength(value []byte) error {
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || h.length >= 0 && h.length != int64(n) {
		return malformed("the answer has a Content-Length that is no number, or two of them")
	}
	h.length = int64(n)
	h.header["Content-Length"] = []string{string(value)}
	return nil
}

func (h *head) connection(value string) {
	for part := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.TrimSpace(part), "close") {
			h.closes = true
		}
	}
}

// canonical returns a field's canonical name, without allocating for the names
// that model servers send.
func canonical(name []byte) string {
	if known, ok := knownNames[string(name)]; ok {
		return known
	}
	return http.CanonicalHeaderKey(string(name))
}

var knownNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Date", "Server", "Cache-Control", "Vary",
		"Keep-Alive", "X-Request-Id", "Inference-Header-Content-Length", "Content-Encoding", "Trailer", "Etag",
	} {
		m[name] = name
		m[strings.ToLower(name)] = name
	}
	return m
}()

// isToken reports whether name is a token of RFC 9110 section 5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(name) > 0
}

var tokenBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return t
}()

// isValue reports whether a field value holds no control characters but tabs.
func isValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// ended turns the end of a connection into an error that is not io.EOF, where
// an answer was to follow.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
