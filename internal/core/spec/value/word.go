package value

import (
	"strconv"
	"strings"
)

// ParseBool reads true or false, and nothing that other formats take for them.
func ParseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return false, Faultf("write true", "%s is neither true nor false", Quote(s))
	case "false", "no", "off", "n":
		return false, Faultf("write false", "%s is neither true nor false", Quote(s))
	}
	return false, Faultf("write true or false", "%s is neither true nor false", Quote(s))
}

// ParseCount reads a whole number without a sign.
func ParseCount(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || !isDigits(s) || len(s) > maxIntegerDigits {
		return 0, Faultf("write digits only, such as 500", "%s is not a whole number", Quote(s))
	}
	return n, nil
}

// ParseNumber reads a decimal number without a sign or an exponent.
func ParseNumber(s string) (float64, error) {
	if !IsDecimal(s) {
		return 0, Faultf("write one such as 4 or 0.5", "%s is not a number", Quote(s))
	}
	return Shifted(s, 0), nil
}

// isLabel reports whether s is a DNS label (RFC 1123).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// IsSubdomain reports whether s is labels with dots between (RFC 1123).
func IsSubdomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return len(s) <= 253
}

// ParseLabel reads the name of a model, a policy or an environment: a DNS label.
func ParseLabel(s string) (string, error) {
	if !isLabel(s) {
		return "", Faultf("write at most 63 lower-case letters, digits and dashes, a letter or digit first and last", "%s is not a name", Quote(s))
	}
	return s, nil
}

// ParseSubdomain reads the name of a rollout: DNS labels with dots between.
func ParseSubdomain(s string) (string, error) {
	if !IsSubdomain(s) {
		return "", Faultf("write at most 253 lower-case letters, digits, dashes and dots, a letter or digit first and last", "%s is not a name", Quote(s))
	}
	return s, nil
}

// ParseVersion reads the name of a build.
func ParseVersion(s string) (string, error) {
	ok := s != "" && len(s) <= 63 && IsAlphanumeric(s[0])
	for i := range len(s) {
		ok = ok && (IsAlphanumeric(s[i]) || strings.IndexByte("._+:@-", s[i]) >= 0)
	}
	if !ok {
		return "", Faultf("write at most 63 letters, digits and ._+:@-, a letter or digit first", "%s is not a version", Quote(s))
	}
	return s, nil
}

// IsWord reports whether s is letters, digits, dashes and underscores, at most 64.
func IsWord(s string) bool {
	for i := range len(s) {
		if !IsAlphanumeric(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// ParseMetric reads the characters of a name; whether there is such a
// metric depends on the gate's source.
func ParseMetric(s string) (string, error) {
	if strings.HasPrefix(s, OutputPrefix) {
		return s, nil // Its name is the model's, not ours: see OutputFault.
	}
	ok := s != "" && len(s) <= 128 && IsAlphanumeric(s[0])
	for i := range len(s) {
		ok = ok && (IsAlphanumeric(s[i]) || strings.IndexByte("_.:-", s[i]) >= 0)
	}
	if !ok {
		return "", Faultf("write one such as error_rate, latency_p99 or outcome:NAME", "%s is not the name of a metric", Quote(s))
	}
	return s, nil
}
