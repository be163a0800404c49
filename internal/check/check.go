package check

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/check/plan"
	"github.com/belay-rollouts/belay/internal/check/sample"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Options is what a check is made of.
type Options struct {
	Plan plan.Plan
	// Options say what is read; their gates are those of the plan.
	sample.Options
	// MaxBad is the share of rows of an arm or of a file that may be bad.
	MaxBad float64
	// Anytime judges by e-values, for who looks again while the files grow.
	Anytime bool
}

// DefaultMaxBad is the default of Options.MaxBad.
const DefaultMaxBad = 0.01

// Run reads the files and judges them. The error is one of the command or of the
// files; what the files say is in the report, also that they say nothing. Beside
// the error that too many rows are bad the report says which.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.Gates = o.Plan.Gates
	read, err := sample.Read(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	r := newReport(&o, read)
	if err := tooBad(read, o.MaxBad); err != nil {
		return r, err
	}
	s := &sitting{plan: &o.Plan, read: read, anytime: o.Anytime}
	s.judge(r)
	s.note(r)
	return r, nil
}

// newReport says what was read.
func newReport(o *Options, read *sample.Sample) *Report {
	p := &o.Plan
	r := &Report{
		SchemaVersion: SchemaVersion, Require: p.Require, Method: OneShot, Alpha: p.Alpha, MinSamples: p.MinSamples, Policy: p.Policy, Stage: p.Stage,
		Files: read.Files, Columns: read.Columns, Unused: read.Unused, Pairs: read.Match, Strata: read.Strata,
	}
	if o.Anytime {
		r.Method = Anytime
	}
	return r
}

// tooBad is an error when more rows are bad than may be. Both arms are looked at
// by themselves: a few bad rows of a large baseline must not hide that the
// candidate has nothing else.
func tooBad(read *sample.Sample, most float64) error {
	over := func(bad, rows uint64) bool { return rows > 0 && float64(bad) > most*float64(rows) }
	for _, f := range read.Files {
		if over(f.Bad, f.Rows) {
			return tooBadError(f.Name, f.Bad, f.Rows, most)
		}
	}
	for arm, seen := range read.Arms {
		if over(seen.Bad, seen.Rows) {
			return tooBadError("the "+split.Arm(arm).String(), seen.Bad, seen.Rows, most)
		}
	}
	return nil
}

func tooBadError(of string, bad, rows uint64, most float64) error {
	return problem.New(problem.Invalid, "%d of the %d rows of %s are bad, more than %s; mend them, or allow more with --max-bad", bad, rows, of, percent(most))
}

func percent(x float64) string { return fmt.Sprintf("%.4g%%", 100*x) }

// note adds what a person should know beside the verdicts.
func (s *sitting) note(r *Report) {
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
	if b, c := s.read.Arms[split.Baseline], s.read.Arms[split.Candidate]; c.Bad > 0 && unlike(b, c) {
		note("the candidate has %d bad rows of %d, the baseline %d of %d: look at them, they are judged by no gate", c.Bad, c.Rows, b.Bad, b.Rows)
	}
	for _, c := range s.read.Gates {
		if c.Absent == sample.NoColumn {
			note("no column stands for %s; name it with --column %s", c.Judged.Name, askFor(c))
		}
	}
	lacking, of := s.withoutUnits(r)
	if lacking != "" && slices.ContainsFunc(r.Gates, func(g Gate) bool { return g.Reason == TooFewUnits }) {
		note("%s has no column %q, so nobody knows which units its rows come from; add it, name another one with --column %s=COLUMN, or, if the rows are independent, say so with --column %s=", lacking, of, column.Unit, column.Unit)
		return
	}
	for _, g := range r.Gates {
		if g.Reason == TooFewUnits {
			note("the rows of %s come from too few units to know how much these differ; if they are independent, say so with --column %s=", g.Gate, column.Unit)
		}
	}
}

// withoutUnits names the files, of several, that lack the column of the units.
func (s *sitting) withoutUnits(r *Report) (files, units string) {
	for _, c := range s.read.Columns {
		if c.Role == column.Unit {
			units = c.Column
		}
	}
	var names []string
	for _, f := range r.Files {
		if units != "" && slices.Contains(f.Lacks, units) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " and "), units
}

// askFor is how the column of a gate is named.
func askFor(c *sample.Gate) string {
	switch c.Spec.Metric {
	case evidence.ErrorRate:
		return "status=COLUMN or error=COLUMN"
	case evidence.ClientErrorRate:
		return "status=COLUMN or client_error=COLUMN"
	case sample.Accuracy:
		return "correct=COLUMN, or output=COLUMN and label=COLUMN"
	case sample.Agreement:
		return "output=COLUMN and id=COLUMN"
	}
	if c.Spec.Quantile > 0 {
		return string(sample.Timed(c.Spec.Metric)) + "=COLUMN:ms"
	}
	return c.Spec.Metric + "=COLUMN"
}

// unlike reports whether the candidate's share of bad rows is larger than chance
// makes it: by more than three standard errors.
func unlike(baseline, candidate sample.Seen) bool {
	b, c := float64(baseline.Rows), float64(candidate.Rows)
	if b == 0 || c == 0 {
		return false
	}
	p := float64(baseline.Bad+candidate.Bad) / (b + c)
	return float64(candidate.Bad)/c-float64(baseline.Bad)/b > 3*math.Sqrt(p*(1-p)*(1/b+1/c))
}
