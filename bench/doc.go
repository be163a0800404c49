// Package bench measures what is more than one package: a tick of the control
// loop over many rollouts, a server that does nothing, and a rollback through
// the whole of it. What it measures is promised, so each benchmark fails when
// its promise is broken by far; the numbers themselves are in docs/benchmarks.
//
// It is made of benchmarks alone. They start real parts and real processes on
// loopback, and leave nothing behind.
package bench
