// Package row reads files of observations, one row at a time: CSV and JSON
// lines, gzipped or not.
//
// It promises that a row is read wholly or named with what is wrong with it, and
// that nothing in a file can do worse than that: rows, fields and quotes have
// bounds, so memory does not grow with the file, and a row too long to keep is
// skipped as it streams by. A file that is broken as a whole (cut off, of another
// kind, in another encoding) is an error. The package knows rows and values; it
// does not know what a column means.
package row

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reason says what is wrong with a row, in one word. Reasons are stable: they
// stand in the JSON of reports.
type Reason string

// The reasons of rows that cannot be read at all.
const (
	WrongFieldCount Reason = "WrongFieldCount"
	TooLong         Reason = "TooLong"
	BrokenQuotes    Reason = "BrokenQuotes"
	NotJSON         Reason = "NotJSON"
	NotUTF8         Reason = "NotUTF8"
)

// The reasons of values that cannot be used.
const (
	Empty      Reason = "Empty"
	NotNumber  Reason = "NotNumber"
	NaN        Reason = "NaN"
	Infinite   Reason = "Infinite"
	NotBoolean Reason = "NotBoolean"
)

// Kind says what a value is.
type Kind uint8

// The kinds of values. A field of a CSV file that is there is Text, whatever it
// looks like.
const (
	Missing Kind = iota // an empty field, or no field at all
	Null                // written as null
	Text
	Number
	Boolean
	Composite // an object or an array
)

// Value is one field of a row. Text is its value without quotes; that of a
// composite is its JSON.
type Value struct {
	Kind Kind
	Text string
}

// textValue is the value of a field of a CSV file. Databases write null for what
// is not there; NA stays what it is, since it is a country, too.
func textValue(s string) Value {
	switch s = strings.TrimSpace(s); s {
	case "":
		return Value{}
	case "null", "NULL":
		return Value{Kind: Null}
	}
	return Value{Kind: Text, Text: s}
}

// Absent reports whether there is no value.
func (v Value) Absent() bool { return v.Text == "" }

// Float returns the value as a finite number, or why it is none.
func (v Value) Float() (float64, Reason) {
	switch {
	case v.Absent():
		return 0, Empty
	case v.Kind == Boolean, v.Kind == Composite:
		return 0, NotNumber
	}
	x, err := strconv.ParseFloat(v.Text, 64)
	switch {
	case x != x:
		return 0, NaN
	case x > maxFloat || x < -maxFloat:
		return 0, Infinite // Also where it has more digits than a number can have.
	case err != nil:
		return 0, NotNumber
	}
	return x, ""
}

const maxFloat = 1.7976931348623157e308

// Truth returns the value as true or false, or why it is neither.
func (v Value) Truth() (bool, Reason) {
	switch {
	case v.Absent():
		return false, Empty
	case v.Kind == Composite:
		return false, NotBoolean
	}
	switch strings.ToLower(v.Text) {
	case "1", "true", "t", "yes", "1.0":
		return true, ""
	case "0", "false", "f", "no", "0.0":
		return false, ""
	case "nan":
		return false, NaN
	}
	return false, NotBoolean
}

// Row is one row of a file.
type Row struct {
	// Line is the line of the file on which it begins, from 1.
	Line int
	// Number counts the rows that are not blank, from 1.
	Number int
	// Values are those of the selected columns, in their order.
	Values []Value
	// Bad is why the row cannot be read; Values are missing then.
	Bad Reason
}

// checkText reports whether a row is text that can be shown again.
func checkText(line []byte) Reason {
	if !utf8.Valid(line) {
		return NotUTF8
	}
	return ""
}
