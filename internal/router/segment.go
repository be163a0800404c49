package router

import (
	"strings"
	"unicode/utf8"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/router/protocol"
)

// maxSegmentValue bounds the value of an attribute, in bytes: it becomes a name
// that people read.
const maxSegmentValue = 64

// segment is an attribute by which requests are counted apart.
type segment struct {
	prefix    string // of its names
	attribute protocol.Attribute
}

// segment finds the segments that a request belongs to, one of each attribute.
func (x *exchange) segment(body []byte) {
	by := x.route.segments
	if len(by) == 0 {
		return
	}
	x.segments = make([]string, len(by))
	for i := range by {
		value, _ := by[i].attribute.Of(x.header, x.query, body)
		x.segments[i] = by[i].prefix + shown(value)
	}
}

// shown is a value as it can be shown: what is too long, or is no text, is cut.
func shown(value string) string {
	if len(value) > maxSegmentValue {
		value = value[:maxSegmentValue]
	}
	if utf8.ValidString(value) && strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
		return strings.Clone(value)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, value)
}

// marks stand for the request's segments in its token.
func (x *exchange) marks() (marks [assignment.MaxSegments]uint32) {
	for i, name := range x.segments {
		marks[i] = assignment.Mark(name)
	}
	return marks
}
