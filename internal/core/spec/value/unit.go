package value

import (
	"strings"
)

// UnitKind is where the key of a unit is read.
type UnitKind string

const (
	// UnitRequest makes each request a unit of its own.
	UnitRequest UnitKind = "request"
	// UnitHeader reads a header of the request.
	UnitHeader UnitKind = "header"
	// UnitCookie reads a cookie.
	UnitCookie UnitKind = "cookie"
	// UnitQuery reads a parameter of the URL's query.
	UnitQuery UnitKind = "query"
	// UnitJSON reads the request's JSON body at a JSON Pointer.
	UnitJSON UnitKind = "json"
)

// Unit is where the key of a unit (or the value of a segment) is read: the
// request itself, or the Key of a header, a cookie, the query or a JSON body.
type Unit struct {
	Kind UnitKind
	// Key is a name, or for UnitJSON a JSON Pointer; empty for UnitRequest.
	Key string
}

const unitForms = "write request, header:NAME, cookie:NAME, query:NAME or json:/POINTER"

// ParseUnit reads request, header:X-User-Id, cookie:session, query:user or
// json:/inputs/0/name.
func ParseUnit(s string) (Unit, error) {
	if s == string(UnitRequest) {
		return Unit{Kind: UnitRequest}, nil
	}
	kind, key, colon := strings.Cut(s, ":")
	if !colon {
		return Unit{}, Faultf(unitForms, "%s is not a source of units", Quote(s))
	}
	u := Unit{Kind: UnitKind(kind), Key: key}
	switch u.Kind {
	case UnitHeader, UnitCookie:
		if !isToken(key) {
			return Unit{}, Faultf("write letters, digits and dashes after "+kind+":", "%s is not the name of a %s", Quote(key), kind)
		}
		return u, nil
	case UnitQuery:
		if key == "" || len(key) > maxKey || strings.ContainsAny(key, "&=#? \t") {
			return Unit{}, Faultf("write the name of a parameter after query:", "%s is not the name of a query parameter", Quote(key))
		}
		return u, nil
	case UnitJSON:
		if f := pointerFault(key); f != nil {
			return Unit{}, f
		}
		return u, nil
	case UnitRequest: // It has no key.
	}
	if near := Nearest(kind, []string{"header", "cookie", "query", "json"}); near != "" {
		return Unit{}, Faultf("did you mean "+Quote(near+":"+key)+"?", "%s is not a source of units", Quote(s))
	}
	return Unit{}, Faultf(unitForms, "%s is not a source of units", Quote(s))
}

// String returns the form that ParseUnit reads.
func (u Unit) String() string {
	if u.Kind == UnitRequest {
		return string(UnitRequest)
	}
	return string(u.Kind) + ":" + u.Key
}

// maxKey bounds the name of a header, a cookie or a parameter.
const maxKey = 128

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !IsAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

// IsAlphanumeric reports whether c is a letter or a digit of ASCII.
func IsAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// pointerFault says why p is not a JSON Pointer (RFC 6901), or nil.
func pointerFault(p string) *Fault {
	const hint = "write a JSON Pointer such as json:/inputs/0/name"
	if !strings.HasPrefix(p, "/") || len(p) > maxKey {
		return Faultf(hint, "%s is not a JSON Pointer", Quote(p))
	}
	plain := strings.NewReplacer("~0", "", "~1", "").Replace(p)
	if strings.Contains(plain, "~") {
		return Faultf("write ~0 for ~ and ~1 for /", "%s has a ~ that stands for nothing", Quote(p))
	}
	return nil
}
