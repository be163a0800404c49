package protocol

import "github.com/belay-rollouts/belay/internal/core/evidence"

// Reader reads the outputs of one answer. It is used by one goroutine at a time.
type Reader struct {
	of    *Outputs
	found []collector // by output
	all   []evidence.Reading

	left    int64 // bytes still to look at
	json    int64 // of them that are JSON
	stopped bool  // there is nothing left to find, or no way to find it
	missing int   // outputs that are not done

	lex    lexer
	path   path
	tensor tensor
	tail   tail
}

func newReader(o *Outputs) *Reader {
	n := len(o.list)
	r := &Reader{
		of: o, found: make([]collector, n), all: make([]evidence.Reading, 0, n*evidence.MaxReadings),
		lex: lexer{text: make([]byte, 0, maxText)}, path: path{ways: make([]int, n)}, tensor: tensor{wanted: o.tensors(), data: newCollector()},
		tail: tail{raw: make([]byte, 0, rawRoom)},
	}
	r.lex.to = r
	for i := range r.found {
		r.found[i] = newCollector()
	}
	return r
}

func (r *Reader) reset(all, json int64) {
	for i := range r.found {
		r.found[i].reset()
	}
	r.all = r.all[:0]
	r.left, r.json, r.stopped, r.missing = all, json, all == 0, len(r.found)
	r.lex.reset()
	r.path.reset()
	r.tensor.reset()
	r.tail.reset()
}

// Close gives the reader back. It must not be used, nor its readings, any more.
func (r *Reader) Close() { r.of.readers.Put(r) }

// Write looks at the next bytes of the answer.
func (r *Reader) Write(p []byte) {
	if r.stopped {
		return
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	r.left -= int64(len(p))
	if head := min(int64(len(p)), r.json); head > 0 {
		r.json -= head
		if !r.lex.scan(p[:head]) {
			r.stopped = true
			return
		}
		p = p[head:]
	}
	if len(p) > 0 {
		r.tail.write(r, p)
	}
	r.stopped = r.stopped || r.left == 0
}

// Readings returns what was found, one output after the other, and for each that
// was not found that it is missing. It is called after the last byte.
func (r *Reader) Readings() []evidence.Reading {
	r.all = r.all[:0]
	for i := range r.found {
		from := len(r.all)
		r.all = append(r.all, r.found[i].readings...)
		if len(r.all) == from {
			r.all = append(r.all, evidence.Reading{})
		}
		for k := range r.all[from:] {
			r.all[from+k].Output = i
		}
	}
	return r.all
}

// done notes that an output has been read.
func (r *Reader) done() {
	r.missing--
	r.stopped = r.stopped || r.missing == 0
}

// asksKey reports whether the key that begins is of interest.
func (r *Reader) asksKey() bool { return r.path.asks(r) || r.tensor.asksKey(r) }

// key takes a key that was asked for.
func (r *Reader) key(text []byte) {
	r.path.key(r, text)
	r.tensor.key(r, text)
}

// value begins a value, and reports whether it is of interest.
func (r *Reader) value() bool {
	r.path.value(r)
	return r.path.hits|r.path.reading != 0 || r.tensor.asks()
}

// scalar takes a value that was asked for.
func (r *Reader) scalar(kind token, text []byte) {
	if r.path.hits|r.path.reading != 0 {
		r.path.scalar(r, kind, text)
	}
	r.tensor.scalar(r, kind, text)
}

// open begins a list or an object, at the depth that it has now.
func (r *Reader) open(c byte) {
	r.path.open(r, c)
	r.tensor.open(r, c)
}

// close ends it.
func (r *Reader) close() {
	r.path.close(r)
	r.tensor.close(r)
}

// cares reports whether anything in the list or object at hand may be of
// interest.
func (r *Reader) cares() bool { return r.path.cares(r) || r.tensor.cares(r) }

// reading is what a value is to the classes from first to end; bit 0 of its
// classes is the first of them.
func (r *Reader) reading(kind token, text []byte, first, end int) evidence.Reading {
	out := evidence.Reading{Kind: evidence.Number}
	switch v, ok := numberOf(text); {
	case ok: // A number between quotes is one, too.
		out.Value = v
	case kind == textToken:
		out.Kind, out.Value = evidence.Text, evidence.TextValue(text)
	case string(text) == "true":
		out.Value = 1
	case string(text) != "false":
		return evidence.Reading{}
	}
	for i := range r.of.classes[first:end] {
		c := &r.of.classes[first+i]
		if string(text) == c.text || c.numeric && kind != literalToken && out.Kind == evidence.Number && out.Value == c.number {
			out.Classes |= 1 << i
		}
	}
	return out
}
