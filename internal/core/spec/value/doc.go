// Package value reads and writes the single values of the users' files:
// quantities with their units, durations, sources of units, names, addresses.
//
// It promises that what a value's String method or Format function writes is
// read back as the same value, that quantities are exact as far as their type
// can hold them, and that whatever cannot be read is a *Fault: one sentence of
// what is wrong, and one of what to write instead. A bare number is never
// guessed at where a unit could change its meaning. It knows nothing of files,
// fields or places, and reads nothing but its arguments.
package value
