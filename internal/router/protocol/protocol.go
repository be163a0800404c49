// Package protocol knows the bodies and paths of what the router carries: the
// Open Inference Protocol (v2) over REST, and plain HTTP.
//
// It finds the attributes of a request, such as its unit, tells inference from the rest, names what a probe
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
