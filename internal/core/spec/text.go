package spec

import (
	"strings"
	"unicode"
)

// parseEndpoint reads a URL with the placeholders {version}, {environment} and
// {model}; the first of them must be there, or both arms would be the same.
func parseEndpoint(s string) (string, error) {
	if !strings.Contains(s, "{version}") {
		return "", faultf("write one such as http://fraud-{version}.{environment}:8080", "%s has no {version}", quote(s))
	}
	if strings.ContainsAny(expand(s, "", "", ""), "{}") {
		return "", faultf("write {version}, {environment} and {model} only", "%s has a placeholder that stands for nothing", quote(s))
	}
	if _, err := parseURL(expand(s, "1", "1", "1")); err != nil {
		return "", faultf("write one such as http://fraud-{version}.{environment}:8080", "%s makes no absolute http or https URL with a host", quote(s))
	}
	return s, nil
}

// expand replaces the placeholders of an endpoint.
func expand(endpoint, model, version, environment string) string {
	return strings.NewReplacer("{model}", model, "{version}", version, "{environment}", environment).Replace(endpoint)
}

func parseHost(s string) (string, error) {
	if !isSubdomain(strings.ToLower(s)) {
		return "", faultf("write one such as models.example.com, without a port", "%s is not a host name", quote(s))
	}
	return strings.ToLower(s), nil
}

func parsePrefix(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || len(s) > 1024 || strings.ContainsAny(s, "?# \t\n") || !isPrintable(s) {
		return "", faultf("write one such as /v1/score", "%s is not the beginning of a path", quote(s))
	}
	return s, nil
}

func parseHeader(s string) (string, error) {
	if !isToken(s) {
		return "", faultf("write letters, digits and dashes", "%s is not the name of a header", quote(s))
	}
	return s, nil
}

// parseSecret reads where a secret is; a file never holds the secret itself.
func parseSecret(s string) (string, error) {
	const hint = "write env:NAME or file:/PATH"
	kind, where, _ := strings.Cut(s, ":")
	switch {
	case !isPrintable(s) || len(s) > 1024:
	case kind == "file" && strings.HasPrefix(where, "/"):
		return s, nil
	case kind == "env" && isVariable(where):
		return s, nil
	}
	return "", faultf(hint, "%s does not say where the secret is", quote(s))
}

// isVariable reports whether s can be the name of an environment variable.
func isVariable(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 128 && (s[0] < '0' || s[0] > '9')
}

func parseMail(s string) (string, error) {
	name, host, _ := strings.Cut(s, "@")
	if name == "" || len(s) > 254 || !isSubdomain(strings.ToLower(host)) || strings.ContainsAny(name, " \t<>\",;:") || !isPrintable(s) {
		return "", faultf("write one such as team@example.com", "%s is not an address", quote(s))
	}
	return s, nil
}

// parseLine reads text that is one line: a file, a query, a word of a command.
func parseLine(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", faultf("write something or leave the field out", "the text is empty")
	case len(s) > 4096:
		return "", faultf("write at most 4096 bytes", "the text is too long")
	case !isPrintable(s):
		return "", faultf("write one line", "the text has line breaks or control characters")
	}
	return s, nil
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
