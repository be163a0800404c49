package value

import (
	"net/url"
	"strconv"
	"strings"
)

// ParseURL reads an absolute http or https URL of a server: with a host, without
// a password, a query or a fragment.
func ParseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL:
		return "", Faultf("write at most 2048 characters", "the URL is too long")
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
		return s, urlFault(s, u)
	case !strings.Contains(s, "://") && s != "" && !strings.ContainsAny(s, " /"):
		return "", Faultf("did you mean "+Quote("http://"+s)+"?", "%s is not an absolute URL", Quote(s))
	}
	return "", Faultf("write one such as http://localhost:9007", "%s is not an absolute http or https URL with a host", Quote(s))
}

// ParsePage reads the absolute http or https URL of a page: unlike that of a
// server it may have a query.
func ParsePage(s string) (string, error) {
	page, _, _ := strings.Cut(s, "?")
	if _, err := ParseURL(page); err != nil {
		return "", err
	}
	if len(s) > maxURL || strings.Contains(s, "#") {
		return ParseURL(s)
	}
	return s, nil
}

// maxURL bounds a URL, in bytes.
const maxURL = 2048

// urlFault refuses the parts of a URL that an endpoint must not have.
func urlFault(s string, u *url.URL) error {
	_, port, _ := strings.Cut(u.Host[strings.LastIndexByte(u.Host, ']')+1:], ":")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port != "" && (err != nil || n == 0):
		return Faultf("write a port from 1 to 65535", "the port of %s does not exist", Quote(s))
	case u.User != nil:
		return Faultf("leave the name and the password out", "the URL carries a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return Faultf("leave out everything from ? or # on", "%s has a query or a fragment", Quote(s))
	}
	return nil
}

// ParseEndpoint reads a URL with the placeholders {version}, {environment} and
// {model}; the first of them must be there, or both arms would be the same.
func ParseEndpoint(s string) (string, error) {
	if !strings.Contains(s, "{version}") {
		return "", Faultf("write one such as http://fraud-{version}.{environment}:8080", "%s has no {version}", Quote(s))
	}
	if strings.ContainsAny(Expand(s, "", "", ""), "{}") {
		return "", Faultf("write {version}, {environment} and {model} only", "%s has a placeholder that stands for nothing", Quote(s))
	}
	if _, err := ParseURL(Expand(s, "1", "1", "1")); err != nil {
		return "", Faultf("write one such as http://fraud-{version}.{environment}:8080", "%s makes no absolute http or https URL with a host", Quote(s))
	}
	return s, nil
}

// Expand replaces the placeholders of an endpoint.
func Expand(endpoint, model, version, environment string) string {
	return strings.NewReplacer("{model}", model, "{version}", version, "{environment}", environment).Replace(endpoint)
}
