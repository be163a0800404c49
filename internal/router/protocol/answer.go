package protocol

import (
	"net/http"
	"strconv"
)

// checkLimit is how much of an answer is checked; a longer one is taken for
// good, so that the check costs a fraction of a millisecond at most.
const checkLimit = 64 << 10

// maxDepth is how deep an answer may nest before the check gives up.
const maxDepth = 64

// Answer checks that a v2 inference answer is a JSON object with `outputs`, as
// its bytes stream by. It keeps none of them and allocates nothing.
//
// It is a little kinder than RFC 8259, because servers and their clients are:
// NaN and Infinity pass, and so do odd spellings of numbers. Nesting, quotes,
// separators and the end must be right, so an answer that was cut, doubled or
// replaced by an error page does not pass.
type Answer struct {
	on     bool
	left   int64 // bytes still to check
	tail   bool  // what follows after left is not JSON (binary tensors)
	broken bool
	unsure bool
	json   scanner
}

// NewAnswer returns the check of an answer to an inference. It checks nothing
// where the answer is no 200, or is encoded.
func NewAnswer(status int, header http.Header) Answer {
	if status != http.StatusOK || len(header["Content-Encoding"]) > 0 {
		return Answer{}
	}
	a := Answer{on: true, left: checkLimit}
	// With the binary tensor extension the JSON is followed by raw tensors.
	if v := header.Get("Inference-Header-Content-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n > checkLimit {
			return Answer{}
		}
		a.left, a.tail = n, true
	}
	return a
}

// Write looks at the next bytes of the answer.
func (a *Answer) Write(p []byte) {
	if !a.on || a.broken || a.unsure {
		return
	}
	if int64(len(p)) > a.left {
		p = p[:a.left]
		a.unsure = !a.tail
	}
	a.left -= int64(len(p))
	v := a.json.scan(p)
	a.broken, a.unsure = v == wrong, a.unsure || v == lost
}

// Broken reports whether the answer was not what the protocol promises. It is
// asked after the last byte.
func (a *Answer) Broken() bool {
	if !a.on || a.unsure {
		return false
	}
	return a.broken || !a.json.done() || !a.json.outputs
}
