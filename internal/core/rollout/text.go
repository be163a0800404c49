package rollout

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// count writes a number of things with thousands separators.
func count(n float64) string {
	digits := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
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

// share writes k of n as a percentage.
func share(k, n float64) string {
	if n == 0 {
		return "-"
	}
	return plain(k / n)
}

// plain writes a share as a percentage without a sign: 5%, 0.12%, 97.3%.
func plain(x float64) string {
	p := 100 * x
	switch {
	case p == 0:
		return "0%"
	case math.Abs(p) < 1:
		return fmt.Sprintf("%.2g%%", p)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + "%"
}

// trimmed writes a number as short as it can be.
func trimmed(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// eValue writes an e-value given its logarithm. Beyond a million it is all the
// same.
func eValue(logE float64) string {
	if logE > math.Log(1e6) {
		return "over 1,000,000"
	}
	if e := math.Exp(logE); e >= 100 {
		return count(e)
	}
	return fmt.Sprintf("%.2g", math.Exp(logE))
}

// seconds writes a latency.
func seconds(s float64) string {
	switch {
	case s < 0.001:
		return fmt.Sprintf("%.0fµs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3gms", s*1e3)
	}
	return fmt.Sprintf("%.3gs", s)
}

// figure writes a number that has no unit, to three digits: 0.0132, 12.3, 48,112.
func figure(x float64) string {
	if size := math.Abs(x); size >= 1000 && size < 1e15 {
		return count(x)
	}
	return fmt.Sprintf("%.3g", x)
}

// prefixes are those of the SI, by powers of a thousand from the millionth on.
var prefixes = []string{"µ", "m", "", "k", "M", "G", "T", "P", "E"}

// amount writes a level whose unit is not known: 0.35, 812, 1.47G.
func amount(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1000 && size < 10_000:
		return fmt.Sprintf("%.0f", x)
	case !(size > 0), size >= 0.01 && size < 1000, math.IsInf(x, 0):
		return fmt.Sprintf("%.3g", x)
	}
	i, scaled := 2, x
	for ; math.Abs(scaled) < 1 && i > 0; i-- {
		scaled *= 1000
	}
	for ; math.Abs(scaled) >= 999.5 && i < len(prefixes)-1; i++ {
		scaled /= 1000
	}
	return fmt.Sprintf("%.3g%s", scaled, prefixes[i])
}

// brief writes a duration to the second, or to the millisecond below ten
// seconds: 2h, 15m40s, 3.2s.
func brief(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	for _, tail := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, tail) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
