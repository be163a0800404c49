package value

import (
	"strings"
	"unicode"
)

// ParseHost reads a host name without a port, in lower case.
func ParseHost(s string) (string, error) {
	if !IsSubdomain(strings.ToLower(s)) {
		return "", Faultf("write one such as models.example.com, without a port", "%s is not a host name", Quote(s))
	}
	return strings.ToLower(s), nil
}

// ParsePrefix reads the beginning of a path.
func ParsePrefix(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || len(s) > 1024 || strings.ContainsAny(s, "?# \t\n") || !isPrintable(s) {
		return "", Faultf("write one such as /v1/score", "%s is not the beginning of a path", Quote(s))
	}
	return s, nil
}

// ParseHeader reads the name of a header.
func ParseHeader(s string) (string, error) {
	if !isToken(s) {
		return "", Faultf("write letters, digits and dashes", "%s is not the name of a header", Quote(s))
	}
	return s, nil
}

// ParseSecret reads where a secret is; a file never holds the secret itself.
func ParseSecret(s string) (string, error) {
	const hint = "write env:NAME or file:/PATH"
	kind, where, _ := strings.Cut(s, ":")
	switch {
	case !isPrintable(s) || len(s) > 1024:
	case kind == "file" && strings.HasPrefix(where, "/"):
		return s, nil
	case kind == "env" && isVariable(where):
		return s, nil
	}
	return "", Faultf(hint, "%s does not say where the secret is", Quote(s))
}

// isVariable reports whether s can be the name of an environment variable.
func isVariable(s string) bool {
	for i := range len(s) {
		if !IsAlphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 128 && (s[0] < '0' || s[0] > '9')
}

// ParseMail reads the address of a mailbox.
func ParseMail(s string) (string, error) {
	name, host, _ := strings.Cut(s, "@")
	if name == "" || len(s) > 254 || !IsSubdomain(strings.ToLower(host)) || strings.ContainsAny(name, " \t<>\",;:") || !isPrintable(s) {
		return "", Faultf("write one such as team@example.com", "%s is not an address", Quote(s))
	}
	return s, nil
}

// ParseLine reads text that is one line: a file, a query, a word of a command.
func ParseLine(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", Faultf("write something or leave the field out", "the text is empty")
	case len(s) > 4096:
		return "", Faultf("write at most 4096 bytes", "the text is too long")
	case !isPrintable(s):
		return "", Faultf("write one line", "the text has line breaks or control characters")
	}
	return s, nil
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
