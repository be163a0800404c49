// Package table is the routing table: the immutable value that the data plane
// serves from.
//
// A table says, for every model, which requests are its own, how a unit is
// found in them, which version is the baseline and, while a rollout runs, what
// share goes to the candidate. The control loop builds a new table for every
// change and swaps it in whole; nobody ever changes one in place. A router
// that loses the control loop keeps serving its last table.
package table

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/belay-rollouts/belay/internal/core/evidence"
	"github.com/belay-rollouts/belay/internal/core/split"
)

// Protocol is what a model's servers speak.
type Protocol string

// The protocols that the router understands.
const (
	V2   Protocol = "v2"   // Open Inference Protocol, REST
	HTTP Protocol = "http" // anything over HTTP
)

// Table is one whole routing state. Routes are tried in order; Build puts the
// most specific first.
type Table struct {
	Generation uint64 // grows with every table that is built
	Routes     []*Route
}

// Route is one model.
type Route struct {
	Model    string
	Protocol Protocol
	Match    Match
	Unit     Unit
	Baseline Version
	Split    *Split // nil while no rollout runs
}

// Match says which requests belong to a model. Empty parts match anything.
type Match struct {
	Host        string `json:"host,omitempty"`        // without port, lower case
	PathPrefix  string `json:"pathPrefix,omitempty"`  // whole path segments: /v2/models/a does not match /v2/models/ab
	Header      string `json:"header,omitempty"`      // canonical name of a header
	HeaderValue string `json:"headerValue,omitempty"` // empty accepts any value
}

// UnitSource says where a request's unit is found.
type UnitSource string

// Where units are found.
const (
	UnitRequest UnitSource = "request" // every request is a unit of its own
	UnitHeader  UnitSource = "header"
	UnitCookie  UnitSource = "cookie"
	UnitQuery   UnitSource = "query"
	UnitJSON    UnitSource = "json" // a JSON Pointer (RFC 6901) into the request's body
)

// Unit is what is assigned to an arm.
type Unit struct {
	Source UnitSource `json:"source"`
	Name   string     `json:"name,omitempty"`
}

// Clustered reports whether a unit may send more than one request.
func (u Unit) Clustered() bool { return u.Source != UnitRequest }

// Version is one build of a model and where it is served.
type Version struct {
	Name string
	URL  *url.URL
}

// NoStratum is the stratum of a split that is in no comparison: a candidate that
// is only probed and kept warm, before its first traffic or after its last.
const NoStratum = 0xFF

// Split is a running rollout, as the data plane needs to know it.
type Split struct {
	Rollout   uint64 // the rollout's number
	Name      string // the rollout's name
	Salt      split.Salt
	Stratum   uint8  // of exposure, while this table is served; NoStratum records nothing
	Weight    uint32 // the candidate's, out of split.Whole
	Candidate Version
	Layout    *evidence.Layout
	// Edges are the stratum's frozen sketch edges; nil until frozen.
	Edges []int32
	// Scales are those of the layout's values, as far as they are known. One that
	// is known never changes.
	Scales []evidence.Scale
	// Segments are the attributes by which requests are counted apart as well.
	Segments []Unit
	// Shield answers a failed candidate request from the baseline.
	Shield bool
	// AllowPin lets callers choose their arm with Belay-Pin.
	AllowPin bool
	// LatencyFrom is the end of the stratum's warm-up: requests that start
	// before it leave latency out, in both arms.
	LatencyFrom time.Time
}

// Build returns a table of the routes, most specific first: a header before
// none and its value before any, a host before none, a longer path before a
// shorter one, then by model name, so that the order does not depend on the
// input's.
func Build(generation uint64, routes []*Route) *Table {
	sorted := slices.Clone(routes)
	slices.SortStableFunc(sorted, compare)
	return &Table{Generation: generation, Routes: sorted}
}

func compare(a, b *Route) int {
	for _, by := range []int{
		boolCompare(b.Match.Header != "", a.Match.Header != ""),
		boolCompare(b.Match.HeaderValue != "", a.Match.HeaderValue != ""),
		boolCompare(b.Match.Host != "", a.Match.Host != ""),
		len(b.Match.plain().PathPrefix) - len(a.Match.plain().PathPrefix),
		strings.Compare(a.Model, b.Model),
	} {
		if by != 0 {
			return by
		}
	}
	return 0
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Match returns the route of a request, or nil.
func (t *Table) Match(host, path string, header http.Header) *Route {
	for _, r := range t.Routes {
		if r.Match.matches(host, path, header) {
			return r
		}
	}
	return nil
}

func (m *Match) matches(host, path string, header http.Header) bool {
	if m.Host != "" && !strings.EqualFold(m.Host, hostname(host)) {
		return false
	}
	if !underPrefix(path, m.PathPrefix) {
		return false
	}
	return m.Header == "" || headerHas(header[m.Header], m.HeaderValue)
}

func headerHas(values []string, want string) bool {
	if want == "" {
		return len(values) > 0
	}
	return slices.Contains(values, want)
}

// underPrefix reports whether path lies at or below prefix, by whole segments.
func underPrefix(path, prefix string) bool {
	if prefix == "" || prefix == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(prefix, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// hostname cuts the port off a Host header.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// Conflict returns two routes that match exactly the same requests, if any.
func Conflict(routes []*Route) (a, b *Route, found bool) {
	seen := make(map[Match]*Route, len(routes))
	for _, r := range routes {
		if other, ok := seen[r.Match.plain()]; ok {
			return other, r, true
		}
		seen[r.Match.plain()] = r
	}
	return nil, nil, false
}

// plain spells the match in the one way that all its equals have in common.
func (m Match) plain() Match {
	m.Host = strings.ToLower(m.Host)
	m.PathPrefix = strings.TrimSuffix(m.PathPrefix, "/")
	return m
}
