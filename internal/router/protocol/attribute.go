package protocol

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/belay-rollouts/belay/internal/core/table"
)

// Attribute is where a request says something of itself: its unit, or a segment
// that it belongs to.
type Attribute struct {
	source table.UnitSource
	name   string
	steps  []step // of a pointer into the body
}

// NewAttribute returns the attribute that a table names.
func NewAttribute(u table.Unit) Attribute {
	a := Attribute{source: u.Source, name: u.Name}
	switch u.Source {
	case table.UnitHeader:
		a.name = http.CanonicalHeaderKey(u.Name)
	case table.UnitJSON:
		a.steps = stepsOf(strings.TrimPrefix(u.Name, "/"))
	case table.UnitRequest, table.UnitCookie, table.UnitQuery:
	}
	return a
}

// InBody reports whether the body has to be read for it.
func (a *Attribute) InBody() bool { return a.source == table.UnitJSON }

// Of returns what a request says, and whether it says anything. The body may be
// the beginning of a longer one.
func (a *Attribute) Of(header http.Header, rawQuery string, body []byte) (string, bool) {
	switch a.source {
	case table.UnitHeader:
		return first(header[a.name])
	case table.UnitCookie:
		return cookie(header["Cookie"], a.name)
	case table.UnitQuery:
		return query(rawQuery, a.name)
	case table.UnitJSON:
		return find(body, a.steps)
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
