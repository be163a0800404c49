package sample

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/check/column"
	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/spec"
	"github.com/belay-rollouts/belay/internal/core/split"
	"github.com/belay-rollouts/belay/internal/problem"
)

// Source is a file of observations. It is opened more than once, and has to show
// the same rows each time.
type Source struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Options say what is read, and how.
type Options struct {
	Gates []spec.ResolvedGate
	// Baseline and Candidate are the files of the two arms; or Data is one file
	// with a column that says the arm.
	Baseline, Candidate *Source
	Data                *Source
	// Arms are what the column of arms says of each arm, by arm; empty means the
	// arms' names.
	Arms [split.Arms]string

	// Columns is what the caller says of columns, and Optional are the roles whose
	// values may be empty.
	Columns  []column.Ask
	Optional []column.Role
	// StratifyBy is the column whose values are strata; with Every, its values are
	// times, and each stretch of that length is a stratum.
	StratifyBy string
	Every      time.Duration
	// By are the columns whose values are segments.
	By []string
	// Unpaired compares the arms as a whole even where their rows have ids.
	Unpaired bool
	// MaxIDs is how many ids are paired.
	MaxIDs int
	// Tolerance is the relative difference below which two numbers are the same.
	Tolerance float64
}

// The defaults of options.
const (
	DefaultMaxIDs    = 2_000_000
	DefaultTolerance = 1e-6
)

// sources are the files and the arm of each; arms is true where a column says it.
func (o *Options) sources() (files []*file, arms bool, err error) {
	switch {
	case o.Data != nil && o.Baseline == nil && o.Candidate == nil:
		return []*file{{source: o.Data}}, true, nil
	case o.Data == nil && o.Baseline != nil && o.Candidate != nil:
		return []*file{
			{source: o.Baseline, arm: split.Baseline, fixed: true},
			{source: o.Candidate, arm: split.Candidate, fixed: true},
		}, false, nil
	}
	return nil, false, problem.New(problem.Invalid, "name the files of both arms, or one file of both with a column that says the arm")
}

// wanted are the roles that are looked for.
func (o *Options) wanted(arms bool) []column.Role {
	roles := []column.Role{column.Unit, column.Error, column.Status}
	if arms {
		roles = append(roles, column.Arm)
	}
	if !o.Unpaired {
		roles = append(roles, column.ID)
	}
	if o.StratifyBy == "" {
		roles = append(roles, column.Stratum)
	}
	for _, g := range o.Gates {
		if g.Source == "" {
			roles = append(roles, rolesOf(g)...)
		}
	}
	return roles
}

// asks are the columns that were named, wherever.
func (o *Options) asks() []column.Ask {
	asks := slices.Clone(o.Columns)
	if o.StratifyBy != "" {
		asks = append(asks, column.Ask{Role: column.Stratum, Column: o.StratifyBy})
	}
	if o.Unpaired {
		asks = append(asks, column.Ask{Role: column.ID})
	}
	for _, by := range o.By {
		asks = append(asks, column.Ask{Role: segmentRole(by), Column: by})
	}
	return asks
}

// segmentRole is the role of a column of segments.
func segmentRole(by string) column.Role { return column.Role(segmentPrefix + by) }

const segmentPrefix = "segment:"

func isSegment(r column.Role) bool { return strings.HasPrefix(string(r), segmentPrefix) }

// check refuses what cannot be meant.
func (o *Options) check() error {
	for _, g := range o.Gates {
		if g.Metric == Agreement && g.Margin != nil {
			return problem.New(problem.Invalid, "agreement is between the two arms, so it has no baseline to compare with; write min, such as `agreement min 99%%`")
		}
		if g.Metric == Agreement && o.Unpaired {
			return problem.New(problem.Invalid, "agreement needs pairs of rows; leave --unpaired out")
		}
	}
	if len(o.By) > 0 && slices.Contains(o.By, o.StratifyBy) {
		return problem.New(problem.Invalid, "%q cannot be both stratum and segment", o.StratifyBy)
	}
	return nil
}

// armOf reads the arm that a column says.
func (o *Options) armOf(said string) (split.Arm, bool) {
	for arm := range split.Arms {
		name := o.Arms[arm]
		if name == "" {
			name = arm.String()
		}
		if strings.EqualFold(said, name) {
			return arm, true
		}
	}
	return 0, false
}

// maxStrata is how many strata there may be.
const maxStrata = evidence.MaxStrata
