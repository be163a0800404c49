package planner

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/gate"
)

// change is a level of the candidate as a change of the metric.
func (m *measure) change(level float64) Change {
	g := m.gate
	switch {
	case g.Kind == gate.Quantile:
		return m.latencyChange(level)
	case g.Kind == gate.Drift:
		return Change{Relative: level, Text: trimmed(level, 3)}
	case g.Complement:
		success, before := 1-level, 1-m.base
		c := Change{Relative: success/before - 1, Level: success}
		if c.Text = timesText(c.Relative); g.Slope == 1 {
			c.Text = pointsText(success - before)
		}
		return c
	}
	c := Change{Relative: level/m.base - 1, Level: level}
	if g.Kind == gate.Gauge {
		c.Level = level * m.level.Value
	}
	if c.Text = timesText(c.Relative); g.Method == gate.Difference || g.Method == gate.Ignore && 2*m.base < g.Level {
		c.Text = pointsText(level - m.base)
	}
	return c
}

// latencyChange is by how much latencies are longer for a share of exceedances.
func (m *measure) latencyChange(level float64) Change {
	log := -m.shape.quantile(1 - level)
	if m.ceilingOnly() {
		log += math.Log(m.gate.Ceilings[0].Over.Seconds())
	} else {
		log += m.shape.quantile(m.gate.Quantile) + m.logMargin()
	}
	c := Change{Relative: math.Expm1(log)}
	if c.Text = timesText(c.Relative); m.shape.Absolute {
		c.Level = math.Exp(m.shape.quantile(m.gate.Quantile) + log)
	}
	return c
}

// timesText writes a relative change: +64%, x2.6, -12%.
func timesText(relative float64) string {
	if relative < 0.995 {
		return signed(100*relative) + "%"
	}
	return "x" + trimmed(1+relative, 2)
}

// pointsText writes a difference of rates: +0.74pp.
func pointsText(x float64) string { return signed(100*x) + "pp" }

// signed writes a number with its sign and two digits, which is what can be known
// beforehand.
func signed(x float64) string {
	sign := "+"
	if x < 0 {
		sign = "-"
	}
	return sign + trimmed(math.Abs(x), 2)
}

// trimmed writes x with so many significant digits, and no more than the digits
// before its point where these are more.
func trimmed(x float64, digits int) string {
	if x >= math.Pow10(digits) {
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', digits, 64)
}

// Size writes a number as a person reads it: 720, 7.2k, 1.2M.
func Size(n float64) string {
	n = math.Abs(n)
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		// What rounds to a thousand of one unit is one of the next.
		if n >= 0.9995*u.size {
			return trimmed(n/u.size, 3) + u.name
		}
	}
	if n < 10 && n != math.Round(n) {
		return strconv.FormatFloat(n, 'g', 2, 64)
	}
	return strconv.FormatFloat(math.Round(n), 'f', 0, 64)
}

// Span writes seconds as a person reads them: 45s, 12m, 3h 20m, 4d 6h. It is
// meant for what is expected, so it has no more than two parts.
func Span(seconds float64) string {
	switch {
	case math.IsInf(seconds, 0) || math.IsNaN(seconds):
		return "never"
	case seconds < 1:
		return "1s"
	case seconds < 99.5:
		return fmt.Sprintf("%.0fs", seconds)
	case seconds < 59.5*60:
		return fmt.Sprintf("%.0fm", seconds/60)
	case seconds < 47.5*3600:
		// To the nearest five minutes beyond a few hours.
		step := 1.0
		if seconds > 5*3600 {
			step = 5
		}
		return parts(math.Round(seconds/60/step)*step, 60, "h", "m")
	case seconds < 14*24*3600:
		return parts(math.Round(seconds/3600), 24, "d", "h")
	}
	return fmt.Sprintf("%.0fd", seconds/86400)
}

// parts writes a number of small units as big ones and the rest.
func parts(n, big float64, bigName, smallName string) string {
	out := fmt.Sprintf("%.0f%s", math.Floor(n/big), bigName)
	if rest := math.Mod(n, big); rest > 0 {
		out += fmt.Sprintf(" %.0f%s", rest, smallName)
	}
	return out
}

// shareText writes a probability: 97%, >99%, <1%.
func shareText(p float64) string {
	switch {
	case p > 0.995:
		return ">99%"
	case p < 0.005:
		return "<1%"
	}
	return fmt.Sprintf("%.0f%%", 100*p)
}

// list writes "a", "a and b", "a, b and c".
func list(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
