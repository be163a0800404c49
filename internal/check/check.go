package check

import (
	"context"
	"fmt"
	"math"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

const (
	noHarm      = spec.NoHarm
	perExposure = spec.PerExposure
)

// Run reads the files and judges them. The error is one of the command or of the
// files; what the files say is in the report, also that they say nothing.
func Run(ctx context.Context, o Options) (*Report, error) {
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
	r := s.report()
	if err := s.tooBad(); err != nil {
		return r, err
	}
	s.judge(r)
	s.note(r)
	return r, nil
}

// report says what was read.
func (s *scanner) report() *Report {
	p := &s.options.Plan
	r := &Report{
		SchemaVersion: SchemaVersion, Require: p.Require, Method: OneShot, Alpha: p.Alpha, MinSamples: p.MinSamples,
		Policy: p.Policy, Stage: p.Stage, Unused: s.mapping.Unused, Strata: len(s.strata),
	}
	if s.options.Anytime {
		r.Method = Anytime
	}
	for _, f := range s.files {
		file := File{Name: f.source.Name, Format: f.format, Rows: f.rows, Bad: f.bad, Faults: f.list()}
		if f.fixed {
			file.Arm = f.arm.String()
		}
		r.Files = append(r.Files, file)
	}
	for _, e := range s.mapping.Entries {
		c := Column{Role: e.Role, Column: e.Column, Asked: e.Asked}
		if e.Unit > 0 {
			c.Unit = e.Unit.String()[1:]
		}
		r.Columns = append(r.Columns, c)
	}
	if s.pairing != nil {
		alone := s.pairing.alone()
		r.Pairs = &Pairs{Pairs: s.pairing.pairs, BaselineOnly: alone[split.Baseline], CandidateOnly: alone[split.Candidate]}
	}
	return r
}

// tooBad is an error when more rows are bad than may be. Both arms are looked at
// by themselves: a few bad rows of a large baseline must not hide that the
// candidate has nothing else.
func (s *scanner) tooBad() error {
	most := s.options.MaxBad
	over := func(bad, rows uint64) bool { return rows > 0 && float64(bad) > most*float64(rows) }
	for _, f := range s.files {
		if over(f.bad, f.rows) {
			return s.tooBadError(f.source.Name, f.bad, f.rows)
		}
	}
	for arm, seen := range s.arms {
		if over(seen.bad, seen.rows) {
			return s.tooBadError("the "+split.Arm(arm).String(), seen.bad, seen.rows)
		}
	}
	return nil
}

func (s *scanner) tooBadError(of string, bad, rows uint64) error {
	return problem.New(problem.Invalid, "%d of the %d rows of %s are bad, more than %s; mend them, or allow more with --max-bad", bad, rows, of, percent(s.options.MaxBad))
}

func percent(x float64) string { return fmt.Sprintf("%.4g%%", 100*x) }

// note adds what a person should know beside the verdicts.
func (s *scanner) note(r *Report) {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	if p := r.Pairs; p != nil {
		switch least := min(p.Pairs+p.BaselineOnly, p.Pairs+p.CandidateOnly); {
		case p.Pairs == 0 && least > 0:
			note("no id is in both arms, so their rows are compared as a whole")
		case float64(p.Pairs) < pairedShare*float64(least):
			note("only %d ids are in both arms, so their rows are compared as a whole", p.Pairs)
		case p.CandidateOnly > 0 && p.BaselineOnly > 0:
			note("%d ids are in the baseline alone, %d in the candidate alone; what has no partner is left out of pairs", p.BaselineOnly, p.CandidateOnly)
		case p.BaselineOnly > 0 && p.Pairs > 0:
			note("%d ids of the baseline have no row of the candidate; if it should have answered them, their loss is not judged", p.BaselineOnly)
		}
	}
	if b, c := s.arms[split.Baseline], s.arms[split.Candidate]; c.bad > 0 && unlike(float64(b.bad), float64(b.rows), float64(c.bad), float64(c.rows)) {
		note("the candidate has %d bad rows of %d, the baseline %d of %d: look at them, they are judged by no gate", c.bad, c.rows, b.bad, b.rows)
	}
	for _, c := range s.collectors {
		if c.absent == NoColumn {
			note("no column stands for %s; name it with --column %s", c.gate.Name, askFor(c))
		}
	}
	if at, ok := s.mapping.Find(column.Unit); ok {
		for _, g := range r.Gates {
			if g.Reason == TooFewUnits {
				note("the rows of %s come from too few units (%s) to know how much these differ; if its rows are independent, say so with --column unit=", g.Gate, at.Column)
			}
		}
	}
}

// askFor is how the column of a gate is named.
func askFor(c *collector) string {
	switch c.spec.Metric {
	case evidence.ErrorRate:
		return "status=COLUMN or error=COLUMN"
	case evidence.ClientErrorRate:
		return "status=COLUMN or client_error=COLUMN"
	case accuracy:
		return "correct=COLUMN, or output=COLUMN and label=COLUMN"
	case agreement:
		return "output=COLUMN and id=COLUMN"
	}
	if c.spec.Quantile > 0 {
		return string(timed(c.spec.Metric)) + "=COLUMN:ms"
	}
	return c.spec.Metric + "=COLUMN"
}

// unlike reports whether the candidate's share of bad rows is larger than chance
// makes it: by more than three standard errors.
func unlike(badB, rowsB, badC, rowsC float64) bool {
	if rowsB == 0 || rowsC == 0 {
		return false
	}
	p := (badB + badC) / (rowsB + rowsC)
	return badC/rowsC-badB/rowsB > 3*math.Sqrt(p*(1-p)*(1/rowsB+1/rowsC))
}
