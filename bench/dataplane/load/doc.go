// Package load sends traffic to a proxy and measures what comes back, in three
// ways:
//
//   - Saturated: as many requests as the proxy takes, by wrk. What counts then
//     is the proxy's processor time for each request.
//   - Open: requests at random moments of a fixed rate (a Poisson process),
//     whatever the proxy does. A delay counts from the moment at which a request
//     was meant to be sent, so that one that had to wait for a slow one before
//     it is slow, too (G. Tene's "coordinated omission"). How late the generator
//     itself was is told beside it.
//   - Streams: both ends of many event streams at once. Each event carries the
//     moment at which it was written, and is read by the same clock.
//
// Open and Streams are one thread and one epoll loop each, without memory to be
// collected, and run as processes of their own: they take a few microseconds of
// a request, which the way without any proxy shows.
//
// The package judges nothing, and follows no redirect. An answer that is not 200
// counts as failed, a connection that breaks as broken; too many of them end a
// measurement with an error.
package load
