// Package process runs the programs that are measured, on one core each, and
// reads from /proc what they cost.
//
// A Process is a program with all its children: an nginx with its worker. It is
// started in a process group of its own, on one core, and ends with whoever
// started it: at Stop, when its context ends, and, because the kernel is told
// so, when the starter dies. Nothing but that group is ever signalled, every
// wait is bounded, and what it says is kept up to a bound, to be shown when it
// fails.
//
// Processor time is the run time that the scheduler counted (schedstat, in
// nanoseconds), summed over all threads that live; the ticks of
// /proc/PID/stat, which include threads that have ended, stand beside it as a
// check. The package runs on Linux alone.
package process
