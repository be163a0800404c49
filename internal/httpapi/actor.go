package httpapi

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/belay-rollouts/belay/internal/command"
	"github.com/belay-rollouts/belay/internal/problem"
)

// callerKey finds the caller's address in a context.
type callerKey struct{}

// withCaller notes where a request comes from, for acts without a name.
func withCaller(r *http.Request) context.Context {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return context.WithValue(r.Context(), callerKey{}, host)
}

// actor is who asks: the name that was given, or else the address. Where
// somebody has to answer for an act, an address is not enough.
func actor(ctx context.Context, name string, mustBeNamed bool) (command.Actor, error) {
	name = strings.TrimSpace(name)
	switch {
	case len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return command.Actor{}, problem.New(problem.Invalid, "Belay-Actor is no name; use up to 128 printable characters")
	case name != "":
		return command.Actor{Name: name}, nil
	case mustBeNamed:
		return command.Actor{}, problem.New(problem.Refused, "an override needs a name to answer for it; send Belay-Actor")
	}
	host, _ := ctx.Value(callerKey{}).(string)
	return command.Actor{Name: "unnamed caller at " + host}, nil
}
