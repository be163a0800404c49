package router

import (
	"strings"
	"unicode/utf8"

	"github.com/belay-rollouts/belay/internal/core/assignment"
	"github.com/belay-rollouts/belay/internal/core/table"
	"github.com/belay-rollouts/belay/internal/router/protocol"
)

// maxSegmentValue bounds the value of an attribute, in bytes: it becomes a name
// that people read.
const maxSegmentValue = 64

// segment finds the segments that a request belongs to, one of each attribute.
func (x *exchange) segment(by []table.Unit) {
	if len(by) == 0 {
		return
	}
	x.segments = make([]string, 0, len(by))
	for _, attribute := range by[:min(len(by), assignment.MaxSegments)] {
		value, _ := protocol.Unit(attribute, x.header, x.query)
		x.segments = append(x.segments, attribute.Name+"="+shown(value))
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
