package load

import (
	"bytes"
	"strconv"
)

// The marks of answers: one that every model makes, and one that the candidate
// alone makes. A proxy that answers by itself makes none.
const (
	ModelMark     = `"arm":"`
	CandidateMark = ModelMark + `b"`
)

// answer is an answer, as far as it matters.
type answer struct {
	ok        bool // 200
	model     bool // it comes from a model
	candidate bool
}

// parse reads an answer out of what has arrived so far. It reports false while
// the answer is not complete.
func parse(b []byte) (answer, bool) {
	head, rest, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		return answer{}, false
	}
	if length, told := contentLength(head); told {
		if len(rest) < length {
			return answer{}, false
		}
	} else if !bytes.HasSuffix(rest, []byte("0\r\n\r\n")) { // The last chunk.
		return answer{}, false
	}
	const status = len("HTTP/1.1 ")
	return answer{
		ok:        len(head) > status+3 && string(head[status:status+3]) == "200",
		model:     bytes.Contains(rest, []byte(ModelMark)),
		candidate: bytes.Contains(rest, []byte(CandidateMark)),
	}, true
}

// contentLength reads the length of a body out of a head.
func contentLength(head []byte) (length int, told bool) {
	const name = "content-length:"
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
			return n, err == nil
		}
	}
	return 0, false
}

// request reports whether b holds a whole request, and whether it asks for a
// stream.
func request(b []byte) (stream, whole bool) {
	head, rest, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		return false, false
	}
	if length, told := contentLength(head); told {
		whole = len(rest) >= length
	} else {
		whole = bytes.HasPrefix(head, []byte("GET ")) || bytes.HasPrefix(head, []byte("HEAD ")) || bytes.HasSuffix(rest, []byte("0\r\n\r\n"))
	}
	return bytes.HasPrefix(head, []byte("POST ")), whole
}
