// Package measure runs all measurements of the data plane in one interleaved
// run: each repetition goes once through all proxies, every other one
// backwards, so that whatever else happens on the machine meets all of them
// alike.
//
// A proxy has one core for itself; what loads it and what answers it share
// another:
//
//   - idle: its memory, alone and with idle connections of callers.
//   - saturated: its processor time for each request, as wrk sends them.
//   - open: delays at a fixed rate that comes at random. Everything then runs on
//     the one core of the load, kept awake, because waking the other core of a
//     virtual machine costs tens of microseconds that are no proxy's.
//   - streams: delays of events, in the same way.
//
// What is added by a proxy is what it takes longer than the way without one,
// measured in the same repetition. A measurement that fails is a failure of its
// cell, with the reason, and the run goes on; whatever was started is stopped,
// also when the run is interrupted.
package measure
