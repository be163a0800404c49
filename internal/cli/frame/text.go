package frame

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes a whole number with thousands separators: 4,573.
func Count[T int | int64 | float64](n T) string {
	digits := strconv.FormatFloat(math.Round(float64(n)), 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}

// Things writes a number of things: 1 request, 4,573 requests.
func Things[T int | int64 | float64](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + one + "s"
}

// Percent writes a weight: 1%, 0.5%, 33.33%.
func Percent(p float64) string { return trimmed(p, 2) + "%" }

// trimmed writes x with at most so many decimals, and no zeros at its end.
func trimmed(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// rate writes a share of events as a percentage of about three digits: 1.02%,
// 97.1%, 0.012%.
func rate(x float64) string {
	p := 100 * x
	switch {
	case p == 0:
		return "0%"
	case math.Abs(p) < 1:
		return fmt.Sprintf("%.2g%%", p)
	case math.Abs(p) < 10:
		return fmt.Sprintf("%.2f%%", p)
	case math.Abs(p) < 99.95:
		return fmt.Sprintf("%.1f%%", p)
	}
	return trimmed(p, 2) + "%"
}

// latency writes seconds as a person reads them: 84ms, 1.2s, 850us.
func latency(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 0.001:
		return fmt.Sprintf("%.0fus", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3gms", s*1e3)
	}
	return fmt.Sprintf("%.3gs", s)
}

// prefixes are those of the SI, by powers of a thousand from the millionth on.
var prefixes = []string{"u", "m", "", "k", "M", "G", "T", "P", "E"}

// amount writes a level whose unit is not known: 0.35, 812, 1.47G.
func amount(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1000 && size < 10_000:
		return fmt.Sprintf("%.0f", x)
	case !(size > 0), size >= 0.01 && size < 1000, math.IsInf(x, 0):
		return fmt.Sprintf("%.3g", x)
	}
	i := 2
	for ; math.Abs(x) < 1 && i > 0; i-- {
		x *= 1000
	}
	for ; math.Abs(x) >= 999.5 && i < len(prefixes)-1; i++ {
		x /= 1000
	}
	return fmt.Sprintf("%.3g%s", x, prefixes[i])
}

// signed writes a change in percent or percentage points, without its unit.
func signed(x float64) string {
	p := 100 * x
	switch {
	case math.Abs(p) >= 100:
		return fmt.Sprintf("%+.0f", p)
	case math.Abs(p) >= 10:
		return fmt.Sprintf("%+.1f", p)
	}
	return fmt.Sprintf("%+.2f", p)
}

// Span writes a time span to two parts: 3.2s, 15m40s, 2h5m, 3d4h.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + "s"
	case d.Round(time.Second) < time.Minute:
		return fmt.Sprintf("%ds", int(d.Round(time.Second).Seconds()))
	case d.Round(time.Second) < time.Hour:
		return pair(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	case d.Round(time.Minute) < 24*time.Hour:
		return pair(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
	return pair(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	out := strconv.Itoa(int(d/big)) + bigName
	if rest := int(d % big / small); rest > 0 {
		out += strconv.Itoa(rest) + smallName
	}
	return out
}

// seconds turns seconds of the API into a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Clock writes a moment within a day, and with its date when that is another
// day than now's. Times are UTC everywhere, as in the log and in sentences.
func Clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05Z")
	}
	return t.Format("2006-01-02 15:04:05Z")
}

// eValue writes an e-value of which the logarithm is known.
func eValue(log float64) string {
	tenth := log / math.Ln10
	switch {
	case tenth >= 6:
		return fmt.Sprintf("10^%.0f", tenth)
	case tenth <= -3:
		return "<0.001"
	case tenth >= 2:
		return Count(math.Exp(log))
	}
	return fmt.Sprintf("%.3g", math.Exp(log))
}

// Wrap breaks text into lines of at most width characters, each after a prefix: a
// first one, and one for all others.
func Wrap(text string, width int, first, others string) []string {
	lines := wrap(text, width-len([]rune(others)), len([]rune(first))-len([]rune(others)))
	for i := range lines {
		prefix := others
		if i == 0 {
			prefix = first
		}
		lines[i] = prefix + lines[i]
	}
	return lines
}

// wrap breaks text into lines of at most width characters, at spaces; a first
// line may begin further right.
func wrap(text string, width, first int) []string {
	var lines []string
	line, room := "", width-first
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line, room = word, width
		}
	}
	return append(lines, line)
}
