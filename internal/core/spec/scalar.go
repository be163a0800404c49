package spec

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar is how one kind of single value is read, written and described.
type scalar[V any] struct {
	// name is what a value of it is called: "a duration".
	name  string
	parse func(text string) (V, error)
	text  func(V) string
	// bare values (numbers, true and false) are written without quotes.
	bare bool
	// loose values may be numbers or text.
	loose bool
	json  jsonObject
}

// read reads one value from a node, or reports why it cannot.
func read[V any](d *decoder, s scalar[V], n *node, path string) (V, bool) {
	var zero V
	switch {
	case n.kind == nullNode:
		d.report(n.at, path, "it has no value", "write "+s.name)
		return zero, false
	case n.kind != scalarNode:
		d.report(n.at, path, fmt.Sprintf("%s is written where %s belongs", n.kind, s.name), "write "+s.name)
		return zero, false
	case s.bare && n.quoted:
		d.report(n.at, path, fmt.Sprintf("%s is text, not %s", quote(n.text), s.name), "leave out the quotes")
		return zero, false
	case !s.bare && n.isBool():
		d.report(n.at, path, n.text+" is not "+s.name, "write it between quotes if it is meant as text")
		return zero, false
	}
	v, err := s.parse(n.text)
	if err == nil {
		return v, true
	}
	f, ok := err.(*fault) //nolint:errorlint // Parsers of scalars return faults, unwrapped.
	if !ok {
		f = &fault{message: err.Error()}
	}
	d.report(n.at, path, f.message, f.hint)
	return zero, false
}

// must reads a value of the table itself.
func (s scalar[V]) must(text string) V {
	v, err := s.parse(text)
	if err != nil {
		panic(fmt.Sprintf("spec: the table says %q: %v", text, err))
	}
	return v
}

func (s scalar[V]) out(v V) *out {
	text := s.text(v)
	return &out{kind: scalarNode, text: text, bare: s.bare || s.loose && isDecimal(text)}
}

func (s scalar[V]) schema() jsonObject { return maps.Clone(s.json) }

// between bounds a scalar, both ends included.
func between[V cmp.Ordered](s scalar[V], low, high string) scalar[V] {
	lo, hi := s.must(low), s.must(high)
	return bounded(s, fmt.Sprintf("%s to %s", low, high), func(v V) bool { return v >= lo && v <= hi })
}

// inside bounds a scalar, both ends left out.
func inside[V cmp.Ordered](s scalar[V], low, high string) scalar[V] {
	lo, hi := s.must(low), s.must(high)
	return bounded(s, fmt.Sprintf("more than %s and less than %s", low, high), func(v V) bool { return v > lo && v < hi })
}

func bounded[V any](s scalar[V], allowed string, ok func(V) bool) scalar[V] {
	parse := s.parse
	s.parse = func(text string) (V, error) {
		v, err := parse(text)
		if err == nil && !ok(v) {
			return v, faultf("write "+allowed, "%s is out of range", text)
		}
		return v, err
	}
	s.json = maps.Clone(s.json)
	s.json["description"] = allowed
	return s
}

// The scalars of the table.
var (
	weightType = scalar[Weight]{name: "a percentage such as 10%", parse: ParseWeight, text: Weight.String,
		json: pattern(`^[0-9]+(\.[0-9]{1,2}0*)? ?%$`)}
	percentType = scalar[Fraction]{name: "a percentage such as 5%", parse: ParseFraction, text: Fraction.String,
		json: pattern(`^[0-9]+(\.[0-9]+)? ?%$`)}
	marginType = scalar[Margin]{name: "a margin such as 20% or 0.5pp", parse: ParseMargin, text: Margin.String,
		json: pattern(`^[0-9]+(\.[0-9]+)? ?(%|pp)$`)}
	boundType = scalar[Bound]{name: "a limit such as 5%, 800ms or 120", parse: ParseBound, text: Bound.String, loose: true,
		json: jsonObject{"type": []string{"string", "number"}, "pattern": `^[0-9]+(\.[0-9]+)?( ?%|d|h|m|s|ms|B|KiB|MiB|GiB|TiB)?([0-9].*)?$`}}
	rateType = scalar[Rate]{name: "a rate such as 200/s", parse: ParseRate, text: Rate.String,
		json: pattern(`^[0-9]+(\.[0-9]+)?/[smh]$`)}
	durationType = scalar[time.Duration]{name: "a duration such as 30m", parse: ParseDuration, text: FormatDuration,
		json: pattern(`^(0|([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?)$`)}
	unitType = scalar[Unit]{name: "request, header:NAME, cookie:NAME, query:NAME or json:/POINTER", parse: ParseUnit, text: Unit.String,
		json: pattern(`^(request|(header|cookie|query):.+|json:/.*)$`)}
	boolType   = scalar[bool]{name: "true or false", parse: parseBool, text: strconv.FormatBool, bare: true, json: jsonObject{"type": "boolean"}}
	countType  = scalar[int64]{name: "a whole number", parse: parseCount, text: func(n int64) string { return strconv.FormatInt(n, 10) }, bare: true, json: jsonObject{"type": "integer"}}
	numberType = scalar[float64]{name: "a number", parse: parseNumber, text: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }, bare: true, json: jsonObject{"type": "number"}}

	labelType     = text("a name", `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`, parseLabel)
	subdomainType = text("a name", `^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`, parseSubdomain)
	versionType   = scalar[string]{name: "a version", parse: parseVersion, text: same,
		json: jsonObject{"type": []string{"string", "number"}, "pattern": `^[A-Za-z0-9][A-Za-z0-9._+:@-]{0,62}$`}}
	urlType      = text("a URL such as http://localhost:9007", `^https?://`, parseURL)
	endpointType = text("a URL with {version} and {environment}", `^https?://`, parseEndpoint)
	hostType     = text("a host name", `^[A-Za-z0-9.-]+$`, parseHost)
	prefixType   = text("a path that starts with /", `^/`, parsePrefix)
	headerType   = text("the name of a header", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", parseHeader)
	secretType   = text("where the secret is, env:NAME or file:/PATH", `^(env:[A-Za-z_]|file:/)`, parseSecret)
	mailType     = text("an address such as team@example.com", `@`, parseMail)
	metricType   = text("the name of a metric", `^[A-Za-z0-9_.:-]+$`, parseMetricName)
	lineType     = text("text", "", parseLine)
)

