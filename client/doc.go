// Package client speaks to a Belay server: apply files, start rollouts, act on
// them, read how they stand, follow them, report outcomes.
//
//	c, err := client.New(client.Options{Actor: "release-bot"})
//	r, err := c.Start(ctx, client.StartRequest{Model: "fraud", Version: "v7", URL: "http://localhost:9007"})
//	for event, err := range c.Watch(ctx, client.WatchRequest{Rollout: r.Name}) { … }
//
// It promises that every call ends: by its context, or after Options.Timeout.
// What may be repeated is repeated, a few times and with growing pauses, when
// the server cannot be reached or says that it is busy: reads always, changes
// under an Idempotency-Key that is the same for all tries of a call, so that a
// lost answer never makes a change happen twice. An answer that is no success
// is an *Error with a stable code; a server that does not answer is an
// *Unreachable. Answers are read up to a bound and fields that are not known
// are ignored, so an older client keeps working with a newer server.
//
// It imports only the standard library and the generated types of package api,
// and keeps nothing but connections. A Client is safe for concurrent use.
package client
