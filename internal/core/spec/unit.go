package spec

import (
	"strings"
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
		return Unit{}, faultf(unitForms, "%s is not a source of units", quote(s))
	}
	u := Unit{Kind: UnitKind(kind), Key: key}
	switch u.Kind {
	case UnitHeader, UnitCookie:
		if !isToken(key) {
			return Unit{}, faultf("write letters, digits and dashes after "+kind+":", "%s is not the name of a %s", quote(key), kind)
		}
		return u, nil
	case UnitQuery:
		if key == "" || len(key) > maxKey || strings.ContainsAny(key, "&=#? \t") {
			return Unit{}, faultf("write the name of a parameter after query:", "%s is not the name of a query parameter", quote(key))
		}
		return u, nil
	case UnitJSON:
		if f := pointerFault(key); f != nil {
			return Unit{}, f
		}
		return u, nil
	}
	if near := nearest(kind, []string{"header", "cookie", "query", "json"}); near != "" {
		return Unit{}, faultf("did you mean "+quote(near+":"+key)+"?", "%s is not a source of units", quote(s))
	}
	return Unit{}, faultf(unitForms, "%s is not a source of units", quote(s))
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
		if !isAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// pointerFault says why p is not a JSON Pointer (RFC 6901), or nil.
func pointerFault(p string) *fault {
	const hint = "write a JSON Pointer such as json:/inputs/0/name"
	if !strings.HasPrefix(p, "/") || len(p) > maxKey {
		return faultf(hint, "%s is not a JSON Pointer", quote(p))
	}
	plain := strings.NewReplacer("~0", "", "~1", "").Replace(p)
	if strings.Contains(plain, "~") {
		return faultf("write ~0 for ~ and ~1 for /", "%s has a ~ that stands for nothing", quote(p))
	}
	return nil
}