func same(s string) string { return s }

// pattern describes text by a regular expression of JSON Schema.
func pattern(re string) jsonObject {
	if re == "" {
		return jsonObject{"type": "string"}
	}
	return jsonObject{"type": "string", "pattern": re}
}

func text(name, re string, parse func(string) (string, error)) scalar[string] {
	return scalar[string]{name: name, parse: parse, text: same, json: pattern(re)}
}

// oneOf is a choice of words.
func oneOf[V ~string](values ...V) scalar[V] {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return scalar[V]{
		name: orList(words),
		parse: func(s string) (V, error) {
			if slices.Contains(words, s) {
				return V(s), nil
			}
			if near := nearest(s, words); near != "" {
				return "", faultf("did you mean "+strconv.Quote(near)+"?", "%s is not one of %s", quote(s), strings.Join(words, ", "))
			}
			return "", faultf("write "+orList(words), "%s is unknown here", quote(s))
		},
		text: func(v V) string { return string(v) },
		json: jsonObject{"type": "string", "enum": words},
	}
}

// orList writes "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return false, faultf("write true", "%s is neither true nor false", quote(s))
	case "false", "no", "off", "n":
		return false, faultf("write false", "%s is neither true nor false", quote(s))
	}
	return false, faultf("write true or false", "%s is neither true nor false", quote(s))
}

func parseCount(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || !isDigits(s) || len(s) > maxIntegerDigits {
		return 0, faultf("write digits only, such as 500", "%s is not a whole number", quote(s))
	}
	return n, nil
}

func parseNumber(s string) (float64, error) {
	if !isDecimal(s) {
		return 0, faultf("write one such as 4 or 0.5", "%s is not a number", quote(s))
	}
	return shifted(s, 0), nil
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

func isSubdomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return len(s) <= 253
}

func parseLabel(s string) (string, error) {
	if !isLabel(s) {
		return "", faultf("write at most 63 lower-case letters, digits and dashes, a letter or digit first and last", "%s is not a name", quote(s))
	}
	return s, nil
}

func parseSubdomain(s string) (string, error) {
	if !isSubdomain(s) {
		return "", faultf("write at most 253 lower-case letters, digits, dashes and dots, a letter or digit first and last", "%s is not a name", quote(s))
	}
	return s, nil
}

func parseVersion(s string) (string, error) {
	ok := s != "" && len(s) <= 63 && isAlphanumeric(s[0])
	for i := range len(s) {
		ok = ok && (isAlphanumeric(s[i]) || strings.IndexByte("._+:@-", s[i]) >= 0)
	}
	if !ok {
		return "", faultf("write at most 63 letters, digits and ._+:@-, a letter or digit first", "%s is not a version", quote(s))
	}
	return s, nil
}

func parseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case len(s) > 2048:
		return "", faultf("write at most 2048 characters", "the URL is too long")
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
		return s, urlFault(s, u)
	case !strings.Contains(s, "://") && s != "" && !strings.ContainsAny(s, " /"):
		return "", faultf("did you mean "+quote("http://"+s)+"?", "%s is not an absolute URL", quote(s))
	}
	return "", faultf("write one such as http://localhost:9007", "%s is not an absolute http or https URL with a host", quote(s))
}

// urlFault refuses the parts of a URL that an endpoint must not have.
func urlFault(s string, u *url.URL) error {
	_, port, _ := strings.Cut(u.Host[strings.LastIndexByte(u.Host, ']')+1:], ":")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port != "" && (err != nil || n == 0):
		return faultf("write a port from 1 to 65535", "the port of %s does not exist", quote(s))
	case u.User != nil:
		return faultf("leave the name and the password out", "the URL carries a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return faultf("leave out everything from ? or # on", "%s has a query or a fragment", quote(s))
	}
	return nil
}
