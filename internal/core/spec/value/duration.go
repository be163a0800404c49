package value

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds every duration; longer ones are typing errors.
const maxDuration = 3650 * 24 * time.Hour

// durationUnits are the units of a duration, the largest first.
var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// ParseDuration reads a duration such as 30m, 7d, 800ms or 1h30m: numbers with
// the units d, h, m, s and ms, the largest first. Only 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if f := notDuration(s); f != nil {
		return 0, f
	}
	var total time.Duration
	next, rest := 0, s
	for rest != "" {
		number, unit, after := cutQuantity(rest)
		at := unitIndex(unit)
		if at < next || !IsDecimal(number) {
			return 0, Faultf("write one such as 30m, 2h, 7d, 800ms or 1h30m", "%s is not a duration", Quote(s))
		}
		part, ok := times(number, durationUnits[at].size)
		if !ok || part > maxDuration-total {
			return 0, Faultf("write at most 3650d", "%s is longer than ten years", s)
		}
		total, next, rest = total+part, at+1, after
	}
	return total, nil
}

// notDuration answers the usual mistakes with their own sentences.
func notDuration(s string) *Fault {
	switch {
	case strings.HasPrefix(s, "-"):
		return Faultf("write a duration without a sign", "%s is negative", Quote(s))
	case IsNumber(s):
		return Faultf(fmt.Sprintf("write %ss, %sm or %sh", s, s, s), "the bare number %s is ambiguous", s)
	case s == "":
		return Faultf("write one such as 30m", "a duration is missing")
	}
	return nil
}

// cutQuantity splits "30m15s" into "30", "m" and "15s".
func cutQuantity(s string) (number, unit, rest string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	j := i
	for j < len(s) && s[j] >= 'a' && s[j] <= 'z' {
		j++
	}
	return s[:i], s[i:j], s[j:]
}

func unitIndex(name string) int {
	for i, u := range durationUnits {
		if u.name == name {
			return i
		}
	}
	return -1
}

// times multiplies a decimal with a unit, down to whole nanoseconds. It reports
// false when the product is too large.
func times(number string, unit time.Duration) (time.Duration, bool) {
	whole, frac, _ := strings.Cut(number, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > int64(maxDuration/unit) {
		return 0, false
	}
	total := time.Duration(n) * unit
	for i := range len(frac) {
		// The digits are taken one by one because unit has few decimal places:
		// the rest is exact until it is below a nanosecond.
		digit := time.Duration(frac[i] - '0')
		scale := pow10(i + 1)
		if scale == 0 {
			break
		}
		total += unit / scale * digit
		total += unit % scale * digit / scale
	}
	return total, true
}

// pow10 returns ten to the power of n, and 0 when that is beyond any unit.
func pow10(n int) time.Duration {
	p := time.Duration(1)
	for range n {
		p *= 10
		if p > 1e15 {
			return 0
		}
	}
	return p
}

// FormatDuration writes a duration in the form that ParseDuration reads.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	if day := 24 * time.Hour; d >= 7*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	var b strings.Builder
	for _, u := range durationUnits[1:4] {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	if d > 0 {
		b.WriteString(strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms")
	}
	return b.String()
}
