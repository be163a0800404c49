package scenario

import (
	"math"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// Change turns a number v into v*(1+Relative) + Add. The zero Change is none.
type Change struct {
	Relative float64 // 1 doubles, -0.1 takes a tenth away
	Add      float64
}

// Times is the change that multiplies.
func Times(factor float64) Change { return Change{Relative: factor - 1} }

// Plus is the change that adds.
func Plus(add float64) Change { return Change{Add: add} }

// None reports whether nothing is changed.
func (c Change) None() bool { return c == Change{} }

// Raises reports whether a share becomes larger.
func (c Change) Raises() bool { return c.Apply(0.5, 1) > 0.5 }

// Lowers reports whether a share becomes smaller.
func (c Change) Lowers() bool { return c.Apply(0.5, 1) < 0.5 }

// Apply changes a number with a strength between 0 (not at all) and 1. In
// between, factors grow geometrically, so that an effect and its reverse are
// alike on their way.
func (c Change) Apply(v, strength float64) float64 {
	switch {
	case strength <= 0 || c.None():
		return v
	case strength >= 1:
		return v*(1+c.Relative) + c.Add
	}
	return v*c.factor(strength) + c.Add*strength
}

// factor is what is multiplied with at a strength. What takes everything away
// does so in proportion.
func (c Change) factor(strength float64) float64 {
	if c.Relative <= -1 {
		return 1 - strength
	}
	return math.Pow(1+c.Relative, strength)
}

// ParseChange reads x2, x0.9, +20%, -10%, +1pp or -0.5pp.
func ParseChange(s string) (Change, error) {
	if number, ok := strings.CutPrefix(s, "x"); ok && value.IsDecimal(number) {
		return Times(value.Shifted(number, 0)), nil
	}
	sign, rest := 1.0, ""
	switch {
	case strings.HasPrefix(s, "+"):
		rest = s[1:]
	case strings.HasPrefix(s, "-"):
		sign, rest = -1, s[1:]
	case value.IsDecimal(strings.TrimRight(s, "%p")):
		return Change{}, value.Faultf("write +"+unitOr(s)+" or -"+unitOr(s)+", or x2 for twice as much", "%s does not say whether it is more or less", s)
	}
	if number, ok := strings.CutSuffix(rest, "pp"); ok && value.IsDecimal(number) {
		return Plus(sign * value.Shifted(number, -2)), nil
	}
	if number, ok := strings.CutSuffix(rest, "%"); ok && value.IsDecimal(number) {
		c := Change{Relative: sign * value.Shifted(number, -2)}
		if c.Relative < -1 {
			return Change{}, value.Faultf("write at most -100%", "%s takes away more than there is", s)
		}
		return c, nil
	}
	return Change{}, value.Faultf("write one such as x2, +20%, -10%, +1pp or -0.5pp", "%s is not a change", value.Quote(s))
}

// unitOr gives a number without a unit the one that is meant most often.
func unitOr(s string) string {
	if value.IsDecimal(s) {
		return s + "%"
	}
	return s
}

// String returns a form that ParseChange reads.
func (c Change) String() string {
	switch {
	case c.Add != 0:
		return signed(c.Add*100) + "pp"
	case c.Relative > 0.999:
		return "x" + plain(1+c.Relative)
	}
	return signed(c.Relative*100) + "%"
}

func signed(v float64) string {
	if v < 0 {
		return plain(v)
	}
	return "+" + plain(v)
}

// plain writes a number without the dust of binary fractions.
func plain(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e9)/1e9, 'f', -1, 64)
}
