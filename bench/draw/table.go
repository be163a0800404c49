package draw

import (
	"strconv"
	"strings"
)

// Table is a table of Markdown: names at the left, numbers at the right.
type Table struct{ b strings.Builder }

// NewTable returns a table with its head.
func NewTable(head ...string) *Table {
	t := &Table{}
	t.Row(head...)
	for i := range head {
		if i == 0 {
			t.b.WriteString("|---")
		} else {
			t.b.WriteString("|---:")
		}
	}
	t.b.WriteString("|\n")
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) {
	for _, c := range cells {
		t.b.WriteString("| " + c + " ")
	}
	t.b.WriteString("|\n")
}

// String returns the table.
func (t *Table) String() string { return t.b.String() }

// Thousands writes a number in groups of three digits: 1,234,567.
func Thousands(n int) string {
	s, sign := strconv.Itoa(n), ""
	if n < 0 {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
