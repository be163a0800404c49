package protocol

import (
	"encoding/binary"
	"math"

	"github.com/belay-rollouts/belay/internal/core/evidence"
)

// tail is what follows the JSON of an answer with the binary tensor extension:
// the data of its tensors, little-endian, in the order in which the JSON names
// them.
type tail struct {
	parts []part
	at    int    // the part that comes next
	raw   []byte // its beginning
}

// part is the data of one tensor.
type part struct {
	output int // unknown for one that nobody asks for
	kind   datatype
	left   int64 // bytes to come
	read   bool
}

const (
	// rawRoom is how many bytes of a tensor are kept to be read.
	rawRoom = 4096
	// maxParts bounds the tensors of one answer.
	maxParts = 64
	// lengthBytes is how long the length of a text is.
	lengthBytes = 4
)

func (t *tail) reset() { t.parts, t.at, t.raw = t.parts[:0], 0, t.raw[:0] }

// expect notes the next tensor of the tail. Beyond the bound nobody knows where
// one begins, so none is read.
func (t *tail) expect(output int, kind datatype, size int64) {
	if len(t.parts) < maxParts {
		t.parts = append(t.parts, part{output: output, kind: kind, left: size})
	}
}

// write takes the next bytes of the tail.
func (t *tail) write(r *Reader, p []byte) {
	for len(p) > 0 && t.at < len(t.parts) && !r.stopped {
		is := &t.parts[t.at]
		n := int(min(int64(len(p)), is.left))
		is.left -= int64(n)
		if is.output >= 0 && !is.read {
			t.raw = append(t.raw, p[:min(n, is.room()-len(t.raw))]...)
			if len(t.raw) == is.room() || is.left == 0 {
				is.read = true
				t.decode(r, is)
			}
		}
		p = p[n:]
		if is.left == 0 {
			t.at, t.raw = t.at+1, t.raw[:0]
		}
	}
}

// room is how many bytes of the part are enough to read it.
func (p *part) room() int {
	if p.kind == bytesType {
		return rawRoom
	}
	return evidence.MaxReadings * p.kind.width()
}

// decode reads the values of the part at hand.
func (t *tail) decode(r *Reader, is *part) {
	c, w := &r.found[is.output], &r.of.list[is.output]
	if c.done {
		return
	}
	raw, width := t.raw, is.kind.width()
	for len(c.readings) < evidence.MaxReadings {
		if is.kind == bytesType {
			if len(raw) < lengthBytes {
				break
			}
			n := binary.LittleEndian.Uint32(raw)
			if raw = raw[lengthBytes:]; int64(n) > int64(len(raw)) {
				break
			}
			c.add(r.reading(textToken, raw[:min(int(n), maxText)], w.first, w.end))
			raw = raw[n:]
			continue
		}
		if width == 0 || len(raw) < width {
			break
		}
		c.add(r.number(is.kind.number(raw), w.first, w.end))
		raw = raw[width:]
	}
	if len(c.readings) > 0 {
		c.done = true
		r.done()
	}
}

// number is what a number is to the classes from first to end.
func (r *Reader) number(v float64, first, end int) evidence.Reading {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return evidence.Reading{}
	}
	out := evidence.Reading{Kind: evidence.Number, Value: v}
	for i := range r.of.classes[first:end] {
		if c := &r.of.classes[first+i]; c.numeric && c.number == v {
			out.Classes |= 1 << i
		}
	}
	return out
}
