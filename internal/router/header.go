package router

import (
	"net"
	"net/http"
	"strings"
)

// hop reports whether a field belongs to one connection and is never passed on
// (RFC 9110 section 7.6.1).
func hop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization":
		return true
	}
	return false
}

// named reports whether a Connection field names a field to be left out.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
	}
	return false
}

// endToEnd copies the fields of src that are passed on to dst. Values are
// shared, not copied.
func endToEnd(dst, src http.Header) {
	connection := src["Connection"]
	for name, values := range src {
		if hop(name) || strings.HasPrefix(name, ownPrefix) || len(connection) > 0 && named(connection, name) {
			continue
		}
		dst[name] = values
	}
}

// forwarded is the header that a version gets: the caller's end-to-end fields,
// and where the request came from. Expect was answered by the front.
func (x *exchange) forwarded(scheme string) http.Header {
	h := make(http.Header, len(x.header)+4)
	endToEnd(h, x.header)
	delete(h, "Expect")
	if named(x.header["Te"], "trailers") {
		h["Te"] = []string{"trailers"}
	}
	from := x.remote
	if ip, _, err := net.SplitHostPort(from); err == nil {
		from = ip
	}
	if prior := h["X-Forwarded-For"]; len(prior) > 0 {
		from = strings.Join(prior, ", ") + ", " + from
	}
	h["X-Forwarded-For"] = []string{from}
	// A gateway before the router knows better than the router.
	if len(h["X-Forwarded-Host"]) == 0 {
		h["X-Forwarded-Host"] = []string{x.host}
	}
	if len(h["X-Forwarded-Proto"]) == 0 {
		h["X-Forwarded-Proto"] = []string{scheme}
	}
	return h
}
