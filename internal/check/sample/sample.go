// Package sample reads files of observations into what gates are judged by.
//
//	files ─ row ─► rows ─ column ─► what they say ─► evidence (and pairs), gate by gate
//
// It promises that each row is counted once, for every gate on which it says
// something, or is named as bad with its reason and its line; a bad row counts for
// nothing. What is kept is evidence (package evidence), the durations while there
// are few, and, where rows of both arms have ids, what a row said until its
// partner has come. What the baseline alone must settle (a cap, bins, edges) it
// settles in a first reading, so that no order of the rows can change a verdict.
//
// The package judges nothing.
package sample

import (
	"context"

	"github.com/belay-rollouts/belay/internal/core/split"
)

// Sample is what the files say.
type Sample struct {
	Gates   []*Gate
	Files   []File
	Columns []Column
	// Unused are the names of columns that say nothing here.
	Unused []string
	// Match is nil where rows have no ids.
	Match  *Match
	Strata int
	// Segmented says that rows belong to segments.
	Segmented bool
	// Arms are the rows of each arm.
	Arms [split.Arms]Seen
}

// Seen counts the rows of one arm.
type Seen struct{ Rows, Bad uint64 }

// Read reads the files. The error is one of the options or of a file as a whole.
func Read(ctx context.Context, o Options) (*Sample, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := newScanner(&o)
	if err != nil {
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	if err := s.count(ctx); err != nil {
		return nil, err
	}
	return s.sample(), nil
}

// sample is what was read.
func (s *scanner) sample() *Sample {
	out := &Sample{Gates: s.gates, Unused: s.mapping.Unused, Strata: len(s.strata), Segmented: len(s.segments) > 0, Arms: s.arms}
	for _, f := range s.files {
		out.Files = append(out.Files, f.summary(s.mapping.Entries))
	}
	for _, e := range s.mapping.Entries {
		c := Column{Role: e.Role, Column: e.Column, Asked: e.Asked}
		if e.Unit > 0 {
			c.Unit = e.Unit.String()[1:] // Units are one of something.
		}
		out.Columns = append(out.Columns, c)
	}
	if s.pairing != nil {
		alone := s.pairing.Alone()
		out.Match = &Match{Pairs: s.pairing.Pairs(), BaselineOnly: alone[split.Baseline], CandidateOnly: alone[split.Candidate]}
	}
	return out
}
