package value

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Whole is 100 %.
const Whole Weight = 10_000

// Weight is a share of the traffic in hundredths of a percent: 10,000 is all.
type Weight uint32

// Fraction is a share between 0 and 1, written as a percentage.
type Fraction float64

// Rate is a number per second.
type Rate float64

// Margin is how much change is tolerated: relative to the baseline (20% has the
// Value 0.2), or a difference in percentage points (0.5pp has the Value 0.005).
type Margin struct {
	Relative bool
	Value    float64
}

// BoundUnit is what the value of a Bound counts.
type BoundUnit string

const (
	// BoundPercent counts 1 for 100 %.
	BoundPercent BoundUnit = "percent"
	// BoundSeconds counts seconds.
	BoundSeconds BoundUnit = "seconds"
	// BoundBytes counts bytes.
	BoundBytes BoundUnit = "bytes"
	// BoundNumber counts whatever the metric counts.
	BoundNumber BoundUnit = "number"
)

// Bound is an absolute limit of a metric.
type Bound struct {
	Unit  BoundUnit
	Value float64
}

// Longer numbers than these are typing errors, and would cost time to read.
const (
	maxIntegerDigits  = 15
	maxFractionDigits = 30
)

// IsDecimal reports whether s is digits with at most one point between them.
func IsDecimal(s string) bool {
	whole, frac, point := strings.Cut(s, ".")
	if !isDigits(whole) || len(whole) > maxIntegerDigits {
		return false
	}
	return !point || isDigits(frac) && len(frac) <= maxFractionDigits
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// IsNumber reports whether s is a number without a unit, whatever its sign.
func IsNumber(s string) bool { return IsDecimal(strings.TrimLeft(s, "+-")) }

// Shifted reads the decimal s times ten to the power of exp, correctly rounded.
func Shifted(s string, exp int) float64 {
	v, err := strconv.ParseFloat(s+"e"+strconv.Itoa(exp), 64)
	if err != nil { // Not reached: IsDecimal bounds the digits.
		return 0
	}
	return v
}

// percentText writes v times 100, so that Shifted(text, -2) gives v back.
func percentText(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	whole, frac, _ := strings.Cut(s, ".")
	frac += "00"
	whole, frac = whole+frac[:2], strings.TrimRight(frac[2:], "0")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if frac != "" {
		whole += "." + frac
	}
	return whole
}

// cutPercent returns the decimal before the sign, allowing one space between.
func cutPercent(s, sign string) (string, bool) {
	number, ok := strings.CutSuffix(s, sign)
	number = strings.TrimSuffix(number, " ")
	return number, ok && IsDecimal(number)
}

// ParseWeight reads a share such as 10% or 0.25%, exactly.
func ParseWeight(s string) (Weight, error) {
	number, ok := cutPercent(s, "%")
	if !ok {
		return 0, percentFault(s)
	}
	whole, frac, _ := strings.Cut(number, ".")
	frac = strings.TrimRight(frac, "0")
	if len(frac) > 2 {
		return 0, Faultf("write 0.01% or a multiple of it", "%s is finer than a hundredth of a percent", s)
	}
	n, err := strconv.ParseUint(whole+(frac + "00")[:2], 10, 64)
	if err != nil || n > uint64(Whole) {
		return 0, Faultf("write at most 100%", "%s is more than 100%%", s)
	}
	return Weight(n), nil
}

// percentFault says why s is not a percentage.
func percentFault(s string) *Fault {
	switch {
	case strings.HasPrefix(s, "-"):
		return Faultf("write a positive percentage", "%s is negative", s)
	case IsNumber(s):
		return Faultf(percentHint(s), "the bare number %s is ambiguous", s)
	case strings.HasSuffix(s, "pp"):
		return Faultf("write a percentage such as 10%", "%s is a difference, not a share", s)
	}
	return Faultf("write one such as 10%", "%s is not a percentage", Quote(s))
}

// percentHint says what a bare number may have meant: 0.05 is 5% to some.
func percentHint(s string) string {
	if s = strings.TrimPrefix(s, "+"); IsDecimal(s) && Shifted(s, 0) > 0 && Shifted(s, 0) < 1 {
		return fmt.Sprintf("write %s%% or %s%%, whichever you mean", percentText(Shifted(s, 0)), s)
	}
	return fmt.Sprintf("write %s%% if you mean percent", s)
}

// String returns the form that ParseWeight reads.
func (w Weight) String() string { return percentText(float64(w)/float64(Whole)) + "%" }

// ParseFraction reads a percentage such as 5% or 0.05% as a fraction of one.
func ParseFraction(s string) (Fraction, error) {
	number, ok := cutPercent(s, "%")
	if !ok {
		return 0, percentFault(s)
	}
	return Fraction(Shifted(number, -2)), nil
}

// String returns the form that ParseFraction reads.
func (f Fraction) String() string { return percentText(float64(f)) + "%" }

// ParseMargin reads 20% (relative to the baseline) or 0.5pp (a difference).
func ParseMargin(s string) (Margin, error) {
	if number, ok := cutPercent(s, "pp"); ok {
		return Margin{Value: Shifted(number, -2)}, nil
	}
	if number, ok := cutPercent(s, "%"); ok {
		return Margin{Relative: true, Value: Shifted(number, -2)}, nil
	}
	switch {
	case strings.HasPrefix(s, "-"):
		return Margin{}, Faultf("write how much change is tolerated, without a sign", "%s is negative", s)
	case IsNumber(s):
		return Margin{}, Faultf(fmt.Sprintf("write %s%% (relative to the baseline) or %spp (a difference in percentage points)", s, s),
			"the bare number %s is ambiguous", s)
	}
	if _, err := ParseDuration(s); err == nil {
		return Margin{}, Faultf("write a percentage such as 10% (relative to the baseline), and the longest time allowed as max",
			"%s is a time, not a margin", s)
	}
	return Margin{}, Faultf("write 20% (relative to the baseline) or 0.5pp (a difference in percentage points)",
		"%s is not a margin", Quote(s))
}

// String returns the form that ParseMargin reads.
func (m Margin) String() string {
	if m.Relative {
		return percentText(m.Value) + "%"
	}
	return percentText(m.Value) + "pp"
}

// ParseRate reads a rate such as 200/s, 30/m or 10/h.
func ParseRate(s string) (Rate, error) {
	number, per, slash := strings.Cut(s, "/")
	seconds, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[per]
	if slash && known && IsDecimal(number) {
		return Rate(Shifted(number, 0) / seconds), nil
	}
	if IsNumber(s) {
		return 0, Faultf(fmt.Sprintf("write %s/s for requests per second", s), "the bare number %s is ambiguous", s)
	}
	return 0, Faultf("write one such as 200/s, 30/m or 10/h", "%s is not a rate", Quote(s))
}

// String returns a form that ParseRate reads.
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s" }

// maxBoundBytes keeps every limit below 2^53 bytes, where each has its own text.
const maxBoundBytes = 512 << 40

// byteUnits are the units of a Bound in bytes, the largest first.
var byteUnits = []struct {
	name string
	size float64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseBound reads an absolute limit: 5%, 800ms, 512MiB or a plain number.
// Which of them a metric takes is checked where the metric is known.
func ParseBound(s string) (Bound, error) {
	if number, ok := cutPercent(s, "%"); ok {
		return Bound{Unit: BoundPercent, Value: Shifted(number, -2)}, nil
	}
	if IsDecimal(s) {
		return Bound{Unit: BoundNumber, Value: Shifted(s, 0)}, nil
	}
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok && IsDecimal(number) {
			b := Bound{Unit: BoundBytes, Value: Shifted(number, 0) * u.size}
			if b.Value > maxBoundBytes {
				return Bound{}, Faultf("write at most 512TiB", "%s is too large", s)
			}
			return b, nil
		}
	}
	if strings.HasPrefix(s, "-") {
		return Bound{}, Faultf("write a limit of zero or more", "%s is negative", s)
	}
	if d, err := ParseDuration(s); err == nil {
		return Bound{Unit: BoundSeconds, Value: d.Round(time.Microsecond).Seconds()}, nil
	}
	return Bound{}, Faultf("write one such as 5%, 800ms, 512MiB or 120", "%s is not a limit", Quote(s))
}

// String returns the form that ParseBound reads.
func (b Bound) String() string {
	switch b.Unit {
	case BoundPercent:
		return percentText(b.Value) + "%"
	case BoundSeconds:
		// A float64 tells microseconds apart up to the longest duration.
		return FormatDuration(time.Duration(math.Round(b.Value*1e6)) * time.Microsecond)
	case BoundBytes:
		for _, u := range byteUnits {
			if n := b.Value / u.size; n >= 1 && n == math.Trunc(n) || u.size == 1 {
				return strconv.FormatFloat(n, 'f', -1, 64) + u.name
			}
		}
	case BoundNumber: // It has no unit to write.
	}
	return strconv.FormatFloat(b.Value, 'f', -1, 64)
}
