package protocol

import "strconv"

// field is a key of an output tensor that matters.
type field uint8

const (
	noField field = iota
	nameField
	typeField
	dataField
	parametersField
	sizeField // parameters.binary_data_size
)

// The depths of a v2 answer: {"outputs": [{"parameters": {}}]}.
const (
	answerDepth = iota + 1
	listDepth
	tensorDepth
	parametersDepth
)

// tensor is the output tensor at hand. Its name may come before its data or after.
type tensor struct {
	wanted bool // some output is a tensor
	listed bool // within the list of outputs
	inside bool // within an object of the list
	within bool // within its parameters
	next   field
	output int // by its name; unnamed before, unknown where nobody asks for it
	data   collector
	// own says that the classes of the data are those of the output alone.
	own  bool
	kind datatype
	size int64 // of its data behind the JSON
}

const (
	unnamed = -2
	unknown = -1
)

func (t *tensor) reset() {
	t.data.reset()
	*t = tensor{wanted: t.wanted, data: t.data}
}

// asksKey reports whether a key at the present depth may matter.
func (t *tensor) asksKey(r *Reader) bool {
	t.next = noField
	if !t.wanted {
		return false
	}
	switch r.lex.depth {
	case answerDepth:
		return true
	case tensorDepth:
		return t.inside
	case parametersDepth:
		return t.within
	}
	return false
}

// cares reports whether what is at the present depth is part of the outputs and
// of interest.
func (t *tensor) cares(r *Reader) bool {
	if !t.wanted {
		return false
	}
	switch depth := r.lex.depth; {
	case t.data.array > 0:
		return t.data.reads() && t.output != unknown
	case depth == parametersDepth:
		return t.within
	case depth == tensorDepth:
		return t.inside
	case depth == listDepth:
		return t.listed
	default:
		return depth == answerDepth
	}
}

// key finds out what the next value is.
func (t *tensor) key(r *Reader, text []byte) {
	if !t.wanted {
		return
	}
	switch r.lex.depth {
	case answerDepth:
		if string(text) == wantedKey {
			t.next = dataField
		}
	case tensorDepth:
		t.next = fieldOf(text)
	case parametersDepth:
		if string(text) == "binary_data_size" && t.size == 0 {
			t.next = sizeField
		}
	}
}

func fieldOf(text []byte) field {
	switch string(text) {
	case "name":
		return nameField
	case "datatype":
		return typeField
	case "data":
		return dataField
	case "parameters":
		return parametersField
	}
	return noField
}

// asks reports whether the next value matters. Data of a tensor that nobody asks
// for does not.
func (t *tensor) asks() bool {
	if t.data.reads() || t.next == dataField {
		return t.inside && t.output != unknown && !t.data.done
	}
	return t.next != noField
}

// scalar takes a value that matters.
func (t *tensor) scalar(r *Reader, kind token, text []byte) {
	next := t.next
	switch {
	case !t.inside:
	case t.data.reads():
		t.value(r, kind, text)
	case next == dataField:
		t.value(r, kind, text)
		t.data.done = true
	case next == nameField && kind == textToken && t.output == unnamed:
		t.output = r.of.tensor(text)
	case next == typeField && kind == textToken:
		t.kind = datatypeOf(text)
	case next == sizeField && kind == numberToken:
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && n > 0 {
			t.size = n
		}
	}
}

// value adds a value of the data. Before the name is known, it is compared with
// the classes of all outputs.
func (t *tensor) value(r *Reader, kind token, text []byte) {
	if t.data.done {
		return
	}
	first, end := 0, len(r.of.classes)
	if t.own = t.output >= 0; t.own {
		first, end = r.of.list[t.output].first, r.of.list[t.output].end
	}
	t.data.add(r.reading(kind, text, first, end))
}

// open goes into a list or an object.
func (t *tensor) open(r *Reader, c byte) {
	next := t.next
	t.next = noField
	switch depth := r.lex.depth; {
	case !t.wanted:
	case t.data.array > 0:
		t.data.within(c, depth)
	case depth == listDepth:
		t.listed = next == dataField && c == '['
	case depth == tensorDepth && t.listed && c == '{':
		t.data.reset()
		t.inside, t.output, t.kind, t.size = true, unnamed, noDatatype, 0
	case depth == parametersDepth && t.inside && next == dataField && !t.data.done:
		t.data.begin(c, depth)
	case depth == parametersDepth && t.inside && next == parametersField && c == '{':
		t.within = true
	}
}

// close leaves a list or an object.
func (t *tensor) close(r *Reader) {
	t.next = noField
	switch depth := r.lex.depth; {
	case !t.wanted:
	case t.data.array > 0:
		t.data.ends(depth)
	case depth == parametersDepth:
		t.within = false
	case depth == tensorDepth && t.inside:
		t.inside = false
		t.settle(r)
	case depth == listDepth:
		t.listed = false
	}
}

// settle gives what was read to the output that has the tensor's name.
func (t *tensor) settle(r *Reader) {
	output := t.output
	if output >= 0 && r.found[output].done {
		output = unknown
	}
	if t.size > 0 {
		r.tail.expect(output, t.kind, t.size)
		return
	}
	if output < 0 || len(t.data.readings) == 0 {
		return
	}
	c, w := &r.found[output], &r.of.list[output]
	for _, reading := range t.data.readings {
		if !t.own {
			reading.Classes = reading.Classes >> w.first & (1<<(w.end-w.first) - 1)
		}
		c.add(reading)
	}
	c.done = true
	r.done()
}
