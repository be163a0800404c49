package spec

import (
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/document"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// What the packages below define and users of this package need.
type (
	// Position is a place in a file.
	Position = document.Position
	// Problem is one mistake in a file: where it is, what is wrong, what to do.
	Problem = document.Problem
	// Problems are all mistakes that were found. It is the error that Parse and
	// Resolve return.
	Problems = document.Problems

	// Weight is a share of the traffic in hundredths of a percent.
	Weight = value.Weight
	// Fraction is a share between 0 and 1, written as a percentage.
	Fraction = value.Fraction
	// Rate is a number per second.
	Rate = value.Rate
	// Margin is how much change is tolerated, relative or as a difference.
	Margin = value.Margin
	// Bound is an absolute limit of a metric.
	Bound = value.Bound
	// BoundUnit is what the value of a Bound counts.
	BoundUnit = value.BoundUnit
	// Unit is where the key of a unit (or the value of a segment) is read.
	Unit = value.Unit
	// UnitKind is the part of a request that holds the key of a unit.
	UnitKind = value.UnitKind
)

// Whole is 100 %.
const Whole = value.Whole

// The units of a Bound.
const (
	BoundPercent = value.BoundPercent
	BoundSeconds = value.BoundSeconds
	BoundBytes   = value.BoundBytes
	BoundNumber  = value.BoundNumber
)

// The places of a unit's key.
const (
	UnitRequest = value.UnitRequest
	UnitHeader  = value.UnitHeader
	UnitCookie  = value.UnitCookie
	UnitQuery   = value.UnitQuery
	UnitJSON    = value.UnitJSON
)

// ParseDuration reads a duration as files write it: 30m, 7d, 800ms, 1h30m.
func ParseDuration(s string) (time.Duration, error) { return value.ParseDuration(s) }

// FormatDuration writes a duration in the form that ParseDuration reads.
func FormatDuration(d time.Duration) string { return value.FormatDuration(d) }

// ParseWeight reads a share such as 10% or 0.25%, exactly.
func ParseWeight(s string) (Weight, error) { return value.ParseWeight(s) }

// ParseUnit reads request, header:NAME, cookie:NAME, query:NAME or json:/POINTER.
func ParseUnit(s string) (Unit, error) { return value.ParseUnit(s) }
