// Package httpapi answers the REST API of api/openapi.yaml, the probes and the
// metrics.
//
// It is a surface: it turns requests into calls of the engine and answers into
// JSON, and holds no rules of its own. Everything that comes in is bounded: the
// size of bodies and headers, the time that reading and writing may take, the
// number of streams. A body is taken wholly and strictly (an unknown field is
// refused, not ignored) or answered with what is wrong in it. Every error is an
// RFC 9457 document made in one place (problem.go); a panic is one too, and
// ends nothing but its request.
//
// There is no log-in yet. The address is meant to be a loopback one; pages of
// other origins in a browser on the same machine are turned away, and so are
// names that lead to this machine by a trick (Options.LocalOnly).
//
// If the engine or the store fails, reads fail with `unavailable` and the
// probes say so; an act is handed to the engine all the same, because a
// rollback needs no store to move the traffic.
package httpapi
