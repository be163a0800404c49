package protocol

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/table"
)

// Outputs reads outputs of a model out of its answers, as their bytes stream by:
// numbers and texts by the name of a v2 tensor or by a JSON Pointer. It is safe
// for concurrent use.
//
// No answer is kept, none is decoded as a whole, and an answer costs no memory of
// its own. Only the first 64 KiB of it are looked at; of an output the first
// evidence.MaxReadings values count. What is not found there, is neither a number
// nor a text, or lies in an answer that is encoded (gzip) is read as missing:
// nothing is guessed.
type Outputs struct {
	protocol table.Protocol
	list     []wanted
	classes  []class // of all outputs, one output's after the other's
	readers  sync.Pool
}

// wanted is an output that is looked for.
type wanted struct {
	tensor string // "" for a pointer
	steps  []step
	// first and end are its classes in Outputs.classes.
	first, end int
}

// step is one part of a JSON Pointer.
type step struct {
	key   string
	index int // notIndex for what is no place in a list
}

const notIndex = -1

// class is a value that is counted.
type class struct {
	text   string
	number float64
	// numeric says that the text is a number, so that any way to write it will do.
	numeric bool
}

// maxOutputs and maxSteps bound what is looked for, and evidence.MaxClasses the
// classes of all outputs; no plan has more.
const (
	maxOutputs = 64
	maxSteps   = 16
)

// NewOutputs returns the reader of a layout's outputs; nil when there are none.
func NewOutputs(p table.Protocol, list []evidence.Output) *Outputs {
	if len(list) == 0 {
		return nil
	}
	o := &Outputs{protocol: p}
	for _, is := range list[:min(len(list), maxOutputs)] {
		w := wanted{first: len(o.classes)}
		for _, c := range is.Classes[:min(len(is.Classes), evidence.MaxClasses-len(o.classes))] {
			o.classes = append(o.classes, newClass(c.Text))
		}
		w.end = len(o.classes)
		if pointer, ok := strings.CutPrefix(is.Name, "/"); ok {
			w.steps = stepsOf(pointer)
			w.steps = w.steps[:min(len(w.steps), maxSteps)]
		} else {
			w.tensor = is.Name
		}
		o.list = append(o.list, w)
	}
	o.readers.New = func() any { return newReader(o) }
	return o
}

func newClass(text string) class {
	v, ok := numberOf([]byte(text))
	return class{text: text, number: v, numeric: ok}
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// tensor returns the output that is the tensor of a name.
func (o *Outputs) tensor(name []byte) int {
	for i := range o.list {
		if o.list[i].steps == nil && string(name) == o.list[i].tensor {
			return i
		}
	}
	return unknown
}

// tensors reports whether an output is looked for by the name of a tensor.
func (o *Outputs) tensors() bool {
	return o.protocol == table.V2 && slices.ContainsFunc(o.list, func(w wanted) bool { return w.steps == nil })
}

// stepsOf reads a JSON Pointer without its first slash.
func stepsOf(pointer string) []step {
	var out []step
	for part := range strings.SplitSeq(pointer, "/") {
		s := step{key: unescape.Replace(part), index: notIndex}
		if n, err := strconv.ParseUint(part, 10, 31); err == nil && strconv.FormatUint(n, 10) == part {
			s.index = int(n)
		}
		out = append(out, s)
	}
	return out
}

// Reader returns a reader of one answer, which must be closed; nil for an answer
// that has no outputs by its nature: an error, or none at all.
func (o *Outputs) Reader(method string, status int, header http.Header) *Reader {
	if status != http.StatusOK && (o.protocol == table.V2 || status < 200 || status > 299) || method == http.MethodHead {
		return nil
	}
	r := o.readers.Get().(*Reader)
	r.reset(bound(header))
	return r
}

// bound is how much of an answer is looked at, and how much of that is JSON.
func bound(header http.Header) (all, json int64) {
	if slices.ContainsFunc(header["Content-Encoding"], func(s string) bool { return s != "" && !strings.EqualFold(s, "identity") }) {
		return 0, 0
	}
	v := header.Get("Inference-Header-Content-Length")
	if v == "" {
		return checkLimit, checkLimit
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, 0
	}
	return checkLimit, min(n, checkLimit)
}

// numberOf reads a number as JSON writes one.
func numberOf(text []byte) (float64, bool) {
	if !isNumber(text) {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil
}

// isNumber reports whether a text is a number by the grammar of RFC 8259.
func isNumber(text []byte) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	is := func(c byte) bool {
		if i < len(text) && text[i] == c {
			i++
			return true
		}
		return false
	}
	is('-')
	if !is('0') && !digits() {
		return false
	}
	if is('.') && !digits() {
		return false
	}
	if is('e') || is('E') {
		if !is('+') {
			is('-')
		}
		if !digits() {
			return false
		}
	}
	return i == len(text)
}
