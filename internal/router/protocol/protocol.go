// Package protocol knows the bodies and paths of what the router carries: the
// Open Inference Protocol (v2) over REST, and plain HTTP.
//
// It finds a request's unit, tells inference from the rest, names what a probe
// must ask, and checks answers as they stream by. It sends nothing, keeps no
// body, and never changes one. What it cannot judge it takes for good: a
// version is never blamed for what its protocol does not forbid.
package protocol

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/table"
)

// Unit returns a request's unit, and whether it has one.
func Unit(u table.Unit, header http.Header, rawQuery string) (string, bool) {
	switch u.Source {
	case table.UnitHeader:
		return first(header[u.Name])
	case table.UnitCookie:
		return cookie(header["Cookie"], u.Name)
	case table.UnitQuery:
		return query(rawQuery, u.Name)
	case table.UnitRequest:
	}
	return "", false
}

func first(values []string) (string, bool) {
	if len(values) == 0 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// cookie finds a cookie without building the list of all.
func cookie(lines []string, name string) (string, bool) {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
			if v = strings.Trim(v, `"`); ok && k == name && v != "" {
				return v, true
			}
		}
	}
	return "", false
}

// query finds a parameter without building the map of all.
func query(raw, name string) (string, bool) {
	for part := range strings.SplitSeq(raw, "&") {
		k, v, _ := strings.Cut(part, "=")
		if v == "" || !sameKey(k, name) {
			continue
		}
		if plain, err := url.QueryUnescape(v); err == nil {
			return plain, true
		}
	}
	return "", false
}

func sameKey(k, name string) bool {
	if k == name {
		return true
	}
	if !strings.ContainsAny(k, "%+") {
		return false
	}
	plain, err := url.QueryUnescape(k)
	return err == nil && plain == name
}

// Infers reports whether a request asks a v2 server for an inference.
func Infers(p table.Protocol, method, path string) bool {
	return p == table.V2 && method == http.MethodPost && strings.HasSuffix(path, "/infer") && strings.HasPrefix(path, "/v2/models/")
}

// Probe is what a health check asks of an endpoint.
type Probe struct {
	Paths []string // all must answer
	// AnyAnswer takes every answer for ready; otherwise it must be 200. The
	// status alone decides: servers differ in the body.
	AnyAnswer bool
}

// ProbeFor returns the probe of a model's servers.
func ProbeFor(p table.Protocol, model string) Probe {
	if p == table.V2 {
		return Probe{Paths: []string{"/v2/health/ready", "/v2/models/" + url.PathEscape(model) + "/ready"}}
	}
	return Probe{Paths: []string{"/"}, AnyAnswer: true}
}
