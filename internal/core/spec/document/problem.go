package document

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/problem"
)

// Position is a place in a file; both count from 1, columns in characters.
// The zero Position means that the place is not known.
type Position struct {
	Line   int
	Column int
}

// Problem is one mistake in a file: where it is, what is wrong, what to do.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error returns `file:line:col: path: what is wrong; what to do`, leaving out
// the parts that are not known.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// ProblemCode says that a mistake in a file is the caller's.
func (p Problem) ProblemCode() problem.Code { return problem.Invalid }

// Problems are all mistakes that were found, in the order of the file.
// They are one error.
type Problems []Problem

// Error returns the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// ProblemCode says that mistakes in a file are the caller's.
func (ps Problems) ProblemCode() problem.Code { return problem.Invalid }

// Err returns the problems sorted by place, each once, and nil when there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	seen := map[Problem]bool{}
	once := Problems{}
	for _, p := range ps {
		if !seen[p] {
			once = append(once, p)
		}
		seen[p] = true
	}
	return once
}
