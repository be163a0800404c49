// Package pair finds the rows of both arms that answer the same request, and says
// whether two answers are the same.
//
// Memory is bounded: of each id it keeps a hash and, until the partner has come,
// what the row said. Beyond the bounds it is an error that says what to do, never
// a pair that is lost in silence.
package pair

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/belay-rollouts/belay/internal/check/row"
)

// Answer is one output of a model, ready to be compared with another one.
type Answer struct {
	kind kind
	num  float64
	// text is a word, the JSON of a composite, or the hash of a long text.
	text string
}

type kind uint8

const (
	noAnswer kind = iota
	aNumber
	aWord
	aComposite
)

// longText is the length above which a text is compared by its hash.
const longText = 64

// Read reads an answer. A text that is a number, or JSON, counts as such, so
// that files of CSV and of JSON are compared alike.
func Read(v row.Value) Answer {
	switch {
	case v.Kind == row.Missing || v.Kind == row.Null:
		return Answer{}
	case v.Kind == row.Composite, isComposite(v.Text) && json.Valid([]byte(v.Text)):
		return Answer{kind: aComposite, text: v.Text}
	}
	if x, reason := v.Float(); reason == "" {
		return Answer{kind: aNumber, num: x}
	}
	if len(v.Text) > longText {
		h := xxh3.HashString128(v.Text).Bytes()
		return Answer{kind: aWord, text: string(h[:])}
	}
	return Answer{kind: aWord, text: v.Text}
}

func isComposite(s string) bool { return strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") }

// None reports whether there is no answer.
func (a Answer) None() bool { return a.kind == noAnswer }

// size is the memory that its text takes.
func (a Answer) size() int { return len(a.text) }

// Agrees reports whether two answers are the same: words letter by letter, numbers
// within a relative tolerance, composites part by part. No answer agrees with
// nothing.
func (a Answer) Agrees(b Answer, tolerance float64) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case noAnswer:
		return false
	case aNumber:
		return near(a.num, b.num, tolerance)
	case aWord:
		return a.text == b.text
	case aComposite:
	}
	if a.text == b.text {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a.text), &x) != nil || json.Unmarshal([]byte(b.text), &y) != nil {
		return false
	}
	return same(x, y, tolerance)
}

// near reports whether two numbers are the same within a relative tolerance, or,
// close to zero, within its square.
func near(a, b, tolerance float64) bool {
	return a == b || math.Abs(a-b) <= max(tolerance*max(math.Abs(a), math.Abs(b)), tolerance*tolerance)
}

// same compares two values of JSON. What one object leaves out is not the same as
// null.
func same(a, b any, tolerance float64) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && near(x, y, tolerance)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i], tolerance) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key := range x {
			if other, ok := y[key]; !ok || !same(x[key], other, tolerance) {
				return false
			}
		}
		return true
	}
	return a == b // Strings, booleans and null.
}
