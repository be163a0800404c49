package sample

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/row"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// file is one file with what was read of it.
type file struct {
	source *Source
	// arm is that of all rows, where it is fixed.
	arm    split.Arm
	fixed  bool
	format row.Format
	names  []string
	rows   uint64
	bad    uint64
	faults map[fault]*Fault
}

// File is what was read of a file.
type File struct {
	Name   string     `json:"name"`
	Arm    string     `json:"arm,omitempty"`
	Format row.Format `json:"format"`
	Rows   uint64     `json:"rows"`
	Bad    uint64     `json:"bad"`
	// Lacks are the columns that are used and that the file does not have.
	Lacks  []string `json:"lacks,omitempty"`
	Faults []Fault  `json:"faults,omitempty"`
}

// summary is what was read so far by these columns.
func (f *file) summary(entries []column.Entry) File {
	out := File{Name: f.source.Name, Format: f.format, Rows: f.rows, Bad: f.bad, Faults: f.list()}
	for _, e := range entries {
		if !f.has(e) {
			out.Lacks = append(out.Lacks, e.Column)
		}
	}
	if f.fixed {
		out.Arm = f.arm.String()
	}
	return out
}

// Fault counts the bad rows of a file that have one reason.
type Fault struct {
	Reason row.Reason `json:"reason"`
	Column string     `json:"column,omitempty"`
	Count  uint64     `json:"count"`
	// Lines are the first lines on which they stand.
	Lines []int `json:"lines"`
}

// firstLines is how many lines a fault names.
const firstLines = 5

// open opens the file.
func (f *file) open() (*row.Reader, io.Closer, error) {
	in, err := f.source.Open()
	if err != nil {
		return nil, nil, problem.New(problem.Invalid, "%w", err)
	}
	r, err := row.Open(f.source.Name, in)
	if err != nil {
		_ = in.Close() // It was only read.
		return nil, nil, err
	}
	return r, in, nil
}

// head learns the names of the file's columns.
func (f *file) head() error {
	r, in, err := f.open()
	if err != nil {
		return err
	}
	f.names, f.format = r.Names(), r.Format()
	_ = in.Close() // It was only read.
	return nil
}

// found counts a bad row.
func (f *file) found(what fault, line int) {
	f.bad++
	if f.faults == nil {
		f.faults = map[fault]*Fault{}
	}
	seen := f.faults[what]
	if seen == nil {
		seen = &Fault{Reason: what.reason, Column: what.column}
		f.faults[what] = seen
	}
	seen.Count++
	if len(seen.Lines) < firstLines {
		seen.Lines = append(seen.Lines, line)
	}
}

// list is what was found, the most frequent first.
func (f *file) list() []Fault {
	var out []Fault
	for _, found := range f.faults {
		out = append(out, *found)
	}
	slices.SortFunc(out, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Column, b.Column))
	})
	return out
}

// has reports whether the file has a column. A pointer into JSON may be in any row.
func (f *file) has(e column.Entry) bool {
	return e.Column == column.RowNumber || slices.Contains(f.names, e.Column) ||
		f.format == row.JSONL && strings.HasPrefix(e.Column, "/")
}

// pick picks the columns of a mapping, and says which of them the file has.
func (f *file) pick(r *row.Reader, entries []column.Entry) (there []bool, err error) {
	names := make([]string, len(entries))
	there = make([]bool, len(entries))
	for i, e := range entries {
		names[i] = e.Column
		there[i] = f.has(e)
	}
	if err := r.Select(names); err != nil {
		return nil, problem.New(problem.Invalid, "%s: %w", f.source.Name, err)
	}
	return there, nil
}
