package scenario

import (
	"strconv"
	"time"

	"github.com/belay-rollouts/belay/internal/core/spec/field"
	"github.com/belay-rollouts/belay/internal/core/spec/value"
)

// The single values of a scenario.
var (
	nameType = field.Text("a name", `^[A-Za-z0-9][A-Za-z0-9.+%_-]{0,62}$`, parseName)
	lineType = field.Text("text", "", value.ParseLine)
	wordType = field.Text("a word", `^[A-Za-z0-9_-]{1,64}$`, parseWord)

	metricType = field.Text("the name of an outcome or an output", "", parseMetric)

	shareType = field.Scalar[float64]{
		Name: "a percentage such as 5%", Parse: parseShare, Text: func(v float64) string { return value.Fraction(v).String() },
		JSON: field.Pattern(`^[0-9]+(\.[0-9]+)? ?%$`),
	}
	numberType = field.Scalar[float64]{
		Name: "a number", Parse: value.ParseNumber, Text: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) },
		Bare: true, JSON: map[string]any{"type": "number"},
	}
	anyNumberType = field.Scalar[float64]{
		Name: "a number", Parse: parseSigned, Text: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) },
		Bare: true, JSON: map[string]any{"type": "number"},
	}
	countType = field.Scalar[int]{
		Name: "a whole number", Parse: parseCount, Text: strconv.Itoa, Bare: true, JSON: map[string]any{"type": "integer"},
	}
	rateType = field.Scalar[float64]{
		Name: "a rate such as 100/s", Parse: parseRate, Text: func(v float64) string { return value.Rate(v).String() },
		JSON: field.Pattern(`^[0-9]+(\.[0-9]+)?/[smh]$`),
	}
	durationType = field.Scalar[time.Duration]{
		Name: "a duration such as 30m", Parse: value.ParseDuration, Text: value.FormatDuration,
		JSON: field.Pattern(`^(0|([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?([0-9.]+ms)?)$`),
	}
	changeType = field.Scalar[Change]{
		Name: "a change such as x2, -10% or +1pp", Parse: ParseChange, Text: Change.String,
		JSON: field.Pattern(`^(x[0-9]+(\.[0-9]+)?|[+-][0-9]+(\.[0-9]+)?(%|pp))$`),
	}
)

func parseName(s string) (string, error) {
	ok := s != "" && len(s) <= 63 && value.IsAlphanumeric(s[0])
	for i := range len(s) {
		c := s[i]
		ok = ok && (value.IsAlphanumeric(c) || c == '.' || c == '+' || c == '%' || c == '_' || c == '-')
	}
	if !ok {
		return "", value.Faultf("write at most 63 letters, digits and .+%_-, a letter or digit first", "%s is not the name of a scenario", value.Quote(s))
	}
	return s, nil
}

func parseWord(s string) (string, error) {
	if !value.IsWord(s) {
		return "", value.Faultf("write letters, digits, dashes and underscores", "%s is not a name", value.Quote(s))
	}
	return s, nil
}

func parseMetric(s string) (string, error) {
	if s == "" || len(s) > 256 {
		return "", value.Faultf("write one such as conversion, or /score", "%s is not a name", value.Quote(s))
	}
	return value.ParseLine(s)
}

func parseShare(s string) (float64, error) {
	v, err := value.ParseFraction(s)
	return float64(v), err
}

// ParseRate reads a rate of requests such as 100/s, within the bounds of a
// scenario.
func ParseRate(s string) (float64, error) { return requestRate.Parse(s) }

func parseRate(s string) (float64, error) {
	v, err := value.ParseRate(s)
	return float64(v), err
}

func parseCount(s string) (int, error) {
	v, err := value.ParseCount(s)
	return int(v), err
}

func parseSigned(s string) (float64, error) {
	if s != "" && s[0] == '-' {
		v, err := value.ParseNumber(s[1:])
		return -v, err
	}
	return value.ParseNumber(s)
}

// The bounds of the numbers. They are far beyond any service, and keep a typing
// error from a simulation without end.
var (
	share       = field.Between(shareType, "0%", "100%")
	amplitude   = field.Between(shareType, "0%", "99%")
	requestRate = field.Between(rateType, "0.0001/s", "1000000/s")
	sigma       = field.Between(numberType, "0", "5")
	factor      = field.Between(numberType, "0", "10000")
	wait        = field.Between(durationType, "0s", "90d")
	soon        = field.Between(durationType, "1s", "90d")
	latency     = field.Between(durationType, "0.001ms", "1h")
)
